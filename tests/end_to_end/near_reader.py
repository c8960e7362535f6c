"""Started by test_s3.py as a rank would be: reads the training rows near by, tells their sum, and waits to be let go.

python near_reader.py LAKE DS SCRATCH
"""

from __future__ import annotations

import sys
from datetime import date

from mind.storage.near_tuples import near
from mind.storage.tuple_files import read_manifest
from mind.tables import names as n
from mind.training.loader import read_split


def main() -> None:
    lake, ds, scratch = sys.argv[1], date.fromisoformat(sys.argv[2]), sys.argv[3]
    with near(read_manifest(lake, ds), scratch, "train") as manifest:
        targets = read_split(manifest, "train", [n.TARGET])[n.TARGET]
        sys.stdout.write(f"{len(targets)} rows, {targets.sum()}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
