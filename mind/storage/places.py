"""What a URI opens, and how one file of it is replaced: on a disk, on HDFS, in a store of objects."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.fs as fs

from mind.errors import MindError, first_line

OBJECT_STORES = ("s3", "gcs")
"""Where an object is there when it was sent whole, and a move is a copy and a deletion."""


def uri_of(place: str) -> str:
    """The URI of a folder or file; a plain path becomes absolute, so that every process opens the same."""
    return place if "://" in place else Path(place).resolve().as_uri()


def opened(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path in it.

    Raises:
        MindError: the store gives no answer, or pyarrow knows no such scheme.
    """
    try:
        system, path = fs.FileSystem.from_uri(uri)
    except (OSError, ValueError) as error:
        raise unreachable(uri, error) from error
    return system, path


def unreachable(uri: str, error: Exception) -> MindError:
    """The error for a store that was asked and did not give what lies at the URI."""
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
