"""Which inputs does an output depend on, and how much? Asked of the derivatives ∂y_i/∂x_j themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad
import nn
from examples.claims.lab import CONDITION, HOLDS, Finding, Table, claim
from minigrad import Tensor
from minigrad.analysis import multiply_adds
from minigrad.viz import attention, curves

Layer = Callable[[Tensor], Tensor]  # (1, n, d) → (1, n, d)


def jacobian_norms(layer: Layer, x: Tensor, i: int) -> np.ndarray:
    """‖∂y_i/∂x_j‖ (Frobenius) for every position j: (n)."""
    x = x.detach().requires_grad_()
    y = layer(x)[0, i]
    rows: list[Any] = [minigrad.grad(y[c], x, retain_graph=True)[0] for c in range(len(y))]
    return np.linalg.norm(np.stack([row[0].numpy() for row in rows]), axis=(0, 2))  # of (d, n, d)


# ---- the receptive field --------------------------------------------------------------------------------------------


@claim("receptive-field", "Behind two convolutions of width 3, the third output has seen x₁ and x₅.")
def receptive_field(seed: int, short: bool) -> Finding:
    n, d = 9, 4
    x = minigrad.randn(1, n, d)
    convolutions = [nn.Window(d, d, 1) for _ in range(3)]
    rows, maps = [], []
    for depth in (1, 2, 3):
        stack = nn.Sequential(*convolutions[:depth])
        matrix = np.stack([jacobian_norms(stack, x, i) for i in range(n)])
        rows.append([f"{depth} of them", *matrix[2]])
        maps.append(matrix / matrix.max())
        assert [j for j in range(n) if matrix[2, j] != 0] == list(range(max(0, 2 - depth), 3 + depth))
    outer, middle = (rows[1][1] + rows[1][5]) / 2, rows[1][3]
    names = [f"x{j}" for j in range(1, n + 1)]
    return Finding(
        HOLDS,
        f"with two layers, ∂y₃/∂x₁ and ∂y₃/∂x₅ are not 0, and ∂y₃/∂x₆ is exactly 0. Each layer adds one position on "
        f"either side. Seen does not mean seen well: the ends of the field have {outer / middle:.2f} of the influence "
        f"that its middle has, as there is one way through the two layers from there, and three from the middle.",
        [Table("‖∂y₃/∂x_j‖ behind convolutions of width 3", ["", *names], rows)],
        {"receptive-field": attention(np.stack(maps), names, titles=["1 layer", "2 layers", "3 layers"])},
    )


@claim("who-sees-what", "Self-attention sees the whole sequence; an RNN only the left, and what is far has to last.")
def who_sees_what(seed: int, short: bool) -> Finding:
    n, d, draws = 33, 16, 2 if short else 5
    middle = n // 2

    def recurrent(kind: Any, **options: bool) -> Layer:
        layer = kind(d, d, batch_first=True, **options)
        return lambda x: layer(x)[0]

    kinds: dict[str, Callable[[], Layer]] = {
        "RNN": lambda: recurrent(nn.RNN),
        "LSTM": lambda: recurrent(nn.LSTM),
        "BiRNN": lambda: recurrent(nn.RNN, bidirectional=True),
        "convolution": lambda: nn.Window(d, d, 1),
        "self-attention": lambda: nn.SelfAttention(d),
    }
    at_end: dict[str, np.ndarray] = {}
    at_middle: dict[str, np.ndarray] = {}
    for name, make in kinds.items():
        for found, i in ((at_end, n - 1), (at_middle, middle)):
            found[name] = np.mean([jacobian_norms(make(), minigrad.randn(1, n, d), i) for _ in range(draws)], axis=0)
    places = [n - 1, n - 2, n - 5, n - 9, n - 17, 0]
    ends = Table(
        f"‖∂y_n/∂x_j‖ before training, relative to the largest, n = {n}, mean of {draws} networks",
        ["", *(f"j = n−{n - 1 - j}" if j < n - 1 else "j = n" for j in places)],
        [[name, *(norms[places] / norms.max())] for name, norms in at_end.items()],
        ".1e",
    )
    around = [middle - 8, middle - 1, middle, middle + 1, middle + 8]
    centre = Table(
        "the same for the output in the middle, m",
        ["", *(f"j = m{j - middle:+}" if j != middle else "j = m" for j in around)],
        [[name, *(norms[around] / norms.max())] for name, norms in at_middle.items()],
        ".1e",
    )
    first = {name: norms[0] / norms.max() for name, norms in at_end.items()}
    assert first["self-attention"] > 0.001 > first["RNN"]
    assert (at_end["convolution"][: n - 2] == 0).all()
    assert (at_middle["RNN"][middle + 1 :] == 0).all()
    assert (at_middle["LSTM"][middle + 1 :] == 0).all()
    assert (at_middle["BiRNN"] > 0).all()
    assert (at_middle["self-attention"] > 0).all()
    decay = {name: (at_end[name][0] / at_end[name][n - 9]) ** (1 / (n - 9)) for name in ("RNN", "LSTM")}
    return Finding(
        CONDITION,
        f"attention sees all other positions about alike. To the RNN the future is exactly 0, and the past fades: by "
        f"a factor of {decay['RNN']:.2f} with each step, of {decay['LSTM']:.2f} in the LSTM. So much for networks "
        f"before training: the forget gate of an LSTM is about ½ then, and can learn to stay open (see copy-first). A "
        f"BiRNN sees both sides, each as badly as an RNN sees one; its output at the end has read nothing backwards "
        f"but x_n.",
        [ends, centre],
        {
            "who-sees-what": curves(
                {name: (1 + np.flatnonzero(norms), norms[norms > 0]) for name, norms in at_end.items()},
                xlabel="position j", ylabel="‖∂y_n/∂x_j‖", log=True,
            )
        },
    )  # fmt: skip


# ---- a convolution as attention -------------------------------------------------------------------------------------


def as_attention(conv: nn.Conv1d) -> nn.Heads:
    """The same map as a convolution (that keeps the length), as attention with one head for each entry of the kernel.

    The scores come from relative positions alone: 0 at the distance that the head is for, −∞ elsewhere. Beyond the
    border there is nothing to attend to, which gives 0, as the zeros that a convolution pads with.

    Source: Cordonnier, Loukas and Jaggi (2020), arXiv:1911.03584, theorem 1.
    """
    (k,) = conv.kernel_size
    biases = [nn.RelativeBias(1, reach=k // 2 + 1) for _ in range(k)]
    heads = [nn.SelfAttention(conv.in_channels, 1, positions=bias) for bias in biases]
    layer = nn.Heads(heads, conv.out_channels, bias=True)
    with minigrad.no_grad():
        for entry, (head, bias) in enumerate(zip(heads, biases, strict=True)):
            head.query.weight.fill_(0.0)  # whatever the words are, the scores stay 0
            head.value.weight.copy_(minigrad.eye(conv.in_channels))
            bias.weight.fill_(-math.inf)
            bias.weight[entry - k // 2 + bias.reach] = 0.0
        joined = conv.weight.permute(0, 2, 1).flatten(1)  # (O, C, K) → (O, K · C)
        layer.output.load_state_dict({"weight": joined, "bias": conv.bias})
    return layer


@claim("restricted", "A CNN is self-attention that is restricted to a receptive field.")
def restricted(seed: int, short: bool) -> Finding:
    n, channels, out = 11, 5, 7
    rows = []
    for k in (3, 5):
        conv = nn.Conv1d(channels, out, k, padding=k // 2)
        layer = as_attention(conv).double()
        conv = conv.double()
        x = minigrad.randn(3, channels, n, dtype=minigrad.float64, requires_grad=True)
        y, weights = layer(x.mT, return_weights=True)
        expected = conv(x)
        error = float((y.mT - expected).abs().max())
        assert error < 1e-10
        assert ((weights == 0) | (weights == 1)).all()
        free = nn.Heads([nn.SelfAttention(channels) for _ in range(k)], out, bias=True)
        numbers = [sum(p.numel() for p in m.parameters()) for m in (conv, free)]
        rows.append([f"k = {k}", error, *numbers, multiply_adds(expected), multiply_adds(y)])
    return Finding(
        HOLDS,
        "with one head for each entry of the kernel, each of which looks at one distance whatever the words are, "
        "attention computes exactly what the convolution does (the weights are constructed, not learned). Two things "
        "belong to it: heads that know relative positions, and as many of them as the kernel has entries; one head "
        "that is only restricted to a window is not a convolution. As attention it is also the dearer way to compute "
        "it: the freedom not to look at a fixed place is paid for in parameters and products.",
        [Table(f"{channels} → {out} features, n = {n}, float64",
               ["kernel", "greatest difference", "parameters, convolution", "parameters, k free heads",
                "multiply-adds, convolution", "as attention"], rows, ".1e")],
    )  # fmt: skip
