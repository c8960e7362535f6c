"""The manifest of a night's tuples: the files that count, their rows, and what they were made from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from mind.errors import BrokenPromise


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TupleFile(_Frozen):
    """One Parquet file; `url` is where a reader opens it."""

    url: str
    rows: int

    def check_rows(self, read: int) -> None:
        """Raises BrokenPromise unless a reader of the whole file saw as many rows."""
        if read != self.rows:
            raise BrokenPromise(f"{self.url} gave {read} rows, the manifest has {self.rows}; run build_tuples again")


class Manifest(_Frozen):
    """Written last: a night's tuples exist when it does, and consist of exactly these files."""

    ds: str
    content: str
    """Fingerprint of all tuples and of the catalogue, whatever their order."""
    history_length: int
    history_days: int | None = None
    """Days that a history reaches back from its moment; 0: all. None: the tuples are older than this fact."""
    age_buckets: int = 0
    """Buckets of the behaviours' ages beside each history; 0: there are no ages."""
    next_targets: int = 1
    """n: a training tuple has its target and up to n - 1 that follow it; 1: its target alone."""
    item_features: dict[str, int]
    """Rows of each item feature's embedding table, in the order of Fi; the first is the items themselves."""
    profile_features: dict[str, int]
    """Rows of each profile feature's embedding table, in the order of Pu."""
    vocabulary: str
    """Fingerprint of the vocabulary below these sizes."""
    vocabulary_grew: dict[str, str] = {}
    """The fingerprint that the vocabulary had after each day that added to it, oldest first."""
    splits: dict[str, list[TupleFile]]
    catalogue: list[TupleFile]
    facts: dict[str, Any]
    """What people want to know: source, windows of days, targets left out and why."""

    def continues(self, vocabulary: str) -> bool:
        """Whether this night's vocabulary is the one of that fingerprint, or has grown from it."""
        return vocabulary == self.vocabulary or vocabulary in self.vocabulary_grew.values()

    def rows(self, split: str) -> int:
        return sum(file.rows for file in self.splits[split])

    def check_ages(self, buckets: int) -> None:
        """Raises BrokenPromise unless the tuples have ages in so many buckets, which a model was made for."""
        if self.age_buckets != buckets:
            raise BrokenPromise(
                f"the model takes behaviours' ages in {buckets} buckets (model.behaviour_time), the tuples of "
                f"{self.ds} have {self.age_buckets or 'none'}; run build_tuples --ds {self.ds} again with "
                "--set model.behaviour_time=true, then this step"
            )

    def check_next_targets(self, asked: int) -> None:
        """Raises BrokenPromise unless the tuples have so many targets a row, which the configuration asks for."""
        if self.next_targets != asked:
            raise BrokenPromise(
                f"tuples.next_targets is {asked}, the tuples of {self.ds} were built with {self.next_targets}; run "
                f"build_tuples --ds {self.ds} again, or set tuples.next_targets={self.next_targets}, then this step"
            )

    @property
    def items(self) -> int:
        """Rows of the item table: padding, unknown and every item with an index."""
        return next(iter(self.item_features.values()))

    def need_rows(self, split: str) -> None:
        """Raises BrokenPromise where the split has no rows."""
        if not self.rows(split):
            raise BrokenPromise(
                f"split {split} of {self.ds} has no rows (people of the split may have been forgotten since); run "
                f"build_tuples --ds {self.ds} again"
            )

    def check_rows(self, split: str, read: int) -> None:
        """Raises BrokenPromise unless a reader of the whole split saw every row once."""
        if read != self.rows(split):
            raise BrokenPromise(
                f"{read} rows of split {split} of {self.ds} were read, the manifest has {self.rows(split)}; "
                "a file was lost, cut or read twice. Run build_tuples again, then this step."
            )
