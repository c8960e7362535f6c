"""Every row once an epoch, the same number of steps on every rank, an order that can be repeated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mind.errors import BrokenPromise
from mind.tables import names as n
from mind.tables.manifest import Manifest, TupleFile
from mind.training.loader import TENSORS, Batch, TupleLoader, read_first, read_split
from tests.training.small_night import manifest_of, numbered

ROWS = (53, 8, 40, 19, 1, 30)
BATCH = 16


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return manifest_of(numbered(tmp_path_factory.mktemp("tuples"), ROWS))


def loader(manifest: Manifest, rank: int = 0, ranks: int = 1, seed: int = 5, shuffle_rows: int = 20) -> TupleLoader:
    return TupleLoader(manifest, rank=rank, ranks=ranks, batch_size=BATCH, shuffle_rows=shuffle_rows, seed=seed)


def batches(manifest: Manifest, ranks: int, epoch: int = 1) -> list[list[Batch]]:
    return [list(loader(manifest, rank, ranks).epoch(epoch)) for rank in range(ranks)]


def order(batches: list[Batch]) -> list[int]:
    return [int(row) for batch in batches for row in batch.target_BF[:, 0]]


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_every_row_is_read_exactly_once_over_all_ranks(manifest: Manifest, ranks: int, epoch: int) -> None:
    seen = [row for of_rank in batches(manifest, ranks, epoch) for row in order(of_rank)]
    assert sorted(seen) == list(range(sum(ROWS)))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_every_rank_takes_the_same_steps_and_knows_the_rows_of_all(manifest: Manifest, ranks: int) -> None:
    of_ranks = batches(manifest, ranks)
    assert {len(of_rank) for of_rank in of_ranks} == {loader(manifest, 0, ranks).steps(1)}
    for step in zip(*of_ranks, strict=True):
        assert {batch.global_rows for batch in step} == {sum(len(batch.target_BF) for batch in step)}
        assert all(len(batch.target_BF) <= BATCH // ranks for batch in step)


def test_a_rank_that_is_done_gets_empty_batches_of_the_right_shape(manifest: Manifest) -> None:
    of_ranks = batches(manifest, 4)
    shortest = min(of_ranks, key=lambda of_rank: len(order(of_rank)))
    last = shortest[-1]
    assert (last.history_BL.shape, last.profile_BP.shape, last.target_BF.shape) == ((0, 2), (0, 1), (0, 1))
    assert last.global_rows > 0


def test_a_rank_without_any_file_keeps_step_with_the_others(tmp_path: Path) -> None:
    alone = manifest_of(numbered(tmp_path, (20,)))
    (with_file, without) = sorted(batches(alone, 2), key=lambda of_rank: -len(order(of_rank)))
    assert sorted(order(with_file)) == list(range(20))
    assert len(without) == len(with_file) == 3
    assert all(batch.history_BL.shape == (0, 2) and batch.global_rows for batch in without)


def test_the_columns_of_a_row_stay_together(manifest: Manifest) -> None:
    for batch in loader(manifest).epoch(1):
        row_B = batch.target_BF[:, 0]
        np.testing.assert_array_equal(batch.history_BL, np.stack([row_B, -row_B], axis=1))
        np.testing.assert_array_equal(batch.profile_BP[:, 0], row_B)
        assert {array.dtype for array in (batch.history_BL, batch.profile_BP, batch.target_BF)} == {np.dtype("int32")}


def test_ages_stay_with_their_rows_and_are_read_only_where_they_are_asked_for(tmp_path: Path) -> None:
    manifest = manifest_of(numbered(tmp_path, (20, 9), with_ages=True), age_buckets=24)
    asked = {"rank": 0, "ranks": 1, "batch_size": BATCH, "shuffle_rows": 20, "seed": 5}
    plain = list(TupleLoader(manifest, **asked).epoch(1))
    found = list(TupleLoader(manifest, **asked, ages=True).epoch(1))
    assert order(found) == order(plain)
    assert all(batch.age_BL is None for batch in plain)
    for batch in found:
        assert batch.age_BL is not None
        assert batch.age_BL.dtype == np.dtype("int8")
        np.testing.assert_array_equal(batch.age_BL, np.repeat(batch.target_BF % 24 + 1, 2, axis=1))
    (_, without) = sorted(
        (
            list(
                TupleLoader(
                    manifest_of(manifest.splits["train"][:1], age_buckets=24),
                    **asked | {"rank": rank, "ranks": 2},
                    ages=True,
                ).epoch(1)
            )
            for rank in range(2)
        ),
        key=lambda of_rank: -len(order(of_rank)),
    )
    assert {batch.age_BL.shape for batch in without if batch.age_BL is not None} == {(0, 2)}


def test_next_targets_stay_with_their_rows_and_a_rank_without_a_file_has_none(tmp_path: Path) -> None:
    files = numbered(tmp_path, (20, 9), next_targets=3)
    found = list(loader(manifest_of(files, next_targets=3)).epoch(1))
    plain = list(loader(manifest_of(files)).epoch(1))
    assert order(found) == order(plain)
    assert all(batch.next_BE is None for batch in plain)
    for batch in found:
        assert batch.next_BE is not None
        assert batch.next_BE.dtype == np.dtype("int32")
        np.testing.assert_array_equal(batch.next_BE, batch.target_BF + np.array([1, 2]))
    ranks = batches(manifest_of(files[:1], next_targets=3), 2)
    without = min(ranks, key=lambda of_rank: len(order(of_rank)))
    assert {batch.next_BE.shape for batch in without if batch.next_BE is not None} == {(0, 2)}


def test_the_order_is_that_of_seed_and_epoch(manifest: Manifest) -> None:
    once = order(list(loader(manifest).epoch(1)))
    assert order(list(loader(manifest).epoch(1))) == once
    same = loader(manifest)
    assert order(list(same.epoch(2))) != once
    assert order(list(same.epoch(1))) == once, "an epoch depends on the one before it"
    assert order(list(loader(manifest, seed=6).epoch(1))) != once


def test_rows_of_different_files_are_mixed_inside_the_pool(manifest: Manifest) -> None:
    file_of = np.repeat(np.arange(len(ROWS)), ROWS)
    mixed = [len(set(file_of[batch.target_BF[:, 0]])) for batch in loader(manifest, shuffle_rows=1000).epoch(1)]
    assert max(mixed) > 3


def test_a_pool_smaller_than_a_batch_still_gives_whole_batches(manifest: Manifest) -> None:
    found = list(loader(manifest, shuffle_rows=1).epoch(1))
    assert [len(batch.target_BF) for batch in found[:-1]] == [BATCH] * (sum(ROWS) // BATCH)


def test_a_profile_without_features_has_no_columns(tmp_path: Path) -> None:
    empty = manifest_of(numbered(tmp_path, (20, 9), features=0), profile_features={})
    found = list(loader(empty).epoch(1))
    assert sorted(order(found)) == list(range(29))
    assert {batch.profile_BP.shape[1] for batch in found} == {0}


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    odd = manifest_of(numbered(tmp_path / "my läke = 100%", (20,)))
    assert sorted(order(list(loader(odd).epoch(1)))) == list(range(20))


def test_a_split_is_read_whole_in_the_order_of_its_files(manifest: Manifest) -> None:
    found = read_split(manifest, "train", (*TENSORS, n.USER_ID))
    np.testing.assert_array_equal(found[n.TARGET][:, 0], np.arange(sum(ROWS)))
    assert found[n.USER_ID][:4].tolist() == ["u0", "u1", "u2", "u0"]


def test_the_first_rows_are_those_of_the_whole_and_no_file_is_opened_for_more(tmp_path: Path) -> None:
    night = manifest_of(numbered(tmp_path, (20, 30)))
    whole = read_split(night, "train", TENSORS)
    for rows in (1, 20, 23, 50, 60):
        found = read_first(night, "train", TENSORS, rows)
        for name in TENSORS:
            np.testing.assert_array_equal(found[name], whole[name][:rows])
    (tmp_path / "part-1.parquet").unlink()
    assert len(read_first(night, "train", TENSORS, 20)[n.TARGET]) == 20
    with pytest.raises(BrokenPromise, match=r"part-1.parquet cannot be read"):
        read_first(night, "train", TENSORS, 21)


def test_a_split_without_rows_is_refused_by_its_name_and_night() -> None:
    nothing = manifest_of([], splits={"test": []})
    with pytest.raises(BrokenPromise, match=r"split test of .* has no rows.*run build_tuples --ds"):
        read_split(nothing, "test", TENSORS)


def without_a_file(folder: Path) -> list[TupleFile]:
    files = numbered(folder, (20, 30))
    (folder / "part-1.parquet").unlink()
    return files


def cut_short(folder: Path) -> list[TupleFile]:
    files = numbered(folder, (20, 30))
    whole = (folder / "part-1.parquet").read_bytes()
    (folder / "part-1.parquet").write_bytes(whole[: len(whole) // 2])
    return files


def emptied(folder: Path) -> list[TupleFile]:
    files = numbered(folder, (20, 30))
    (folder / "part-1.parquet").write_bytes(b"")
    return files


def with_a_row_more(folder: Path) -> list[TupleFile]:
    first, last = numbered(folder, (20, 30))
    return [first, last.model_copy(update={"rows": 29})]


def with_a_row_less(folder: Path) -> list[TupleFile]:
    first, last = numbered(folder, (20, 30))
    return [first, last.model_copy(update={"rows": 31})]


@pytest.mark.parametrize("damage", [without_a_file, cut_short, emptied, with_a_row_more, with_a_row_less])
def test_lost_cut_or_extra_rows_break_the_promise_and_name_the_file(tmp_path: Path, damage: object) -> None:
    broken = manifest_of(damage(tmp_path))  # type: ignore[operator]
    with pytest.raises(BrokenPromise, match=r"part-1\.parquet.*run build_tuples again"):
        list(loader(broken).epoch(1))
    with pytest.raises(BrokenPromise, match=r"part-1\.parquet"):
        read_split(manifest_of([], splits={"test": broken.splits["train"]}), "test", TENSORS)
