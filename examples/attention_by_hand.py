"""Self-attention with numbers small enough for paper: 我 爱 机器 学习, each token asking all the others.

    python examples/attention_by_hand.py                     # a second
    python examples/attention_by_hand.py --pictures out      # and the maps as pictures

Five things to see: every stage from X to the output, and the question of 爱 step by step; the same with vectors as
columns, Kᵀ Q, as some lectures write it; attention without any weights on "Bark is very cute and he is a dog";
attention as a dictionary that answers with a mixture; and what dividing by √d_k is for. Each number is computed twice
more, by loops over plain Python numbers and by the layer of `nn`, and has to come out the same.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
from examples import lesson
from minigrad import Tensor, viz
from minigrad.viz.measure import columns
from nn.walkthrough import aligned, matrix, walk_through

Matrix = list[list[float]]

# Three features of each word, and what a query, a key and a value are made of; any small numbers would do.
WORDS: dict[str, list[float]] = {"我": [1, 0, 1], "爱": [0, 2, 1], "机器": [1, 1, 0], "学习": [0, 1, 2],
         "猫": [1, 0, 0], "吃": [0, 2, 0], "鱼": [0, 0, 1]}  # fmt: skip
W_Q = [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]  # (D, d_k): q = x W_Q
W_K = [[0, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0]]
W_V = [[1, 0], [0, 1], [1, 1]]  # (D, d_v)


# ---- loops: what attention is, with nothing but Python numbers ------------------------------------------------------


def times(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> Matrix:
    return [[sum(row[m] * b[m][j] for m in range(len(b))) for j in range(len(b[0]))] for row in a]


def softmax(scores: Sequence[float]) -> list[float]:
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def by_loops(x: Matrix, scale: float = 1.0, projected: bool = True) -> tuple[Matrix, Matrix]:
    """(The weights, the output) of self-attention, one query after the other; without projections, q = k = v = x."""
    q, k, v = (times(x, w) for w in (W_Q, W_K, W_V)) if projected else (x, x, x)
    weights = [softmax([sum(a * b for a, b in zip(asking, key, strict=True)) * scale for key in k]) for asking in q]
    return weights, times(weights, v)


def same(a: object, b: object) -> None:
    """Make sure that two ways to the same numbers lead to the same numbers."""
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=1e-12)


# ---- 1 and 2: from X to the output, in rows and in columns ----------------------------------------------------------


def the_layer() -> nn.SelfAttention:
    """The layer whose weights are those above; `Linear` keeps them as (out, in), so they are turned round."""
    layer = nn.SelfAttention(3, d_k=4, d_v=2).double()
    weights = {"query.weight": W_Q, "key.weight": W_K, "value.weight": W_V}
    layer.load_state_dict({name: minigrad.tensor(w).double().T for name, w in weights.items()})
    return layer


def sentence_by_hand(tokens: list[str], asking: int) -> np.ndarray:
    """Print every stage for one sentence and one query in detail; return the weights."""
    layer, x = the_layer(), minigrad.tensor([WORDS[token] for token in tokens]).double()
    walk = walk_through(layer, x, tokens)
    print(f"{matrix('X', tokens, x.numpy())}\n\n{walk}\n\nstep by step: {walk.step_by_step(asking)}")
    output, weights = (each.detach() for each in layer(x.unsqueeze(0), return_weights=True))
    loop_weights, loop_output = by_loops(x.tolist(), scale=1 / math.sqrt(4))
    same(walk.weights, weights[0])
    same(walk.output, output[0])
    same(walk.weights, loop_weights)
    same(walk.output, loop_output)
    return walk.weights


def rows_and_columns(tokens: list[str]) -> None:
    """Print the scores of both conventions side by side: each is the transpose of the other."""
    x = np.array([WORDS[token] for token in tokens], float)
    q, k, v = x @ W_Q, x @ W_K, x @ W_V  # a vector is a row
    q_, k_, v_ = np.transpose(W_Q) @ x.T, np.transpose(W_K) @ x.T, np.transpose(W_V) @ x.T  # a vector is a column
    scores, turned = q @ k.T, k_.T @ q_
    left = matrix("rows: Q Kᵀ, a query is a row", tokens, scores, tokens).splitlines()
    right = matrix("columns: Kᵀ Q, a query is a column", tokens, turned, tokens).splitlines()
    print()
    for line, other in zip(left, right, strict=True):
        print(f"{line}{' ' * (34 - columns(line))}{other}")
    same(scores, turned.T)
    by_row = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    by_column = np.exp(turned) / np.exp(turned).sum(0, keepdims=True)
    same(by_row @ v, (v_ @ by_column).T)
    print("softmax goes along the keys: rows here, columns there; the outputs A V and V A are transposed, too")


# ---- 3: attention without weights -----------------------------------------------------------------------------------

BARK = ["Bark", "is", "very", "cute", "and", "he", "is", "a", "dog"]  # nine words: nine weights for each output


def without_weights() -> np.ndarray:
    """Print the map of parameter-free self-attention over random word vectors; return it."""
    vocab = list(dict.fromkeys(BARK))
    vectors = minigrad.randn(len(vocab), 8, dtype=minigrad.float64)
    vectors = 2 * vectors / vectors.norm(dim=1, keepdim=True)  # equally long, or the longest would attract all
    x = vectors[[vocab.index(word) for word in BARK]]
    layer = nn.Attention("dot")
    walk = walk_through(layer, x, BARK)
    print(f"\n{matrix('parameter-free self-attention: weights = softmax of X Xᵀ', BARK, walk.weights, BARK)}")
    loop_weights, loop_output = by_loops(x.tolist(), projected=False)
    same(walk.weights, loop_weights)
    same(walk.output, loop_output)
    same(walk.output, layer(x.unsqueeze(0))[0])
    assert list(layer.parameters()) == []
    same(walk.weights[1], walk.weights[6])  # both times "is" stands there, the same vector asks: place has no effect
    backwards = list(range(9))[::-1]
    same(layer(x[backwards].unsqueeze(0))[0], walk.output[backwards])
    print("no parameters, and nothing knows the order: both rows of 'is' are the same, and reading backwards gives")
    print("the same vectors backwards. Each word resembles itself most: that 'he' is Bark has to be learned.")
    return walk.weights


# ---- 4: a dictionary ------------------------------------------------------------------------------------------------


def dictionary() -> None:
    """Print what five entries answer to a query that is a key, and to one between two keys, hot and cold."""
    keys, values = minigrad.eye(5, dtype=minigrad.float64), minigrad.tensor([[10.0], [20], [30], [40], [50]]).double()
    queries = {"is key 5": [0, 0, 0, 0, 9], "is between keys 1 and 4": [9, 0, 0, 8, 0]}
    print("\na dictionary of 5 keys with the values 10, 20, 30, 40 and 50, asked at a temperature τ")
    table = [["query", "τ", *(f"key {i}" for i in range(1, 6)), "answer"]]
    answers = {}
    for name, query in queries.items():
        for temperature in (1e-3, 1.0, 1e6):
            ask = nn.Attention("dot", nn.normalisation.Softmax(temperature))
            q = minigrad.tensor([[query]]).double()
            answer, weights = ask(q, keys.unsqueeze(0), values.unsqueeze(0), return_weights=True)
            answers[name, temperature] = answer.item()
            table.append(
                [name, f"{temperature:g}", *(f"{x:.2f}" for x in [*weights.flatten().tolist(), answer.item()])]
            )
    print("\n".join(aligned(table)))
    print("τ → 0 looks up exactly the best key, τ = 1 mixes keys 1 and 4, τ → ∞ gives the mean of all values")
    assert answers["is key 5", 1e-3] == 50
    assert answers["is between keys 1 and 4", 1e-3] == 10
    mixed = softmax([9, 0, 0, 8, 0])
    same(answers["is between keys 1 and 4", 1.0], sum(w * v for w, v in zip(mixed, range(10, 60, 10), strict=True)))
    assert all(abs(answers[name, 1e6] - 30) < 1e-3 for name in queries)


# ---- 5: why ÷ √d_k --------------------------------------------------------------------------------------------------


def measure(scores: Tensor) -> list[float]:
    """The deviation of scores, the entropy of their softmax in bits, and the size of the gradient it lets through."""
    scores = scores.detach().requires_grad_()
    weights = minigrad.softmax(scores, -1)
    weights.backward(minigrad.randn_like(weights))
    assert scores.grad is not None
    p = weights.detach().clamp(min=1e-300)
    return [scores.std().item(), -(p * p.log2()).sum(-1).mean().item(), scores.grad.norm(dim=-1).mean().item()]


def scaling(sizes: Sequence[int]) -> np.ndarray:
    """Print what becomes of 256 queries, each on 16 keys; return it for every d_k, undivided and divided, (…, 2, 3)."""
    rows = []
    for d_k in sizes:
        q, k = (minigrad.randn(256, n, d_k, dtype=minigrad.float64) for n in (1, 16))
        rows.append([measure(q @ k.mT), measure(q @ k.mT / math.sqrt(d_k))])
    found = np.array(rows)
    print("\nwhy ÷ √d_k: random queries on 16 keys (an even softmax has an entropy of 4 bits)")
    names = [f"{what} {how}" for what in ("spread", "entropy", "gradient") for how in ("of q · k", "÷ √d_k")]
    cells = [[f"{value:.3f}" for value in both.T.flatten()] for both in found]
    print("\n".join(aligned([["d_k", *names], *([f"{d_k}", *row] for d_k, row in zip(sizes, cells, strict=True))])))
    print("without it the scores spread like √d_k, softmax puts all weight on one key, and no gradient comes through:")
    print("the division keeps softmax from saturating (gradients that vanish here, rather than explode)")
    plain, divided = found[:, 0], found[:, 1]
    assert (abs(divided[:, 0] - 1) < 0.1).all()
    assert (divided[:, 1] > 3).all()
    assert plain[-1, 1] < 0.5 * plain[0, 1]
    assert plain[-1, 2] < 0.6 * divided[-1, 2]
    return found


# ---- the programme --------------------------------------------------------------------------------------------------


def run(a: argparse.Namespace) -> dict[str, float]:
    minigrad.manual_seed(a.seed)
    sentence = ["我", "爱", "机器", "学习"]
    weights = sentence_by_hand(sentence, asking=1)
    rows_and_columns(sentence)
    print("\nthe same weights serve a sentence of any length\n")
    cat = sentence_by_hand(["猫", "吃", "鱼"], asking=1)
    bark = without_weights()
    dictionary()
    sizes = [4, 64] if a.short else [4, 16, 64, 256, 1024]
    bits = scaling(sizes)[:, :, 1]
    lesson.write_pictures(a.pictures, {
        "attention_by_hand.svg": viz.attention(weights, sentence),
        "attention_by_hand_cat.svg": viz.attention(cat, ["猫", "吃", "鱼"]),
        "attention_by_hand_bark.svg": viz.attention(bark, BARK),
        "attention_by_hand_bark.html": viz.head_view(bark, BARK),
        "attention_by_hand_scaling.svg": viz.curves(
            {"q · k": (np.log2(sizes), bits[:, 0]), "÷ √d_k": (np.log2(sizes), bits[:, 1])},
            xlabel="log₂ d_k", ylabel="entropy, bits",
        ),
    })  # fmt: skip
    return {"entropy without ÷ √d_k": bits[-1, 0], "entropy": bits[-1, 1]}


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    return lesson.start(lesson.options(__doc__), run, argv)


if __name__ == "__main__":
    main()
