"""publications -> candidates as readers saw them before, publications."""

from mind.behaviours.persons import without
from mind.launch import Run, job
from mind.publishing.publication import ROLLBACK, new_publication
from mind.publishing.rollback import goal_of
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.storage.upkeep import rows_at
from mind.tables import CANDIDATES, FORGOTTEN, PUBLICATIONS


@job("rollback")
def main(run: Run) -> None:
    ds, lake = run.ds, Lake(session(), run.config.lake.root, run.config.lake.catalog)
    now = lake.read(CANDIDATES).where(f"ds = DATE'{ds}'")
    seen = content_fingerprint(now)
    publications = lake.read(PUBLICATIONS)
    goal = goal_of(publications, ds, run.asked["to"], seen)
    old = now.limit(0) if goal.version is None else rows_at(lake, CANDIDATES, goal.version, ds)
    goal.check(content_fingerprint(old))
    lists = without(old, lake.read_or_empty(FORGOTTEN))
    content = content_fingerprint(lists)
    if goal.is_recorded(publications, ds, seen, content):
        return
    lake.replace(CANDIDATES, lists, ds, ds, may_be_empty=goal.version is None)
    version = lake.version(CANDIDATES)
    lake.add(
        PUBLICATIONS,
        lambda held: new_publication(held, ds, content, version, goal.model_version, goal.gates, ROLLBACK),
    )
    goal.tell(lake.read(CANDIDATES), ds)


if __name__ == "__main__":
    main()
