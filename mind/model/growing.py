"""Weights of an earlier model for one whose vocabulary has grown since. Not in the paper.

Shapes: D dimension.
"""

import torch

from mind.model.architecture import Architecture
from mind.model.codes import FIRST_REAL
from mind.model.embedding import ItemEmbedding
from mind.model.mind import MIND

_MAY_GROW = ("feature_sizes", "profile_sizes")
_NOT_LEARNED = ("seed", "dropout", "decorrelation", "temperature", "negatives_scored_by", "attention_power")
"""Arguments that only the loss reads, or that only an untrained model does."""


def differences(model: Architecture, earlier: Architecture) -> list[str]:
    """What keeps a model from starting where an earlier one ended: names and both values; empty where nothing does."""
    ours, theirs = model.as_json(), earlier.as_json()
    told = []
    for name, value in ours.items():
        if name in _MAY_GROW:
            grown = len(value) == len(theirs[name]) and all(
                new >= old for new, old in zip(value, theirs[name], strict=True)
            )
            told += [] if grown else [f"{name} was {theirs[name]} and is {value}: tables only grow"]
        elif name not in _NOT_LEARNED and value != theirs[name]:
            told.append(f"{name} was {theirs[name]} and is {value}")
    return told


@torch.no_grad()
def start_from(model: MIND, earlier: MIND) -> int:
    """Give an untrained model the weights of an earlier one; how many items are new.

    Rows that the earlier tables have are copied to the bit. A new item's own row is the mean of the rows of its
    features that the earlier model knows, so that it starts among its like; without such a feature, and in the other
    tables, a new row stays as it was drawn.

    Raises:
        ValueError: the models differ in more than the size of their tables (`differences`).
    """
    if told := differences(model.architecture, earlier.architecture):
        raise ValueError(f"the earlier model cannot be gone on from: {'; '.join(told)}; train from the start")
    held = dict(earlier.named_parameters())
    for name, parameter in model.named_parameters():
        parameter[: len(held[name])] = held[name].to(parameter.dtype)
    return _start_new_items(model.item_embedding, earlier.item_embedding.sizes)


def _start_new_items(embedding: ItemEmbedding, known_sizes: tuple[int, ...]) -> int:
    tables = [table.get_parameter("weight") for table in embedding.tables]
    codes_NF = embedding.item_features_VF[known_sizes[0] :].long()
    sum_ND, count_N1 = tables[0].new_zeros(len(codes_NF), tables[0].shape[1]), tables[0].new_zeros(len(codes_NF), 1)
    for feature, size in list(enumerate(known_sizes))[1:]:
        code_N = codes_NF[:, feature]
        known_N1 = ((code_N >= FIRST_REAL) & (code_N < size)).unsqueeze(1)
        sum_ND += torch.where(known_N1, tables[feature][code_N], 0.0)
        count_N1 += known_N1
    own_ND = tables[0][known_sizes[0] :]
    own_ND.copy_(torch.where(count_N1 > 0, sum_ND / count_N1.clamp_min(1), own_ND))
    return len(codes_NF)
