"""candidates_staged, gates -> candidates, publications. A failed gate moves nothing."""

from mind.behaviours.days import until
from mind.behaviours.standing import standing
from mind.features.entities import known_items
from mind.launch import Run, job
from mind.publishing.gates import judge, require
from mind.publishing.measures import measure
from mind.publishing.publication import as_json, is_published, new_publication, night_before
from mind.serving.neighbours import ItemCF, with_histories
from mind.serving.night import first_day_listed, stamped, touched
from mind.serving.recommendable import left_out
from mind.source import load_source
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import (
    BEHAVIOURS,
    CANDIDATES,
    ITEM_CF,
    ITEM_VECTORS,
    ITEMS,
    PUBLICATIONS,
    RECALL_SAMPLE,
    STAGED,
    USER_INTERESTS,
    USERS,
)
from mind.tuples.splits import first_day_read


@job("publish")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    staged = lake.read(STAGED, ds).persist()
    publications, days = lake.read_or_empty(PUBLICATIONS), config.retrieval.exclude_days
    items, source = lake.read(ITEMS, ds), load_source(config.ingest.source)
    if config.retrieval.method == ITEM_CF:
        catalogue = known_items(items)
        kept = standing(until(lake.read(BEHAVIOURS), ds, first_day_read(ds, config.tuples)), source)
        interests = stamped(with_histories(kept, catalogue), ds, ItemCF(section=config.item_cf))
        recalls = lake.read_or_empty(RECALL_SAMPLE).limit(0)  # nothing was searched
    else:
        catalogue, interests = lake.read(ITEM_VECTORS, ds), lake.read(USER_INTERESTS, ds)
        recalls = lake.read(RECALL_SAMPLE, ds)
    recent = standing(until(lake.read(BEHAVIOURS), ds, first_day_listed(ds, config.retrieval)), source)
    found = measure(
        staged,
        users=lake.read(USERS, ds),
        interests=interests,
        catalogue=catalogue,
        out=left_out(lake.spark, items, ds, config.lake.time_zone, config.retrieval),
        touched=touched(recent, ds, days) if days else None,
        recalls=recalls,
        before=night_before(publications, lake.read_or_empty(CANDIDATES), ds),
        wanted=config.retrieval.candidates,
    )
    gates = judge(found, config.gates)
    require(gates)
    content = content_fingerprint(staged)
    if is_published(publications, ds, content):
        return
    lake.replace(CANDIDATES, staged, ds, ds)
    version, model = lake.version(CANDIDATES), staged.first().model_version  # type: ignore[union-attr]
    lake.add(PUBLICATIONS, lambda held: new_publication(held, ds, content, version, model, as_json(gates)))


if __name__ == "__main__":
    main()
