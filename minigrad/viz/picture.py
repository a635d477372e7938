"""Picture: what is to be drawn, said without coordinates and without a drawing program.

With this file one can read off a picture what it shows: vertices (an operation with its result, a leaf, a closed
module), edges (who read whose result), and groups (the module calls around them). `trace.py` and `simplify.py` make a
picture of a recorded graph; `dot.py`, `svg.py`, `html.py` and `text.py` each write it down in their language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

# What a vertex is. Kinds differ by shape and by words; colour comes third.
Kind = Literal["input", "parameter", "operation", "view", "module", "gradient", "accumulate", "cut"]


@dataclass
class Vertex:
    """One thing in the picture: an operation with its result, a leaf, a closed module, or what was left out."""

    id: str  # n0, n1, … in the order of creation; m0, … for modules: never a name of the user's
    kind: Kind
    operation: str = ""  # matmul, × 0.3536, softmax dim=-1, q_proj: Linear, AccumulateGrad; nothing for a leaf
    name: str = ""  # what the user, or the module, calls the result or the leaf: Q, scores, weight
    shape: tuple[int, ...] | None = None
    value: str = ""  # the values of a small tensor: 0.7163 or [0.1, -2.3]
    grad: str = ""  # grad = 0.73, or ‖grad‖ = 0.459 of a large one
    notes: list[str] = field(default_factory=list)  # further lines, as they stand
    tooltip: str = ""  # the full dotted name, the rules and where they stand; may have several lines
    group: str | None = None  # the innermost group it lies in
    output: bool = False  # one of the tensors that the picture was asked for
    bad: Literal["", "bad", "origin", "grad"] = ""  # NaN or inf: in it, first in it, in its gradient alone
    times: int = 1  # how many it stands for, where repeats are folded
    copied: bool = False  # one of several copies of an input that many read
    faded: bool = False  # not on the highlighted path
    members: tuple[int, ...] = ()  # the serial numbers of the recorded operations it stands for

    @property
    def title(self) -> str:
        """The first line, in bold."""
        times = f" ×{self.times}" if self.times > 1 else ""
        if self.operation:
            return self.operation + times
        if self.shape == () and self.value:
            return f"{self.name} = {self.value}" if self.name else self.value
        return (self.name or self.value or self.kind) + times

    @property
    def lines(self) -> list[str]:
        """The lines below the title."""
        lines: list[str] = []
        scalar = self.shape == ()
        if self.operation:
            size = "" if self.shape is None or (scalar and self.value) else "scalar" if scalar else str(self.shape)
            if scalar and self.value:
                lines.append(f"{self.name} = {self.value}".strip())
            elif self.name or size:
                lines.append(f"{self.name} {size}".strip())
        elif not scalar and self.shape is not None:
            lines.append(str(self.shape) + (" each" if self.times > 1 else ""))
        if self.value and not scalar and self.title != self.value:
            lines.append(f"= {self.value}")
        return [*lines, *filter(None, [self.grad]), *self.notes]


@dataclass
class Edge:
    """The result of `source` is read by `target`; drawn from the one to the other."""

    source: str
    target: str
    argument: int = 0  # at which position `target` takes it
    flows: bool = True  # whether a gradient flows along it (backwards); drawn solid, else dashed
    label: str = ""  # ×2 where it is read twice, [0] where one of several results is read
    loop: bool = False  # from one repeat of a folded group to the next
    faded: bool = False


@dataclass
class Group:
    """One call of a module, or the recorded backward pass: a box around what happened in it."""

    id: str
    title: str  # attn: SelfAttention
    parent: str | None = None
    times: int = 1  # how many repeats it stands for
    tooltip: str = ""

    @property
    def heading(self) -> str:
        """The title, and how many repeats it is of."""
        return f"{self.title} ×{self.times}" if self.times > 1 else self.title


@dataclass
class Picture:
    """What is to be drawn, and how it is to look."""

    vertices: dict[str, Vertex] = field(default_factory=dict)  # in the order of creation
    edges: list[Edge] = field(default_factory=list)  # ordered by target, then by argument
    groups: dict[str, Group] = field(default_factory=dict)  # parents before children
    title: str = ""
    rankdir: str = "TB"
    legend: bool = True
    theme: Literal["auto", "light", "dark"] = "auto"
    backward: bool = False  # drawn in the direction of the gradients

    def around(self, group: str | None) -> Iterator[str]:
        """The group itself and the groups it lies in, from the inside out."""
        while group is not None:
            yield group
            group = self.groups[group].parent

    def depth(self, group: str) -> int:
        """How many groups the group lies in: 0 for an outermost one."""
        return sum(1 for _ in self.around(group)) - 1
