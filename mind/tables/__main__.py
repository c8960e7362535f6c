"""Write the table reference between the markers of a Markdown file: python -m mind.tables docs/tables.md."""

from __future__ import annotations

import sys
from pathlib import Path

from mind.generated import between
from mind.tables import ALL, as_markdown

MARK = "tables"


def main() -> None:
    file = Path(sys.argv[1])
    file.write_text(between(file.read_text(encoding="utf-8"), as_markdown(list(ALL)), MARK), encoding="utf-8")


if __name__ == "__main__":
    main()
