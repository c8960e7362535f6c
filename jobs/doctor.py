"""One row through all packages, in a folder that is deleted afterwards."""

import tempfile
from pathlib import Path

from mind.launch import Run, job
from mind.serving.round_trip import round_trip
from mind.storage.session import session


@job("doctor")
def main(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="mind-doctor-") as folder:
        round_trip(session(), Path(folder))


if __name__ == "__main__":
    main()
