"""Function: an operation with a hand-written derivative of its own, in PyTorch's form.

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            (result,) = ctx.saved_tensors
            return g * result

    y = Exp.apply(x)

`minigrad.op` says the same in one line, `op(np.exp, x=lambda g, out: g * out)`; what `Function` adds is a `forward`
that may do anything, and several outputs.

If `backward` is made of tensor operations on what it is given and on saved inputs and outputs, it can itself be
differentiated. Where that would leave something out, a second derivative raises instead of being wrong.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import memory
from .autograd import Glimpse, no_grad, recorded, thread
from .op import Op, Plan, identity
from .tensor import Tensor, label, wrap


class Context:
    """What `forward` leaves for `backward`: saved tensors, and any attributes that are set on it.

    `needs_input_grad` says for each argument whether its gradient is asked for.
    """

    saved_tensors: tuple[Tensor | None, ...] = ()
    no_gradient: tuple[Tensor, ...] = ()

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `backward`, which finds them in `saved_tensors`; a change in place before that raises."""
        for x in tensors:
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(
                    f"save_for_backward: tensors are saved, not {type(x).__name__}; set an attribute, as in ctx.n = n"
                )
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Say that these outputs have no gradient; those of integers have none anyway."""
        self.no_gradient = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Accept either: `backward` gets zeros, never None, for an output that was not used."""

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Refuse: a forward that changes its input has no place here."""
        raise RuntimeError("mark_dirty: forward computes new tensors here; change x.clone() and return that")


class Function:
    """Base of operations with their own `forward(ctx, *inputs)` and `backward(ctx, *gradients)`, called by `apply`.

    `forward` returns a tensor or a tuple of tensors, `backward` a gradient, or None for zero, for each input. Both are
    static methods. `forward(*inputs)` without ctx goes with a third one, `setup_context(ctx, inputs, output)`.

    **Raises** `RuntimeError` if `backward` returns another number of gradients than there are inputs, or one for an
    input that is no tensor; if `forward` changes an input in place; and if a second derivative is asked for that
    `backward` does not determine.

    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = Tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    setup_context: Callable[..., Any] | None = None

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Compute `forward`, and record that `backward` differentiates it."""
        needs = tuple(isinstance(x, Tensor) and x.requires_grad for x in inputs)
        ctx = Context(needs)
        start = memory.tick()
        with no_grad():
            if cls.setup_context is None:
                outputs = cls.forward(ctx, *inputs)
            else:
                outputs = cls.forward(*inputs)
                cls.setup_context(ctx, inputs, outputs)
        for i, x in enumerate(inputs):
            if isinstance(x, Tensor) and memory.change_since(x.array, start):
                raise RuntimeError(f"{cls.__name__}.forward changed its input {i} in place; change x.clone() instead")
        given = outputs if isinstance(outputs, tuple) else (outputs,)
        if not any(isinstance(y, Tensor) for y in given):
            raise TypeError(
                f"{cls.__name__}.forward returns a tensor or a tuple of tensors, not {type(outputs).__name__}"
            )
        arrays = [_own(y, inputs) if isinstance(y, Tensor) else y for y in given]
        if any(needs) and thread.mode.recording:
            results = _recorded(cls, ctx, inputs, given, arrays)
        else:
            results = [wrap(y) if isinstance(y, np.ndarray) else y for y in arrays]
        for observer in thread.mode.observers:
            for y in results:
                observer.operation(cls.__name__, inputs, y)
        return tuple(results) if isinstance(outputs, tuple) else results[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `backward` that must not be differentiated: asking for a second derivative raises."""

    @functools.wraps(backward)
    def once(ctx: Context, *gradients: Any) -> Any:
        if thread.mode.recording:
            raise RuntimeError("this Function is once_differentiable; its gradient has no derivative")
        return backward(ctx, *gradients)

    return once


def _own(y: Tensor, inputs: Sequence[Any]) -> np.ndarray:
    """The values of an output in memory that no input shows."""
    owners = [memory.owner(x.array) for x in inputs if isinstance(x, Tensor)]
    return y.array.copy() if any(memory.owner(y.array) is owner for owner in owners) else y.array


# ---- what is recorded -----------------------------------------------------------------------------------------------
# A node has one result. Several outputs are pieces of one vector, cut out by recorded operations.


class Kept(NamedTuple):
    """Where among the saved values of a node a tensor of the context is; of a vector of outputs, which piece."""

    place: int
    piece: int | None = None


class Pieces(NamedTuple):
    """How several outputs lie in one vector."""

    shapes: list[tuple[int, ...]]
    dtypes: list[np.dtype[Any]]

    def joined(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The vector of all values; of a single output, the output itself."""
        return arrays[0] if len(arrays) == 1 else np.concatenate([y.reshape(-1) for y in arrays])

    def cut(self, vector: Tensor) -> list[Tensor]:
        """The outputs, or their gradients, from the vector of all of them."""
        if len(self.shapes) == 1:
            return [vector]
        ends = itertools.accumulate(math.prod(shape) for shape in self.shapes)
        return [
            vector[end - math.prod(shape) : end].reshape(shape).to(dtype)
            for end, shape, dtype in zip(ends, self.shapes, self.dtypes, strict=True)
        ]


class Call(NamedTuple):
    """What the backward pass has to know of one call of `apply`."""

    function: type[Function]
    shapes: list[Any]  # of each input, None for one that is no tensor
    pieces: Pieces
    outputs: list[Any]  # for each output, the number of its piece; where it has none, zeros for its gradient


def _recorded(
    cls: type[Function], ctx: Context, inputs: Sequence[Any], given: Sequence[Any], arrays: Sequence[Any]
) -> list[Any]:
    """The outputs, with a history in which `backward` is the rule."""
    smooth = [
        i
        for i, y in enumerate(given)
        if isinstance(y, Tensor) and y.dtype.kind == "f" and not any(y is x for x in ctx.no_gradient)
    ]
    if not smooth:
        return [wrap(y) if isinstance(y, np.ndarray) else y for y in arrays]
    pieces = Pieces([arrays[i].shape for i in smooth], [arrays[i].dtype for i in smooth])
    vector = pieces.joined([arrays[i] for i in smooth])

    count = len(inputs)
    saved: list[Any] = [None] * (count + 1)  # the kept inputs, the result if it is kept, other tensors, the context
    contents = _mapped(vars(ctx), lambda x: _keep(x, inputs, [given[i] for i in smooth], vector, saved))
    saved.append(contents)

    outputs = [smooth.index(i) if i in smooth else _no_gradient(y) for i, y in enumerate(arrays)]
    call = Call(cls, [x.shape if isinstance(x, Tensor) else None for x in inputs], pieces, outputs)
    plan = Plan(_record(cls.__name__), [], count)
    plan.positions = [i for i, needed in enumerate(ctx.needs_input_grad) if needed]
    plan.others = [i for i, needed in enumerate(ctx.needs_input_grad) if not needed]
    plan.joint = functools.partial(_pulled_back, call, plan.positions)
    plan.keeps_out, plan.out_position = saved[count] is not None, count
    needing = zip(inputs, ctx.needs_input_grad, strict=True)
    arguments = [x.node or x if needs else Glimpse.of(x) for x, needs in needing]
    results = pieces.cut(recorded(vector, plan, arguments, tuple(saved), thread.mode.scope))
    return [
        results[place] if isinstance(place, int) else wrap(y) if isinstance(y, np.ndarray) else y
        for place, y in zip(outputs, arrays, strict=True)
    ]


def _no_gradient(y: Any) -> np.ndarray | None:
    return np.zeros_like(y) if isinstance(y, np.ndarray) else None


@functools.cache
def _record(name: str) -> Op:
    """What messages and pictures ask about an operation, for a `Function` of this name."""
    record = Op(lambda *inputs: None, name, "", {})
    record.ours = False
    return record


def _mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """A copy of nested containers with `function` of each tensor, array, or place of one, in its place."""
    if isinstance(tree, (Tensor, np.ndarray, Kept)):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _mapped(branch, function) for key, branch in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(_mapped(branch, function) for branch in tree)
    return tree


def _keep(x: Any, inputs: Sequence[Any], outputs: Sequence[Any], vector: np.ndarray, saved: list[Any]) -> Any:
    """Put the values of a tensor of the context among the `saved`, and return where they are."""
    if not isinstance(x, Tensor):
        return x
    for i, candidate in enumerate(inputs):
        if x is candidate:
            saved[i] = x.array
            return Kept(i)
    for piece, candidate in enumerate(outputs):
        if x is candidate:
            saved[len(inputs)] = vector
            return Kept(len(inputs), piece)
    saved.append(x.array)
    return Kept(len(saved) - 1)


# ---- the backward pass ----------------------------------------------------------------------------------------------


def _pulled_back(call: Call, positions: list[int], g: Any, saved: Sequence[Any], record: bool) -> list[Any]:
    """The gradients of the inputs at `positions`, from the gradient g of the result."""
    name, count = call.function.__name__, len(call.shapes)
    if record and not g.requires_grad:
        g = g.detach().requires_grad_()  # so that it shows whether a gradient was computed from it by tensor operations
    g = identity(g) if record else wrap(_read_only(g))

    def restored(x: Any) -> Any:
        if not isinstance(x, Kept):
            return _check_constant(name, x) if record else x
        value = saved[x.place] if record else wrap(_read_only(saved[x.place]))
        if x.piece is not None:
            return call.pieces.cut(value)[x.piece]
        return _check_constant(name, value) if record and x.place > count else value

    ctx = Context(())
    vars(ctx).update(_mapped(saved[-1], restored))
    cut = call.pieces.cut(g)
    gradients = call.function.backward(
        ctx, *[cut[y] if isinstance(y, int) else None if y is None else wrap(y) for y in call.outputs]
    )
    gradients = list(gradients) if isinstance(gradients, (tuple, list)) else [gradients]
    if len(gradients) < count or any(x is not None for x in gradients[count:]):
        raise RuntimeError(
            f"{name}.backward returned {len(gradients)} gradients, but {name}.forward has {count} inputs; return one "
            f"for each, None for those that need none"
        )
    for i, (x, shape) in enumerate(zip(gradients[:count], call.shapes, strict=True)):
        if x is not None and shape is None:
            raise RuntimeError(f"{name}.backward: input {i} is no tensor and has no gradient; return None for it")
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(f"{name}.backward: gradient {i} is a {type(x).__name__}; return a tensor, or None for zero")
    return [_checked(name, i, gradients[i], call.shapes[i], record) for i in positions]


def _checked(name: str, i: int, x: Tensor | None, shape: tuple[int, ...], record: bool) -> Any:
    if x is None:
        return wrap(np.zeros(shape)) if record else np.zeros(shape)
    if record and not x.requires_grad:
        raise RuntimeError(
            f"{name}.backward: gradient {i} was not computed by tensor operations, so it has no derivative of its own; "
            f"without create_graph=True it is fine (for a gradient that is zero everywhere, return None)"
        )
    return x if record else x.array


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written to: others may need the values."""
    view = array.view()
    view.flags.writeable = False
    return view


def _check_constant(name: str, x: Any) -> Any:
    """x, unless it may depend on the inputs in a way that a second derivative would miss."""
    if x.dtype.kind == "f":
        what = label(x) if isinstance(x, Tensor) else f"an array of shape {x.shape}"
        raise RuntimeError(
            f"{name}: a second derivative would take {what}, which forward computed and kept, for a constant; keep "
            f"only inputs and outputs (if it is a constant, make it an input; if not, an output, or compute it anew "
            f"in backward)"
        )
    return x
