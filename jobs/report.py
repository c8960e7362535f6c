"""Every table -> the night's page and the summary in the terminal."""

from pathlib import Path

from mind.launch import Run, job
from mind.report.facts import NightFacts, count_rows, interest_facts, published, refused_by_reason
from mind.report.item_map import item_map
from mind.report.kept import keep
from mind.report.page import write_page
from mind.report.people import choose, describe
from mind.report.prometheus import write_metrics
from mind.report.served import served_by
from mind.report.summary import print_summary
from mind.report.timings import lines_of, rows_read, seconds_by_step
from mind.steps import STEPS
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.storage.tuple_files import told_tuples
from mind.tables import (
    BEHAVIOURS,
    CANDIDATES,
    ITEM_VECTORS,
    ITEMS,
    PUBLICATIONS,
    QUARANTINE,
    USER_INTERESTS,
    USERS,
    VOCABULARY,
)
from mind.tracking.registry import Registry


@job("report")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    lake, registry = Lake(session(), config.lake.root, config.lake.catalog), Registry(config.tracking)
    cutoff = config.evaluation.main_cutoff
    publication, gates = published(lake.read(PUBLICATIONS), ds.isoformat())
    served = served_by(publication, config.retrieval.method, registry, ds, cutoff)
    read = lake.read if served.version else lake.read_or_empty
    of_night = (QUARANTINE, ITEMS, USERS, ITEM_VECTORS, USER_INTERESTS, CANDIDATES)
    frames = {table.name: lake.read(table) for table in (BEHAVIOURS, VOCABULARY)}
    frames |= {table.name: read(table).where(f"ds = DATE'{ds}'") for table in of_night}
    if served.version is None:  # what an earlier run of the night may have left is not what readers see
        frames |= {table.name: frames[table.name].limit(0) for table in (ITEM_VECTORS, USER_INTERESTS)}
    tuples, targets = told_tuples(config.lake.root, ds)
    people = choose(frames[USER_INTERESTS.name], frames[CANDIDATES.name], config.report.users)
    page = Path(config.report.folder).resolve() / ds.isoformat() / "index.html"
    rows = count_rows(frames) | {f"tuples, {split}": number for split, number in tuples.items()}
    lines = lines_of(config.logs.folder, ds.isoformat())
    facts = NightFacts(
        ds=ds.isoformat(),
        rows=rows,
        quarantined=refused_by_reason(frames[QUARANTINE.name]),
        targets=targets,
        metrics=served.metrics,
        curves=served.curves,
        model_version=served.name,
        publication=publication,
        gates=gates,
        people=describe(people, frames[ITEMS.name], served.reasons),
        places={"tables": lake.root, "MLflow store": registry.place, "report": str(page)},
        main_cutoff=cutoff,
        comparison=served.comparison,
        item_map=item_map(frames[ITEM_VECTORS.name], frames[ITEMS.name], rows[ITEM_VECTORS.name], people),
        seconds=seconds_by_step(lines, STEPS),
        ingested=rows_read(lines),
        **interest_facts(frames[USER_INTERESTS.name], frames[CANDIDATES.name], rows[USER_INTERESTS.name], cutoff),
    )
    write_page(facts, Path(config.report.folder))
    if served.version is not None:
        keep(facts, registry, served.version)
    write_metrics(facts, Path(config.report.folder))
    print_summary(facts, config.evaluation.cutoffs, run.configured_by)


if __name__ == "__main__":
    main()
