"""For programs written for PyTorch: its other names for what is here, and what to use instead of what is not.

>>> LongTensor([1, 2])
tensor([1, 2])
>>> LongTensor(2, 3).shape
(2, 3)

`docs/porting.md` says what to change in such a program. Every name that is left out on purpose stands in `INSTEAD`, so
that using it raises an error that names the alternative.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from . import dtypes
from .autograd import Recording, no_grad, thread
from .creation import tensor, zeros
from .errors import ShapeError
from .ops.shape import roll
from .tensor import Tensor

# ---- other names ----------------------------------------------------------------------------------------------------


class TensorType:
    """The tensors of one dtype under a name of their own, such as `LongTensor`.

    Calling it makes one, of data or of a size; `isinstance(x, LongTensor)` and `x.type(LongTensor)` ask for the dtype.
    """

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, dtype

    def __call__(self, *data: Any) -> Tensor:
        """A tensor of a nested list or an array; of numbers one by one, or nothing, zeros in that size."""
        if len(data) == 1 and not isinstance(data[0], int):
            return tensor(data[0], self.dtype)
        return zeros(*(data or (0,)), dtype=self.dtype)

    def __instancecheck__(self, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype == self.dtype

    def __repr__(self) -> str:
        return f"minigrad.{self.name}"


FloatTensor = TensorType("FloatTensor", dtypes.float32)
DoubleTensor = TensorType("DoubleTensor", dtypes.float64)
HalfTensor = TensorType("HalfTensor", dtypes.float16)
ByteTensor = TensorType("ByteTensor", dtypes.uint8)
CharTensor = TensorType("CharTensor", dtypes.int8)
ShortTensor = TensorType("ShortTensor", dtypes.int16)
IntTensor = TensorType("IntTensor", dtypes.int32)
LongTensor = TensorType("LongTensor", dtypes.int64)
BoolTensor = TensorType("BoolTensor", dtypes.bool)

TENSOR_TYPES = [
    FloatTensor, DoubleTensor, HalfTensor, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor,
]  # fmt: skip


def inference_mode(mode: Any = True) -> Any:
    """`no_grad` under another name; `inference_mode(False)` leaves recording as it is."""
    if callable(mode):
        return no_grad(mode)
    return no_grad() if mode else Recording(thread.mode.recording)


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
    return roll(a, -1, dim) * roll(b, -2, dim) - roll(a, -2, dim) * roll(b, -1, dim)


# ---- what is not here -----------------------------------------------------------------------------------------------

INSTEAD = {
    # packages
    "nn": "layers are a package of their own: write `import nn` (and `import nn.functional as F`)",
    "optim": "optimizers are in nn: write `from nn import optim`",
    "utils": "loaders and the like are in nn: write `from nn.utils.data import DataLoader`, `from nn.utils import rnn`",
    "linalg": "use np.linalg on x.detach().numpy(); with a derivative there are matmul, einsum, norm, outer, cross",
    "fft": "use np.fft on x.detach().numpy(); it has no derivative here",
    "special": "the functions that are here stand in minigrad itself: erf, expm1, log1p, sigmoid, softmax, …",
    "sparse": "there are no sparse tensors; index_add and scatter_add sum along a list of edges",
    "distributions": "draw with normal, bernoulli and multinomial; log-probabilities are written out in a line",
    "func": "differentiate functions with minigrad.grad(outputs, inputs, create_graph=True)",
    "amp": "train in float32: NumPy computes float16 slowly",
    "autocast": "train in float32: NumPy computes float16 slowly",
    "compile": "nothing is compiled: call the model as it is",
    "jit": "nothing is compiled: call the model as it is",
    "onnx": "models are saved as state_dicts: minigrad.save(model.state_dict(), 'model.npz')",
    "distributed": "there is one process; leave this out",
    "multiprocessing": "there is one process; leave this out",
    "mps": "there is no such device; minigrad computes with NumPy, on the cpu",
    "xpu": "there is no such device; minigrad computes with NumPy, on the cpu",
    # types
    "Size": "the shape of a tensor is a tuple of Python",
    "Variable": "tensors need no wrapper: write minigrad.tensor(x, requires_grad=True)",
    "bfloat16": "NumPy has no bfloat16; use float32",
    "complex64": "there are no complex tensors; keep real and imaginary part in a dimension of length 2",
    "complex128": "there are no complex tensors; keep real and imaginary part in a dimension of length 2",
    "strided": "every tensor is a NumPy array, which is strided",
    "set_default_tensor_type": "write set_default_dtype(minigrad.float64)",
    "set_float32_matmul_precision": "float32 is computed as float32; leave this out",
    "set_num_threads": "set the environment variable OMP_NUM_THREADS before Python starts",
    "use_deterministic_algorithms": "everything here is deterministic; leave this out",
    # functions
    "spmm": "there are no sparse tensors; use matmul on the full matrix, or index_add along a list of edges",
    "sparse_coo_tensor": "there are no sparse tensors; use a full one, or index_add along a list of edges",
    "svd": "it has no derivative here; for values, use np.linalg.svd(x.detach().numpy())",
    "inverse": "it has no derivative here; for values, use np.linalg.inv(x.detach().numpy())",
    "det": "it has no derivative here; for values, use np.linalg.det(x.detach().numpy())",
    "qr": "it has no derivative here; for values, use np.linalg.qr(x.detach().numpy())",
    "cholesky": "it has no derivative here; for values, use np.linalg.cholesky(x.detach().numpy())",
    "histc": "use np.histogram(x.detach().numpy(), bins)",
    "bincount": "use np.bincount(x.numpy()), or one_hot(x).sum(0)",
    "vmap": "write the batch dimension out: every function here broadcasts over leading dimensions",
    "from_dlpack": "use from_numpy(np.from_dlpack(x))",
    "_VF": "call the layer in nn",
}


def missing(module: str, name: str, names: Iterable[str]) -> AttributeError:
    """The error for a `name` that `module`, which has the `names`, does not have."""
    if name in INSTEAD:
        return AttributeError(f"{module}.{name}: {INSTEAD[name]}")
    near = [] if name.startswith("_") else difflib.get_close_matches(name, list(names), 1)
    return AttributeError(f"{module} has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
