"""Linear maps, of one input and of two."""

from __future__ import annotations

import math

import minigrad
from minigrad import ShapeError, Tensor, einsum
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


class LazyLinear(Linear):
    """A `Linear` that takes the number of its features from the first input, and is a plain `Linear` from then on.

    Until then its weight is (out, 0): call the model once before its weights are loaded or looked at. An optimiser may
    be made before, for the parameters stay the same objects.

    **Shapes**, **parameters**: as `Linear`.

    >>> layer = LazyLinear(5)
    >>> layer(minigrad.ones(2, 3)).shape
    (2, 5)
    >>> layer
    Linear(in_features=3, out_features=5, bias=True)
    """

    def __init__(self, out_features: int, bias: bool = True) -> None:
        super().__init__(0, out_features, bias)

    def forward(self, input: Tensor) -> Tensor:
        """Take the size of the input, then map its last dimension."""
        if not input.ndim:
            raise ShapeError("LazyLinear: an input with a last dimension of features is needed, not a single number")
        self.in_features = input.shape[-1]
        self.weight.data = minigrad.empty(self.out_features, self.in_features, dtype=self.weight.dtype)
        self.reset_parameters()
        self.__class__ = Linear  # type: ignore[assignment]  # from now on it is one
        return self.forward(input)


class Bilinear(Module):
    """yₒ = x₁ᵀ Wₒ x₂ + bₒ: a weight for every pair of a feature of x₁ and a feature of x₂.

    **Shapes**: x₁ (…, in1), x₂ (…, in2) → (…, out); weight (out, in1, in2) and bias (out), both from U(−b, b) with
    b = 1 / √in1.

    **Raises** `ShapeError` if the inputs do not end in `in1_features` and `in2_features`, or differ before.

    >>> layer = Bilinear(3, 5, 2)
    >>> layer(minigrad.ones(7, 3), minigrad.ones(7, 5)).shape
    (7, 2)
    """

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        if in1_features < 1:
            raise ShapeError(f"Bilinear: in1_features must be at least 1, not {in1_features}")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(minigrad.empty(out_features, in1_features, in2_features))
        self.bias = Parameter(minigrad.empty(out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Combine the last dimensions."""
        wanted = (self.in1_features, self.in2_features)
        if (input1.shape[-1:], input2.shape[-1:]) != (wanted[:1], wanted[1:]) or input1.shape[:-1] != input2.shape[:-1]:
            raise ShapeError(
                f"Bilinear: the inputs must end in {wanted[0]} and {wanted[1]} features and be alike before that, but "
                f"have shapes {input1.shape} and {input2.shape}"
            )
        y = einsum("...i,oij,...j->...o", input1, self.weight, input2)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The sizes, and whether there is a bias."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
