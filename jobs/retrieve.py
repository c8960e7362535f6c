"""item_vectors, user_interests (or item neighbours) -> candidates_staged, recall_sample."""

from mind.baselines.popularity import item_counts
from mind.behaviours.days import last_days, until
from mind.behaviours.standing import standing
from mind.features.entities import known_items
from mind.features.history import histories_at_end, user_sequences
from mind.launch import Run, job
from mind.serving.embedding import ServingModel, serving_model
from mind.serving.neighbours import ItemCF, neighbour_lists
from mind.serving.night import categories, check_versions, stamped, touched
from mind.serving.recommendable import left_out, recommendable
from mind.serving.searching import build_index, fallback, measured_recall, retrieve
from mind.source import load_source
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import (
    BEHAVIOURS,
    ITEM_CF,
    ITEM_VECTORS,
    ITEMS,
    RECALL_SAMPLE,
    STAGED,
    USER_INTERESTS,
    USERS,
    VOCABULARY,
)
from mind.tables import names as n
from mind.tracking.registry import CHAMPION, Registry


@job("retrieve")
def main(run: Run) -> None:
    config, ds, section = run.config, run.ds, run.config.retrieval
    registry, source = Registry(config.tracking), load_source(config.ingest.source)
    champion = registry.need(CHAMPION) if section.method != ITEM_CF else None
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    items = lake.read(ITEMS, ds)
    out = left_out(lake.spark, items, ds, config.lake.time_zone, section)
    kept = standing(until(lake.read(BEHAVIOURS), ds), source)
    excluded, days = touched(kept, ds, section.exclude_days), last_days(ds, section.fallback_days)
    made_by: ItemCF | ServingModel
    if champion is None:
        made_by, length = ItemCF(section=config.item_cf), config.item_cf.history_length
        known = known_items(items)
        may_be = recommendable(known, out)
        sequences = user_sequences(kept, known, lake.read(VOCABULARY), source, most_recent=length)
        served = histories_at_end(sequences, length).persist()
        popular = item_counts(kept, may_be.select(n.ITEM_ID), *days)
        found = neighbour_lists(served, kept, known, may_be, excluded, popular, config.item_cf, section.candidates)
        catalogue = content_fingerprint(may_be.select(n.ITEM_ID))
        recalls = lake.read_or_empty(RECALL_SAMPLE).limit(0)
    else:
        made_by = model = serving_model(registry.folder(champion), champion.number)
        vectors, served = lake.read(ITEM_VECTORS, ds), lake.read(USER_INTERESTS, ds)
        check_versions(model, {ITEM_VECTORS.name: vectors, USER_INTERESTS.name: served})
        vectors = recommendable(vectors, out)
        index = build_index(vectors, model, served, section, categories(items, source, section))
        popular = item_counts(kept, vectors.select(n.ITEM_ID), *days)
        found = retrieve(served, excluded, index, section)
        catalogue = index.fingerprint
        recalls = measured_recall(served, excluded, index, section)
    cold = lake.read(USERS, ds).select(n.USER_ID).join(served, n.USER_ID, "left_anti")
    lists = found.unionByName(fallback(cold, popular, section.candidates))
    lake.replace(RECALL_SAMPLE, stamped(recalls, ds, made_by, catalogue), ds, ds, may_be_empty=True)
    lake.replace(STAGED, stamped(lists, ds, made_by, catalogue), ds, ds)


if __name__ == "__main__":
    main()
