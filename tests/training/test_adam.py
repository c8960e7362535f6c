"""The optimiser against torch's own; and that a table's untouched rows are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from mind.training import adam
from mind.training.adam import BLOCK, Adam

ROWS = (2 * BLOCK + 50, 7)


def parameters(seed: int = 0) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    generator = torch.Generator().manual_seed(seed)
    tables = [nn.Parameter(torch.randn(rows, 8, generator=generator)) for rows in ROWS]
    dense = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((5, 3), (4,))]
    return tables, dense


def gradients(step: int) -> list[Tensor]:
    """Of `parameters`: the first half of each table's rows is touched, some of them twice and out of order."""
    generator = torch.Generator().manual_seed(1000 + step)
    made = []
    for rows in ROWS:
        places = torch.randint(0, rows // 2 + 1, (1, rows), generator=generator)
        values = torch.randn(rows, 8, generator=generator)
        made.append(torch.sparse_coo_tensor(places, values, (rows, 8), check_invariants=True))
    return made + [torch.randn(shape, generator=generator) for shape in ((5, 3), (4,))]


def train(optimisers: Sequence[Adam | torch.optim.Optimizer], held: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        for parameter, gradient in zip(held, gradients(step), strict=True):
            parameter.grad = gradient
        for optimiser in optimisers:
            optimiser.step()


def test_it_moves_as_torchs_adam_and_sparse_adam_do() -> None:
    tables, dense = parameters()
    train([Adam(tables, dense, 0.01)], [*tables, *dense], range(25))
    their_tables, their_dense = parameters()
    theirs = [torch.optim.SparseAdam(their_tables, lr=0.01), torch.optim.Adam(their_dense, lr=0.01)]
    train(theirs, [*their_tables, *their_dense], range(25))
    for found, wanted in zip([*tables, *dense], [*their_tables, *their_dense], strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    assert torch.equal(tables[0][ROWS[0] // 2 + 1 :], parameters()[0][0][ROWS[0] // 2 + 1 :])
    assert not torch.equal(tables[0], parameters()[0][0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_loop_moves_as_torch_by_blocks(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    def moved() -> list[Tensor]:
        held = [[nn.Parameter(value.detach().to(dtype)) for value in part] for part in parameters()]
        optimiser = Adam(held[0], held[1], 0.01)
        for step in range(25):
            for parameter, gradient in zip([*held[0], *held[1]], gradients(step), strict=True):
                parameter.grad = gradient.to(dtype)
            optimiser.step()
        return [*held[0], *optimiser.state().values()]

    compiled = moved()
    monkeypatch.setattr(adam, "_update_rows", adam.update_by_blocks)
    for found, wanted in zip(compiled, moved(), strict=True):
        assert found.dtype == wanted.dtype
        near = 1e-5 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(found, wanted, rtol=near, atol=near / 10)


def test_it_goes_on_from_its_state_to_the_bit() -> None:
    tables, dense = parameters()
    first = Adam(tables, dense, 0.01)
    train([first], [*tables, *dense], range(6))
    copies = [[nn.Parameter(x.detach().clone()) for x in part] for part in (tables, dense)]
    second = Adam(copies[0], copies[1], 0.01)
    second.restore({name: value.clone() for name, value in first.state().items()})
    train([first], [*tables, *dense], range(6, 12))
    train([second], [*copies[0], *copies[1]], range(6, 12))
    assert all(torch.equal(one, other) for one, other in zip([*tables, *dense], [*copies[0], *copies[1]], strict=True))


def test_a_state_of_other_parameters_is_refused() -> None:
    tables, dense = parameters()
    with pytest.raises(ValueError, match="does not fit these parameters: table 1"):
        Adam(tables, dense, 0.01).restore(Adam(tables[:1], dense, 0.01).state())
