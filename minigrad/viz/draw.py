"""From a finished loss to its picture: `draw(loss)`, with nothing to run again and no program needed.

With this file one can see a computation: `draw(loss)` as the last line of a notebook's cell, `print(draw(loss))` in a
terminal, `draw(loss).write("graph.html")` for a page to step through. It joins what the other files do: `simplify`
makes the picture, `dot` the graph that is returned.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..tensor import Tensor
from .dot import ComputationGraph
from .simplify import picture


def draw(
    outputs: Tensor | Sequence[Tensor],
    model: Any = None,
    *,
    params: Mapping[str, Tensor] | None = None,
    depth: int | Literal["auto"] | None = "auto",
    direction: Literal["forward", "backward"] = "forward",
    rankdir: Literal["TB", "LR", "BT", "RL"] = "TB",
    highlight: Any = None,
    show_shapes: bool = True,
    show_values: bool = True,
    max_values: int = 4,
    show_grad: bool = True,
    show_attrs: bool = True,
    show_saved: bool = False,
    show_rules: bool = False,
    fold: int | None = 3,
    max_nodes: int = 500,
    legend: bool = True,
    theme: Literal["auto", "light", "dark"] = "auto",
    title: str | None = None,
    name: str = "computation_graph",
) -> ComputationGraph:
    """Draw how `outputs`, one tensor or several, were computed: every operation with its result, in its module.

    With `model`, modules and parameters go by the names that it has for them; `params` names further tensors, and what
    is still unnamed is called as the caller's variable is. Solid arrows carry a gradient back, dashed ones do not.

    `depth` says how many levels of modules are open: a number, None for all, "auto" for as many as leave some forty
    nodes. `fold` repeats of a module in a chain, or more, are drawn once, as ×N (None: never). `direction="backward"`
    draws the way of the gradients, down to what is added into `.grad`. `rankdir` is where the arrows point: "TB" to
    the bottom, "LR" to the right; "BT" and "RL" are for Graphviz alone. `highlight` names a parameter, and all that is
    not on a path from it to the outputs is drawn faintly.

    `show_shapes`, `show_values` (of tensors with up to `max_values` numbers), `show_grad` and `show_attrs` (arguments
    such as dim=1) say what stands in a node; `show_saved` adds what the operation keeps for the backward pass, and
    `show_rules` the rules of its derivatives. A picture of more than `max_nodes` nodes is cut or refused. `theme`
    "auto" follows the reader in SVG and HTML, and is light elsewhere; `name` is that of the files Graphviz writes.

    **Raises** `TypeError` if an output is no tensor; `ValueError` if it has no graph, being a leaf, detached or
    computed under `no_grad`, if an open picture would have more than `max_nodes` nodes, or for an option that does not
    exist.

    >>> import minigrad
    >>> w = minigrad.tensor(0.8, requires_grad=True)
    >>> y = (w * 1.5).tanh()
    >>> y.backward()
    >>> print(draw(y))
    parameters  w = 0.8 grad = 0.4575
    %0 = w × 1.5  scalar  = 1.2
    y = tanh(%0)  scalar  = 0.8337
    """
    options: dict[str, Any] = {
        "model": model,
        "params": params,
        "depth": depth,
        "direction": direction,
        "rankdir": rankdir,
        "highlight": highlight,
        "show_shapes": show_shapes,
        "show_values": show_values,
        "max_values": max_values,
        "show_grad": show_grad,
        "show_attrs": show_attrs,
        "show_saved": show_saved,
        "show_rules": show_rules,
        "fold": fold,
        "max_nodes": max_nodes,
        "legend": legend,
        "theme": theme,
        "title": title,
        "variables": callers_variables(),
    }
    return ComputationGraph.of(picture(outputs, **options), name, outputs, **options)


def make_dot(
    var: Tensor | Sequence[Tensor],
    params: Mapping[str, Tensor] | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
) -> ComputationGraph:
    """Draw how `var` was computed, asked for as one asks torchviz; `draw` can do more.

    `params` are the names of tensors, as in `dict(model.named_parameters())`.

    **Raises** what `draw` raises.

    >>> import minigrad
    >>> w = minigrad.tensor([0.8, 2.0], requires_grad=True)
    >>> print(make_dot(w.sum(), params={"weight": w}))
    parameters  weight (2,) = [0.8, 2]
    %0 = sum(weight)  scalar  = 2.8
    """
    return draw(var, params=params, show_attrs=show_attrs, show_saved=show_saved)


def callers_variables() -> dict[str, Any]:
    """The tensors, arrays and modules among the variables of whoever called into this package, by name.

    Names with an underscore in front are left out: in a notebook these are its earlier answers.
    """
    package = str(Path(__file__).parents[1])
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame = frame.f_back
    return {
        name: value
        for name, value in frame.f_locals.items()
        if not name.startswith("_")
        and (isinstance(value, (Tensor, np.ndarray)) or hasattr(type(value), "named_modules"))
    }
