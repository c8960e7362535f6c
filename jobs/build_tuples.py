"""Behaviours -> tuples (Parquet, manifest)."""

from mind.baselines.popularity import item_counts
from mind.behaviours.days import until
from mind.behaviours.standing import still_standing, with_undoing
from mind.features.entities import known_items
from mind.features.history import NEEDED
from mind.features.vocabulary import all_features, entries_below, sizes
from mind.launch import Run, job
from mind.source import load_source
from mind.storage.audit import content_fingerprint, growing_fingerprints
from mind.storage.feature_files import profiles_of
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.storage.tuple_writer import write_tuples
from mind.tables import BEHAVIOURS, ITEMS, VOCABULARY
from mind.tables import names as n
from mind.tuples.build import build_tuples, count_targets, target_sequences, training_behaviours
from mind.tuples.manifest import facts
from mind.tuples.splits import first_day_read, windows


@job("build_tuples")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    source = load_source(config.ingest.source)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    first = first_day_read(ds, config.tuples)
    positive = with_undoing(until(lake.read(BEHAVIOURS).select(*NEEDED), ds, first), source).persist()
    items, vocabulary = known_items(lake.read(ITEMS, ds)).persist(), lake.read(VOCABULARY).persist()
    profiles = profiles_of(lake, source, ds)
    sequences = target_sequences(positive, items, vocabulary, source, ds, config.tuples, profiles).persist()
    targets = count_targets(sequences, ds, config.tuples)
    of_sizes = sizes(vocabulary, all_features(source))
    fingerprint = content_fingerprint(entries_below(vocabulary, of_sizes))
    grew = growing_fingerprints(entries_below(vocabulary, of_sizes, n.ADDED_DS), n.ADDED_DS)
    tuples = build_tuples(sequences, config.tuples, ages=config.model.behaviour_time)
    counted = training_behaviours(still_standing(positive), tuples, config.tuples)
    train = windows(ds, config.tuples)["train"]
    write_tuples(
        config.lake.root,
        ds,
        tuples=tuples,
        catalogue=item_counts(counted, items, train.first, train.last),
        files=config.tuples.files,
        expected=targets.kept,
        facts=facts(source, ds, config.tuples, targets, of_sizes, fingerprint, grew),
    )


if __name__ == "__main__":
    main()
