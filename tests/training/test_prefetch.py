"""Values made ahead of their reader: the same ones in the same order, and no thread is left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mind.training.prefetch import ahead


def numbers(count: int, made: list[int]) -> Iterator[int]:
    for number in range(count):
        made.append(number)
        yield number


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("count", [0, 1, 4, 100])
@pytest.mark.parametrize("values", [0, 1, 50])
def test_every_value_comes_once_in_order(count: int, values: int) -> None:
    with ahead(lambda: numbers(values, []), count) as found:
        assert list(found) == list(range(values))
        assert next(found, None) is None
    assert threads() == []


@pytest.mark.parametrize("count", [1, 4])
def test_no_more_are_made_than_may_wait(count: int) -> None:
    made: list[int] = []
    with ahead(lambda: numbers(1000, made), count) as found:
        for number in range(10):
            assert next(found) == number
    # Those taken, those waiting, and the one in the hand of the thread.
    assert 10 <= len(made) <= 10 + count + 1
    assert threads() == []


@pytest.mark.parametrize("count", [0, 3])
def test_an_error_comes_after_the_values_before_it(count: int) -> None:
    def broken() -> Iterator[int]:
        yield from numbers(5, [])
        raise OSError("the file was cut")

    with ahead(broken, count) as found:
        assert [next(found) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(OSError, match="the file was cut"):
            next(found)
    assert threads() == []


def test_a_reader_that_fails_leaves_no_thread() -> None:
    def read() -> None:
        with ahead(lambda: numbers(1000, []), 2) as found:
            raise ValueError(f"the loss is not a number at {next(found)}")

    with pytest.raises(ValueError, match="not a number at 0"):
        read()
    assert threads() == []


def test_the_thread_works_while_the_reader_does_not_ask() -> None:
    third = threading.Event()

    def told() -> Iterator[int]:
        for number in numbers(5, []):
            if number == 2:
                third.set()
            yield number

    with ahead(told, 4) as found:
        assert next(found) == 0
        # Without a thread nothing would be made before it is asked for, and this would wait for ever.
        assert third.wait(timeout=60)
        assert list(found) == [1, 2, 3, 4]
