"""Random numbers, from one generator that `manual_seed` resets, so that every run can be repeated.

With this file one can draw tensors (`randn`, `rand`, `randint`, `randperm`, `normal`, `bernoulli`, `multinomial`), seed
them, and save and restore the state of the generator. Any of these takes `generator=` to draw from one of your own.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .creation import chosen, count, made, sizes
from .errors import ShapeError
from .tensor import Tensor, wrap


class Generator:
    """A source of random numbers (NumPy's PCG64) with a seed of its own.

    >>> g = Generator().manual_seed(0)
    >>> a = rand(2, generator=g)
    >>> b = rand(2, generator=g.manual_seed(0))
    >>> bool((a == b).all())
    True
    """

    def __init__(self, device: Any = None) -> None:
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`; the same seed gives the same numbers."""
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"manual_seed: a seed is a whole number from 0, not {seed!r}")
        self.seed = int(seed)
        vars(self).pop("numpy", None)
        return self

    @functools.cached_property
    def numpy(self) -> np.random.Generator:
        """NumPy's generator, made when the first number is drawn: loading `numpy.random` takes a while."""
        return np.random.default_rng(self.seed)

    def initial_seed(self) -> int:
        """The seed it began with."""
        return self.seed

    def get_state(self) -> dict[str, Any]:
        """Where the generator stands, as plain numbers that `minigrad.save` can write."""
        return dict(self.numpy.bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go back to a state that `get_state` returned."""
        self.numpy.bit_generator.state = state
        return self


default_generator = Generator().manual_seed(0)


def manual_seed(seed: int) -> Generator:
    """Seed the generator that everything random here draws from, unless it is given another one."""
    return default_generator.manual_seed(seed)


def get_rng_state() -> dict[str, Any]:
    """The state of the common generator."""
    return default_generator.get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Go back to a state that `get_rng_state` returned."""
    default_generator.set_state(state)


def _source(generator: Generator | None) -> np.random.Generator:
    return (default_generator if generator is None else generator).numpy


def randn(*shape: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None,
          requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Independent draws from the normal distribution with mean 0 and variance 1."""
    drawn = _source(generator).standard_normal(sizes(shape if size is None else (size,)))
    return made(np.asarray(drawn, chosen(dtype)), requires_grad, device)


def rand(*shape: Any, size: Any = None, generator: Generator | None = None, out: Tensor | None = None,
         dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Independent draws from the uniform distribution on [0, 1); with `out`, written into that tensor."""
    drawn = _source(generator).random(sizes(shape if size is None else (size,)))
    result = made(np.asarray(drawn, chosen(dtype)), requires_grad, device)
    return result if out is None else out.copy_(result)


def randn_like(input: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """`randn` in the shape and dtype of `input`."""
    return randn(*input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def rand_like(input: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """`rand` in the shape and dtype of `input`."""
    return rand(*input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def randint(low: int = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
            device: Any = None) -> Tensor:  # fmt: skip
    """Independent integers from `low` (0 if only `high` is given) up to, but not including, `high`.

    >>> randint(5, (2, 3)).shape
    (2, 3)
    """
    if size is None:
        low, high, size = 0, low, high
    if size is None or not all(isinstance(bound, (int, np.integer)) for bound in (low, high)):
        raise TypeError(f"randint: bounds and a size are needed, as in randint(0, 5, (2, 3)), not {low!r} and {high!r}")
    if high <= low:
        raise ValueError(f"randint: no integer lies from {low} up to, but not including, {high}")
    drawn = _source(generator).integers(low, high, sizes((size,)))
    return made(np.asarray(drawn, chosen(dtype or dtypes.int64)), device=device)


def randperm(n: int, *, generator: Generator | None = None, device: Any = None) -> Tensor:
    """The integers 0 … n−1 in random order."""
    return made(_source(generator).permutation(count("randperm", n)), device=device)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
           requires_grad: bool = False, device: Any = None) -> Tensor:  # fmt: skip
    """Draws from normal distributions with the given means and standard deviations (tensors or numbers)."""
    if size is None:
        size = np.broadcast_shapes(np.shape(mean), np.shape(std))
    drawn = randn(size=size, generator=generator, dtype=dtype, device=device) * std + mean
    return drawn.requires_grad_() if requires_grad else drawn


def bernoulli(p: Any, *, generator: Generator | None = None) -> Tensor:
    """1 with probability p, else 0, for each entry of p."""
    values = p.detach().array if isinstance(p, Tensor) else np.asarray(p, dtypes.get_default_dtype())
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ValueError(f"bernoulli: probabilities lie in [0, 1], not in [{values.min()}, {values.max()}]")
    return wrap((_source(generator).random(values.shape) < values).astype(values.dtype))


def happens(p: float, shape: tuple[int, ...]) -> np.ndarray:
    """True with probability p, for each entry by itself: where 32 random bits, read as a number, lie below p · 2³².

    Of the common generator; half the price of comparing random floats.

    >>> happens(1.0, (2,)).tolist()
    [True, True]
    """
    n = math.prod(shape)
    bits = default_generator.numpy.bit_generator.random_raw((n + 1) // 2).view(np.uint32)[:n]
    return (bits < round(p * 2**32)).reshape(shape)


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *,
                generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Positions drawn with probability proportional to the input, (K) → (num_samples) or (N, K) → (N, num_samples).

    **Raises** `ShapeError` for other shapes; `ValueError` for negative weights, weights that are all 0, or more draws
    without replacement than there are weights above 0.
    """
    if input.ndim not in (1, 2):
        raise ShapeError(f"multinomial: weights (K) or (N, K) are needed, not {input.shape}")
    num_samples = count("multinomial", num_samples)
    rows = np.atleast_2d(input.detach().array).astype(np.float64)
    if not (np.isfinite(rows).all() and (rows >= 0).all() and (rows.sum(1) > 0).all()):
        raise ValueError("multinomial: weights are finite and not negative, and each row has one above 0")
    if not replacement and (rows > 0).sum(1).min() < num_samples:
        raise ValueError(
            f"multinomial: {num_samples} draws without replacement from {(rows > 0).sum(1).min()} weights above 0"
        )
    source = _source(generator)
    drawn = [source.choice(len(row), num_samples, replacement, row / row.sum()) for row in rows]
    return wrap(np.array(drawn).reshape(*input.shape[:-1], num_samples))


def shuffle_order(n: int, generator: Generator | None = None) -> Sequence[int]:
    """The integers 0 … n−1 in random order, as Python ints."""
    return _source(generator).permutation(n).tolist()
