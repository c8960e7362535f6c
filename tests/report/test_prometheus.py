"""The night's numbers as a monitor reads them."""

from __future__ import annotations

import re
from pathlib import Path

from mind.report.prometheus import render, write_metrics
from tests.report.night_facts import facts

SAMPLE = re.compile(r'^(mind_night_\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\} (\S+)$')


def test_every_line_is_a_sample_and_every_metric_is_described() -> None:
    text = render(facts(quarantined={'no "user"\n': 3}))
    described = set(re.findall(r"^# TYPE (\w+) gauge$", text, re.MULTILINE))
    samples = [SAMPLE.match(line) for line in text.splitlines() if not line.startswith("#")]
    assert samples
    assert all(samples), text
    assert {found[1] for found in samples if found} == described
    assert 'reason="no \\"user\\"\\n"} 3' in text


def test_the_newest_report_lies_where_a_monitor_looks(tmp_path: Path) -> None:
    write_metrics(facts(ds="2011-12-07"), tmp_path)
    write_metrics(facts(ds="2011-12-08"), tmp_path)
    assert 'ds="2011-12-08"' in (tmp_path / "mind.prom").read_text()
    assert 'ds="2011-12-07"' in (tmp_path / "2011-12-07" / "mind.prom").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2011-12-07", "2011-12-08", "mind.prom"]
