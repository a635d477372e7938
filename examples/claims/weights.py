"""The attention weights themselves: why the scores are scaled, what can be read off the weights, and their shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad
import nn
from examples.claims.lab import CONDITION, Finding, Table, claim
from minigrad import Tensor, softmax
from minigrad.analysis import exponent
from minigrad.viz import attention, curves

WORDS = ["Bark", "is", "very", "cute", "and", "he", "is", "a", "dog"]  # the sentence of the article

# ---- why the scores are divided by √d_k -----------------------------------------------------------------------------


def slope_of_softmax(p: np.ndarray) -> np.ndarray:
    """‖∂p/∂scores‖ (Frobenius) where softmax answers p (…, n): ∂p_i/∂s_j = p_i (δ_ij − p_j)."""
    squares = (p**2).sum(-1)
    return np.sqrt(np.maximum(squares - 2 * (p**3).sum(-1) + squares**2, 0))


def of_one_softmax(d: int, scaled: bool, draws: int, keys: int = 64) -> list[float]:
    """[spread of the scores, entropy, ‖∂ weights/∂ scores‖, its median, ‖∂ loss/∂ q‖] for random queries and keys."""
    q = minigrad.randn(draws, 1, d, dtype=minigrad.float64, requires_grad=True)
    k = minigrad.randn(draws, keys, d, dtype=minigrad.float64)
    target = minigrad.randn(draws, 1, keys, dtype=minigrad.float64)
    scores = q @ k.mT * (1 / math.sqrt(d) if scaled else 1.0)
    weights = softmax(scores, -1)
    p = weights.detach().numpy()[:, 0]
    at_q: Any = minigrad.grad((weights * target).sum(), q)[0]
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(-1).mean() / math.log(keys)
    spread = scores.detach().numpy().std()
    at_query = np.linalg.norm(at_q.numpy()[:, 0], axis=-1)
    return [float(v) for v in (spread, entropy, np.median(slope_of_softmax(p)), np.median(at_query), at_query.max())]


@claim("scaling", "Dividing the scores by √d_k keeps the gradients from exploding.")
def scaling(seed: int, short: bool) -> Finding:
    sizes = (4, 16, 64, 256, 1024)
    draws = 50 if short else 200
    found = {scaled: [of_one_softmax(d, scaled, draws) for d in sizes] for scaled in (False, True)}
    headings = ["", *(f"d_k = {d}" for d in sizes)]
    names = [
        "standard deviation of the scores",
        "entropy of the weights, 1 = all alike",
        "‖∂ weights/∂ scores‖, median",
        "‖∂ loss/∂ q‖, median",
        "‖∂ loss/∂ q‖, largest",
    ]
    tables = [
        Table(title, headings, [[name, *(row[i] for row in found[scaled])] for i, name in enumerate(names)], ".2g")
        for scaled, title in ((False, "scores q·k"), (True, "scores q·k/√d_k"))
    ]
    plain, scaled = np.array(found[False]).T, np.array(found[True]).T
    assert abs(exponent(sizes, plain[0]) - 0.5) < 0.1
    assert abs(exponent(sizes, scaled[0])) < 0.1
    assert plain[1, -1] < 0.2 < 0.7 < scaled[1, -1]
    assert plain[2, -1] < 0.1 * plain[2, 0]
    assert plain[2, -1] < 0.1 * scaled[2, -1]
    return Finding(
        CONDITION,
        f"scaling is needed, but mostly against the opposite. Without it the scores spread like √d_k (to "
        f"{plain[0, -1]:.0f}), the softmax saturates at one key (entropy {plain[1, -1]:.2f} of 1), and its slope goes "
        f"to 0: at d_k = 1024 half of all queries have less than {plain[2, -1]:.1g}, where with scaling it stays at "
        f"{scaled[2, -1]:.2g}. So the usual gradient vanishes, which is the reason that the authors of the Transformer "
        f"give. In one place explosion is the right word: the few queries whose two best keys happen to be level get a "
        f"gradient of up to {plain[4, -1]:.0f} with respect to q (at most {scaled[4, -1]:.2g} with scaling), for it is "
        f"multiplied by the keys, and those are not divided by √d_k. Source: Vaswani et al. (2017), arXiv:1706.03762, "
        f"section 3.2.1.",
        tables,
        {
            "scaling": curves(
                {"q·k": (np.log2(sizes), plain[2]), "q·k/√d_k": (np.log2(sizes), scaled[2])},
                xlabel="log₂ d_k", ylabel="‖∂ weights/∂ scores‖, median", log=True,
            )
        },
    )  # fmt: skip


# ---- what weights tell ----------------------------------------------------------------------------------------------


def other_weights(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weights with the same sum and the same result, of which no more than d_v + 1 are not 0 (Carathéodory's theorem).

    As long as there are more, some z has z · values = 0 and Σ z = 0: one goes in its direction until a weight is 0.

    **Shapes**: weights (n), values (n, d_v) → (n).
    """
    weights = weights.copy()
    conditions = np.concatenate([values, np.ones((len(values), 1))], 1).T  # (d_v + 1, n)
    while True:
        (used,) = np.nonzero(weights)
        _, sizes, axes = np.linalg.svd(conditions[:, used])
        free = axes[np.count_nonzero(sizes > 1e-10 * sizes[0]) :]  # a basis of all such z
        if not len(free):
            return weights
        z = -free[0] * np.sign(free[0][weights[used].argmax()])  # away from the key most looked at
        falling = np.flatnonzero(z < 0)
        ways = weights[used[falling]] / -z[falling]
        weights[used] += ways.min() * z
        weights[used[falling[ways.argmin()]]] = 0.0


@claim("readable", "Weights that are positive and sum to 1 say at once how much each word counts.")
def readable(seed: int, short: bool) -> Finding:
    d_v, n = 3, len(WORDS)
    layer = nn.SelfAttention(6, d_v=d_v).double()
    x = 2 * minigrad.randn(1, n, 6, dtype=minigrad.float64)
    y, weights = layer(x, return_weights=True)
    asked = WORDS.index("he")
    given, output = weights[0, asked].detach().numpy(), y[0, asked].detach().numpy()
    values = layer.value(x)[0].detach().numpy()
    changed = other_weights(given, values)
    error = abs(changed @ values - output).max()
    moved = abs(changed - given).sum() / 2
    assert error < 1e-12
    assert abs(changed.sum() - 1) < 1e-12
    assert (changed >= 0).all()
    assert (changed > 0).sum() <= d_v + 1
    assert moved > 0.1
    independent = np.random.default_rng(seed).standard_normal((n, n - 1))
    assert (other_weights(given, independent) == given).all()
    table = Table(
        "two ways for “he” to look at the words, with the same result",
        ["weights", *WORDS],
        [["of the layer", *given], ["others", *changed]],
        ".2f",
    )
    return Finding(
        CONDITION,
        f"shares are easy to read; what they mean is another question. Here {moved:.0%} of the attention has moved, "
        f"{(changed == 0).sum()} words get none, and the output is the same to {error:.0e}: the difference of the "
        f"weights lies in the null space of the values. Whenever there are more keys ({n}) than d_v + 1 ({d_v + 1}), "
        f"other weights give the same output; with n − 1 independent features in the values there are no others. So "
        f"weights say where a layer took its numbers from, not that it had to take them there. Sources: Jain and "
        f"Wallace (2019), arXiv:1902.10186; Brunner et al. (2020), arXiv:1908.04211.",
        [table],
        {"readable": attention(np.stack([given, changed]), ["the layer", "others"], WORDS)},
    )


# ---- shapes ---------------------------------------------------------------------------------------------------------


@claim("shapes", "A sentence of nine words is V1 to V10, and weights of 1 × k turn it into 6 × k (in a translation).")
def shapes(seed: int, short: bool) -> Finding:
    k = 6
    x = minigrad.randn(1, len(WORDS), k)
    y, weights = nn.Attention(similarity="dot")(x, return_weights=True)
    trained = nn.SelfAttention(k)
    rows: list[list[Tensor | str]] = [
        ["one word, V1", x[0, 0:1]],
        ["all words, V1 to V9", x[0]],
        ["weights of one word", weights[0, 0:1]],
        ["weights of all words", weights[0]],
        ["all outputs, Y1 to Y9", y[0]],
        ["the matrix of queries (keys, values)", trained.query.weight],
    ]
    found = [tuple(tensor.shape) for _, tensor in rows]  # type: ignore[union-attr]  # the second entry is a tensor
    assert found == [(1, k), (9, k), (1, 9), (9, 9), (9, k), (k, k)]
    return Finding(
        CONDITION,
        f"the sentence has {len(WORDS)} words, so its vectors are V1 to V9, each 1 × k; the passage is hard to read in "
        f"translation, where a number and a letter seem to have changed places. One word has as many weights as there "
        f"are words, 1 × 9, whatever k is, and the three matrices that are trained are k × k (or k × d_k). What the "
        f"passage wants to say, that a weighted sum of vectors is again a vector of the same size, is right.",
        [Table(f"shapes for k = {k}", ["", "rows × columns"],
               [[name, f"{a} × {b}"] for (name, _), (a, b) in zip(rows, found, strict=True)])],
    )  # fmt: skip
