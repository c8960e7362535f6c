"""Behaviours, items -> candidates_staged, from item neighbours and without a model."""

from mind.baselines.popularity import item_counts
from mind.behaviours.days import last_days, until
from mind.behaviours.standing import standing
from mind.features.entities import known_items
from mind.features.history import histories_at_end, user_sequences
from mind.launch import Run, job
from mind.serving.neighbours import ItemCF, neighbour_lists
from mind.serving.night import first_day_listed, stamped, touched
from mind.serving.recommendable import left_out, recommendable
from mind.serving.searching import fallback
from mind.source import load_source
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import BEHAVIOURS, ITEMS, STAGED, USERS, VOCABULARY
from mind.tables import names as n
from mind.tuples.splits import first_day_read


@job("retrieve_item_cf")
def main(run: Run) -> None:
    config, ds, section = run.config, run.ds, run.config.retrieval
    source, length = load_source(config.ingest.source), config.item_cf.history_length
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    items = lake.read(ITEMS, ds)
    known = known_items(items)
    may_be = recommendable(known, left_out(lake.spark, items, ds, config.lake.time_zone, section))
    kept = standing(until(lake.read(BEHAVIOURS), ds, first_day_read(ds, config.tuples)), source)
    recent = standing(until(lake.read(BEHAVIOURS), ds, first_day_listed(ds, section)), source)
    sequences = user_sequences(kept, known, lake.read(VOCABULARY), source, most_recent=length)
    histories = histories_at_end(sequences, length).persist()
    excluded = touched(recent, ds, section.exclude_days)
    popular = item_counts(recent, may_be.select(n.ITEM_ID), *last_days(ds, section.fallback_days))
    found = neighbour_lists(histories, kept, known, may_be, excluded, popular, config.item_cf, section.candidates)
    cold = lake.read(USERS, ds).select(n.USER_ID).join(histories, n.USER_ID, "left_anti")
    lists = found.unionByName(fallback(cold, popular, section.candidates))
    made_by, catalogue = ItemCF(section=config.item_cf), content_fingerprint(may_be.select(n.ITEM_ID))
    lake.replace(STAGED, stamped(lists, ds, made_by, catalogue), ds, ds)


if __name__ == "__main__":
    main()
