"""Is that gradient right? Compare it with what the function really does when its inputs move a little.

With this file one can check any function of tensors, or any module, at its inputs and parameters:

    >>> x = Tensor([0.3, -1.2], requires_grad=True)
    >>> gradcheck(lambda x: x.sin() * x, x)
    True

A gradient says how a weighted sum of the outputs, v · f(x), changes along a direction u of the inputs. So one random u
and one random v test every entry of the Jacobian at once: ∇(v · f) · u against (v · f(x + εu) − v · f(x − εu)) / 2ε. A
wrong entry could hide only by chance. (Fixed weights v = 1, a plain sum, would be blind: softmax rows always sum to 1.)
If the two disagree, the entries are compared one by one and the worst is named.

Everything is computed in float64: in float32 the quotient is noise. Parameters of a module are converted for the time
of the check, and random numbers are the same in every call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import random
from .autograd import enable_grad, grad, no_grad
from .tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """The gradient is not the derivative of the function."""


def gradcheck(
    function: Callable[..., Any],
    *inputs: Any,
    full: bool = False,
    method: str = "central",
    eps: float = 1e-6,
    atol: float = 1e-7,
    rtol: float = 1e-5,
    seed: int = 0,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of `function` at `inputs` are its derivatives.

    `inputs` (given one by one or as one tuple) may be anything; checked are the floating-point tensors that require
    grad, or all of them if none does, and the parameters of a module. `full` compares the whole Jacobian instead of one
    random direction. `method` is "central", for central differences of width `eps`, or "complex", for a complex step,
    which is exact to the last digit but needs a function that is analytic (no abs, max or comparison).

    **Raises** `GradcheckError` naming the worst entry, with both numbers and the kink if there is one (or returns
    False, with `raise_exception=False`); `ValueError` if there is nothing to check.
    """
    if len(inputs) == 1 and isinstance(inputs[0], (tuple, list)):
        inputs = tuple(inputs[0])
    if method not in ("central", "complex"):
        raise ValueError(f"gradcheck: method is 'central' or 'complex', not {method!r}")
    try:
        with _in_float64(function, inputs) as problem:
            _check(problem, full, _Ruler(method, eps, atol, rtol), seed)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(function: Callable[..., Any], *inputs: Any, seed: int = 0, **options: Any) -> bool:
    """Whether the second derivatives of `function` at `inputs` are right: `gradcheck` of its gradient.

    The gradient is checked as a function of the inputs and of the weights of the outputs. Options as for `gradcheck`.

    >>> gradgradcheck(lambda x: x.exp(), Tensor([0.3, -1.2]))
    True
    """
    if len(inputs) == 1 and isinstance(inputs[0], (tuple, list)):
        inputs = tuple(inputs[0])
    with _in_float64(function, inputs) as problem, no_grad():
        outputs = problem.outputs()
        rng = np.random.default_rng(seed)
        weights = [wrap(np.array(rng.standard_normal(y.shape))).requires_grad_() for y in outputs]
    count = len(inputs)

    @enable_grad()  # also where only values are asked for: the gradient itself needs a graph
    def gradient(*arguments: Any) -> tuple[Tensor, ...]:
        ys = _floating(function(*arguments[:count]))
        xs = [
            x
            for x in (*arguments[:count], *_parameters(function).values())
            if isinstance(x, Tensor) and x.requires_grad
        ]
        pairs = [(y, w) for y, w in zip(ys, arguments[count:], strict=True) if y.requires_grad]
        ys, ws = [y for y, _ in pairs], [w for _, w in pairs]
        found = grad(ys, xs, ws, create_graph=True, materialize_grads=True)
        return tuple(g for g in found if g is not None)

    if hasattr(function, "named_parameters"):
        gradient.named_parameters = function.named_parameters
        gradient.named_buffers = getattr(function, "named_buffers", dict().items)
    return gradcheck(gradient, *_flagged(inputs), *weights, seed=seed + 1, **options)


# ---- the problem: a function, and the variables whose gradients are in question -------------------------------------


class _Problem:
    """A function of float64 variables: `outputs()` with the variables as they are, or at other values."""

    def __init__(self, function: Callable[..., Any], arguments: list[Any], variables: dict[str, Tensor]) -> None:
        self.function, self.arguments, self.variables = function, arguments, variables
        self.rng_state = random.get_rng_state()

    def outputs(self) -> list[Tensor]:
        random.set_rng_state(self.rng_state)
        return _floating(self.function(*self.arguments))

    def at(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs with the variables holding other values."""
        before = [x.array for x in self.variables.values()]
        try:
            for x, value in zip(self.variables.values(), values, strict=True):
                x.array = np.asarray(value)
            with no_grad(), np.errstate(all="ignore"):
                return [y.array for y in self.outputs()]
        finally:
            for x, array in zip(self.variables.values(), before, strict=True):
                x.array = array


def _floating(outputs: Any) -> list[Tensor]:
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return [y for y in outputs if isinstance(y, Tensor) and y.dtype.kind in "fc"]


def _flagged(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, all floating-point tensors requiring grad if none did."""
    floats = [x for x in inputs if isinstance(x, Tensor) and x.dtype.kind == "f"]
    if any(x.requires_grad for x in floats):
        return list(inputs)
    return [Tensor(x.array, True, name=x.name) if any(x is f for f in floats) else x for x in inputs]


def _parameters(function: Any) -> dict[str, Tensor]:
    named = getattr(function, "named_parameters", None)
    return {name: p for name, p in named() if p.requires_grad} if named else {}


@contextlib.contextmanager
def _in_float64(function: Any, inputs: Sequence[Any]) -> Iterator[_Problem]:
    """The problem in float64; what belongs to a module is converted, and put back afterwards."""
    arguments: list[Any] = []
    variables: dict[str, Tensor] = {}
    for i, x in enumerate(_flagged(inputs)):
        if isinstance(x, Tensor) and x.dtype.kind == "f":
            x = Tensor(x.array, x.requires_grad, np.float64, x.name)
            if x.requires_grad:
                variables[f"input {i}" + (f" ({x.name})" if x.name else "")] = x
        arguments.append(x)
    parameters = _parameters(function)
    buffers = getattr(function, "named_buffers", None)
    owned = [*parameters.values(), *(b for _, b in (buffers() if buffers else ()) if b.dtype.kind == "f")]
    before = [p.array for p in owned]
    variables |= {f"parameter {name}": p for name, p in parameters.items()}
    if not variables:
        raise ValueError("gradcheck: there is nothing to check: no input is a floating-point tensor")
    state = random.get_rng_state()
    try:
        for p in owned:
            p.array = p.array.astype(np.float64)
        yield _Problem(function, arguments, variables)
    finally:
        for p, array in zip(owned, before, strict=True):
            p.array = array
        random.set_rng_state(state)


# ---- the comparison -------------------------------------------------------------------------------------------------


class _Ruler(NamedTuple):
    """How slopes are measured, and how near two of them have to be."""

    method: str
    eps: float
    atol: float
    rtol: float

    def agree(self, a: float, b: float, entries: int = 1) -> bool:
        """Whether two slopes agree, each the sum of so many entries' effects."""
        error = self.atol * max(1, entries) ** 0.5 + self.rtol * max(abs(a), abs(b))
        return bool(np.isfinite(a) and np.isfinite(b) and abs(a - b) <= error)


def _check(problem: _Problem, full: bool, ruler: _Ruler, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xs = list(problem.variables.values())
    start = [x.array for x in xs]
    kept = [x.array.copy() for x in xs]
    outputs = problem.outputs()
    if not outputs:
        raise ValueError("gradcheck: there is nothing to check: no output is a floating-point tensor")
    again = problem.at(start)
    for name, x, before in zip(problem.variables, xs, kept, strict=True):
        if not np.array_equal(x.array, before, equal_nan=True):
            raise GradcheckError(f"gradcheck: the function changes {name} in place")
    if any(not np.array_equal(y.array, z, equal_nan=True) for y, z in zip(outputs, again, strict=True)):
        raise GradcheckError("gradcheck: the function gives different results for the same inputs")

    weights = [_direction(rng, y.shape) for y in outputs]
    if full:
        for j, y in enumerate(outputs):
            for index in np.ndindex(y.shape):
                one = [np.zeros(y.shape) for y in outputs]
                one[j][index] = 1
                _compare_entries(problem, outputs, one, ruler, f"output {j}{list(index)}")
        return
    directions = [_direction(rng, x.shape) for x in xs]
    gradients = _gradients(outputs, xs, weights)
    for name, x, g in zip(problem.variables, xs, gradients, strict=True):
        if g.shape != x.shape or g.dtype != x.dtype:
            raise GradcheckError(
                f"gradcheck: the gradient of {name} is {g.dtype} {g.shape}, but {name} is {x.dtype} {x.shape}"
            )
    claimed = float(sum((g * u).sum() for g, u in zip(gradients, directions, strict=True)))
    found = _slope(problem, start, directions, weights, ruler)
    if not ruler.agree(claimed, found, sum(u.size for u in directions)):
        _compare_entries(problem, outputs, weights, ruler, "the weighted outputs")
        raise GradcheckError(
            f"gradcheck: along a random direction the outputs change by {found:.10g}, but the gradient says "
            f"{claimed:.10g}; no single entry is wrong enough to be named"
        )


def _compare_entries(
    problem: _Problem, outputs: list[Tensor], weights: list[np.ndarray], ruler: _Ruler, what: str
) -> None:
    """Move one entry of one variable at a time; raise about the worst one that disagrees."""
    xs = list(problem.variables.values())
    start = [x.array for x in xs]
    worst: tuple[float, str] = (0.0, "")
    for i, (name, g) in enumerate(zip(problem.variables, _gradients(outputs, xs, weights), strict=True)):
        for index in np.ndindex(xs[i].shape):
            step = [np.zeros(x.shape) for x in xs]
            step[i][index] = 1
            claimed, found = float(g[index]), _slope(problem, start, step, weights, ruler)
            error = abs(claimed - found)
            if not ruler.agree(claimed, found) and not error <= worst[0]:
                place = f"{name}{list(index)} = {xs[i].array[index]:.6g}"
                kink = _kink(problem, start, step, weights, ruler.eps) if ruler.method == "central" else ""
                worst = (
                    error,
                    f"gradcheck: at {place} the derivative of {what} is {found:.10g}, but the gradient says "
                    f"{claimed:.10g} (error {error:.3g}){kink}",
                )
    if worst[1]:
        raise GradcheckError(worst[1])


def _gradients(outputs: list[Tensor], xs: list[Tensor], weights: list[np.ndarray]) -> list[np.ndarray]:
    pairs = [
        (y, wrap(w)) for y, w in zip(outputs, weights, strict=True) if y.requires_grad
    ]  # others claim to be constant
    if not pairs:
        return [np.zeros(x.shape) for x in xs]
    found = grad([y for y, _ in pairs], xs, [w for _, w in pairs], retain_graph=True, materialize_grads=True)
    return [g.array for g in found if g is not None]


def _slope(
    problem: _Problem, start: Sequence[np.ndarray], direction: Sequence[np.ndarray], weights: Any, ruler: _Ruler
) -> float:
    """The derivative of the weighted outputs along a direction, by moving."""
    if ruler.method == "complex":  # f(x + ihu) = f(x) + ih f′(x)u + O(h²): no difference is taken, so nothing cancels
        h = 1e-20
        moved = problem.at([x + 1j * h * u for x, u in zip(start, direction, strict=True)])
        if any(y.dtype.kind != "c" for y in moved):
            raise ValueError("gradcheck: the function drops the imaginary part, so it is not analytic; use 'central'")
        return float(sum((w * y.imag).sum() for w, y in zip(weights, moved, strict=True)) / h)
    ahead, behind = (_moved(problem, start, direction, weights, sign * ruler.eps) for sign in (1, -1))
    return float(sum((w * (a - b)).sum() for w, a, b in zip(weights, ahead, behind, strict=True)) / (2 * ruler.eps))


def _moved(problem: _Problem, start: Any, direction: Any, weights: Any, by: float) -> list[np.ndarray]:
    return problem.at([x + by * u for x, u in zip(start, direction, strict=True)])


def _kink(problem: _Problem, start: Any, direction: Any, weights: Any, eps: float) -> str:
    """A note if the slopes to the left and to the right differ, however near one looks."""

    def sides(width: float) -> tuple[float, float]:
        here = problem.at(start)
        right, left = (_moved(problem, start, direction, weights, s * width) for s in (1, -1))
        return tuple(  # type: ignore[return-value]  # two of them
            float(sum((w * (m - h)).sum() for w, m, h in zip(weights, side, here, strict=True)) / (s * width))
            for side, s in ((left, -1), (right, 1))
        )

    (left, right), (near_left, near_right) = sides(eps), sides(eps / 8)
    jump, near_jump = abs(right - left), abs(near_right - near_left)
    if near_jump > 1e-3 * (1 + abs(near_left)) and near_jump > 0.5 * jump:
        return f"; the function has a kink there (slope {near_left:.4g} to the left, {near_right:.4g} to the right)"
    return ""


def _direction(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random entries of either sign, none so small that a wrong derivative could hide behind it."""
    return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.2, 1.0, shape))
