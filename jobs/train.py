"""Tuples -> MLflow run, model version. Started by torchrun, one process a rank."""

from mind.launch import Run, job
from mind.storage.near_tuples import near
from mind.storage.tuple_files import read_catalogue, read_manifest
from mind.tracking.lineage import resolved
from mind.tracking.registry import Registry
from mind.training.night import night_of
from mind.training.session import train_and_register


@job("train")
def main(run: Run) -> None:
    config = run.config
    held = read_manifest(config.lake.root, run.ds)
    held.check_next_targets(config.tuples.next_targets)
    registry = Registry(config.tracking)
    settings = resolved(dict(config))
    with near(held, config.lake.scratch, "train", "validation") as manifest:
        night = night_of(manifest, read_catalogue(manifest))
        train_and_register(night, run.ds, registry, config.model, config.training, config.evaluation, settings)


if __name__ == "__main__":
    main()
