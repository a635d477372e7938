"""The first stage of attention, similarity: how much does each key resemble each query?

    name          score of query q and key k                     often called
    dot           q · k                                          dot product, multiplicative
    scaled_dot    q · k / √d                                     scaled dot product
    cosine        q · k / (‖q‖ ‖k‖)
    bilinear      q · W k                                        "general" (Luong et al.)
    additive      v · tanh(W_q q + W_k k + b)                    "concat", or a small network (MLP)
    kernel        −‖q − k‖² / 2σ²                                Nadaraya–Watson, once softmax has been taken
    graph         LeakyReLU(a_q · q + a_k · k)                   graph attention

"General" has a second meaning in lectures on attention, a query from outside: that is `CrossAttention`.

Each is a module that takes queries (…, Tq, d_q) and keys (…, Tk, d_k) to scores (…, Tq, Tk). An attention layer takes
one by name or as a module; one with weights serves all heads of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import minigrad
from minigrad import ShapeError, Tensor

from . import functional, init
from .linear import Linear
from .module import Module, Parameter


def _check_same_features(name: str, q: Tensor, k: Tensor) -> None:
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"{name}: queries {q.shape} and keys {k.shape} must have equally many features (last dimension); "
            f"similarity.Bilinear({q.shape[-1]}, {k.shape[-1]}) or Additive compares vectors of different sizes"
        )


class Dot(Module):
    """score = q · k.

    **Shapes**: q (…, Tq, d), k (…, Tk, d) → (…, Tq, Tk).

    >>> Dot()(minigrad.tensor([[1.0, 2.0]]), minigrad.tensor([[3.0, 4.0], [5.0, 6.0]]))
    tensor([[11., 17.]])
    """

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Every query with every key, in one matrix product."""
        _check_same_features("dot", q, k)
        return q @ k.mT


class ScaledDot(Module):
    """score = q · k / √d: independent features of variance 1 give scores of variance 1, whatever d is.

    Without the division the scores grow with √d, softmax comes near to 0 and 1, and its gradient vanishes.

    **Shapes**: q (…, Tq, d), k (…, Tk, d) → (…, Tq, Tk).

    Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762, section 3.2.1.
    """

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Every query with every key, in one matrix product."""
        _check_same_features("scaled_dot", q, k)
        return q @ k.mT * (1 / math.sqrt(q.shape[-1]))


class Cosine(Module):
    """score = q · k / (‖q‖ ‖k‖), the cosine of the angle, between −1 and 1; the zero vector has score 0 with all.

    Softmax of numbers so small is nearly uniform; a `normalisation.Softmax(temperature=0.1)` sharpens it.

    **Shapes**: q (…, Tq, d), k (…, Tk, d) → (…, Tq, Tk).

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), arXiv:1410.5401, section 3.3.1.

    >>> Cosine()(minigrad.tensor([[3.0, 4.0], [0.0, 0.0]]), minigrad.tensor([[2.0, 0.0]]))
    tensor([[0.6],
            [0. ]])
    """

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """The products of the vectors, each brought to length 1."""
        _check_same_features("cosine", q, k)
        return _direction(q) @ _direction(k).mT


def _direction(x: Tensor) -> Tensor:
    """x / ‖x‖; the zero vector stays, and has the gradient of x itself."""
    length = x.norm(dim=-1, keepdim=True)
    return x / minigrad.where(length == 0, 1, length)


class Bilinear(Module):
    """score = q · W k: the weight says which feature of a query goes with which feature of a key.

    **Shapes**: q (…, Tq, d_q), k (…, Tk, d_k) → (…, Tq, Tk); weight (d_q, d_k), from U(−b, b) with b = 1 / √d_q.

    Source: Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation" (2015),
    arXiv:1508.04025, section 3.1, where it is called "general".
    """

    def __init__(self, d_q: int, d_k: int) -> None:
        super().__init__()
        self.weight = Parameter(minigrad.empty(d_q, d_k))
        init.uniform_(self.weight, -1 / math.sqrt(d_q), 1 / math.sqrt(d_q))

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Project the queries to where the keys are, and compare there."""
        projected = q @ self.weight  # (…, Tq, d_k)
        return projected @ k.mT

    def extra_repr(self) -> str:
        """The features of a query and of a key."""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class Additive(Module):
    """score = v · tanh(W_q q + W_k k + b): a small network looks at each pair.

    W_q q + W_k k is one matrix applied to q and k laid end to end, which is how the formula is often drawn.

    **Shapes**: q (…, Tq, d_q), k (…, Tk, d_k) → (…, Tq, Tk); `query.weight` (hidden, d_q), `key.weight` (hidden, d_k),
    `key.bias` (hidden), `score.weight` (1, hidden), initialised as in `Linear`. `hidden` is d_k unless given.

    Source: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate" (2015),
    arXiv:1409.0473, appendix A.1.2.
    """

    def __init__(self, d_q: int, d_k: int, hidden: int | None = None) -> None:
        super().__init__()
        self.query = Linear(d_q, hidden or d_k, bias=False)
        self.key = Linear(d_k, hidden or d_k)
        self.score = Linear(hidden or d_k, 1, bias=False)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Every query beside every key, through the network."""
        q = self.query(q).unsqueeze(-2)  # (…, Tq, 1, hidden)
        k = self.key(k).unsqueeze(-3)  # (…, 1, Tk, hidden)
        return self.score((q + k).tanh()).squeeze(-1)  # (…, Tq, Tk, hidden) → (…, Tq, Tk)


class Gaussian(Module):
    """score = −‖q − k‖² / 2σ², whose exponential is the Gaussian kernel of width σ.

    With softmax, attention is then the kernel regression of Nadaraya and Watson: each value counts as much as its
    key is near. With `trained`, the width is a parameter.

    **Shapes**: q (…, Tq, d), k (…, Tk, d) → (…, Tq, Tk); width (), initially as given.

    **Raises** `ValueError` for a width that is not positive.

    Source: Nadaraya, "On Estimating Regression" (1964); Watson, "Smooth Regression Analysis" (1964).

    >>> Gaussian(width=0.5)(minigrad.tensor([[1.0]]), minigrad.tensor([[1.0], [2.0]]))
    tensor([[-0., -2.]])
    """

    def __init__(self, width: float = 1.0, trained: bool = False) -> None:
        super().__init__()
        if not width > 0:
            raise ValueError(f"Gaussian: the width of a kernel is positive, not {width}")
        self.width = Parameter(minigrad.tensor(float(width))) if trained else width

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """The squared distance of every query from every key, in units of the width."""
        _check_same_features("kernel", q, k)
        away = (q.unsqueeze(-2) - k.unsqueeze(-3)) / self.width  # (…, Tq, Tk, d)
        return away.square().sum(-1) * -0.5

    def extra_repr(self) -> str:
        """The width."""
        return f"width={float(self.width):g}"


class Graph(Module):
    """score = LeakyReLU(a_q · q + a_k · k): what the query wants, plus what the key offers, bent at 0.

    For graph attention, give the layer the adjacency matrix as its mask; `GraphAttention` does the same on a list of
    edges.

    **Shapes**: q (…, Tq, d_q), k (…, Tk, d_k) → (…, Tq, Tk); query (d_q) and key (d_k), from U(−b, b) with b = 1 / √d.

    Source: Veličković et al., "Graph Attention Networks" (2018), arXiv:1710.10903, equation 3.
    """

    def __init__(self, d_q: int, d_k: int, negative_slope: float = 0.2) -> None:
        super().__init__()
        self.query = Parameter(minigrad.empty(d_q))
        self.key = Parameter(minigrad.empty(d_k))
        self.negative_slope = negative_slope
        for vector in self.parameters():
            init.uniform_(vector, -1 / math.sqrt(len(vector)), 1 / math.sqrt(len(vector)))

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """One number for each query and one for each key, added for each pair."""
        wanted = (q @ self.query).unsqueeze(-1)  # (…, Tq, 1)
        offered = (k @ self.key).unsqueeze(-2)  # (…, 1, Tk)
        return functional.leaky_relu(wanted + offered, self.negative_slope)

    def extra_repr(self) -> str:
        """The features of a query and of a key."""
        return f"{len(self.query)}, {len(self.key)}, negative_slope={self.negative_slope:g}"


PLAIN: dict[str, Callable[[], Module]] = {
    "dot": Dot,
    "scaled_dot": ScaledDot,
    "cosine": Cosine,
    "kernel": Gaussian,
}
SIZED: dict[str, Callable[[int, int], Module]] = {"bilinear": Bilinear, "additive": Additive, "graph": Graph}


def choose_similarity(choice: Any, d_q: int | None = None, d_k: int | None = None) -> Any:
    """The module of that name, with weights for queries of d_q and keys of d_k features; a module is returned as it is.

    **Raises** `ValueError` for an unknown name, or one that needs weights whose sizes are not known.

    >>> choose_similarity("bilinear", 3, 5)
    Bilinear(3, 5)
    """
    if not isinstance(choice, str):
        return choice
    if choice in PLAIN:
        return PLAIN[choice]()
    if choice not in SIZED:
        raise ValueError(f"similarity: {choice!r} is not one of {', '.join([*PLAIN, *SIZED])}")
    if d_q is None or d_k is None:
        kind = SIZED[choice].__name__
        raise ValueError(f"similarity: {choice!r} has weights; give the module, similarity.{kind}(d_q, d_k)")
    return SIZED[choice](d_q, d_k)
