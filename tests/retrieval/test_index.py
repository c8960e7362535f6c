import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest

from mind.retrieval import (
    Catalogue,
    ExactIndex,
    Expected,
    HnswIndex,
    IndexMismatch,
    IvfIndex,
    read,
    top_candidates,
    write,
)
from tests.retrieval.bruteforce import same_bits

EXPECTED = {"model_version": "7", "vocabulary": "f00d", "dimension": 4}
KINDS = {"exact": ExactIndex, "ivf": IvfIndex, "hnsw": HnswIndex}
IDS = ["ключ", 'a "quoted" id', "42", "-9223372036854775808", "line\nbreak"]


def catalogue(seed: int = 0) -> Catalogue:
    vectors = np.random.default_rng(seed).normal(size=(5, 4))
    return Catalogue.build(IDS, vectors, model_version="7", vocabulary="f00d")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(tmp_path: Path, kind: str) -> Path:
    items = catalogue()
    write(KINDS[kind].build(items), items, tmp_path / "night")
    return tmp_path / "night"


@pytest.fixture
def nothing_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened before its checksum was compared")

    monkeypatch.setattr(faiss, "deserialize_index", refuse)
    monkeypatch.setattr(np, "load", refuse)


def part(folder: Path, name: str) -> Path:
    return next(path for path in folder.iterdir() if path.name.startswith(f"{name}."))


def test_round_trip_gives_the_same_catalogue_and_answers(folder: Path, kind: str) -> None:
    before = catalogue()
    index, after = read(folder, Expected(**EXPECTED))
    assert (after.item_ids, after.fingerprint, index.fingerprint) == (
        before.item_ids,
        before.fingerprint,
        before.fingerprint,
    )
    assert after.vectors_VD.tobytes() == before.vectors_VD.tobytes()
    assert not after.vectors_VD.flags.writeable
    assert (index.kind, index.exact) == (kind, kind == "exact")
    query = np.array([[1.0, -2, 0.5, 3]])
    assert same_bits(
        top_candidates(query, [], after, index, 2),
        top_candidates(query, [], before, ExactIndex.build(before), 2),
    )


def test_writing_again_changes_no_byte_and_leaves_nothing_behind(folder: Path, kind: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    items = catalogue()
    checksum = write(KINDS[kind].build(items), items, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert len(before) == {"exact": 3, "ivf": 11, "hnsw": 4}[kind]
    read(folder, Expected(**EXPECTED, checksum=checksum))


def test_until_the_description_is_replaced_a_reader_sees_the_earlier_index(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier, later = catalogue(), catalogue(seed=1)

    class Killed(Exception):
        pass

    def die(*_: object, **__: object) -> str:
        raise Killed

    # json.dumps writes the ids first and the description last: dying there leaves all other files in place.
    real, calls = json.dumps, []

    def dumps(*args: object, **options: object) -> str:
        calls.append(args)
        return real(*args, **options) if len(calls) == 1 else die()

    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", dumps)
        with pytest.raises(Killed):
            write(KINDS[kind].build(later), later, folder)
    assert read(folder, Expected(**EXPECTED))[1].fingerprint == earlier.fingerprint
    write(KINDS[kind].build(later), later, folder)
    assert read(folder, Expected(**EXPECTED))[1].fingerprint == later.fingerprint


PARTS = [("exact", "vectors"), ("exact", "item_ids"), ("ivf", "bytes"), ("ivf", "order"), ("hnsw", "graph")]


@pytest.mark.parametrize(("kind", "name"), PARTS)
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "append"])
@pytest.mark.usefixtures("nothing_opened")
def test_a_damaged_file_is_refused_before_it_is_opened(folder: Path, name: str, damage: str) -> None:
    path = part(folder, name)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "truncate": data[:-1],
            "empty": b"",
            "append": data + b"\0",
        }[damage]
    )
    with pytest.raises(IndexMismatch, match=rf"{path.name} is damaged"):
        read(folder, Expected(**EXPECTED))


@pytest.mark.parametrize(("kind", "name"), PARTS)
@pytest.mark.usefixtures("nothing_opened")
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    path = part(folder, name)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        read(folder, Expected(**EXPECTED))


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("model_version", "8"),
        ("vocabulary", "beef"),
        ("dimension", 5),
        ("metric", "cosine"),
        ("checksum", "0" * 64),
    ],
)
@pytest.mark.parametrize("kind", ["exact"])
@pytest.mark.usefixtures("nothing_opened")
def test_another_version_is_refused_before_anything_is_opened(folder: Path, key: str, wanted: object) -> None:
    with pytest.raises(IndexMismatch, match=f"{key} is .*expected {wanted!r}"):
        read(folder, Expected(**{**EXPECTED, key: wanted}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"layout": 2}', '{"layout": 1, "kind": "ivf"}', '{"layout": 2, "kind": "lsh"}']
)
@pytest.mark.parametrize("kind", ["exact"])
@pytest.mark.usefixtures("nothing_opened")
def test_a_broken_description_is_refused(folder: Path, text: str) -> None:
    (folder / "index.json").write_text(text)
    with pytest.raises(IndexMismatch, match=r"index\.json"):
        read(folder, Expected(**EXPECTED))


@pytest.mark.parametrize("digest", ["../../elsewhere", "A" * 64, ""])
@pytest.mark.parametrize("kind", ["exact"])
@pytest.mark.usefixtures("nothing_opened")
def test_a_description_cannot_lead_to_another_place(folder: Path, digest: str) -> None:
    description = json.loads((folder / "index.json").read_text())
    description["files"]["vectors"]["sha256"] = digest
    (folder / "index.json").write_text(json.dumps(description))
    with pytest.raises(IndexMismatch, match="sha256"):
        read(folder, Expected(**EXPECTED))


@pytest.mark.parametrize(
    ("kind", "name"),
    [("exact", "vectors"), ("ivf", "order"), ("ivf", "bytes"), ("ivf", "steps"), ("ivf", "starts"), ("hnsw", "graph")],
)
def test_parts_of_two_nights_do_not_pass_for_one(folder: Path, kind: str, name: str, tmp_path: Path) -> None:
    other = catalogue(seed=1)
    write(KINDS[kind].build(other), other, tmp_path / "other")
    shutil.copy(part(tmp_path / "other", name), folder)
    description = json.loads((folder / "index.json").read_text())
    stated = json.loads((tmp_path / "other" / "index.json").read_text())
    assert description["files"][name] != stated["files"][name]
    description["files"][name] = stated["files"][name]
    (folder / "index.json").write_text(json.dumps(description))
    with pytest.raises(IndexMismatch, match="do not belong together"):
        read(folder, Expected(**EXPECTED))


def test_an_index_over_another_catalogue_is_neither_written_nor_searched(tmp_path: Path) -> None:
    index, other = ExactIndex.build(catalogue()), catalogue(seed=1)
    with pytest.raises(IndexMismatch, match="build it again"):
        write(index, other, tmp_path)
    with pytest.raises(IndexMismatch, match="build the index from this catalogue"):
        top_candidates(np.ones((1, 4)), [], other, index, 1)
