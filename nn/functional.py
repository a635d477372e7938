"""Layers as plain functions: what a module computes, with its weights and options as arguments.

Names, arguments and defaults are PyTorch's, as in `functional.softmax(x, dim=-1)`. What is a single operation of the
engine is taken from there as it is; the rest is composed of such operations, so that all of it has derivatives of every
order.

Letters: B batch (N in the losses), T time, D features, C classes or channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor, no_grad, sigmoid, tanh, where
from minigrad.errors import DimError
from minigrad.ops import fused, index
from minigrad.ops.attention import attention
from minigrad.ops.convolution import conv1d, conv2d
from minigrad.ops.elementwise import cut_log, elu, gelu, hardtanh, leaky_relu, logistic_loss, silu, softplus
from minigrad.ops.index import one_hot, plain_values
from minigrad.ops.linalg import linear
from minigrad.ops.shape import pad
from minigrad.ops.window import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    max_pool1d,
    max_pool2d,
)
from minigrad.porting import missing
from minigrad.random import default_generator, happens

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "elu",
    "embedding",
    "gelu",
    "glu",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
]


def __getattr__(name: str) -> Any:
    raise missing("nn.functional", name, __all__)


# ---- activations ----------------------------------------------------------------------------------------------------


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); its derivative at 0 is 0."""
    return input.relu_() if inplace else minigrad.relu(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(−x))), exact where the sigmoid would round to 0.

    >>> logsigmoid(minigrad.tensor([0.0, -1000.0]))
    tensor([-6.9315e-01, -1.0000e+03])
    """
    return -softplus(-input, 1.0, math.inf)


def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6); on the bounds the derivative is 0."""
    return hardtanh(input, 0.0, 6.0)


# With these, the outputs of a layer keep mean 0 and variance 1 (Klambauer et al. 2017, arXiv:1706.02515).
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def selu(input: Tensor) -> Tensor:
    """λ x where x > 0, else λ α (exp(x) − 1), with λ = 1.0507… and α = 1.6732…."""
    return elu(input, SELU_ALPHA) * SELU_SCALE


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else α (exp(x / α) − 1)."""
    return elu(input * (1 / alpha)) * alpha


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else a x, with one slope a for all, or one for each channel.

    **Shapes**: any → the same, with weight (1) or (); or (B, C, …) → the same, with weight (C).

    **Raises** `ShapeError` if the number of channels is another.
    """
    if weight.numel() != 1:
        if weight.ndim != 1 or input.shape[1:2] != weight.shape:
            raise ShapeError(
                f"prelu: {weight.numel()} slopes need an input (B, {weight.numel()}, …), not {input.shape}"
            )
        weight = weight.reshape(-1, *(1,) * (input.ndim - 2))
    return where(input > 0, input, weight * input)


def rrelu(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """x where x > 0, else a x, with a drawn from U(lower, upper) for each entry; their mean if not `training`.

    **Raises** `ValueError` if `lower` is above `upper`.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations" (2015), arXiv:1505.00853.
    """
    if lower > upper:
        raise ValueError(f"rrelu: lower = {lower} is above upper = {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    _check_floats("rrelu", input)
    slopes = default_generator.numpy.uniform(lower, upper, input.shape).astype(input.dtype)
    return where(input > 0, input, input * slopes)


def _check_floats(name: str, input: Tensor) -> None:
    if input.dtype.kind != "f":
        raise TypeError(f"{name}: an input of floats is needed, not {input.dtype}; convert it with .float()")


def hardsigmoid(input: Tensor) -> Tensor:
    """x / 6 + 1 / 2, cut off at 0 and 1: a sigmoid of straight lines."""
    return hardtanh(input * (1 / 6) + 0.5, 0.0, 1.0)


def hardswish(input: Tensor) -> Tensor:
    """x · hardsigmoid(x)."""
    return input * hardsigmoid(input)


def mish(input: Tensor) -> Tensor:
    """x · tanh(log(1 + exp(x)))."""
    return input * tanh(softplus(input))


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (1 + input.abs())


def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh(x)."""
    return input - tanh(input)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > `lambd`, else 0."""
    return input.masked_fill(input.abs() <= lambd, 0.0)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x brought nearer to 0 by `lambd`, and 0 where |x| ≤ `lambd`."""
    return (input - lambd * input.sign()).masked_fill(input.abs() <= lambd, 0.0)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """x where x > `threshold`, else `value`."""
    return input.masked_fill(input <= threshold, value)


def softmax(input: Tensor, dim: int | None = -1, *, dtype: Any = None) -> Tensor:
    """exp(xᵢ) / Σⱼ exp(xⱼ) along `dim`, which is the last one if not given; a row of −inf gives zeros.

    `dtype` converts the input first.

    **Shapes**: any → the same.

    >>> softmax(minigrad.tensor([0.0, math.log(3.0)]))
    tensor([0.25, 0.75])
    """
    return fused.softmax(input if dtype is None else input.to(dtype), -1 if dim is None else dim)


def log_softmax(input: Tensor, dim: int | None = -1, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`, exact where that would round to 0."""
    return fused.log_softmax(input if dtype is None else input.to(dtype), -1 if dim is None else dim)


def softmin(input: Tensor, dim: int | None = -1, *, dtype: Any = None) -> Tensor:
    """softmax(−x): the smallest entry weighs most."""
    return softmax(-input, dim, dtype=dtype)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · sigmoid(b), for the halves a and b of x along `dim`: half of the features gate the other half.

    **Shapes**: (…, 2 D, …) → (…, D, …).

    **Raises** `ShapeError` if the dimension has an odd length.

    Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks" (2016), arXiv:1612.08083.

    >>> glu(minigrad.tensor([6.0, 0.0]))
    tensor([3.])
    """
    if not -input.ndim <= dim < input.ndim or input.shape[dim] % 2:
        raise ShapeError(f"glu: dimension {dim} of shape {input.shape} has no two halves; its length must be even")
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)


# ---- lookup and dropout ---------------------------------------------------------------------------------------------


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
) -> Tensor:
    """Row `input[…]` of the weight for each id; the row `padding_idx` gets no gradient.

    With `max_norm`, rows that are looked up and longer than that (in the `norm_type`-norm) are first shortened to it,
    in the weight itself.

    **Shapes**: ids (…), weight (V, D) → (…, D).

    **Raises** `ShapeError` (an `IndexError`) for an id that is not a row, `TypeError` for ids that are not integers.
    """
    if padding_idx is not None:
        padding_idx = row_of(padding_idx, len(weight))
    if max_norm is not None:
        shorten_rows(weight, input, max_norm, norm_type)
    return index.embedding(weight, input, padding_idx)


def shorten_rows(weight: Tensor, ids: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows that `ids` name to length `max_norm`, in place, where they are longer."""
    rows = np.unique(plain_values(ids))
    with no_grad():
        found = weight[rows]
        lengths = found.norm(norm_type, 1, keepdim=True)
        weight[rows] = where(lengths > max_norm, found * (max_norm / (lengths + 1e-7)), found)


def row_of(padding_idx: int, rows: int) -> int:
    """The row that `padding_idx` names, which may count from the end.

    **Raises** `ShapeError` if there is no such row.
    """
    if not -rows <= padding_idx < rows:
        raise ShapeError(f"embedding: padding_idx {padding_idx} is not among the {rows} rows")
    return padding_idx % rows


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each entry 0 with probability p, the others divided by 1 − p, so that the mean stays; x itself if not `training`.

    **Raises** `ValueError` for a p outside [0, 1].

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014), JMLR 15.

    >>> dropout(minigrad.ones(3), p=1.0)
    tensor([0., 0., 0.])
    """
    return _dropped("dropout", input, p, training, inplace, input.shape)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels.

    **Shapes**: (B, C, T) or (C, T) → the same; a channel is kept or dropped for all T.

    **Raises** `ValueError` for a p outside [0, 1], `ShapeError` for other shapes.
    """
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: channels (C, T) or (B, C, T) are needed, not {input.shape}")
    return _dropped("dropout1d", input, p, training, inplace, (*input.shape[:-1], 1))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels.

    **Shapes**: (B, C, H, W) or (C, H, W) → the same; a channel is kept or dropped in all places.

    **Raises** `ValueError` for a p outside [0, 1], `ShapeError` for other shapes.
    """
    if input.ndim not in (3, 4):
        raise ShapeError(f"dropout2d: channels (C, H, W) or (B, C, H, W) are needed, not {input.shape}")
    return _dropped("dropout2d", input, p, training, inplace, (*input.shape[:-2], 1, 1))


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 of what comes from `selu`: entries become −λα, and all is scaled back.

        y = a (x or, with probability p, −λα) + b,   a = 1 / √((1 − p)(1 + p λ²α²)),   b = a p λα

    **Raises** `ValueError` for a p outside [0, 1).

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017), arXiv:1706.02515.
    """
    if not 0 <= p < 1:
        raise ValueError(f"alpha_dropout: a probability lies in [0, 1), which p = {p} does not")
    if not training or p == 0:
        return input
    low = -SELU_SCALE * SELU_ALPHA
    dropped = happens(p, input.shape)
    a = 1 / math.sqrt((1 - p) * (1 + p * low**2))
    return input.masked_fill(Tensor(dropped), low) * a - a * p * low


def _dropped(name: str, input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...]) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: a probability lies in [0, 1], which p = {p} does not")
    if not training or p == 0:
        return input
    _check_floats(name, input)
    scale = np.multiply(happens(1 - p, shape), 1 / (1 - p) if p < 1 else 0.0, dtype=input.dtype)
    return input.mul_(scale) if inplace else input * scale


# ---- normalisation --------------------------------------------------------------------------------------------------


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + ε) · weight + bias, with mean and variance over the last dimensions.

    **Shapes**: (…, *normalized_shape) → the same; weight and bias (*normalized_shape).

    **Raises** `ShapeError` if x does not end in `normalized_shape`.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), arXiv:1607.06450.

    >>> layer_norm(minigrad.tensor([-1.0, 1.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    return fused.layer_norm(input, _trailing("layer_norm", input, normalized_shape), weight, bias, eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / √(mean of x² + ε) · weight, with the mean over the last dimensions; ε is the dtype's own if not given.

    **Shapes**: (…, *normalized_shape) → the same; weight (*normalized_shape).

    **Raises** `ShapeError` if x does not end in `normalized_shape`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019), arXiv:1910.07467.
    """
    _check_floats("rms_norm", input)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return fused.rms_norm(input, _trailing("rms_norm", input, normalized_shape), weight, eps)


def _trailing(name: str, input: Tensor, normalized_shape: Sequence[int]) -> int:
    """How many dimensions are normalised."""
    n = len(normalized_shape)
    if input.ndim < n or input.shape[input.ndim - n :] != tuple(normalized_shape):
        raise ShapeError(f"{name}: the input has shape {input.shape}, which does not end in {tuple(normalized_shape)}")
    return n


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x − mean) / √(variance + ε) · weight + bias, channel by channel.

    In training, mean and variance are those of the batch, and the running ones move towards them by `momentum` (the
    variance with n − 1 below the line); otherwise they are the running ones.

    **Shapes**: x (B, C, …) → the same; everything else (C).

    **Raises** `ShapeError` for other shapes, or in training with a single value per channel or none.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015), arXiv:1502.03167.
    """
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: an input (B, C, …) is needed, not {input.shape}")
    if training:
        n = input.shape[0] * math.prod(input.shape[2:])
        if n < 2:
            raise ShapeError(
                f"batch_norm: training needs a variance, and so 2 values per channel or more, but the input "
                f"{input.shape} has {n}; give more, or call eval()"
            )
        _check_floats("batch_norm", input)
        statistics = fused.channel_statistics(input)
        if running_mean is not None and running_var is not None:
            with no_grad():
                running_mean.lerp_(statistics[0], momentum)
                running_var.lerp_(statistics[1] * (n / (n - 1)), momentum)
        return fused.batch_norm(input, statistics, weight, bias, eps)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: without running statistics there is nothing to use outside training")
    channels = (-1,) + (1,) * (input.ndim - 2)
    y = (input - running_mean.reshape(channels)) * (running_var.reshape(channels) + eps).rsqrt()
    if weight is not None:
        y = y * weight.reshape(channels)
    return y if bias is None else y + bias.reshape(channels)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x − mean) / √(variance + ε) · weight + bias, with mean and variance over each group of channels of an example.

    **Shapes**: x (B, C, …) → the same; weight and bias (C).

    **Raises** `ShapeError` if `num_groups` does not divide the number of channels.

    Source: Wu and He, "Group Normalization" (2018), arXiv:1803.08494.
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: an input (B, C, …) with channels that {num_groups} groups can share equally is needed, "
            f"not {input.shape}"
        )
    rows = input.reshape(len(input), num_groups, math.prod(input.shape[1:]) // num_groups)
    y = fused.layer_norm(rows, 1, None, None, eps).reshape(input.shape)
    channels = (-1,) + (1,) * (input.ndim - 2)
    if weight is not None:
        y = y * weight.reshape(channels)
    return y if bias is None else y + bias.reshape(channels)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖ₚ, ε) along `dim`: vectors of length 1.

    >>> normalize(minigrad.tensor([3.0, 4.0]), dim=0)
    tensor([0.6, 0.8])
    """
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


# ---- losses ---------------------------------------------------------------------------------------------------------
# The shapes of input and target must fit exactly: (N, 1) against (N) is an error, not a loss of N × N pairs.


def _reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    _check_reduction(name, reduction)
    return losses.sum() if reduction == "sum" else losses


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def _check_same(name: str, input: Tensor, target: Tensor) -> None:
    _check_tensors(name, input=input, target=target)
    if input.shape != target.shape:
        raise ShapeError(
            f"{name}: the input has shape {input.shape}, but the target {target.shape}; they are not broadcast: "
            f"bring one to the other's shape with .reshape, .squeeze or .expand"
        )


def _check_tensors(name: str, **given: Any) -> None:
    for what, value in given.items():
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(
                f"{name}: the {what} is a tensor, not {type(value).__name__}; make one with minigrad.tensor"
            )


def _rows(name: str, scores: Tensor, labels: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Scores (N, C, d1, …) and labels (N, d1, …), or (C) and (), as rows (M, C) and (M)."""
    if not scores.ndim or labels.shape != scores.shape[: scores.ndim > 1] + scores.shape[2:]:
        raise ShapeError(
            f"{name}: scores {scores.shape} and labels {labels.shape} do not fit: (N, C) goes with (N), (N, C, T) with "
            f"(N, T); if the classes come last, flatten with scores.reshape(-1, C) and labels.reshape(-1)"
        )
    if scores.ndim == 2:
        return scores, labels
    classes = scores.shape[scores.ndim > 1]
    if scores.ndim > 2:
        scores = scores.movedim(1, -1)
    return scores.reshape(-1, classes), labels.reshape(-1)


def _check_labels(name: str, labels: np.ndarray, classes: int, weight: Tensor | None, ignore_index: int) -> None:
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels are integers, not {labels.dtype}; convert them with .long()")
    wrong = labels[((labels < 0) | (labels >= classes)) & (labels != ignore_index)]
    if wrong.size:
        raise DimError(
            f"{name}: label {wrong[0]} is not among the {classes} classes (0 to {classes - 1}), nor is it "
            f"ignore_index = {ignore_index}"
        )
    _check_weight(name, weight, classes)


def _check_weight(name: str, weight: Tensor | None, classes: int) -> None:
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"{name}: weight has shape {weight.shape}, but {classes} classes need shape ({classes},)")


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−log softmax(scores)[label]: how unlikely the scores make the right class.

    Rows labelled `ignore_index` count nothing, others `weight[label]`, and the mean is over what counts. A target of
    floats is a distribution over the classes for each row. Of each target, the part `label_smoothing` is spread evenly
    over all classes.

    **Shapes**: scores (N, C), (C) or (N, C, d1, …); labels (N), () or (N, d1, …), or a distribution in the shape of
    the scores; weight (C).

    **Raises** `ShapeError` if the shapes do not fit, or (then also an `IndexError`) for a label that is not a class.

    >>> cross_entropy(minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([1]))
    tensor(0.6931)
    """
    _check_tensors("cross_entropy", input=input, target=target)
    labels = plain_values(target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing lies in [0, 1], which {label_smoothing} does not")
    if labels.dtype.kind == "f":
        if ignore_index >= 0:
            raise ValueError(
                "cross_entropy: ignore_index is about labels; a distribution that counts nothing is all zeros"
            )
        return _against_distribution(input, target, weight, reduction, label_smoothing)
    _check_reduction("cross_entropy", reduction)
    rows, flat = _rows("cross_entropy", input, labels)
    losses = fused.cross_entropy(rows, flat, weight, ignore_index, reduction, label_smoothing)
    return losses.reshape(labels.shape) if reduction == "none" else losses


def _against_distribution(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    """−Σ_c weight[c] · target[c] · log softmax(scores)[c], the mean being over all rows alike."""
    _check_same("cross_entropy", input, target)
    dim = min(1, input.ndim - 1)
    classes = input.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    _check_weight("cross_entropy", weight, classes)
    if weight is not None:
        target = target * weight.reshape(-1, *(1,) * (input.ndim - 1 - dim))
    return _reduced("cross_entropy", -(target * log_softmax(input, dim)).sum(dim), reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """−x[label], for x that are logarithms of probabilities, as `log_softmax` gives them.

    Weights, shapes and errors are those of `cross_entropy`.

    >>> nll_loss(minigrad.tensor([[-0.5, -3.0], [-2.0, -4.0]]), minigrad.tensor([0, 1]))
    tensor(2.25)
    """
    _check_tensors("nll_loss", input=input, target=target)
    labels = plain_values(target)
    _check_reduction("nll_loss", reduction)
    rows, flat = _rows("nll_loss", input, labels)
    _check_labels("nll_loss", flat, rows.shape[1], weight, ignore_index)
    counted = flat != ignore_index
    flat = np.where(counted, flat, 0)
    losses = where(counted, -rows[np.arange(len(flat)), flat], 0.0)
    counts = counted.astype(rows.dtype) if weight is None else weight[flat] * counted
    losses = losses if weight is None else losses * counts
    if reduction == "mean":
        return losses.sum() / counts.sum()
    return losses.sum() if reduction == "sum" else losses.reshape(labels.shape)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """−t log p − (1 − t) log(1 − p), for probabilities p; logarithms below −100 count as −100, as in PyTorch.

    **Raises** `ShapeError` if the shapes differ, `ValueError` for a p outside [0, 1].

    >>> binary_cross_entropy(minigrad.tensor([0.5, 0.0]), minigrad.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931, 100.    ])
    """
    _check_same("binary_cross_entropy", input, target)
    values = plain_values(input)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"binary_cross_entropy: probabilities lie in [0, 1], but the input goes from {values.min():g} to "
            f"{values.max():g}; for scores there is binary_cross_entropy_with_logits"
        )
    losses = -(target * cut_log(input) + (1 - target) * cut_log(1 - input))
    return _reduced("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of p = sigmoid(x), exact where p would round to 0 or 1.

        (1 − t) x + (1 + (pos_weight − 1) t) log(1 + exp(−x))

    `pos_weight`, broadcast against the target, is how much a positive example counts beside a negative one.

    **Raises** `ShapeError` if the shapes differ.

    >>> binary_cross_entropy_with_logits(minigrad.tensor([0.0]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """
    _check_same("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        losses = logistic_loss(input, target)
    else:
        losses = (1 - target) * input - (1 + (pos_weight - 1) * target) * logsigmoid(input)
    return _reduced("binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(x − t)², the squared error.

    **Raises** `ShapeError` if the shapes differ.

    >>> mse_loss(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 5.0]))
    tensor(4.5)
    """
    _check_same("mse_loss", input, target)
    return _reduced("mse_loss", (input - target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|x − t|, the absolute error, with derivative 0 where they are equal.

    **Raises** `ShapeError` if the shapes differ.
    """
    _check_same("l1_loss", input, target)
    return _reduced("l1_loss", (input - target).abs(), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """(x − t)² / (2 β) where |x − t| < β, else |x − t| − β / 2: a parabola that goes on as straight lines.

    **Raises** `ShapeError` if the shapes differ, `ValueError` for a negative β.

    Source: Girshick, "Fast R-CNN" (2015), arXiv:1504.08083.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is not negative, as {beta} is")
    _check_same("smooth_l1_loss", input, target)
    error = (input - target).abs()
    losses = where(error < beta, error.square() * (0.5 / (beta or 1.0)), error - 0.5 * beta)
    return _reduced("smooth_l1_loss", losses, reduction)


def huber_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """(x − t)² / 2 where |x − t| < δ, else δ (|x − t| − δ / 2): δ times `smooth_l1_loss` with β = δ.

    **Raises** `ShapeError` if the shapes differ, `ValueError` if δ is not above 0.

    Source: Huber, "Robust Estimation of a Location Parameter" (1964).
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is above 0, unlike {delta}")
    return delta * smooth_l1_loss(input, target, reduction=reduction, beta=delta)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin − t (x₁ − x₂)): x₁ is to lie above x₂ where t = 1, and below it where t = −1.

    **Raises** `ShapeError` if the shapes differ.

    >>> margin_ranking_loss(minigrad.tensor([3.0]), minigrad.tensor([1.0]), minigrad.tensor([-1.0]))
    tensor(2.)
    """
    _check_same("margin_ranking_loss", input1, input2)
    _check_same("margin_ranking_loss", input1, target)
    losses = relu(margin - target * (input1 - input2))
    return _reduced("margin_ranking_loss", losses, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − margin) where t = −1, and 0 for any other t.

    **Shapes**: x₁ and x₂ (N, D), t (N).

    **Raises** `ShapeError` if the shapes do not fit.
    """
    _check_same("cosine_embedding_loss", input1, input2)
    cosine = cosine_similarity(input1, input2, dim=-1)
    _check_same("cosine_embedding_loss", cosine, target)
    apart = where(target == -1, relu(cosine - margin), 0.0)
    return _reduced("cosine_embedding_loss", where(target == 1, 1 - cosine, apart), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, ‖a − p‖ − ‖a − n‖ + margin): the anchor is to lie nearer to the positive than to the negative.

    **Shapes**: (N, D) each.

    **Raises** `ShapeError` if the shapes differ.

    Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015), arXiv:1503.03832.
    """
    _check_same("triplet_margin_loss", anchor, positive)
    _check_same("triplet_margin_loss", anchor, negative)
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    return _reduced("triplet_margin_loss", relu(near - far + margin), reduction)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (log t − x), for logarithms of probabilities x and probabilities t (their logarithms, if `log_target`).

    The divergence of whole distributions is the sum over their entries: `reduction="batchmean"` divides the sum of all
    by the size of the first dimension, "mean" by the number of entries. Where t is 0, the loss is 0.

    **Raises** `ShapeError` if the shapes differ.

    >>> half = minigrad.tensor([[0.5, 0.5]])
    >>> kl_div(half.log(), minigrad.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    _check_same("kl_div", input, target)
    if log_target:
        losses = target.exp() * (target - input)
    else:
        losses = where(target > 0, target * (where(target > 0, target, 1.0).log() - input), 0.0)
    if reduction == "batchmean":
        return losses.sum() / len(losses)
    return _reduced("kl_div", losses, reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x₁ · x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`: the cosine of the angle, 0 beside a zero vector.

    **Shapes**: broadcast against each other; `dim` is gone.

    >>> cosine_similarity(minigrad.tensor([1.0, 0.0]), minigrad.tensor([1.0, 1.0]), dim=0)
    tensor(0.7071)
    """
    if x1.shape != x2.shape:
        product = x1 * x2  # has the shape that both are spread to
        x1, x2 = x1.expand(product.shape), x2.expand(product.shape)
    return (normalize(x1, 2, dim, eps) * normalize(x2, 2, dim, eps)).sum(dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖ₚ along the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


# ---- attention ------------------------------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(q kᵀ · scale) v, with `scale` 1 / √D if not given.

    A boolean mask is True where a query may attend to a key; another one is added to the scores. `is_causal` lets
    query i see the keys 0 … i. A query that may attend to nothing gets zeros, and gives no gradient. With `enable_gqa`,
    groups of query heads share a head of keys and values. Dropout acts on the weights whenever `dropout_p` is not 0.

    **Shapes**: q (…, H, Tq, D), k (…, H, Tk, D), v (…, H, Tk, D') → (…, H, Tq, D'); the mask broadcasts to
    (…, H, Tq, Tk).

    **Raises** `ShapeError` if the shapes do not fit, `TypeError` for a mask that is neither boolean nor floating point,
    `ValueError` for a mask together with `is_causal`.

    Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762.

    >>> k, v = minigrad.tensor([[10.0, 0.0], [0.0, 10.0]]), minigrad.tensor([[1.0], [2.0]])
    >>> scaled_dot_product_attention(k, k, v)  # each query finds its own key
    tensor([[1.],
            [2.]])
    """
    who = "scaled_dot_product_attention"
    if is_causal and attn_mask is not None:
        raise ValueError(f"{who}: is_causal makes its own mask; combine the two as attn_mask & causal and pass that")
    if enable_gqa:
        if min(query.ndim, key.ndim, value.ndim) < 3:
            raise ShapeError(f"{who}: with enable_gqa, heads are needed: (…, H, T, D), not {query.shape}, {key.shape}")
        heads, groups = query.shape[-3], key.shape[-3]
        if heads % groups or value.shape[-3] != groups:
            raise ShapeError(
                f"{who}: {heads} query heads cannot share {groups} key and {value.shape[-3]} value heads evenly"
            )
        key, value = key.repeat_interleave(heads // groups, -3), value.repeat_interleave(heads // groups, -3)
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            f"{who}: queries {query.shape} and keys {key.shape} must have equally many features (last dimension), keys "
            f"and values {value.shape} equally many positions (the one before)"
        )
    shape = (*query.shape[:-1], key.shape[-2])
    if attn_mask is not None and attn_mask.dtype.kind not in "bf":
        raise TypeError(
            f"{who}: the mask is boolean (True = may attend) or a float to add to the scores, not {attn_mask.dtype}; "
            f"write mask.bool()"
        )
    if attn_mask is not None and not _broadcasts(attn_mask.shape, shape):
        raise ShapeError(f"{who}: the mask {attn_mask.shape} does not broadcast to the scores {shape}")
    additive = attn_mask is not None and attn_mask.dtype != minigrad.bool
    if not dropout_p and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        bias, mask = (attn_mask, None) if additive else (None, attn_mask)
        return attention(query, key, value, bias, mask, scale, is_causal)  # the same, a block of queries at a time
    scores = query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale) @ key.mT  # (…, Tq, Tk)
    if is_causal:
        attn_mask = minigrad.ones(shape[-2:], dtype=minigrad.bool).tril()
    if attn_mask is not None:
        scores = scores + attn_mask if additive else scores.masked_fill(~attn_mask, -math.inf)
    return dropout(softmax(scores), dropout_p) @ value


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of `shape` can be spread to the shape `to`."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False))
