"""Secrets are taken out of every text that leaves the process: a log line, an error, a printed command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import NoReturn

HIDDEN = "***"
_IN_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s'\"@]*(?:/[^/\s'\"@]*)?@")
"""A name and a password before the host; a secret key may hold a slash."""
_NAMED = re.compile(
    r"(?P<name>[\w.-]*(?:password|passwd|secret|token|access[_.-]?key|api[_.-]?key|credential|signature)[\w.-]*)"
    r"(?P<mark>['\"]?\s*[=:]\s*['\"]?)(?P<value>[^\s'\"&;,]+)",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|ACCESS_KEY|API_KEY|CREDENTIAL", re.IGNORECASE)
SHORTEST = 6
"""A value that is shorter is too common a word to be searched for."""


def redacted(text: str, variables: Mapping[str, str] | None = None) -> str:
    """The text without passwords in addresses, without `password=...` and the like, and without the values of
    environment variables (those of the process, unless given) whose names say that they are secret."""
    held = os.environ if variables is None else variables
    for name, value in held.items():
        if len(value) >= SHORTEST and _SECRET_VARIABLE.search(name):
            text = text.replace(value, HIDDEN)
    text = _IN_ADDRESS.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _NAMED.sub(rf"\g<name>\g<mark>{HIDDEN}", text)


def refuse(error: Exception) -> NoReturn:
    """End the program with what the error says, and with its exit code: that of bad input where it has none."""
    sys.stderr.write(redacted(f"mind: {error}") + "\n")
    sys.exit(getattr(error, "exit_code", 2))
