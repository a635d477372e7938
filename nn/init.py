"""The values that parameters start from: every function here fills a tensor in place and returns it.

Fan-in is how many inputs one output of a layer depends on, fan-out how many outputs one input goes to. A layer that
keeps the variance of its inputs draws weights with variance gain² / fan.
"""

from __future__ import annotations

import math

import numpy as np

import minigrad
from minigrad import Generator, ShapeError, Tensor, no_grad


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draws from the uniform distribution on [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draws from the normal distribution."""
    return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draws from the normal distribution, drawn again until they lie in [a, b].

    **Raises** `ValueError` if less than one draw in a hundred would lie there.

    >>> bool((trunc_normal_(minigrad.zeros(7, 11), std=5.0).abs() <= 2).all())
    True
    """
    inside = (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2)))) / 2
    if inside < 0.01:
        raise ValueError(
            f"trunc_normal_: only {inside:.2g} of the normal distribution with mean {mean} and deviation {std} lies "
            f"in [{a}, {b}]; bring the range nearer to the mean, or use uniform_"
        )
    normal_(tensor, mean, std, generator)
    with no_grad():
        while (outside := (tensor < a) | (tensor > b)).any():
            tensor[outside] = normal_(minigrad.empty(int(outside.sum()), dtype=tensor.dtype), mean, std, generator)
    return tensor


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere."""
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, as far as it fits.

    **Raises** `ShapeError` for anything but a matrix.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: only a matrix can be the identity, not a tensor of shape {tensor.shape}")
    rows, columns = tensor.shape
    return tensor.copy_(minigrad.eye(rows, columns))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights must be larger so that variance survives the function that follows them.

    1 for "linear", "sigmoid" and convolutions, 5/3 for "tanh", √2 for "relu", √(2 / (1 + slope²)) for "leaky_relu" with
    slope `param` (0.01 if not given), 3/4 for "selu".

    **Raises** `ValueError` for any other function.

    >>> round(calculate_gain("relu"), 4)
    1.4142
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    linear = dict.fromkeys(("linear", "conv1d", "conv2d", "sigmoid"), 1.0)
    gains = {**linear, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: {nonlinearity!r} is not one of leaky_relu, {', '.join(gains)}")
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """(fan-in, fan-out) of a weight (out, in, *window)."""
    if tensor.ndim < 2:
        raise ShapeError(f"init: fan-in and fan-out need a weight (out, in, …), not a tensor of shape {tensor.shape}")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """U(−b, b) with b = gain · √(6 / (fan-in + fan-out)).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
    """
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, σ²) with σ = gain · √(2 / (fan-in + fan-out)); source as for `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is 'fan_in' or 'fan_out', not {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """U(−b, b) with b = gain · √(3 / fan); `a` is the slope of the leaky ReLU that follows.

    Source: He et al., "Delving Deep into Rectifiers" (2015), arXiv:1502.01852.
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """N(0, σ²) with σ = gain / √fan; source as for `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows (columns, if it is tall), times `gain`; more dimensions count as columns.

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks" (2013), arXiv:1312.6120.

    **Raises** `ShapeError` for fewer than two dimensions.

    >>> w = orthogonal_(minigrad.empty(2, 3))
    >>> minigrad.allclose(w @ w.T, minigrad.eye(2), atol=1e-6)
    True
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: at least 2 dimensions are needed, not shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draws = minigrad.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=minigrad.float64)
    q, r = np.linalg.qr(draws.numpy())
    q = q * np.sign(np.diag(r))  # so that every orthogonal matrix is equally likely
    return tensor.copy_(gain * (q if rows >= columns else q.T).reshape(tensor.shape))
