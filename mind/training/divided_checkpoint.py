"""Checkpoints of a training whose tables may be divided: what the ranks settle among themselves."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from torch import Tensor

from mind.errors import BrokenPromise
from mind.training.checkpoint import DAMAGED, NO_NUMBER, Checkpoints, Found, Part, Position, finite, part_name
from mind.training.distributed import Ranks

log = logging.getLogger("mind")


def save_divided(
    checkpoints: Checkpoints,
    kind: str,
    position: Position,
    tensors: Mapping[str, Tensor],
    ranks: Ranks,
    divided: Collection[str],
) -> None:
    """Save on all ranks together: each its rows of the tensors `divided`, the leader the others and the JSON."""
    mine = {name: value for name, value in tensors.items() if name in divided}
    if ranks.total([float(not finite(mine))])[0]:
        log.warning(NO_NUMBER, position.steps_before)
        return
    part = checkpoints.save_part(kind, ranks.rank, mine)
    sums = [value.hex() for value in ranks.every(bytes.fromhex(part.sha256))]
    if ranks.leads:
        parts = [Part(part_name(kind, rank, checksum), checksum) for rank, checksum in enumerate(sums)]
        rest = {name: value for name, value in tensors.items() if name not in divided}
        checkpoints.save(kind, position, rest, ranks.count, parts)


def newest_of_all(checkpoints: Checkpoints, ranks: Ranks) -> Found | None:
    """The newest checkpoint, the same on all ranks, each of which checks a share of its parts.

    Raises:
        BrokenPromise: the ranks see other checkpoints than the leader.
    """
    passed_over: list[str] = []
    while True:
        found = checkpoints.newest(ranks.count, passed_over)
        steps = found.position.steps_before if found else -1
        # Also the moment from which the leader may replace what the others have read.
        if ranks.of_leader(steps) != steps:
            raise BrokenPromise(
                f"rank {ranks.rank} sees another checkpoint in {checkpoints.folder} than rank 0; let "
                "training.checkpoints be a folder that all nodes share"
            )
        if found is None:
            return None
        damaged = found.damaged(ranks.rank, ranks.count)
        for path in damaged:
            log.warning(DAMAGED, path)
        if not ranks.total([float(len(damaged))])[0]:
            return found
        passed_over.append(found.kind)
