"""labels: what a vertex says of the operation, leaf or closed module that it stands for.

In its lines: what it is, the name and shape of the result, small values, the gradient, what is wrong with them. In its
tooltip: the full name, the module, the rules of the derivative and where they stand, the line of the program.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd import Freed, Node
from .arrange import Arrangement, Link, Spot
from .fold import range_of
from .health import health
from .look import Look
from .measure import clean, cut
from .picture import Kind, Vertex
from .record import recorded
from .rules import formulas_of
from .trace import Call, Leaf, Operation, Trace
from .words import array_text, bad_counts, grad_text, short, size_text, title_of

LISTED = 6  # a closed module lists its parameters if they are no more
LONGEST_RULE = 60  # columns of a rule in a vertex


class Labels:
    """Makes the vertices of one picture."""

    def __init__(self, seen: Trace, arranged: Arrangement, look: Look) -> None:
        self.seen, self.arranged, self.look = seen, arranged, look
        self.health = health(seen)
        self.outputs = {output.serial for output in seen.outputs}
        self.returned: dict[Call, list[int]] = {}

    def vertex(self, spot: Spot, id: str) -> Vertex:
        """The vertex of a spot, without its group."""
        if isinstance(spot.item, Leaf):
            vertex = self._leaf(spot, spot.item, id)
        elif isinstance(spot.item, Operation):
            vertex = self._operation(spot, spot.item, id)
        else:
            vertex = self._module(spot, spot.item, id)
        vertex.times, vertex.copied = spot.times, spot.copied
        vertex.members = tuple(sorted({operation.serial for operation in spot.operations} | _leaves(spot)))
        vertex.output = any(serial in self.outputs for serial in vertex.members)
        if not self.look.show_shapes:
            vertex.shape = None
        return vertex

    # ---- leaves and operations ----

    def _leaf(self, spot: Spot, leaf: Leaf, id: str) -> Vertex:
        name = range_of([_name(item) for item in spot.same])  # type: ignore[arg-type]  # leaves, all of them
        vertex = Vertex(id, "parameter" if leaf.parameter else "input", name=short(name), shape=leaf.shape)
        self._say_values(vertex, spot)
        if not name and not vertex.value:  # such as the noise that a dropout made
            vertex.name = "constant" if leaf.home is not None else vertex.kind
        frozen = "frozen: it gets no gradient" if leaf.parameter and not leaf.learns else ""
        read = len(leaf.readers)
        readers = f"read {read} times" if read > 1 else ""
        vertex.tooltip = _tooltip(leaf.path or leaf.name, f"{leaf.dtype} {leaf.shape}", frozen, readers)
        return vertex

    def _operation(self, spot: Spot, operation: Operation, id: str) -> Vertex:
        node = operation.node
        kind: Kind = "view" if node.plan.op.views else "operation"
        same: list[Any] = spot.same
        title = range_of([title_of(item.node, self.look.show_attrs) for item in same])
        if operation.call is not None and operation.call.gradient:
            kind, title = "gradient", f"∂ {title}"
        vertex = Vertex(id, kind, short(title), short(range_of([item.name for item in same])), node.shape)
        self._say_values(vertex, spot)
        if self.look.show_saved:
            vertex.notes.append(_saved(node))
        rules = formulas_of(node)
        if self.look.show_rules:
            vertex.notes += [cut(clean(f"d/d{rule.argument}: {rule.text}"), LONGEST_RULE) for rule in rules]
        note, call = recorded(node), operation.call
        vertex.tooltip = _tooltip(
            operation.name,
            f"{node.name}: {node.dtype} {node.shape}",
            f"in {call.path or call.kind}" if call is not None else "",
            *map(str, rules),
            f"{note.place}: {note.line}" if note is not None else "",
        )
        return vertex

    def _say_values(self, vertex: Vertex, spot: Spot) -> None:
        """The value and gradient of what is not folded, and what is wrong with them."""
        look, items = self.look, spot.same
        for item in items:
            if isinstance(item, Call):
                continue
            state = self.health.get(item.serial, "")
            if state and vertex.bad != "origin":
                vertex.bad = "bad" if state == "bad" else "origin"
                vertex.notes = [f"⚠ {bad_counts(self.seen.value(item))}", *_first_bad(state)]
        if len(items) > 1 or isinstance(items[0], Call):
            return
        value = self.seen.value(items[0])
        if look.show_values and value is not None and 0 < value.size <= look.max_values:
            vertex.value = array_text(value)
        gradient = self.seen.gradient(items[0])
        if look.show_grad and gradient is not None:
            if bad := bad_counts(gradient):
                vertex.notes.append(f"⚠ grad: {bad}")
                vertex.bad = vertex.bad or "grad"
            elif gradient.size:
                vertex.grad = grad_text(gradient, look.max_values)

    # ---- closed modules ----

    def _module(self, spot: Spot, call: Call, id: str) -> Vertex:
        calls: list[Any] = spot.same
        vertex = Vertex(id, "module", title_of_calls(calls[: spot.times]))
        shortest = min(len(same.operations) for same in calls)
        place = max((i for i in self._returned(call) if i < shortest), default=shortest - 1)
        results = [same.operations[place] for same in calls]
        result = results[0]
        vertex.name = short(range_of([operation.name for operation in results]))
        vertex.shape = result.shape
        if call.gradient:
            vertex.kind = "gradient"
            vertex.operation = f"∂ {vertex.operation}" if call.module is not None else vertex.operation
        value = self.seen.value(result)
        if len(calls) == 1 and result.serial in self.outputs and value is not None and self.look.show_values:
            vertex.value = array_text(value) if 0 < value.size <= self.look.max_values else ""

        parameters = [leaf for leaf in spot.leaves if leaf.parameter]
        said = [f"{short(leaf.name)} {leaf.shape}" for leaf in parameters]
        numbers = sum(math.prod(leaf.shape) for leaf in parameters)
        counts = [f"{len(call.operations):,} op{'s' * (len(call.operations) != 1)}"]
        counts += [f"{numbers:,} params"] if parameters else []
        if any(isinstance(item, Call) for item in call.body) or len(said) > LISTED or not said:
            vertex.notes.append(" · ".join(counts))
        else:
            vertex.notes += [", ".join(said[i : i + 2]) for i in range(0, len(said), 2)]
        states = {self.health.get(operation.serial) for operation in spot.operations}
        if states & {"origin", "unsure"}:
            vertex.bad = "origin"
            vertex.notes.append("⚠ first bad value appears in here")
        elif "bad" in states:
            vertex.bad = "bad"
            vertex.notes.append(f"⚠ {bad_counts(value) or 'bad values inside'}")
        if len(calls) == 1:
            grads = [self.seen.gradient(leaf) for leaf in parameters]
            if not vertex.bad and any(bad_counts(gradient) for gradient in grads):
                vertex.bad = "grad"
                vertex.notes.append("⚠ NaN or inf in a gradient")
        vertex.tooltip = _tooltip(call.path or call.name, call.kind, " · ".join(counts), *said[:20])
        return vertex

    def _returned(self, call: Call) -> list[int]:
        """The positions of the operations in a call whose results are read outside of it."""
        if call not in self.returned:
            inside = {operation.serial for operation in call.operations}
            self.returned[call] = [
                i
                for i, operation in enumerate(call.operations)
                if operation.serial in self.outputs or any(reader.serial not in inside for reader in operation.readers)
            ] or [len(call.operations) - 1]
        return self.returned[call]

    def which_result(self, link: Link) -> str:
        """Which of several results of a closed call is read: `[0]`."""
        calls: list[Any] = link.source.same
        if len(self._returned(calls[0])) < 2:
            return ""
        place = {
            operation.serial: self._returned(call).index(i)
            for call in calls
            for i, operation in enumerate(call.operations)
            if i in self._returned(call)
        }
        which = sorted({place[result.serial] for result in link.results if result.serial in place})
        return f"[{', '.join(map(str, which))}]" if which else ""


def title_of_calls(repeats: list[Call]) -> str:
    """`attn: SelfAttention`, `cell: RNNCell (call 2 of 4)`; of repeats `blocks.0 … blocks.5: Block`."""
    first = repeats[0]
    if len(repeats) == 1:
        return clean(first.title)
    name = short(range_of([call.name for call in repeats]))
    return clean(f"{name}: {first.kind}" if name else first.kind)


def _leaves(spot: Spot) -> set[int]:
    return {item.serial for item in [*spot.same, *spot.leaves] if isinstance(item, Leaf)}


def _name(leaf: Leaf) -> str:
    """What an input is called: as its user calls it, else as the operation calls it that reads it, such as "mask"."""
    if leaf.name or leaf.parameter or leaf.shape == ():
        return leaf.name
    called = {
        reader.node.plan.op.argument_name(position, len(reader.node.arguments))
        for reader in leaf.readers[:8]
        for position, source, _ in reader.reads
        if source is leaf
    }
    name = called.pop() if len(called) == 1 else ""
    return name if len(name) > 2 and "[" not in name else ""


def _first_bad(state: str) -> list[str]:
    known = {
        "origin": ["first bad value appears here"],
        "unsure": ["first bad value known (record more: minigrad.record())"],
    }
    return known.get(state, [])


def _saved(node: Node) -> str:
    """What an operation keeps for the backward pass: `saves x, weight · 512 B`."""
    if isinstance(node.saved, Freed):
        return "its saved values are freed"
    count = len(node.arguments)
    arrays = [(i, value) for i, value in enumerate(node.saved) if isinstance(value, np.ndarray)]
    names = ["result" if i == count and node.plan.keeps_out else _argument(node, i, count) for i, _ in arrays]
    size = size_text(sum(value.nbytes for _, value in arrays))
    return f"saves {', '.join(dict.fromkeys(names))} · {size}" if arrays else "saves nothing"


def _argument(node: Node, position: int, count: int) -> str:
    return node.plan.op.argument_name(position, count) if position < count else "more"


def _tooltip(*lines: str) -> str:
    return "\n".join(clean(line) for line in lines if line)
