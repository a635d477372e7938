"""A word and its neighbours: the simplest way to let context in."""

from __future__ import annotations

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.window import windows

from .linear import Linear
from .masks import reach_of
from .module import Module


class Window(Module):
    """A linear map of each token together with its `reach` neighbours on either side; zeros stand beyond the ends.

        y[t] = W [x[t − reach] … x[t] … x[t + reach]] + b

    It is the layer that a one-dimensional convolution with kernel 2 · reach + 1 is, written with the windows laid out.

    **Shapes**: x (B, T, D) → (B, T, out); weight and bias as in `Linear((2 · reach + 1) · D, out)`.

    **Raises** `ShapeError` if x is no batch of sequences of D features with a step or more, `ValueError` for a negative
    reach.

    Source: the window approach of Collobert et al., "Natural Language Processing (Almost) from Scratch" (2011),
    arXiv:1103.0398.

    >>> Window(2, 5, reach=1)(minigrad.ones(1, 3, 2)).shape
    (1, 3, 5)
    """

    def __init__(self, dim: int, out: int, reach: int = 2) -> None:
        super().__init__()
        self.dim, self.reach = dim, reach_of(reach)[0]
        self.linear = Linear((2 * reach + 1) * dim, out)

    def forward(self, x: Tensor) -> Tensor:
        """Lay the windows side by side and map them."""
        if x.ndim != 3 or x.shape[-1] != self.dim or not x.shape[1]:
            raise ShapeError(f"Window: sequences (batch, one step or more, {self.dim}) are needed, not {x.shape}")
        padded = minigrad.pad(x, (0, 0, self.reach, self.reach))  # (B, T + 2 reach, D)
        beside = windows(padded, 1, 2 * self.reach + 1).transpose(2, 3)  # (B, T, 2 reach + 1, D)
        return self.linear(beside.flatten(2))

    def extra_repr(self) -> str:
        """How far it looks."""
        return f"reach={self.reach}"
