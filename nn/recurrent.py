"""Recurrent cells: one step through a sequence, from the state before to the state after."""

from __future__ import annotations

import math

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.elementwise import relu, tanh
from minigrad.ops.linalg import linear

from . import init
from .module import Module, Parameter


class RNNCell(Module):
    """h' = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or with `nonlinearity="relu"` the same with a ReLU.

    **Shapes**: x (B, in) or (in), h (B, hidden) or (hidden), zeros if not given → the shape of h; weight_ih
    (hidden, in), weight_hh (hidden, hidden), bias_ih and bias_hh (hidden), all from U(−b, b) with b = 1 / √hidden.

    **Raises** `ShapeError` if the shapes do not fit, `ValueError` for another nonlinearity.

    Source: Elman, "Finding Structure in Time" (1990), Cognitive Science 14.

    >>> cell = RNNCell(3, 5)
    >>> h = None
    >>> for x in minigrad.ones(7, 2, 3):  # seven steps of two sequences
    ...     h = cell(x, h)
    >>> h.shape
    (2, 5)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> None:
        super().__init__()
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        self.input_size, self.hidden_size, self.nonlinearity = input_size, hidden_size, nonlinearity
        self.weight_ih = Parameter(minigrad.empty(hidden_size, input_size))
        self.weight_hh = Parameter(minigrad.empty(hidden_size, hidden_size))
        self.bias_ih = Parameter(minigrad.empty(hidden_size)) if bias else None
        self.bias_hh = Parameter(minigrad.empty(hidden_size)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases anew."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Take one step."""
        if hx is None:
            hx = minigrad.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype)
        if input.ndim not in (1, 2) or hx.shape != (*input.shape[:-1], self.hidden_size):
            raise ShapeError(
                f"RNNCell({self.input_size}, {self.hidden_size}): inputs (B, {self.input_size}) go with states "
                f"(B, {self.hidden_size}), not {input.shape} with {hx.shape}; give one step at a time"
            )
        z = linear(input, self.weight_ih, self.bias_ih) + linear(hx, self.weight_hh, self.bias_hh)
        return tanh(z) if self.nonlinearity == "tanh" else relu(z)

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        bias = "" if self.bias_ih is not None else ", bias=False"
        nonlinearity = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return f"{self.input_size}, {self.hidden_size}{bias}{nonlinearity}"
