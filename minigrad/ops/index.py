"""Picking entries out and putting entries in.

The operations here come in pairs that are each other's derivative: taking `x[index]` and adding into zeros at `index`
(`getitem` and `put`), collecting along a dimension and distributing along it (`gather` and `scatter_add`). An entry
that is picked twice collects two gradients; of two values assigned to one place, the one that is overwritten gets none.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import gt
from typing import Any

import numpy as np

from .. import memory
from ..errors import DimError, ShapeError
from ..op import op, with_aliases
from ..tensor import Tensor
from .reduce import Extremes, along, dim_of

# ---- x[index] -------------------------------------------------------------------------------------------------------


BASIC = frozenset({int, slice, type(None), type(...)})  # what most indices consist of


def plain(index: Any) -> Any:
    """The index that a user wrote, as NumPy wants it: no tensors, no lists, booleans as arrays."""
    if type(index) in BASIC:
        return index
    if isinstance(index, tuple):
        if BASIC.issuperset(map(type, index)):
            return index
        parts = map(plain, index)  # arrays are copied: a backward pass may need them after the caller changed them
        return tuple(part.copy() if isinstance(part, np.ndarray) else part for part in parts)
    if isinstance(index, Tensor):
        index = index.array
    if isinstance(index, (list, range)):
        index = np.array([plain(part) for part in index], dtype=None if len(index) else np.int64)
    if isinstance(index, np.ndarray):
        if index.dtype.kind not in "iub":
            raise DimError(f"indexing: an index holds integers or booleans, not {index.dtype}; convert it with .long()")
        return np.asarray(index, order="C")  # so that "the last one" of repeated indices means the same in any layout
    if index is None or index is Ellipsis or isinstance(index, (slice, np.integer, int, np.bool_)):
        return index
    if hasattr(index, "__index__"):
        return index.__index__()
    raise TypeError(
        f"indexing: {type(index).__name__} is no index; use integers, slices, None, ..., or tensors of them"
    )


def _is_basic(index: Any) -> bool:
    """Whether NumPy answers `x[index]` with a view: integers, slices, None and Ellipsis only."""
    if isinstance(index, np.ndarray):
        return False
    parts = index if isinstance(index, tuple) else (index,)
    return BASIC.issuperset(map(type, parts)) or not any(
        isinstance(part, (np.ndarray, list, bool, np.bool_)) for part in parts
    )


def _getitem(x: Any, index: Any) -> Any:
    """The entries of x at `index`."""
    try:
        out = x[index]
    except IndexError as error:
        raise DimError(f"indexing: {error} (the tensor has shape {x.shape})") from None
    if isinstance(out, np.ndarray):
        return out
    return x[(*index, ...) if isinstance(index, tuple) else (index, ...)]  # a 0-d view where x[index] is a mere number


filled = memory.Notes()  # of the zeros that `put` made: where in them it put something, for those who look for it


def _put(x: Any, sizes: tuple[int, ...], index: Any) -> Any:
    """Zeros of shape `sizes` to which x is added at `index`; where an entry is named twice, both are added."""
    out = np.zeros(sizes, x.dtype)
    if _is_basic(index):
        out[index] = x
        return out
    _add_at(out, x, sizes, index)
    if isinstance(index, np.ndarray) and index.dtype != bool:
        filled.write(out, index)
    return out


def _add_at(out: np.ndarray, x: Any, sizes: tuple[int, ...], index: Any) -> None:
    """out[index] += x, where an entry that is named twice gets both."""
    if _is_basic(index) or (isinstance(index, np.ndarray) and index.dtype == bool):
        out[index] += x
    elif isinstance(index, np.ndarray) and x.size > FEW:
        _add_rows(out, index, x)
    else:
        np.add.at(out, index, x)


FEW = 1024  # numbers are added soonest by NumPy's own function
SHORT = 128  # rows: to so short a table, as one of letters, a product with one-hot vectors adds faster


def _add_rows(out: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """out[rows] += values, counting repeated rows: first occurrences of all rows together, then second ones, …

    In each of these rounds a row is named at most once, so plain indexing adds all. What is left after three rounds (of
    frequent words, of the padding) is summed row by row.
    """
    values = np.broadcast_to(values, (*rows.shape, *out.shape[1:])).reshape(rows.size, *out.shape[1:])
    if not values.size:
        return
    rows = (rows.reshape(-1) % len(out)).astype(np.min_scalar_type(len(out)))  # 16 bits are sorted ten times as fast
    if len(out) <= SHORT and values.dtype.char in "fd":
        one_hot = np.zeros((rows.size, len(out)), values.dtype)
        one_hot[np.arange(rows.size), rows] = 1
        total = one_hot.T @ values.reshape(rows.size, -1)
        if np.isfinite(total).all():  # otherwise 0 · ∞ may have spread
            out += total.reshape(out.shape)
            return
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[starts, rows.size])
    occurrence = np.arange(rows.size) - np.repeat(starts, counts)
    for round in range(3):
        now = occurrence == round
        out[ordered[now]] += values[order[now]]
    rest = occurrence >= 3
    if rest.any():
        left = np.flatnonzero(occurrence[rest] == 3)  # where the rest of each row begins
        out[ordered[rest][left]] += np.add.reduceat(values[order[rest]], left, axis=0)


def _put_back(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """g where it came from, zeros elsewhere."""
    return put(g, shape, index)


# Where many pieces of one tensor are read, as the steps of a sequence are, zeros around each would cost too much.
_put_back.into = _add_at  # type: ignore[attr-defined]  # see `sweep`

_view = op(_getitem, "getitem", "view", x=_put_back)
_pick = op(_getitem, "getitem_array", "select", x=_put_back)
put: Callable[..., Any] = op(_put, "put", x=lambda g, index: getitem(g, index))


def getitem(x: Any, index: Any) -> Any:
    """x[index], for every index that NumPy understands, with tensors as indices too."""
    index = plain(index)
    return _view(x, index) if _is_basic(index) else _pick(x, index)


def _setitem(x: Any, index: Any, value: Any) -> Any:
    """A copy of x in which `value` stands at `index`."""
    out = x.copy()
    try:
        out[index] = value
    except IndexError as error:
        raise DimError(f"assignment: {error} (the tensor has shape {x.shape})") from None
    except ValueError:
        shape = np.shape(value)
        raise ShapeError(
            f"assignment: a value of shape {shape} does not fit into x[index] of shape {x[index].shape}"
        ) from None
    return out


def _not_overwritten(index: Any, sizes: tuple[int, ...]) -> np.ndarray | bool:
    """Which of the values assigned at `index` are still there: of several in one place, only one is."""
    if _is_basic(index):
        return True
    places = np.zeros(sizes, np.int64)
    turns = np.arange(places[index].size).reshape(places[index].shape)
    places[index] = turns
    return places[index] == turns


def _without(g: Any, index: Any) -> Any:
    """g, with zeros where something else was assigned."""
    return setitem(g, index, 0)


def _assigned(g: Any, index: Any) -> Any:
    """g at the index, with zeros for values that others assigned to the same place have overwritten."""
    return np.where(_not_overwritten(plain(index), g.shape), getitem(g, index), 0)


setitem = op(_setitem, "setitem", "select", x=_without, value=_assigned)

# ---- along a dimension ----------------------------------------------------------------------------------------------


def _mesh(index: np.ndarray, dim: int) -> tuple[Any, ...]:
    """The full index of which `index` is the part for dimension `dim`."""
    places = np.indices(index.shape, sparse=True)
    return (*places[:dim], index, *places[dim + 1 :])


def _gather(x: Any, dim: int, index: Any) -> Any:
    """y[i, j, k] = x[i, index[i, j, k], k] for dim = 1, and likewise for others."""
    return x[_mesh(*_checked("gather", x, dim, index))]


def _scatter_add(x: Any, dim: int, index: Any, src: Any) -> Any:
    """x, with src[i, j, k] added at [i, index[i, j, k], k] for dim = 1, and likewise for others."""
    index, dim = _checked("scatter_add", x, dim, index, src)
    out = x.copy()
    np.add.at(out, _mesh(index, dim), src[tuple(map(slice, index.shape))])
    return out


def _scatter(x: Any, dim: int, index: Any, src: Any) -> Any:
    """x, with src[i, j, k] (or one number) standing at [i, index[i, j, k], k] for dim = 1, and likewise for others."""
    index, dim = _checked("scatter", x, dim, index, src)
    out = x.copy()
    out[_mesh(index, dim)] = src if np.ndim(src) == 0 else src[tuple(map(slice, index.shape))]
    return out


def _checked(name: str, x: Any, dim: int, index: Any, src: Any = None) -> tuple[np.ndarray, int]:
    index = np.asarray(index, order="C")
    sizes = index.shape
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: the index holds integers, not {index.dtype}; convert it with .long()")
    if index.ndim != x.ndim:
        raise ShapeError(f"{name}: the index has shape {index.shape} and the tensor {x.shape}; the ranks must be equal")
    dim = dim_of(name, x, dim)
    if any(map(gt, sizes[:dim] + sizes[dim + 1 :], x.shape[:dim] + x.shape[dim + 1 :])):
        raise ShapeError(f"{name}: the index {index.shape} is larger than the tensor {x.shape} besides dimension {dim}")
    if src is not None and np.ndim(src) and (src.ndim != len(sizes) or any(map(gt, sizes, src.shape))):
        raise ShapeError(f"{name}: the index {sizes} is not within the source {src.shape}")
    return index, dim


def _gather_rule(g: Any, shape: tuple[int, ...], dim: int, index: Any) -> Any:
    return put(g, shape, _mesh(plain(index), dim % len(shape)))


def _first_entries(g: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of a source of which only the first entries were read, as many as the index has."""
    return g if g.shape == shape else put(g, shape, tuple(slice(0, n) for n in g.shape))


def _scatter_source(g: Any, dim: int, index: Any, shape: tuple[int, ...]) -> Any:
    """g at the index, with zeros for entries of the source that others in the same place have overwritten."""
    still_there = _not_overwritten(_mesh(plain(index), dim % g.ndim), g.shape)
    g = np.where(still_there, gather(g, dim, index), 0)
    return g if shape == () else _first_entries(g, shape)


gather = op(_gather, "gather", "select", x=_gather_rule)
scatter_add = op(_scatter_add, "scatter_add",
                 x=lambda g: g,
                 src=lambda g, dim, index, shape: _first_entries(gather(g, dim, index), shape))  # fmt: skip
_scatter_op: Callable[..., Any] = op(_scatter, "scatter", "select",
                                     x=lambda g, dim, index: _scatter_op(g, dim, index, 0),
                                     src=_scatter_source)  # fmt: skip


@with_aliases
def scatter(x: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """x, with `src` (a tensor, or a number also called `value`) at the places that `index` gives along `dim`.

    `reduce="add"` adds instead of replacing.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter: give src, a tensor or a number")
    if reduce not in (None, "add"):
        raise ValueError(f"scatter: reduce is None or 'add', not {reduce!r}")
    if reduce == "add":
        src = np.broadcast_to(src, index.shape) if np.ndim(src) == 0 else src
        return scatter_add(x, dim, index, src)
    return _scatter_op(x, dim, index, src)


@with_aliases
def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Any:
    """np.take_along_axis: `gather`, with the index broadcast against x in the other dimensions."""
    if dim is None:
        return getitem(np.reshape(x, -1), np.reshape(indices, -1))
    dim = dim_of("take_along_dim", x, dim)
    index = plain(indices)
    if index.ndim != x.ndim:
        raise ShapeError(
            f"take_along_dim: the index has shape {index.shape} and the tensor {x.shape}; equal ranks are needed"
        )
    before, after = (slice(dim), slice(dim + 1, None))
    if x.shape[before] != index.shape[before] or x.shape[after] != index.shape[after]:
        left, right = (np.broadcast_shapes(x.shape[part], index.shape[part]) for part in (before, after))
        x, index = (np.broadcast_to(a, (*left, a.shape[dim], *right)) for a in (x, index))
    return gather(x, dim, index)


@with_aliases
def index_select(x: Any, dim: int, index: Any) -> Any:
    """The entries of dimension `dim` at the positions in the 1-D `index`.

    >>> index_select(np.array([[1, 2, 3], [4, 5, 6]]), 1, np.array([2, 0])).tolist()
    [[3, 1], [6, 4]]
    """
    index = np.atleast_1d(plain(index))
    if index.ndim > 1:
        raise ShapeError(f"index_select: the index is 1-D, not {index.shape}; see gather, or x[index]")
    return getitem(x, along(dim_of("index_select", x, dim), index, x.ndim))


@with_aliases
def masked_select(x: Any, mask: Any) -> Any:
    """The entries of x where `mask` is True, in order, as a 1-D tensor."""
    mask = np.asarray(plain(mask))
    if mask.dtype != bool:
        raise TypeError(f"masked_select: mask must be boolean, not {mask.dtype}; write mask.bool() or mask != 0")
    if x.shape != mask.shape:
        sizes = np.broadcast_shapes(x.shape, mask.shape)
        x, mask = np.broadcast_to(x, sizes), np.broadcast_to(mask, sizes)
    return getitem(x, mask)


def index_add(x: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """x, with the entries of `source` along `dim` added at the positions in the 1-D `index`."""
    where = along(dim_of("index_add", x, dim), np.atleast_1d(plain(index)), x.ndim)
    return x + put(source * alpha if alpha != 1 else source, x.shape, where)


def _embedding(weight: Any, ids: Any, padding_idx: int | None = None) -> Any:
    """Row `ids[…]` of the weight for each id: the rows that a one-hot matrix product would pick."""
    if ids.dtype.kind not in "iu":
        raise TypeError(f"embedding: ids are integers, not {ids.dtype}; convert them with .long()")
    if ids.size and (ids.min() < 0 or ids.max() >= len(weight)):
        wrong = ids.min() if ids.min() < 0 else ids.max()
        raise DimError(f"embedding: id {wrong} is not among the {len(weight)} rows of the weight {weight.shape}")
    return weight[ids]


def _embedding_rule(g: Any, shape: tuple[int, ...], ids: Any, padding_idx: int | None) -> Any:
    """Each row collects the gradients of all places that picked it; the padding row collects none."""
    if padding_idx is not None:
        g = np.where(np.expand_dims(ids == padding_idx, -1), 0, g)
    return put(g, shape, ids)


embedding = op(_embedding, "embedding", weight=_embedding_rule)

# ---- order ----------------------------------------------------------------------------------------------------------


def _argsort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The order that sorts x along `dim`; equal entries keep their order."""
    if not descending:
        return x.argsort(axis=dim, kind="stable")
    backwards = along(dim_of("argsort", x, dim), slice(None, None, -1), x.ndim)
    return (x.shape[dim] - 1 - x[backwards].argsort(axis=dim, kind="stable"))[backwards].copy()


argsort = op(_argsort, "argsort")


@with_aliases
def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Extremes:
    """(values, indices) of x in order along `dim`; equal entries keep their order.

    >>> sort(np.array([3, 1, 2])).values.tolist()
    [1, 2, 3]
    """
    indices = argsort(x, dim, descending)
    return Extremes(take_along_dim(x, indices, dim), indices)


@with_aliases
def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extremes:
    """(values, indices) of the k largest (or smallest) entries along `dim`, the best first."""
    dim = dim_of("topk", x, dim)
    if not isinstance(k, (int, np.integer)):
        raise TypeError(f"topk: k is a whole number, not {k!r}")
    if not 0 <= k <= x.shape[dim]:
        raise DimError(f"topk: there are no {k} of the {x.shape[dim]} entries of dimension {dim} in shape {x.shape}")
    indices = getitem(argsort(x, dim, largest), along(dim, slice(0, k), x.ndim))
    return Extremes(take_along_dim(x, indices, dim), indices)


# ---- labels ---------------------------------------------------------------------------------------------------------


def one_hot(x: Any, num_classes: int = -1) -> Any:
    """For each label a row of zeros with a 1 at the label; shape (…) becomes (…, num_classes), as integers.

    >>> one_hot(Tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = plain_values(x)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels are integers, not {labels.dtype}; convert them with .long()")
    n = int(labels.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    if labels.size and not 0 <= labels.min() <= labels.max() < n:
        wrong = labels.max() if labels.max() >= n else labels.min()
        raise DimError(f"one_hot: label {wrong} is not among {n} classes (0 to {n - 1})")
    rows = (labels[..., None] == np.arange(n)).astype(np.int64)
    return Tensor(rows) if isinstance(x, Tensor) else rows


def nonzero(x: Any, as_tuple: bool = False) -> Any:
    """Where x is not 0: one row of indices for each place, or with `as_tuple` one tensor for each dimension."""
    found = np.nonzero(plain_values(x))
    return tuple(Tensor(part) for part in found) if as_tuple else Tensor(np.stack(found, -1))


@with_aliases
def unique(
    x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The different values of x in order; if asked for, which of them each entry is, and how often each occurs.

    With `dim`, what is compared are the slices at each place of that dimension. The values come in order either way.

    >>> unique(Tensor([[1, 2], [1, 2], [0, 3]]), dim=0)
    tensor([[0, 3],
            [1, 2]])
    """
    axis = None if dim is None else dim_of("unique", x, dim)
    found = np.unique(  # type: ignore[call-overload]  # NumPy's overloads know these flags only as constants
        plain_values(x), return_inverse=return_inverse, return_counts=return_counts, axis=axis
    )
    return tuple(map(Tensor, found)) if isinstance(found, tuple) else Tensor(found)


def plain_values(x: Any) -> np.ndarray:
    """The array of a tensor whose values only are looked at."""
    return x.array if isinstance(x, Tensor) else np.asarray(x)
