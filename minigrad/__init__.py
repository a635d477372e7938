"""minigrad: tensors that remember how they were computed, and gradients of whatever was computed with them.

>>> import minigrad
>>> w = minigrad.tensor([1.0, -2.0], requires_grad=True)
>>> x = minigrad.tensor([0.3, 0.5])
>>> y = (w * x).sum().tanh()
>>> y.backward()
>>> w.grad
tensor([0.1904, 0.3174])
"""

from __future__ import annotations

from . import autograd, numpy_protocol, ops
from .autograd import detect_anomaly, enable_grad, grad, is_grad_enabled, no_grad, set_grad_enabled
from .creation import arange, as_tensor, empty, empty_like, eye, from_numpy, full, full_like, linspace, meshgrid, ones, ones_like, tensor, tril_indices, zeros, zeros_like
from .dtypes import bool, double, float, float16, float32, float64, get_default_dtype, half, int, int16, int32, int64, int8, long, set_default_dtype, short, uint8
from .errors import ShapeError
from .gradcheck import gradcheck, gradgradcheck
from .methods import add, allclose, div, equal, sub, where
from .op import op
from .ops.elementwise import abs, acos, asin, atan, atan2, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, ceil, clamp, cos, cosh, eq, erf, exp, exp2, expm1, floor, floor_divide, ge, gt, isfinite, isinf, isnan, le, lerp, log, log10, log1p, log2, logaddexp, logical_and, logical_not, logical_or, logical_xor, lt, masked_fill, maximum, minimum, mul, ne, neg, pow, reciprocal, relu, remainder, round, rsqrt, sigmoid, sign, sin, sinh, sqrt, square, tan, tanh, trunc
from .ops.fused import log_softmax, softmax
from .ops.index import argsort, gather, index_add, index_select, masked_select, nonzero, scatter, scatter_add, sort, take_along_dim, topk, unique
from .ops.linalg import addmm, baddbmm, bmm, dot, einsum, matmul, mm, mv, outer, tensordot
from .ops.reduce import all, amax, amin, any, argmax, argmin, cumprod, cumsum, logsumexp, max, mean, min, norm, prod, std, sum, var
from .ops.shape import cat, chunk, clone, diag, diagonal, flatten, flip, movedim, narrow, pad, permute, repeat_interleave, reshape, roll, select, split, squeeze, stack, t, transpose, tril, triu, unbind, unflatten, unsqueeze
from .ops.window import conv1d, conv2d
from .random import Generator, bernoulli, get_rng_state, manual_seed, multinomial, normal, rand, rand_like, randint, randn, randn_like, randperm, set_rng_state
from .serialization import load, save
from .tensor import Tensor

__all__ = ["Generator", "ShapeError", "Tensor", "abs", "acos", "add", "addmm", "all", "allclose", "amax", "amin", "any", "arange", "argmax", "argmin", "argsort", "as_tensor", "asin", "atan", "atan2", "autograd", "baddbmm", "bernoulli", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "bmm", "bool", "cat", "ceil", "chunk", "clamp", "clone", "conv1d", "conv2d", "cos", "cosh", "cumprod", "cumsum", "detect_anomaly", "diag", "diagonal", "div", "dot", "double", "einsum", "empty", "empty_like", "enable_grad", "eq", "equal", "erf", "exp", "exp2", "expm1", "eye", "flatten", "flip", "float", "float16", "float32", "float64", "floor", "floor_divide", "from_numpy", "full", "full_like", "gather", "ge", "get_default_dtype", "get_rng_state", "grad", "gradcheck", "gradgradcheck", "gt", "half", "index_add", "index_select", "int", "int16", "int32", "int64", "int8", "is_grad_enabled", "isfinite", "isinf", "isnan", "le", "lerp", "linspace", "load", "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "logsumexp", "long", "lt", "manual_seed", "masked_fill", "masked_select", "matmul", "max", "maximum", "mean", "meshgrid", "min", "minimum", "mm", "movedim", "mul", "multinomial", "mv", "narrow", "ne", "neg", "no_grad", "nonzero", "norm", "normal", "numpy_protocol", "ones", "ones_like", "op", "ops", "outer", "pad", "permute", "pow", "prod", "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "reciprocal", "relu", "remainder", "repeat_interleave", "reshape", "roll", "round", "rsqrt", "save", "scatter", "scatter_add", "select", "set_default_dtype", "set_grad_enabled", "set_rng_state", "short", "sigmoid", "sign", "sin", "sinh", "softmax", "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "sub", "sum", "t", "take_along_dim", "tan", "tanh", "tensor", "tensordot", "topk", "transpose", "tril", "tril_indices", "triu", "trunc", "uint8", "unbind", "unflatten", "unique", "unsqueeze", "var", "where", "zeros", "zeros_like"]
