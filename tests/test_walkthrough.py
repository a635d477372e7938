"""Attention taken slowly: every stage equals what the layer computes, and the tables can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError
from minigrad.viz.measure import columns
from nn.walkthrough import aligned, walk_through

X = minigrad.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]], dtype=minigrad.float64)
TOKENS = ["猫", "吃", "鱼"]


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), b.detach().numpy() if hasattr(b, "detach") else b, atol=1e-12)


LAYERS = {
    "parameter-free": lambda: nn.Attention("dot"),
    "cosine": lambda: nn.Attention("cosine", nn.normalisation.Softmax(0.1)),
    "sparse": lambda: nn.Attention(normalisation="sparsemax"),
    "self": lambda: nn.SelfAttention(2, d_k=5, d_v=3, bias=True),
    "additive": lambda: nn.SelfAttention(2, similarity="additive"),
    "relative bias": lambda: nn.SelfAttention(2, positions=random_bias()),
    "rotary": lambda: nn.SelfAttention(2, positions=nn.Rotary(2)),
}


def random_bias(heads: int = 1) -> nn.Module:
    bias = nn.RelativeBias(heads)
    nn.init.normal_(bias.weight)
    return bias


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("mask", [None, nn.masks.causal(3)], ids=["all", "causal"])
def test_every_stage_is_that_of_the_layer(name: str, mask: Any) -> None:
    minigrad.manual_seed(1)
    layer = LAYERS[name]().double()
    walk = walk_through(layer, X, TOKENS, mask=mask)
    y, weights = layer(X.unsqueeze(0), mask=mask, return_weights=True)
    close(walk.weights, weights[0])
    close(walk.output, y[0])
    close(walk.output, walk.weights @ walk.v)
    if walk.products is not None:
        close(walk.products, walk.q @ walk.k.T)
    assert walk.step_by_step(1).startswith("吃 asks with q = (")
    assert "weights = " in str(walk)


def test_heads_are_those_of_the_layer() -> None:
    layer = nn.MultiHead(6, 3, positions=random_bias(3)).double()
    x = minigrad.randn(5, 6, dtype=minigrad.float64)
    y, weights = layer(x.unsqueeze(0), return_weights=True)
    walks = [walk_through(layer, x, "abcde", head=h) for h in range(3)]
    close(np.stack([walk.weights for walk in walks]), weights[0])
    joined = minigrad.tensor(np.concatenate([walk.output for walk in walks], 1))
    close(layer.output(joined).detach(), y[0])


def test_a_question_from_outside() -> None:
    layer = nn.CrossAttention(2, context_dim=3, d_v=5).double()
    context = minigrad.randn(7, 3, dtype=minigrad.float64)
    walk = walk_through(layer, X, TOKENS, context, list("abcdefg"))
    close(walk.output, layer(X.unsqueeze(0), context.unsqueeze(0))[0])
    assert walk.weights.shape == (3, 7)


def test_the_steps_by_hand() -> None:
    """q = (0, 1): products 2, 1 and −1; e² + e + e⁻¹ = 10.48."""
    text = walk_through(nn.Attention("dot"), X, TOKENS).step_by_step(1)
    assert [line.split() for line in text.splitlines()] == [
        ["吃", "asks", "with", "q", "=", "(0,", "1)"],
        ["key", "q", "·", "k", "e^score", "weight", "weight", "·", "v"],
        ["猫", "0·1", "+", "1·2", "=", "2", "7.39", "0.71", "(0.71,", "1.41)"],
        ["吃", "0·0", "+", "1·1", "=", "1", "2.72", "0.26", "(0,", "0.26)"],
        ["鱼", "0·3", "+", "1·-1", "=", "-1", "0.37", "0.04", "(0.11,", "-0.04)"],
        ["sum", "10.48", "1.00", "(0.81,", "1.64)"],
    ]


def test_masked_keys_count_nothing() -> None:
    walk = walk_through(nn.Attention("dot"), X, TOKENS, mask=[[True, False, True]] * 3)
    assert (walk.weights[:, 1] == 0).all()
    assert (walk.scores[:, 1] == -np.inf).all()
    row = walk.step_by_step(0).splitlines()[3]
    assert row.split()[-4:] == ["0", "0", "(0,", "0)"]  # e^score, weight, weight · v


def test_long_vectors_are_cut() -> None:
    text = str(walk_through(nn.Attention(), minigrad.randn(2, 11), ["a", "b"]))
    assert text.splitlines()[1].endswith("…")


def test_tables_line_up_under_ideographs() -> None:
    lines = aligned([["", "我", "学习"], ["机器", "1", "2.50"], ["a", "-0.50", "3"]])
    assert len({columns(line) for line in lines}) == 1
    assert lines[1] == "  机器      1  2.50"


def test_errors() -> None:
    with pytest.raises(TypeError, match="not Linear; record_attention"):
        walk_through(nn.Linear(2, 2), X, TOKENS)
    with pytest.raises(ShapeError, match=r"2 tokens for vectors of shape \(3, 2\)"):
        walk_through(nn.Attention(), X, ["a", "b"])
    with pytest.raises(ShapeError, match=r"3 tokens for vectors of shape \(1, 3, 2\)"):
        walk_through(nn.Attention(), X.unsqueeze(0), TOKENS)
    with pytest.raises(IndexError, match="head 2 of a layer that has 2"):
        walk_through(nn.MultiHead(2, 2), X, TOKENS, head=2)
    with pytest.raises(IndexError, match="no query 3; they go from 0 to 2"):
        walk_through(nn.Attention(), X, TOKENS).step_by_step(3)


@pytest.mark.parametrize("layer", [nn.LocalAttention(2, 1), nn.WindowAttention(2, 1)])
def test_layers_that_look_elsewhere_are_refused(layer: nn.Module) -> None:
    """They are made of `CrossAttention`, but its stages are not what they compute."""
    with pytest.raises(TypeError, match=f"not {type(layer).__name__}; record_attention"):
        walk_through(layer, X, TOKENS)
