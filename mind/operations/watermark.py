"""Is the log of a day complete? Its producer says so in a file, and no clock is asked."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mind.errors import BadInput, MindError
from mind.storage.places import opened, reached, uri_of


class NotYet(MindError):
    """The log is not complete; a scheduler asks again."""

    exit_code = 99


def check_complete(watermark: str, ds: date, time_zone: str) -> str:
    """That the log holds all of `ds`, in words.

    Args:
        watermark: file or URI with one moment (ISO 8601, with a zone) up to which the log is complete; empty: there
            is none, and every day counts as complete.
        time_zone: in which `ds` is a day.

    Raises:
        NotYet: the moment is before the end of `ds`, or the file is not there yet.
        BadInput: the file holds no moment.
        MindError: the store cannot be reached.
    """
    end = datetime.combine(ds + timedelta(days=1), time(), ZoneInfo(time_zone))
    if not watermark:
        return "ingest.watermark is empty: the log is taken as complete"
    system, path = opened(uri_of(watermark))
    try:
        with reached(watermark), system.open_input_stream(path) as stream:
            text = stream.read().decode("utf-8", errors="replace").strip()
    except FileNotFoundError as error:
        raise NotYet(f"{watermark} does not exist yet; the log of {ds} is not complete") from error
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadInput(
            f"{watermark} holds {text[:60]!r}; it must hold one moment with its zone, for example "
            f"{end.isoformat()}. Mend what writes it."
        )
    if moment < end:
        raise NotYet(f"the log is complete up to {moment.isoformat()}; {ds} ends at {end.isoformat()}")
    return f"the log is complete up to {moment.isoformat()}"
