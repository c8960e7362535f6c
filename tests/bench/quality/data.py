"""The three logs as sequences of items, by the protocol of the literature: last item out.

A user's behaviours stand in the order of their time, those of one moment in the order of the log (the nightly tables
leave them out of each other's history instead; papers do not). Of an item chosen several times the first counts. Users
with fewer than three items are left out; the last item is the test's target, the one before it validation's.

Shapes: U users, V catalogue rows, F item features, P profile features, N behaviours in all, L history length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """One log."""

    items_N: Array
    """Item indexes from 2, user after user."""
    starts: Array
    """[U + 1]: where each user begins."""
    item_codes_VF: Array
    feature_sizes: Array
    profile_UP: Array
    profile_sizes: Array

    @property
    def users(self) -> int:
        return len(self.starts) - 1

    @property
    def catalogue(self) -> int:
        """Real items."""
        return len(self.item_codes_VF) - 2

    def positions(self, split: str) -> Array:
        """Places in items_N of a split's targets."""
        last = self.starts[1:] - 1
        if split != "train":
            return last if split == "test" else last - 1
        place = np.arange(len(self.items_N))
        user = self.user_of(place)
        return place[(place > self.starts[user]) & (place < last[user] - 1)]

    def user_of(self, place: Array) -> Array:
        return np.searchsorted(self.starts, place, side="right") - 1

    def before(self, place: Array, length: int) -> Array:
        """The latest `length` items before each place, [., length], most recent last, padded with 0 after the end."""
        first = np.maximum(self.starts[self.user_of(place)], place - length)
        at = first[:, None] + np.arange(length)
        return np.where(at < place[:, None], self.items_N[np.minimum(at, len(self.items_N) - 1)], 0)

    def after(self, place: Array, count: int) -> Array:
        """The next `count` training targets after each place, [., count], padded with 0 at the end."""
        trained = self.starts[self.user_of(place) + 1] - 2
        at = place[:, None] + 1 + np.arange(count)
        return np.where(at < trained[:, None], self.items_N[np.minimum(at, len(self.items_N) - 1)], 0)


def read(name: str, cache: Path) -> Sequences:
    """A log from its arrays in `cache`, made from the raw files when they are not there.

    Raises FileNotFoundError naming the raw file and where it comes from.
    """
    arrays = cache / f"{name}.npz"
    if not arrays.exists():
        made = LOGS[name]()
        cache.mkdir(parents=True, exist_ok=True)
        small = {field.name: getattr(made, field.name).astype(np.int32) for field in fields(made)}
        np.savez_compressed(arrays, **small)
    with np.load(arrays) as held:
        return Sequences(**{field.name: held[field.name].astype(np.int64) for field in fields(Sequences)})


def _sequences(events, items, features, users=None, profiles=()):  # type: ignore[no-untyped-def]
    import pandas as pd

    events = events.assign(row=np.arange(len(events))).sort_values(["user", "time", "row"], kind="stable")
    events = events.drop_duplicates(["user", "item"], keep="first")
    events = events[events.groupby("user")["user"].transform("size") >= 3]
    item_code, known = pd.factorize(events["item"])
    user_code, people = pd.factorize(events["user"])
    item_codes, sizes = _codes(items.set_index("item").reindex(known), features)
    rows = np.zeros((len(known) + 2, 1 + len(features)), dtype=np.int64)
    rows[:, 0], rows[2:, 1:] = np.arange(len(rows)), item_codes
    profile_UP, profile_sizes = np.zeros((len(people), 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
    if users is not None:
        profile_UP, profile_sizes = _codes(users.set_index("user").reindex(people), profiles)
    return Sequences(
        items_N=item_code + 2,
        starts=np.concatenate([[0], np.bincount(user_code).cumsum()]),
        item_codes_VF=rows,
        feature_sizes=np.concatenate([[len(rows)], sizes]).astype(np.int64),
        profile_UP=profile_UP,
        profile_sizes=profile_sizes,
    )


def _codes(frame, columns):  # type: ignore[no-untyped-def]
    import pandas as pd

    codes, sizes = [], []
    for column in columns:
        code, values = pd.factorize(frame[column])
        codes.append(np.where(code < 0, 0, code + 2))
        sizes.append(len(values) + 2)
    return np.stack(codes, axis=1).astype(np.int64), np.array(sizes, dtype=np.int64)


def _there(path: str, remedy: str) -> Path:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there; {remedy}")
    return Path(path)


def _lines(path: Path) -> list[list[str]]:
    return [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]


def online_retail() -> Sequences:
    """Purchases with a customer, a quantity and a price; profile: country; item feature: range of the stock code."""
    import pandas as pd

    lines = pd.read_parquet("data/online_retail/online_retail.parquet")
    lines = lines[lines["CustomerID"].notna() & (lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    lines = lines.assign(user=lines["CustomerID"].astype(str), item=lines["StockCode"].astype(str))
    items = lines[["item"]].drop_duplicates()
    items["range"] = items["item"].str.extract(r"^(\d{3})")[0]
    people = lines.drop_duplicates("user", keep="last")[["user", "Country"]]
    return _sequences(lines.rename(columns={"InvoiceDate": "time"}), items, ["range"], people, ["Country"])  # type: ignore[no-any-return,no-untyped-call]


def ml1m() -> Sequences:
    """All ratings; profile: gender, age, occupation; item features: first, second and all genres, decade."""
    import pandas as pd

    folder = _there("data/movielens_1m/ratings.dat", "unpack MovieLens 1M into data/movielens_1m").parent
    events = pd.DataFrame(
        [(line[0], line[1], int(line[3])) for line in _lines(folder / "ratings.dat")], columns=["user", "item", "time"]
    )
    events["user"] = events["user"].astype(int)
    items = pd.DataFrame(_lines(folder / "movies.dat"), columns=["item", "title", "genres"])
    genres = items["genres"].str.split("|")
    items["first"], items["second"] = genres.str[0], genres.str[1]
    items["decade"] = items["title"].str.extract(r"\((\d{3})\d\)$")[0]
    people = pd.DataFrame(_lines(folder / "users.dat"), columns=["user", "gender", "age", "occupation", "zip"])
    people["user"] = people["user"].astype(int)
    profile = ["gender", "age", "occupation"]
    return _sequences(events, items, ["first", "second", "genres", "decade"], people, profile)  # type: ignore[no-any-return,no-untyped-call]


def beauty() -> Sequences:
    """All reviews; no profile; item features: brand, department, category."""
    import pandas as pd

    path = _there("data/amazon_beauty/interactions.parquet", "put Amazon Beauty 5-core into data/amazon_beauty")
    events = pd.read_parquet(path).set_axis(["user", "item", "time"], axis=1)
    items = pd.read_parquet(path.parent / "items.parquet").rename(columns={"item_id": "item"})
    return _sequences(events, items, ["brand", "category_top", "category_leaf"])  # type: ignore[no-any-return,no-untyped-call]


LOGS: dict[str, Callable[[], Sequences]] = {"online_retail": online_retail, "ml1m": ml1m, "beauty": beauty}
