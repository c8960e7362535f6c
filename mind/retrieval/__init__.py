"""Candidates from vectors: a catalogue, an index over it, the best items of every user, a fallback list.

Shapes: Q queries, K interests of one user, V items of the catalogue, D dimensions.
"""

from mind.retrieval.candidates import Candidates, top_candidates, top_candidates_batch
from mind.retrieval.catalogue import Catalogue
from mind.retrieval.choice import choose, recall
from mind.retrieval.exact import ExactIndex
from mind.retrieval.fallback import Popularity, popular_candidates
from mind.retrieval.hnsw import HnswIndex
from mind.retrieval.index import Expected, Index, IndexMismatch, read, write
from mind.retrieval.ivf import IvfIndex
from mind.retrieval.one_user import OneUserIndex
from mind.retrieval.selection import Selection, selected_batch

__all__ = [
    "Candidates",
    "Catalogue",
    "ExactIndex",
    "Expected",
    "HnswIndex",
    "Index",
    "IndexMismatch",
    "IvfIndex",
    "OneUserIndex",
    "Popularity",
    "Selection",
    "choose",
    "popular_candidates",
    "read",
    "recall",
    "selected_batch",
    "top_candidates",
    "top_candidates_batch",
    "write",
]
