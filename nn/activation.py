"""The functions between linear maps, as layers: without them, layers upon layers would be one linear map.

All but `Softmax`, its relatives and `GLU` look at each entry by itself, whatever the shape.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad import Tensor

from . import functional
from .module import Module


class ReLU(Module):
    """max(x, 0); its derivative at 0 is 0."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """Whether it overwrites its input."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, else `negative_slope` · x.

    Source: Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models" (2013), ICML.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where x > 0, else α (exp(x) − 1).

    Source: Clevert, Unterthiner and Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units"
    (2015), arXiv:1511.07289.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """The scale."""
        return f"alpha={self.alpha}"


class GELU(Module):
    """x Φ(x), with Φ the normal distribution function; or its approximation with a "tanh".

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016), arXiv:1606.08415.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """Which of the two forms."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x · sigmoid(x), also called swish.

    Source: Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units" (2017), arXiv:1702.03118.
    """

    forward = staticmethod(functional.silu)


class Tanh(Module):
    """tanh(x)."""

    forward = staticmethod(functional.tanh)


class Sigmoid(Module):
    """1 / (1 + exp(−x))."""

    forward = staticmethod(functional.sigmoid)


class LogSigmoid(Module):
    """log(1 / (1 + exp(−x)))."""

    forward = staticmethod(functional.logsigmoid)


class Softplus(Module):
    """log(1 + exp(βx)) / β, and simply x where βx > `threshold`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """β and the threshold."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """x, cut off at `min_val` and `max_val`; on the bounds the derivative is 0."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The bounds."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class Softmax(Module):
    """exp(xᵢ) / Σⱼ exp(xⱼ) along `dim`: positive weights that sum to 1; a row of −inf gives zeros.

    >>> import minigrad
    >>> Softmax(dim=-1)(minigrad.tensor([5.0, 5.0]))
    tensor([0.5, 0.5])
    """

    def __init__(self, dim: int | None = -1) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dimension."""
        return functional.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of `Softmax`, exact where that would round to 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dimension."""
        return functional.log_softmax(input, self.dim)


class Softmin(Softmax):
    """`Softmax` of −x: the smallest entry weighs most."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it along the dimension."""
        return functional.softmin(input, self.dim)


class GLU(Module):
    """a · sigmoid(b), for the halves a and b of x along `dim`.

    **Shapes**: (…, 2 D, …) → (…, D, …).

    **Raises** `ShapeError` if the dimension has an odd length.

    Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks" (2016), arXiv:1612.08083.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Let one half through the gate of the other."""
        return functional.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class Flatten(Module):
    """Dimensions `start_dim` to `end_dim` (inclusive) as one; by default all but the batch.

    >>> import minigrad
    >>> Flatten()(minigrad.ones(2, 3, 5)).shape
    (2, 15)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Join the dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Dimension `dim` as several, of the sizes `unflattened_size`, one of which may be −1."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """Split the dimension."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The dimension and the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
