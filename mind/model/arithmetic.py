"""Two kinds of arithmetic for the same formulas: fast for training, order-free for inference.

Shapes: B batch, X Y Z any, ... any leading dimensions.

A matrix product adds many rounded terms, and the order depends on the library, the shape, the row's position
in memory and the number of threads. Fixing the shape is not enough: with D = 65 and blocks of exactly 256
rows, the same user at another position of the block got other bits, in float32 and in float64 (D = 64
happened to agree). OrderFree removes the cause. It rounds both factors to so few bits that every product and
every partial sum is an exact float64, so that the order of addition cannot matter.
"""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_NORM = 1e-3
_EXPONENT_BITS = 0x7FF0000000000000
_MANTISSA_BITS = 53
_INVERSE_FACTORIALS = tuple(1.0 / math.factorial(power) for power in range(13))


class Arithmetic(Protocol):
    """The operations in which the order of addition, or a vectorised exp, could change bits."""

    def widen(self, x: Tensor) -> Tensor:
        """x in the type that this arithmetic computes in."""

    def product(self, a_BXY: Tensor, b_BYZ: Tensor) -> Tensor:
        """Batched matrix product [B, X, Z]."""

    def linear(self, x: Tensor, weight_ZY: Tensor, bias_Z: Tensor | None = None) -> Tensor:
        """x [B, ..., Y] times the transposed weight, plus bias: [B, ..., Z]."""

    def softmax(self, logits: Tensor, dim: int = -1) -> Tensor:
        """Softmax over one dimension; at least one logit of each must be finite, -inf gets weight 0."""

    def norm(self, x: Tensor) -> Tensor:
        """Euclidean length over the last dimension, which stays with size 1."""


class Fast:
    """Plain torch, differentiable. Bits depend on shapes, so only training uses it."""

    def widen(self, x: Tensor) -> Tensor:
        return x

    def product(self, a_BXY: Tensor, b_BYZ: Tensor) -> Tensor:
        return torch.matmul(a_BXY, b_BYZ)

    def linear(self, x: Tensor, weight_ZY: Tensor, bias_Z: Tensor | None = None) -> Tensor:
        return functional.linear(x, weight_ZY, bias_Z)

    def softmax(self, logits: Tensor, dim: int = -1) -> Tensor:
        return torch.softmax(logits, dim=dim)

    def norm(self, x: Tensor) -> Tensor:
        # torch defines the gradient of the norm at 0 as 0; a square root of a sum would give NaN there.
        length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        return length


class OrderFree:
    """Float64 on a grid: a row's result is a pure function of that row, to the last bit.

    With n terms each factor keeps b = floor((53 - ceil(log2 n)) / 2) bits below its largest magnitude (23
    bits for n = 64), so any sum of n products stays below 2^53 units and is exact. The grid of an activation
    is set by its own first index (one user, or one item), never by its neighbours. What remains (+, *, /,
    sqrt, rounding) is correctly rounded by IEEE 754 wherever it runs; exp is built from those. Accuracy is
    that of float32. Not differentiable: rounding has no gradient.
    """

    def widen(self, x: Tensor) -> Tensor:
        return x.double()

    def product(self, a_BXY: Tensor, b_BYZ: Tensor) -> Tensor:
        bits = _bits(a_BXY.shape[-1])
        return torch.matmul(_on_grid(a_BXY, bits, by_row=True), _on_grid(b_BYZ, bits, by_row=True))

    def linear(self, x: Tensor, weight_ZY: Tensor, bias_Z: Tensor | None = None) -> Tensor:
        bits = _bits(x.shape[-1])
        result = torch.matmul(_on_grid(x, bits, by_row=True), _on_grid(weight_ZY.double(), bits, by_row=False).T)
        return result if bias_Z is None else result + bias_Z.double()

    def softmax(self, logits: Tensor, dim: int = -1) -> Tensor:
        powers = _exp_of_nonpositive(logits - logits.amax(dim=dim, keepdim=True))
        powers = _on_grid(powers, _bits(logits.shape[dim]), by_row=True)
        return powers / powers.sum(dim=dim, keepdim=True)

    def norm(self, x: Tensor) -> Tensor:
        x = _on_grid(x, _bits(x.shape[-1]), by_row=True)
        return (x * x).sum(dim=-1, keepdim=True).sqrt()


FAST = Fast()
ORDER_FREE = OrderFree()


def unit(x: Tensor, arithmetic: Arithmetic = FAST) -> Tensor:
    """x [..., D] at length 1; below length 1e-3 x / 1e-3, so that value and gradient stay finite at zero."""
    wide = at_least_float32(x)
    return (wide / arithmetic.norm(wide).clamp_min(SMALLEST_NORM)).to(x.dtype)


def at_least_float32(x: Tensor) -> Tensor:
    """x itself, or in float32 when its type is a half precision one."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _bits(terms: int) -> int:
    return (_MANTISSA_BITS - math.ceil(math.log2(max(terms, 1)))) // 2


def _on_grid(x: Tensor, bits: int, by_row: bool) -> Tensor:
    """x rounded to multiples of 2^-bits times a power of two above its largest magnitude (of each row)."""
    if x.numel() == 0:
        return x
    largest = x.abs().amax(dim=tuple(range(1, x.dim())), keepdim=True) if by_row else x.abs().amax()
    # Only the exponent bits: the power of two at or below the largest magnitude, without a logarithm.
    power = 2.0 * (largest.view(torch.int64) & _EXPONENT_BITS).view(torch.float64)
    # Adding a number whose last bit is the grid's unit rounds to the grid; taking it away again is exact.
    shift = power * (1.5 * 2.0 ** (_MANTISSA_BITS - 1 - bits))
    return (x + shift) - shift


def _exp_of_nonpositive(x: Tensor) -> Tensor:
    """exp(x) for x <= 0 from additions and multiplications, 0 below exp(-60); torch.exp takes another path
    for the last few elements of a chunk than for the others."""
    clamped = x.clamp_min(-60.0)
    halvings = torch.round(clamped * (1.0 / math.log(2.0)))
    rest = clamped - halvings * math.log(2.0)
    result = torch.full_like(rest, _INVERSE_FACTORIALS[-1])
    for coefficient in reversed(_INVERSE_FACTORIALS[:-1]):
        result = result * rest + coefficient
    two_to_the = ((halvings.to(torch.int64) + 1023) << 52).view(torch.float64)
    return torch.where(x < -60.0, 0.0, result * two_to_the)
