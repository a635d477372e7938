"""What NumPy's functions mean when they are given tensors.

NumPy asks a tensor what to do with `np.sum(x, axis=1)`; the answer is looked up here (and, for ufuncs such as `np.exp`,
where `op` registered them). Each line says in NumPy's words which operation is meant, so that a rule or a definition
written with `np.*` works on arrays and on tensors alike. Options that no line names have no recorded form and are
refused. What is not listed at all works only on tensors that do not require grad.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import ShapeError
from .methods import where
from .op import Signature
from .ops import elementwise, linalg, reduce
from .ops import index as indexing
from .ops import shape as shapes
from .tensor import Tensor, numpy_functions


def _refusing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with an error that names an option of the NumPy function `name` which it does not have."""
    known = set(Signature.of(function).names)

    def call(*args: Any, **options: Any) -> Any:
        for option in options.keys() - known:
            if options.pop(option) is not None:
                raise TypeError(f"np.{name} with {option}= has no recorded form for tensors; call it without {option}=")
        return function(*args, **options)

    return call


def _along(x: Any, axis: int | None) -> tuple[Any, int]:
    """x and the axis to work along: those of the flattened x where none is given."""
    return (shapes.reshape(x, -1), 0) if axis is None else (x, axis)


def _over(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction in NumPy's words, for which axis=() is no dimension at all and x stays as it is."""

    def call(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return a if isinstance(axis, tuple) and not axis else function(a, axis, keepdims)

    return call


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    return shapes.cat([shapes.reshape(x, -1) for x in arrays]) if axis is None else shapes.cat(arrays, axis)


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    a, axis = _along(a, axis)
    return indexing.getitem(a, indexing.along(reduce.dim_of("take", a, axis), indexing.plain(indices), a.ndim))


def _tile(A: Any, reps: Any) -> Any:
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    return shapes.repeat(A, (1,) * (A.ndim - len(reps)) + reps)


def _pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise TypeError("np.pad of a tensor pads with a constant; see minigrad.pad for other modes")
    return shapes.pad_constant(array, np.broadcast_to(pad_width, (array.ndim, 2)).tolist(), constant_values)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return elementwise.clamp(a, a_min if min is None else min, a_max if max is None else max)


def _expand_dims(a: Any, axis: Any) -> Any:
    for d in sorted(axis) if isinstance(axis, (tuple, list)) else [axis]:
        a = shapes.unsqueeze(a, d)
    return a


def _squeeze(a: Any, axis: Any = None) -> Any:
    if axis is not None and any(a.shape[d] != 1 for d in reduce.dims_of(axis, a.ndim)):
        raise ShapeError(f"np.squeeze: dimension {axis} of shape {a.shape} is not 1 long")
    return shapes.squeeze(a, axis)


def _transpose(a: Any, axes: Any = None) -> Any:
    return shapes.permute(a, tuple(range(a.ndim))[::-1] if axes is None else axes)


def _dot(a: Any, b: Any) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return elementwise.mul(a, b)
    return linalg.matmul(a, b) if np.ndim(b) <= 2 else linalg.tensordot(a, b, ((-1,), (-2,)))


MEANINGS: dict[Callable[..., Any], Callable[..., Any]] = {
    # ---- reductions
    np.sum: _over(reduce.sum),
    np.mean: _over(reduce.mean),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: reduce.var(a, axis, correction=ddof, keepdim=keepdims),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: reduce.std(a, axis, correction=ddof, keepdim=keepdims),
    np.prod: _over(reduce.prod),
    np.max: _over(reduce.amax),
    np.amax: _over(reduce.amax),
    np.min: _over(reduce.amin),
    np.amin: _over(reduce.amin),
    np.argmax: lambda a, axis=None, *, keepdims=False: reduce.argmax(a, axis, keepdims),
    np.argmin: lambda a, axis=None, *, keepdims=False: reduce.argmin(a, axis, keepdims),
    np.any: lambda a, axis=None, *, keepdims=False: reduce.any(a, axis, keepdims),
    np.all: lambda a, axis=None, *, keepdims=False: reduce.all(a, axis, keepdims),
    np.cumsum: lambda a, axis=None: reduce.cumsum(*_along(a, axis)),
    np.cumprod: lambda a, axis=None: reduce.cumprod(*_along(a, axis)),
    # ---- entry by entry
    np.clip: _clip,
    np.round: lambda a, decimals=0: elementwise.round(a, decimals),
    np.around: lambda a, decimals=0: elementwise.round(a, decimals),
    np.where: lambda condition, x=None, y=None: where(condition, x, y),
    # ---- shape
    np.copy: lambda a: shapes.clone(a),
    np.reshape: lambda a, shape: shapes.reshape(a, shape),
    np.ravel: lambda a: shapes.reshape(a, -1),
    np.transpose: _transpose,
    np.swapaxes: lambda a, axis1, axis2: shapes.transpose(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: shapes.movedim(a, source, destination),
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: lambda array, shape: shapes.expand(array, (shape,) if isinstance(shape, int) else shape),
    np.concatenate: _concatenate,
    np.stack: lambda arrays, axis=0: shapes.stack(arrays, axis),
    np.flip: lambda m, axis=None: shapes.flip(m, axis),
    np.roll: lambda a, shift, axis=None: shapes.roll(a, shift, axis),
    np.repeat: lambda a, repeats, axis=None: shapes.repeat_interleave(a, repeats, axis),
    np.tile: _tile,
    np.pad: _pad,
    np.tril: lambda m, k=0: shapes.tril(m, k),
    np.triu: lambda m, k=0: shapes.triu(m, k),
    np.diag: lambda v, k=0: shapes.diag(v, k),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: shapes.diagonal(a, offset, axis1, axis2),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.numel() if axis is None else a.shape[axis],
    np.zeros_like: lambda a, dtype=None: Tensor(np.zeros(a.shape, dtype or a.dtype)),
    np.ones_like: lambda a, dtype=None: Tensor(np.ones(a.shape, dtype or a.dtype)),
    # ---- indexing and order
    np.take: _take,
    np.take_along_axis: lambda arr, indices, axis=-1: indexing.take_along_dim(arr, indices, axis),
    np.argsort: lambda a, axis=-1, *, kind=None, stable=None: indexing.argsort(*_along(a, axis)),
    np.sort: lambda a, axis=-1, *, kind=None, stable=None: indexing.sort(*_along(a, axis)).values,
    # ---- products
    np.dot: _dot,
    np.outer: lambda a, b: linalg.outer(shapes.reshape(a, -1), shapes.reshape(b, -1)),
    np.tensordot: lambda a, b, axes=2: linalg.tensordot(a, b, axes),
    np.einsum: lambda subscripts, *operands, optimize=None: linalg.einsum(subscripts, *operands),
}

numpy_functions[np.power] = elementwise.pow
numpy_functions[np.reciprocal] = elementwise.reciprocal
numpy_functions.update({f: _refusing(f.__name__, meaning) for f, meaning in MEANINGS.items()})
