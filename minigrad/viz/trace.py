"""trace: from outputs to all that was recorded of how they were computed.

    >>> w = Tensor(2.0, requires_grad=True, name="w")
    >>> seen = trace((w * 3).tanh())
    >>> [str(item) for item in seen.items]
    ['w', 'mul', 'tanh']

The items of a trace are operations and leaves, each with a serial number: in the order of creation, a leaf just before
the first operation that reads it. Operations lie in calls: of modules, and of recorded backward passes, which count as
outermost calls. Nothing is run again, and nothing is said yet about what a picture shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ..autograd import Differentiation, Glimpse, Node, _Retain, ancestors
from ..memory import change_since
from ..tensor import Tensor
from .record import recorded

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Call:
    """One call of a module; without a module, a recorded backward pass, or a module that is gone."""

    number: int
    outer: Call | None
    module: Any = None
    name: str = ""  # what the module around it calls it; empty for an outermost one
    kind: str = ""  # its class
    path: str = ""  # from the outermost module to this one: encoder.0.attn
    turn: tuple[int, int] = (1, 1)  # (2, 4): the second of four calls of this module
    gradient: bool = False  # whether it is, or lies in, a recorded backward pass
    body: list[Operation | Call] = field(default_factory=list)  # what happened right inside it, in order
    operations: list[Operation] = field(default_factory=list)  # all that happened inside it, at any depth
    level: int = 0  # in how many calls it lies

    @property
    def title(self) -> str:
        """`cell: RNNCell (call 2 of 4)`."""
        which, of = self.turn
        return self.plain_title + (f" (call {which} of {of})" if of > 1 else "")

    @property
    def plain_title(self) -> str:
        """`cell: RNNCell`, for all of its calls."""
        return f"{self.name}: {self.kind}" if self.name else self.kind


@dataclass(slots=True, eq=False)
class Operation:
    """A recorded operation, and where its arguments came from."""

    serial: int
    node: Node
    call: Call | None
    name: str  # what the user calls the result
    reads: list[tuple[int, Operation | Leaf, bool]]  # of which argument, what, and whether a gradient flows back
    readers: list[Operation] = field(default_factory=list)  # one for each time that it is read

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self.node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result."""
        return self.node.dtype

    def __str__(self) -> str:
        return self.name or self.node.name


@dataclass(slots=True, eq=False)
class Leaf:
    """A tensor that no recorded operation computed: a parameter, an input, a constant."""

    serial: int
    source: Any  # the tensor, or the glimpse that there is of it
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str = ""
    path: str = ""  # of a parameter or buffer: its full name in the model
    learns: bool = False  # whether it gets a gradient
    parameter: bool = False  # whether it learns, or would if it were not frozen
    home: Call | None = None  # the innermost call around all that read it; None if it came from outside
    readers: list[Operation] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name or "a leaf"

    @property
    def tensor(self) -> Any:
        """The tensor or array itself, if it is still there."""
        return self.source.where() if isinstance(self.source, Glimpse) else self.source


@dataclass
class Trace:
    """All that was recorded of how the outputs were computed."""

    items: list[Operation | Leaf]
    outputs: list[Operation]
    results: dict[Node, Tensor]  # as far as somebody has them: the outputs, and what variables of the caller hold
    calls: list[Call]  # outer before inner
    body: list[Operation | Call]  # what happened outside of all calls, and the outermost calls
    handed_out: dict[Node, Operation]  # finished gradients: the copy that `grad` returns, and what it is a copy of

    @property
    def operations(self) -> Iterator[Operation]:
        """The operations, in the order of creation."""
        return (item for item in self.items if isinstance(item, Operation))

    @property
    def leaves(self) -> Iterator[Leaf]:
        """The leaves, in the order in which they were first read."""
        return (item for item in self.items if isinstance(item, Leaf))

    def value(self, item: Operation | Leaf) -> np.ndarray | None:
        """The value of a result or leaf, if it is still known."""
        if isinstance(item, Leaf):
            tensor = item.tensor
            value = tensor.array if isinstance(tensor, Tensor) else tensor
            return _saved(item) if value is None else value
        node = item.node
        held = self.results.get(node)
        if held is not None and not change_since(held.array, node.tick):
            return held.array
        note = recorded(node)
        value = node.value() if note is None else note.result
        return _saved(item) if value is None else value

    def gradient(self, item: Operation | Leaf) -> np.ndarray | None:
        """What `backward` left in `.grad` of a leaf, or of a result that retains its gradient."""
        tensor = item.tensor if isinstance(item, Leaf) else self._retainer(item.node)
        grad = tensor._grad if isinstance(tensor, Tensor) else None
        return None if grad is None else grad.array

    def _retainer(self, node: Node) -> Tensor | None:
        if node in self.results:
            return self.results[node]
        tensors = (hook.tensor() for hook in node.hooks or () if isinstance(hook, _Retain))
        return next((tensor for tensor in tensors if tensor is not None and tensor.node is node), None)


def _saved(item: Operation | Leaf) -> np.ndarray | None:
    """The value of an item, from what it or its first readers keep for the backward pass."""
    places = [
        (reader.node, position) for reader in item.readers[:4] for position, source, _ in reader.reads if source is item
    ]
    if isinstance(item, Operation) and item.node.plan.keeps_out:
        places.append((item.node, item.node.plan.out_position))
    for keeper, position in places:
        if isinstance(keeper.saved, tuple) and position < len(keeper.saved):
            value = keeper.saved[position]
            if isinstance(value, np.ndarray) and change_since(value, keeper.tick) is None:
                return value
    return None


def trace(
    outputs: Tensor | Sequence[Tensor],
    model: Any = None,
    params: Mapping[str, Tensor] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Trace:
    """What was recorded of how `outputs` were computed, named as `model`, `params` and `variables` name it.

    **Raises** `TypeError` if an output is no tensor, `ValueError` if it has no graph.
    """
    roots = _checked(outputs)
    reading = _Reading(_names(params), _names(variables))
    for node in reversed(ancestors([root.node for root in roots])):
        reading.operation(node)
    last: dict[Any, Tensor] = {reading.found[id(root.node)]: root for root in roots}
    held = {x.node: x for x in (variables or {}).values() if isinstance(x, Tensor) and x.node is not None}
    results = held | {operation.node: root for operation, root in last.items()}
    seen = Trace(reading.items, list(last), results, reading.calls.listed, [], reading.handed_out)
    _fill(seen)
    _name_calls(seen, model, variables or {})
    _settle(seen, model)
    return seen


class _Reading:
    """Makes items of nodes, oldest first, and of the leaves that they read."""

    def __init__(self, told: dict[int, str], guessed: dict[int, str]) -> None:
        self.told, self.guessed = told, guessed  # names, by identity: what the user said, and those of variables
        self.items: list[Operation | Leaf] = []
        self.found: dict[int, Any] = {}  # by the identity of a node, of a leaf, or of the reference to one that is gone
        self.handed_out: dict[Node, Operation] = {}
        self.calls = _Calls()

    def operation(self, node: Node) -> None:
        """Make an item of a node whose sources have been met."""
        reads: list[tuple[int, Operation | Leaf, bool]] = []
        for position, argument in enumerate(node.arguments):
            if type(argument) is Node:
                reads.append((position, self.found[id(argument)], True))
            elif isinstance(argument, (Tensor, Glimpse)):
                leaf = self._leaf(argument)
                reads.append((position, leaf, leaf.learns and isinstance(argument, Tensor)))
        name = self.told.get(id(node)) or node.label or self.guessed.get(id(node), "")
        call = self.calls.around(node.scope)
        if node.name == "clone" and _is_gradient(call):
            source = reads[0][1]
            if isinstance(source, Operation) and _is_gradient(source.call):
                self.found[id(node)] = self.handed_out[node] = source
                source.name = source.name or name
                return
        operation = self.found[id(node)] = Operation(len(self.items), node, call, name, reads)
        self.items.append(operation)
        for _, source, _ in reads:
            source.readers.append(operation)

    def _leaf(self, source: Tensor | Glimpse) -> Leaf:
        tensor = source.where() if isinstance(source, Glimpse) else source
        key = id(source.where if isinstance(source, Glimpse) and tensor is None else tensor)
        if key not in self.found:
            learns = isinstance(tensor, Tensor) and tensor.requires_grad
            name = self.told.get(key) or source.name or self.guessed.get(key, "")
            leaf = Leaf(len(self.items), source, source.shape, source.dtype, name, learns=learns, parameter=learns)
            self.found[key] = leaf
            self.items.append(leaf)
        return self.found[key]


def _is_gradient(call: Call | None) -> bool:
    return call is not None and call.gradient


def _checked(outputs: Any) -> list[Tensor]:
    roots = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if not roots:
        raise ValueError("draw: there is nothing in the list of outputs; give it a tensor, such as the loss")
    for root in roots:
        if not isinstance(root, Tensor):
            raise TypeError(f"draw: outputs are tensors, or a list of them, not {type(root).__name__}")
        if root.node is None:
            what = f"{root.name!r}" if root.name else f"the output of shape {root.shape}"
            raise ValueError(f"draw: {what} has no graph: computed under no_grad, detached, or a leaf")
    return roots


def _names(given: Mapping[str, Any] | None) -> dict[int, str]:
    """What tensors, or the nodes that computed them, are called, by identity; the first of several names."""
    named: dict[int, str] = {}
    for name, tensor in (given or {}).items():
        if isinstance(tensor, (Tensor, np.ndarray)):
            named.setdefault(id(getattr(tensor, "node", None) or tensor), str(name))
    return named


# ---- calls ----------------------------------------------------------------------------------------------------------


class _Calls:
    """The calls that operations lie in, found from their scopes."""

    def __init__(self) -> None:
        self.listed: list[Call] = []
        self.by_scope: dict[int, Call | None] = {}
        self.by_place: dict[tuple[int | None, int], Call] = {}  # by the tick of the backward pass, and the frame

    def around(self, scope: Any) -> Call | None:
        """The innermost call that a scope stands for."""
        if scope is None:
            return None
        if id(scope) not in self.by_scope:
            self.by_scope[id(scope)] = self._found(scope)
        return self.by_scope[id(scope)]

    def _found(self, scope: Any) -> Call | None:
        frames, tick = [], None
        while scope is not None:
            if not isinstance(scope, Differentiation):
                frames.append(scope)
            elif tick is None:
                tick = scope.tick
            scope = scope.outer
        call = None if tick is None else self._at((tick, 0), None, None)
        for frame in reversed(frames):
            call = self._at((tick, id(frame)), call, frame.module())
        return call

    def _at(self, place: tuple[int | None, int], outer: Call | None, module: Any) -> Call:
        if place not in self.by_place:
            gradient = place[0] is not None
            call = Call(len(self.listed), outer, module, gradient=gradient, level=outer.level + 1 if outer else 0)
            self.by_place[place] = call
            self.listed.append(call)
        return self.by_place[place]


def calls_around(call: Call | None) -> Iterator[Call]:
    """A call and those that it lies in, from the inside out."""
    while call is not None:
        yield call
        call = call.outer


def _fill(seen: Trace) -> None:
    """Put operations and calls into the calls that they lie in."""
    placed: set[Call] = set()
    for operation in seen.operations:
        item: Operation | Call = operation
        for call in calls_around(operation.call):
            call.operations.append(operation)
            if item is not None:
                call.body.append(item)
            item = call if call not in placed else None  # type: ignore[assignment]  # what is placed needs no place
            placed.add(call)
        if item is not None:
            seen.body.append(item)


def _name_calls(seen: Trace, model: Any, variables: Mapping[str, Any]) -> None:
    """Find what modules are called: by the model, by the module around them, or by the caller's variables."""
    in_model = _module_names(model)
    inside: dict[int, dict[int, str]] = {}
    outermost = {id(call.module) for call in seen.calls if call.module is not None and not _is_inside(call.outer)}
    by_variable = {id(value): name for name, value in variables.items() if hasattr(value, "named_modules")}
    turns: dict[tuple[bool, int], list[Call]] = {}
    passes = [call for call in seen.calls if call.gradient and call.outer is None]

    for call in seen.calls:
        module, outer = call.module, call.outer
        if module is None:
            call.kind = "module (gone)"
            if call in passes:
                which = f" {passes.index(call) + 1} of {len(passes)}" if len(passes) > 1 else ""
                call.kind = f"backward pass{which}"
            continue
        call.kind = type(module).__name__
        if id(module) in in_model:
            call.path = in_model[id(module)]
            call.name = _relative(call.path, outer.path if outer else "")
        elif outer is not None and outer.module is not None:
            if id(outer.module) not in inside:
                inside[id(outer.module)] = _module_names(outer.module)
            call.name = inside[id(outer.module)].get(id(module), "")
            call.path = ".".join(filter(None, [outer.path, call.name or f"<{call.kind}>"]))
        elif model is None and len(outermost) > 1:
            call.name = by_variable.get(id(module), "")
        turns.setdefault((call.gradient, id(module)), []).append(call)
    for same in turns.values():
        for i, call in enumerate(same):
            call.turn = (i + 1, len(same))


def _is_inside(call: Call | None) -> bool:
    return call is not None and call.module is not None


def _module_names(module: Any) -> dict[int, str]:
    return {id(part): name for name, part in module.named_modules()} if hasattr(module, "named_modules") else {}


def _relative(path: str, outer: str) -> str:
    """What is called `path` from outside, as the module at `outer` calls it."""
    return path[len(outer) + 1 :] if outer and path.startswith(outer + ".") else path


# ---- where leaves belong --------------------------------------------------------------------------------------------


def _settle(seen: Trace, model: Any) -> None:
    """Find for each leaf its names in the model, and the innermost call around all that read it."""
    roots = [model] if hasattr(model, "named_parameters") else []
    roots += unique(call.module for call in seen.calls if call.module is not None and not _is_inside(call.outer))
    paths: dict[int, list[tuple[str, bool]]] = {}
    for root in roots:
        for tensors, trained in ((root.named_parameters, True), (root.named_buffers, False)):
            for path, tensor in tensors(remove_duplicate=False):
                paths.setdefault(id(tensor), []).append((path, trained))

    for leaf in seen.leaves:
        tensor = leaf.tensor
        known = paths.get(id(tensor), []) if tensor is not None else []
        leaf.parameter = leaf.learns or any(trained for _, trained in known)
        # A tensor that somebody outside the model holds came from outside.
        held = isinstance(leaf.source, Tensor) or bool(leaf.name) or tensor is not None
        if held and not known:
            continue
        forward = [reader.call for reader in leaf.readers if not (reader.call and reader.call.gradient)]
        leaf.home = _common(forward or [reader.call for reader in leaf.readers])
        if known:
            around = leaf.home.path if leaf.home else ""
            leaf.path = next((path for path, _ in known if _relative(path, around) != path), known[0][0])
            leaf.name = leaf.name or _relative(leaf.path, around)
    _name_starts(seen)


def _name_starts(seen: Trace) -> None:
    """Call what a recorded backward pass begins with `grad of y`."""
    results = {operation.node: operation for operation in seen.operations}
    starts: dict[int, Node | None] = {}  # by the tick at which a pass began: where it began
    for operation in seen.operations:
        scope = operation.node.scope
        if not isinstance(scope, Differentiation):
            continue
        node = starts.setdefault(scope.tick, scope.node())
        if node is None or node is not scope.node():
            continue
        for _, leaf, _ in operation.reads:
            if isinstance(leaf, Leaf) and not leaf.name and not leaf.learns and leaf.shape == node.shape:
                leaf.name = f"grad of {results[node].name if node in results else ''}".removesuffix(" of ")


def _common(calls: Sequence[Call | None]) -> Call | None:
    """The innermost call that all of these are or lie in."""
    common = calls[0]
    for call in calls[1:]:
        while common is not call:
            if common is None or call is None:
                return None
            if call.level > common.level:
                call = call.outer
            elif common.level > call.level:
                common = common.outer
            else:
                call, common = call.outer, common.outer
    return common


def unique(items: Iterable[T]) -> list[T]:
    """The items without repeats, in order."""
    return list({id(item): item for item in items}.values())
