"""The same numbers in another arrangement: reshaping, reordering, repeating, joining, cutting.

Each of these moves entries and computes nothing, so each rule moves the gradient's entries back: the rule of a reshape
is a reshape, the rule of a flip is a flip. Where an entry was copied, its gradient is the sum over its copies, which
broadcasting leaves to the sweep.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DimError, ShapeError
from ..op import op, with_aliases
from ..tensor import Tensor
from .index import _view, along, getitem
from .reduce import Dim, dim_of, dims_of

# ---- other shapes, same order ---------------------------------------------------------------------------------------


def _reshape(x: Any, sizes: Any) -> Any:
    """The entries in the same order in another shape; one size may be −1, meaning "what is left"."""
    sizes = (sizes,) if isinstance(sizes, (int, np.integer)) else tuple(sizes)
    try:
        if min(sizes, default=0) >= -1:
            return x.reshape(sizes)
    except ValueError:
        pass
    raise ShapeError(f"reshape: {x.size} entries of shape {x.shape} do not fit into shape {sizes}")


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions `start_dim` to `end_dim` (inclusive) as one."""
    if not x.ndim:
        return x.reshape((1,))
    (start,), (end,) = dims_of(start_dim, x.ndim), dims_of(end_dim, x.ndim)
    if start > end:
        raise DimError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in shape {x.shape}")
    return x.reshape((*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def _unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Dimension `dim` as several of the given `sizes`, of which one may be −1."""
    (dim,) = dims_of(dim, x.ndim)
    known = math.prod([n for n in sizes if n != -1])
    if known != x.shape[dim] if -1 not in sizes else (not known or x.shape[dim] % known):
        raise ShapeError(f"unflatten: dimension {dim} of shape {x.shape} cannot be split into sizes {tuple(sizes)}")
    left = [x.shape[dim] // known if n == -1 else n for n in sizes]
    return x.reshape((*x.shape[:dim], *left, *x.shape[dim + 1 :]))


def _squeeze(x: Any, dim: Dim = None) -> Any:
    """Without the dimensions of length 1 (all of them, or those of `dim` that have length 1)."""
    return x.squeeze(tuple([d for d in dims_of(dim, x.ndim) if x.ndim and x.shape[d] == 1]))


def _unsqueeze(x: Any, dim: int) -> Any:
    """With a new dimension of length 1 at `dim`."""
    (place,) = dims_of(dim, x.ndim + 1)
    return x.reshape((*x.shape[:place], 1, *x.shape[place:]))


def _clone(x: Any) -> Any:
    """A copy in new memory."""
    return np.array(x)


def _back(g: Any, shape: tuple[int, ...]) -> Any:
    return g.reshape(shape)


reshape = op(_reshape, "reshape", "view", x=_back)
flatten = op(_flatten, "flatten", "view", x=_back)
unflatten = op(_unflatten, "unflatten", "view", x=_back)
squeeze = op(_squeeze, "squeeze", "view", x=_back)
unsqueeze = op(_unsqueeze, "unsqueeze", "view", x=_back)
clone = op(_clone, "clone", x=lambda g: g)

# ---- other orders ---------------------------------------------------------------------------------------------------


def _permute(x: Any, dims: Sequence[int]) -> Any:
    """The dimensions in the order `dims`."""
    if len(dims) != x.ndim or len(set(dims_of(tuple(dims), x.ndim))) < x.ndim:
        raise DimError(f"permute: dims {tuple(dims)} must name each of the {x.ndim} dimensions of {x.shape} once")
    return x.transpose(dims)


def _inverse(dims: Sequence[int]) -> list[int]:
    """The order that undoes the order `dims`."""
    ndim = len(dims)
    return sorted(range(ndim), key=lambda place: dims[place] % ndim)


def _transpose(x: Any, dim0: int, dim1: int) -> Any:
    """Dimensions `dim0` and `dim1` exchanged."""
    return x.swapaxes(dim0, dim1)


def _flip(x: Any, dims: Dim) -> Any:
    """The entries in reverse order along `dims`."""
    return np.flip(x, dims_of(dims, x.ndim)).copy()


def _roll(x: Any, shifts: Any, dims: Any = None) -> Any:
    """The entries moved on by `shifts` along `dims`, those that fall off the end coming in at the start."""
    if dims is not None and np.size(shifts) != np.size(dims):
        raise ShapeError(f"roll: shifts {shifts} and dims {dims} go together, one of each; there are not equally many")
    return np.roll(x, shifts, dims)


def _roll_rule(g: Any, shifts: Any, dims: Any) -> Any:
    return np.roll(g, -shifts if isinstance(shifts, int) else tuple(-s for s in shifts), dims)


permute = op(_permute, "permute", "view", x=lambda g, dims: np.transpose(g, _inverse(dims)))
transpose = op(_transpose, "transpose", "view", x=lambda g, dim0, dim1: g.swapaxes(dim0, dim1))
flip = op(_flip, "flip", x=lambda g, dims: np.flip(g, dims))
roll = op(_roll, "roll", x=_roll_rule)


@with_aliases
def movedim(x: Any, source: Any, destination: Any) -> Any:
    """Dimension `source` (or several) moved to place `destination` (as many), the others in their order."""
    pairs = zip(*(d if isinstance(d, (tuple, list)) else (d,) for d in (source, destination)), strict=True)
    moves = {dim_of("movedim", x, to): dim_of("movedim", x, where) for where, to in pairs}
    order = [d for d in range(x.ndim) if d not in moves.values()]
    for to in sorted(moves):
        order.insert(to, moves[to])
    return permute(x, order)


def t(x: Any) -> Any:
    """The transpose of a matrix; of a vector or number, itself."""
    if x.ndim > 2:
        raise DimError(f"t: a tensor of at most 2 dimensions is needed, not {x.shape}; use x.mT or x.transpose(-2, -1)")
    return transpose(x, 0, 1) if x.ndim == 2 else x


# ---- parts ----------------------------------------------------------------------------------------------------------


def _tril(x: Any, diagonal: int = 0) -> Any:
    """The matrix on and below the given diagonal, with zeros above."""
    return np.tril(_matrix("tril", x), diagonal)


def _triu(x: Any, diagonal: int = 0) -> Any:
    """The matrix on and above the given diagonal, with zeros below."""
    return np.triu(_matrix("triu", x), diagonal)


def _matrix(name: str, x: Any) -> Any:
    if x.ndim < 2:
        raise ShapeError(f"{name}: a matrix or a stack of them is needed, not {x.shape}")
    return x


def _diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of dimensions `dim1` and `dim2`, as a last dimension."""
    view = np.diagonal(x, offset, dim1, dim2)
    if view.base is not None and x.flags.writeable:
        view.flags.writeable = True  # NumPy's is read-only out of caution; ours is a view like any other
    return view


def _on_diagonal(x: Any, sizes: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Any:
    """Zeros of shape `sizes` with x on the diagonal of dimensions `dim1` and `dim2`."""
    out = np.zeros(sizes, x.dtype)
    _diagonal(out, offset, dim1, dim2)[...] = x
    return out


tril = op(_tril, "tril", x=lambda g, diagonal: np.tril(g, diagonal))
triu = op(_triu, "triu", x=lambda g, diagonal: np.triu(g, diagonal))
diagonal = op(_diagonal, "diagonal", "view",
              x=lambda g, shape, offset, dim1, dim2: on_diagonal(g, shape, offset, dim1, dim2))  # fmt: skip
on_diagonal: Callable[..., Any] = op(
    _on_diagonal, "on_diagonal", x=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2)
)


def diag(x: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix; of a vector, the matrix with that diagonal."""
    if x.ndim not in (1, 2):
        raise ShapeError(f"diag: a vector or a matrix is needed, not {x.shape}; see diagonal")
    if x.ndim == 2:
        return clone(x.diagonal(diagonal))
    n = len(x) + abs(diagonal)
    return on_diagonal(x, (n, n), diagonal, 0, 1)


@with_aliases
def narrow(x: Any, dim: int, start: int, length: int) -> Any:
    """`length` entries of dimension `dim`, from `start` on."""
    size = x.shape[dim_of("narrow", x, dim)]
    first = start + size if start < 0 else start
    if first < 0 or length < 0 or first + length > size:
        raise DimError(
            f"narrow: entries {start} to {start + length} do not exist in dimension {dim} of shape {x.shape}"
        )
    return _view(x, along(dim, slice(first, first + length), x.ndim))


@with_aliases
def split(x: Any, split_size: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """x cut along `dim` into pieces of `split_size` (the last may be shorter), or of the sizes listed.

    **Raises** `ShapeError` if listed sizes do not add up to the length of the dimension.
    """
    n = x.shape[dim_of("split", x, dim)]
    if isinstance(split_size, (int, np.integer)):
        if split_size <= 0:
            raise ShapeError(f"split: pieces of {split_size} entries cannot fill dimension {dim} of shape {x.shape}")
        sizes = [min(split_size, n - start) for start in range(0, n, split_size)] or [0]
    else:
        sizes = list(split_size)
    if sum(sizes) != n:
        raise ShapeError(f"split: sizes {sizes} add up to {sum(sizes)}, but dimension {dim} of {x.shape} has {n}")
    cuts = itertools.pairwise([0, *itertools.accumulate(sizes)])
    return tuple([_view(x, along(dim, slice(start, stop), x.ndim)) for start, stop in cuts])


@with_aliases
def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """x cut along `dim` into `chunks` pieces of equal size (the last may be shorter)."""
    if not isinstance(chunks, (int, np.integer)) or chunks < 1:
        raise ShapeError(f"chunk: a whole number of pieces is needed, at least 1, not {chunks!r}")
    return split(x, math.ceil(x.shape[dim_of("chunk", x, dim)] / chunks) or [0] * chunks, dim)


@with_aliases
def unbind(x: Any, dim: int = 0) -> tuple[Any, ...]:
    """The entries of dimension `dim`, one by one."""
    return tuple([_view(x, along(dim, i, x.ndim)) for i in range(x.shape[dim_of("unbind", x, dim)])])


def select(x: Any, dim: int, index: int) -> Any:
    """Entry `index` of dimension `dim`."""
    return _view(x, along(dim_of("select", x, dim), int(index), x.ndim))


# ---- copies ---------------------------------------------------------------------------------------------------------


def _broadcast_to(x: Any, sizes: Sequence[int]) -> Any:
    """x as if its entries stood repeatedly in shape `sizes`; −1 keeps a size."""
    sizes = tuple(sizes)
    extra = len(sizes) - x.ndim
    if extra > 0 and -1 in sizes[:extra]:
        raise ShapeError(f"expand: −1 keeps a size, but {sizes} has it where shape {x.shape} has no dimension")
    wanted = sizes
    if extra >= 0 and -1 in sizes:
        wanted = (*sizes[:extra], *[n if m == -1 else m for n, m in zip(x.shape, sizes[extra:], strict=True)])
    try:
        return np.broadcast_to(x, wanted)
    except ValueError:
        raise ShapeError(
            f"expand: shape {x.shape} cannot be spread to {sizes}: the last sizes must be equal, or 1 in the tensor"
        ) from None


def _repeat(x: Any, repeats: Sequence[int]) -> Any:
    """The whole of x, repeated `repeats[d]` times along each dimension d."""
    if len(repeats) < x.ndim:
        raise ShapeError(f"repeat: {len(repeats)} numbers {tuple(repeats)} for the {x.ndim} dimensions of {x.shape}")
    return np.tile(x, repeats)


def _repeat_rule(g: Any, shape: tuple[int, ...], repeats: Sequence[int]) -> Any:
    """The sum over the copies: each dimension of g is (copy, entry)."""
    shape = (1,) * (len(repeats) - len(shape)) + shape
    pairs = [size for pair in zip(repeats, shape, strict=True) for size in pair]
    return g.reshape(pairs).sum(tuple(range(0, len(pairs), 2)))


expand = op(_broadcast_to, "expand", "view", x=lambda g: g)
repeat = op(_repeat, "repeat", x=lambda g, shape, repeats: _repeat_rule(g, shape, repeats).reshape(shape))


@with_aliases
def repeat_interleave(x: Any, repeats: Any = None, dim: int | None = None) -> Any:
    """Each entry of dimension `dim` repeated: `repeats` times, or as often as `repeats` says for it.

    With x alone: each position, repeated as often as x says for it.

    >>> repeat_interleave(np.array([7, 8]), 2).tolist()
    [7, 7, 8, 8]
    """
    if repeats is None:
        return repeat_interleave(Tensor(np.arange(len(x))), x)
    if dim is None:
        x, dim = flatten(x), 0
    dim = dim_of("repeat_interleave", x, dim)
    counts = np.asarray(repeats)
    if counts.ndim and counts.size not in (1, x.shape[dim]):
        raise ShapeError(f"repeat_interleave: {counts.size} repeats for the {x.shape[dim]} entries of dimension {dim}")
    return getitem(x, along(dim, np.repeat(np.arange(x.shape[dim]), counts), x.ndim))


# ---- joining --------------------------------------------------------------------------------------------------------


def _cat(*xs: Any, dim: int, cuts: Sequence[int]) -> Any:
    return np.concatenate(xs, axis=dim)


def _stack(*xs: Any, dim: int) -> Any:
    new = along(dim, None, xs[0].ndim + 1)
    return np.concatenate([x[new] for x in xs], axis=dim)


_concatenate = op(_cat, "cat", xs=lambda g, dim, cuts, i: g[along(dim, slice(cuts[i], cuts[i + 1]), g.ndim)])
_pile = op(_stack, "stack", xs=lambda g, dim, i: g[along(dim, i, g.ndim)])


@with_aliases
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """The tensors one after another along dimension `dim`; their other sizes must agree. Tensors of shape (0,) fit all.

    >>> cat([np.zeros((2, 1)), np.ones((2, 2))], dim=1).tolist()
    [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    tensors = _several("cat", tensors)
    tensors = [x for x in tensors if x.shape != (0,)] or tensors  # what a list of results may have begun with
    shapes = [x.shape for x in tensors]
    if not shapes[0]:
        raise ShapeError("cat: 0-d tensors have no dimension to stand along; use stack")
    d = dim_of("cat", tensors[0], dim)
    if len({(len(s), s[:d], s[d + 1 :]) for s in shapes}) > 1:
        raise ShapeError(f"cat: the shapes {', '.join(map(str, shapes))} differ elsewhere than in dimension {dim}")
    return _concatenate(*tensors, dim=d, cuts=[0, *itertools.accumulate([s[d] for s in shapes])])


@with_aliases
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """The tensors, all of one shape, along a new dimension at `dim`."""
    tensors = _several("stack", tensors)
    shapes = [x.shape for x in tensors]
    if len(set(shapes)) > 1:
        raise ShapeError(f"stack: the shapes {', '.join(map(str, shapes))} differ; they must be equal (or use cat)")
    if not -tensors[0].ndim - 1 <= dim <= tensors[0].ndim:
        raise DimError(f"stack: a new dimension cannot stand at {dim} beside shape {shapes[0]}")
    return _pile(*tensors, dim=dim % (tensors[0].ndim + 1))


def _several(name: str, tensors: Any) -> list[Any]:
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name}: a list or tuple of tensors is needed, not {type(tensors).__name__}")
    if not tensors:
        raise ShapeError(f"{name}: at least one tensor is needed")
    for i, x in enumerate(tensors):
        if not isinstance(x, (Tensor, np.ndarray)):
            raise TypeError(f"{name}: number {i} of the tensors is a {type(x).__name__}; make a tensor of it first")
    return list(tensors)


@with_aliases
def hstack(tensors: Sequence[Any]) -> Any:
    """The tensors side by side: along dimension 1, or, of vectors and numbers, one after another."""
    tensors = [reshape(x, (1,)) if not x.ndim else x for x in _several("hstack", tensors)]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@with_aliases
def vstack(tensors: Sequence[Any]) -> Any:
    """The tensors below each other: along dimension 0, vectors and numbers as rows."""
    return cat([reshape(x, (1, -1)) if x.ndim < 2 else x for x in _several("vstack", tensors)])


# ---- borders --------------------------------------------------------------------------------------------------------


def _within(shape: tuple[int, ...], widths: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    """Where an array of this shape stands inside its border."""
    return tuple([slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True)])


def _pad(x: Any, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    sizes = tuple([before + n + after for (before, after), n in zip(widths, x.shape, strict=True)])
    out = np.full_like(x, value, shape=sizes)  # with its dimensions in the order in memory that those of x have
    out[_within(x.shape, widths)] = x
    return out


pad_constant = op(_pad, "pad", x=lambda g, shape, widths: g[_within(shape, widths)])

_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _border(n: int, before: int, after: int, mode: str) -> np.ndarray:
    """Which of n entries stand where in a row of them with its border."""
    if mode not in _MODES:
        raise ValueError(f"pad: mode {mode!r} is not one of constant, {', '.join(_MODES)}")
    most = {"reflect": n - 1, "circular": n}.get(mode, max(before, after) if n else 0)
    if min(before, after) < 0 or max(before, after) > most:
        raise ShapeError(f"pad: a {mode} border of {before} and {after} cannot be made of {n} entries")
    return np.pad(np.arange(n), (before, after), mode=_MODES[mode])


@with_aliases
def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """x with a border: `pad` is (before, after) for the last dimension, then for the one before it, and so on.

    `mode` says what stands in the border: `value` (0 if not given) for "constant", the entries mirrored ("reflect"),
    the outermost entry ("replicate"), or the entries of the other side ("circular"). Negative widths cut off.

    >>> pad(np.array([1, 2, 3]), (1, 2), mode="replicate").tolist()
    [1, 1, 2, 3, 3, 3]
    """
    if isinstance(pad, int) or len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(f"pad: {pad} must hold two widths for each of at most {x.ndim} dimensions of {x.shape}")
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if mode != "constant":
        for d, (before, after) in enumerate(pairs):
            if before or after:
                x = getitem(x, along(d, _border(x.shape[d], before, after, mode), x.ndim))
        return x
    if any(before < 0 or after < 0 for before, after in pairs):
        if any(n + min(a, b, a + b) < 0 for n, (a, b) in zip(x.shape, pairs, strict=True)):
            raise ShapeError(f"pad: widths {tuple(pad)} cut off more than there is of shape {x.shape}")
        cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, x.shape, strict=True))
        x, pairs = getitem(x, cut), [(max(a, 0), max(b, 0)) for a, b in pairs]
    return pad_constant(x, pairs, 0.0 if value is None else value)
