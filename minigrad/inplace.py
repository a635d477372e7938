"""Changing a tensor in place, with PyTorch's meaning and never a silently wrong gradient.

There are three cases, decided in `check_changeable` and `assign`:

- Nothing is recorded (no gradient is involved, or `no_grad`): the memory itself is overwritten. Views of it see the
  change, and so does the clock in `memory.py`: a backward pass that still needs the old value raises.
- The tensor is inside a graph, or what it is changed by is: the change is an ordinary recorded operation, after which
  the handle stands for the new value. Old values stay what they were, so every gradient stays right. If other tensors
  are views of the same memory, they are moved along, as if the memory had been overwritten. Only where somebody outside
  the graph shows the memory too (`x.detach()`, `x.numpy()`) is it overwritten, so that they see the change.
- The tensor is a leaf that requires grad, or a view of one: changing it would change the variable that the
  gradient is about. That raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from . import memory
from .autograd import retains_grad, thread
from .errors import ShapeError
from .op import op
from .ops import index, shape
from .random import Generator, _source
from .tensor import Tensor, as_array, label, wrap

# ---- where a view lies in its base ----------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a view lies in the memory of its base, counted in entries from the first one in memory."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    in_order: bool  # whether the entries lie in memory row by row
    writeable: bool

    @classmethod
    def of(cls, view: np.ndarray, base: np.ndarray) -> Place:
        """The place of `view` in `base`."""
        offset = view.__array_interface__["data"][0] - byte_bounds(base)[0]
        size, flags = base.itemsize, view.flags
        strides = tuple(s // size for s in view.strides)
        return cls(offset // size, view.shape, strides, flags.c_contiguous, flags.writeable)

    def within(self, base: np.ndarray) -> np.ndarray:
        """The view of `base` at this place."""
        first, last = byte_bounds(base)
        forwards: Any = (*(slice(None, None, -1 if s < 0 else 1) for s in base.strides), ...)
        entries = as_strided(base[forwards], ((last - first) // base.itemsize,), (base.itemsize,))
        strides = tuple(s * base.itemsize for s in self.strides)
        return as_strided(entries[self.offset :], self.shape, strides, writeable=self.writeable)

    def is_all_of(self, base: Place) -> bool:
        """Whether the view shows all entries of the base in their order, as `base.reshape(…)` does."""
        return self.in_order and base.in_order and math.prod(self.shape) == math.prod(base.shape)

    def entries(self, base: Place) -> np.ndarray:
        """For each entry of the view, which entry of the base it is, counting the base's entries row by row."""
        offsets = base._offsets().ravel()
        rank = np.empty(offsets.max(initial=-1) + 1, int)
        rank[offsets] = np.arange(offsets.size)
        return rank[self._offsets()]

    def _offsets(self) -> np.ndarray:
        steps = [s * np.arange(n) for n, s in zip(self.shape, self.strides, strict=True)]
        return self.offset + sum(np.ix_(*steps), start=np.zeros(self.shape, int))


def _in_the_layout_of(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A copy of `values` whose entries lie in memory as those of x do."""
    first, last = byte_bounds(x)
    memory = np.empty((last - first) // x.itemsize, x.dtype)
    copy = as_strided(memory[Place.of(x, x).offset :], x.shape, x.strides)
    copy[...] = values
    return copy


def _replaced(x: Any, entries: Any, place: Place, value: Any) -> Any:
    """A copy of x with `value` at the place of one of its views."""
    out = _in_the_layout_of(x, x)
    place.within(out)[...] = value
    return out


def _viewed(x: Any, entries: Any, place: Place) -> Any:
    """The view of x at a place."""
    return place.within(x)


def _rest_rule(g: Any, shape: tuple[int, ...], entries: Any) -> Any:
    return np.reshape(index.setitem(np.reshape(g, (-1,)), entries, 0), shape)


def _viewed_rule(g: Any, shape: tuple[int, ...], entries: Any) -> Any:
    return np.reshape(index.put(g, (math.prod(shape),), entries), shape)


replace_view = op(_replaced, "replace_view", x=_rest_rule, value=lambda g, entries: np.reshape(g, (-1,))[entries])
view_at = op(_viewed, "view_at", x=_viewed_rule)


def _with_changed_view(x: Tensor, whole: Place, place: Place, value: Tensor) -> Tensor:
    """x, with `value` instead of the view at a place."""
    if place.is_all_of(whole):
        return shape.reshape(value, whole.shape)
    return replace_view(x, place.entries(whole), place, value)


def _view_again(x: Tensor, whole: Place, place: Place) -> Tensor:
    """The view of x at a place, with its history."""
    return shape.reshape(x, place.shape) if place.is_all_of(whole) else view_at(x, place.entries(whole), place)


# ---- the change itself ----------------------------------------------------------------------------------------------


def check_changeable(x: Tensor, name: str, *values: Any) -> bool:
    """Whether changing x by `values` will be recorded.

    **Raises** `RuntimeError` if x shows one entry several times, or cannot be written to; and while operations are
    recorded, if x is or shares memory with a leaf that requires grad, or is a view whose making was not recorded.
    """
    if not x.array.flags.writeable:
        raise RuntimeError(
            f"{name}: the entries of {label(x)} share memory (it was expanded, or is read-only); change x.clone()"
        )
    if not thread.mode.recording:
        return False
    base = _base(x)
    for variable in (x, base, *_views(base)):
        if variable._requires_grad and variable.node is None:
            what = "is a leaf" if variable is x else f"shares memory with {label(variable)}, a leaf"
            raise RuntimeError(
                f"{name}: {label(x)} {what} that requires grad and cannot be changed in place while operations are "
                f"recorded; do it inside `with minigrad.no_grad():`, or compute a new tensor"
            )
    if base._requires_grad and not x._requires_grad:
        raise RuntimeError(
            f"{name}: {label(x)} is a view that was made under no_grad, so the change would be missing from the "
            f"history of {label(base)}; make the view where operations are recorded, or use x.detach()"
        )
    recorded = x._requires_grad or any(isinstance(v, Tensor) and v._requires_grad for v in values)
    if recorded and x.dtype.kind not in "fc":
        raise TypeError(f"{name}: {label(x)} holds {x.dtype}, but the change requires grad; change x.float()")
    return recorded


def _base(x: Tensor) -> Tensor:
    """The tensor of whose memory x is a view: x itself, if it is none."""
    if x.base is None:
        return x
    if memory.owner(x.array) is not memory.owner(x.base.array):
        raise RuntimeError(
            f"{label(x)} is a view of memory that its base {label(x.base)} left when `.data` was assigned; "
            f"change x.clone()"
        )
    return x.base


def _views(base: Tensor) -> list[Tensor]:
    """The living views of the memory of `base`."""
    alive = [v for ref in base.views or () if (v := ref()) is not None]
    return [v for v in alive if memory.owner(v.array) is memory.owner(base.array)]


def is_alone(x: Tensor) -> bool:
    """Whether nobody else shows the memory of x, so that its values may be moved elsewhere."""
    variable = x._requires_grad and x.node is None
    return not (x.base is not None or variable or _views(x) or memory.seen_elsewhere(x.array))


def before(x: Tensor, name: str, *values: Any) -> Tensor:
    """What to compute the new value of x from: x, or its old values where the memory will be overwritten.

    **Raises** what `check_changeable` does.
    """
    if check_changeable(x, name, *values) and memory.seen_elsewhere(x.array):
        return wrap(x.array.copy(), x.node)
    return x


def assign(x: Tensor, new: Any, name: str) -> Tensor:
    """Let x hold the values of `new`, which the operation `name` computed from it; return x."""
    if new.shape != x.shape:
        raise ShapeError(f"{name}: the result has shape {new.shape} and does not fit into a tensor of shape {x.shape}")
    if new.dtype is not x.dtype and not np.can_cast(new.dtype, x.dtype, "same_kind"):
        raise TypeError(f"{name}: a result of dtype {new.dtype} cannot be put into a tensor of dtype {x.dtype}")
    if isinstance(new, Tensor) and new._requires_grad:
        _move(x, new if new.dtype == x.dtype else new.to(x.dtype), name)
    else:
        overwrite(x, ..., new.array if isinstance(new, Tensor) else new, name)
    return x


def overwrite(x: Tensor, where: Any, values: Any, name: str) -> None:
    """Write `values` into the memory of x at the index `where`, and stamp it as changed."""
    x.array[where] = values
    memory.touch(x.array, f"{name} at {memory.caller()}")


def _move(x: Tensor, new: Tensor, name: str) -> None:
    """Let the handle x, and every other view of its memory, stand for the recorded value `new`."""
    base = _base(x)
    family = _views(base)
    shown = memory.seen_elsewhere(x.array)
    if not family and not shown:
        _renew(x, new.array, new.node)
        return
    whole = Place.of(base.array, base.array)
    places = [Place.of(v.array, base.array) for v in family]
    if base is not x:
        new = _with_changed_view(base, whole, Place.of(x.array, base.array), new)
    if shown:
        overwrite(base, ..., new.array, name)
    _renew(base, base.array if shown else _in_the_layout_of(base.array, new.array), new.node)
    for v, place in zip(family, places, strict=True):
        moved = _view_again(base, whole, place)
        _renew(v, moved.array, moved.node)


def _renew(x: Tensor, array: np.ndarray, node: Any) -> None:
    """Let the handle x stand for the value `array` that `node` computed, also where its gradient is retained."""
    retained = retains_grad(x)
    x.array, x.node, x._requires_grad = array, node, True
    if x.name is not None:
        node.label = x.name
    if retained:
        x.retain_grad()


# ---- the methods with an underscore ---------------------------------------------------------------------------------


def setitem_(x: Tensor, where: Any, value: Any) -> None:
    """x[where] = value."""
    where = index.plain(where)
    if not isinstance(value, Tensor):
        value = wrap(as_array(value, x.dtype if isinstance(value, (bool, int, float, list)) else None))
    if not np.can_cast(value.dtype, x.dtype, "same_kind"):
        raise TypeError(f"x[i] = v: values of dtype {value.dtype} cannot be put into a tensor of dtype {x.dtype}")
    value = _fitted(value, index._getitem(x.array, where).shape, "x[i] = v")
    if check_changeable(x, "x[i] = v", value):
        assign(x, index.setitem(x, where, value), "x[i] = v")
    else:
        overwrite(x, where, value.array, "x[i] = v")


def _fitted(value: Tensor, sizes: tuple[int, ...], name: str) -> Tensor:
    """`value` without leading dimensions of length 1 that `sizes` has no place for; the rest is broadcast."""
    extra = max(value.ndim - len(sizes), 0)
    ends = zip(value.shape[::-1], sizes[::-1], strict=False)
    if math.prod(value.shape[:extra]) != 1 or any(n not in (1, m) for n, m in ends):
        raise ShapeError(f"{name}: a value of shape {value.shape} does not fit into a place of shape {sizes}")
    return shape.reshape(value, value.shape[extra:]) if extra else value


def by(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The in-place method `name` that stores the result of `function`."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return assign(self, function(before(self, name, *args, *kwargs.values()), *args, **kwargs), name)

    method.__name__ = name
    method.__doc__ = f"Put the result of `{function.__name__}` into this tensor, and return it."
    return method


def add_(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Add `alpha * other` to this tensor, and return it."""
    return assign(self, before(self, "add_", other) + (other if alpha == 1 else other * alpha), "add_")


def sub_(self: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """Subtract `alpha * other` from this tensor, and return it."""
    return assign(self, before(self, "sub_", other) - (other if alpha == 1 else other * alpha), "sub_")


def addcmul_(self: Tensor, a: Any, b: Any, *, value: float = 1) -> Tensor:
    """Add `value * a * b` to this tensor, and return it."""
    return assign(self, before(self, "addcmul_", a, b) + value * (a * b), "addcmul_")


def addcdiv_(self: Tensor, a: Any, b: Any, *, value: float = 1) -> Tensor:
    """Add `value * a / b` to this tensor, and return it."""
    return assign(self, before(self, "addcdiv_", a, b) + value * (a / b), "addcdiv_")


def copy_(self: Tensor, source: Any) -> Tensor:
    """Put the values of `source`, broadcast if need be, into this tensor, and return it."""
    source = source if isinstance(source, Tensor) else wrap(as_array(source))
    source = _fitted(source, self.shape, "copy_")
    if check_changeable(self, "copy_", source):
        return assign(self, index.setitem(self, ..., source), "copy_")
    overwrite(self, ..., source.array, "copy_")
    return self


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
