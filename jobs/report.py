"""Every table -> the night's page and the summary in the terminal."""

from functools import partial
from pathlib import Path

from mind.launch import Run, job
from mind.report.facts import NightFacts, count_rows, interests_and_lengths, published, refused_by_reason
from mind.report.item_map import item_map
from mind.report.kept import keep
from mind.report.page import write_page
from mind.report.people import ALL_REASONS, choose, describe
from mind.report.prometheus import write_metrics
from mind.report.summary import print_summary
from mind.report.timings import lines_of, rows_read, seconds_by_step
from mind.serving.embedding import serving_model
from mind.serving.explaining import interest_reasons
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
from mind.tracking.promotion import comparison_of
from mind.tracking.registry import CHAMPION, Registry
from mind.training.assessment import step_of


@job("report")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    lake, registry = Lake(session(), config.lake.root, config.lake.catalog), Registry(config.tracking)
    champion = registry.need(CHAMPION)
    model = serving_model(registry.folder(champion), champion.number)
    of_night = (QUARANTINE, ITEMS, USERS, ITEM_VECTORS, USER_INTERESTS, CANDIDATES)
    frames = {table.name: lake.read(table) for table in (BEHAVIOURS, VOCABULARY)}
    frames |= {table.name: lake.read(table).where(f"ds = DATE'{ds}'") for table in of_night}
    tuples, targets = told_tuples(config.lake.root, ds)
    people = choose(frames[USER_INTERESTS.name], frames[CANDIDATES.name], config.report.users)
    page = Path(config.report.folder).resolve() / ds.isoformat() / "index.html"
    rows = count_rows(frames) | {f"tuples, {split}": number for split, number in tuples.items()}
    by_interests, by_length = interests_and_lengths(frames[USER_INTERESTS.name])
    lines = lines_of(config.logs.folder, ds.isoformat())
    publication, gates = published(lake.read(PUBLICATIONS), ds.isoformat())
    facts = NightFacts(
        ds=ds.isoformat(),
        rows=rows,
        quarantined=refused_by_reason(frames[QUARANTINE.name]),
        targets=targets,
        metrics=registry.metrics(champion.run_id, step_of(ds)),
        curves=registry.curves(champion.run_id, config.evaluation.main_cutoff),
        model_version=champion.number,
        publication=publication,
        gates=gates,
        users_by_interests=by_interests,
        history_lengths=by_length,
        people=describe(people, frames[ITEMS.name], partial(interest_reasons, model, most=ALL_REASONS)),
        places={"tables": lake.root, "MLflow store": registry.place, "report": str(page)},
        main_cutoff=config.evaluation.main_cutoff,
        comparison=comparison_of(registry, ds),
        item_map=item_map(frames[ITEM_VECTORS.name], frames[ITEMS.name], rows[ITEM_VECTORS.name], people),
        seconds=seconds_by_step(lines, STEPS),
        ingested=rows_read(lines),
    )
    write_page(facts, Path(config.report.folder))
    keep(facts, registry, champion)
    write_metrics(facts, Path(config.report.folder))
    print_summary(facts, config.evaluation.cutoffs)


if __name__ == "__main__":
    main()
