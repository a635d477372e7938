"""The functions between linear maps, as layers: without them, layers upon layers would be one linear map.

All but `Softmax`, its relatives and `GLU` look at each entry by itself, whatever the shape. At a kink, the derivative
is that of the flat side where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

import minigrad
from minigrad import ShapeError, Tensor

from . import functional, init
from .module import Module, Parameter


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


class ReLU6(Hardtanh):
    """min(max(x, 0), 6); on the bounds the derivative is 0.

    Source: Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10" (2010).
    """

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)

    def extra_repr(self) -> str:
        """Nothing: the name says it."""
        return ""


class SELU(Module):
    """λ x where x > 0, else λ α (exp(x) − 1): with λ = 1.0507… and α = 1.6732…, mean 0 and variance 1 stay so.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017), arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.selu(input)


class CELU(ELU):
    """x where x > 0, else α (exp(x / α) − 1): an `ELU` whose derivative at 0 is 1 for every α.

    Source: Barron, "Continuously Differentiable Exponential Linear Units" (2017), arXiv:1704.07483.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.celu(input, self.alpha)


class PReLU(Module):
    """x where x > 0, else a x, with a trained slope a: one for all, or one for each of `num_parameters` channels.

    **Shapes**: any → the same; with several slopes (B, C, …). weight (1) or (C), initially `init`.

    **Raises** `ShapeError` if the number of channels is another.

    Source: He et al., "Delving Deep into Rectifiers" (2015), arXiv:1502.01852.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(minigrad.full((num_parameters,), float(init)))

    def reset_parameters(self) -> None:
        """Set the slopes to what they were at first."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """x where x > 0, else a x, with a drawn anew from U(lower, upper) for each entry; in evaluation, with their mean.

    **Raises** `ValueError` if `lower` is above `upper`.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations" (2015), arXiv:1505.00853.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        """The bounds of the slopes."""
        return f"lower={self.lower}, upper={self.upper}"


class Hardsigmoid(Module):
    """x / 6 + 1 / 2, cut off at 0 and 1: a sigmoid of straight lines."""

    forward = staticmethod(functional.hardsigmoid)


class Hardswish(Module):
    """x · hardsigmoid(x): a `SiLU` of straight lines and a parabola.

    Source: Howard et al., "Searching for MobileNetV3" (2019), arXiv:1905.02244.
    """

    forward = staticmethod(functional.hardswish)


class Mish(Module):
    """x · tanh(log(1 + exp(x))).

    Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function" (2019), arXiv:1908.08681.
    """

    forward = staticmethod(functional.mish)


class Softsign(Module):
    """x / (1 + |x|)."""

    forward = staticmethod(functional.softsign)


class Tanhshrink(Module):
    """x − tanh(x)."""

    forward = staticmethod(functional.tanhshrink)


class Hardshrink(Module):
    """x where |x| > `lambd`, else 0.

    **Raises** `ValueError` for a negative `lambd`.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if lambd < 0:
            raise ValueError(f"{type(self).__name__}: lambd is not negative, as {lambd} is")
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The threshold."""
        return f"{self.lambd}"


class Softshrink(Hardshrink):
    """x brought nearer to 0 by `lambd`, and 0 where |x| ≤ `lambd`.

    **Raises** `ValueError` for a negative `lambd`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.softshrink(input, self.lambd)


class Threshold(Module):
    """x where x > `threshold`, else `value`."""

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to each entry."""
        return functional.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The threshold and the value."""
        return f"threshold={self.threshold}, value={self.value}"


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


class Softmax2d(Module):
    """`Softmax` over the channels, in each place of a picture.

    **Shapes**: (B, C, H, W) or (C, H, W) → the same.

    **Raises** `ShapeError` for other shapes.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it to the channels."""
        if input.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: an input (C, H, W) or (B, C, H, W) is needed, not {input.shape}")
        return functional.softmax(input, -3)


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
