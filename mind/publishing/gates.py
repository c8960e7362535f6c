"""The gates: measured on the staged night, judged together, and kept with the publication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.config import GatesSection
from mind.errors import GateFailed
from mind.tables import names as n


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One verdict: what was measured, the rule, and whether it held."""

    name: str
    value: float
    rule: str
    passed: bool


def measure(
    staged: DataFrame, users: DataFrame, interests: DataFrame, catalogue: DataFrame, recalls: DataFrame, wanted: int
) -> dict[str, float]:
    """Numbers about a staged night.

    Args:
        staged: the candidates of one ds.
        users: every user who must have a list (user_id).
        interests: the user_interests that the lists were made from.
        catalogue: every item that may be recommended (item_id).
        recalls: recall_sample of the night.
        wanted: N.
    """
    items = catalogue.count()
    due = min(wanted, items)
    size = F.size(n.ITEM_IDS)
    faults = {
        "short_lists": (size < due) & F.col(n.SHORTFALL).isNull(),
        "unequal_lengths": (size != F.size(n.SCORES)) | (size != F.size(n.INTEREST_OF_ORIGIN)) | (size > wanted),
        "repeated_items": F.size(F.array_distinct(n.ITEM_IDS)) != size,
        "broken_scores": F.exists(n.SCORES, lambda score: score.isNull() | F.isnan(score) | (F.abs(score) > 1e30)),
        "unordered_scores": ~_ordered(F.col(n.SCORES)),
        "fallback_users": F.col(n.ORIGIN) == "fallback",
    }
    counted = staged.agg(
        F.count(F.lit(1)).alias("lists"), *[F.count_if(fault).alias(name) for name, fault in faults.items()]
    )
    found = {name: float(value) for name, value in counted.first().asDict().items()}  # type: ignore[union-attr]
    shown = staged.select(F.explode(n.ITEM_IDS).alias(n.ITEM_ID)).distinct().persist()
    versions = staged.select(n.MODEL_VERSION, n.MODEL_CHECKSUM, n.INDEX_CHECKSUM).distinct()
    made_by = interests.select(n.MODEL_VERSION, n.MODEL_CHECKSUM).distinct()
    due_users = users.select(n.USER_ID)
    with_interests = staged.where(F.col(n.ORIGIN) == "model").select(n.USER_ID)
    found |= {
        "items": float(items),
        "shown_items": float(shown.count()),
        "unknown_items": float(shown.join(catalogue, n.ITEM_ID, "left_anti").count()),
        "missing_users": float(due_users.join(staged, n.USER_ID, "left_anti").count()),
        "strange_users": float(staged.join(due_users, n.USER_ID, "left_anti").count()),
        "dropped_histories": float(interests.join(with_interests, n.USER_ID, "left_anti").count()),
        "versions": float(versions.count()),
        "foreign_versions": float(versions.join(made_by, [n.MODEL_VERSION, n.MODEL_CHECKSUM], "left_anti").count()),
    }
    shown.unpersist()
    sampled = recalls.join(versions, n.INDEX_CHECKSUM, "left_semi").agg(F.avg(n.RECALL).alias("mean")).first()
    mean = sampled["mean"] if sampled is not None else None
    # Of lists that nobody measured nothing is known; where there are none, nothing can be missing.
    unmeasured = 0.0 if found["lists"] > found["fallback_users"] else 1.0
    return found | {"recall": unmeasured if mean is None else float(mean)}


def _ordered(scores: Column) -> Column:
    """True where no score is above the one before it."""
    length = F.size(scores)
    before, after = F.slice(scores, 1, F.greatest(length - 1, F.lit(0))), F.slice(scores, 2, length)
    return F.forall(F.zip_with(before, after, lambda left, right: left >= right), lambda holds: holds)


def judge(found: Mapping[str, float], section: GatesSection, users_before: int | None) -> list[Gate]:
    """Every gate with its verdict. `users_before`: lists in the last published night, None where there is none."""
    gates = [
        Gate(name=name, value=found[name], rule="must be 0", passed=found[name] == 0)
        for name in (
            *("missing_users", "strange_users", "dropped_histories", "short_lists", "unequal_lengths"),
            *("repeated_items", "broken_scores", "unordered_scores", "unknown_items", "foreign_versions"),
        )
    ]
    gates.append(Gate(name="versions", value=found["versions"], rule="must be 1", passed=found["versions"] == 1))
    least = {
        "lists": (found["lists"], float(section.minimum_users)),
        "recall": (found["recall"], section.minimum_recall),
        "coverage": (found["shown_items"] / max(found["items"], 1.0), section.minimum_coverage),
    }
    if users_before:
        least["lists_over_last_night"] = (found["lists"] / users_before, section.minimum_user_ratio)
    gates += [
        Gate(name=name, value=value, rule=f"must be at least {rule:g}", passed=value >= rule)
        for name, (value, rule) in least.items()
    ]
    share = found["fallback_users"] / max(found["lists"], 1.0)
    most = section.maximum_fallback_share
    gates.append(Gate(name="fallback_share", value=share, rule=f"must be at most {most:g}", passed=share <= most))
    return gates


def require(gates: list[Gate]) -> None:
    """Raises GateFailed with every gate that did not hold."""
    failed = [f"{gate.name} is {gate.value:g}, {gate.rule}" for gate in gates if not gate.passed]
    if failed:
        raise GateFailed(
            f"{len(failed)} of {len(gates)} gates failed: {'; '.join(failed)}. Nothing was published: readers keep the "
            "last night. The staged lists are in candidates_staged; the rules are in [gates]."
        )


def as_rows(gates: list[Gate]) -> list[dict[str, object]]:
    """The verdicts as they are kept with the publication."""
    return [asdict(gate) for gate in gates]
