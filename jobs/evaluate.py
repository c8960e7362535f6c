"""Challenger, test tuples -> metrics beside popularity, and beside the champion."""

from mind.launch import Run, job
from mind.serving.evaluation import night_rows, splits_read_here
from mind.storage.near_tuples import near
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.tracking.registry import Registry
from mind.training.assessment import Assessment, assess
from mind.training.night import by_position


@job("evaluate")
def main(run: Run) -> None:
    config = run.config
    night = read_manifest(config.lake.root, run.ds)
    counts_V, tie_order_V = by_position(night, read_catalogue(night))
    with near(night, config.lake.scratch, *splits_read_here(config.evaluation)) as copied:
        assessment = Assessment(night_rows(night, copied, counts_V, tie_order_V, config.evaluation))
    assess(assessment, Registry(config.tracking), run.ds)


if __name__ == "__main__":
    main()
