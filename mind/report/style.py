"""How the page looks: one style sheet, light and dark, wide and narrow."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --ink: #14181f; --soft: #5c6675; --line: #e2e6ec;
  --accent: #0f6e84; --accent-soft: #d7ecf0; --other: #b9c2ce; --good: #14784a; --good-soft: #dcf3e6; --bad: #b3261e;
  --bad-soft: #fbe3e1; --c0: #0f6e84; --c1: #d1652b; --c2: #6a51a3; --c3: #b08d00; --c4: #2e7d32; --c5: #c2185b }
@media (prefers-color-scheme: dark) { :root { --bg: #0f1318; --card: #181e26; --ink: #e8ecf1; --soft: #9aa6b5;
  --line: #2a323d; --accent: #4fb6cd; --accent-soft: #12333c; --other: #4a5563; --good: #5fd39a; --good-soft: #12352a;
  --bad: #ff8a80; --bad-soft: #43201d; --c0: #4fb6cd; --c1: #ff9a62; --c2: #b39ddb; --c3: #e6c84f; --c4: #81c784;
  --c5: #f48fb1 } }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, sans-serif; overflow-wrap: anywhere }
main, header, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem }
header { padding-top: 2.25rem } footer { padding-top: 1rem; padding-bottom: 2.5rem; color: var(--soft) }
h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.4rem); line-height: 1.18; letter-spacing: -.02em; margin: .5rem 0 .4rem }
h2 { font-size: 1.25rem; letter-spacing: -.01em; margin: 0 0 .15rem } h3 { font-size: 1rem; margin: 1.3rem 0 .4rem }
p { margin: .3rem 0 .8rem } .lead { font-size: 1.08rem; color: var(--soft); max-width: 54rem }
.soft, figcaption, .said { color: var(--soft); font-size: .9rem }
.eyebrow { color: var(--soft); font-size: .85rem; letter-spacing: .04em; text-transform: uppercase }
.pill { display: inline-block; border-radius: 99px; padding: .1rem .7rem; font-size: .85rem; font-weight: 600;
  white-space: nowrap; text-transform: none; letter-spacing: 0 }
.pill.good { background: var(--good-soft); color: var(--good) } .pill.bad { background: var(--bad-soft);
  color: var(--bad) } .pill.flat { background: var(--line); color: var(--soft) }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1.2rem 0; font-size: .92rem }
a { color: var(--accent); text-decoration: none } a:hover, a:focus { text-decoration: underline }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin-top: 1.4rem }
.tile, section { background: var(--card); border: 1px solid var(--line); border-radius: 14px }
.tile { padding: .8rem 1rem } .tile b { display: block; font-size: 1.6rem; line-height: 1.25; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums } .tile span { color: var(--soft); font-size: .85rem }
section { padding: 1.3rem 1.4rem 1.4rem; margin: 0 0 1.1rem; scroll-margin-top: 1rem }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: .4rem 2rem }
.columns > * { min-width: 0 }
.scroll { overflow-x: auto; margin: .6rem 0; max-width: 100% }
table { border-collapse: collapse; font-size: .92rem; min-width: 100%;
  overflow-wrap: break-word } td:first-child { min-width: 8rem }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .82rem; vertical-align: bottom }
td, th { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line) } tr:last-child td { border-bottom: 0 }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.word { white-space: nowrap } .ours td { font-weight: 600 }
code { font: .86em ui-monospace, SFMono-Regular, Menlo, monospace }
figure { margin: .6rem 0 0 } figcaption { margin-top: .3rem } svg { display: block; width: 100%; height: auto }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif } svg .strong { fill: var(--ink); font-weight: 600 }
.bar { display: grid; grid-template-columns: minmax(5.5rem, 11rem) minmax(0, 1fr) auto; align-items: center;
  gap: .1rem .7rem; font-size: .9rem; padding: .16rem 0 } .bar .track { position: relative; height: .8rem }
.bar .fill { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: var(--other); min-width: 2px }
.bar.ours .fill { background: var(--accent) } .bar.bad .fill { background: var(--bad) }
.bar .whisker { position: absolute; top: 50%; border-top: 2px solid var(--ink); height: 0 }
.bar .whisker::before, .bar .whisker::after { content: ""; position: absolute; top: -5px; height: 8px;
  border-left: 2px solid var(--ink) } .bar .whisker::before { left: 0 } .bar .whisker::after { right: 0 }
.bar .value { font-variant-numeric: tabular-nums; text-align: right; min-width: 4.4rem }
.heat td { border: 1px solid var(--card); padding: .2rem .3rem; text-align: center; font-size: .82rem;
  font-variant-numeric: tabular-nums; min-width: 2.7rem } .heat td.name { text-align: left; max-width: 16rem;
  border-bottom-color: var(--line); font-size: .86rem }
.heat .w { background: color-mix(in srgb, var(--accent) var(--share), var(--card)) } .heat .w.high { color: #fff }
@media (prefers-color-scheme: dark) { .heat .w.high { color: #0f1318 } }
.heat th.n { text-align: center; padding-right: 0 }
.beside figure { display: grid; grid-template-columns: minmax(0, 34rem) minmax(12rem, 1fr); gap: .5rem 2rem;
  align-items: center }
.interest { border-left: 4px solid var(--mark); padding: .1rem 0 .1rem .8rem; margin: .6rem 0 }
.key { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin: 0 .3rem 0 .8rem }
@media (max-width: 48rem) { .beside figure { grid-template-columns: minmax(0, 1fr) } }
@media (max-width: 34rem) { main, header, footer { padding-left: .8rem; padding-right: .8rem }
  section { padding: 1rem } .tiles { grid-template-columns: 1fr 1fr; gap: .6rem } .tile b { font-size: 1.3rem }
  .bar { grid-template-columns: minmax(0, 1fr) auto } .bar .name { grid-column: 1 } .bar .value { grid-column: 2 }
  .bar .track { grid-column: 1 / -1; grid-row: 2 } }
@media print { body { background: #fff } section, .tile { break-inside: avoid } nav { display: none } }
"""
