"""The block of which Transformers are built: mix the tokens, then think about each.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; with the normalisation first, as in
Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020), arXiv:2002.04745.
"""

from __future__ import annotations

from typing import Any

from minigrad import Tensor

from .activation import GELU
from .container import Sequential
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .norm import LayerNorm


class EncoderBlock(Module):
    """x + mixer(norm(x)), then x + feedforward(norm(x)): a residual pair around any layer that mixes tokens.

        feedforward(x) = GELU(x W₁ᵀ + b₁) W₂ᵀ + b₂, on each token by itself

    **Shapes**: (B, T, D) → the same. `mixer` is a module with these shapes, such as `MultiHead(dim, num_heads)`;
    further arguments of a call (masks, lengths) go to it. `hidden` is the width of the feed-forward layer.
    """

    def __init__(self, mixer: Module, dim: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.mixer = mixer
        self.norm2 = LayerNorm(dim)
        self.feedforward = Sequential(Linear(dim, hidden), GELU(), Dropout(dropout), Linear(hidden, dim))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, **where: Any) -> Tensor:
        """Mix, then transform, each as a correction that is added to x."""
        x = x + self.dropout(self.mixer(self.norm1(x), **where))
        return x + self.dropout(self.feedforward(self.norm2(x)))
