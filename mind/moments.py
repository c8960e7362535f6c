"""Times as source descriptions write them, as moments in UTC: one definition for the log and the files beside it."""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DataType, NumericType, StringType, TimestampNTZType, TimestampType

from mind.errors import BadInput
from mind.source import FeatureFile, Source

_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_END_OF_TIME = 253_402_300_800
"""The year 10000 in seconds; what is beyond is no time but would stop Spark."""
_COLUMN = re.compile(r"[\w.]+|`[^`]+`")
_ZONE_LETTER = re.compile(r"^([^']|'[^']*')*?[VzOXxZ]")
"""A letter that stands for a zone in a pattern of Spark; what stands in quotes is itself."""
_ZONED = r"^\s*\d+-.*:\d{1,2}(\.\d*)?\s*[A-Za-z+-]"
"""A date and a time of day with something of a zone behind it."""


def to_utc(moment: Column, kind: DataType, sql: str, form: Source | FeatureFile, time_zone: str, what: str) -> Column:
    """A moment in UTC; one without a zone is read in `time_zone`, a number or text in the unit or form of `form`.

    Null where the value is no moment.

    Args:
        moment: what the expression `sql` of a source description gives, of type `kind`.
        what: its place in the description, for messages.

    Raises:
        BadInput: the expression has a type that is no moment, or makes one as if its zone were UTC.
    """
    counts = isinstance(kind, NumericType | StringType) and not isinstance(kind, BooleanType)
    if form.time_unit and counts:
        number = moment.try_cast("decimal(36,6)")
        factor = _MICROSECONDS[form.time_unit]
        possible = F.abs(number) < F.lit(_END_OF_TIME * (1_000_000 // factor))
        return F.when(possible, F.timestamp_micros((number * F.lit(factor)).cast("bigint")))
    if isinstance(kind, TimestampType):
        if time_zone != "UTC" and not _COLUMN.fullmatch(sql.strip()):
            # to_timestamp(text, pattern) and a cast read a bare time as UTC: hours off, and nobody would see it.
            raise BadInput(
                f"{what} {sql!r} makes a moment, and Spark takes times "
                f"without a zone as UTC, but time_zone is {time_zone!r}. Let it give the text as it is, "
                "with time_format = 'dd.MM.yyyy HH:mm:ss' or the like; a number since 1970 as it is, with time_unit = "
                "'s', 'ms' or 'us'; or, where it does make true moments, set "
                "time_zone = 'UTC'"
            )
        return moment
    if isinstance(kind, StringType) and form.time_format:
        read = F.try_to_timestamp(moment, F.lit(form.time_format))
        return read if _ZONE_LETTER.search(form.time_format) else F.to_utc_timestamp(read, time_zone)
    if isinstance(kind, StringType):
        # A cast to a local time drops a zone without a word, and one to a moment takes a bare time of day for today's.
        local = moment.try_cast("timestamp_ntz")
        in_utc = F.to_utc_timestamp(local.cast("timestamp"), time_zone)
        return F.when(moment.rlike(_ZONED), moment.try_cast("timestamp")).otherwise(in_utc)
    if not isinstance(kind, TimestampNTZType):
        raise BadInput(
            f"{what} is {kind.simpleString()}; set time_unit to 's', 'ms' or 'us' if it "
            "counts from 1970, or make it a timestamp, for example with timestamp_seconds(column) or "
            "try_to_timestamp(column, pattern)"
        )
    return F.to_utc_timestamp(moment.cast("timestamp"), time_zone)
