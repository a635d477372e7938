"""What recording costs: microseconds per operation of a chain of tiny ones, forward and backward.

    python benchmarks/per_op.py

The same chain y ← tanh(0.5 y + 0.1), ten times over an 8 × 16 array, is run by minigrad, by NumPy with the gradient
written by hand, and by those of PyTorch, autograd and MyGrad that happen to be installed; in turn, so that all meet the
same machine. Printed are the medians, and each as a ratio to minigrad in the same round.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402  # after the number of threads is set

START = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32)
OPERATIONS = 31
Step = Callable[[], float]


def by_hand() -> Step:
    """NumPy alone, with the chain rule written out."""

    def step() -> float:
        y, results = START, []
        for _ in range(10):
            y = np.tanh(y * 0.5 + 0.1)
            results.append(y)
        g = np.ones_like(y)
        for y in reversed(results):
            g = g * (1 - y * y) * 0.5
        return float(results[-1].sum())

    return step


def with_minigrad() -> Step:
    import minigrad

    return _tensors(minigrad.tensor(START, requires_grad=True))


def with_torch() -> Step:
    import torch

    torch.set_num_threads(1)
    return _tensors(torch.from_numpy(START.copy()).requires_grad_())


def _tensors(x) -> Step:
    def step() -> float:
        y = x
        for _ in range(10):
            y = (y * 0.5 + 0.1).tanh()
        loss = y.sum()
        loss.backward()
        x.grad = None
        return float(loss.item())

    return step


def with_autograd() -> Step:
    import autograd.numpy as anp
    from autograd import grad

    def loss(y):
        for _ in range(10):
            y = anp.tanh(y * 0.5 + 0.1)
        return anp.sum(y)

    gradient = grad(loss)
    return lambda: float(gradient(START)[0, 0])


def with_mygrad() -> Step:
    import mygrad

    x = mygrad.tensor(START)

    def step() -> float:
        y = x
        for _ in range(10):
            y = mygrad.tanh(y * 0.5 + 0.1)
        loss = y.sum()
        loss.backward()
        return float(loss.item())

    return step


def timed(step: Step, repeats: int = 100) -> float:
    """Microseconds per operation."""
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats / OPERATIONS * 1e6


def main() -> None:
    steps = {}
    for make in (with_minigrad, by_hand, with_torch, with_autograd, with_mygrad):
        try:
            steps[make.__name__.removeprefix("with_").replace("_", " ")] = make()
        except ImportError:
            continue
    rounds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(21):
        for name, step in steps.items():
            rounds[name].append(timed(step))
    print(f"{'':12} {'µs per op':>10} {'÷ minigrad':>11}")
    for name, times in rounds.items():
        ratio = statistics.median(t / m for t, m in zip(times, rounds["minigrad"], strict=True))
        print(f"{name:12} {statistics.median(times):10.2f} {ratio:11.2f}")


if __name__ == "__main__":
    main()
