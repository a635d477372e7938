"""What do the attention layers of a model look at? `record_attention` writes it down, without a change to the model.

    with record_attention(model) as maps:
        model(sentence)
    maps["blocks.0.mixer"][0]        # the weights of the first call of that layer, (B, H, Tq, Tk)

A layer that computes attention weights in its own way takes part by calling `note(weights)`; `attend` does so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from minigrad import Tensor
from minigrad.autograd import thread

from .module import Frame, Module

Maps = dict[str, list[Tensor]]

# The recordings that are under way: for each, the paths of the modules in its model, and what it has seen.
_open: ContextVar[tuple[tuple[dict[int, str], Maps], ...]] = ContextVar("recordings", default=())


@contextmanager
def record_attention(model: Module) -> Iterator[Maps]:
    """Collect the weights of every attention layer in `model` by its path, one entry for each call, in order.

    The weights are those before dropout, detached. The model itself goes by the name of its class.

    **Shapes**: (B, H, Tq, Tk) for each call, with H = 1 for a layer with one head; (H, E) for a layer on E edges.

    >>> import minigrad, nn
    >>> model = nn.Sequential(nn.Linear(3, 6), nn.MultiHead(6, 2))
    >>> with record_attention(model) as maps:
    ...     y = model(minigrad.randn(5, 7, 3))
    >>> {path: [weights.shape for weights in calls] for path, calls in maps.items()}
    {'1': [(5, 2, 7, 7)]}
    """
    paths = {id(module): path or type(model).__name__ for path, module in model.named_modules()}
    maps: Maps = {}
    token = _open.set((*_open.get(), (paths, maps)))
    try:
        yield maps
    finally:
        _open.reset(token)


def is_recording() -> bool:
    """Whether anybody listens, so that weights need to be brought into their usual shape."""
    return bool(_open.get())


def note(weights: Tensor) -> None:
    """Hand the weights of the layer that is running to all recordings of a model that it is in.

    **Shapes**: (B, H, Tq, Tk), or (B, Tq, Tk) of a single head.
    """
    for paths, maps in _open.get():
        frame: Frame | None = thread.mode.scope
        while frame is not None and id(frame.module()) not in paths:
            frame = frame.outer
        if frame is not None:
            seen = weights.detach()
            maps.setdefault(paths[id(frame.module())], []).append(seen.unsqueeze(1) if seen.ndim == 3 else seen)
