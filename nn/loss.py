"""Losses as modules: how far the output of a model is from what it should be.

Each computes the function of the same meaning in `nn/functional.py`. `reduction` is "mean" over what counts, "sum", or
"none" for one loss for each row or entry. Input and target must fit exactly: nothing is broadcast.

Letters: N examples, C classes.
"""

from __future__ import annotations

from minigrad import Tensor

from . import functional
from .module import Module


class _Loss(Module):
    """What the losses share: how the losses of the entries become one."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """−log softmax(scores)[label], with the options of `functional.cross_entropy`.

    **Shapes**: scores (N, C), (C) or (N, C, d1, …); labels (N), () or (N, d1, …), or a distribution in the shape of the
    scores; weight (C).

    **Raises** `ShapeError` if the shapes do not fit, or for a label that is not a class.

    >>> import minigrad
    >>> CrossEntropyLoss()(minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare scores with labels."""
        return functional.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """−x[label], for logarithms of probabilities x, as `LogSoftmax` gives them.

    **Shapes**: x (N, C), (C) or (N, C, d1, …); labels (N), () or (N, d1, …); weight (C).

    **Raises** `ShapeError` if the shapes do not fit, or for a label that is not a class.
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare logarithms of probabilities with labels."""
        return functional.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class MSELoss(_Loss):
    """(x − t)², the squared error.

    **Shapes**: input and target alike.

    >>> import minigrad
    >>> MSELoss(reduction="sum")(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 5.0]))
    tensor(9.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x − t|, the absolute error.

    **Shapes**: input and target alike.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """(x − t)² / (2 β) where |x − t| < β, else |x − t| − β / 2.

    **Shapes**: input and target alike.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """(x − t)² / 2 where |x − t| < δ, else δ (|x − t| − δ / 2).

    **Shapes**: input and target alike.
    """

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class MarginRankingLoss(_Loss):
    """max(0, margin − t (x₁ − x₂)): x₁ is to lie above x₂ where t = 1, and below it where t = −1.

    **Shapes**: all alike.
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − margin) where t = −1.

    **Shapes**: x₁ and x₂ (N, D), t (N).
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Compare vectors."""
        return functional.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, ‖a − p‖ − ‖a − n‖ + margin): the anchor is to lie nearer to the positive than to the negative.

    **Shapes**: (N, D) each.
    """

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin, self.p, self.eps = margin, p, eps

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Compare distances."""
        return functional.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, reduction=self.reduction
        )


class BCELoss(_Loss):
    """−t log p − (1 − t) log(1 − p), for probabilities p.

    **Shapes**: input and target alike; weight broadcasts.

    **Raises** `ValueError` for a p outside [0, 1].
    """

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of sigmoid(x), exact where that would round to 0 or 1; a positive example counts `pos_weight`.

    **Shapes**: input and target alike; weight and pos_weight broadcast.
    """

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(_Loss):
    """t (log t − x), for logarithms of probabilities x and probabilities t (their logarithms, if `log_target`).

    `reduction="batchmean"` is the mean divergence of the N distributions.

    **Shapes**: input and target alike.
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare entry by entry."""
        return functional.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class CosineSimilarity(Module):
    """x₁ · x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`: the cosine of the angle between vectors.

    **Shapes**: broadcast against each other; `dim` is gone.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Compare vectors."""
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """‖x₁ − x₂ + ε‖ₚ along the last dimension.

    **Shapes**: broadcast against each other; the last dimension is gone, unless `keepdim`.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.p, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Compare vectors."""
        return functional.pairwise_distance(x1, x2, self.p, self.eps, self.keepdim)
