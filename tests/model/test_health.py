"""Capsule health by hand."""

import math

import pytest
import torch

from mind.model import Interests, capsule_health, model_health
from tests.model.worlds import batch, small_model


def test_numbers_by_hand() -> None:
    vectors_BKD = torch.tensor(
        [
            [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]],
            [[1.0, 0.0], [3.0, 0.0], [0.0, 0.0]],
            [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]],
        ]
    )
    active_BK = torch.tensor([[True, True, False], [True, True, False], [True, False, False]])
    weights_BLK = torch.tensor([[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]] * 2, [[1.0, 0.0, 0.0]] * 2])
    mask_BL = torch.tensor([[True, False], [True, True], [True, True]])
    mapped_BLD = torch.tensor([[[3.0, 4.0], [90.0, 0.0]], [[1.0, 0.0]] * 2, [[0.0, 2.0]] * 2])
    label_BD = torch.tensor([[0.0, 1.0], [-1.0, 0.0], [-1.0, -1.0]])
    found = capsule_health(Interests(vectors_BKD, active_BK, weights_BLK), mask_BL, mapped_BLD, label_BD)
    assert found["users"] == 3
    assert found["users_with_several"] == 2
    assert found["mean_cosine"] == pytest.approx(1 / 2)
    assert found["merged_share"] == pytest.approx(1 / 2)
    # One behaviour undecided, two decided.
    assert found["routing_entropy"] == pytest.approx(1 / 3)
    assert found["mapped_norm"] == pytest.approx((5 + 1 + 1 + 2 + 2) / 5)
    assert found["winner_share"] == pytest.approx([2 / 3, 1 / 3, 0.0])


def test_a_model_with_one_interest_has_no_pairs() -> None:
    history_BL, profile_BP, target_BF = batch(20, width=14)
    found = model_health(small_model(interests=1), history_BL, profile_BP, target_BF[:, 0])
    assert math.isnan(found["mean_cosine"])
    assert found["winner_share"] == [1.0]


def test_the_starting_scale_lets_routing_move() -> None:
    history_BL, profile_BP, target_BF = batch(50)
    found = model_health(small_model(), history_BL, profile_BP, target_BF[:, 0])
    assert found["mapped_norm"] == pytest.approx(1.0, rel=0.5)
    assert 0.0 < found["routing_entropy"] < 0.95
