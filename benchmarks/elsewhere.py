"""The same steps for frameworks without layers: functions of plain arrays, written once for all of them.

A `Dialect` says how a framework spells the few operations that differ, and how it finds the gradients of a loss. The
models are those that all of them can express: a chain of small operations, a perceptron, a recurrent network by a loop,
and a head of attention.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .floors import Adam, Weights
from .workloads import LETTERS, MLP, choices, numbers

Loss = Callable[[Any, Any], Any]  # of a dialect's operations and the weights by name


class Dialect(NamedTuple):
    """How a framework spells what the models below need."""

    name: str
    operations: Any  # has matmul, tanh, exp, log, maximum, sum, transpose, reshape
    gradients: Callable[[Loss, Weights], tuple[float, Weights]]  # the loss, and its gradient for every weight


# ---- the models -----------------------------------------------------------------------------------------------------


def _uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-0.3, 0.3, shape).astype(np.float32)


def _cross_entropy(op: Any, scores: Any, wanted: np.ndarray) -> Any:
    """The mean of −log softmax(scores) over the rows where `wanted` is 1; scores here are small enough for exp."""
    log_sum = op.log(op.sum(op.exp(scores), axis=1, keepdims=True))
    return op.sum((log_sum - scores) * wanted) * (1 / len(wanted))


def _one_hot(ids: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count, dtype=np.float32)[ids]


def chain() -> tuple[Weights, Loss]:
    """Thirty small operations on 8 × 16 numbers."""

    def loss(op: Any, w: Any) -> Any:
        y = w["x"]
        for _ in range(10):
            y = op.tanh(y * 0.5 + 0.1)
        return op.sum(y)

    return {"x": numbers(8, 16)}, loss


def mlp() -> tuple[Weights, Loss]:
    """Three linear layers 64 → 128 → 128 → 10 with ReLU, batch 32."""
    sizes, wanted = (64, 128, 128, 10), _one_hot(MLP["labels"], 10)
    weights = {f"weight{i}": _uniform(n, m) for i, (n, m) in enumerate(itertools.pairwise(sizes))}
    weights |= {f"bias{i}": _uniform(n) for i, n in enumerate(sizes[1:])}

    def loss(op: Any, w: Any) -> Any:
        y = MLP["x"]
        for i in range(3):
            y = op.matmul(y, w[f"weight{i}"]) + w[f"bias{i}"]
            y = op.maximum(y, 0) if i < 2 else y
        return _cross_entropy(op, y, wanted)

    return weights, loss


def rnn_loop() -> tuple[Weights, Loss]:
    """h ← tanh(x U + h V + b) over 32 letters, batch 16, hidden 64."""
    letters = _one_hot(LETTERS, 50).swapaxes(0, 1).copy()
    weights = {"u": _uniform(50, 64), "v": _uniform(64, 64), "b": _uniform(64), "out": _uniform(64, 50)}

    def loss(op: Any, w: Any) -> Any:
        h, total = np.zeros((16, 64), np.float32), 0.0
        for now, then in itertools.pairwise(letters):
            h = op.tanh(op.matmul(now, w["u"]) + op.matmul(h, w["v"]) + w["b"])
            total = total + _cross_entropy(op, op.matmul(h, w["out"]), then)
        return total * (1 / (len(letters) - 1))

    return weights, loss


def attention() -> tuple[Weights, Loss]:
    """One head of self-attention of size 64 over 25 words, batch 32, and a label at every word."""
    x, wanted = numbers(32, 25, 64), _one_hot(choices(17, 32 * 25), 17)
    weights = {name: _uniform(64, 64) for name in ("q", "k", "v")} | {"out": _uniform(64, 17)}

    def loss(op: Any, w: Any) -> Any:
        q, k, v = (op.matmul(x, w[name]) for name in "qkv")
        scores = op.exp(op.matmul(q, op.transpose(k, (0, 2, 1))) * 0.125)
        mixed = op.matmul(scores, v) / op.sum(scores, axis=2, keepdims=True)
        return _cross_entropy(op, op.matmul(op.reshape(mixed, (-1, 64)), w["out"]), wanted)

    return weights, loss


MODELS = {f.__name__: f for f in (chain, mlp, rnn_loop, attention)}

# ---- the frameworks -------------------------------------------------------------------------------------------------


class _Operations:
    """The operations of a framework under the names that the models use, taken from a module or given."""

    def __init__(self, module: Any, **others: Any) -> None:
        for name in ("matmul", "tanh", "exp", "log", "maximum", "sum", "transpose", "reshape"):
            setattr(self, name, others.get(name) or getattr(module, name))


def _tensors(name: str, operations: Any, tensor: Callable[[np.ndarray], Any], array: Callable[[Any], Any]) -> Dialect:
    """A dialect whose tensors carry their gradients."""

    def gradients(loss: Loss, weights: Weights) -> tuple[float, Weights]:
        leaves = {key: tensor(value) for key, value in weights.items()}
        value = loss(operations, leaves)
        value.backward()
        return float(array(value)), {key: array(leaf.grad) for key, leaf in leaves.items()}

    return Dialect(name, operations, gradients)


def with_minigrad() -> Dialect:
    import minigrad

    operations = _Operations(minigrad, transpose=minigrad.permute, maximum=lambda x, y: minigrad.relu(x))
    return _tensors("minigrad", operations, lambda x: minigrad.tensor(x, requires_grad=True), lambda x: x.array)


def with_autograd() -> Dialect:
    import autograd
    import autograd.numpy as anp

    def gradients(loss: Loss, weights: Weights) -> tuple[float, Weights]:
        value, found = autograd.value_and_grad(lambda w: loss(anp, w))(weights)
        return float(value), found

    return Dialect("autograd", anp, gradients)


def with_mygrad() -> Dialect:
    import mygrad

    return _tensors("mygrad", _Operations(mygrad), mygrad.tensor, np.asarray)


def with_jax() -> Dialect:
    """JAX, the whole step compiled ahead: not eager, so another kind of thing, but what its users run."""
    import jax
    import jax.numpy as jnp

    compiled: dict[Loss, Any] = {}

    def gradients(loss: Loss, weights: Weights) -> tuple[float, Weights]:
        if loss not in compiled:
            compiled[loss] = jax.jit(jax.value_and_grad(lambda w: loss(jnp, w)))
        value, found = compiled[loss](weights)
        return float(value), {key: np.asarray(g) for key, g in found.items()}

    return Dialect("jax, compiled", jnp, gradients)


def with_dezero() -> Dialect:
    import dezero
    import dezero.functions as F

    def summed(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        return F.sum(x, axis, keepdims)

    def matmul(a: Any, b: Any) -> Any:
        if a.ndim > 2 or b.ndim > 2:
            raise NotImplementedError("products of stacks of matrices")
        return F.matmul(a, b)

    operations = _Operations(F, sum=summed, matmul=matmul, maximum=lambda x, y: F.relu(x))
    return _tensors("dezero", operations, dezero.Variable, lambda x: x.data)


FRAMEWORKS = (with_minigrad, with_autograd, with_mygrad, with_jax, with_dezero)


def training_step(dialect: Dialect, model: Callable[[], tuple[Weights, Loss]]) -> Callable[[], float]:
    """One whole step: the loss, its gradients, Adam."""
    weights, loss = model()
    optimizer = Adam(weights)

    def step() -> float:
        value, found = dialect.gradients(loss, weights)
        optimizer.step(found)
        return value

    return step
