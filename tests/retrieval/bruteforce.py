"""Slow and obvious: every score by a loop over every item, interest and dimension."""

from __future__ import annotations

import numpy as np

from mind.retrieval import Candidates, Catalogue


def best_items(interests_KD: np.ndarray, excluded: list[int], catalogue: Catalogue, n: int) -> list[tuple]:
    """(item id, score as float32, interest), best first, by (-score, item id)."""
    found = []
    for position, item_id in enumerate(catalogue.item_ids):
        if position in excluded:
            continue
        scores = []
        for interest in interests_KD:
            total = 0.0
            for left, right in zip(interest.tolist(), catalogue.vectors_VD[position].tolist(), strict=True):
                total += left * right
            scores.append(float(np.float32(total)))
        best = max(scores)
        found.append((item_id, best, scores.index(best)))
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))[:n]


def as_rows(candidates: Candidates, catalogue: Catalogue) -> list[tuple]:
    return list(
        zip(
            candidates.item_ids(catalogue.item_ids),
            candidates.scores.tolist(),
            candidates.interest.tolist(),
            strict=True,
        )
    )


def same_bits(left: Candidates, right: Candidates) -> bool:
    return all(
        getattr(left, name).tobytes() == getattr(right, name).tobytes() for name in ("positions", "scores", "interest")
    )
