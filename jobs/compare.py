"""Challenger, champion -> verdict, alias."""

from mind.launch import Run, job
from mind.tracking.promotion import promote
from mind.tracking.registry import Registry
from mind.training.assessment import step_of


@job("compare")
def main(run: Run) -> None:
    promote(Registry(run.config.tracking), run.ds, step_of(run.ds), run.config.evaluation)


if __name__ == "__main__":
    main()
