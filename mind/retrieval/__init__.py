"""Candidates from vectors: a catalogue, an index over it, the best items of every user, a fallback list.

Shapes: Q queries, K interests of one user, V items of the catalogue, D dimensions.
"""

from mind.retrieval.candidates import Candidates, top_candidates, top_candidates_batch
from mind.retrieval.catalogue import Catalogue
from mind.retrieval.fallback import Popularity, popular_candidates
from mind.retrieval.index import ExactIndex, Expected, Index, IndexMismatch, read, write

__all__ = [
    "Candidates",
    "Catalogue",
    "ExactIndex",
    "Expected",
    "Index",
    "IndexMismatch",
    "Popularity",
    "popular_candidates",
    "read",
    "top_candidates",
    "top_candidates_batch",
    "write",
]
