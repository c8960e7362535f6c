"""Behaviours -> vocabulary, items, users."""

from mind.behaviours.days import end_of, last_days, until
from mind.behaviours.standing import standing
from mind.features.entities import items_as_of, users_as_of
from mind.features.vocabulary import check_known, new_entries, observed_values
from mind.launch import Run, job
from mind.source import load_source
from mind.storage.feature_files import profiles_of
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import BEHAVIOURS, ITEMS, USERS, VOCABULARY
from mind.tuples.splits import first_day_read


@job("build_vocabulary")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    source = load_source(config.ingest.source)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    behaviours = until(lake.read(BEHAVIOURS), ds, first_day_read(ds, config.tuples)).persist()
    kept = standing(behaviours, source).persist()
    minimum, limit = config.vocabulary.minimum_count, config.vocabulary.maximum_unknown_share
    profiles, end = profiles_of(lake, source, ds), end_of(ds, config.lake.time_zone)
    since = last_days(ds, config.ingest.look_back_days)[0]
    observed = observed_values(kept, behaviours, since, profiles, config.lake.time_zone).persist()
    check_known(observed, lake.read_or_empty(VOCABULARY), minimum, limit)
    lake.add(VOCABULARY, lambda held: new_entries(observed, held, minimum, ds))
    vocabulary = lake.read(VOCABULARY)
    lake.replace(ITEMS, items_as_of(kept, vocabulary, source, ds), ds, ds)
    lake.replace(USERS, users_as_of(behaviours, kept, vocabulary, source, ds, profiles, end), ds, ds)


if __name__ == "__main__":
    main()
