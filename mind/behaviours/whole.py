"""Reading a log to its end, which is where a damaged file or an expression that fails shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from mind.errors import BadInput, told_by_spark
from mind.source import Source


@contextmanager
def read_whole(source: Source) -> Iterator[None]:
    """Inside, what Spark says of the log or of the source's expressions is told as a BadInput.

    What it says of itself, a lost machine for example, stays what it was.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        reason = told_by_spark(error)
        if reason is None:
            raise
        raise BadInput(
            f"source {source.name}: the log cannot be read to its end: {reason} Nothing was written. Mend the "
            f"log or conf/sources/{source.name}.toml."
        ) from error
