"""Write the reference of every configuration key between the markers of a Markdown file.

python -m mind.config_reference docs/configuration.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel

from mind.config import Config, load
from mind.generated import between

MARK = "configuration"


def as_markdown(config: Config) -> str:
    """One table a section: key, default, meaning."""
    lines: list[str] = []
    for name, field in Config.model_fields.items():
        section: BaseModel = getattr(config, name)
        lines += [f"### [{name}]", "", (field.annotation.__doc__ or "").split("\n")[0], ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for key, described in type(section).model_fields.items():
            text = (described.description or "").replace("|", "\\|")
            lines.append(f"| {key} | `{_toml(getattr(section, key))}` | {text} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _toml(value: object) -> str:
    """The value as it is written in a TOML file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return str(value)


def main() -> None:
    file = Path(sys.argv[1])
    file.write_text(between(file.read_text(encoding="utf-8"), as_markdown(load()), MARK), encoding="utf-8")


if __name__ == "__main__":
    main()
