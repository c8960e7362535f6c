"""Codes with a meaning of their own, the same in every table."""

PADDING = 0
"""Padding, or a missing feature."""
UNKNOWN = 1
"""Out of vocabulary."""
FIRST_REAL = 2
