"""Champion and challengers measured on one frozen evaluation set: the test tuples of a night.

Shapes: B users, L history length, P profile features.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mind.config import EvaluationSection
from mind.errors import MindError
from mind.features.fit import UNKNOWN, known_history, known_profile
from mind.model import load, model_health
from mind.recommending import PromotionSection
from mind.tables import names as n
from mind.tables.manifest import Manifest
from mind.tracking.promotion import CAPSULE_COSINE, LATENCY, MERGED_SHARE, POPULARITY, SIZE, Comparison
from mind.tracking.registry import CHALLENGER, CHAMPION, Registry, Version
from mind.training.assessment import Assessment, step_of
from mind.training.loader import Columns, columns_of, read_first
from mind.training.scoring import ages_for

REPETITIONS = 3


def challengers(registry: Registry, asked: str | None) -> list[Version]:
    """The versions of these numbers ("3,5,7"), or the challenger; never the champion itself.

    Raises:
        MindError: a number is none, or no version has it; without numbers: there is no challenger.
    """
    champion = registry.by_alias(CHAMPION)
    if asked is None:
        found = [registry.need(CHALLENGER)]
    else:
        numbers = [text.strip() for text in asked.split(",")]
        strange = [text for text in numbers if not text.isdecimal()]
        if strange:
            raise MindError(f"--versions has {strange[0]!r}; write numbers of versions with commas: 3,5,7")
        found = [registry.numbered(number) for number in dict.fromkeys(numbers)]
    return [version for version in found if champion is None or version.number != champion.number]


def compare(
    assessment: Assessment,
    manifest: Manifest,
    registry: Registry,
    others: list[Version],
    evaluation: EvaluationSection,
    promotion: PromotionSection,
) -> Comparison:
    """Measure popularity, the champion and the others on the same rows, and log what each showed with its run."""
    champion = registry.by_alias(CHAMPION)
    versions = [*([] if champion is None else [champion]), *others]
    rows = read_first(manifest, "test", columns_of(manifest), promotion.sample_rows)
    metrics = {POPULARITY: assessment.metrics(POPULARITY)}
    for version in versions:
        folder = registry.folder(version)
        assessment.add(version.number, folder)
        metrics[version.number] = assessment.metrics(version.number) | fitness(folder, rows)
    rival = POPULARITY if champion is None else champion.number
    step, differences = step_of(date.fromisoformat(manifest.ds)), {}
    for version in versions:
        logged = {f"test_{name}": value for name, value in metrics[version.number].items()}
        logged |= {f"{POPULARITY}_{name}": value for name, value in metrics[POPULARITY].items()}
        logged |= _over(assessment, version.number, POPULARITY, POPULARITY)
        if version in others:
            found = assessment.difference(version.number, rival)
            differences[version.number] = _interval(found)
        if version in others and champion is not None:
            logged |= _over(assessment, version.number, champion.number, CHAMPION)
        registry.log(version.run_id, logged, step)
    return Comparison(
        ds=manifest.ds,
        tuples=manifest.content,
        rows=int(metrics[POPULARITY]["rows"]),
        main_cutoff=evaluation.main_cutoff,
        champion=None if champion is None else champion.number,
        metrics=metrics,
        differences=differences,
    )


def fitness(folder: Path, rows: Columns) -> dict[str, float]:
    """What a model costs and whether its capsules differ, on these rows; without what cannot be measured on them.

    The latency is that of the interests of a batch, by the inference that serves, on the threads that torch has; the
    best of a few repetitions.
    """
    model, _ = load(folder)
    items = model.architecture.feature_sizes[0]
    history_BL = torch.from_numpy(known_history(rows[n.HISTORY], items))
    profile_BP = torch.from_numpy(known_profile(rows[n.PROFILE], model.architecture.profile_sizes))
    target_B = np.where(rows[n.TARGET][:, 0] < items, rows[n.TARGET][:, 0], UNKNOWN).astype(np.int64)
    age_BL = ages_for(model, rows)
    health = model_health(model, history_BL, profile_BP, torch.from_numpy(target_B), age_BL=age_BL)
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        model.infer(history_BL, profile_BP, age_BL=age_BL)
        seconds.append(time.perf_counter() - started)
    found = {
        CAPSULE_COSINE: health["mean_cosine"],
        MERGED_SHARE: health["merged_share"],
        SIZE: float(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())),
        LATENCY: 1000 * min(seconds) / len(history_BL),
    }
    return dict(_finite(found))


def _finite(found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in found.items():
        if math.isfinite(value):
            yield name, float(value)


def _interval(found: Mapping[str, float]) -> tuple[float, float, float]:
    """Difference, low and high end of what `Assessment.difference` found."""
    main = next(name for name in found if not name.endswith(("_low", "_high")))
    return found[main], found[f"{main}_low"], found[f"{main}_high"]


def _over(assessment: Assessment, number: str, rival: str, called: str) -> dict[str, float]:
    """The difference under the rival's role: the number of a champion says nothing in a metric's name."""
    return {
        f"test_{name.replace(f'over_{rival}_', f'over_{called}_')}": value
        for name, value in assessment.difference(number, rival).items()
    }
