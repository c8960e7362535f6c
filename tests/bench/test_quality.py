"""The quality benchmark's protocol and its ranks, against the evaluator that every night uses."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mind.evaluation import evaluate, excluded_positions  # noqa: E402
from mind.model import best_scores  # noqa: E402
from tests.bench.quality.data import Sequences  # noqa: E402
from tests.bench.quality.neural import FromBehaviours, FromUsers, Rows, ranks_of, train  # noqa: E402
from tests.bench.quality.runner import settings  # noqa: E402
from tests.bench.quality.table import table, write_results  # noqa: E402

ITEMS = 30


def log() -> Sequences:
    """40 users who walk round a circle of items, each from a place of its own."""
    random = np.random.default_rng(1)
    lengths = random.integers(3, 12, 40)
    walks = [(random.integers(ITEMS) + np.arange(length)) % ITEMS + 2 for length in lengths]
    codes = np.arange(ITEMS + 2)[:, None]
    return Sequences(
        items_N=np.concatenate(walks),
        starts=np.concatenate([[0], lengths.cumsum()]),
        item_codes_VF=codes,
        feature_sizes=np.array([ITEMS + 2]),
        profile_UP=np.zeros((40, 0), dtype=np.int64),
        profile_sizes=np.zeros(0, dtype=np.int64),
    )


def test_the_last_item_is_held_out_and_the_one_before_it_validates() -> None:
    data = log()
    held = {int(place) for split in ("validation", "test") for place in data.positions(split)}
    assert not held & set(data.positions("train").tolist())
    for user, (first, end) in enumerate(zip(data.starts[:-1], data.starts[1:], strict=True)):
        assert data.positions("test")[user] == end - 1
        assert data.positions("validation")[user] == end - 2
        assert set(range(first + 1, end - 2)) <= set(data.positions("train").tolist())
    place = data.positions("test")
    for row, length in zip(data.before(place, 5), np.diff(data.starts), strict=True):
        assert (row > 0).sum() == min(5, length - 1)
    np.testing.assert_array_equal(data.before(place[:1], 50)[0, : place[0]], data.items_N[: place[0]])


def test_next_targets_are_training_targets_of_the_same_user() -> None:
    data = log()
    place = data.positions("train")
    trained = set(place.tolist())
    for at, row in zip(place.tolist(), data.after(place, 3).tolist(), strict=True):
        follow = [data.items_N[at + step] for step in (1, 2, 3) if at + step in trained]
        same = [
            item
            for step, item in enumerate(follow, 1)
            if data.user_of(np.array(at + step)) == data.user_of(np.array(at))
        ]
        assert row == same + [0] * (3 - len(same))


@pytest.mark.parametrize("method", ["mind_k", "max_mf"])
def test_ranks_are_those_of_the_evaluator(method: str) -> None:
    data = log()
    model, _ = settings("online_retail", method, quick=True)
    model |= {"dimension": 8, "hidden_sizes": [8], "history_length": 6}
    learner = (FromUsers if method == "max_mf" else FromBehaviours)(data, model, 1)
    place = data.positions("test")

    class Scorer:
        def scores(self, batch: dict[str, np.ndarray]) -> np.ndarray:
            rows = Rows(data, place[batch["row"]], 6, "cpu").take(slice(None))
            with torch.no_grad():
                return best_scores(
                    learner.interests(rows), learner.net.item_vectors(torch.arange(2, ITEMS + 2))
                ).numpy()

    target = data.items_N[place] - 2
    excluded = excluded_positions(data.before(place, 12), target)
    batch = {"target_position": target, "row": np.arange(40), "excluded_positions": excluded}
    expected = evaluate(Scorer(), [batch], catalogue_size=ITEMS, expected_rows=40)
    np.testing.assert_array_equal(ranks_of(learner, data, "test", 6, "cpu"), expected)


def test_training_learns_the_circle_and_results_are_written(tmp_path: Path) -> None:
    data = log()
    model, training = settings("online_retail", "mind_k", quick=False)
    model |= {"dimension": 16, "hidden_sizes": [16], "history_length": 6, "dropout": 0.0}
    learner = FromBehaviours(data, model, 1)
    untrained = ranks_of(learner, data, "test", 6, "cpu")
    best, curve = train(learner, data, training | {"batch_size": 16, "learning_rate": 0.02}, 6, 1, "cpu")
    trained = ranks_of(learner, data, "test", 6, "cpu")
    assert 1 <= best <= len(curve)
    assert (trained <= 3).mean() > 0.6 > (untrained <= 3).mean()
    paths = {}
    for method, ranks in (("mind_k", trained), ("popularity", untrained)):
        paths[("circle", method, 1)] = tmp_path / f"{method}.npz"
        np.savez(paths[("circle", method, 1)], ranks=ranks)
    write_results(paths, tmp_path / "quality.json", tmp_path / "table.md")
    numbers = json.loads((tmp_path / "quality.json").read_text())
    assert numbers["circle.mind_k.recall10"] == pytest.approx((trained <= 10).mean())
    assert numbers["circle.mind_k.recall10.sd"] == 0.0
    expected = table("circle", {"mind_k": [trained], "popularity": [untrained]})
    assert (tmp_path / "table.md").read_text() == "\n".join(expected)
