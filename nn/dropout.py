"""Dropout: in training, leave things out at random, so that nothing comes to rely on a single other."""

from __future__ import annotations

from minigrad import Tensor

from . import functional
from .module import Module


class Dropout(Module):
    """In training, each entry 0 with probability p and the others divided by 1 − p; in evaluation, x itself.

    **Shapes**: any → the same.

    **Raises** `ValueError` for a p outside [0, 1].

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014), JMLR 15.

    >>> import minigrad
    >>> layer = Dropout(0.5).eval()
    >>> layer(minigrad.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not (hasattr(p, "__float__") and 0 <= float(p) <= 1):
            raise ValueError(f"{type(self).__name__}: a probability is a number in [0, 1], unlike p = {p!r}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Drop entries, in training."""
        return functional.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """In training, each channel 0 with probability p, for all times alike; otherwise as `Dropout`.

    **Shapes**: (B, C, T) or (C, T) → the same.

    **Raises** `ValueError` for a p outside [0, 1], `ShapeError` for other shapes.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks" (2014), arXiv:1411.4280.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels, in training."""
        return functional.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(Dropout):
    """In training, each channel 0 with probability p, in all places alike; otherwise as `Dropout`.

    **Shapes**: (B, C, H, W) or (C, H, W) → the same.

    **Raises** `ValueError` for a p outside [0, 1], `ShapeError` for other shapes.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks" (2014), arXiv:1411.4280.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels, in training."""
        return functional.dropout2d(input, self.p, self.training, self.inplace)


class AlphaDropout(Module):
    """`Dropout` for networks of `SELU`, which leaves mean 0 and variance 1 as they are.

    **Shapes**: any → the same.

    **Raises** `ValueError` for a p outside [0, 1).

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017), arXiv:1706.02515.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"AlphaDropout: a probability lies in [0, 1), which p = {p} does not")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """Drop entries, in training."""
        return functional.alpha_dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
