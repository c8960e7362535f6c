"""Fewer files for a night, and an end of what nobody can roll back to. It fails no night: what went wrong is logged."""

from mind.behaviours.days import last_days
from mind.launch import Run, job
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.storage.upkeep import maintain


@job("maintain")
def main(run: Run) -> None:
    config = run.config
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    first, last = last_days(run.ds, config.ingest.look_back_days)
    maintain(lake, first, last, config.maintenance.retention_days)


if __name__ == "__main__":
    main()
