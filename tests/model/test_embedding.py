"""Embedding: mean over present features, padding rows, boundary checks."""

import pytest
import torch

from mind.model import ItemEmbedding
from tests.model.worlds import SIZES, batch, catalogue, small_model


def test_missing_features_leave_the_mean() -> None:
    embedding = small_model().item_embedding
    tables = [table.weight for table in embedding.tables]
    found = embedding(torch.tensor([[5, 0, 3], [0, 4, 0], [0, 0, 0]]))
    torch.testing.assert_close(found[0], (tables[0][5] + tables[2][3]) / 2)
    torch.testing.assert_close(found[1], tables[1][4])
    assert not found[2].any()


def test_an_item_without_features_has_finite_gradients() -> None:
    model = small_model()
    history_BL = torch.tensor([[1, 2]])
    losses_B = model(history_BL, torch.tensor([[0, 0]]), torch.tensor([[0, 0, 0]]), torch.tensor([3]), torch.zeros(1))
    losses_B.sum().backward()
    for parameter in model.parameters():
        assert torch.isfinite(parameter.grad.to_dense()).all()


def test_tables_start_with_padding_and_unknown_at_zero() -> None:
    model = small_model()
    for table in [*model.item_embedding.tables, *model.profile_embedding.tables]:
        assert not table.weight[:2].any()
        assert (table.weight[2:].norm(dim=1) > 0).all()


def test_padding_rows_stay_zero_through_training_and_unknown_rows_learn() -> None:
    model = small_model()
    tables = torch.optim.SparseAdam(model.sparse_parameters(), lr=0.05)
    dense = torch.optim.AdamW(model.dense_parameters(), lr=0.05, weight_decay=0.1)
    history_BL, profile_BP, target_BF = batch(40)
    history_BL[:, 0] = 1
    profile_BP[:5] = 1
    for step in range(5):
        tables.zero_grad()
        dense.zero_grad()
        negatives_N = torch.randint(2, 40, (20,), generator=torch.Generator().manual_seed(step))
        model(history_BL, profile_BP, target_BF, negatives_N, torch.zeros(20), step).mean().backward()
        tables.step()
        dense.step()
    for table in [*model.item_embedding.tables, *model.profile_embedding.tables]:
        assert not table.weight[0].any()
        assert table.weight[1].any()


def test_sparse_gradients_have_one_row_for_each_distinct_item() -> None:
    model = small_model()
    history_BL = torch.tensor([[2, 3, 2, 2]]).repeat(50, 1)
    target_BF = catalogue()[torch.tensor([4]).repeat(50)]
    negatives_N = torch.tensor([3, 7, 7])
    model(history_BL, torch.zeros(50, 2, dtype=torch.long), target_BF, negatives_N, torch.zeros(3)).sum().backward()
    gradient = model.item_embedding.tables[0].weight.grad
    assert gradient.is_sparse
    assert gradient._indices().tolist() == [[2, 3, 4, 7]]


def test_parameters_are_either_sparse_or_dense() -> None:
    model = small_model()
    listed = [*model.sparse_parameters(), *model.dense_parameters()]
    assert sorted(map(id, listed)) == sorted(map(id, model.parameters()))
    assert len(model.sparse_parameters()) == len(SIZES) + 2


def test_starting_weights_depend_on_the_seed_only() -> None:
    torch.manual_seed(1)
    first = small_model().state_dict()
    before = torch.get_rng_state()
    second = small_model().state_dict()
    assert torch.equal(before, torch.get_rng_state())
    other = small_model(seed=6).state_dict()
    for name, value in first.items():
        assert torch.equal(value, second[name])
    assert not torch.equal(first["item_embedding.tables.0.weight"], other["item_embedding.tables.0.weight"])


def test_codes_out_of_range_are_named() -> None:
    model = small_model()
    history_BL, profile_BP, target_BF = batch(3)
    model.check_batch(history_BL, profile_BP, target_BF)
    with pytest.raises(ValueError, match="item feature 0 has codes from 40 to 40, allowed are 0 to 39"):
        model.check_batch(torch.tensor([[40]]), profile_BP, target_BF)
    with pytest.raises(ValueError, match="profile feature 1 has codes from 3 to 3, allowed are 0 to 2"):
        model.check_batch(history_BL, torch.tensor([[0, 3]]), target_BF)
    with pytest.raises(ValueError, match="item feature 2 has codes from -1 to -1"):
        model.check_batch(history_BL, profile_BP, torch.tensor([[2, 0, -1]]))
    with pytest.raises(ValueError, match="item codes have 2 columns, the model has 3"):
        model.check_batch(history_BL, profile_BP, target_BF[:, :2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f[:-1], "39 rows and feature_sizes\\[0\\] is 40"),
        (lambda f: f.flip(0), "column 0 of item_features_VF"),
        (lambda f: f + torch.tensor([0, 1, 0]), "feature 1 has codes"),
        (lambda f: f.float(), "matrix \\[V, F\\] of integers"),
        (lambda f: torch.cat([torch.tensor([[0, 2, 0]]), f[1:]]), "row 0 .* is \\[0, 2, 0\\]"),
    ],
)
def test_broken_catalogues_are_refused(change, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        ItemEmbedding(change(catalogue()), SIZES, 8, scale=1.0, generator=torch.Generator())
