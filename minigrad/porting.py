"""What PyTorch has and minigrad has not: each such name, and what to use instead.

Using one of these names raises an error that says so; `docs/porting.md` says what else to change in a program written
for PyTorch.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

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
}


def missing(module: str, name: str, names: Sequence[str]) -> AttributeError:
    """The error for a `name` that `module`, which has the `names`, does not have."""
    if name in INSTEAD:
        return AttributeError(f"{module}.{name}: {INSTEAD[name]}")
    if name.endswith("_") and name[:-1] in names:
        return AttributeError(f"{module}.{name}: what changes a tensor in place is a method here: write x.{name}()")
    near = [] if name.startswith("_") else difflib.get_close_matches(name, names, 1)
    return AttributeError(f"{module} has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
