"""Champion, items -> item_vectors."""

from mind.features.entities import known_items
from mind.features.vocabulary import entries_below
from mind.launch import Run, job
from mind.serving.embedding import embed_items, serving_model
from mind.serving.night import stamped
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import ITEM_VECTORS, ITEMS, VOCABULARY
from mind.tracking.registry import CHAMPION, Registry


@job("embed_items")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    registry = Registry(config.tracking)
    champion = registry.need(CHAMPION)
    model = serving_model(registry.folder(champion), champion.number)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    model.check_vocabulary(content_fingerprint(entries_below(lake.read(VOCABULARY), model.sizes)))
    vectors = embed_items(known_items(lake.read(ITEMS, ds), model.items), model)
    lake.replace(ITEM_VECTORS, stamped(vectors, ds, model), ds, ds)


if __name__ == "__main__":
    main()
