"""item_vectors, user_interests -> candidates_staged, recall_sample."""

from mind.baselines.popularity import item_counts
from mind.behaviours.days import last_days, until
from mind.behaviours.standing import standing
from mind.launch import Run, job
from mind.serving.embedding import serving_model
from mind.serving.night import categories, check_versions, first_day_listed, stamped, touched
from mind.serving.recommendable import left_out, recommendable
from mind.serving.searching import build_index, fallback, measured_recall, retrieve
from mind.source import load_source
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import BEHAVIOURS, ITEM_VECTORS, ITEMS, RECALL_SAMPLE, STAGED, USER_INTERESTS, USERS
from mind.tables import names as n
from mind.tracking.registry import CHAMPION, Registry


@job("retrieve")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    registry, source = Registry(config.tracking), load_source(config.ingest.source)
    champion = registry.need(CHAMPION)
    model = serving_model(registry.folder(champion), champion.number)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    vectors, interests = lake.read(ITEM_VECTORS, ds), lake.read(USER_INTERESTS, ds)
    check_versions(model, {ITEM_VECTORS.name: vectors, USER_INTERESTS.name: interests})
    items = lake.read(ITEMS, ds)
    out = left_out(lake.spark, items, ds, config.lake.time_zone, config.retrieval)
    vectors = recommendable(vectors, out)
    index = build_index(vectors, model, interests, config.retrieval, categories(items, source, config.retrieval))
    kept = standing(until(lake.read(BEHAVIOURS), ds, first_day_listed(ds, config.retrieval)), source)
    excluded = touched(kept, ds, config.retrieval.exclude_days)
    found = retrieve(interests, excluded, index, config.retrieval)
    popular = item_counts(kept, vectors.select(n.ITEM_ID), *last_days(ds, config.retrieval.fallback_days))
    cold = lake.read(USERS, ds).select(n.USER_ID).join(interests, n.USER_ID, "left_anti")
    lists = found.unionByName(fallback(cold, popular, config.retrieval.candidates))
    recalls = measured_recall(interests, excluded, index, config.retrieval)
    lake.replace(RECALL_SAMPLE, stamped(recalls, ds, model, index.fingerprint), ds, ds, may_be_empty=True)
    lake.replace(STAGED, stamped(lists, ds, model, index.fingerprint), ds, ds)


if __name__ == "__main__":
    main()
