"""Pictures of computations, of attention and of training, which need no program and no network.

`minigrad.draw(loss)` is all that most readers will want. The files, from what is drawn to how:

    picture                                  what a picture is
    trace  record                            what was recorded of a run
    simplify  arrange  fold  reverse         from there to a picture: what is seen, what stands for what
    labels  words  rules  health  highlight  what stands in it
    layout/  svg  shapes                     the picture as SVG, placed by this package
    dot  text  html  steps  typeset          the picture for Graphviz, for a terminal, as a page to step through
    heatmap  headview  maptext  weights      attention
    lines  figure  drawing                   curves, and what they share with attention
    measure  palette  files  look            how wide a text is, colours, writing, the options of `draw`

Nothing here is imported before it is asked for, so that `import minigrad` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ComputationGraph": "dot",
    "make_dot": "draw",
    "Figure": "figure",
    "attention": "heatmap",
    "curves": "lines",
    "entropy": "weights",
    "head_view": "headview",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
