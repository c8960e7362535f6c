"""Sampled softmax, eq (10) and (11).

Shapes: B batch, N sampled negatives.
"""

import torch
from torch import Tensor

from mind.model.arithmetic import at_least_float32


def sampled_softmax(positive_B: Tensor, negative_BN: Tensor, log_expected: Tensor | None, is_hit_BN: Tensor) -> Tensor:
    """-log of the positive's share of an estimate of the full softmax's normaliser; one loss a row, [B].

    Z ~ exp(s_pos) + sum over negatives of exp(s_neg) / (expected count of neg). Negatives equal to the
    positive are left out, so that Z is unbiased: E[Z] = sum over the catalogue of exp(s). Rows are not
    averaged: ranks may hold different numbers of rows, and the caller weighs them.

    Args:
        positive_B: score of the target.
        negative_BN: scores of the negatives.
        log_expected: log of each negative's expected count in the draw, [N] or [B, N]; None: no correction.
        is_hit_BN: True where a negative is the row's own target. A row of hits only has loss 0.
    """
    positive_B1 = at_least_float32(positive_B).unsqueeze(1)
    corrected_BN = at_least_float32(negative_BN)
    if log_expected is not None:
        corrected_BN = corrected_BN - log_expected.to(corrected_BN.dtype)
    corrected_BN = corrected_BN.masked_fill(is_hit_BN, float("-inf"))
    # The positive is in the sum, so that it is finite even where every negative is a hit.
    normaliser_B = torch.logsumexp(torch.cat([positive_B1, corrected_BN], dim=1), dim=1)
    return normaliser_B - positive_B1.squeeze(1)
