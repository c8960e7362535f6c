"""A model goes on from an earlier one whose vocabulary was smaller."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mind.model import MIND, differences, start_from

OLD_ITEMS, NEW_ITEMS = 12, 16
OLD_COLOURS, NEW_COLOURS = 5, 6


def catalogue(items: int) -> torch.Tensor:
    """Items with a colour and a size. Of the new ones, 12 has an old colour and size, 13 a new colour and an old size,
    14 a new colour only, 15 an unknown colour only."""
    codes = torch.zeros(NEW_ITEMS, 3, dtype=torch.int64)
    codes[:, 0] = torch.arange(NEW_ITEMS)
    codes[2:OLD_ITEMS, 1] = torch.arange(2, OLD_ITEMS) % (OLD_COLOURS - 2) + 2
    codes[2:OLD_ITEMS, 2] = 2
    codes[OLD_ITEMS:, 1:] = torch.tensor([[3, 2], [OLD_COLOURS, 2], [OLD_COLOURS, 0], [1, 0]])
    return codes[:items]


def model(items: int, colours: int, seed: int, **changes: Any) -> MIND:
    return MIND(
        item_features_VF=catalogue(items),
        feature_sizes=[items, colours, 3],
        profile_sizes=[4 if items == OLD_ITEMS else 6],
        history_length=6,
        dimension=8,
        interests=3,
        hidden_sizes=(9,),
        seed=seed,
        **({"recency": True, "context": True} | changes),
    )


@pytest.fixture
def earlier() -> MIND:
    """As if it had been trained: no weight is what it started from."""
    made = model(OLD_ITEMS, OLD_COLOURS, 1)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        for table in [*made.item_embedding.tables, *made.profile_embedding.tables]:
            table.get_parameter("weight")[0] = 0.0
    return made


def test_what_the_earlier_model_knows_is_the_same_to_the_bit(earlier: MIND) -> None:
    grown = model(NEW_ITEMS, NEW_COLOURS, 2)
    assert start_from(grown, earlier) == NEW_ITEMS - OLD_ITEMS
    held = dict(earlier.named_parameters())
    for name, parameter in grown.named_parameters():
        assert torch.equal(parameter[: len(held[name])], held[name]), name
    history_BL = torch.tensor([[3, 5, 9, 11, 0, 0], [2, 4, 6, 8, 10, 7]])
    profile_B1 = torch.tensor([[2], [3]])
    ours, theirs = grown.infer(history_BL, profile_B1), earlier.infer(history_BL, profile_B1)
    assert torch.equal(ours.vectors_BKD, theirs.vectors_BKD)
    items_M = torch.arange(2, OLD_ITEMS)
    assert torch.equal(grown.infer_items(items_M), earlier.infer_items(items_M))


def test_a_new_item_starts_at_the_mean_of_those_of_its_features_that_are_known(earlier: MIND) -> None:
    grown, untouched = model(NEW_ITEMS, NEW_COLOURS, 2), model(NEW_ITEMS, NEW_COLOURS, 2)
    start_from(grown, earlier)
    items, colours, sizes = (table.get_parameter("weight") for table in earlier.item_embedding.tables)
    own = grown.item_embedding.tables[0].get_parameter("weight")
    drawn = untouched.item_embedding.tables[0].get_parameter("weight")
    torch.testing.assert_close(own[12], (colours[3] + sizes[2]) / 2, rtol=0, atol=0)
    torch.testing.assert_close(own[13], sizes[2], rtol=0, atol=0)
    # A new colour tells nothing, and "unknown" is no likeness.
    assert torch.equal(own[14:], drawn[14:])
    assert len(items) == OLD_ITEMS
    new_colour = grown.item_embedding.tables[1].get_parameter("weight")[OLD_COLOURS:]
    assert torch.equal(new_colour, untouched.item_embedding.tables[1].get_parameter("weight")[OLD_COLOURS:])


def test_a_grown_model_trains_and_its_padding_stays_zero(earlier: MIND) -> None:
    grown = model(NEW_ITEMS, NEW_COLOURS, 2)
    start_from(grown, earlier)
    target_BF = catalogue(NEW_ITEMS)[[12, 15]]
    losses_B = grown(torch.tensor([[3, 12, 0, 0, 0, 0], [14, 13, 15, 0, 0, 0]]), torch.tensor([[2], [5]]), target_BF,
                     torch.arange(2, NEW_ITEMS), torch.zeros(NEW_ITEMS - 2))  # fmt: skip
    losses_B.sum().backward()
    gradient = grown.item_embedding.tables[0].get_parameter("weight").grad
    assert gradient is not None
    assert {12, 13, 14, 15} <= set(gradient.coalesce().indices()[0].tolist())
    for table in grown.item_embedding.tables:
        assert not table.get_parameter("weight")[0].any()


def test_what_only_the_loss_reads_may_differ(earlier: MIND) -> None:
    changed = model(NEW_ITEMS, NEW_COLOURS, 2, temperature=0.3, dropout=0.4)
    assert differences(changed.architecture, earlier.architecture) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recency": False}, "recency was True and is False"),
        ({"interests": 2}, "interests was 3 and is 2"),
        ({"history_length": 7}, "history_length was 6 and is 7"),
    ],
)
def test_another_model_is_refused_with_the_difference(earlier: MIND, changes: dict[str, Any], told: str) -> None:
    arguments: dict[str, Any] = {"history_length": 6, "interests": 3} | changes
    other = MIND(
        item_features_VF=catalogue(NEW_ITEMS),
        feature_sizes=[NEW_ITEMS, NEW_COLOURS, 3],
        profile_sizes=[6],
        dimension=8,
        hidden_sizes=(9,),
        context=True,
        **({"recency": True} | arguments),
    )
    assert differences(other.architecture, earlier.architecture) == [told]
    before = [parameter.clone() for parameter in other.parameters()]
    with pytest.raises(ValueError, match=told):
        start_from(other, earlier)
    assert all(torch.equal(held, parameter) for held, parameter in zip(before, other.parameters(), strict=True))


def test_a_table_that_shrank_is_refused(earlier: MIND) -> None:
    grown = model(NEW_ITEMS, NEW_COLOURS, 1)
    assert differences(earlier.architecture, grown.architecture) == [
        "feature_sizes was [16, 6, 3] and is [12, 5, 3]: tables only grow",
        "profile_sizes was [6] and is [4]: tables only grow",
    ]
