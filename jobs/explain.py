"""A user of a night in words: history, interests, first candidates, and where an item stands."""

from functools import partial

from mind.behaviours.days import until
from mind.behaviours.persons import of_user
from mind.behaviours.standing import standing
from mind.features.entities import known_items
from mind.launch import Run, job
from mind.operations.explain import standing_of, user_row, without_model
from mind.report.people import REASONS, describe, first_listed
from mind.report.summary import print_listed, print_person, print_standing
from mind.serving.embedding import serving_model
from mind.serving.explaining import interest_reasons
from mind.serving.night import first_day_listed, touched
from mind.serving.recommendable import left_out
from mind.source import load_source
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import BEHAVIOURS, CANDIDATES, ITEM_CF, ITEM_VECTORS, ITEMS, USER_INTERESTS
from mind.tables import names as n
from mind.tracking.registry import Registry


@job("explain")
def main(run: Run) -> None:
    config, ds, user_id, item_id = run.config, run.ds, str(run.asked["user"]), run.asked["item"]
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    items, lists = lake.read(ITEMS, ds), lake.read(CANDIDATES, ds)
    by_model = not without_model(lists)
    interests = lake.read(USER_INTERESTS, ds) if by_model else lake.read_or_empty(USER_INTERESTS).limit(0)
    user = user_row(user_id, ds, lists, interests)
    if user[n.ORIGIN] == ITEM_CF:
        print_listed(user_id, first_listed(user, items))
    elif user[n.INTERESTS] is None:
        print_person(None, user_id)
    else:
        registry = Registry(config.tracking)
        model = serving_model(registry.folder(registry.numbered(user[n.MODEL_VERSION])), user[n.MODEL_VERSION])
        print_person(describe([user], items, partial(interest_reasons, model, most=REASONS))[0], user_id)
    if item_id is not None:
        recent = of_user(until(lake.read(BEHAVIOURS), ds, first_day_listed(ds, config.retrieval)), user_id)
        kept = standing(recent, load_source(config.ingest.source))
        excluded = touched(kept, ds, config.retrieval.exclude_days)
        out = left_out(lake.spark, items, ds, config.lake.time_zone, config.retrieval)
        known = lake.read(ITEM_VECTORS, ds) if by_model else known_items(items)
        print_standing(item_id, standing_of(item_id, user, items, known, out, excluded))


if __name__ == "__main__":
    main()
