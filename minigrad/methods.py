"""The operators and methods of `Tensor`: which operation each of them is.

`x + y` is `add`, `x @ y` is `matmul`, `x.sum(1)` is `sum(x, 1)`; nothing is computed here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import autograd, dtypes, inplace, porting
from . import device as devices
from .creation import TENSOR_TYPES, made, sizes
from .errors import ShapeError
from .op import op
from .ops import elementwise, fused, linalg, reduce, shape, window
from .ops import index as indexing
from .tensor import Tensor, as_array, as_dtype

# ---- conversion -----------------------------------------------------------------------------------------------------

to_dtype = op(lambda x, dtype: x.astype(dtype), "to", x=lambda g: g)  # the sweep casts the gradient back


def to(
    self: Tensor, *targets: Any, dtype: Any = None, device: Any = None, copy: bool = False, non_blocking: bool = False
) -> Tensor:
    """This tensor in another dtype (that of a tensor, if one is given); the device "cpu" is where it always is.

    **Raises** `ValueError` for any other device.
    """
    for target in (*targets, device):
        if isinstance(target, Tensor):
            dtype = target.dtype
        elif isinstance(target, str) and target.partition(":")[0] in devices.KINDS:
            devices.device(target)
        elif target is not None and not isinstance(target, devices.device):
            dtype = target
    dtype = as_dtype(dtype)
    if dtype is None or dtype == self.dtype:
        return self.clone() if copy else self
    return to_dtype(self, dtype)


def _in(dtype: Any) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return to(self, dtype)

    method.__doc__ = f"This tensor in dtype {dtype}."
    return method


def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """This tensor in another dtype (or of another type, as `LongTensor`); without one, the name of the type it has."""
    if dtype is None:
        return next((f"minigrad.{kind.name}" for kind in TENSOR_TYPES if kind.dtype == self.dtype), f"{self.dtype}")
    if isinstance(dtype, str):  # "torch.LongTensor"
        dtype = next((kind for kind in TENSOR_TYPES if kind.name == dtype.rpartition(".")[2]), dtype)
    return to(self, getattr(dtype, "dtype", dtype))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in the dtype of `other`."""
    return to(self, other.dtype)


row_major = op(lambda x: np.ascontiguousarray(x), "contiguous", x=lambda g: g)


def contiguous(self: Tensor) -> Tensor:
    """This tensor, with its values in memory row by row (a copy if they are not)."""
    return self if self.array.flags.c_contiguous else row_major(self)


# ---- sizes given one by one or together -----------------------------------------------------------------------------


def _together(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


def _gathering(function: Callable[..., Any], keyword: str) -> Callable[..., Any]:
    """`function(x, sizes)` as a method that also takes the sizes one by one: x.reshape(2, 3), x.reshape((2, 3))."""

    def method(self: Tensor, *sizes: Any, **named: Any) -> Tensor:
        if keyword in named:
            sizes = (named.pop(keyword),)
        return function(self, _together(sizes), **named)

    method.__name__ = function.__name__
    method.__doc__ = function.__doc__
    return method


reshape = _gathering(shape.reshape, "shape")
permute = _gathering(shape.permute, "dims")
expand = _gathering(shape.expand, "size")
repeat = _gathering(shape.repeat, "repeats")
flip = _gathering(shape.flip, "dims")


def view(self: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """This tensor's memory in another shape; with a dtype instead of sizes, `to(dtype)`.

    **Raises** `RuntimeError` if the entries do not lie in memory in the order asked for, and others show that memory.
    """
    if size is not None:
        sizes = (size,)
    if len(sizes) == 1 and isinstance(sizes[0], np.dtype):
        return to(self, sizes[0])
    result = reshape(self, *sizes)
    if result.base is None and result.array.size:  # a copy
        if not inplace.is_alone(self):
            raise RuntimeError(
                f"view: the entries of a tensor of shape {self.shape} and strides {self.array.strides} do not lie in "
                f"the order that shape {result.shape} needs; use x.reshape(…), which copies, or x.contiguous() first"
            )
        self.array = np.ascontiguousarray(self.array)
        result = reshape(self, *sizes)
    return result


def ravel(self: Tensor) -> Tensor:
    """The entries in order, as one dimension."""
    return reshape(self, -1)


def cpu(self: Tensor) -> Tensor:
    """This tensor, which is where it always is."""
    return self


def cuda(self: Tensor, device: Any = "cuda") -> Tensor:
    """Refuse, as `to("cuda")` does."""
    return to(self, device=devices.device(device))


def is_floating_point(self: Tensor) -> bool:
    """Whether the values are of a floating-point dtype."""
    return self.dtype.kind == "f"


def is_contiguous(self: Tensor) -> bool:
    """Whether the values lie in memory row by row."""
    return self.array.flags.c_contiguous


def stride(self: Tensor, dim: int | None = None) -> Any:
    """How many entries further in memory the next one along each dimension (or along `dim`) is."""
    steps = tuple(step // self.array.itemsize for step in self.array.strides)
    return steps if dim is None else steps[reduce.dim_of("stride", self, dim)]


def element_size(self: Tensor) -> int:
    """How many bytes an element takes."""
    return self.array.itemsize


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor spread to the shape of `other`."""
    return shape.expand(self, other.shape)


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor's memory in the shape of `other`."""
    return view(self, other.shape)


def _new(fill: Callable[..., np.ndarray], what: str) -> Callable[..., Tensor]:
    def method(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
        return made(fill(sizes(size), dtype or self.dtype), requires_grad, device)

    method.__doc__ = f"A new tensor of {what} in the given size, in this one's dtype."
    return method


def new_tensor(self: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new tensor of `data` in this one's dtype."""
    return made(as_array(data, dtype or self.dtype), requires_grad, device)


def new_full(
    self: Tensor, size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A new tensor of the given size filled with one number, in this one's dtype."""
    return made(np.full(sizes((size,)), fill_value, dtype or self.dtype), requires_grad, device)


# ---- arithmetic with PyTorch's extra words --------------------------------------------------------------------------


def add(input: Any, other: Any, *, alpha: float = 1, out: Tensor | None = None) -> Any:
    """input + alpha · other."""
    return _put(elementwise.add(input, other if alpha == 1 else elementwise.mul(other, alpha)), out, "add")


def sub(input: Any, other: Any, *, alpha: float = 1, out: Tensor | None = None) -> Any:
    """input − alpha · other."""
    return _put(elementwise.sub(input, other if alpha == 1 else elementwise.mul(other, alpha)), out, "sub")


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Any:
    """input / other; with `rounding_mode`, its "floor" or its whole part ("trunc"), whose gradient is 0."""
    if rounding_mode not in (None, "floor", "trunc"):
        raise ValueError(f"div: rounding_mode is None, 'floor' or 'trunc', not {rounding_mode!r}")
    how = {None: elementwise.div, "floor": elementwise.floor_divide, "trunc": _truncated}
    return _put(how[rounding_mode](input, other), out, "div")


def _truncated(a: Any, b: Any) -> Any:
    floor = elementwise.floor_divide(a, b)
    if floor.dtype.kind == "f":
        return elementwise.trunc(elementwise.div(a, b))
    return elementwise.where(floor < 0, -elementwise.floor_divide(-a, b), floor)


def _put(result: Any, out: Tensor | None, name: str) -> Any:
    """The result of a function, or `out`, if given, with the result written into it; this cannot be recorded."""
    if out is None:
        return result
    if result.requires_grad or out.requires_grad:
        raise RuntimeError(
            f"{name}: out= cannot be recorded, but a gradient is asked for; "
            f"write y = minigrad.{name}(a, b), or use no_grad"
        )
    return inplace.assign(out, result, f"{name} with out=")


def _with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with PyTorch's `out=`, a tensor to write the result into."""

    @functools.wraps(function)
    def call(*args: Any, out: Tensor | None = None, **named: Any) -> Any:
        return _put(function(*args, **named), out, function.__name__)

    return call


mul = _with_out(elementwise.mul)
matmul = _with_out(linalg.matmul)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, else `other`; the branch not taken gets gradient 0, even if NaN.

    With the condition alone: where it holds, one tensor of indices for each dimension.
    """
    if input is None and other is None:
        return indexing.nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where: give a value for both cases, as in where(x > 0, x, 0.0), or for neither")
    return elementwise.where(condition, input, other)


def where_method(self: Tensor, condition: Any, other: Any) -> Tensor:
    """This tensor where the condition holds, else `other`."""
    return elementwise.where(condition, self, other)


def softmax(input: Any, dim: int = -1, dtype: Any = None) -> Any:
    """exp(xᵢ) / Σⱼ exp(xⱼ) along `dim`, which is the last one if not given; a row of −inf gives zeros.

    `dtype` converts the input first.
    """
    return fused.softmax(input if dtype is None else to(input, dtype), dim)


def log_softmax(input: Any, dim: int = -1, dtype: Any = None) -> Any:
    """The logarithm of `softmax`, exact where that would round to 0."""
    return fused.log_softmax(input if dtype is None else to(input, dtype), dim)


def index_fill(self: Tensor, dim: int, index: Any, value: Any) -> Tensor:
    """This tensor with `value` at the positions in the 1-D `index` along `dim`."""
    where = indexing.along(reduce.dim_of("index_fill", self, dim), indexing.plain(index), self.ndim)
    return indexing.setitem(self, where, value)


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace: a matrix is needed, not {input.shape}; see diagonal")
    return reduce.sum(shape.diagonal(input))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same entries."""
    return input.shape == other.shape and bool((input.array == other.array).all())


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where |input − other| ≤ atol + rtol · |other|."""
    return Tensor(np.isclose(indexing.plain_values(input), indexing.plain_values(other), rtol, atol, equal_nan))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether |input − other| ≤ atol + rtol · |other| everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def count_nonzero(input: Tensor, dim: reduce.Dim = None) -> Tensor:
    """How many entries over `dim` are not 0."""
    return reduce.sum(elementwise.ne(input, 0), dim)


def detach(input: Tensor) -> Tensor:
    """The same values in the same memory, outside the graph."""
    return input.detach()


def is_tensor(obj: object) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The cross product of vectors along `dim`, by default the first dimension of length 3.

        cᵢ = aⱼ bₖ − aₖ bⱼ  for a = input, b = other  and (i, j, k) = (1, 2, 3) and its rotations

    **Raises** `ShapeError` if `dim` does not have length 3.

    >>> cross(Tensor([1, 0, 0]), Tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    a, b = input, other
    if dim is None:
        dim = a.shape.index(3) if 3 in a.shape else -1
    if any(not x.ndim or x.size(dim) != 3 for x in (a, b)):
        raise ShapeError(f"cross: dimension {dim} of {a.shape} and {b.shape} holds no vectors of length 3")
    roll = shape.roll
    return roll(a, -1, dim) * roll(b, -2, dim) - roll(a, -2, dim) * roll(b, -1, dim)


# ---- the tables -----------------------------------------------------------------------------------------------------


def _swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The operator for the case that the tensor stands on the right: 2 - x."""

    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return method


OPERATORS: dict[str, Callable[..., Any]] = {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "truediv": elementwise.div,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.pow,
    "matmul": linalg.matmul,
    "and": elementwise.bitwise_and,
    "or": elementwise.bitwise_or,
    "xor": elementwise.bitwise_xor,
}
UNARY = {"pos": lambda self: self, "neg": elementwise.neg, "abs": elementwise.abs, "invert": elementwise.bitwise_not}
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]

METHODS: dict[str, Callable[..., Any]] = {
    name: vars(family)[name]
    for family, names in (
        (
            elementwise,
            "mul neg pow remainder floor_divide abs sign square sqrt reciprocal rsqrt lerp exp exp2 expm1 log log1p "
            "log2 log10 logaddexp sin cos tan asin acos atan atan2 sinh cosh tanh sigmoid erf relu softplus silu "
            "leaky_relu elu gelu maximum minimum clamp hardtanh masked_fill floor ceil trunc round eq ne lt le gt ge "
            "isnan isinf isfinite logical_not logical_and logical_or logical_xor bitwise_not bitwise_and bitwise_or "
            "bitwise_xor",
        ),
        (reduce, "sum mean var std prod cumsum cumprod amax amin argmax argmin max min logsumexp norm any all"),
        (
            shape,
            "flatten unflatten squeeze unsqueeze clone transpose roll movedim t tril triu diagonal diag narrow split "
            "chunk unbind select repeat_interleave",
        ),
        (
            indexing,
            "gather scatter scatter_add take_along_dim index_select masked_select index_add argsort sort topk nonzero "
            "unique",
        ),
        (linalg, "matmul dot mm mv bmm outer addmm baddbmm"),
        (window, "unfold"),
    )
    for name in names.split()
} | {
    "add": add,
    "sub": sub,
    "div": div,
    "true_divide": elementwise.div,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "clip": elementwise.clamp,
    "absolute": elementwise.abs,
    "swapaxes": shape.transpose,
    "swapdims": shape.transpose,
    "concat": shape.cat,
    "reshape": reshape,
    "permute": permute,
    "expand": expand,
    "broadcast_to": expand,
    "repeat": repeat,
    "tile": repeat,
    "flip": flip,
    "view": view,
    "expand_as": expand_as,
    "view_as": view_as,
    "ravel": ravel,
    "where": where_method,
    "index_fill": index_fill,
    "trace": trace,
    "equal": equal,
    "isclose": isclose,
    "allclose": allclose,
    "count_nonzero": count_nonzero,
    "to": to,
    "astype": to,
    "type": type,
    "type_as": type_as,
    "float": _in(dtypes.float32),
    "double": _in(dtypes.float64),
    "half": _in(dtypes.float16),
    "long": _in(dtypes.int64),
    "int": _in(dtypes.int32),
    "short": _in(dtypes.int16),
    "byte": _in(dtypes.uint8),
    "bool": _in(dtypes.bool),
    "cpu": cpu,
    "cuda": cuda,
    "is_floating_point": is_floating_point,
    "is_contiguous": is_contiguous,
    "stride": stride,
    "element_size": element_size,
    "ndimension": Tensor.dim,
    "cross": cross,
    "contiguous": contiguous,
    "copy": shape.clone,
    "new_zeros": _new(np.zeros, "zeros"),
    "new_ones": _new(np.ones, "ones"),
    "new_empty": _new(np.zeros, "zeros, to be filled,"),
    "new_tensor": new_tensor,
    "new_full": new_full,
    "backward": autograd.backward,
    "register_hook": autograd.register_hook,
    "retain_grad": autograd.retain_grad,
}

PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "T": lambda self: shape.permute(self, tuple(range(self.ndim))[::-1]),
    "mT": lambda self: shape.transpose(self, -2, -1),
    "device": lambda self: devices.cpu,
    "is_cuda": lambda self: False,
}

IN_PLACE = (
    "mul div pow remainder floor_divide abs sign neg square sqrt reciprocal rsqrt lerp exp exp2 expm1 log log1p log2 "
    "log10 sin cos tan asin acos atan sinh cosh tanh sigmoid erf relu clamp clip masked_fill floor ceil trunc round "
    "scatter scatter_add index_add squeeze unsqueeze transpose t tril triu cumsum"
)
CHANGING = "add_ sub_ addcmul_ addcdiv_ copy_ fill_ zero_ index_fill_ normal_ uniform_ bernoulli_ detach_"


def _in_place_operator(operator: Callable[..., Any], symbol: str) -> Callable[..., Tensor]:
    def method(self: Tensor, other: Any) -> Tensor:
        return inplace.assign(self, operator(inplace.before(self, symbol, other), other), symbol)

    return method


def _reshaping(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The in-place form of an operation that changes only the shape: the handle stands for the new view."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        inplace.check_changeable(self, name)
        with autograd.set_grad_enabled(self.node is not None):  # the values stay, so the history does, even in no_grad
            result = function(self, *args, **kwargs)
        self.array, self.node = result.array, result.node
        return self

    method.__name__ = name
    method.__doc__ = f"Change the shape of this tensor as `{name[:-1]}` does, and return it."
    return method


class Missing:
    """A method that PyTorch's tensors have and these have not: to ask for it is an error that says what to use instead.

    (A `__getattr__`, which Python asks for any name that is not there, would slow down every attribute that is.)
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Tensor | None, kind: Any = None) -> Any:
        raise porting.missing("Tensor", self.name, ())


def _dir(self: Tensor) -> list[str]:
    """What there is, without what is missing."""
    return [name for name in object.__dir__(self) if not isinstance(vars(Tensor).get(name), Missing)]


SYMBOLS = {
    "add": "+=", "sub": "-=", "mul": "*=", "truediv": "/=", "floordiv": "//=", "mod": "%=", "pow": "**=",
    "and": "&=", "or": "|=", "xor": "^=",
}  # fmt: skip
RESHAPING = {"squeeze", "unsqueeze", "transpose", "t"}

for name, operation in OPERATORS.items():
    setattr(Tensor, f"__{name}__", operation)
    setattr(Tensor, f"__r{name}__", _swapped(operation))
for name, symbol in SYMBOLS.items():
    setattr(Tensor, f"__i{name}__", _in_place_operator(OPERATORS[name], symbol))
for name, operation in UNARY.items():
    setattr(Tensor, f"__{name}__", operation)
for name in COMPARISONS:
    setattr(Tensor, f"__{name}__", vars(elementwise)[name])
for name, operation in METHODS.items():
    setattr(Tensor, name, operation)
for name, operation in PROPERTIES.items():
    setattr(Tensor, name, property(operation))
for name in IN_PLACE.split():
    setattr(Tensor, f"{name}_", (_reshaping if name in RESHAPING else inplace.by)(METHODS[name], f"{name}_"))
for name in CHANGING.split():
    setattr(Tensor, name, vars(inplace)[name])
for name in porting.INSTEAD:
    if not hasattr(Tensor, name):
        setattr(Tensor, name, Missing(name))
Tensor.__dir__ = _dir  # type: ignore[method-assign, assignment]  # without which a tensor would offer what is missing
Tensor.__getitem__ = indexing.getitem  # type: ignore[method-assign]  # declared there, defined by the table
Tensor.__setitem__ = inplace.setitem_  # type: ignore[method-assign]  # declared there, defined by the table
