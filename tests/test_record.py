"""Recording: every layer by its path, in order, with nothing changed."""

import numpy as np

import minigrad
import nn
from nn.attention import AttentionPool, CrossAttention, Heads, MultiHead, SelfAttention
from nn.graph_attention import GraphAttention
from nn.hierarchy import Hierarchical
from nn.local_attention import LocalAttention, WindowAttention
from nn.record import record_attention


class Nested(nn.Module):
    def __init__(self):
        self.blocks = [nn.EncoderBlock(MultiHead(6, 2, dropout=0.5), 6, 11), nn.EncoderBlock(SelfAttention(6), 6, 7)]
        self.named = {"cross": CrossAttention(6), "unused": SelfAttention(6)}
        self.pool = AttentionPool(6)

    def forward(self, x, lengths=None):
        for block in self.blocks:
            x = block(x, lengths=lengths)
        return self.pool(self.named["cross"](x, x), lengths=lengths)


def test_every_layer_by_its_path():
    model, x = Nested().eval(), minigrad.randn(3, 5, 6)
    before = model(x, [5, 2, 0])
    with record_attention(model) as maps:
        y = model(x, [5, 2, 0])
        model(x[:, :2])
    assert (y == before).all()
    assert {path: [w.shape for w in calls] for path, calls in maps.items()} == {
        "blocks.0.mixer": [(3, 2, 5, 5), (3, 2, 2, 2)],
        "blocks.1.mixer": [(3, 1, 5, 5), (3, 1, 2, 2)],
        "named.cross": [(3, 1, 5, 5), (3, 1, 2, 2)],
        "pool": [(3, 1, 1, 5), (3, 1, 1, 2)],
    }
    first = maps["blocks.0.mixer"][0]
    _, weights = model.blocks[0].mixer(model.blocks[0].norm1(x), lengths=[5, 2, 0], return_weights=True)
    np.testing.assert_array_equal(first, weights.detach())
    assert not any(w.requires_grad for calls in maps.values() for w in calls)
    model(x)
    assert len(maps["pool"]) == 2  # it is over


def test_weights_are_those_before_dropout():
    model = MultiHead(6, 2, dropout=0.5)
    with record_attention(model) as maps:
        model(minigrad.randn(3, 5, 6))
    np.testing.assert_allclose(maps["MultiHead"][0].sum(-1), 1, rtol=1e-5)


def test_layers_of_every_kind():
    x = minigrad.randn(2, 7, 6)
    window = WindowAttention(6, 1)
    with record_attention(window) as maps:
        window(x)
    (seen,) = maps["WindowAttention"]
    assert seen.shape == (2, 1, 7, 7)
    np.testing.assert_allclose(seen.sum(-1), 1, rtol=1e-5)
    for model, inputs, shapes in [
        (Heads([SelfAttention(6), LocalAttention(6, 1)], 6), (x,), {"heads.0": (2, 1, 7, 7), "heads.1": (2, 1, 7, 7)}),
        (Hierarchical(6), (x[None], [[7, 2]]), {"words": (2, 1, 1, 7), "sentences": (1, 1, 1, 2)}),
        (GraphAttention(6, 5, 3), (x[0], [[0, 1], [1, 2]]), {"GraphAttention": (3, 2)}),
    ]:
        with record_attention(model) as maps:
            model(*inputs)
        assert {path: calls[0].shape for path, calls in maps.items()} == shapes


def test_recordings_nest_and_see_their_own_model_only():
    model, other, x = Nested(), SelfAttention(6), minigrad.randn(3, 5, 6)
    with record_attention(model) as outer, record_attention(model.blocks[1]) as inner:
        model(x)
        other(x)
    assert len(outer) == 4
    assert list(inner) == ["mixer"]


def test_it_ends_with_an_error():
    model = SelfAttention(6)
    try:
        with record_attention(model) as maps:
            model(minigrad.randn(2, 3))
    except minigrad.ShapeError:
        pass
    model(minigrad.randn(2, 3, 6))
    assert maps == {}
