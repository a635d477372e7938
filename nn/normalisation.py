"""The second stage of attention, normalisation: which share of its attention does a query give to each key?

    name         weights of a row of scores                                     a row sums to   exactly 0
    softmax      exp(s / τ) / Σ exp(s / τ): every key some ("soft", "global")   1               none
    relu         max(s, 0) / Σ max(s, 0)                                        1, or 0         where s ≤ 0
    sigmoid      1 / (1 + exp(−s)): each key by itself                          anything        none
    sparsemax    max(s − τ, 0), with τ such that they sum to 1                  1               far from the best
    entmax15     max(s / 2 − τ, 0)², with τ such that they sum to 1             1               farther from it
    gumbel       one key, drawn ("hard"); gradient of a softmax                 1               all but one
    reinforce    one key, drawn ("hard"); learns by its log-probability         1               all but one

Each is a module that takes scores (…, Tq, Tk) and a mask (True = may attend) to weights (…, Tq, Tk). A masked key gets
weight 0 exactly, with gradient 0; in a row where every key is masked, that is all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad
from minigrad import Tensor, log_softmax, softmax
from minigrad.random import Generator

from .functional import one_hot
from .module import Module


def _hidden(scores: Tensor, mask: Tensor | None) -> Tensor:
    """The scores, with −∞ for keys that may not be attended."""
    return scores if mask is None else scores.masked_fill(~mask, -math.inf)


def _check_temperature(name: str, temperature: float) -> float:
    if not temperature > 0:
        raise ValueError(f"{name}: a temperature is above 0, not {temperature}; near 0, the best key takes all")
    return temperature


# ---- soft -----------------------------------------------------------------------------------------------------------


class Softmax(Module):
    """weights = exp(s / τ) / Σ exp(s / τ): positive, and each row sums to 1.

    At a temperature τ near 0 the best key takes all: attention is a look-up in a dictionary. The greater τ is, the more
    alike are the weights, towards the mean of all values.

    **Shapes**: scores (…, Tq, Tk) → the same.

    **Raises** `ValueError` for a temperature that is not above 0.

    >>> scores = minigrad.tensor([0.0, math.log(3.0)])
    >>> Softmax()(scores), Softmax(0.01)(scores), Softmax(1e6)(scores)
    (tensor([0.25, 0.75]), tensor([0., 1.]), tensor([0.5, 0.5]))
    """

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        self.temperature = _check_temperature("Softmax", temperature)

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each row by itself."""
        scores = _hidden(scores, mask)
        return softmax(scores if self.temperature == 1 else scores / self.temperature, -1)

    def extra_repr(self) -> str:
        """The temperature."""
        return f"temperature={self.temperature:g}"


class ReLU(Module):
    """weights = max(s, 0) / Σ max(s, 0): each row sums to 1, or is all 0 where no score is positive.

    **Shapes**: scores (…, Tq, Tk) → the same.

    Source: the idea of Zhang, Titov and Sennrich, "Sparse Attention with Linear Units" (2021), arXiv:2104.07012, who
    normalise with RMSNorm.

    >>> ReLU()(minigrad.tensor([3.0, -2.0, 1.0]))
    tensor([0.75, 0.  , 0.25])
    """

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each row by itself."""
        positive = _hidden(scores, mask).relu()
        total = positive.sum(-1, keepdim=True)
        return positive / minigrad.where(total == 0, 1, total)


class Sigmoid(Module):
    """weights = 1 / (1 + exp(−s)): each key is judged by itself, so that a row may sum to anything from 0 to Tk.

    **Shapes**: scores (…, Tq, Tk) → the same.

    Source: Ramapuram et al., "Theory, Analysis, and Best Practices for Sigmoid Self-Attention" (2024),
    arXiv:2409.04431.
    """

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each score by itself."""
        return _hidden(scores, mask).sigmoid()


# ---- sparse: weights of exactly 0 -----------------------------------------------------------------------------------


class Sparsemax(Module):
    """weights = max(s − τ, 0), the point of the probability simplex that is nearest to the scores.

    The threshold τ is the one with which the weights sum to 1. Keys that score a good deal less than the best get
    exactly 0. Once it is known which do not (the support, found by sorting), τ = (Σ s − 1) / n over these n keys: that
    is what is differentiated.

    **Shapes**: scores (…, Tq, Tk) → the same.

    Source: Martins and Astudillo, "From Softmax to Sparsemax" (2016), arXiv:1602.02068, algorithm 1.

    >>> Sparsemax()(minigrad.tensor([1.0, 0.5, -1.0]))
    tensor([0.75, 0.25, 0.  ])
    """

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each row by itself."""
        support, s, n = _on_support(_hidden(scores, mask), self.thresholds)
        threshold = (s.sum(-1, keepdim=True) - 1) / n
        return (s - threshold).masked_fill(~support, 0.0)

    @staticmethod
    def thresholds(best: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The τ with which the n best scores alone would sum to 1, for every n."""
        return (best.cumsum(-1) - 1) / n


class Entmax15(Module):
    """weights = max(s / 2 − τ, 0)²: between softmax (α = 1) and sparsemax (α = 2), the entmax of α = 1.5.

    As with sparsemax, keys that score much less than the best get exactly 0, but the weights go there smoothly. Over
    the n keys of the support, with mean m and sum of squared deviations v of s / 2, τ = m − √((1 − v) / n).

    **Shapes**: scores (…, Tq, Tk) → the same.

    Source: Peters, Niculae and Martins, "Sparse Sequence-to-Sequence Models" (2019), arXiv:1905.05702, algorithm 2.

    >>> Entmax15()(minigrad.tensor([2.0, 2.0, -2.0]))
    tensor([0.5, 0.5, 0. ])
    """

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each row by itself."""
        support, s, n = _on_support(_hidden(scores, mask) / 2, self.thresholds)
        mean = s.sum(-1, keepdim=True) / n
        spread = (s - mean).masked_fill(~support, 0.0).square().sum(-1, keepdim=True)
        threshold = mean - ((1 - spread) / n).sqrt()
        return (s - threshold).masked_fill(~support, 0.0).square()

    @staticmethod
    def thresholds(best: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The τ with which the n best scores alone would sum to 1, for every n."""
        mean = best.cumsum(-1) / n
        spread = (best * best).cumsum(-1) - n * mean * mean
        return mean - np.sqrt(np.maximum((1 - spread) / n, 0))


def _on_support(
    scores: Tensor, thresholds: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[Tensor, Tensor, Tensor]:
    """(Which keys get any weight, their scores less the best one of the row and 0 for other keys, how many they are.)

    Key n of the sorted row belongs to the support if it lies above the threshold of the n best. With the best score at
    0, no threshold is below −1, so that keys from −1 down are out from the start.
    """
    s = scores - scores.detach().amax(-1, keepdim=True).masked_fill(~(scores > -math.inf).any(-1, keepdim=True), 0.0)
    row = s.detach().numpy()
    best = np.maximum(-np.sort(-row, axis=-1), -1)
    n = np.arange(1, row.shape[-1] + 1, dtype=row.dtype)
    size = (best > thresholds(best, n)).sum(-1, keepdims=True)
    last = np.take_along_axis(best, np.maximum(size, 1) - 1, -1)
    support = Tensor((row >= last) & (row > -1))
    return support, s.masked_fill(~support, 0.0), support.sum(-1, keepdim=True).clamp(min=1).to(s.dtype)


# ---- hard: all attention to one key ---------------------------------------------------------------------------------


def _gumbel_noise(scores: Tensor, generator: Generator | None) -> Tensor:
    """Independent draws from the Gumbel distribution: the greatest of scores + noise is a draw from their softmax."""
    u = minigrad.rand(*scores.shape, generator=generator, dtype=minigrad.float64).clamp(min=1e-16)
    return -(-u.log()).log().to(scores.dtype)


def _one_hot(scores: Tensor) -> Tensor:
    """1 for the best key of each row, 0 for the others, and for all where every score is −∞."""
    best = one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)
    return best * (scores > -math.inf).any(-1, keepdim=True)


class GumbelSoftmax(Module):
    """weights = 1 for one key, drawn with the probabilities softmax(s); the gradient is that of a softmax.

        soft = softmax((s + noise) / τ);    forward: the greatest entry of soft as 1, the others 0;    backward: soft

    This "straight-through" gradient is biased, the less the lower τ is, and the noisier. A schedule such as `annealed`
    lowers `temperature` while training. With `hard=False`, the weights are soft. In evaluation mode there is no noise:
    the best key is taken.

    **Shapes**: scores (…, Tq, Tk) → the same.

    **Raises** `ValueError` for a temperature that is not above 0.

    Source: Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax" (2017), arXiv:1611.01144; Maddison,
    Mnih and Teh, "The Concrete Distribution" (2017), arXiv:1611.00712.
    """

    def __init__(self, temperature: float = 1.0, hard: bool = True, generator: Generator | None = None) -> None:
        super().__init__()
        self.temperature = _check_temperature("GumbelSoftmax", temperature)
        self.hard, self.generator = hard, generator

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Draw one key for each row."""
        scores = _hidden(scores, mask)
        if self.training:
            scores = scores + _gumbel_noise(scores, self.generator)
        soft = softmax(scores / _check_temperature("GumbelSoftmax", self.temperature), -1)
        return _one_hot(scores.detach()) + (soft - soft.detach()) if self.hard else soft

    def extra_repr(self) -> str:
        """The temperature."""
        return f"temperature={self.temperature:g}, hard={self.hard}"


def annealed(start: float, end: float, steps: int) -> Callable[[int], float]:
    """A schedule of temperatures: from `start` by a constant factor at each step down to `end`, where it stays.

    **Raises** `ValueError` for a temperature that is not above 0, or no steps.

    >>> temperature = annealed(4.0, 1.0, steps=2)
    >>> [temperature(step) for step in range(4)]
    [4.0, 2.0, 1.0, 1.0]
    """
    _check_temperature("annealed", start)
    _check_temperature("annealed", end)
    if steps < 1:
        raise ValueError(f"annealed: at least 1 step is needed, not {steps}")
    return lambda step: start * (end / start) ** min(step / steps, 1.0)


class Reinforce(Module):
    """weights = 1 for one key, drawn with the probabilities softmax(s); no gradient goes through the weights.

    `log_probability`, of the last call, is the logarithm of the probability with which the keys were drawn. The
    scores learn by it: the gradient of the expected reward R is that of the expected value of

        (R − baseline) · log_probability        with R and the baseline detached

    so that −(R − baseline).detach() · log_probability is a loss. A baseline, such as the mean reward, makes it less
    noisy. In evaluation mode the best key is taken.

    **Shapes**: scores (…, Tq, Tk) → the same; log_probability (…, Tq), 0 for a row where every key is masked.

    Source: Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning"
    (1992); for attention, Xu et al., "Show, Attend and Tell" (2015), arXiv:1502.03044, section 4.1.
    """

    def __init__(self, generator: Generator | None = None) -> None:
        super().__init__()
        self.generator = generator
        self.log_probability: Tensor | None = None

    def __getstate__(self) -> Any:
        """A copy has not drawn yet: the graph of the last call stays behind."""
        state: Any = object.__getstate__(self)  # attributes and slots
        return {**state[0], "log_probability": None}, state[1]

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Draw one key for each row, and remember how probable that was."""
        scores = _hidden(scores, mask)
        noise = _gumbel_noise(scores, self.generator) if self.training else 0
        drawn = _one_hot(scores.detach() + noise)
        self.log_probability = log_softmax(scores, -1).masked_fill(drawn == 0, 0.0).sum(-1)
        return drawn


NAMED: dict[str, Callable[[], Module]] = {
    "softmax": Softmax,
    "relu": ReLU,
    "sigmoid": Sigmoid,
    "sparsemax": Sparsemax,
    "entmax15": Entmax15,
    "gumbel": GumbelSoftmax,
    "reinforce": Reinforce,
}


def choose_normalisation(choice: Any) -> Any:
    """The module of that name; a module is returned as it is.

    **Raises** `ValueError` for an unknown name.

    >>> choose_normalisation("softmax")
    Softmax(temperature=1)
    """
    if not isinstance(choice, str):
        return choice
    if choice not in NAMED:
        raise ValueError(f"normalisation: {choice!r} is not one of {', '.join(NAMED)}")
    return NAMED[choice]()
