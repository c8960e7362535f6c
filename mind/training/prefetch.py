"""Batches made while the step before them is computed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 0.1
"""How soon the reader sees that nobody waits for it any more."""


def ahead(make: Callable[[], Iterator[T]], count: int) -> AbstractContextManager[Iterator[T]]:
    """The values of `make()`, at most `count` of them made by a thread before they are asked for; 0: no thread.

    Their order stays, and what `make()` raises is raised to the reader, after the values that came before. Leaving the
    `with` block ends the thread, wherever it stands.
    """
    return _Ahead(make, count) if count else nullcontext(make())


class _Ahead(AbstractContextManager[Iterator[T]], Generic[T]):
    def __init__(self, make: Callable[[], Iterator[T]], count: int) -> None:
        self._ready: queue.Queue[T | _End] = queue.Queue(maxsize=count)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(make,), name="prefetch", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._values()

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _values(self) -> Iterator[T]:
        while True:
            value = self._ready.get()
            if not isinstance(value, _End):
                yield value
            elif value.error is not None:
                raise value.error
            else:
                return

    def _run(self, make: Callable[[], Iterator[T]]) -> None:
        error: BaseException | None = None
        try:
            for value in make():
                if not self._put(value):
                    return
        except BaseException as raised:
            error = raised
        self._put(_End(error))

    def _put(self, value: T | _End) -> bool:
        while not self._left.is_set():
            try:
                self._ready.put(value, timeout=_LOOK_EVERY_S)
                return True
            except queue.Full:
                continue
        return False


class _End:
    """What comes after the last value."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
