"""Where benchmarks leave their numbers: one flat JSON object, name -> number."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path


def record(values: dict[str, float], path: str | Path = "build/bench.json") -> None:
    """Adds the values to the file, over those of the same name, and replaces it in one step.

    Raises ValueError for a value that is no finite number, or a file that holds no flat object of numbers.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}; a benchmark records finite numbers only")
    file = Path(path)
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if not isinstance(kept, dict) or not all(isinstance(value, int | float) for value in kept.values()):
        raise ValueError(f"{file} is no flat object of numbers; delete it and run the benchmarks again")
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(dict(sorted((kept | values).items())), stream, indent=1)
            stream.write("\n")
        Path(temporary).chmod(0o644)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
