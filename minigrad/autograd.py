"""From `loss.backward()` to the gradients: the recorded graph and the one sweep over it.

With this file one can run a graph backwards (`backward`, `grad`), decide what is recorded (`no_grad`, `enable_grad`),
watch gradients pass (`register_hook`, `retain_grad`) and find where a NaN began (`detect_anomaly`).

The chain rule, as the sweep applies it. Every node was made after the nodes it reads from, so newest first is an order
in which the gradient g of a node's result is complete before the node is visited. Visiting it means: for each input,
call the rule of that input with g, sum the answer back to the input's shape where broadcasting had spread it, and add
it to what the input has collected. What arrives at a leaf is its gradient.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from . import memory
from .errors import ShapeError
from .sums import TallProduct, column_sums
from .tensor import Tensor, label, wrap

F = TypeVar("F", bound=Callable[..., Any])


# ---- what is recorded -----------------------------------------------------------------------------------------------


class Mode:
    """What one thread records: whether it does, inside which module, and who looks on."""

    __slots__ = ("recording", "scope", "observers")

    def __init__(self) -> None:
        self.recording = True
        self.scope: Any = None  # the innermost running module, as nn.Module pushes it
        self.observers: tuple[Observer, ...] = ()


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.mode = Mode()


thread = _PerThread()


class Observer:
    """Somebody who looks on: told of every operation and of every gradient inside a `with` block of this thread."""

    def __enter__(self) -> Self:
        thread.mode.observers = (*thread.mode.observers, self)
        return self

    def __exit__(self, *_: object) -> None:
        thread.mode.observers = thread.mode.observers[:-1]

    def operation(self, name: str, arguments: Sequence[Any], result: Any) -> None:
        """Called after each operation, recorded or not."""

    def gradient(self, node: Node, i: int, g: Any, gradient: Any) -> None:
        """Called when `node`, having received `g`, has computed the `gradient` of its input `i`."""

    def mark(self, what: str) -> None:
        """Called after work that is no operation: before a backward pass, and after the step of an optimizer."""


GENERATOR = 0x20  # the flag of code that yields


class Recording:
    """Record operations, or not, inside a `with` block or a decorated function of this thread."""

    def __init__(self, mode: bool) -> None:
        self.recording = mode
        self.before: list[bool] = []

    def __enter__(self) -> None:
        self.before.append(thread.mode.recording)
        thread.mode.recording = self.recording

    def __exit__(self, *_: object) -> None:
        thread.mode.recording = self.before.pop()

    def __call__(self, function: F) -> F:
        """Decorate a function: the setting holds while it runs."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with Recording(self.recording):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def stepped(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            while True:
                with Recording(self.recording):
                    try:
                        item = next(steps)
                    except StopIteration as end:
                        return end.value
                yield item  # to a caller whose own setting holds meanwhile

        if getattr(function, "__code__", None) and function.__code__.co_flags & GENERATOR:
            return stepped  # type: ignore[return-value]  # the same signature as `function`
        return wrapped  # type: ignore[return-value]  # the same signature as `function`


def no_grad(function: F | None = None) -> Any:
    """Record nothing: results have no history and no gradient. A `with` block or a decorator, per thread.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return Recording(False) if function is None else Recording(False)(function)


def inference_mode(mode: Any = True) -> Any:
    """PyTorch's other name for `no_grad`; with `mode=False` nothing is switched off."""
    return no_grad(mode) if callable(mode) else Recording(not mode)


def enable_grad(function: F | None = None) -> Any:
    """Record again inside a `no_grad` block. A `with` block or a decorator, per thread."""
    return Recording(True) if function is None else Recording(True)(function)


class set_grad_enabled(Recording):
    """Record operations from now on, or not; as a `with` block or a decorator, only inside."""

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        super().__enter__()

    def __enter__(self) -> None:
        """Nothing more: the mode was set when this was made, and leaving the block restores it."""

    def __call__(self, function: F) -> F:
        """Decorate a function: the setting holds while it runs, and no longer here."""
        self.__exit__()
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Whether this thread records operations now."""
    return thread.mode.recording


# ---- the graph ------------------------------------------------------------------------------------------------------

SMALL = 4  # results of so many numbers are remembered, so that pictures can show them


class Glimpse(NamedTuple):
    """What a node remembers of an array that it does not keep: where it is while it lives, and what it was."""

    where: weakref.ref[Any]  # a tensor or an array
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str | None

    @classmethod
    def of(cls, x: Any) -> Any:
        """A glimpse of x; x itself if it is neither a tensor nor an array."""
        if isinstance(x, Tensor):
            return cls(weakref.ref(x), x.array.shape, x.array.dtype, x._name)
        if isinstance(x, np.ndarray):
            return cls(weakref.ref(x), x.shape, x.dtype, None)
        return x


class Node:
    """One recorded operation: which one, the values its rules need, and where its arguments came from.

    `saved` holds the call's argument values by position, with None for those that no needed rule names, then the result
    if one names it. `arguments` holds, for each that gets a gradient, the node that made it or the leaf itself;
    for the others what may be told of them: a glimpse of an array, or a plain value such as dim=1.
    Nodes point only backwards, so a graph has no cycles and is freed as soon as nothing needs it.
    """

    __slots__ = (
        "plan", "saved", "arguments", "shape", "dtype", "tick", "scope", "hooks", "prints", "numbers", "label",
        "__weakref__",
    )  # fmt: skip

    plan: Any  # op.Plan: which rules apply, and what they need
    saved: Any
    arguments: list[Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    tick: int
    scope: Any  # the module call in which it happened
    hooks: list[Callable[[Tensor], Tensor | None]] | None
    prints: dict[int, int] | None  # the checksums of saved values that NumPy code may overwrite
    numbers: Any  # those of the result, if they are few, for whoever looks at the graph
    label: str | None  # the name that the user gave to the result

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.plan.op.name

    @property
    def inputs(self) -> list[Any]:
        """The nodes and leaves that get a gradient."""
        return [self.arguments[position] for position in self.plan.positions]

    def __repr__(self) -> str:
        return f"<{self} -> {self.dtype} {self.shape}>"

    def __str__(self) -> str:
        return self.name if self.scope is None else f"{self.name} in {self.scope}"

    def value(self) -> np.ndarray | None:
        """The result, if it is so small that it is remembered."""
        return None if self.numbers is None else np.array(self.numbers, self.dtype).reshape(self.shape)

    def saved_as_tensors(self) -> list[Any]:
        """The saved values with their history, for rules that are themselves to be recorded."""
        saved = [wrap(v) if isinstance(v, np.ndarray) else v for v in self.saved]
        for position, source in enumerate(self.arguments):
            if saved[position] is None:
                continue
            if type(source) in PLAIN:
                saved[position] = source
            elif position in self.plan.positions and isinstance(self.saved[position], np.ndarray):
                saved[position] = _with_history(self.saved[position], source)
        if self.plan.keeps_out:
            saved[self.plan.out_position] = wrap(self.saved[self.plan.out_position], self)
        return saved

    def check_unchanged(self) -> None:
        """Raise if a saved value was overwritten after this node was made."""
        for position, value in enumerate(self.saved):
            by = memory.change_since(value, self.tick)
            print_then = self.prints.get(position) if self.prints else None
            if by is None and print_then is not None and print_then != memory.checksum(value):
                by = "NumPy code"
            if by is not None:
                raise RuntimeError(
                    f"backward through {self}: the gradient needs {self._what(position)}, but that value was "
                    f"changed in place by {by} after {self.name} had used it. Change a copy (x.clone()), or write "
                    f"x = x + v instead of x += v"
                )

    def _what(self, position: int) -> str:
        shape = self.saved[position].shape
        if self.plan.keeps_out and position == self.plan.out_position:
            return f"its own result {shape}"
        leaf = self.arguments[position] if position < len(self.arguments) else None
        named = f" ({label(leaf)})" if isinstance(leaf, Tensor) and leaf.name else ""
        return f"its argument {self.plan.op.argument_name(position)!r}{named} {shape}"


PLAIN = frozenset({int, float, bool, type(None), str, tuple, slice})  # types of values that are kept as they are

_new, _tick, _lent = object.__new__, memory.tick, memory.lent.kept


def recorded(out: np.ndarray, plan: Any, arguments: list[Any], saved: tuple[Any, ...], scope: Any) -> Tensor:
    """The tensor of a result, with the node that remembers how it was computed.

    Every operation comes by here, so the attributes are set one by one, without a call of `__init__`.
    """
    node = _new(Node)
    node.plan = plan
    node.saved = saved
    node.arguments = arguments
    node.shape = out.shape
    node.dtype = out.dtype
    node.tick = _tick()
    node.scope = scope
    node.prints = memory.fingerprint(saved) if _lent else None
    node.numbers = out.tolist() if out.size <= SMALL else None
    node.hooks = node.label = None
    tensor = _new(Tensor)
    tensor.array = out
    tensor.node = node
    tensor._requires_grad = True
    tensor._grad = tensor._name = tensor.base = tensor.views = tensor.hooks = None
    return tensor


class Differentiation:
    """The scope of what a recorded backward pass, begun at `tick`, computes for `node`: inside the scope of `node`."""

    __slots__ = ("node", "outer", "tick")

    def __init__(self, node: Node, tick: int) -> None:
        self.node, self.outer, self.tick = weakref.ref(node), node.scope, tick

    def module(self) -> Any:
        """The module whose operation is differentiated, if it was in one that is still there."""
        return None if self.outer is None else self.outer.module()

    def __str__(self) -> str:
        return f"the backward pass of {self.node() or 'an operation that is gone'}"


class Freed:
    """What stands in `Node.saved` once a backward pass has used the saved values up."""

    def __init__(self, where: str) -> None:
        self.where = where


_newest_first = attrgetter("tick")


def ancestors(roots: Iterable[Any]) -> list[Node]:
    """Every node that the `roots` were computed from (and themselves), newest first, each once."""
    found = {root for root in roots if type(root) is Node}
    stack = list(found)
    while stack:
        for target in stack.pop().arguments:
            if type(target) is Node and target not in found:
                found.add(target)
                stack.append(target)
    return sorted(found, key=_newest_first, reverse=True)


# ---- the sweep ------------------------------------------------------------------------------------------------------


def sweep(gradients: dict[Any, Any], wanted: set[Any] | None, keep: bool, record: bool) -> dict[Any, Any]:
    """Carry `gradients` (of nodes or leaves) back through the graph; return those that arrive at the `wanted`.

    `wanted` None means every leaf. Gradients are arrays, or, if the sweep is itself to be recorded, tensors. A rule
    sees only arrays or only tensors. Without `keep`, each node's saved values are freed as soon as they are used.
    """
    useful = None if wanted is None else _leading_to(wanted, ancestors(gradients))
    arrived: dict[Any, Any] = {}
    owned: set[Any] = set()  # targets whose gradient is an array made here, free to be added to in place
    masked: set[Any] = set()  # targets of which some entries were never used, as in the branch `where` did not take
    freed = None if keep else Freed(memory.caller())
    observers = thread.mode.observers
    clock = memory.Clock
    kind = Tensor if record else np.ndarray
    within = thread.mode.scope  # a recorded sweep inside another one, as of a fused op's definition, is part of it
    begun = within.tick if isinstance(within, Differentiation) else memory.tick()
    # A heap of the nodes that have a gradient, newest first: when its turn comes, all that read from a node are done.
    waiting = [(-target.tick, target) for target in gradients if type(target) is Node]
    heapify(waiting)

    while waiting:
        node = heappop(waiting)[1]
        g = gradients.pop(node)
        if type(g) is not kind and not isinstance(g, kind):  # NumPy's arithmetic on 0-d arrays answers with scalars
            g = np.asarray(g)
        if node.hooks is not None:
            for target, product in gradients.items():
                if type(product) is TallProduct:  # a hook may write to what it waits to read
                    gradients[target] = np.asarray(product)
            g = _run_hooks(node.hooks, g, record)
        if wanted is not None:
            if node in wanted:
                arrived[node] = g
            if node not in useful:  # type: ignore[operator]  # a set whenever `wanted` is one
                continue
        plan, arguments, saved = node.plan, node.arguments, node.saved
        if type(saved) is Freed:
            raise RuntimeError(
                f"backward through {node}: this part of the graph was freed by the backward pass at "
                f"{saved.where}; call that one with retain_graph=True to go through it again"
            )
        if clock.latest > node.tick or node.prints:
            node.check_unchanged()
        if record:
            saved = node.saved_as_tensors()
            thread.mode.scope = Differentiation(node, begun)
        results = None if plan.joint is None else plan.joint(g, saved, record)

        for i, position in enumerate(plan.positions):
            target = arguments[position]
            if useful is not None and target not in useful and target not in wanted:  # type: ignore[operator]
                continue
            shape, collected = target.shape, gradients.get(target)
            if results is None:
                rule, reads = plan.rules[i]
                if type(collected) is np.ndarray and target in owned and not observers and hasattr(rule, "into"):
                    rule.into(collected, g, *read(reads, saved, shape))  # the rule in place, without its zeros
                    if plan.selects or (masked and node in masked):
                        masked.add(target)
                    continue
                if type(reads) is int:
                    gradient = rule(g, saved[reads])
                elif not reads:
                    gradient = rule(g)
                else:
                    gradient = rule(g, *read(reads, saved, shape))
            else:
                gradient = results[i]
            # What every rule may leave to the sweep: shape, dtype, unused entries, ownership.
            try:
                fits = gradient.shape == shape
            except AttributeError:
                raise _no_gradient(gradient, node, i) from None
            if not fits:
                gradient = sum_to(gradient, shape, node, i)
            if gradient.dtype is not target.dtype:
                gradient = gradient.astype(target.dtype)
            if plan.selects or (masked and node in masked):
                masked.add(target)
                if plan.elementwise and gradient.shape == g.shape:
                    unused = g == 0
                    if record:  # a gradient that only happens to be 0 has a derivative all the same
                        unused = unused & ~np.isfinite(gradient)
                    gradient = np.where(unused, 0, gradient)
            if observers:
                if type(gradient) is TallProduct:
                    gradient = np.asarray(gradient)
                for observer in observers:
                    observer.gradient(node, i, g, gradient)
            if collected is None:
                gradients[target] = gradient
                if type(target) is Node:
                    heappush(waiting, (-target.tick, target))
                elif not record and plan.op.ours and _is_new(gradient, g, saved):
                    owned.add(target)
            elif target in owned:
                gradients[target] += gradient
            else:
                gradients[target] = total = collected + gradient
                if type(total) is np.ndarray:
                    owned.add(target)
        if freed is not None:
            node.saved = freed

    leaves = gradients if wanted is None else {leaf: g for leaf, g in gradients.items() if leaf in wanted}
    if not record:  # before any hook, which may write to what a TallProduct waits to read
        leaves = {leaf: np.asarray(g) if leaf in owned else np.array(g) for leaf, g in leaves.items()}
    for leaf, g in leaves.items():
        if leaf.hooks is not None:
            g = _run_hooks(leaf.hooks, g, record)
        arrived[leaf] = g.clone() if record else g
    return arrived


def read(reads: Any, saved: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
    """What a rule asks for, besides g: values from the `saved` ones by position, and the shape of the argument."""
    if type(reads) is int:
        return [saved[reads]]
    return [shape if place is None else saved[place] for place in reads]


def sum_to(gradient: Any, shape: tuple[int, ...], node: Node, i: int) -> Any:
    """Undo broadcasting: sum `gradient` over the dimensions along which an input of `shape` had been spread."""
    if type(gradient) is TallProduct:
        gradient = np.asarray(gradient)
    dims = _spread_dims(gradient.shape, shape)
    if dims is None:
        raise ShapeError(
            f"backward through {node}: the rule for argument {node.plan.op.argument_name(node.plan.positions[i])!r} of "
            f"shape {shape} returned a gradient of shape {gradient.shape}"
        )
    if shape and len(dims) == gradient.ndim - 1 == dims[-1] + 1 and isinstance(gradient, np.ndarray):
        return column_sums(gradient).reshape(shape)
    gradient = gradient.sum(axis=dims)
    return gradient if gradient.shape == shape else gradient.reshape(shape)


@functools.lru_cache
def _spread_dims(wide: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The dimensions along which `shape` was spread to become `wide`, or None if it cannot become that."""
    extra = len(wide) - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, wide[extra:], strict=True)):
        return None
    return (*range(extra), *[extra + d for d, n in enumerate(shape) if n == 1])


def _no_gradient(answer: Any, node: Node, i: int) -> TypeError:
    argument = node.plan.op.argument_name(node.plan.positions[i])
    return TypeError(
        f"backward through {node}: the rule for argument {argument!r} returned {type(answer).__name__}, not an array"
    )


def _is_new(gradient: Any, g: Any, saved: Any) -> bool:
    """Whether `gradient` is an array that its rule made, not one that somebody else may still read.

    Asked only of the rules in this package, which return new arrays or something of what they were given.
    """
    if gradient is g or getattr(gradient, "base", gradient) is not None:
        return False
    return id(gradient) not in map(id, saved)


def _leading_to(wanted: set[Any], order: Sequence[Node]) -> set[Any]:
    """The nodes through which gradients reach the `wanted`."""
    useful: set[Any] = set()
    for node in reversed(order):
        if any(target in useful or target in wanted for target in node.inputs):
            useful.add(node)
    return useful


def _with_history(array: np.ndarray, target: Any) -> Tensor:
    """A tensor of the saved `array` whose gradient flows to `target`, the node or leaf it was read from."""
    if type(target) is Node:
        return wrap(array, target)
    if target.array is not array:
        raise RuntimeError(
            f"create_graph=True: the data of leaf {label(target)} was replaced after it was used; "
            f"differentiate before assigning to .data"
        )
    return target


def _run_hooks(hooks: list[Callable[[Tensor], Tensor | None]], g: Any, record: bool) -> Any:
    """The gradient after all hooks have seen it; each gets a copy, so that what it keeps stays as it is."""
    for hook in tuple(hooks):
        answer = hook(g if record else wrap(np.array(g)))
        if answer is None:
            continue
        if not isinstance(answer, Tensor):
            raise TypeError(f"a hook returns a tensor in place of the gradient, or None, not {type(answer).__name__}")
        if answer.shape != g.shape:
            raise ShapeError(f"a hook returned a tensor of shape {answer.shape} in place of a gradient of {g.shape}")
        answer = answer.to(g.dtype)
        g = answer if record else np.array(answer.array)
    return g


# ---- the two ways to ask for gradients ------------------------------------------------------------------------------


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add to `x.grad` of every leaf `x` (or of `inputs`) the gradient of this tensor.

    `gradient` weighs the elements of this tensor (needed unless it has exactly one). The graph is freed as it is
    used, unless `retain_graph`; with `create_graph` the gradients have a history and can be differentiated again.

    **Raises** `RuntimeError` if this tensor has no history, has several elements and no `gradient` is given, if the
    graph was freed by an earlier pass, or if a value that a rule needs was changed in place.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    wanted = None if inputs is None else {_target(x) for x in ([inputs] if isinstance(inputs, Tensor) else inputs)}
    start = _start([self], [gradient], "backward()")
    for leaf, g in _run(start, wanted, retain_graph, create_graph).items():
        accumulate(leaf, g)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, which may be inside the graph; no `.grad` is touched.

    **Raises** `RuntimeError` if the outputs do not depend on an input, unless `allow_unused` (its gradient is then
    None) or `materialize_grads` (zeros).

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (dy,) = grad(x ** 3, x, create_graph=True)
    >>> (d2y,) = grad(dy, x)
    >>> dy.item(), d2y.item()
    (27.0, 18.0)
    """
    outputs, inputs = _several("outputs", outputs), _several("inputs", inputs)
    weights = list(grad_outputs) if isinstance(grad_outputs, (list, tuple)) else [grad_outputs] * len(outputs)
    if len(weights) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs but {len(weights)} grad_outputs")
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: input {i}, {label(x)}, does not require grad; call x.requires_grad_() first")
    found = _run(_start(outputs, weights, "grad()"), {_target(x) for x in inputs}, retain_graph, create_graph)

    answers: list[Tensor | None] = []
    for i, x in enumerate(inputs):
        g = found.get(_target(x))
        if g is None and materialize_grads:
            g = np.zeros_like(x.array)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i}, {label(x)}; pass allow_unused=True to get None for it"
            )
        answers.append(g if g is None or isinstance(g, Tensor) else wrap(np.array(g)))
    return tuple(answers)


def _several(what: str, tensors: Any) -> list[Tensor]:
    listed = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    for x in listed:
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: {what} are tensors, or a list of them, not {type(x).__name__}")
    return listed


def accumulate(leaf: Any, g: Any) -> None:
    """Add the gradient `g` to `leaf.grad`."""
    if type(leaf) is Node:
        raise RuntimeError(f"backward(inputs=): the result of {leaf.name} is not a leaf; use minigrad.grad for it")
    if leaf._grad is None:
        leaf._grad = g if isinstance(g, Tensor) else wrap(g)
    elif isinstance(g, Tensor) or leaf._grad._requires_grad:
        leaf._grad = leaf._grad + g
    else:
        leaf._grad.array += g
        memory.touch(leaf._grad.array, "backward()")


def _target(x: Tensor) -> Any:
    return x if x.node is None else x.node


def _start(outputs: Sequence[Tensor], weights: Sequence[Any], who: str) -> dict[Any, Any]:
    """The gradient with which each output enters the sweep."""
    start: dict[Any, Any] = {}
    for output, weight in zip(outputs, weights, strict=True):
        if not output._requires_grad:
            raise RuntimeError(
                f"{who}: {label(output)} does not require grad: it was computed from leaves without requires_grad, "
                f"under no_grad, or after detach()"
            )
        if weight is None:
            if output.array.size != 1:
                raise RuntimeError(
                    f"{who}: only one number has a gradient without more being said, and this is {label(output)}; "
                    f"reduce it, as in loss.sum(), or pass the weights of its elements as gradient="
                )
            weight = wrap(np.empty_like(output.array))
            weight.array.fill(1)
        else:
            if not isinstance(weight, Tensor):
                weight = Tensor(weight, dtype=output.dtype)
            if weight.shape != output.shape:
                raise ValueError(f"{who}: the gradient has shape {weight.shape}, but the output has {output.shape}")
            if weight.dtype != output.dtype:
                weight = weight.to(output.dtype)
        target = _target(output)
        start[target] = start[target] + weight if target in start else weight
    return start


def _run(
    start: dict[Any, Any], wanted: set[Any] | None, retain_graph: bool | None, create_graph: bool
) -> dict[Any, Any]:
    keep = create_graph if retain_graph is None else retain_graph
    if not create_graph:
        start = {target: weight.array for target, weight in start.items()}
    mode = thread.mode
    for observer in mode.observers:
        observer.mark("before backward()")
    recording, scope = mode.recording, mode.scope
    mode.recording = create_graph
    try:
        with np.errstate(all="ignore"):
            return sweep(start, wanted, keep, create_graph)
    finally:
        mode.recording, mode.scope = recording, scope


# ---- watching gradients ---------------------------------------------------------------------------------------------


class Handle:
    """What `register_hook` returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; doing so twice does nothing."""
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Handle:
    """Call `hook(gradient)` when this tensor's gradient is complete; a tensor it returns takes the gradient's place.

    **Raises** `RuntimeError` if the tensor does not require grad.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> handle = x.register_hook(lambda g: 10 * g)
    >>> x.sum().backward()
    >>> x.grad
    tensor([10., 10.])
    """
    if not callable(hook):
        raise TypeError(f"register_hook: a function of the gradient is needed, not {type(hook).__name__}")
    if not self.requires_grad:
        raise RuntimeError(f"register_hook: {label(self)} does not require grad, so no gradient will come by")
    place = _target(self)
    if place.hooks is None:
        place.hooks = []
    place.hooks.append(hook)
    return Handle(place.hooks, hook)


class _Retain:
    """The hook by which a tensor that is not a leaf keeps its gradient, as long as it stands for this node."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.node = weakref.ref(tensor), weakref.ref(tensor.node)

    def __call__(self, g: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None and tensor.node is self.node():
            tensor._grad = g.clone() if tensor._grad is None else tensor._grad + g


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this tensor in its `.grad` although it is not a leaf."""
    if self.node is not None and not retains_grad(self):
        self.register_hook(_Retain(self))


def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called on this tensor."""
    hooks = (self.node.hooks if self.node is not None else None) or ()
    return any(isinstance(hook, _Retain) and hook.tensor() is self for hook in hooks)


class detect_anomaly(Observer):
    """Raise at the first operation, forward or backward, that makes a NaN out of inputs without one.

    >>> x = Tensor([-1.0], requires_grad=True)
    >>> with detect_anomaly(), np.errstate(invalid="ignore"):
    ...     y = x.sqrt()
    Traceback (most recent call last):
        ...
    FloatingPointError: sqrt made the first NaN: result float32 (1,) has 1 NaN in 1; inputs: (1,) in [-1, -1]
    """

    def operation(self, name: str, arguments: Sequence[Any], result: Any) -> None:
        """Raise if the result has a NaN and no argument has."""
        arrays = [np.asarray(getattr(x, "array", x)) for x in arguments if hasattr(x, "shape")]
        result = getattr(result, "array", result)
        bad = np.isnan(result).sum() if np.asarray(result).dtype.kind == "f" else 0
        floats = [a for a in arrays if a.dtype.kind == "f"]
        if bad and not any(np.isnan(a).any() for a in floats):
            ranges = ", ".join(f"{a.shape} in [{a.min():.4g}, {a.max():.4g}]" for a in floats if a.size)
            raise FloatingPointError(
                f"{name} made the first NaN: result {result.dtype} {result.shape} has {bad} NaN in {result.size}; "
                f"inputs: {ranges}"
            )

    def gradient(self, node: Node, i: int, g: Any, gradient: Any) -> None:
        """Raise if the gradient has a NaN that neither the incoming one nor a saved value has."""
        self.operation(f"the backward pass of {node}", (g, *node.saved), gradient)
