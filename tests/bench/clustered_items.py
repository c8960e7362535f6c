"""The world of the retrieval benchmarks: clustered items with spread norms, and users near them.

Unit vectors scattered around as many directions as there are 500 items, of very uneven sizes, times a log-normal norm
(sigma 0.3). A user has three interests, each near a random item. Shapes: V items, D dimensions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mind.retrieval import Catalogue

DIMENSION = 64
INTERESTS = 3


def world(size: int, seed: int = 0) -> np.ndarray:
    """float32 [V, D]."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, size // 500), DIMENSION), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    shares = np.sqrt(rng.zipf(1.3, len(centres)).clip(max=200))
    cluster_V = rng.choice(len(centres), size, p=shares / shares.sum())
    vectors_VD = np.empty((size, DIMENSION), dtype=np.float32)
    for start in range(0, size, 1 << 18):
        part = slice(start, min(size, start + (1 << 18)))
        items = rng.standard_normal((part.stop - start, DIMENSION), dtype=np.float32) * np.float32(0.6 / DIMENSION**0.5)
        items += centres[cluster_V[part]]
        items *= (rng.lognormal(0, 0.3, (len(items), 1)) / np.linalg.norm(items, axis=1, keepdims=True)).astype("f4")
        vectors_VD[part] = items
    return vectors_VD


def users(vectors_VD: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """For each user unit vectors, float32 [3, D]."""
    rng = np.random.default_rng(seed)
    near = vectors_VD[rng.integers(0, len(vectors_VD), count * INTERESTS)]
    near = near / np.linalg.norm(near, axis=1, keepdims=True)
    near += rng.standard_normal(near.shape, dtype=np.float32) * np.float32(0.5 / DIMENSION**0.5)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    return list(near.reshape(count, INTERESTS, DIMENSION))


def catalogue_of(size: int, folder: Path) -> Catalogue:
    """The world as a catalogue whose vectors are mapped from a file in `folder`, as a worker of the night has them."""
    file = folder / f"{size}.npy"
    np.save(file, world(size))
    ids = tuple(f"{item:09d}" for item in range(size))
    return Catalogue(ids, np.load(file, mmap_mode="r"), "1", "bench")
