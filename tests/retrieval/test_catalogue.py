import numpy as np
import pytest

from mind.retrieval import Catalogue

VERSIONS = {"model_version": "7", "vocabulary": "f00d"}


def build(ids: list, vectors: object, **changes: str) -> Catalogue:
    return Catalogue.build(ids, vectors, **{**VERSIONS, **changes})


def test_items_are_sorted_by_code_point_with_their_vectors() -> None:
    catalogue = build(["é", "a", "Z", "10", "9"], np.arange(1, 11).reshape(5, 2))
    assert catalogue.item_ids == ("10", "9", "Z", "a", "é")
    assert catalogue.vectors_VD[:, 0].tolist() == [7, 9, 5, 3, 1]
    assert catalogue.vectors_VD.dtype == np.float32
    assert catalogue.vectors_VD.flags["C_CONTIGUOUS"]


def test_trailing_zero_characters_and_spaces_stay_part_of_an_id() -> None:
    assert build(["a\0", "a", " a", ""], np.ones((4, 1))).item_ids == ("", " a", "a", "a\0")


def test_the_callers_array_cannot_change_the_catalogue() -> None:
    vectors = np.ones((2, 2), dtype=np.float32)
    catalogue = Catalogue(("a", "b"), vectors, **VERSIONS)
    vectors[0] = 5
    assert catalogue.vectors_VD[0].tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        catalogue.vectors_VD[0] = 5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_refused_by_item_id(bad: float) -> None:
    with pytest.raises(ValueError, match="2 items are not finite, the first of them 'b', 'd'"):
        build(["a", "d", "c", "b"], [[1.0, 1], [bad, 1], [1, 1], [1, bad]])


@pytest.mark.parametrize(("length", "what"), [(0.0, "zero"), (-0.0, "zero"), (1e-20, "too short"), (1e19, "too long")])
def test_zero_and_extreme_vectors_are_refused(length: float, what: str) -> None:
    with pytest.raises(ValueError, match=f"1 items are {what}, the first of them 'b'"):
        build(["a", "b"], [[1.0, 1], [length, 0]])


def test_wrong_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="'a' is there twice"):
        build(["a", "b", "a"], np.ones((3, 1)))
    with pytest.raises(TypeError, match="7 is a int"):
        build(["a", 7], np.ones((2, 1)))
    with pytest.raises(ValueError, match="surrogate"):
        build(["a", "b\ud800"], np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"'a' comes after 'b'.*Catalogue\.build"):
        Catalogue(("b", "a"), np.ones((2, 1), np.float32), **VERSIONS)
    with pytest.raises(ValueError, match="no items"):
        build([], np.ones((0, 1)))


@pytest.mark.parametrize("shape", [(3, 2), (2,), (2, 0), (2, 1, 1)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 item ids need"):
        build(["a", "b"], np.ones(shape))


def test_fingerprint_stands_for_content_only() -> None:
    one = build(["a", "b"], [[1, 2], [3, 4]])
    assert build(["b", "a"], [[3, 4], [1, 2]]).fingerprint == one.fingerprint
    others = [
        build(["a", "c"], [[1, 2], [3, 4]]),
        build(["a", "b"], [[1, 2], [3, 5]]),
        build(["a", "b"], [[1, 2], [3, 4]], model_version="8"),
        build(["a", "b"], [[1, 2], [3, 4]], vocabulary="beef"),
        build(["a", "b", "c", "d"], [[1], [2], [3], [4]]),
        build(["ab", "c"], [[1, 2], [3, 4]]),
        build(["a", "bc"], [[1, 2], [3, 4]]),
    ]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)


def test_versions_must_be_stated() -> None:
    with pytest.raises(TypeError, match="model_version is ''"):
        build(["a"], [[1]], model_version="")


def test_known_positions_skip_unknown_ids_and_repeats() -> None:
    catalogue = build(["c", "a", "b"], np.ones((3, 1)))
    assert catalogue.known_positions(["c", "gone", "a", "c"]).tolist() == [0, 2]
    assert catalogue.known_positions([]).dtype == np.int64
