"""A linear-chain conditional random field: tags that are judged together, not one by one.

    score(x, y) = start[y₁] + Σₜ scores[t, yₜ] + Σₜ transitions[yₜ₋₁, yₜ] + end[y_T]
    p(y | x)    = exp(score(x, y)) / Z,    Z = Σ over all C^T sequences y′ of exp(score(x, y′))

The scores of single tags come from a network; the layer adds how well neighbouring tags go together. Two recursions
over time make sums over all sequences cheap, O(T · C²) instead of C^T: with log Σ exp they give Z, with the maximum the
best sequence.

Letters: B batch, T time, C tags.

Source: Lafferty, McCallum and Pereira, "Conditional Random Fields: Probabilistic Models for Segmenting and Labeling
Sequence Data" (2001), ICML.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor, enable_grad, grad, logsumexp, where
from minigrad.errors import DimError
from minigrad.ops.index import plain_values

from . import init, masks
from .module import Module, Parameter


class CRF(Module):
    """log p(y | x) of whole tag sequences y, given a score for each tag at each step.

    Steps that are padding count nothing: say which steps are real by `lengths` (B) or by `mask` (B, T), True = real.
    The tags at padding may be anything. A loss to minimise is `-crf(scores, tags, lengths)`.

    **Shapes**: scores (B, T, C), tags (B, T) → one number, or (B) if `reduction` is "none".

    **Parameters**: `start_transitions` (C), `end_transitions` (C), `transitions` (C, C), from tag (row) to tag
    (column), all from U(−0.1, 0.1).

    **Raises** `ShapeError` if shapes do not fit or, then also an `IndexError`, for a tag that is none of the C;
    `ValueError` for a mask in which a real step follows padding.

    >>> crf = CRF(2)
    >>> loss = -crf(minigrad.randn(3, 5, 2), minigrad.zeros(3, 5, dtype=minigrad.long), lengths=[5, 1, 2])
    >>> loss.backward()
    >>> [len(tags) for tags in crf.decode(minigrad.randn(3, 5, 2), lengths=[5, 1, 2])]
    [5, 1, 2]
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        if num_tags < 1:
            raise ValueError(f"CRF: at least one tag is needed, not {num_tags}")
        self.num_tags = num_tags
        self.start_transitions = Parameter(minigrad.empty(num_tags))
        self.end_transitions = Parameter(minigrad.empty(num_tags))
        self.transitions = Parameter(minigrad.empty(num_tags, num_tags))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the transitions anew."""
        for parameter in self.parameters():
            init.uniform_(parameter, -0.1, 0.1)

    def forward(
        self, scores: Tensor, tags: Any, lengths: Any = None, mask: Any = None, reduction: str = "mean"
    ) -> Tensor:
        """The log-likelihood of the tags: the "mean" or "sum" over the sequences, or "none"."""
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"CRF: reduction is 'mean', 'sum' or 'none', not {reduction!r}")
        real = self._real(scores, lengths, mask)
        log_p = self._score(scores, self._checked(tags, real), real) - self._log_partition(scores, real)  # (B,)
        return log_p if reduction == "none" else log_p.mean() if reduction == "mean" else log_p.sum()

    def log_partition(self, scores: Tensor, lengths: Any = None, mask: Any = None) -> Tensor:
        """log Z, the logarithm of the sum of exp(score) over all tag sequences: (B, T, C) → (B)."""
        return self._log_partition(scores, self._real(scores, lengths, mask))

    def marginals(self, scores: Tensor, lengths: Any = None, mask: Any = None) -> Tensor:
        """p(yₜ = c | x) for every step and tag, (B, T, C) → the same, without history; zeros at padding.

        It is the derivative of log Z with respect to the score of tag c at step t, and that is how it is computed.
        """
        with enable_grad():
            scores = scores.detach().requires_grad_()
            log_z = self.log_partition(scores, lengths, mask).sum()
        return minigrad.zeros_like(scores) + grad(log_z, scores)[0]

    def decode(self, scores: Tensor, lengths: Any = None, mask: Any = None) -> list[list[int]]:
        """The most likely tags of each sequence: its list of integers, as long as the sequence.

        Of equally likely ones, the tag with the lower number is taken, from the last step to the first.

        Source: Viterbi, "Error Bounds for Convolutional Codes and an Asymptotically Optimum Decoding Algorithm" (1967).
        """
        steps_of = self._real(scores, lengths, mask).sum(1)
        parameters = (self.start_transitions, self.transitions, self.end_transitions)
        start, transitions, end = (p.detach().numpy() for p in parameters)
        _, steps, tags = scores.shape
        emitted = scores.detach().numpy()
        best = start + emitted[:, :1].reshape(-1, tags)  # (B, C): the score of the best sequence that ends in each tag
        bests, cames = [best], []
        for t in range(1, steps):
            candidates = best[:, :, None] + transitions  # (B, C before, C now)
            cames.append(candidates.argmax(1))
            best = candidates.max(1) + emitted[:, t]
            bests.append(best)

        paths = []
        for b, length in enumerate(steps_of.tolist()):
            path = [int((bests[length - 1][b] + end).argmax())] if length else []
            for came in reversed(cames[: max(length - 1, 0)]):
                path.append(int(came[b, path[-1]]))
            paths.append(path[::-1])
        return paths

    def _log_partition(self, scores: Tensor, real: np.ndarray) -> Tensor:
        total = self.start_transitions + scores[:, 0]  # (B, C): all sequences up to here, by their last tag
        for t in range(1, scores.shape[1]):
            longer = logsumexp(total[:, :, None] + self.transitions, 1) + scores[:, t]
            total = where(real[:, t, None], longer, total)
        return where(real[:, 0], logsumexp(total + self.end_transitions, 1), 0.0)

    def _score(self, scores: Tensor, tags: np.ndarray, real: np.ndarray) -> Tensor:
        """The score of each tag sequence, (B)."""
        rows, steps = np.indices(tags.shape)
        last = tags[np.arange(len(tags)), real.sum(1) - 1]
        emitted = where(real, scores[rows, steps, tags], 0.0).sum(1)
        moved = where(real[:, 1:], self.transitions[tags[:, :-1], tags[:, 1:]], 0.0).sum(1)
        ends = where(real[:, 0], self.start_transitions[tags[:, 0]] + self.end_transitions[last], 0.0)
        return emitted + moved + ends

    def _real(self, scores: Tensor, lengths: Any, mask: Any) -> np.ndarray:
        """Which steps are real, (B, T)."""
        if scores.ndim != 3 or scores.shape[2] != self.num_tags or not scores.shape[1]:
            raise ShapeError(
                f"CRF: scores (batch, steps, {self.num_tags} tags), one step or more, are needed, not {scores.shape}"
            )
        batch, steps, _ = scores.shape
        if mask is None:
            return masks.real(lengths, batch, steps).numpy().reshape(batch, steps)
        if lengths is not None:
            raise ValueError("CRF: lengths and mask say the same thing; give one of them")
        real = plain_values(mask)
        if real.dtype != bool:
            raise TypeError(f"CRF: mask is boolean, True at real steps, not {real.dtype}; write mask.bool()")
        if real.shape != (batch, steps):
            raise ShapeError(f"CRF: mask has shape {real.shape}, but scores {scores.shape} need {(batch, steps)}")
        if (real[:, 1:] & ~real[:, :-1]).any():
            raise ValueError("CRF: a real step follows padding in mask; the real steps of a sequence come first")
        return real

    def _checked(self, tags: Any, real: np.ndarray) -> np.ndarray:
        """The tags, with 0 at padding."""
        labels = plain_values(tags)
        if labels.shape != real.shape:
            raise ShapeError(f"CRF: tags have shape {labels.shape}, but the scores need {real.shape}")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"CRF: tags are integers, not {labels.dtype}; convert them with .long()")
        wrong = labels[real & ((labels < 0) | (labels >= self.num_tags))]
        if wrong.size:
            raise DimError(f"CRF: tag {wrong[0]} is not among the {self.num_tags} tags (0 to {self.num_tags - 1})")
        return np.where(real, labels, 0)

    def extra_repr(self) -> str:
        """The number of tags."""
        return f"num_tags={self.num_tags}"
