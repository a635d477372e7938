"""L-BFGS: steps by hand, functions whose minimum is known, what is refused, and runs that go on where they stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Tensor
from nn.optim.lbfgs import LBFGS


def closing(optimizer: LBFGS, loss: Callable[[], Tensor], losses: list[float] | None = None) -> Callable[[], Tensor]:
    """What `step` calls: the loss with its gradients."""

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        if losses is not None:
            losses.append(value.item())
        return value

    return closure


def test_two_steps_by_hand() -> None:
    """w², from 4: the first step is lr min(1, 1/8) 8 = 1; y·s = 2 then tells that H = 1/2, which leads to 0."""
    w = minigrad.tensor([4.0], requires_grad=True)
    optimizer = LBFGS([w], max_iter=1)
    closure = closing(optimizer, lambda: (w * w).sum())
    assert optimizer.step(closure).item() == 16
    assert w.tolist() == [3]
    assert optimizer.step(closure).item() == 9
    assert w.tolist() == [0]


def test_the_minimum_of_a_quadratic_form() -> None:
    """½ wᵀA w − b·w is least where A w = b."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((5, 5))
    A, b = minigrad.tensor(root @ root.T + np.eye(5)), minigrad.tensor(rng.standard_normal(5))
    w = minigrad.zeros(5, dtype=minigrad.float64, requires_grad=True)
    losses: list[float] = []
    optimizer = LBFGS([w], max_iter=60, tolerance_change=1e-16)
    optimizer.step(closing(optimizer, lambda: 0.5 * w @ (A @ w) - b @ w, losses))
    np.testing.assert_allclose(w.detach().numpy(), np.linalg.solve(A.numpy(), b.numpy()), rtol=1e-5)
    assert len(losses) < 60


def test_rosenbrock_valley() -> None:
    """(1 − x)² + 100 (y − x²)² has its minimum at (1, 1), at the end of a bent valley."""
    w = minigrad.tensor([-1.2, 1.0], dtype=minigrad.float64, requires_grad=True)
    optimizer = LBFGS([w], lr=0.3, tolerance_change=1e-16)
    closure = closing(optimizer, lambda: (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2)
    for _ in range(30):
        optimizer.step(closure)
    np.testing.assert_allclose(w.detach().numpy(), [1, 1], atol=1e-6)


def test_the_closure_is_called_as_often_as_said() -> None:
    w = minigrad.tensor([3.0, -5.0], requires_grad=True)
    for settings, calls in (({"max_iter": 4}, 4), ({"max_iter": 9, "max_eval": 3}, 3), ({"tolerance_grad": 1e9}, 1)):
        losses: list[float] = []
        optimizer = LBFGS([w], lr=0.01, **settings)
        optimizer.step(closing(optimizer, lambda: (w**4).sum(), losses))
        assert len(losses) == calls


def test_parameters_without_a_gradient_stay() -> None:
    w, unused = minigrad.tensor([3.0], requires_grad=True), minigrad.tensor([7.0], requires_grad=True)
    optimizer = LBFGS([w, unused])
    with minigrad.no_grad():  # the closure records all the same
        optimizer.step(closing(optimizer, lambda: (w * w).sum()))
    assert unused.tolist() == [7]
    assert abs(w.item()) < 1e-4


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def start() -> tuple[Tensor, LBFGS, Callable[[], Tensor]]:
        w = minigrad.tensor([3.0, -2.0, 1.0], dtype=minigrad.float64, requires_grad=True)
        optimizer = LBFGS([w], lr=0.5, max_iter=3)
        return w, optimizer, closing(optimizer, lambda: (w**4).sum() + (w - 1).exp().sum())

    w, optimizer, closure = start()
    for _ in range(2):
        optimizer.step(closure)
    minigrad.save({"w": w.detach(), "optimizer": optimizer.state_dict()}, tmp_path / "run.npz")
    for _ in range(2):
        optimizer.step(closure)

    again, other, closure = start()
    saved = minigrad.load(tmp_path / "run.npz")
    again.data = saved["w"]
    other.load_state_dict(saved["optimizer"])
    for _ in range(2):
        other.step(closure)
    assert again.tolist() == w.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"line_search_fn": "strong_wolfe"}, "no line search 'strong_wolfe'"),
        ({"max_iter": 0}, "max_iter is a whole number from 1, unlike 0"),
        ({"history_size": 2.5}, "history_size is a whole number from 1, unlike 2.5"),
        ({"lr": -1.0}, "lr is a number that is not negative, unlike -1"),
        ({"tolerance_change": math.nan}, "tolerance_change is a number that is not negative, unlike nan"),
    ],
)
def test_what_it_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LBFGS([Tensor(1.0)], **settings)


def test_one_group_and_a_closure() -> None:
    with pytest.raises(ValueError, match="in one group, not 2"):
        LBFGS([{"params": [Tensor(1.0)]}, {"params": [Tensor(2.0)]}])
    with pytest.raises(TypeError, match="a closure that computes the loss again is needed"):
        LBFGS([Tensor(1.0)]).step()
