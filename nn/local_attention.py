"""Attention to a part of the sequence: a window that moves along, or a window round a place that the query chooses.

    WindowAttention    each position looks at its neighbours; cost and memory grow with T · w, not T · T
    LocalAttention     each query looks round a centre: its own position ("local-m"), or one it predicts ("local-p")

Both are called "local" in lectures, as, in some, is plain self-attention, because it uses inside information only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.window import windows

from . import masks, record
from .activation import Tanh
from .attention import CrossAttention, SelfAttention, attend, for_heads, sizes_of
from .container import Sequential
from .linear import Linear
from .module import Module
from .positions import RelativeKeys, Rotary


class WindowAttention(SelfAttention):
    """Self-attention in which each position sees its neighbours only; often called truncated self-attention.

        y[t] = Σ_j weights[t, j] v[j]        over j = t − before … t + after

    It equals `SelfAttention` with `masks.window(T, reach)`, without ever making the T × T scores: the keys and values
    of each window are laid side by side. Long sequences such as speech need that. `reach=(before, 0)` looks back only;
    a mask combines with the window. `positions` is one of nn/positions.py that can say what it gives `at` a distance,
    or `Rotary`.

    **Shapes**: x (B, T, D) → y (B, T, d_v), weights (B, T, W) with W = before + 1 + after: weights[b, t, j] is for
    position t − before + j (`spread` makes them (B, T, T)). Parameters as in `SelfAttention`.

    **Raises** `ShapeError` if x has not `dim` features or no step, or the mask or the lengths do not fit; `ValueError`
    for a negative reach; `TypeError` for positions that say nothing about distances.

    Source: the truncated self-attention of Yeh et al., "Transformer-Transducer: End-to-End Speech Recognition with
    Self-Attention" (2019), arXiv:1910.12977.

    >>> WindowAttention(3, reach=2, d_v=5)(minigrad.randn(7, 11, 3), lengths=[11] * 7).shape
    (7, 11, 5)
    """

    def __init__(
        self,
        dim: int,
        reach: int | tuple[int, int],
        d_k: int | None = None,
        d_v: int | None = None,
        bias: bool = False,
        positions: Module | None = None,
        similarity: Any = "scaled_dot",
        normalisation: Any = "softmax",
    ) -> None:
        super().__init__(dim, d_k, d_v, bias, positions, similarity, normalisation)
        if not (positions is None or isinstance(positions, Rotary) or hasattr(positions, "at")):
            raise TypeError(
                f"WindowAttention: {type(positions).__name__} has no method `at` that gives a bias for distances; "
                f"use RelativeBias, ALiBi, RelativeKeys or Rotary"
            )
        self.before, self.after = masks.reach_of(reach)

    def forward(self, x: Tensor, mask: Any = None, lengths: Any = None, return_weights: bool = False) -> Any:  # type: ignore[override]  # one sequence
        """Attend; `lengths` (B) hides the padding, `mask` is (T, T), (B, T, T) or (B, 1, T, T)."""
        batch, steps, _ = sizes_of(self, x)
        if not steps:
            raise ShapeError(f"WindowAttention: sequences of at least one step are needed, not {x.shape}")
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, T, d_k), (B, T, d_k), (B, T, d_v)
        if isinstance(self.positions, Rotary):
            q, k = self.positions(q), self.positions(k)
        real = masks.real(lengths, batch, steps).reshape(batch, steps, 1)
        q = q.unsqueeze(2)  # (B, T, 1, d_k): a sequence of one query for each window
        k = self._windows(k)  # (B, T, W, d_k)
        v = self._windows(v)  # (B, T, W, d_v)
        allowed = self._windows(real).transpose(2, 3)  # (B, T, 1, W): False beyond the ends
        mask = masks.for_one_head(mask, None, (batch, 1, steps, steps))
        if mask is not None:
            allowed = allowed & self._band(mask.expand(batch, steps, steps)).unsqueeze(2)

        scores = self.similarity(q, k)  # (B, T, 1, W)
        bias = self._bias(q)
        if bias is not None:
            scores = scores + bias
        weights = self.normalisation(scores, allowed)  # (B, T, 1, W)
        y = (weights @ v).squeeze(2)  # (B, T, d_v)

        weights = weights.squeeze(2)  # (B, T, W)
        if record.is_recording():
            record.note(self.spread(weights))
        return (y, weights) if return_weights else y

    def _windows(self, x: Tensor) -> Tensor:
        """What stands round each position, zeros beyond the ends: (B, T, d) → (B, T, W, d)."""
        padded = minigrad.pad(x, (0, 0, self.before, self.after))
        return windows(padded, 1, self.before + 1 + self.after).transpose(2, 3)

    def _bias(self, q: Tensor) -> Tensor | None:
        """What the positions add to the scores: all windows have the same distances."""
        distance = np.arange(-self.before, self.after + 1)[None]  # (1, W)
        if self.positions is None or isinstance(self.positions, Rotary):
            return None
        if isinstance(self.positions, RelativeKeys):
            return self.positions.at(q, distance)
        return for_heads(self.positions.at(distance), 1).to(q.dtype)

    def _places(self, steps: int) -> np.ndarray:
        """Where the windows are in a row of all positions that has `before` more in front: (T, W)."""
        return np.arange(steps)[:, None] + np.arange(self.before + 1 + self.after)

    def _band(self, x: Tensor) -> Tensor:
        """What a map of all positions to all positions says about each window: (B, T, T) → (B, T, W)."""
        steps = x.shape[-1]
        return minigrad.pad(x, (self.before, self.after))[:, np.arange(steps)[:, None], self._places(steps)]

    def spread(self, weights: Tensor) -> Tensor:
        """The weights as a map of all positions to all positions, zeros outside the window: (B, T, W) → (B, T, T)."""
        batch, steps, width = weights.shape
        place = minigrad.as_tensor(self._places(steps)).expand(batch, steps, width)
        wide = minigrad.zeros(batch, steps, steps + width - 1, dtype=weights.dtype)  # with the places beyond the ends
        return wide.scatter(-1, place, weights)[..., self.before : self.before + steps]

    def extra_repr(self) -> str:
        """How far it looks to either side."""
        return f"reach=({self.before}, {self.after})"


class LocalAttention(CrossAttention):
    """Attention to the keys at most `reach` away from a centre; all other keys get weight 0 exactly.

        predict=False:    centre p = t, the position of the query; weights = softmax inside the window ("local-m")
        predict=True:     p = S · sigmoid(v · tanh(W query)), with S the length of the context ("local-p");
                          weights = softmax inside the window · exp(−(s − p)² / 2σ²), with σ = reach / 2

    The place of the window is a hard choice, the weights inside are soft. A predicted centre learns through the
    Gaussian. The rows of "local-p" sum to less than 1.

    **Shapes**: query (B, Tq, D), context (B, Tk, context_dim) (the query itself unless given) → y (B, Tq, d_v), weights
    (B, Tq, Tk). Parameters as in `CrossAttention`, and with `predict` W, `centre.0.weight` (d_k, D), and v,
    `centre.2.weight` (1, d_k), initialised as in `Linear`.

    **Raises** `ValueError` unless reach is at least 0, and above 0 with `predict`.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation" (2015),
    arXiv:1508.04025, section 3.2.

    >>> layer = LocalAttention(3, reach=1)
    >>> (layer(minigrad.randn(1, 5, 3), return_weights=True)[1][0, 2] > 0).tolist()
    [False, True, True, True, False]
    """

    def __init__(
        self,
        dim: int,
        reach: float,
        context_dim: int | None = None,
        d_k: int | None = None,
        d_v: int | None = None,
        bias: bool = False,
        predict: bool = False,
        similarity: Any = "scaled_dot",
        normalisation: Any = "softmax",
    ) -> None:
        super().__init__(dim, context_dim, d_k, d_v, bias, None, similarity, normalisation)
        if not reach >= 0 or (predict and reach == 0):
            raise ValueError(f"LocalAttention: reach is at least 0, and above 0 for a predicted centre, not {reach}")
        self.reach = reach
        hidden = d_k or dim
        self.centre = (
            Sequential(Linear(dim, hidden, bias=False), Tanh(), Linear(hidden, 1, bias=False)) if predict else None
        )

    def forward(
        self,
        query: Tensor,
        context: Tensor | None = None,
        mask: Any = None,
        lengths: Any = None,
        return_weights: bool = False,
    ) -> Any:
        """Attend round the centres; `lengths` (B) hides the padding of the context."""
        context = query if context is None else context
        batch, queries, _ = sizes_of(self, query)
        keys = sizes_of(self, context)[1]
        lengths = [keys] * batch if lengths is None else lengths
        allowed = masks.for_one_head(mask, lengths, (batch, 1, queries, keys))
        distance = minigrad.arange(keys, dtype=query.dtype) - self._centres(query, lengths)  # (B or 1, Tq, Tk)
        inside = distance.detach().abs() <= self.reach
        q, k, v = self.query(query), self.key(context), self.value(context)  # (B, Tq, d_k), (B, Tk, d_k), (B, Tk, d_v)
        y, weights = attend(
            q, k, v, allowed & inside, similarity=self.similarity, normalisation=self._near(distance)
        )  # (B, Tq, d_v), (B, Tq, Tk)
        return (y, weights) if return_weights else y

    def _centres(self, query: Tensor, lengths: Any) -> Tensor:
        """Where each query looks: (B, Tq, 1), or (1, Tq, 1) where it is the same for all sentences."""
        if self.centre is None:
            return minigrad.arange(query.shape[1], dtype=query.dtype)[None, :, None]
        length = minigrad.as_tensor(lengths).to(query.dtype)[:, None, None]
        return length * self.centre(query).sigmoid()

    def _near(self, distance: Tensor) -> Any:
        """The normalisation, followed for predicted centres by the Gaussian."""
        if self.centre is None:
            return self.normalisation
        gaussian = (distance.square() * (-2 / self.reach**2)).exp()  # σ = reach / 2
        return lambda scores, mask: self.normalisation(scores, mask) * gaussian

    def extra_repr(self) -> str:
        """How far it looks."""
        return f"reach={self.reach}"
