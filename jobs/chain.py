"""Several steps in one application: their jobs, one after the other, in one process with one Spark session."""

import runpy
import sys
from pathlib import Path

from mind.launch import chain_parser, job_flags


def main() -> None:
    given = chain_parser().parse_args()
    for step in given.steps:
        job = Path(__file__).with_name(f"{step}.py")
        sys.argv = [str(job), *job_flags(given.ds, given.config, given.overrides)]
        runpy.run_path(str(job), run_name="__main__")


if __name__ == "__main__":
    main()
