"""Which expressions of a source description do not fit a log: asked only where the description as a whole did not."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from mind.errors import BadInput, first_line, told_by_spark
from mind.source import ITEM_FILE, USER_FILE, Source
from mind.tables import names as n

_MADE = (n.SOURCE_FILE, n.LOG_DAY, ITEM_FILE, USER_FILE)
"""Columns that reading adds to those of the log."""


def misfits(raw: DataFrame, source: Source) -> BadInput | None:
    """Every expression over the log's columns that Spark refuses, with its key and what is wrong with it, as one error.

    Each is analysed on its own and nothing is read. None where all fit; those over accepted rows (`refuse_users`,
    `same_event`) and over the files beside the log are not asked.
    """
    # Rules also see what [columns] makes of a row; a wrong [columns] is told once and not for every rule.
    made = {name: F.lit(None).cast("string") for name in (n.USER_ID, n.ITEM_ID, n.EVENT_TYPE)}
    with_events = raw.withColumns({**made, n.EVENT_TIME: F.lit(None).cast("timestamp")})
    faults = [
        f'  {key} = "{sql}": {fault}'
        for of_rules, key, sql in _expressions(source)
        if (fault := _fault(with_events if of_rules else raw, sql))
    ]
    if not faults:
        return None
    return BadInput(
        "\n".join([f"source {source.name}: its description does not fit the log:", *faults])
        + f"\nThe log's columns: {', '.join(name for name in raw.columns if name not in _MADE)}. "
        f"Mend conf/sources/{source.name}.toml."
    )


def _expressions(source: Source) -> Iterator[tuple[bool, str, str]]:
    """Whether it is a rule's, its key in the file, the expression."""
    for section in ("columns", "item_attributes", "item_features", "user_features"):
        for key, sql in dict(getattr(source, section)).items():
            yield False, f"{section}.{key}", sql
    for rule in source.refuse:
        yield True, f"[[refuse]] {rule.reason}: where", rule.where


def _fault(frame: DataFrame, sql: str) -> str | None:
    try:
        frame.select(F.expr(sql))
    except PySparkException as error:
        if not (error.getCondition() or "").startswith("UNRESOLVED_COLUMN"):
            return told_by_spark(error) or first_line(error)
        wrong = str((error.getMessageParameters() or {}).get("objectName", "")).replace("`", "")
        told = "no such column" if wrong == sql.strip(" `") else f"no column {wrong}"
        # Spark takes names in any case, so near ones are looked for without it.
        known = {name.lower(): name for name in frame.columns if name not in _MADE}
        near = get_close_matches(wrong.lower(), known, n=1)
        return told + (f"; did you mean {known[near[0]]}?" if near else "")
    return None
