"""Parts of pages that a program writes: what stands between two marks is made anew, the rest is left alone."""


def between(text: str, made: str, mark: str) -> str:
    """The text of a page with what was made between its markers.

    Raises:
        ValueError: it has no markers.
    """
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, opened, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ValueError(f"there is no {start} ... {end} to write between")
    return f"{before}{start}\n{made}\n{end}{after}"
