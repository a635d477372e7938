"""summary: what a model is made of, what goes in and out of each part, and what a run of it costs.

The model is run once on an example, and watched: every module tells what it was given and what it answered, every
recorded operation who asked for it. So the table is about what happened, not about what the layers claim.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from minigrad import Tensor, no_grad
from minigrad.analysis import products
from minigrad.autograd import Observer, thread
from minigrad.op import registry

from .module import Module

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Row:
    """One module: its path, its class, the shapes of its first call, and what it holds and does itself.

    `parameters` and `multiply_adds` leave out the modules inside it, so that the rows add up to the totals; `calls` is
    how often the module ran.
    """

    path: str
    kind: str
    calls: int
    inputs: Shapes
    outputs: Shapes
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """The rows of the table, outer modules before inner ones, and the totals; `str` of it is the table."""

    rows: list[Row]
    parameters: int
    trainable: int
    multiply_adds: int

    def __str__(self) -> str:
        return _table(self)

    __repr__ = __str__


def summary(model: Module, *example: Any, **named: Any) -> Summary:
    """Run `model(*example, **named)` once, and tell its layers, shapes, parameters and multiply-adds.

    The run is in evaluation mode and records no gradients; afterwards the model is as it was, except that lazy layers
    have their sizes. A shared parameter counts where it comes first. Multiply-adds are the products of matrices, which
    is where the time goes: a product of (n, k) and (k, m) takes n · k · m of them, and so do linear maps, convolutions
    and `einsum`; what is done entry by entry does not count. Each belongs to the innermost module that was running.

    >>> import minigrad, nn
    >>> model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    >>> table = summary(model, minigrad.ones(7, 3))
    >>> table
    layer       input   output  parameters  multiply-adds
    -----------------------------------------------------
    Sequential  (7, 3)  (7, 2)           –              –
      0 Linear  (7, 3)  (7, 5)          20            105
      1 ReLU    (7, 5)  (7, 5)           –              –
      2 Linear  (7, 5)  (7, 2)          12             70
    -----------------------------------------------------
    total                               32            175
    >>> table.multiply_adds  # 7 · 3 · 5 + 7 · 5 · 2
    175
    """
    calls: dict[int, list[tuple[Shapes, Shapes]]] = defaultdict(list)
    work: dict[int, int] = defaultdict(int)
    modules = dict(model.named_modules())
    inside = {id(module) for module in modules.values()}

    def watch_call(module: Module, arguments: Any, output: Any) -> None:
        calls[id(module)].append((tuple(_shapes(arguments)), tuple(_shapes(output))))

    class Counter(Observer):
        def operation(self, name: str, arguments: Any, result: Tensor) -> None:
            operation = registry.get(name)
            if operation is not None and operation.fused:
                operation.function(*arguments)  # what its kernel does unseen, its definition does again, watched
                return
            frame = thread.mode.scope
            while frame is not None and id(frame.module()) not in inside:
                frame = frame.outer
            work[id(model if frame is None else frame.module())] += products(name, arguments, result.shape)

    training = {module: module.training for module in modules.values()}
    hooks = [module.register_forward_hook(watch_call) for module in modules.values()]
    try:
        with no_grad(), Counter():
            model.eval()(*example, **named)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode

    owned = _owned(modules)
    rows = []
    for path, module in modules.items():
        seen = calls[id(module)]
        inputs, outputs = seen[0] if seen else ((), ())
        rows.append(Row(path, type(module).__name__, len(seen), inputs, outputs, owned[path], work[id(module)]))
    parameters = list(model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    return Summary(rows, sum(p.numel() for p in parameters), trainable, sum(work.values()))


def _owned(modules: dict[str, Module]) -> dict[str, int]:
    """How many numbers each module trains itself, apart from those that one before it has."""
    counted: set[int] = set()
    owned = {}
    for path, module in modules.items():
        new = {id(p): p.numel() for p in module.parameters(recurse=False) if id(p) not in counted}
        counted |= set(new)
        owned[path] = sum(new.values())
    return owned


def _shapes(value: Any) -> Iterator[tuple[int, ...]]:
    """The shapes of the tensors in a nest of tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield tuple(value.shape)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _shapes(item)
    elif isinstance(value, dict):
        yield from _shapes(list(value.values()))


# ---- the table -------------------------------------------------------------------------------------------------------

WIDTH = 100  # of the table, in characters
HEADINGS = ("layer", "input", "output", "parameters", "multiply-adds")
GAP = "  "


def _table(summary: Summary) -> str:
    """Aligned columns: text to the left, numbers to the right."""
    cells = [
        (
            _layer(row, {row.path for row in summary.rows}),
            _listed(row.inputs),
            _listed(row.outputs),
            _number(row.parameters),
            _number(row.multiply_adds),
        )
        for row in summary.rows
    ]
    total = ("total", "", "", _number(summary.parameters), _number(summary.multiply_adds))
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, total, strict=True)]
    for column, least in ((1, 16), (2, 16), (0, 0)):  # which column gives way first, and down to which width
        excess = sum(widths) + len(GAP) * (len(widths) - 1) - WIDTH
        widths[column] = min(widths[column], max(widths[column] - excess, least))
    lines = [_line(row, widths) for row in (HEADINGS, *cells, total)]
    rule = "-" * max(map(len, lines))
    frozen = summary.parameters - summary.trainable
    note = [f"{frozen:,} of the parameters are frozen"] if frozen else []
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *note])


def _layer(row: Row, paths: set[str]) -> str:
    """The name inside the module that holds it, farther right the deeper it is, and the class."""
    parts = row.path.split(".")
    outer = [n for n in range(len(parts)) if row.path and ".".join(parts[:n]) in paths]
    name = ".".join(parts[outer[-1] :]) if outer else ""
    return "  " * len(outer) + f"{name} {row.kind}".strip() + (f" ×{row.calls}" if row.calls > 1 else "")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    texts = [text if len(text) <= w else text[: w - 1] + "…" for text, w in zip(row[:3], widths[:3], strict=True)]
    padded = [text.ljust(w) for text, w in zip(texts, widths[:3], strict=True)]
    return GAP.join(padded + [number.rjust(w) for number, w in zip(row[3:], widths[3:], strict=True)])


def _listed(shapes: Shapes) -> str:
    """The shapes in order, equal neighbours together."""
    runs = [(str(shape), len(list(run))) for shape, run in itertools.groupby(shapes)]
    return ", ".join(shape if n == 1 else f"{n} × {shape}" for shape, n in runs) or "–"


def _number(n: int) -> str:
    return f"{n:,}" if n else "–"
