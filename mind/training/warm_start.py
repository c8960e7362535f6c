"""A training that goes on from the champion of an earlier night instead of from nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

from mind.model import MIND, ModelFileError, differences, load, start_from
from mind.tables.manifest import Manifest
from mind.tracking.registry import Registry

log = logging.getLogger("mind")

FROM_NOTHING = 0


def start_of(registry: Registry, ds: date, manifest: Manifest, untrained: MIND) -> int:
    """Number of the version to start from, or `FROM_NOTHING`; the log says why. Called by the leader only.

    That version is the last one promoted on an earlier night, so that a night which is run again starts from the same
    weights, whatever was promoted since. It must fit: the same features in the same order, a vocabulary that this
    night's has grown from, and the same model but for the size of its tables.
    """
    version = registry.promoted_before(ds)
    if version is None:
        log.info("no champion of an earlier night: training starts from nothing")
        return FROM_NOTHING
    try:
        earlier, description = load(registry.folder(version))
    except ModelFileError as error:
        log.warning("version %s cannot be gone on from (%s): training starts from nothing", version.number, error)
        return FROM_NOTHING
    if reasons := [*_other_data(description["extra"], manifest), *differences(untrained, earlier)]:
        told = "; ".join(reasons)
        log.warning("version %s cannot be gone on from (%s): training starts from nothing", version.number, told)
        return FROM_NOTHING
    return int(version.number)


def go_on_from(registry: Registry, number: int, model: MIND) -> None:
    """Give the untrained model the weights of the version. Called by the leader only."""
    earlier, _ = load(registry.folder(registry.numbered(str(number))))
    new = start_from(model, earlier)
    log.info("training goes on from version %d; %s of %s items are new", number, f"{new:,}", f"{_items(model):,}")


def _items(model: MIND) -> int:
    return model.architecture.feature_sizes[0] - 2


def _other_data(facts: Mapping[str, Any], manifest: Manifest) -> list[str]:
    told = []
    for kind, ours in (("item_features", manifest.item_features), ("profile_features", manifest.profile_features)):
        if facts[kind] != list(ours):
            told.append(f"{kind} were {facts[kind]} and are {list(ours)}")
    if not manifest.continues(facts["vocabulary"]):
        told.append("this night's vocabulary has not grown from its own")
    return told
