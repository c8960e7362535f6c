"""The targets that follow a training target: further positives of its tuple, with `tuples.next_targets` above 1.

Only targets of the training split follow one, in their order of time: what validation and test ask for is passed over,
wherever it stands. Under the splits `time` and `last` everything of a user that is held out comes after all that may
follow; under `paper`, where chance divides a user's behaviours, training targets come after held-out ones too.
A target without a history is none and follows none; one that `targets_per_user` leaves out does follow others.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from mind.features.history import TARGETS
from mind.features.vocabulary import MISSING
from mind.tables import names as n
from mind.tuples.splits import SPLITS

_IN_ORDER = "training targets in order"
_IDS = "ids of training targets"
_ITEMS = "items of training targets"


def with_training_targets(usable: DataFrame, split: str) -> tuple[DataFrame, tuple[str, str]]:
    """The frame with two more columns, event ids and item indexes of a user's training targets, oldest first; and the
    names of these columns.

    `usable` has a user's targets with a history, the greatest first, as `user_sequences` sorts them.
    """
    if split == "last":
        # The two latest are the user's test and validation target.
        trained = F.slice(TARGETS, F.lit(len(SPLITS)), F.size(TARGETS))
    else:
        trained = F.filter(TARGETS, lambda target: target[n.SPLIT] == SPLITS.index("train"))
    in_order = F.sort_array(F.transform(trained, _by_time))
    frame = usable.withColumn(_IN_ORDER, in_order)
    frame = frame.withColumns({_IDS: F.col(_IN_ORDER)[n.EVENT_ID], _ITEMS: F.col(_IN_ORDER)[n.ITEM_INDEX]})
    return frame.drop(_IN_ORDER), (_IDS, _ITEMS)


def next_items(event_id: Column, count: int) -> Column:
    """Item indexes of the `count` training targets after the one of that event, padded with 0; of an event that is no
    training target, zeros alone."""
    place = F.array_position(_IDS, event_id).cast("int")
    found = F.when(place > 0, F.least(F.size(_IDS) - place, F.lit(count))).otherwise(0)
    return F.concat(F.slice(_ITEMS, place + 1, found), F.array_repeat(F.lit(MISSING), F.lit(count) - found))


def _by_time(target: Column) -> Column:
    return F.struct(
        target[n.EVENT_TIME], target[n.ITEM_ID], target[n.EVENT_ID], target[n.ITEM_CODES][0].alias(n.ITEM_INDEX)
    )
