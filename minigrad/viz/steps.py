"""steps: a run told step by step, forward and then backward, with its numbers.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> for step in steps(x * x):
    ...     print(step)
    forward mul: 9
    start: 1
    backward mul: 1 -> a 3, b 3

The numbers are those of the run itself: the forward steps show what the recorded operations were given and what they
computed, the backward steps come from one sweep over the graph, with somebody looking on. The sweep leaves everything
as it was: the graph is kept, no `.grad` is touched and no hook is called.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .. import memory
from ..autograd import Freed, Glimpse, Node, Observer, Recording, ancestors, read, sweep
from ..tensor import Tensor, label
from .measure import cut
from .record import recorded
from .rules import Formula, formulas_of
from .words import index_text

FULL = 64  # tensors of so many numbers are shown in full
LONGEST = 60  # columns of an argument that is no array


@dataclass(frozen=True)
class Numbers:
    """What is shown of a value: all entries if they are few, else the norm and the extremes of the finite ones."""

    shape: tuple[int, ...] | None = None  # None for what is no array
    entries: Any = None  # nested lists, or one number
    norm: float | None = None
    least: float | None = None
    greatest: float | None = None
    nan: int = 0  # how many entries are no numbers
    infinite: int = 0
    text: str = ""  # of what is no array: dim, shape; of an array whose values are gone: why

    @classmethod
    def of(cls, x: Any) -> Numbers:
        """What is shown of a tensor, an array, or any other argument of an operation."""
        x = x.array if isinstance(x, Tensor) else x
        if isinstance(x, (bool, int, float, np.generic)):
            x = np.asarray(x)
        if not isinstance(x, np.ndarray):
            return cls(text=_plain(x))
        if x.dtype.kind not in "fiub":
            return cls(x.shape, text=str(x.dtype))
        nan, infinite = int(np.isnan(x).sum()), int(np.isinf(x).sum())
        if x.size <= FULL:
            return cls(x.shape, x.tolist(), nan=nan, infinite=infinite)
        finite = x[np.isfinite(x)].astype(np.float64)
        least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (math.nan, math.nan)
        return cls(x.shape, None, float(np.sqrt(finite @ finite)), least, greatest, nan, infinite)

    def __str__(self) -> str:
        if self.shape is None or self.text:
            return f"{self.shape or ''} {self.text}".strip()
        if self.entries is None:
            return f"{self.shape} norm {self.norm:.4g} in [{self.least:.4g}, {self.greatest:.4g}]"
        if self.shape == ():
            return f"{self.entries:.4g}"
        return np.array2string(np.array(self.entries), precision=4, separator=", ")


@dataclass
class Operand:
    """An argument of an operation: how the operation calls it, what it is, and its value."""

    argument: str
    name: str
    value: Numbers
    source: Any = None  # the node or leaf it came from; None if no gradient flows there


@dataclass
class Flow:
    """What a backward step sends to one of its inputs."""

    argument: str
    name: str
    target: Any  # the node or leaf
    formula: Formula
    reads: dict[str, Numbers]  # the values that the rule reads, by the names it gives them
    value: Numbers
    summed: str = ""  # how broadcasting was undone: summed over dim 0: (5, 3) → (3,)
    before: Numbers | None = None  # what had arrived at the target from elsewhere
    total: Numbers | None = None  # then: the sum of that and of this


@dataclass
class Step:
    """One operation, on the way forward or on the way back."""

    phase: Literal["forward", "start", "backward"]
    node: Any  # the recorded operation; of a start, the output
    operation: str
    name: str  # of the result
    scope: str  # the path of the module it happened in
    place: str  # where the program called it, if `trace` was on: train.py:12
    value: Numbers  # forward: the result; start and backward: the gradient of the result, as it came in
    operands: list[Operand] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    line: str = ""  # what stands there
    hooked: bool = False  # a hook waits here, which was not called

    def __str__(self) -> str:
        if self.phase == "start":
            return f"start: {self.value}"
        sent = ", ".join(f"{flow.argument} {flow.value}" for flow in self.flows)
        return f"{self.phase} {self.operation}: {self.value}" + (f" -> {sent}" if sent else "")


def steps(outputs: Tensor | Sequence[Tensor], names: Callable[[Any], str] | None = None) -> list[Step]:
    """All steps of the run that computed `outputs`: every operation forward, the start, every operation backward.

    The backward steps differentiate the sum of all entries of all outputs, which for a loss is the loss itself.
    `names` says what a node or leaf is called (else it is what the user called it).

    **Raises** `RuntimeError` if the graph was freed by a backward pass, `ValueError` if there is no graph.
    """
    roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    for output in roots:
        if output.node is None:
            raise ValueError(
                f"explain: {label(output)} has no graph: it was computed under no_grad, detached, or is a leaf"
            )
    order = ancestors([output.node for output in roots])
    freed = next((node.saved for node in order if type(node.saved) is Freed), None)
    if freed is not None:
        raise RuntimeError(
            f"explain: the values that the backward pass needs were freed by the one at {freed.where}; call "
            f"minigrad.explain(loss) before loss.backward(), or keep them with loss.backward(retain_graph=True)"
        )
    with _without_hooks(order) as hooked, Recording(False), np.errstate(all="ignore"):
        narrator = _Narrator(order, hooked, names or _own_name)
        for node in reversed(order):
            narrator.forward(node)
        start = {output.node: np.ones_like(output.array) for output in roots}
        for node, g in start.items():
            narrator.start(node, g)
        with narrator:
            sweep(start, None, keep=True, record=False)
    return narrator.told


class _Narrator(Observer):
    """Who looks on, and tells each step."""

    def __init__(self, order: Sequence[Node], hooked: set[Any], names: Callable[[Any], str]) -> None:
        self.names, self.hooked = names, hooked
        self.results = _results(order)
        self.arrived: dict[Any, np.ndarray] = {}  # the gradients so far, by node or leaf
        self.told: list[Step] = []

    def tell(self, phase: Literal["forward", "start", "backward"], node: Node, value: Numbers) -> Step:
        """A step at `node`, still without operands and flows."""
        note = recorded(node)
        scope = "" if node.scope is None else str(node.scope)
        step = Step(phase, node, node.name, self.names(node), scope, note.place if note else "", value)
        if note:
            step.line = note.line
        self.told.append(step)
        return step

    def forward(self, node: Node) -> None:
        """What the operation was given, and what it computed."""
        step = self.tell("forward", node, _shown(node, self.results.get(node)))
        values = _values(node, self.results)
        for position, (argument, value) in enumerate(zip(node.arguments, values, strict=True)):
            source = argument if isinstance(argument, (Node, Tensor)) else None
            name = node.plan.op.argument_name(position, len(values))
            step.operands.append(Operand(name, self.names(argument), _shown(argument, value), source))

    def start(self, node: Node, g: np.ndarray) -> None:
        """The gradient with which an output enters the sweep."""
        self.arrived[node] = g
        self.tell("start", node, Numbers.of(g))

    def gradient(self, node: Node, i: int, g: Any, gradient: Any) -> None:
        """What the sweep has just sent to input `i` of `node`."""
        if self.told[-1].phase != "backward" or self.told[-1].node is not node:
            self.tell("backward", node, Numbers.of(g)).hooked = node in self.hooked
        target, formula = node.inputs[i], formulas_of(node)[i]
        flow = Flow(formula.argument, self.names(target), target, formula, _reads(node, i), Numbers.of(gradient))
        flow.summed = _unbroadcast(node, i, g)
        before = self.arrived.get(target)
        if before is None:
            self.arrived[target] = np.array(gradient)
        else:
            self.arrived[target] = before + gradient
            flow.before, flow.total = Numbers.of(before), Numbers.of(self.arrived[target])
        self.told[-1].flows.append(flow)


@contextlib.contextmanager
def _without_hooks(order: Iterable[Node]) -> Iterator[set[Any]]:
    """Let no hook be called: the run is over, they have seen it. Yields where there are any."""
    places = {target for node in order for target in (node, *node.inputs) if target.hooks}
    hooks = {place: place.hooks for place in places}
    for place in places:
        place.hooks = None
    try:
        yield places
    finally:
        for place in places:
            place.hooks = hooks[place]


# ---- the values of the run ------------------------------------------------------------------------------------------


def _results(order: Sequence[Node]) -> dict[Node, np.ndarray]:
    """What each operation computed, as far as somebody remembers it or it can be computed again."""
    saved: dict[Any, np.ndarray] = {}  # by those who read it
    for node in order:
        for position, target in zip(node.plan.positions, node.inputs, strict=True):
            if isinstance(node.saved[position], np.ndarray):
                saved[target] = node.saved[position]
    results: dict[Node, np.ndarray] = {}
    for node in reversed(order):
        note, own = recorded(node), node.saved[node.plan.out_position] if node.plan.keeps_out else None
        found = (note.result if note else None, node.value(), own, saved.get(node))
        result = next((value for value in found if value is not None), None)
        if result is None:
            result = _computed_again(node, _values(node, results))
        if result is not None:
            results[node] = result
    return results


def _values(node: Node, results: Mapping[Node, np.ndarray]) -> list[Any]:
    """The arguments of an operation in order, None for arrays that nobody keeps."""
    note = recorded(node)
    if note is not None:
        return list(note.inputs)
    values = []
    for argument, saved in zip(node.arguments, node.saved, strict=False):
        if isinstance(saved, np.ndarray):
            value: Any = saved
        elif isinstance(argument, Node):
            value = results.get(argument)
        elif isinstance(argument, (Tensor, Glimpse)):
            value = argument.where() if isinstance(argument, Glimpse) else argument
            value = value.array if isinstance(value, Tensor) else value
            if memory.change_since(value, node.tick):
                value = None
        else:
            value = argument
        values.append(value)
    return values


def _computed_again(node: Node, values: Sequence[Any]) -> np.ndarray | None:
    """The result, from the same arguments, by the readable definition; None if an argument is gone."""
    op = node.plan.op
    unknown = any(
        value is None and hasattr(argument, "shape") for argument, value in zip(node.arguments, values, strict=True)
    )
    if unknown or not op.rules:
        return None
    first = len(values) - len(op.by_name)
    return np.asarray(op.function(*values[:first], **dict(zip(op.by_name, values[first:], strict=True))))


def _shown(what: Any, value: Any) -> Numbers:
    """The value of a node, a leaf or an argument; if nobody keeps it, its shape."""
    if value is None and hasattr(what, "shape"):
        return Numbers(what.shape, text="not kept; minigrad.record() remembers it")
    return Numbers.of(value)


def _own_name(what: Any) -> str:
    if isinstance(what, Node):
        return what.label or ""
    return getattr(what, "name", None) or ""


def _plain(value: Any) -> str:
    """An argument that is no array: dim=1 is 1, x[:, 2] is [:, 2]."""
    parts = value if isinstance(value, tuple) else (value,)
    is_index = any(isinstance(part, slice) or part is Ellipsis for part in parts)
    return index_text(value) if is_index else cut(str(value), LONGEST)


# ---- what a rule does -----------------------------------------------------------------------------------------------


def _reads(node: Node, i: int) -> dict[str, Numbers]:
    """What the rule for input `i` reads besides g, by the names it gives them."""
    plan = node.plan
    if plan.joint is not None:
        names = [plan.op.argument_name(p, plan.out_position) for p in range(plan.out_position)]
        names += formulas_of(node)[i].kept if plan.op.fused else ()
        return {
            name: Numbers.of(value)
            for name, value in zip(names, node.saved, strict=False)
            if isinstance(value, np.ndarray)
        }
    rule, places = plan.rules[i]
    places = [places] if isinstance(places, int) else places
    names = list(inspect.signature(getattr(rule, "func", rule)).parameters)[1:]
    reads: dict[str, Numbers] = {}
    for name, place in zip(names, places, strict=False):
        if isinstance(place, slice):  # all arguments of a variadic operation
            reads |= {f"{name}[{k}]": Numbers.of(value) for k, value in enumerate(node.saved[place])}
        else:
            reads[name] = Numbers.of(node.inputs[i].shape if place is None else node.saved[place])
    if len(names) > len(places):
        reads[names[-1]] = Numbers.of(plan.positions[i])
    return reads


def _unbroadcast(node: Node, i: int, g: np.ndarray) -> str:
    """How the sweep summed what the rule answered: summed over dim 0: (5, 3) → (3,)."""
    if node.plan.joint is not None:
        return ""
    rule, reads = node.plan.rules[i]
    shape = node.inputs[i].shape
    answer = np.shape(rule(g, *read(reads, node.saved, shape)))
    if answer == shape:
        return ""
    extra = len(answer) - len(shape)
    summed = [d for d, n in enumerate(answer) if d < extra or (shape[d - extra] == 1 and n != 1)]
    dims = f"dim {summed[0]}" if len(summed) == 1 else f"dims {', '.join(map(str, summed))}"
    return f"summed over {dims}: {answer} → {shape}"
