"""What a layer costs: products, steps that wait for each other, distance between positions, time, parameters.

For a sequence of n vectors with d features, and a kernel of k positions, the lecture's table says

                         work         sequential operations   longest path between positions
    convolution          O(k·n·d²)    O(1)                    O(n/k)
    recurrence           O(n·d²)      O(n)                    O(n)
    self-attention       O(n²·d)      O(1)                    O(1)

All of it can be read off the graph that a run of the layer records; see `minigrad/analysis.py`.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762, table 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import minigrad
import nn
from examples.claims.lab import CONDITION, FAILS, HOLDS, Finding, Table, claim
from minigrad import Tensor
from minigrad.analysis import analyze, exponent, path_length
from minigrad.viz import curves

LENGTHS, WIDTHS, KERNELS = (32, 64, 128), (16, 32, 64), (3, 5, 9)
Layer = Callable[[Tensor], Tensor]  # (1, n, d) → (1, n, d)


def convolution(d: int, k: int = 3) -> Layer:
    layer = nn.Conv1d(d, d, k, padding=k // 2)
    return lambda x: layer(x.mT).mT


def recurrence(d: int) -> Layer:
    layer = nn.RNN(d, d, batch_first=True)
    return lambda x: layer(x)[0]


LAYERS: dict[str, Callable[[int], Layer]] = {
    "convolution": convolution,
    "recurrence": recurrence,
    "self-attention": nn.SelfAttention,
}


@claim("work", "A convolution takes O(k·n·d²) operations, a recurrence O(n·d²), self-attention O(n²·d).")
def work(seed: int, short: bool) -> Finding:
    n, d = 64, 32

    def count(layer: Layer, n: int, d: int) -> dict[str, int]:
        found = analyze(layer, n, d).work
        # In the layers here, linear maps act on each vector by itself, and all other products mix positions.
        return {"all": found.total(), "mixing": found.total() - found["linear"]}

    rows: list[list[Any]] = []
    for name, make in LAYERS.items():
        for part in ("all", "mixing") if name == "self-attention" else ("all",):
            over_n = exponent(LENGTHS, [count(make(d), m, d)[part] for m in LENGTHS])
            over_d = exponent(WIDTHS, [count(make(m), n, m)[part] for m in WIDTHS])
            over_k = None
            if name == "convolution":
                over_k = exponent(KERNELS, [count(convolution(d, k), n, d)[part] for k in KERNELS])
            shown = f"{name}, {'scores and mixing' if part == 'mixing' else 'with projections'}"
            total = count(make(d), n, d)[part]
            rows.append([shown if name == "self-attention" else name, total, over_n, over_d, over_k])
    expected = [(1, 2, 1), (1, 2, None), None, (2, 1, None)]
    for row, powers in zip(rows, expected, strict=True):
        for found, power in zip(row[2:], powers or [], strict=bool(powers)):
            assert power is None or abs(found - power) < 0.1, (row[0], found, power)
    whole = rows[2]
    return Finding(
        HOLDS,
        f"the fitted exponents are those of the lecture. One thing is easily overlooked: n²·d counts the scores and "
        f"the weighted sum. The projections to queries, keys and values take 3·n·d² besides, so that the whole layer "
        f"grows like n^{whole[2]:.2f}·d^{whole[3]:.2f} at these sizes; scores and mixing take more than the "
        f"projections only where n > 1.5·d.",
        [Table(f"multiply-adds for n = {n}, d = {d}, k = 3, and the fitted power of each size",
               ["layer", "multiply-adds", "n^", "d^", "k^"], rows, ".2f")],
    )  # fmt: skip


@claim("sequence", "An RNN must take n steps one after the other; convolution and self-attention take O(1).")
def sequence(seed: int, short: bool) -> Finding:
    rows: list[list[Any]] = []
    for name, make in LAYERS.items():
        depths = [analyze(make(16), n, 16).longest_chain for n in LENGTHS]
        rows.append([name, *depths, exponent(LENGTHS, depths)])
    for row, power in zip(rows, (0, 1, 0), strict=True):
        assert abs(row[-1] - power) < 0.1, row
    per_step = (rows[1][2] - rows[1][1]) / (LENGTHS[1] - LENGTHS[0])
    return Finding(
        HOLDS,
        f"the chain of the RNN grows by {per_step:.0f} operations with every step (W·h, the sum, tanh); the others are "
        f"as deep for 128 positions as for 32.",
        [Table("the longest chain of operations that wait for each other",
               ["layer", *(f"n = {n}" for n in LENGTHS), "n^"], rows, ".2f")],
    )  # fmt: skip


# ---- paths: layers on positions that are tensors of their own -------------------------------------------------------


def recurrent_steps(cell: nn.RNNCell, inputs: Sequence[Tensor]) -> list[Tensor]:
    """An RNN, position by position: n tensors (1, d) → n tensors (1, d)."""
    states: list[Tensor] = []
    for x in inputs:
        states.append(cell(x, states[-1] if states else None))
    return states


def convolved(layer: nn.Window, inputs: Sequence[Tensor]) -> list[Tensor]:
    """A convolution, position by position; zeros stand beyond the ends."""
    zeros = [minigrad.zeros(1, layer.dim)] * layer.reach
    padded = [*zeros, *inputs, *zeros]
    size = 2 * layer.reach + 1
    return [layer.linear(minigrad.cat(padded[t : t + size], -1)) for t in range(len(inputs))]


def attended(layer: nn.SelfAttention, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Self-attention, position by position: every query is a tensor of its own."""
    k, v = minigrad.cat([layer.key(x) for x in inputs]), minigrad.cat([layer.value(x) for x in inputs])  # (n, d)
    return [nn.attend(layer.query(x), k, v)[0] for x in inputs]


def convolutions_between_the_ends(n: int, k: int) -> tuple[int, int]:
    """How many layers of convolution it takes until the last position depends on the first, and the path's length."""
    layer = nn.Window(1, 1, k // 2)
    inputs = [minigrad.randn(1, 1, requires_grad=True) for _ in range(n)]
    outputs = inputs
    for layers in range(1, n + 1):
        outputs = convolved(layer, outputs)
        length = path_length(outputs[-1], inputs[0])
        if length is not None:
            return layers, length
    raise AssertionError(f"{n} layers do not connect {n} positions")


@claim("path", "Between two positions lie O(n) steps of an RNN, O(n/k) convolutions, or one self-attention.")
def path(seed: int, short: bool) -> Finding:
    lengths, kernels = ((9, 17, 33), (3, 5, 9)) if short else ((17, 33, 65), (9, 17, 33))

    def between_the_ends(layer: Callable[[Sequence[Tensor]], list[Tensor]], n: int) -> int | None:
        inputs = [minigrad.randn(1, 2, requires_grad=True) for _ in range(n)]
        return path_length(layer(inputs)[-1], inputs[0])

    cell, attention = nn.RNNCell(2, 2), nn.SelfAttention(2)
    rows: list[list[Any]] = [
        ["convolution", *(convolutions_between_the_ends(n, 3)[1] for n in lengths)],
        ["recurrence", *(between_the_ends(lambda xs: recurrent_steps(cell, xs), n) for n in lengths)],
        ["self-attention", *(between_the_ends(lambda xs: attended(attention, xs), n) for n in lengths)],
    ]
    for row, power in zip(rows, (1, 1, 0), strict=True):
        row.append(exponent(lengths, row[1:]))
        assert abs(row[-1] - power) < 0.1, row
    n = lengths[-1]
    layers = [convolutions_between_the_ends(n, k)[0] for k in kernels]
    assert layers == [-(-(n - 1) // (k // 2)) for k in kernels]
    assert abs(exponent([k - 1 for k in kernels], layers) + 1) < 0.1
    return Finding(
        HOLDS,
        f"with a stack of convolutions it takes exactly ⌈2(n − 1)/(k − 1)⌉ layers until the last position depends on "
        f"the first, which is O(n/k): the power of k − 1 is {exponent([k - 1 for k in kernels], layers):.2f}, that of "
        f"k {exponent(kernels, layers):.2f} (it approaches −1 for large k). One layer of convolution connects only "
        f"neighbours; with dilations that double from layer to layer, O(log n) layers would do.",
        [
            Table("operations on the shortest way from x₁ to y_n (convolutions stacked until there is one, k = 3)",
                  ["layer", *(f"n = {n}" for n in lengths), "n^"], rows, ".2f"),
            Table(f"convolutions that it takes to connect the ends of n = {n}",
                  ["", *(f"k = {k}" for k in kernels)], [["layers", *layers]]),
        ],
    )  # fmt: skip


# ---- time -----------------------------------------------------------------------------------------------------------


def seconds(layers: dict[str, Layer], x: Tensor, repeats: int) -> dict[str, float]:
    """The least time of several runs of each layer, which take turns, so that a busy machine is so for all of them."""
    least = dict.fromkeys(layers, float("inf"))
    with minigrad.no_grad():
        for _ in range(repeats):
            for name, layer in layers.items():
                start = time.perf_counter()
                layer(x)
                least[name] = min(least[name], time.perf_counter() - start)
    return least


def loop(d: int) -> Layer:
    """The same RNN as a loop over a cell, as one would write it."""
    cell = nn.RNNCell(d, d)
    return lambda x: minigrad.stack(recurrent_steps(cell, list(x[0])), 0)


def crossing(lengths: Sequence[int], mine: Sequence[float], other: Sequence[float]) -> int | None:
    """The first length from which on `mine` takes longer than `other`."""
    slower = [a > b for a, b in zip(mine, other, strict=True)]
    return next((n for i, n in enumerate(lengths) if all(slower[i:])), None)


@claim("time", "Self-attention is very slow for long sequences.")
def wall_time(seed: int, short: bool) -> Finding:
    d = 32
    lengths = (16, 64) if short else (16, 32, 64, 128, 256, 512, 1024, 2048)
    layers = {**{name: make(d) for name, make in LAYERS.items()}, "RNN as a Python loop": loop(d)}
    times = [seconds(layers, minigrad.randn(1, n, d), 2 if short else 7) for n in lengths]
    names = ["self-attention", "convolution", "recurrence", "RNN as a Python loop"]
    rows = [[str(n), *(1000 * found[name] for name in names)] for n, found in zip(lengths, times, strict=True)]
    table = Table(
        f"milliseconds forward for n vectors, d = {d}, one thread (least of several runs)", ["n", *names], rows
    )
    mine = table.column("self-attention")
    met = {name: crossing(lengths, mine, table.column(name)) for name in names[1:]}
    said = "; ".join(
        f"slower than the {name} from n = {n} on" if n else f"never slower than the {name}" for name, n in met.items()
    )
    tail = exponent(lengths[-3:], mine[-3:])
    return Finding(
        CONDITION,
        f"it is a matter of length: self-attention was {said}. Over the longest three lengths its time grew like "
        f"n^{tail:.1f}. Where the products of small matrices are cheap, what counts is how many calls there are, and "
        f"an RNN needs n of them. These are times of this machine at this moment; with several threads for the "
        f"products they shift, so the number of threads is fixed to one.",
        [table],
        {"time": curves({name: ([math.log2(n) for n in lengths], table.column(name)) for name in names},
                        xlabel="log₂ of the length n", ylabel="milliseconds", log=True)},
    )  # fmt: skip


# ---- depth against work, parameters against length ------------------------------------------------------------------


@claim("parallel", "An RNN cannot be computed in parallel; self-attention can.")
def parallel(seed: int, short: bool) -> Finding:
    d = 32
    rows: list[list[Any]] = []
    for name, make in LAYERS.items():
        for n in (16, 256):
            cost = analyze(make(d), n, d)
            rows.append([name, n, cost.multiply_adds, cost.longest_chain, cost.multiply_adds // cost.longest_chain])
    table = Table(f"work against depth, d = {d}", ["layer", "n", "multiply-adds", "longest chain", "ratio"], rows)
    at_once = {(row[0], row[1]): row[-1] for row in rows}
    growth = {name: at_once[name, 256] / at_once[name, 16] for name in LAYERS}
    assert growth["recurrence"] < 1.3
    assert growth["convolution"] > 10
    assert growth["self-attention"] > 10
    return Finding(
        HOLDS,
        f"work divided by depth says how many products could be done at once. From n = 16 to 256 this grows "
        f"{growth['self-attention']:.0f}-fold for self-attention and {growth['convolution']:.0f}-fold for the "
        f"convolution, and not for the RNN ({growth['recurrence']:.1f}-fold). Inside one step, and over the sentences "
        f"of a batch, an RNN is parallel too; and a Transformer that writes a text word by word waits for each word.",
        [table],
    )


@claim("parameters", "The longer the sequence, the more parameters an RNN has to train.")
def parameters(seed: int, short: bool) -> Finding:
    d, lengths = 16, (10, 100, 400)
    rnn = nn.RNN(d, d, batch_first=True)
    learned = [nn.LearnedPositions(n, d) for n in lengths]
    own = sum(p.numel() for p in rnn.parameters())
    depths = [analyze(lambda x: rnn(x)[0], n, d).longest_chain for n in lengths]
    tables = [sum(p.numel() for p in positions.parameters()) for positions in learned]
    rows = [
        ["parameters of the RNN", *[own] * len(lengths)],
        ["longest chain of the RNN", *depths],
        ["parameters of learned positions", *tables],
    ]
    assert own == 2 * d * d + 2 * d
    assert abs(exponent(lengths, depths) - 1) < 0.1
    return Finding(
        FAILS,
        f"one layer object ran at all lengths, with the same {own:,} numbers: each step uses the same matrices. What "
        f"grows is the depth of the graph, {depths[-1] // depths[0]}-fold here, and with it the memory that training "
        f"needs and the way of the gradient; that is probably what was meant. A table of learned positions, which goes "
        f"with attention, does grow with the longest length.",
        [Table(f"d = {d}", ["", *(f"n = {n}" for n in lengths)], rows)],
    )
