"""What NumPy's functions mean when they are given tensors.

NumPy asks a tensor what to do with `np.sum(x, axis=1)`; the answer is looked up here (and, for ufuncs such as `np.exp`,
where `op` registered them). Each line says in NumPy's signature which operation is meant, so that a rule or a
definition written with `np.*` works on arrays and on tensors alike. What is not listed works only on tensors that
do not require grad.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ShapeError
from .ops import elementwise, index, linalg, reduce, shape
from .tensor import Tensor, numpy_functions


def _only(name: str, **options: Any) -> None:
    """Refuse the options of a NumPy function that have no recorded form."""
    for option, value in options.items():
        if value is not None:
            raise TypeError(f"np.{name} with {option}= has no recorded form for tensors; call it without {option}=")


def _sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("sum", dtype=dtype, out=out)
    return reduce.sum(a, axis, keepdims)


def _mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("mean", dtype=dtype, out=out)
    return reduce.mean(a, axis, keepdims)


def _var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    _only("var", dtype=dtype, out=out)
    return reduce.var(a, axis, keepdim=keepdims, correction=ddof)


def _std(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    _only("std", dtype=dtype, out=out)
    return reduce.std(a, axis, keepdim=keepdims, correction=ddof)


def _prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("prod", dtype=dtype, out=out)
    return reduce.prod(a, axis, keepdims)


def _max(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("max", out=out)
    return reduce.amax(a, axis, keepdims)


def _min(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("min", out=out)
    return reduce.amin(a, axis, keepdims)


def _argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    _only("argmax", out=out)
    return reduce.argmax(a, axis, keepdims)


def _argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    _only("argmin", out=out)
    return reduce.argmin(a, axis, keepdims)


def _any(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("any", out=out)
    return reduce.any(a, axis, keepdims)


def _all(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    _only("all", out=out)
    return reduce.all(a, axis, keepdims)


def _along(x: Any, axis: int | None) -> tuple[Any, int]:
    return (shape.reshape(x, -1), 0) if axis is None else (x, axis)


def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    return shape.repeat_interleave(a, repeats, axis)


def _tile(a: Any, reps: Any) -> Any:
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    return shape.repeat(a, (1,) * (a.ndim - len(reps)) + reps)


def _pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    if mode != "constant":
        raise TypeError("np.pad of a tensor pads with a constant; see minigrad.pad for other modes")
    return shape.pad_constant(array, widths, constant_values)


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    a, axis = _along(a, axis)
    return index.getitem(a, index.along(axis, index.plain(indices), a.ndim))


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return elementwise.clamp(a, a_min if min is None else min, a_max if max is None else max)


def _einsum(subscripts: str, *operands: Any, optimize: Any = None) -> Any:
    return linalg.einsum(subscripts, *operands)


def _expand_dims(a: Any, axis: Any) -> Any:
    for d in sorted(axis) if isinstance(axis, (tuple, list)) else [axis]:
        a = shape.unsqueeze(a, d)
    return a


def _squeeze(a: Any, axis: Any = None) -> Any:
    if axis is not None and any(a.shape[d] != 1 for d in reduce.dims_of(axis, a.ndim)):
        raise ShapeError(f"np.squeeze: dimension {axis} of shape {a.shape} is not 1 long")
    return shape.squeeze(a, axis)


def _flip(m: Any, axis: Any = None) -> Any:
    return shape.flip(m, axis)


def _transpose(a: Any, axes: Any = None) -> Any:
    return shape.permute(a, tuple(range(a.ndim))[::-1] if axes is None else axes)


def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    if isinstance(source, int):
        return shape.movedim(a, source, destination)
    raise TypeError("np.moveaxis of a tensor moves one axis; see x.permute for several")


def _zeros_like(a: Any, dtype: Any = None) -> Tensor:
    return Tensor(np.zeros(a.shape, dtype or a.dtype))


def _ones_like(a: Any, dtype: Any = None) -> Tensor:
    return Tensor(np.ones(a.shape, dtype or a.dtype))


numpy_functions.update(
    {
        np.power: elementwise.pow,
        np.sum: _sum,
        np.mean: _mean,
        np.var: _var,
        np.std: _std,
        np.prod: _prod,
        np.max: _max,
        np.amax: _max,
        np.min: _min,
        np.amin: _min,
        np.argmax: _argmax,
        np.argmin: _argmin,
        np.argsort: lambda a, axis=-1, kind=None: index.argsort(a, axis),
        np.sort: lambda a, axis=-1, kind=None: index.sort(a, axis).values,
        np.any: _any,
        np.all: _all,
        np.cumsum: lambda a, axis=None: reduce.cumsum(*_along(a, axis)),
        np.cumprod: lambda a, axis=None: reduce.cumprod(*_along(a, axis)),
        np.clip: _clip,
        np.round: lambda a, decimals=0: elementwise.round(a, decimals),
        np.where: elementwise.where,
        np.reshape: lambda a, shape_: shape.reshape(a, shape_),
        np.ravel: lambda a: shape.reshape(a, -1),
        np.transpose: _transpose,
        np.swapaxes: lambda a, axis1, axis2: shape.transpose(a, axis1, axis2),
        np.moveaxis: _moveaxis,
        np.expand_dims: _expand_dims,
        np.squeeze: _squeeze,
        np.broadcast_to: lambda array, shape_: shape.expand(array, shape_),
        np.concatenate: lambda arrays, axis=0: shape.cat(arrays, axis),
        np.stack: lambda arrays, axis=0: shape.stack(arrays, axis),
        np.flip: _flip,
        np.roll: lambda a, shift, axis=None: shape.roll(a, shift, axis),
        np.repeat: _repeat,
        np.tile: _tile,
        np.pad: _pad,
        np.tril: lambda m, k=0: shape.tril(m, k),
        np.triu: lambda m, k=0: shape.triu(m, k),
        np.diagonal: lambda a, offset=0, axis1=0, axis2=1: shape.diagonal(a, offset, axis1, axis2),
        np.take: _take,
        np.take_along_axis: lambda arr, indices, axis=-1: index.take_along_dim(arr, indices, axis),
        np.dot: lambda a, b: linalg.matmul(a, b) if a.ndim and b.ndim <= 2 else linalg.tensordot(a, b, ((-1,), (-2,))),
        np.outer: lambda a, b: linalg.outer(shape.reshape(a, -1), shape.reshape(b, -1)),
        np.tensordot: lambda a, b, axes=2: linalg.tensordot(a, b, axes),
        np.einsum: _einsum,
        np.zeros_like: _zeros_like,
        np.ones_like: _ones_like,
        np.shape: lambda a: a.shape,
        np.ndim: lambda a: a.ndim,
        np.size: lambda a, axis=None: a.numel() if axis is None else a.shape[axis],
    }
)
