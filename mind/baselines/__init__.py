"""What a model must beat."""

FIRST_ITEM = 2
"""Index of the first item of the catalogue: its position is the index less this."""
