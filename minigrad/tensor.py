"""Tensor: a NumPy array that remembers how it was computed.

With this file one can make a tensor, look at it, and hand it to NumPy. A tensor is a light handle on three things:

    array            the values, an ordinary `numpy.ndarray`
    node             the recorded operation that computed them, or None for a leaf
    grad             where `backward()` leaves the gradient of a leaf

What can be computed with tensors is not here but in the tables of `minigrad/ops/`; `minigrad/methods.py` hangs those
operations onto this class under PyTorch's names (`x.exp()`, `x + y`, `x.sum(dim=1)`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes, memory
from .errors import DimError

# What a NumPy function means for tensors: filled by `op` (ufuncs) and by `minigrad/numpy_protocol.py` (the rest).
numpy_functions: dict[Callable[..., Any], Callable[..., Any]] = {}


class Tensor:
    """A NumPy array that remembers how it was computed, so that `backward()` can differentiate it.

    Python numbers become the default dtype (float32), integers int64, arrays keep the dtype they have; the data is
    copied (`minigrad.from_numpy` shares it).

    **Raises** `TypeError` where `data` holds something else than numbers, or where a gradient is asked for integers;
    `ValueError` where nested lists have unequal lengths.

    >>> x = Tensor([3.0], requires_grad=True)
    >>> y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([6.])
    """

    __slots__ = ("array", "node", "_requires_grad", "_grad", "_name", "base", "views", "hooks", "__weakref__")

    array: np.ndarray
    node: Any  # the autograd.Node that computed this tensor, or None
    base: Tensor | None  # the tensor of whose memory this one is a view
    views: list[weakref.ref[Tensor]] | None  # the living views of this tensor's memory
    hooks: list[Callable[[Tensor], Tensor | None]] | None  # of a leaf; those of other tensors live on their node

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None) -> None:
        if not isinstance(requires_grad, (bool, np.bool_)):
            raise TypeError(
                f"Tensor({data!r}, {requires_grad!r}): requires_grad is True or False; for a tensor of a shape write "
                f"minigrad.empty({data!r}, {requires_grad!r}) or minigrad.zeros"
            )
        self.array = as_array(data, dtype)
        self.node = None
        self._requires_grad = False
        self._grad: Tensor | None = None
        self.name = name
        self.base = None
        self.views = None
        self.hooks = None
        if requires_grad:
            self.requires_grad = True

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each dimension."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The number type of the values, a NumPy dtype."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of dimension `dim`."""
        if dim is not None and not -self.ndim <= dim < self.ndim:
            raise DimError(f"size: there is no dimension {dim} in shape {self.shape}")
        return self.array.shape if dim is None else self.array.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    nelement = numel

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow back to this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.array.dtype.kind != "f":
            raise TypeError(
                f"requires_grad: {label(self)} holds {self.dtype}; only floating-point values have gradients: "
                f"convert it first, as in x.to(minigrad.float32)"
            )
        if not value and self.node is not None:
            raise RuntimeError(
                f"requires_grad: {label(self)} was computed by {self.node.name}; only a leaf's flag can be cleared: "
                f"use x.detach() for the values without their history"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation computed this tensor: `backward()` leaves gradients only on leaves."""
        return self.node is None

    @property
    def grad_fn(self) -> Any:
        """The recorded operation that computed this tensor, or None for a leaf."""
        return self.node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` has added up so far, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"grad: a Tensor or None is needed, not {type(value).__name__}")
        if value is not None and (value.shape != self.shape or value.dtype != self.dtype):
            raise ValueError(
                f"grad: {label(self)} is {self.dtype} {self.shape}, but the gradient is {value.dtype} {value.shape}"
            )
        self._grad = value

    @property
    def name(self) -> str | None:
        """What the user calls this tensor; messages and pictures use it."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        if self.node is not None:
            self.node.label = name  # which outlives the tensor

    # ---- its values -------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Tensor:
        """The same values in the same memory, outside the graph; assigning to it replaces the values."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        array = value.array if isinstance(value, Tensor) else as_array(value)
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(f"data: {label(self)} requires grad; values of dtype {array.dtype} have no gradient")
        memory.share(array)
        self.array, self.base, self.views = array, None, None

    def detach(self) -> Tensor:
        """The same values in the same memory, outside the graph."""
        memory.share(self.array)
        return wrap(self.array)

    def item(self) -> Any:
        """The only element, as a Python number.

        **Raises** `ValueError` if there is not exactly one element.
        """
        if self.array.size != 1:
            raise ValueError(f"item(): {label(self)} has {self.array.size} elements, not one; use .tolist()")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self.array.tolist()

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array on the same memory.

        **Raises** `RuntimeError` if the tensor requires grad: use `x.detach().numpy()`.
        """
        return memory.hand_out(self._values("numpy()"))

    def _values(self, what: str) -> np.ndarray:
        if self._requires_grad:
            raise RuntimeError(
                f"{what}: {label(self)} requires grad and NumPy would lose its history; "
                f"use x.detach(), as in np.asarray(x.detach())"
            )
        return self.array

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ValueError(
                f"the truth value of a tensor of shape {self.shape} is ambiguous: use x.any() or x.all(), "
                f"or `is None` to ask whether there is a tensor"
            )
        return bool(self.array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError(f"only a tensor with one integer can be an index, not {self.dtype} {self.shape}")
        return int(self.array.item())

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len() of a 0-d tensor: it has one element and no dimensions")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == (value.array if isinstance(value, Tensor) else value)).any())

    __hash__ = object.__hash__  # by identity, although == compares entries

    def __repr__(self) -> str:
        text = np.array2string(self.array, separator=", ", prefix="tensor(", precision=4, suppress_small=False)
        extra = ""
        if self.array.dtype not in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool) or not self.array.size:
            extra += f", dtype={self.dtype}"
        if self.node is not None:
            extra += f", grad_fn=<{self.node.name}>"
        elif self._requires_grad:
            extra += ", requires_grad=True"
        if self.name is not None:
            extra += f", name={self.name!r}"
        return f"tensor({text}{extra})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec or not self.ndim else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise RuntimeError(f"deepcopy: {label(self)} is part of a graph; copy a leaf, or x.detach()")
        copy = object.__new__(type(self))
        memo[id(self)] = copy
        Tensor.__init__(copy, self.array, self._requires_grad, name=self.name)
        if self._grad is not None:
            copy._grad = Tensor(self._grad.array)
        return copy

    def __reduce__(self) -> Any:
        raise TypeError("tensors are not pickled (a pickle can run code): use minigrad.save and minigrad.load")

    # ---- what NumPy may do with it ----------------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self._values("np.asarray(x)")
        if copy or (dtype is not None and np.dtype(dtype) != array.dtype):
            return np.array(array, dtype=dtype)
        return memory.hand_out(array)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", ())
        function = numpy_functions.get(ufunc) if method == "__call__" and not kwargs else None
        if function is not None and not out:
            return function(*inputs)
        call = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        if any(isinstance(x, Tensor) and x._requires_grad for x in (*inputs, *out)):
            asked = [*kwargs] + ["out"] * bool(out)
            why = f"with {', '.join(asked)}= " if asked else ""
            raise TypeError(f"{call} {why}has no recorded form for tensors that require grad: {self._way_out(ufunc)}")
        arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
        if out:
            kwargs["out"] = tuple(x.array if isinstance(x, Tensor) else x for x in out)
        for x in arrays[:1] if method == "at" else kwargs.get("out", ()):
            if x is not None:
                memory.touch(x, call)
        result = getattr(ufunc, method)(*arrays, **kwargs)
        return out[0] if out else wrap(np.asarray(result)) if result is not None else None

    @staticmethod
    def _way_out(function: Callable[..., Any]) -> str:
        if function in numpy_functions:
            return f"call {function.__name__} without it"
        return "use a minigrad function, give it a rule with minigrad.op, or pass x.detach()"

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        function = numpy_functions.get(func)
        if function is not None:
            return function(*args, **kwargs)
        found = _tensors_in((args, kwargs))
        if any(x._requires_grad for x in found):
            name = f"{func.__module__}.{func.__name__}".replace("numpy", "np", 1)
            raise TypeError(f"{name} has no rule for tensors that require grad: {self._way_out(func)}")
        try:
            return func(*_arrays_in(args), **_arrays_in(kwargs))
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise TypeError(
                f"np.{func.__name__} would write into a tensor unseen: use a method such as x.copy_(v), or x[i] = v"
            ) from None

    if TYPE_CHECKING:  # the operations that methods.py hangs onto this class

        def __getattr__(self, name: str) -> Callable[..., Any]: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]  # elementwise, as NumPy's
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]  # elementwise, as NumPy's


_new = object.__new__


def wrap(array: np.ndarray, node: Any = None) -> Tensor:
    """A tensor on `array` itself (no copy), computed by `node`."""
    tensor = _new(Tensor)
    tensor.array = array
    tensor.node = node
    tensor._requires_grad = node is not None
    tensor._grad = tensor._name = tensor.base = tensor.views = tensor.hooks = None
    return tensor


def adopt(parent: Tensor, view: Tensor) -> None:
    """Note that `view` shows memory of `parent`, so that a recorded in-place change of one reaches the other."""
    base = parent if parent.base is None else parent.base
    view.base = base
    if base._requires_grad and not view._requires_grad:  # made under no_grad: it has no part in the history
        memory.share(view.array)
        return
    if base.views is None:
        base.views = []
    elif len(base.views) % 64 == 63:  # now and then, forget the views that are gone
        base.views = [ref for ref in base.views if ref() is not None]
    base.views.append(weakref.ref(view))


def label(tensor: Tensor) -> str:
    """How messages call a tensor: by its name, or by its kind and shape."""
    if tensor.name is not None:
        return repr(tensor.name)
    return f"a tensor of shape {tensor.shape}"


def as_dtype(dtype: Any) -> np.dtype[Any] | None:
    """`dtype`, however it is written, as NumPy's."""
    try:
        return None if dtype is None else np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{dtype!r} is no dtype; say minigrad.float32, minigrad.int64, …") from None


def as_array(data: Any, dtype: Any = None) -> np.ndarray:
    """A new array of `data`: Python floats in the default dtype, everything else in the dtype it has."""
    dtype = as_dtype(dtype)
    if isinstance(data, Tensor):
        return np.array(data.array, dtype=dtype)
    try:
        array = np.array(data, dtype=dtype, order="C")
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            "tensor: nested lists of unequal length have no shape; pad them first, as with nn.utils.rnn.pad_sequence"
        ) from None
    except RuntimeError:
        raise RuntimeError(
            "tensor: the list holds tensors that require grad, and a copy of their values would lose their history: "
            "join them with minigrad.stack or minigrad.cat, or detach them"
        ) from None
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"tensor: numbers are needed, not {type(data).__name__} of dtype {array.dtype}")
    if dtype is None and array.dtype == np.float64 and not isinstance(_first(data), (np.ndarray, np.generic)):
        return array.astype(dtypes.get_default_dtype())
    return array


def _first(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _tensors_in(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return []
    return [tensor for branch in tree for tensor in _tensors_in(branch)]


def _arrays_in(tree: Any) -> Any:
    """`tree` with arrays that can only be read in place of its tensors."""
    if isinstance(tree, Tensor):
        array = tree.array.view()
        array.flags.writeable = False
        return array
    if isinstance(tree, dict):
        return {key: _arrays_in(branch) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(_arrays_in, tree)) if type(tree) in (list, tuple) else tree
    return tree
