"""Challengers, champion -> the verdict of each rule, alias."""

from mind.launch import Run, job
from mind.report.side_by_side import print_comparison
from mind.serving.evaluation import night_rows
from mind.storage.near_tuples import near
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.tracking.promotion import judge, promote, record
from mind.tracking.registry import Registry
from mind.training.assessment import Assessment
from mind.training.comparison import challengers, compare
from mind.training.night import by_position


@job("compare")
def main(run: Run) -> None:
    config = run.config
    registry = Registry(config.tracking)
    others = challengers(registry, run.asked["versions"])
    night = read_manifest(config.lake.root, run.ds)
    counts_V, tie_order_V = by_position(night, read_catalogue(night))
    with near(night, config.lake.scratch, "test") as copied:
        assessment = Assessment(night_rows(night, copied, counts_V, tie_order_V, config.evaluation))
        found = compare(assessment, copied, registry, others, config.evaluation, config.promotion)
    verdicts = judge(found, config.promotion)
    print_comparison(record(found, verdicts))
    promote(registry, run.ds, found, verdicts)


if __name__ == "__main__":
    main()
