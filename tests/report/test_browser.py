"""The page in a real browser without a network: nothing is wider than a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mind.report.page import render
from tests.report.night_facts import facts

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
PROBE = """<script>onload = () => {
  const wide = [...document.querySelectorAll('body *')].filter(part => !part.closest('.scroll *')
    && part.getBoundingClientRect().right > innerWidth + 1).map(part => part.tagName + '.' + part.className);
  const flat = [...document.querySelectorAll('svg')].filter(part => part.getBoundingClientRect().height < 50).length;
  document.body.dataset.found = JSON.stringify(
    [innerWidth, document.documentElement.scrollWidth, wide.length, flat, document.querySelectorAll('section').length]);
}</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH (Debian's package: chromium)")
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_screen(tmp_path: Path, width: int) -> None:
    # A frame of the width of a phone: the window of a headless Chromium cannot be so narrow.
    html = render(facts(), people=True).replace("</body>", f"{PROBE}</body>")
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="page.html" style="width:{width}px;height:900px;border:0"></iframe><script>onload = () => '
        "{ document.body.dataset.found = f.contentDocument.body.dataset.found }</script>"
    )
    assert CHROMIUM is not None
    words = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    words += [f"--user-data-dir={tmp_path}/profile", "--allow-file-access-from-files", "--window-size=1400,1000"]
    words += ["--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r'data-found="\[(\d+),(\d+),(\d+),(\d+),(\d+)\]"', done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-1500:]
    inner, scrolled, too_wide, flat, sections = map(int, found.groups())
    assert inner == width
    assert scrolled <= width
    assert (too_wide, flat, sections) == (0, 0, 12)
