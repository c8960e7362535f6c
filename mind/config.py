"""The configuration: one frozen section per room, read from `conf/`.

`load` layers TOML files (`conf/default.toml` first) and `section.key=value` overrides. Unknown keys are
refused, every value is checked when it is built, and an error names the key to change. A function takes the
section it uses; the whole configuration never travels.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mind.operating import LogsSection, MaintenanceSection, ReportSection, ScheduleSection, SparkSection
from mind.recommending import GatesSection, ItemCfSection, PromotionSection, RetrievalSection
from mind.sections import ConfigError, Count, Name, Positive, Scale, Section, Share, build, known_zone, read_toml

DEFAULT_FILE = Path("conf/default.toml")


class LakeSection(Section):
    """Where the tables lie."""

    root: str = Field(min_length=1, description="folder or URI that holds every table")
    catalog: str = Field(
        pattern=r"^(\w+(\.\w+)?)?$", description="schema or catalog.schema that names the tables too; empty: paths only"
    )
    time_zone: str = Field(description="IANA time zone in which `ds` is a day")
    scratch: str = Field(min_length=1, description="folder of each node for copies of the tuples of a lake at s3://")

    _zone = field_validator("time_zone")(known_zone)


class IngestSection(Section):
    """Raw log to behaviours."""

    source: Name = Field(description="name of a file in conf/sources, without .toml")
    path: str = Field(description="raw log: file, folder or URI, {ds} for a day; empty: the path in the source file")
    watermark: str = Field(description="file that holds the moment up to which the log is complete; empty: no waiting")
    look_back_days: Positive = Field(description="days up to and including ds that a run writes again")
    bad_row_limit: Share = Field(description="largest share of bad rows, as the source defines bad")


class VocabularySection(Section):
    """Values to dense indexes."""

    minimum_count: Positive = Field(description="behaviours that a value needs before it gets an index")
    maximum_unknown_share: Share = Field(
        description="largest share of a feature's values without an index, over the days looked back on"
    )


class TuplesSection(Section):
    """Training tuples (Iu, Pu, Fi)."""

    history_length: Positive = Field(description="L: most recent behaviours kept in a history")
    history_days: Count = Field(
        description="days that a history reaches back; a night reads so many before its first target; 0: all"
    )
    split: Literal["time", "last", "paper"] = Field(
        description="targets by days | each user's last one for test, the one before for validation | 18:1:1 by chance"
    )
    train_days: Positive = Field(description="days of training targets before the validation days")
    validation_days: Positive = Field(description="days of validation targets before the test days")
    test_days: Positive = Field(description="last days up to and including ds, never trained on")
    targets_per_user: Positive = Field(description="targets kept per user and split")
    targets_kept: Literal["latest", "random"] = Field(description="which of them are kept where there are more")
    next_targets: Positive = Field(
        description="n: a training tuple's loss is the mean over its target and the n - 1 training targets of the user "
        "that follow; 1: its target alone"
    )
    files: Positive = Field(description="Parquet files per split; a multiple of the training ranks")

    @model_validator(mode="after")
    def _last_is_the_latest(self) -> TuplesSection:
        if self.split == "last" and self.targets_kept == "random":
            raise ValueError("split 'last' goes by the end of a history; set targets_kept to 'latest' with it")
        return self


class ModelSection(Section):
    """The network; each field is described where it is used, in mind/model/mind.py."""

    method: Literal["mind", "youtube_dnn"] = Field(description="how behaviours become interests")
    dimension: Positive = Field(description="D: size of item and interest vectors")
    interests: Positive = Field(description="K: largest number of interests of a user")
    adaptive_interests: bool = Field(description="K'_u = max(1, min(K, floor(log2 n))), eq. 9")
    routing_iterations: Positive = Field(description="r: routing iterations")
    routing_start: Literal["normal", "farthest"] = Field(description="how routing logits start")
    sigma: Scale = Field(description="standard deviation of normal start logits")
    start_scale: Scale = Field(description="logit per unit of cosine of the farthest-point start")
    embedding_scale: Scale = Field(description="expected length of e_i before training")
    mapping_scale: Scale = Field(description="S starts as this multiple of the identity")
    recency: bool = Field(description="learned weight and vector of each place from the most recent behaviour")
    context: bool = Field(description="the head also sees the mean of all behaviours")
    hidden_sizes: tuple[Positive, ...] = Field(description="widths of the head's ReLU layers")
    residual: bool = Field(description="the head adds to the capsule instead of replacing it")
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(description="share of entries left out in training")
    decorrelation: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(
        description="weight of the interests' mean squared cosine in the loss"
    )
    behaviour_time: bool = Field(description="learned weight and vector of each behaviour's age at as_of, in buckets")
    attention_power: Annotated[float, Field(ge=0.0)] = Field(description="p of label-aware attention; inf: hard")
    normalise: bool = Field(description="L2-normalise item and interest vectors")
    temperature: Scale = Field(description="scores are divided by it in the loss")
    negatives_scored_by: Literal["chosen", "best"] = Field(description="interest that scores a negative")
    log_q_correction: bool = Field(description="subtract log expected count from a negative's score")


class TrainingSection(Section):
    """How the network is trained."""

    processes: Positive = Field(description="ranks on this node")
    threads_per_process: Positive = Field(description="CPU threads of a rank")
    epochs: Positive = Field(description="passes over the training tuples")
    batch_size: Positive = Field(description="rows of the global batch, over all ranks")
    learning_rate: Scale = Field(description="of Adam and of SparseAdam")
    sampler: Literal["uniform", "log_uniform", "in_batch", "mixed"] = Field(description="of negatives")
    negatives: Positive = Field(description="N: negatives shared by the global batch")
    shuffle_rows: Positive = Field(description="rows that a rank holds to shuffle")
    batches_ahead: Count = Field(description="batches that a rank reads while it computes; 0: it reads in between")
    seed: Count = Field(description="of initial weights, order and negatives")
    warm_start: bool = Field(
        description="start from the champion of an earlier night, where it fits; new items start among their like"
    )
    shard_rows: Count = Field(description="least rows of a table whose rows are divided among the ranks; 0: none is")
    checkpoints: str = Field(min_length=1, description="folder that all ranks see; empty again after the training")
    checkpoint_steps: Positive = Field(description="steps between two checkpoints inside an epoch")

    @model_validator(mode="after")
    def _fits_the_ranks(self) -> TrainingSection:
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of processes {self.processes}; "
                "choose one that every rank gets an equal part of"
            )
        if self.shard_rows and self.warm_start:
            raise ValueError(f"shard_rows {self.shard_rows} with warm_start: divided tables start anew; turn one off")
        return self


class EvaluationSection(Section):
    """How models are measured."""

    cutoffs: tuple[Positive, ...] = Field(min_length=1, description="N of HitRate@N, NDCG@N and MRR@N")
    main_cutoff: Positive = Field(description="N of the HitRate by which models are compared")
    batch_size: Positive = Field(description="rows scored at once against the whole catalogue")
    filter_seen: bool = Field(
        description="items of a row's history do not compete, and rows whose target is one of them do not count"
    )
    on_spark: bool = Field(description="Spark's executors score the test rows, in the same blocks as one process would")

    @model_validator(mode="after")
    def _main_is_measured(self) -> EvaluationSection:
        if self.main_cutoff not in self.cutoffs:
            raise ValueError(f"main_cutoff {self.main_cutoff} is not one of cutoffs {list(self.cutoffs)}")
        return self


class TrackingSection(Section):
    """MLflow."""

    uri: str = Field(pattern=r"^(sqlite|postgresql|http|https)[+:]", description="tracking and registry store")
    artifacts: str = Field(description="folder or URI of run artefacts, used when the experiment is made")
    experiment: str = Field(min_length=1, description="MLflow experiment")
    model_name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="name in the model registry")


class Config(Section):
    """The sections, by the name of their table in the TOML files."""

    lake: LakeSection
    spark: SparkSection
    ingest: IngestSection
    vocabulary: VocabularySection
    tuples: TuplesSection
    model: ModelSection
    training: TrainingSection
    evaluation: EvaluationSection
    promotion: PromotionSection
    retrieval: RetrievalSection
    item_cf: ItemCfSection
    gates: GatesSection
    maintenance: MaintenanceSection
    schedule: ScheduleSection
    logs: LogsSection
    tracking: TrackingSection
    report: ReportSection

    @model_validator(mode="after")
    def _files_divide_among_ranks(self) -> Config:
        if self.tuples.files % self.training.processes:
            raise ValueError(
                f"tuples.files {self.tuples.files} is not a multiple of training.processes "
                f"{self.training.processes}; every rank reads whole files, so give each the same number"
            )
        return self


def _override(text: str) -> tuple[str, str, Any]:
    """`section.key=value`, the value read as TOML where it is TOML, otherwise as a plain string."""
    name, equals, raw = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(f"override {text!r} is not of the form section.key=value")
    try:
        return section, key, tomllib.loads(f"v = {raw}")["v"]
    except tomllib.TOMLDecodeError:
        return section, key, raw


def load(files: Iterable[Path] = (), overrides: Iterable[str] = (), default: Path = DEFAULT_FILE) -> Config:
    """The configuration: `default`, then each of `files`, then each override; the later one wins.

    Raises:
        ConfigError: a file is missing, a key is unknown or a value breaks its rule.
    """
    files = list(files)
    merged: dict[str, dict[str, Any]] = {}
    for file in [default, *files]:
        for section, values in read_toml(file).items():
            if not isinstance(values, dict):
                raise ConfigError(f"{file}: {section!r} stands outside a [section]; move it into one")
            merged.setdefault(section, {}).update(values)
    for text in overrides:
        section, key, value = _override(text)
        merged.setdefault(section, {})[key] = value
    origin = " + ".join([str(file) for file in [default, *files]] + list(overrides))
    config: Config = build(Config, merged, origin)
    return config
