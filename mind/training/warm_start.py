"""A training that goes on from the champion of an earlier night instead of from nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from mind.model import MIND, Architecture, ModelFileError, differences, load, start_from
from mind.tables.manifest import Manifest
from mind.tracking.registry import Registry
from mind.training.distributed import Ranks

log = logging.getLogger("mind")


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a training begins."""

    number: int = 0
    """Of the version whose weights it begins with; 0: of none."""
    earlier: MIND | None = None
    """That version, on the leader alone."""

    def give(self, model: MIND, group: Ranks) -> None:
        """Let an untrained model, the same on all ranks, begin here."""
        if not self.number:
            return
        if self.earlier is not None:
            new, items = start_from(model, self.earlier), model.architecture.feature_sizes[0] - 2
            log.info("training goes on from version %d; %s of %s items are new", self.number, f"{new:,}", f"{items:,}")
        group.share(model.parameters())


def start_of(registry: Registry, ds: date, manifest: Manifest, architecture: Architecture, group: Ranks) -> Start:
    """The last version that was promoted on an earlier night, where it fits, else nothing; the log says why.

    So a night that is run again starts from the same weights, whatever was promoted since. A version fits with the same
    features in the same order, a vocabulary that this night's has grown from, and the same model but for the size of
    its tables.
    """
    found = _fitting(registry, ds, manifest, architecture) if group.leads else Start()
    return Start(number=int(group.of_leader(found.number)), earlier=found.earlier)


def _fitting(registry: Registry, ds: date, manifest: Manifest, architecture: Architecture) -> Start:
    version = registry.promoted_before(ds)
    if version is None:
        log.info("no champion of an earlier night: training starts from nothing")
        return Start()
    try:
        earlier, description = load(registry.folder(version))
        reasons = [*_other_data(description["extra"], manifest), *differences(architecture, earlier.architecture)]
        if not reasons:
            return Start(number=int(version.number), earlier=earlier)
    except ModelFileError as error:
        reasons = [str(error)]
    told = "; ".join(reasons)
    log.warning("version %s cannot be gone on from (%s): training starts from nothing", version.number, told)
    return Start()


def _other_data(facts: Mapping[str, Any], manifest: Manifest) -> list[str]:
    told = []
    for kind, ours in (("item_features", manifest.item_features), ("profile_features", manifest.profile_features)):
        if facts[kind] != list(ours):
            told.append(f"{kind} were {facts[kind]} and are {list(ours)}")
    if not manifest.continues(facts["vocabulary"]):
        told.append("this night's vocabulary has not grown from its own")
    return told
