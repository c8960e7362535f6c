"""MIND written from the paper, loop by loop, on Python floats: slow, and nothing to get wrong at once.

Takes weights as nested lists. Shares no code with mind.model; only the starting logits' definition is common.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

Vector = list[float]

WORD = (1 << 64) - 1


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def matrix_times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> Vector:
    return [dot(row, vector) for row in matrix]


def length(vector: Sequence[float]) -> float:
    return math.sqrt(dot(vector, vector))


def unit(vector: Sequence[float]) -> Vector:
    size = length(vector)
    return [x / size for x in vector] if size > 0.0 else list(vector)


def softmax(values: Sequence[float]) -> Vector:
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    return [power / sum(powers) for power in powers]


def embed(codes: Sequence[int], tables: Sequence[Sequence[Sequence[float]]], dimension: int) -> Vector:
    """Eq (2): the mean over the features that are present."""
    present = [table[code] for code, table in zip(codes, tables, strict=True) if code != 0]
    if not present:
        return [0.0] * dimension
    return [sum(row[d] for row in present) / len(present) for d in range(dimension)]


def interest_count(n: int, interests: int) -> int:
    """Eq (9), with an exact logarithm: the largest whole power of two that fits."""
    power = 0
    while 2 ** (power + 1) <= n:
        power += 1
    return max(1, min(interests, power))


def squash(z: Sequence[float]) -> Vector:
    size = length(z)
    if size == 0.0:
        return [0.0] * len(z)
    return [size**2 / (1 + size**2) * x / size for x in z]


def mix(x: int) -> int:
    """splitmix64's finaliser on unsigned 64-bit words."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


def normal_start(history: Sequence[int], interests: int, sigma: float, salt: int) -> list[Vector]:
    golden = 0x9E3779B97F4A7C15
    key = len(history) * 0xA0761D6478BD642F
    for rank, item in enumerate(history):
        key += mix((item * 0xD1342543DE82EF95 + rank * golden) & WORD)
    key = mix((key + salt * 0xE7037ED1A0B428DB) & WORD)
    logits = []
    for rank in range(len(history)):
        row = []
        for interest in range(interests):
            index = mix((key + ((rank << 16) + interest) * golden) & WORD) >> 48
            row.append(sigma * NormalDist().inv_cdf((index + 0.5) / 65536))
        logits.append(row)
    return logits


def farthest_start(mapped: Sequence[Vector], interests: int, start_scale: float) -> list[Vector]:
    directions = [unit(vector) for vector in mapped]
    seeds = [len(mapped) - 1]
    while len(seeds) < interests:
        nearest = [max(dot(vector, directions[seed]) for seed in seeds) for vector in directions]
        seeds.append(max(i for i, value in enumerate(nearest) if value == min(nearest)))
    return [[start_scale * dot(vector, directions[seed]) for seed in seeds] for vector in directions]


def weighted_mean(vectors: Sequence[Vector], weights: Sequence[float]) -> Vector:
    total = sum(weights)
    return [sum(w * v[d] for w, v in zip(weights, vectors, strict=True)) / total for d in range(len(vectors[0]))]


def route(
    mapped: Sequence[Vector], logits: list[Vector], active: int, iterations: int, recency: Sequence[float]
) -> list[Vector]:
    """Eq (5) to (8): `active` capsules; `recency` multiplies each behaviour's share in every sum."""
    dimension = len(mapped[0])
    logits = [row[:active] for row in logits]
    capsules: list[Vector] = []
    for _ in range(iterations):
        weights = [softmax(row) for row in logits]
        capsules = []
        for j in range(active):
            z = [sum(weights[i][j] * recency[i] * mapped[i][d] for i in range(len(mapped))) for d in range(dimension)]
            capsules.append(squash(z))
        logits = [[logits[i][j] + dot(capsules[j], mapped[i]) for j in range(active)] for i in range(len(mapped))]
    return capsules


def head(
    capsule: Vector,
    profile: Vector,
    layers: Sequence[tuple[Sequence[Sequence[float]], Sequence[float]]],
) -> Vector:
    """Eq (1): ReLU layers and a linear one."""
    state = capsule + profile
    for index, (weight, bias) in enumerate(layers):
        if index > 0:
            state = [max(x, 0.0) for x in state]
        state = [x + b for x, b in zip(matrix_times(weight, state), bias, strict=True)]
    return state


def label_attention(interests: Sequence[Vector], label: Vector, power: float) -> Vector:
    dots = [dot(interest, label) for interest in interests]
    if math.isinf(power):
        return list(interests[dots.index(max(dots))])
    weights = softmax([power * x for x in dots])
    return [sum(w * v[d] for w, v in zip(weights, interests, strict=True)) for d in range(len(label))]


def sampled_softmax(
    positive: float, negatives: Sequence[float], log_expected: Sequence[float], hits: Sequence[bool]
) -> float:
    total = math.exp(positive)
    for score, log_count, hit in zip(negatives, log_expected, hits, strict=True):
        if not hit:
            total += math.exp(score) / math.exp(log_count)
    return math.log(total) - positive


def likeness(interests: Sequence[Vector]) -> float:
    """Mean squared cosine over the pairs of interests; 0 without a pair."""
    squares = [dot(unit(a), unit(b)) ** 2 for place, a in enumerate(interests) for b in interests[:place]]
    return sum(squares) / len(squares) if squares else 0.0


def serving_score(interests: Sequence[Vector], item: Vector) -> float:
    """Eq (3)."""
    return max(dot(interest, item) for interest in interests)
