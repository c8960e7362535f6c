"""Lines that hold a Python dictionary, turned into JSON by Spark's own expressions: nothing is ever evaluated."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_TOKEN = r"""('(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|[^'"]++|['"])"""
"""A string in either kind of quotes, a run of anything else, or a quote that is never closed."""
_ESCAPE = r"(?<!\\)((?:\\\\)*+)\\"
"""A backslash that escapes what follows it: one after an even number of others."""


def as_json(line: Column) -> Column:
    r"""JSON of a literal made of dictionaries, lists, tuples, strings, numbers, True, False and None.

    Strings keep their quotes, which Spark's JSON reader takes in either kind, with `\'` and other odd escapes if
    `allowBackslashEscapingAnyCharacter` is set. `\xNN` and `\UNNNNNNNN` are code points, as in Python 3.
    """
    tokens = F.regexp_extract_all(line, F.lit(_TOKEN), F.lit(1))
    return F.array_join(F.transform(tokens, _token), "")


def _token(token: Column) -> Column:
    in_quotes = F.left(token, F.lit(1)).isin("'", '"')
    return F.when(in_quotes, _text(token)).otherwise(_outside(token))


def _text(token: Column) -> Column:
    """A string whose escapes are JSON's; code points above FFFF stay two surrogates only where Python wrote them so."""
    token = F.regexp_replace(token, _ESCAPE + r"x([0-9a-fA-F]{2})", r"$1\\u00$2")
    return F.regexp_replace(token, _ESCAPE + r"U0000([0-9a-fA-F]{4})", r"$1\\u$2")


def _outside(token: Column) -> Column:
    """Names, brackets and prefixes outside of strings."""
    token = F.regexp_replace(token, r"\bNone\b", "null")
    token = F.regexp_replace(token, r"\bTrue\b", "true")
    token = F.regexp_replace(token, r"\bFalse\b", "false")
    token = F.regexp_replace(token, r"(\d)L\b", "$1")  # a long of Python 2
    token = F.regexp_replace(token, r"\b[uU]$", "")  # u'...' of Python 2: the prefix ends the run before the string
    token = F.regexp_replace(token, r",(\s*\))", "$1")  # (1,)
    return F.translate(token, "()", "[]")
