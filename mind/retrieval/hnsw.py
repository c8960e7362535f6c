"""A navigable graph of items (faiss.IndexHNSWFlat): slow to build, and asked for by name only, never by auto.

Shapes: Q interests of all users, K interests of one user, V items, D dimensions, k answers an interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from mind.retrieval.catalogue import Catalogue
from mind.retrieval.exact import ExactIndex
from mind.retrieval.request import Request

_NEIGHBOURS = 32
_EFFORT_OF_BUILDING = 200
_ESCALATION = 4


class HnswIndex:
    """Searched for each interest alone. Memory beside the catalogue: about 4 D + 300 bytes an item.

    arrays: graph uint8, faiss's own form, vectors included. reach: items that a search keeps in view, as a
    multiple of those wanted. Items of one list that come short are sought again with four times as many, then
    exactly. The graph depends on the order in which threads build it, an answer on the graph alone.
    """

    kind = "hnsw"
    exact = False
    PARTS = ("graph",)

    def __init__(self, arrays: dict[str, NDArray[Any]], catalogue: Catalogue, reach: float) -> None:
        self.arrays, self.fingerprint, self.reach = arrays, catalogue.fingerprint, reach
        self._graph: Any = faiss.deserialize_index(np.array(arrays["graph"]))
        self._slow = ExactIndex(catalogue)

    @classmethod
    def build(cls, catalogue: Catalogue, reach: float = 2.0) -> HnswIndex:
        """Adds the items one by one; minutes for a million."""
        graph = faiss.IndexHNSWFlat(catalogue.dimension, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = _EFFORT_OF_BUILDING
        graph.add(catalogue.vectors_VD)
        return cls({"graph": faiss.serialize_index(graph)}, catalogue, reach)

    def belongs(self, catalogue: Catalogue) -> bool:
        """True if the graph holds the catalogue's vectors, in their order."""
        graph = self._graph
        if type(graph) is not faiss.IndexHNSWFlat or (graph.ntotal, graph.d) != catalogue.vectors_VD.shape:
            return False
        if graph.metric_type != faiss.METRIC_INNER_PRODUCT:
            return False
        storage: Any = faiss.downcast_index(graph.storage)
        stored = faiss.rev_swig_ptr(storage.get_xb(), graph.ntotal * graph.d)
        return bool(np.array_equal(stored, catalogue.vectors_VD.ravel()))

    def shortlist(self, requests: Sequence[Request]) -> list[NDArray[np.int64]]:
        """See `mind.retrieval.index.Index.shortlist`."""
        return [self._of_one(request) for request in requests]

    def _of_one(self, request: Request) -> NDArray[np.int64]:
        for times in (1, _ESCALATION):
            answers = request.wanted * times
            if answers >= self._graph.ntotal:
                break
            effort = max(answers, round(self.reach * answers))
            parameters = faiss.SearchParametersHNSW(efSearch=effort)  # type: ignore[attr-defined]
            _, positions_Kk = self._graph.search(request.interests_KD, answers, params=parameters)
            found: NDArray[np.int64] = np.unique(positions_Kk[positions_Kk >= 0])
            if len(found) >= request.wanted:
                return found
        return self._slow.shortlist([request])[0]
