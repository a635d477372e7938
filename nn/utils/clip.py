"""Clipping weights, where `clip_grad_norm_` clips gradients."""

from __future__ import annotations

import minigrad
from minigrad import ShapeError, Tensor


@minigrad.no_grad()
def clip_rows_(weight: Tensor, max_norm: float) -> None:
    """Shrink the rows of a matrix whose Euclidean norm is above `max_norm` to that norm, in place.

        w_i ← w_i · min(1, max_norm / ‖w_i‖)

    Called after each step of the optimizer it limits, unlike weight decay, only the weights that grow large.

    **Shapes**: weight (out, in).

    **Raises** `ValueError` if `max_norm` is not above 0, `ShapeError` if the weight is no matrix.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014), JMLR 15,
    section 5.1, where it is called max-norm regularization.

    >>> weight = minigrad.tensor([[3.0, 4.0], [0.6, 0.8]])
    >>> clip_rows_(weight, max_norm=2.0)
    >>> weight
    tensor([[1.2, 1.6],
            [0.6, 0.8]])
    """
    if not max_norm > 0:
        raise ValueError(f"clip_rows_: max_norm is above 0, unlike {max_norm}")
    if weight.ndim != 2:
        raise ShapeError(f"clip_rows_: a matrix (out, in) is needed, not {weight.shape}")
    weight *= max_norm / weight.norm(dim=1, keepdim=True).clamp(min=max_norm)
