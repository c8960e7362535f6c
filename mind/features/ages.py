"""How old a behaviour was at the moment of the features: buckets of doubling width, one definition for all steps.

Whole minutes count. Bucket 1 is below a minute, bucket b from 2 on is 2^(b-2) minutes to below 2^(b-1): 12 begins at 17
hours, 14 at 2.8 days, 17 at 23 days, 21 at a year. The last takes all ages from 8 years on.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from mind.tables.tuples import AGE_BUCKETS

MINUTE = 60_000_000
"""Microseconds, in which Spark keeps moments: whole numbers, free of time zones."""


def age_bucket(moment: Column, as_of: Column) -> Column:
    """Bucket (tinyint, 1 to AGE_BUCKETS) of what happened at `moment`, seen from `as_of`; later ones count as new.

    What is later can only be where clocks went back over midnight, so that a day's end came twice.
    """
    age = F.greatest(F.unix_micros(as_of) - F.unix_micros(moment), F.lit(0))
    minutes = F.call_function("div", age, F.lit(MINUTE))
    # Binary digits count the doublings without a logarithm; the digit added makes one of 0 minutes too.
    digits = F.length(F.bin(minutes * 2 + 1))
    return F.least(digits, F.lit(AGE_BUCKETS)).cast("tinyint")
