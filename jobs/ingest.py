"""Raw log -> behaviours, quarantine."""

from mind.behaviours.days import end_of, logged_days
from mind.behaviours.ingest import ingest
from mind.behaviours.persons import without
from mind.launch import Run, job
from mind.source import load_source
from mind.storage.feature_files import read_profiles
from mind.storage.lake import Lake
from mind.storage.raw_log import read_raw_log
from mind.storage.session import session
from mind.tables import BEHAVIOURS, FORGOTTEN, PROFILES, QUARANTINE


@job("ingest")
def main(run: Run) -> None:
    config = run.config
    source = load_source(config.ingest.source)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    days = logged_days(run.ds, config.ingest.look_back_days)
    path, end = config.ingest.path or source.path, end_of(run.ds, config.lake.time_zone)
    raw = read_raw_log(lake.spark, source, path, *days, end)
    forgotten = lake.read_or_empty(FORGOTTEN)
    night = ingest(raw, source, config.ingest, config.lake.time_zone, run.ds, forgotten)
    night.check_held(lake.read_or_empty(BEHAVIOURS))
    if source.dated_features:
        profiles = without(read_profiles(lake.spark, source, path, run.ds, end), forgotten)
        lake.replace(PROFILES, profiles, run.ds, run.ds, may_be_empty=True)
    refused = lake.replace(QUARANTINE, night.quarantine, run.ds, run.ds, may_be_empty=True)
    accepted = lake.replace(BEHAVIOURS, night.behaviours, night.first, night.last)
    night.check_sums(accepted, refused)


if __name__ == "__main__":
    main()
