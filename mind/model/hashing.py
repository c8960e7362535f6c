"""Chance that is a function of what it is for: a splitmix64 counter (Steele, Lea, Flood 2014) on torch's int64.

Whatever is drawn so is the same on every rank, for any batch, in any process. Shapes: U items, D dimension.
"""

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
SALT = 0xE7037ED1A0B428DB
_ROW = 0x8EBC6AF09C88C6E3
_STEPS = 1 << 16


def signed(constant: int) -> int:
    """An unsigned 64-bit constant as torch's int64, which wraps in the same way."""
    constant %= 1 << 64
    return constant - (1 << 64) if constant >= 1 << 63 else constant


def shift_right(x: Tensor, places: int) -> Tensor:
    """Shift without the sign: torch repeats the sign bit."""
    return (x >> places).bitwise_and_((1 << (64 - places)) - 1)


def mix(x: Tensor) -> Tensor:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014). x is used up."""
    x = x.bitwise_xor_(shift_right(x, 30)).mul_(signed(0xBF58476D1CE4E5B9))
    x = x.bitwise_xor_(shift_right(x, 27)).mul_(signed(0x94D049BB133111EB))
    return x.bitwise_xor_(shift_right(x, 31))


def kept_entries(item_U: Tensor, dimension: int, dropout: float, salt: int) -> Tensor:
    """Which entries of the items' rows are kept, bool [U, D]: each is left out with the probability `dropout` (to
    1 / 65,536), anew for each salt."""
    key_U = mix(item_U.long() * signed(_ROW) + signed(salt * SALT))
    counter_C = torch.arange(-(-dimension // 4), device=item_U.device) * signed(GOLDEN)
    # Four entries share the 64 bits of a number.
    bits_UD = mix(key_U.unsqueeze(1) + counter_C).view(torch.int16)[:, :dimension]
    return bits_UD >= round(dropout * _STEPS) - _STEPS // 2
