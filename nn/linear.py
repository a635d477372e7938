"""Linear maps."""

from __future__ import annotations

import math

import minigrad
from minigrad import Tensor
from minigrad.ops import linalg

from . import init
from .module import Module, Parameter


class Linear(Module):
    """y = x Wᵀ + b.

    **Shapes**: x (…, in) → (…, out); weight (out, in) and bias (out), both from U(−b, b) with b = 1 / √in.

    **Raises** `ShapeError` if the last dimension of x is not `in_features` long.

    >>> layer = Linear(3, 5)
    >>> layer(minigrad.ones(2, 7, 3)).shape
    (2, 7, 5)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(minigrad.empty(out_features, in_features))
        self.bias = Parameter(minigrad.empty(out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Map the last dimension."""
        return linalg.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
