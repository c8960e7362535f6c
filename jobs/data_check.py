"""Raw log -> what it holds, in the terminal and as a plot; writes no table."""

from pathlib import Path

from mind.behaviours.days import EVER
from mind.behaviours.log_profile import profile_log
from mind.behaviours.parse import parse
from mind.launch import Run, job
from mind.report.log_profile import show_profile
from mind.source import load_source
from mind.storage.raw_log import read_raw_log
from mind.storage.session import session


@job("data_check")
def main(run: Run) -> None:
    source = load_source(str(run.asked["source"]))
    raw = read_raw_log(session(), source, run.asked["path"] or source.path)
    events = parse(raw, source, run.config.lake.time_zone, *EVER)
    found = profile_log(events, source)
    show_profile(found, source.name, Path("build/data_check"), run.config.ingest.bad_row_limit)


if __name__ == "__main__":
    main()
