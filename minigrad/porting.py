"""What PyTorch has and minigrad has not: each such name, and what to use instead.

Using one of these names raises an error that says so; `docs/porting.md` says what else to change in a program written
for PyTorch.
"""

from __future__ import annotations

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
    "median": "it has no derivative here; for values, use np.median(x.detach().numpy())",
    "quantile": "it has no derivative here; for values, use np.quantile(x.detach().numpy(), q)",
    "searchsorted": "use np.searchsorted(edges.numpy(), x.numpy())",
    "cdist": "write it out: (a[:, None] - b).norm(dim=-1)",
    "dist": "write (a - b).norm(p)",
    "set_printoptions": "NumPy prints the numbers: use np.set_printoptions(precision=…)",
    # methods of tensors
    "storage": "x.numpy() is the memory of a tensor, x.numpy().ctypes.data its address",
    "data_ptr": "x.numpy() is the memory of a tensor, x.numpy().ctypes.data its address",
    "pin_memory": "everything is in the memory of the cpu; leave this out",
    "share_memory_": "there is one process; leave this out",
    "to_dense": "there are no sparse tensors: it is full already",
    "to_sparse": "there are no sparse tensors",
    "H": "there are no complex tensors; use .mT",
    "apply_": "compute with the whole tensor at once, or use np.vectorize on x.detach().numpy()",
    "map_": "compute with the whole tensor at once, or use np.vectorize on x.detach().numpy()",
    "random_": "write x.copy_(minigrad.randint(low, high, x.shape))",
    "exponential_": "write x.uniform_().neg_().log1p_().neg_()",
    "scatter_reduce": "there are scatter and scatter_add; a mean is the sum over one_hot(index).sum(0)",
    "clamp_min": "write x.clamp(min=…)",
    "clamp_max": "write x.clamp(max=…)",
    "sparse_mask": "there are no sparse tensors; use masked_fill or where",
    # layers and functions of nn
    "ParameterDict": "name the parameters as attributes, or keep them in a ModuleDict or ParameterList",
    "ConvTranspose1d": "it is not here; spread the input with zeros between its entries, and use Conv1d",
    "ConvTranspose2d": "it is not here; spread the input with zeros between its entries, and use Conv2d",
    "Conv3d": "there are Conv1d and Conv2d",
    "InstanceNorm1d": "it is GroupNorm with a group for each channel: nn.GroupNorm(C, C, affine=False)",
    "InstanceNorm2d": "it is GroupNorm with a group for each channel: nn.GroupNorm(C, C, affine=False)",
    "CTCLoss": "it is not here; a linear-chain alignment is what nn.CRF learns",
    "Upsample": "repeat the entries: x.repeat_interleave(n, dim)",
    "interpolate": "repeat the entries: x.repeat_interleave(n, dim)",
    "DataParallel": "there is one device; leave this out",
    "parallel": "there is one device; leave this out",
    "quantization": "there is none; train in float32",
    # optimisers, schedules, data and utilities
    "SparseAdam": "gradients are full here; use Adam",
    "NAdam": "use Adam or AdamW",
    "RAdam": "use Adam with a warm-up, as LambdaLR or LinearLR make it",
    "Adamax": "use Adam or AdamW",
    "Rprop": "use RMSprop",
    "ChainedScheduler": "a schedule here owns the learning rate; write the product as one LambdaLR",
    "MultiplicativeLR": "use LambdaLR with the product of the factors",
    "CyclicLR": "use OneCycleLR, or CosineAnnealingWarmRestarts",
    "DistributedSampler": "there is one process; use shuffle=True or RandomSampler",
    "get_worker_info": "items are loaded in this process; there are no workers",
    "weight_norm": "it is not here; divide the weight by its norm in forward",
    "spectral_norm": "it is not here; np.linalg.norm(w.detach().numpy(), 2) is the number to divide by",
    "parametrizations": "there are none; compute the weight in forward",
    "prune": "multiply the weight by a mask in forward",
}


def missing(module: str, name: str, names: Sequence[str]) -> AttributeError:
    """The error for a `name` that `module`, which has the `names`, does not have."""
    if name in INSTEAD:
        return AttributeError(f"{module}.{name}: {INSTEAD[name]}")
    if name.endswith("_") and name[:-1] in names:
        return AttributeError(f"{module}.{name}: what changes a tensor in place is a method here: write x.{name}()")
    if name.startswith("_"):  # as Python itself asks for, at every import
        return AttributeError(f"{module} has no {name!r}")
    import difflib  # slow to load, and needed only here

    near = difflib.get_close_matches(name, names, 1)
    return AttributeError(f"{module} has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
