"""Two tables of candidates, later behaviours -> what each would have hit: an offline A/B test."""

import logging

from mind.behaviours.days import until
from mind.behaviours.standing import standing
from mind.launch import Run, job
from mind.operations.replay import days_after, newest_day, overlap, replays, told, within
from mind.source import load_source
from mind.storage.candidate_lists import named_lists
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import BEHAVIOURS, CANDIDATES


@job("replay")
def main(run: Run) -> None:
    config, ds, other = run.config, run.ds, str(run.asked["other"])
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    first = lake.read(CANDIDATES, ds)
    second, night = named_lists(lake, other, ds)
    behaviours = lake.read(BEHAVIOURS)
    days = days_after([ds, night], run.asked["days"], newest_day(behaviours))
    later = within(standing(until(behaviours, days[1]), load_source(config.ingest.source)), days)
    cutoffs = config.evaluation.cutoffs
    found = replays(first, second, later, cutoffs)
    for line in told((f"candidates of {ds}", other), days, overlap(first, second, cutoffs), found):
        logging.getLogger("mind").info(line)


if __name__ == "__main__":
    main()
