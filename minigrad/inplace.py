"""Changing a tensor in place, with PyTorch's meaning and never a silently wrong gradient.

There are three cases, decided in `assign`:

- Nothing is recorded (no gradient is involved, or `no_grad`): the memory itself is overwritten. Views of it see the change,
  and so does the clock in `memory.py`: a backward pass that still needs the old value raises.
- The tensor is inside a graph, or what it is changed by is: the change is an ordinary recorded operation, after which the
  handle stands for the new value. Old values stay what they were, so every gradient stays right. If other tensors are
  views of the same memory, they are moved along, as if the memory had been overwritten.
- The tensor is a leaf that requires grad, or a view of one: changing it would change the variable that the
  gradient is about. That raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import memory
from .autograd import thread
from .errors import ShapeError
from .op import op
from .ops import elementwise, index
from .random import Generator, _source
from .tensor import Tensor, as_array, label, wrap

# ---- where a view lies in its base ----------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a view lies in the memory of its base, counted in entries."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, view: np.ndarray, base: np.ndarray) -> Place:
        """The place of `view` in `base`."""
        address = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        size = base.itemsize
        return cls(address // size, view.shape, tuple(s // size for s in view.strides))

    def within(self, base: np.ndarray) -> np.ndarray:
        """The view of `base` at this place."""
        flat = base.ravel(order="K")[self.offset :]
        return np.lib.stride_tricks.as_strided(flat, self.shape, tuple(s * base.itemsize for s in self.strides))

    def entries(self, base: Place) -> np.ndarray:
        """For each entry of the view, which entry of the base it is, counting the base's entries row by row."""
        rank = np.empty(np.prod(base.shape, dtype=int), int)
        rank[base._offsets().ravel()] = np.arange(rank.size)
        return rank[self._offsets()]

    def _offsets(self) -> np.ndarray:
        steps = [s * np.arange(n) for n, s in zip(self.shape, self.strides, strict=True)]
        return self.offset + sum(np.ix_(*steps), start=np.zeros(self.shape, int))


def _replace(x: Any, place: Place, value: Any) -> Any:
    out = x.copy(order="K")
    place.within(out)[...] = value
    return out


def _entries(x: Any, place: Place) -> np.ndarray:
    return place.entries(Place.of(x, x))


def _replaced(x: Any, entries: Any, place: Place, value: Any) -> Any:
    """A copy of x with `value` at the place of one of its views."""
    return _replace(x, place, value)


def _viewed(x: Any, entries: Any, place: Place) -> Any:
    """The view of x at a place."""
    return place.within(x)


def _rest_rule(g: Any, shape: tuple[int, ...], entries: Any) -> Any:
    return np.reshape(index.setitem(np.reshape(g, (-1,)), entries, 0), shape)


replace_view = op(_replaced, "replace_view", x=_rest_rule, value=lambda g, entries: np.reshape(g, (-1,))[entries])
view_at = op(_viewed, "view_at", x=lambda g, shape, entries: np.reshape(index.put(g, (int(np.prod(shape)),), entries), shape))

# ---- the change itself ----------------------------------------------------------------------------------------------


def check_changeable(x: Tensor, name: str, *values: Any) -> bool:
    """Whether changing x by `values` will be recorded.

    **Raises** `RuntimeError` if x is a leaf that requires grad, or a view of one, while operations are recorded.
    """
    if not thread.mode.recording:
        return False
    variable = x if x.base is None else x.base
    if x._requires_grad and variable._requires_grad and variable.node is None:
        what = f"{label(variable)} is a leaf" if variable is x else f"{label(x)} is a view of a leaf"
        raise RuntimeError(
            f"{name}: {what} that requires grad and cannot be changed in place while operations are recorded; "
            f"do it inside `with minigrad.no_grad():`, or compute a new tensor"
        )
    return x._requires_grad or any(isinstance(v, Tensor) and v._requires_grad for v in values)


def assign(x: Tensor, new: Any, name: str) -> Tensor:
    """Let x hold the values of `new`, which the operation `name` computed from it; return x."""
    if new.shape != x.shape:
        raise ShapeError(f"{name}: the result has shape {new.shape} and does not fit into a tensor of shape {x.shape}")
    if not np.can_cast(new.dtype, x.dtype, "same_kind"):
        raise TypeError(f"{name}: a result of dtype {new.dtype} cannot be put into a tensor of dtype {x.dtype}")
    if isinstance(new, Tensor) and new._requires_grad:
        _move(x, new if new.dtype == x.dtype else new.to(x.dtype))
    else:
        overwrite(x, ..., new.array if isinstance(new, Tensor) else new, name)
    return x


def overwrite(x: Tensor, where: Any, values: Any, name: str) -> None:
    """Write `values` into the memory of x at the index `where`, and stamp it as changed."""
    if not x.array.flags.writeable:
        raise RuntimeError(
            f"{name}: the entries of {label(x)} share memory (it was expanded, or is read-only); change x.clone()"
        )
    x.array[where] = values
    memory.touch(x.array, f"{name} at {memory.caller()}")


def _move(x: Tensor, new: Tensor) -> None:
    """Let the handle x, and every other view of its memory, stand for the recorded value `new`."""
    base = x if x.base is None else x.base
    family = [v for ref in base.views or () if (v := ref()) is not None]
    if not family:
        x.array, x.node, x._requires_grad = new.array, new.node, True
        return
    whole = Place.of(base.array, base.array)
    places = [Place.of(v.array, base.array) for v in family]
    if base is x:
        layout = np.empty_like(base.array)  # views keep their strides, so the new memory keeps the old order
        layout[...] = new.array
        changed = new if new.array.strides == base.array.strides else _in_layout(new, layout)
    else:
        place = Place.of(x.array, base.array)
        changed = replace_view(base, place.entries(whole), place, new)
    base.array, base.node, base._requires_grad = changed.array, changed.node, True
    for v, place in zip(family, places, strict=True):
        if v.base is None:  # a detached view shows the new values, and still has no history
            v.array = place.within(base.array)
        else:
            moved = view_at(base, place.entries(whole), place)
            v.array, v.node, v._requires_grad = moved.array, moved.node, True


def _in_layout(new: Tensor, layout: np.ndarray) -> Tensor:
    """`new` with the memory layout of the array `layout`, which holds the same values."""
    same = elementwise.add(new, 0)
    same.array = layout
    return same


# ---- the methods with an underscore ---------------------------------------------------------------------------------


def setitem_(x: Tensor, where: Any, value: Any) -> None:
    """x[where] = value."""
    where = index.plain(where)
    if not isinstance(value, Tensor):
        value = wrap(as_array(value, x.dtype if isinstance(value, (bool, int, float, list)) else None))
    if check_changeable(x, "x[i] = v", value):
        assign(x, index.setitem(x, where, value), "x[i] = v")
        return
    if not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise TypeError(f"x[i] = v: values of dtype {value.dtype} cannot be put into a tensor of dtype {x.dtype}")
    target = index._getitem(x.array, where)
    if np.broadcast_shapes(value.shape, target.shape) != target.shape and value.array.size != target.size:
        raise ShapeError(f"x[i] = v: a value of shape {value.shape} does not fit into x[i] of shape {target.shape}")
    overwrite(x, where, value.array, "x[i] = v")


def by(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The in-place method `name` that stores the result of `function`."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_changeable(self, name, *args)
        return assign(self, function(self, *args, **kwargs), name)

    method.__name__ = name
    method.__doc__ = f"Put the result of `{function.__name__}` into this tensor, and return it."
    return method


def add_(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Add `alpha * other` to this tensor, and return it."""
    check_changeable(self, "add_", other)
    return assign(self, self + (other if alpha == 1 else other * alpha), "add_")


def sub_(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Subtract `alpha * other` from this tensor, and return it."""
    check_changeable(self, "sub_", other)
    return assign(self, self - (other if alpha == 1 else other * alpha), "sub_")


def addcmul_(self: Tensor, a: Any, b: Any, *, value: float = 1) -> Tensor:
    """Add `value * a * b` to this tensor, and return it."""
    check_changeable(self, "addcmul_", a, b)
    return assign(self, self + value * (a * b), "addcmul_")


def addcdiv_(self: Tensor, a: Any, b: Any, *, value: float = 1) -> Tensor:
    """Add `value * a / b` to this tensor, and return it."""
    check_changeable(self, "addcdiv_", a, b)
    return assign(self, self + value * (a / b), "addcdiv_")


def copy_(self: Tensor, source: Any) -> Tensor:
    """Put the values of `source`, broadcast if need be, into this tensor, and return it."""
    source = source if isinstance(source, Tensor) else wrap(as_array(source))
    check_changeable(self, "copy_", source)
    if source.shape != self.shape:
        source = source.expand(self.shape)
    return assign(self, source if source.dtype == self.dtype else source.to(self.dtype), "copy_")


def fill_(self: Tensor, value: Any) -> Tensor:
    """Put one number everywhere into this tensor, and return it."""
    if check_changeable(self, "fill_", value):
        return assign(self, index.setitem(self, ..., value), "fill_")
    overwrite(self, ..., value.item() if isinstance(value, Tensor) else value, "fill_")
    return self


def zero_(self: Tensor) -> Tensor:
    """Put zeros everywhere into this tensor, and return it."""
    return fill_(self, 0)


def index_fill_(self: Tensor, dim: int, where: Any, value: Any) -> Tensor:
    """Put one number at the given positions of dimension `dim`, and return the tensor."""
    setitem_(self, (slice(None),) * (dim % self.ndim) + (index.plain(where),), value)
    return self


def _drawn(self: Tensor, name: str, values: np.ndarray) -> Tensor:
    if check_changeable(self, name):
        return assign(self, index.setitem(self, ..., values), name)
    overwrite(self, ..., values, name)
    return self


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill this tensor with draws from the normal distribution, and return it."""
    if std < 0:
        raise ValueError(f"normal_: a standard deviation is not negative, as {std} is")
    return _drawn(self, "normal_", _source(generator).normal(mean, std, self.shape))


def uniform_(self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill this tensor with draws from the uniform distribution on [low, high), and return it."""
    if low > high:
        raise ValueError(f"uniform_: the range from {low} to {high} is empty")
    return _drawn(self, "uniform_", _source(generator).uniform(low, high, self.shape))


def bernoulli_(self: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill this tensor with ones (with probability p) and zeros, and return it."""
    return _drawn(self, "bernoulli_", _source(generator).random(self.shape) < p)


def detach_(self: Tensor) -> Tensor:
    """Forget the history of this tensor, and return it: from now on it is a leaf."""
    if self.base is not None:
        raise RuntimeError(f"detach_: {label(self)} is a view; use x.detach(), which makes a new handle")
    self.node, self._requires_grad = None, False
    return self
