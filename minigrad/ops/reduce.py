"""Sums, products, extremes and running totals along dimensions.

`dim` is an int, a tuple of ints, or None or () for all dimensions; negative ones count from the end. With `keepdim` the
reduced dimensions stay, with length 1. With `dtype`, x is converted first. A rule here first brings g back to the rank
of x (`restore`) and lets broadcasting do the rest.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from .. import dtypes
from ..errors import DimError
from ..op import op, with_aliases
from ..sums import row_sums
from ..tensor import Tensor, as_dtype
from .elementwise import maximum, minimum, share

# What an argument `dim` may be.
Dim = int | tuple[int, ...] | list[int] | None


class Extremes(NamedTuple):
    """What `max(dim)`, `min(dim)`, `sort` and `topk` return: the values and where they were."""

    values: Any
    indices: Any


def dims_of(dim: Dim, ndim: int) -> tuple[int, ...]:
    """The dimensions that `dim` stands for, as numbers from 0."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, int) and -ndim <= dim < ndim:
        return (dim % ndim,)
    found = normalize_axis_tuple(dim, ndim or 1, allow_duplicate=True)
    if len(set(found)) < len(found):
        raise ValueError(f"dim={dim} names a dimension twice")
    return found


def dim_of(name: str, x: Any, dim: int) -> int:
    """The dimension of x that `dim` stands for, as a number from 0.

    **Raises** `DimError`, in the name of the function that asks, if there is no such dimension.
    """
    if not -x.ndim <= dim < x.ndim:
        raise DimError(
            f"{name}: there is no dimension {dim} in shape {x.shape}; dim goes from {-x.ndim} to {x.ndim - 1}"
        )
    return dim % x.ndim


def along(dim: int, index: Any, ndim: int) -> tuple[Any, ...]:
    """The index that applies `index` to dimension `dim` of `ndim` and takes all of the others."""
    return (slice(None),) * (dim % ndim) + (index,)


def count(shape: tuple[int, ...], dim: Dim) -> int:
    """How many entries of an array of this shape go into one entry of the result."""
    return math.prod(shape if dim is None or not shape else [shape[d] for d in dims_of(_axis(dim), len(shape))])


def restore(g: Any, shape: tuple[int, ...], dim: Dim) -> Any:
    """g, with the reduced dimensions back in place as length 1, so that it broadcasts against `shape`."""
    if g.ndim in (0, len(shape)):  # it does already
        return g
    gone = dims_of(_axis(dim), len(shape))
    return g.reshape(tuple([1 if d in gone else n for d, n in enumerate(shape)]))


def spread(g: Any, shape: tuple[int, ...], dim: Dim) -> Any:
    """g, repeated over the reduced dimensions."""
    g = restore(g, shape, dim)
    if isinstance(g, Tensor):
        return g.expand(shape)
    if math.prod(shape) > FEW:
        return np.broadcast_to(g, shape)
    out = np.empty(shape, g.dtype)
    out[...] = g
    return out


FEW = 1 << 15  # so many numbers are sooner written out than spread by `broadcast_to` and by whoever reads them


def _axis(dim: Dim) -> Any:
    """`dim` as NumPy wants it, for which () means no dimension at all."""
    return (tuple(dim) or None) if isinstance(dim, (tuple, list)) else dim


def _in(dtype: Any, x: Any) -> Any:
    """x in the dtype that was asked for, in its own if none was."""
    if dtype is None:
        return x
    if isinstance(dtype, str):
        raise TypeError(f"a dtype is needed, not the text {dtype!r}; say minigrad.float64")
    return x.astype(as_dtype(dtype), copy=False)


def _total(x: Any) -> Any:
    """What x is totalled in: bytes and booleans in int64, everything else as NumPy does."""
    return np.int64 if x.dtype.kind in "ub" else None


# ---- sums -----------------------------------------------------------------------------------------------------------


SHORT = 1024  # rows of so many numbers may be added up from left to right; NumPy adds longer ones more exactly


def _sum(x: Any, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The sum over `dim`."""
    x = _in(dtype, x)
    if x.ndim > 1 and dim in (-1, x.ndim - 1) and x.shape[-1] <= SHORT and x.dtype.char in "fd":
        return row_sums(x) if keepdim else row_sums(x)[..., 0]
    if x.dtype == np.float16:  # of which 2048 + 1 is 2048
        return x.sum(axis=_axis(dim), keepdims=keepdim, dtype=np.float32).astype(np.float16)
    return x.sum(axis=_axis(dim), keepdims=keepdim, dtype=_total(x))


def _mean(x: Any, dim: Dim = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The mean over `dim`: Σ x / n."""
    x = _in(dtype, x)
    if x.dtype.kind not in "fc":
        raise TypeError(f"the mean of {x.dtype} values is not {x.dtype}; convert first, as in x.float().mean()")
    if x.dtype.char not in "fd":  # float16 is to be added up in float32
        return np.mean(x, axis=_axis(dim), keepdims=keepdim)
    return _sum(x, dim, keepdim) / _or_nan(count(x.shape, dim))


def _var(x: Any, dim: Dim = None, correction: float = 1, keepdim: bool = False) -> Any:
    """The variance over `dim`: Σ (x − mean)² / (n − correction)."""
    if x.dtype.char not in "fd":
        return np.var(x, axis=_axis(dim), ddof=correction, keepdims=keepdim)
    centred = x - _mean(x, dim, True)
    return _sum(centred * centred, dim, keepdim) / _or_nan(count(x.shape, dim) - correction)


def _var_rule(g: Any, x: Any, dim: Dim, correction: float) -> Any:
    centred = x - mean(x, dim, True)
    return restore(g * (2 / _or_nan(count(x.shape, dim) - correction)), x.shape, dim) * centred


def _std(x: Any, dim: Dim = None, correction: float = 1, keepdim: bool = False) -> Any:
    """The standard deviation over `dim`: the square root of `var`; where it is 0, so is its gradient."""
    return np.sqrt(_var(x, dim, correction, keepdim))


def _std_rule(g: Any, x: Any, out: Any, dim: Dim, correction: float) -> Any:
    return _var_rule(g / np.where(out == 0, math.inf, 2 * out), x, dim, correction)


def _or_nan(n: float) -> float:
    return n if n > 0 else math.nan


sum = op(_sum, "sum", x=lambda g, shape, dim: spread(g, shape, dim))
mean = op(_mean, "mean", x=lambda g, shape, dim: spread(g / count(shape, dim), shape, dim))
_variance = op(_var, "var", x=_var_rule)
_deviation = op(_std, "std", x=_std_rule)


@with_aliases
def var(x: Any, dim: Dim = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float = 1) -> Any:
    """The variance over `dim`: Σ (x − mean)² / (n − correction); `unbiased=False` means correction 0."""
    dim, correction = _pytorch_variance(dim, unbiased, correction)
    return _variance(x, dim, correction, keepdim)


@with_aliases
def std(x: Any, dim: Dim = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float = 1) -> Any:
    """The standard deviation over `dim`: the square root of `var`; where it is 0, so is its gradient."""
    dim, correction = _pytorch_variance(dim, unbiased, correction)
    return _deviation(x, dim, correction, keepdim)


def _pytorch_variance(dim: Any, unbiased: bool | None, correction: float) -> tuple[Dim, float]:
    if isinstance(dim, bool):  # PyTorch's var(unbiased)
        dim, unbiased = None, dim
    return dim, correction if unbiased is None else float(unbiased)


# ---- products -------------------------------------------------------------------------------------------------------


def _prod(x: Any, dim: int, keepdim: bool = False, dtype: Any = None) -> Any:
    """The product over one dimension."""
    x = _in(dtype, x)
    return x.prod(axis=dim, keepdims=keepdim, dtype=_total(x))


def _prod_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    """g times the product of the others: out / x, or, where x has a zero, multiplied out without each entry in turn."""
    g = restore(g, x.shape, dim)
    if x.all():
        return g * restore(out, x.shape, dim) / x
    others = np.where(np.eye(x.shape[dim], dtype=bool), 1, _rows(x, dim))  # row i: x with a 1 in place of x_i
    return g * np.moveaxis(_product(others, -1), -1, dim)


def _rows(x: Any, dim: int) -> Any:
    """x with `dim` last and a new dimension before it, along which the same row stands again and again."""
    return np.expand_dims(np.moveaxis(x, dim, -1), -2)


_product = op(_prod, "prod", x=_prod_rule)


@with_aliases
def prod(x: Any, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over `dim`; its gradient is right where entries are 0, too.

    >>> x = Tensor([2.0, 0.0, 5.0], requires_grad=True)
    >>> prod(x).backward()
    >>> x.grad
    tensor([ 0., 10.,  0.])
    """
    if not x.ndim:
        return sum(x, dtype=dtype)
    for d in sorted(dims_of(_axis(dim), x.ndim), reverse=True):
        x = _product(x, d, keepdim, dtype)
    return x


# ---- running totals -------------------------------------------------------------------------------------------------


def _reversed_cumsum(g: Any, dim: int) -> Any:
    backwards = along(dim, slice(None, None, -1), g.ndim)
    return g[backwards].cumsum(dim)[backwards]


def _cumsum(x: Any, dim: int, dtype: Any = None) -> Any:
    """Running sums: yᵢ = x₀ + … + xᵢ."""
    x = _in(dtype, x)
    return x.cumsum(axis=dim, dtype=_total(x))


def _cumprod(x: Any, dim: int, dtype: Any = None) -> Any:
    """Running products: yᵢ = x₀ · … · xᵢ."""
    x = _in(dtype, x)
    return x.cumprod(axis=dim, dtype=_total(x))


def _cumprod_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    """Σ over i ≥ k of gᵢ yᵢ / x_k, or, where x has a zero, with yᵢ multiplied out without x_k."""
    if x.all():
        return _reversed_cumsum(g * out, dim) / x
    k, i, j = np.ogrid[: x.shape[dim], : x.shape[dim], : x.shape[dim]]
    without = _product(np.where((j <= i) & (j != k), np.expand_dims(_rows(x, dim), -2), 1), -1)  # (…, k, i)
    total = np.sum(_rows(g, dim) * np.where((j <= i)[0].T, without, 0), -1)  # over i ≥ k
    return np.moveaxis(total, -1, dim)


cumsum = op(_cumsum, "cumsum", x=lambda g, dim: _reversed_cumsum(g, dim))
cumprod = op(_cumprod, "cumprod", x=_cumprod_rule)

# ---- extremes -------------------------------------------------------------------------------------------------------


def _amax(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The greatest entry over `dim`; entries that tie share the gradient equally."""
    return _some(x, dim).max(axis=_axis(dim), keepdims=keepdim)


def _amin(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The least entry over `dim`; entries that tie share the gradient equally."""
    return _some(x, dim).min(axis=_axis(dim), keepdims=keepdim)


def _shared(g: Any, x: Any, out: Any, dim: Dim) -> Any:
    """g, shared equally by the entries of x that equal the result."""
    reached = x == restore(out, x.shape, dim)
    return restore(g, x.shape, dim) / reached.sum(axis=_axis(dim), keepdims=True, dtype=g.dtype) * reached


def _some(x: Any, dim: Dim) -> Any:
    if 0 in x.shape and not count(x.shape, dim):
        raise ValueError(f"shape {x.shape} over dim {dim} has no entries to choose from")
    return x


amax = op(_amax, "amax", x=_shared)
amin = op(_amin, "amin", x=_shared)


def _argmax(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the greatest entry is along `dim` (in the flattened tensor if None); the first one where several tie."""
    return _some(x, dim).argmax(axis=dim, keepdims=keepdim)


def _argmin(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the least entry is along `dim` (in the flattened tensor if None); the first one where several tie."""
    return _some(x, dim).argmin(axis=dim, keepdims=keepdim)


argmax = op(_argmax, "argmax")
argmin = op(_argmin, "argmin")


@with_aliases
def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The greatest entry of all; with an int `dim`, (values, indices) along it; with a tensor, `maximum` of the two.

    Over all entries, ties share the gradient equally (as `amax` does); along a `dim` it goes to the index returned.

    >>> max(Tensor([[1.0, 3.0], [5.0, 2.0]]), dim=1).indices
    tensor([1, 0])
    """
    return _extreme(x, dim, keepdim, amax, argmax, maximum)


@with_aliases
def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The least entry of all; with an int `dim`, (values, indices) along it; with a tensor, `minimum` of the two.

    Over all entries, ties share the gradient equally (as `amin` does); along a `dim` it goes to the index returned.
    """
    return _extreme(x, dim, keepdim, amin, argmin, minimum)


def _extreme(x: Any, dim: Any, keepdim: bool, value: Any, where: Any, of_two: Any) -> Any:
    if dim is None:
        return value(x, None, keepdim)
    if isinstance(dim, (Tensor, np.ndarray)):
        return of_two(x, dim)
    indices = where(x, dim, True)
    values = np.take_along_axis(x, indices, dim)
    return Extremes(values, indices) if keepdim else Extremes(values.squeeze(dim), indices.squeeze(dim))


# ---- norms and logarithmic sums -------------------------------------------------------------------------------------


def _row_top(x: Any, dim: Dim) -> Any:
    """The greatest entry over `dim`, to subtract before exp so that nothing overflows; 0 where it is infinite.

    What is subtracted cancels wherever this is used, so it needs no gradient.
    """
    x = x if x.dtype.kind in "fc" else x.astype(dtypes.get_default_dtype())
    top = x.max(axis=_axis(dim), keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, 0)


FAINT, HUGE = math.exp(-8), math.exp(64)  # between these, a sum of exponentials is as exact as any


def _shifted_exp(x: np.ndarray, dim: Dim) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """What to subtract from each row of x along `dim` before exp; what is left; exp of that; and the sums of the rows.

    Any number near the greatest of a row serves, since it cancels. For most rows 0 does, as is seen from the sum; to
    find the greatest takes as long as all the rest. What is subtracted from a row depends on that row alone.
    """
    near: Any = False
    if x.dtype.char in "fd":
        with np.errstate(over="ignore"):
            e = np.exp(x)
            total = _sum(e, dim, True)
        if total.size and total.min() > FAINT and total.max() < HUGE:
            return 0.0, x, e, total
        near = (total > FAINT) & (total < HUGE)
    top = np.where(near, 0, _row_top(x, dim))
    left = x - top
    e = np.exp(left)
    return top, left, e, _sum(e, dim, True)


def _logsumexp(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """log Σ exp(x) over `dim`, without overflow; −inf where every entry is −inf."""
    top, left, _, total = _shifted_exp(x, dim)
    with np.errstate(divide="ignore"):
        out = np.log(total)
    if left is not x:
        out = out + top
    return out if keepdim else out.squeeze(_axis(dim))


def _logsumexp_rule(g: Any, x: Any, out: Any, dim: Dim) -> Any:
    """g times softmax(x), which is 0 where every entry is −inf."""
    return restore(g, x.shape, dim) * share(x, restore(out, x.shape, dim))


def _norm(x: Any, p: float, dim: Dim = None, keepdim: bool = False) -> Any:
    """(Σ |x|ᵖ)^(1/p) over `dim`; its gradient at 0 is 0."""
    if p == 2:
        return np.sqrt(_sum(x * x, dim, keepdim))
    return _sum(np.abs(x) ** p, dim, keepdim) ** (1 / p)


def _norm_rule(g: Any, x: Any, out: Any, p: float, dim: Dim) -> Any:
    """g · sign(x) · (|x| / norm)ᵖ⁻¹, which for p = 2 is x / norm."""
    length = restore(out, x.shape, dim)
    part = x / np.where(length == 0, 1, length)
    if p != 2:
        part = np.sign(x) * np.where(x == 0, 1, np.abs(part)) ** (p - 1)
    return restore(g, x.shape, dim) * part


row_top = op(_row_top, "row_top")
logsumexp = op(_logsumexp, "logsumexp", x=_logsumexp_rule)
_power_norm = op(_norm, "norm", x=_norm_rule)


@with_aliases
def norm(x: Any, p: float | str = 2, dim: Dim = None, keepdim: bool = False) -> Any:
    """The p-norm over `dim`, (Σ |x|ᵖ)^(1/p); `p` may be "fro" (2), inf or −inf (extremes), 0 (how many are not 0).

    >>> norm(Tensor([3.0, 4.0]))
    tensor(5.)
    """
    if p == math.inf:
        return amax(np.abs(x), dim, keepdim)
    if p == -math.inf:
        return amin(np.abs(x), dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p is a number or 'fro', not {p!r}")
    if p == 0:
        return sum(np.abs(np.sign(x)), dim, keepdim)
    return _power_norm(x, 2 if p == "fro" else p, dim, keepdim)


# ---- questions ------------------------------------------------------------------------------------------------------


def _any(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether any entry over `dim` is not 0."""
    return x.any(axis=_axis(dim), keepdims=keepdim)


def _all(x: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether no entry over `dim` is 0."""
    return x.all(axis=_axis(dim), keepdims=keepdim)


any = op(_any, "any")
all = op(_all, "all")
