"""What a URI opens, and how one file of it is replaced: on a disk, on HDFS, in a store of objects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as fs

from mind.errors import MindError, first_line, told_of_full_disk

OBJECT_STORES = ("s3", "gcs")
"""Where an object is there when it was sent whole, and a move is a copy and a deletion."""


def uri_of(place: str) -> str:
    """The URI of a folder or file; a plain path becomes absolute, so that every process opens the same."""
    return place if "://" in place else Path(place).resolve().as_uri()


def opened(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path in it; a store need not be asked for that, so read it inside `reached`.

    Raises:
        MindError: pyarrow knows no such scheme, or the store gives no answer.
    """
    try:
        system, path = fs.FileSystem.from_uri(uri)
    except (OSError, ValueError) as error:
        raise _closed(uri, error) from error
    return system, path


@contextmanager
def reached(uri: str) -> Iterator[None]:
    """Inside, a store that gives no answer or no permission is told as a MindError with its remedy.

    A file that is not there stays a FileNotFoundError, a full disk what it was.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if told_of_full_disk(error):
            raise
        raise _closed(uri, error) from error


def _closed(uri: str, error: Exception) -> MindError:
    return MindError(
        f"{uri} cannot be opened: {first_line(error)}. Can this machine reach the store? For s3:// see that "
        "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set (docs/cluster.md). Then run it again"
    )


def replace_file(uri: str, content: bytes) -> None:
    """Put `content` where `uri` says; a reader finds the old file or the new one, whole.

    Raises:
        MindError: as `opened`.
    """
    system, path = opened(uri)
    if system.type_name in OBJECT_STORES:
        with system.open_output_stream(path) as stream:
            stream.write(content)
        return
    part = f"{path}.{os.getpid()}"
    with system.open_output_stream(part) as stream:
        stream.write(content)
    system.move(part, path)
