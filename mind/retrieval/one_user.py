"""An inverted file searched for one user at a time: for whoever answers a person who waits, not for the night.

Shapes: V items, D dimensions, C clusters, S lists, K interests of the user, T lists that a round reads.

A crowd shares what it reads, so `mind.retrieval.ivf` searches it with matrix products. For one user every byte of a
list is fetched from memory for a few multiplications, and fetching is what takes the time. So this reads less, in more
rounds, each list once for all the interests that need it, and asks for bytes before their turn. It takes a loop that
numpy has not; numba compiles it for the first user of a process, who waits some seconds.

The whole numbers are those of the IvfIndex, so scores are the same to the bit. Which lists are read differs a little:
a cut that rises sooner leaves out lists of small hope, and with them the few items that would have surprised.
(This scheme is not in the paper.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mind.retrieval.clusters import query_levels
from mind.retrieval.crowd import below
from mind.retrieval.ivf import IvfIndex, in_whole_numbers, kept
from mind.retrieval.request import Request

# A round ends where its lists would hold so many times the wanted items; a last one reads what is left.
_ROUNDS = (2, 4, 8, 16, 32, 64, 128, 256)
_SAMPLED = 16
# Rows between asking for bytes and using them, and the bytes that come at once.
_AHEAD = 16
_CACHE_LINE = 64


class OneUserIndex:
    """The lists of an IvfIndex, which it shares. See `mind.retrieval.index.Index` for what it promises.

    Several threads may ask at once.
    """

    kind = IvfIndex.kind
    exact = False

    def __init__(self, index: IvfIndex) -> None:
        self.fingerprint, self._index = index.fingerprint, index
        self._directions_CD = index.whole_CD.astype(np.int8)
        self._lists = [np.asarray(index.arrays[part]) for part in ("bytes", "starts", "steps", "tops", "cluster")]
        self._products, self._scan = _compiled(self._directions_CD.shape[1])

    def shortlist(self, requests: Sequence[Request]) -> list[NDArray[np.int64]]:
        """See `mind.retrieval.index.Index.shortlist`; one request after the other."""
        return [self._search(request) for request in requests]

    def _search(self, request: Request) -> NDArray[np.int64]:
        arrays, size = self._index.arrays, len(self._index.arrays["order"])
        queries_KD = in_whole_numbers(request.interests_KD, query_levels(arrays["bytes"].shape[1]))
        whole_KD = queries_KD.astype(np.int16)
        products_KC = self._products(self._directions_CD, whole_KD)
        hopes_KC = np.ascontiguousarray(self._index.hopes(products_KC.T, queries_KD).T)
        best_S = hopes_KC.max(axis=0)[arrays["cluster"]] * arrays["tops"]
        wanted = int(kept(np.array([request.wanted]), size)[0])
        places, scores = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
        cut = np.float32(-np.inf)
        for list_T in _rounds(best_S, request.wanted * len(best_S) / size):
            reading_T = np.sort(list_T[best_S[list_T] >= cut])
            found = self._scan(*self._lists, hopes_KC, reading_T, whole_KD, cut)
            places, scores = (np.concatenate(part) for part in zip((places, scores), found, strict=True))
            if len(scores) >= wanted:
                cut = below(float(np.partition(scores, len(scores) - wanted)[len(scores) - wanted]))
                places, scores = places[scores >= cut], scores[scores >= cut]
        return np.sort(arrays["order"][places]).astype(np.int64)


def _rounds(hopes_S: NDArray[np.float32], lists_wanted: float) -> Iterator[NDArray[np.int64]]:
    """The lists of each round, best hopes first; only those of the last, which are most, in no order."""
    ends = np.minimum(len(hopes_S), np.ceil(lists_wanted * np.array(_ROUNDS)).astype(np.int64))
    # About where the last but one ends, from every so manieth list: to order them all would take longer than a round.
    sampled = hopes_S[::_SAMPLED]
    rank = max(0, len(sampled) - 1 - int(ends[-1]) // _SAMPLED)
    floor = np.partition(sampled, rank)[rank]
    first = np.flatnonzero(hopes_S >= floor)
    first = first[np.argsort(-hopes_S[first], kind="stable")]
    yield from np.split(first, ends[:-1])
    yield np.flatnonzero(hopes_S < floor)


@lru_cache
def _compiled(dimension: int) -> tuple[Any, Any]:
    """Two functions for vectors of this many dimensions.

    products(directions_CD, whole_KD): float32 [K, C], of bytes and whole numbers, so without rounding.
    scan(bytes, starts, steps, tops, cluster, hopes_KC, list_T, whole_KD, cut): places and float32 scores of the lists'
    items that reach the cut with an interest that may read the list, the best of these scores each. Every list has such
    an interest.
    """
    from numba import njit

    prefetch = _prefetch(dimension)

    def products(directions_CD, whole_KD):  # type: ignore[no-untyped-def]
        found = np.empty((len(whole_KD), len(directions_CD)), dtype=np.float32)
        for number in range(len(directions_CD)):
            for interest in range(len(whole_KD)):
                total = np.int32(0)
                for at in range(dimension):
                    total += np.int32(directions_CD[number, at]) * np.int32(whole_KD[interest, at])
                found[interest, number] = np.int32(total)
        return found

    def scan(bytes_VD, starts, steps, tops, cluster, hopes_KC, list_T, whole_KD, cut):  # type: ignore[no-untyped-def]
        most = 0
        for number in list_T:
            most += starts[number + 1] - starts[number]
        places = np.empty(most, dtype=np.int32)
        scores = np.empty(most, dtype=np.float32)
        own = np.empty(len(whole_KD), dtype=np.int64)
        count = 0
        for turn in range(len(list_T)):
            number = list_T[turn]
            first, end = starts[number], starts[number + 1]
            after = starts[list_T[turn + 1]] if turn + 1 < len(list_T) else first
            readers = 0
            for interest in range(len(whole_KD)):
                if hopes_KC[interest, cluster[number]] * tops[number] >= cut:
                    own[readers] = interest
                    readers += 1
            step = steps[number]
            floor = cut / step
            for place in range(first, end):
                ahead = place + _AHEAD
                prefetch(bytes_VD, ahead if ahead < end else min(after + ahead - end, len(bytes_VD) - 1))
                best = np.int32(-(2**31))
                for reader in range(readers):
                    interest = own[reader]
                    # A sum of whole numbers, which the compiler may add in any order, many at a time; numba adds in 64
                    # bits, and what is cast back below need not be computed in more than 32: 3 times as fast.
                    total = np.int32(0)
                    for at in range(dimension):
                        total += np.int32(bytes_VD[place, at]) * np.int32(whole_KD[interest, at])
                    best = max(best, np.int32(total))
                whole = np.float32(best)
                if whole >= floor:
                    places[count] = place
                    scores[count] = whole * step
                    count += 1
        return places[:count], scores[:count]

    # Without the interpreter's lock, so that threads may each answer a user.
    return njit(products, nogil=True), njit(scan, nogil=True)


def _prefetch(dimension: int) -> Any:
    """prefetch(bytes_VD, row): asks the memory for a row. It changes no result; without it a user takes longer."""
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    def prefetch(context, array, row):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            held = context.make_array(signature.args[0])(context, builder, arguments[0])
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            stride = cgutils.unpack_tuple(builder, held.strides)[0]
            start = builder.mul(arguments[1], stride)
            for line in range(0, dimension, _CACHE_LINE):
                place = builder.gep(builder.bitcast(held.data, byte), [builder.add(start, start.type(line))])
                builder.call(ask, [place, number(0), number(3), number(1)])  # to read, to keep, data
            return context.get_dummy_value()

        return types.void(array, row), generate

    return intrinsic(prefetch)
