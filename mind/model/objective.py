"""The training losses of a batch, computing no padding and each distinct item once.

Shapes: B batch, L history length, K interests, D dimension, N negatives, F item features, P profile features, T real
behaviours of the batch, U distinct items, J vectors of a user that get a gradient, X width of what the head sees beside
a capsule, W positives: the targets and the next targets.

The values are those of `MIND.interests`, `label_attention` and `sampled_softmax` one after the other. Here rows are
sorted by the length of their history and routed by themselves (`batch_routing.py`); a weighted sum reads the distinct
items' rows directly (`rows.py`); and where one interest alone is trained (hard attention that also scores the
negatives), the gradient is computed for that interest alone.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from mind.model.batch_routing import routed
from mind.model.batches import Batch, batch_of
from mind.model.behaviour_time import bounded
from mind.model.hashing import kept_entries
from mind.model.interests import packed_weights
from mind.model.label_attention import label_attention
from mind.model.losses import best_vector_softmax, hits, likeness
from mind.model.positives import Positives, positives_of
from mind.model.recency import SMALLEST_WEIGHT
from mind.model.rows import collected

if TYPE_CHECKING:
    from mind.model.mind import MIND


def training_losses(
    model: "MIND",
    history_BL: Tensor,
    profile_BP: Tensor,
    target_BF: Tensor,
    negatives_N: Tensor,
    log_expected_N: Tensor,
    salt: int,
    age_BL: Tensor | None,
    next_BE: Tensor | None,
) -> Tensor:
    """`MIND.forward`, which documents the arguments."""
    given = model.architecture
    history_BL, age_BL = bounded(model, history_BL, age_BL)
    order_B = (history_BL != 0).sum(dim=1).argsort(stable=True)
    target_BF = target_BF[order_B]
    age_BL = None if age_BL is None else age_BL[order_B]
    positives = positives_of(target_BF[:, 0].long(), None if next_BE is None else next_BE[order_B])
    batch = batch_of(model, history_BL[order_B], age_BL, positives.item_W, negatives_N.long())
    codes_UF = model.item_embedding.codes(batch.distinct_U)
    item_UD = model.item_embedding(codes_UF, distinct=True)
    place_B = batch.behaviours.row_R[len(negatives_N) :][: len(target_BF)]
    # The tuples may know other features of a target than the catalogue does; its item's row serves where they agree.
    agrees = bool((codes_UF[place_B] == target_BF).all())
    target_BD = item_UD.detach()[place_B] if agrees else model.item_embedding(target_BF)
    label_BD = model.normal(target_BD)
    profile_BX = model.profile_embedding(profile_BP[order_B], like=model.mapping_DD)
    kept_UD = _kept(model, batch.distinct_U, item_UD, salt)
    behaved_UD = item_UD.detach() if kept_UD is None else item_UD.detach() * kept_UD
    weights_BKL, capsules_BKD, mean_BD = routed(model, batch, behaved_UD, salt)

    # Interests can be held apart only where all of them are there, and each positive chooses its own.
    only = given.negatives_scored_by == "chosen" and math.isinf(given.attention_power)
    only = only and not given.decorrelation and next_BE is None
    active_BJ, weights_BJL = batch.active_BK, weights_BKL
    if only:
        with torch.no_grad():
            interests_BKD = model.vectors(capsules_BKD, batch.active_BK, model.beside(profile_BX, mean_BD))
            dots_BK = torch.matmul(interests_BKD, label_BD.unsqueeze(-1)).squeeze(-1)
            best_B = dots_BK.masked_fill(~batch.active_BK, -math.inf).argmax(dim=1)
            weights_BJL = weights_BKL[torch.arange(len(best_B), device=best_B.device), best_B].unsqueeze(1)
            active_BJ = torch.ones_like(active_BJ[:, :1])
    sums_BJD, rows_RD = _sums(model, batch, weights_BJL, item_UD, kept_UD)
    # S is linear: applied to the weighted sum, it has few rows to map.
    mapped_BJD = functional.linear(sums_BJD, model.mapping_DD)
    vectors = active_BJ.shape[1]
    capsules_BJD = model.capsules(mapped_BJD[:, :vectors])
    context_BD = mapped_BJD[:, -1] if given.needs_mean else None
    vectors_BJD = model.vectors(capsules_BJD, active_BJ, model.beside(profile_BX, context_BD))
    negative_ND = model.normal(rows_RD[: len(negatives_N)])
    label_WD = model.normal(rows_RD[len(negatives_N) :])
    if not agrees:
        label_WD = torch.cat([label_BD, label_WD[len(label_BD) :]])
    losses_B = _losses(model, vectors_BJD, active_BJ, label_WD, negative_ND, log_expected_N, positives, negatives_N)
    return torch.empty_like(losses_B).index_copy(0, order_B, losses_B)


def _kept(model: "MIND", item_U: Tensor, item_UD: Tensor, salt: int) -> Tensor | None:
    """What rows of the behaviours' items are multiplied by [U, D]: some entries are left out and the others scaled up;
    negatives and targets, which serving compares with, stay whole. None where nothing is left out."""
    dropout = model.architecture.dropout
    if dropout == 0.0 or not model.training:
        return None
    return kept_entries(item_U, item_UD.shape[1], dropout, salt).to(item_UD.dtype).mul_(1.0 / (1.0 - dropout))


def _sums(
    model: "MIND", batch: Batch, weights_BJL: Tensor, item_UD: Tensor, kept_UD: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Weighted sums of each user's behaviours before S, the last of them the mean for the head where the model has one
    [B, J or J + 1, D]; and the rows of negatives and targets [R, D]."""
    width = batch.history_BL.shape[1]
    weight_BL = packed_weights(model, batch.mask_BL, batch.age_BL)
    if weight_BL is None:
        weight_BL = batch.mask_BL.to(weights_BJL.dtype)
    else:
        weights_BJL = weights_BJL * weight_BL.unsqueeze(1)
    if model.architecture.needs_mean:
        mean_B1L = (weight_BL / weight_BL.sum(dim=1, keepdim=True).clamp_min(SMALLEST_WEIGHT)).unsqueeze(1)
        mean_alone = model.architecture.method == "youtube_dnn"
        weights_BJL = mean_B1L if mean_alone else torch.cat([weights_BJL, mean_B1L], dim=1)
    weights_JT = weights_BJL.transpose(0, 1)[:, batch.mask_BL]
    sums_BJD, rows_RD = collected(item_UD, weights_JT, batch.behaviours, kept_UD)
    if model.recency is not None:
        sums_BJD = sums_BJD + torch.matmul(weights_BJL, model.recency.latest_places(width))
    if model.behaviour_time is not None:
        assert batch.age_BL is not None
        sums_BJD = sums_BJD + model.behaviour_time.sums(weights_BJL, batch.age_BL)
    return sums_BJD, rows_RD


def _losses(
    model: "MIND",
    vectors_BJD: Tensor,
    active_BJ: Tensor,
    label_WD: Tensor,
    negative_ND: Tensor,
    log_expected_N: Tensor,
    positives: Positives,
    negatives_N: Tensor,
) -> Tensor:
    given = model.architecture
    vectors_WJD, active_WJ = positives.spread(vectors_BJD), positives.spread(active_BJ)
    user_WD = label_attention(vectors_WJD, active_WJ, label_WD, given.attention_power)
    positive_W = (user_WD * label_WD).sum(dim=-1) / given.temperature
    apart_B = given.decorrelation * likeness(vectors_BJD, active_BJ) if given.decorrelation else 0.0
    if given.negatives_scored_by == "chosen":
        vectors_WJD, active_WJ = user_WD.unsqueeze(1), torch.ones_like(active_WJ[:, :1])
    losses_W = best_vector_softmax(
        vectors_WJD / given.temperature,
        active_WJ,
        negative_ND,
        positive_W,
        log_expected_N if given.log_q_correction else None,
        hits(positives.item_W, negatives_N.long()),
    )
    return apart_B + positives.mean(losses_W, len(vectors_BJD))
