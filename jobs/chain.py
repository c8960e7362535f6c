"""Several steps in one application: their jobs, one after the other, with one Spark session."""

import runpy
import sys
import time
from pathlib import Path

from mind.launch import announce, start
from mind.steps import JOBS, chain_parser, job_flags


def main() -> None:
    given = chain_parser().parse_args()
    started = time.monotonic()
    for step in given.steps:
        announce(step, time.monotonic() - started)
        if JOBS[step].runner == "torchrun":  # its processes cannot be this one
            start([step], given.ds, given.config, given.overrides)
            continue
        job = Path(__file__).with_name(f"{step}.py")
        sys.argv = [str(job), *job_flags(given.ds, given.config, given.overrides)]
        runpy.run_path(str(job), run_name="__main__")


if __name__ == "__main__":
    main()
