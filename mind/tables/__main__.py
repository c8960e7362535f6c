"""Write the table reference between the markers of a Markdown file: python -m mind.tables docs/tables.md."""

from __future__ import annotations

import sys
from pathlib import Path

from mind.tables import ALL, as_markdown

OPEN, CLOSE = "<!-- tables -->", "<!-- /tables -->"


def main() -> None:
    file = Path(sys.argv[1])
    before, opened, rest = file.read_text(encoding="utf-8").partition(OPEN)
    _, closed, after = rest.partition(CLOSE)
    if not (opened and closed):
        sys.exit(f"{file} has no {OPEN} ... {CLOSE} to write between")
    file.write_text(f"{before}{OPEN}\n{as_markdown(list(ALL))}\n{CLOSE}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
