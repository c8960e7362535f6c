from collections.abc import Mapping

import numpy as np
import pytest

from mind.evaluation import evaluate, exposures, list_diversity, measure, summary, target_ranks, top_lists

SIZE = 12


class Table:
    """Scores of each user are a row of a table; it notes what it was shown."""

    def __init__(self, table: np.ndarray) -> None:
        self.table, self.seen, self.longest = table, set(), 0

    def scores(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        self.seen |= set(batch)
        self.longest = max(self.longest, len(batch["user"]))
        return self.table[batch["user"]]


def data(rows: int = 23) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    batch = {
        "user": rng.integers(0, 5, rows),
        "target_position": rng.integers(0, 6, rows),
        "excluded_positions": rng.integers(6, SIZE, (rows, 2)),
    }
    return rng.normal(size=(5, SIZE)).astype(np.float32), batch


def pieces(batch: dict[str, np.ndarray], size: int) -> list[dict[str, np.ndarray]]:
    starts = range(0, len(batch["user"]), size)
    return [{name: values[start : start + size] for name, values in batch.items()} for start in starts]


@pytest.mark.parametrize(("batch_rows", "block_rows"), [(23, 1024), (1, 1), (10, 4), (7, 7)])
def test_row_order_is_kept_whatever_the_batches_and_blocks(batch_rows: int, block_rows: int) -> None:
    table, batch = data()
    expected = target_ranks(table[batch["user"]], batch["target_position"], None, batch["excluded_positions"])
    scorer = Table(table)
    found = evaluate(scorer, pieces(batch, batch_rows), catalogue_size=SIZE, expected_rows=23, block_rows=block_rows)
    assert found.tolist() == expected.tolist()
    assert scorer.longest <= block_rows


def test_the_scorer_sees_neither_target_nor_exclusions() -> None:
    table, batch = data()
    scorer = Table(table)
    evaluate(scorer, [batch], catalogue_size=SIZE)
    assert scorer.seen == {"user"}


def test_a_scorer_that_knows_the_answer_gets_full_marks_and_the_tie_order_is_used() -> None:
    batch = {"user": np.arange(SIZE), "target_position": np.arange(SIZE)}
    known = evaluate(Table(np.eye(SIZE)), [batch], catalogue_size=SIZE)
    assert summary(known, [1])["hit_rate_at_1"] == 1
    flat = evaluate(Table(np.zeros((SIZE, SIZE))), [batch], catalogue_size=SIZE)
    assert flat.tolist() == list(range(1, SIZE + 1))
    turned = evaluate(Table(np.zeros((SIZE, SIZE))), [batch], catalogue_size=SIZE, tie_order_V=np.arange(SIZE)[::-1])
    assert turned.tolist() == list(range(SIZE, 0, -1))


def test_wrong_answers_of_a_scorer_are_refused() -> None:
    table, batch = data()
    for wrong in (table[:, :-1], table[:, :, None], table.astype(str)):
        with pytest.raises(ValueError, match="rows 0 to 22: Table gave scores of shape"):
            evaluate(Table(wrong), [batch], catalogue_size=SIZE)
    for number in (np.nan, np.inf, -np.inf):
        spoilt = table.copy()
        spoilt[batch["user"][8], 3] = number
        first = int(np.flatnonzero(batch["user"] == batch["user"][8])[0])
        with pytest.raises(ValueError, match=f"not finite, first in row {first}$"):
            evaluate(Table(spoilt), pieces(batch, 3), catalogue_size=SIZE)


def test_lost_rows_are_noticed() -> None:
    table, batch = data()
    with pytest.raises(ValueError, match="23 rows came, 24 were expected"):
        evaluate(Table(table), [batch], catalogue_size=SIZE, expected_rows=24)
    for nothing in ([], [{name: values[:0] for name, values in batch.items()}]):
        with pytest.raises(ValueError, match="no rows"):
            evaluate(Table(table), nothing, catalogue_size=SIZE)


def test_wrong_batches_are_refused() -> None:
    table, batch = data()
    target = {"target_position": batch["target_position"]}
    for wrong, message in (
        ({"user": batch["user"]}, "needs 'target_position'"),
        ({"user": batch["user"][1:], **target}, "different lengths"),
        (target, "nothing for the scorer"),
        (
            {**batch, "excluded_positions": batch["target_position"][:, None]},
            "row 0 .*excludes its own target",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(Table(table), [wrong], catalogue_size=SIZE)
    with pytest.raises(ValueError, match="block_rows is 0"):
        evaluate(Table(table), [batch], catalogue_size=SIZE, block_rows=0)


@pytest.mark.parametrize(("batch_rows", "block_rows"), [(23, 1024), (10, 4)])
def test_measuring_gives_the_ranks_and_counts_the_lists(batch_rows: int, block_rows: int) -> None:
    table, batch = data()
    vectors = np.random.default_rng(2).normal(size=(SIZE, 3))
    found = measure(
        Table(table),
        pieces(batch, batch_rows),
        catalogue_size=SIZE,
        list_length=4,
        item_vectors_VD=vectors,
        expected_rows=23,
        block_rows=block_rows,
    )
    lists = top_lists(table[batch["user"]], 4, None, batch["excluded_positions"])
    assert found.ranks_R.tolist() == evaluate(Table(table), [batch], catalogue_size=SIZE).tolist()
    assert found.exposures_V.tolist() == exposures(lists, SIZE).tolist()
    assert found.exposures_V.sum() == 23 * 4
    assert found.diversity_R is not None
    assert np.allclose(found.diversity_R, list_diversity(lists, vectors), rtol=1e-12)


def test_measuring_without_vectors_knows_no_diversity_and_notices_lost_rows() -> None:
    table, batch = data()
    assert measure(Table(table), [batch], catalogue_size=SIZE, list_length=2).diversity_R is None
    with pytest.raises(ValueError, match="23 rows came, 24 were expected"):
        measure(Table(table), [batch], catalogue_size=SIZE, list_length=2, expected_rows=24)
