"""candidates_staged, gates -> candidates, publications. A failed gate moves nothing."""

from mind.launch import Run, job
from mind.publishing.gates import judge, measure, require
from mind.publishing.publication import as_json, is_published, lists_before, new_publication
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import CANDIDATES, ITEM_VECTORS, PUBLICATIONS, RECALL_SAMPLE, STAGED, USER_INTERESTS, USERS


@job("publish")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    lake = Lake(session(), config.lake.root)
    staged = lake.read(STAGED, ds).persist()
    found = measure(
        staged,
        users=lake.read(USERS, ds),
        interests=lake.read(USER_INTERESTS, ds),
        catalogue=lake.read(ITEM_VECTORS, ds),
        recalls=lake.read(RECALL_SAMPLE, ds),
        wanted=config.retrieval.candidates,
    )
    publications = lake.read_or_empty(PUBLICATIONS)
    gates = judge(found, config.gates, lists_before(publications, lake.read_or_empty(CANDIDATES), ds))
    require(gates)
    content = content_fingerprint(staged)
    if is_published(publications, ds, content):
        return
    lake.replace(CANDIDATES, staged, ds, ds)
    version, model = lake.version(CANDIDATES), staged.first().model_version  # type: ignore[union-attr]
    lake.add(PUBLICATIONS, lambda held: new_publication(held, ds, content, version, model, as_json(gates)))


if __name__ == "__main__":
    main()
