"""Attention: by hand, against loops, under masks, and what it must not depend on."""

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from nn import masks
from nn.attention import attend


def test_attend_by_hand():
    """One query, two keys, √d_k = 2: scores 2·1/2 = 1 and 0, so the weights are e/(1+e) and 1/(1+e)."""
    q = Tensor([[2.0, 0.0, 0.0, 0.0]])
    k = Tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]])
    v = Tensor([[1.0], [0.0]])
    y, weights = attend(q, k, v)
    expected = math.e / (1 + math.e)
    np.testing.assert_allclose(weights.numpy(), [[expected, 1 - expected]], rtol=1e-6)
    np.testing.assert_allclose(y.numpy(), [[expected]], rtol=1e-6)


def test_attend_is_the_loop():
    q, k, v = (minigrad.randn(2, n, d, dtype=minigrad.float64) for n, d in ((3, 5), (7, 5), (7, 11)))
    y, weights = attend(q, k, v)
    for b in range(2):
        for i in range(3):
            scores = [sum(q[b, i, d].item() * k[b, j, d].item() for d in range(5)) / math.sqrt(5) for j in range(7)]
            e = [math.exp(s) for s in scores]
            row = [x / sum(e) for x in e]
            np.testing.assert_allclose(weights[b, i].numpy(), row, rtol=1e-12)
            np.testing.assert_allclose(y[b, i].numpy(), sum(w * v[b, j].numpy() for j, w in enumerate(row)), atol=1e-12)


def test_attend_names_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"\(3, 5\).*\(7, 2\)"):
        attend(minigrad.randn(3, 5), minigrad.randn(7, 2), minigrad.randn(7, 2))


@pytest.mark.parametrize("layer", ["single", "heads", "biased"])
def test_gradients(layer):
    model = {
        "single": lambda: nn.SelfAttention(3, 5, 2),
        "heads": lambda: nn.MultiHead(6, 2),
        "biased": lambda: nn.MultiHead(6, 3, positions=nn.RelativeBias(3, 2)),
    }[layer]()
    x = minigrad.randn(2, 5, 3 if layer == "single" else 6)
    mask = minigrad.rand(2, 5, 5) > 0.3
    mask[0, 1] = False  # a query that may look nowhere
    assert gradcheck(lambda x: model(x, mask=mask), x)
    assert gradcheck(_with_parameters(model, lengths=[5, 3]), x)
    assert gradgradcheck(lambda x: model(x, lengths=[5, 3]), x)


def _with_parameters(model, **options):
    """The model called with fixed options, still a module to the checker."""

    def call(x):
        return model(x, **options)

    call.named_parameters = model.named_parameters
    call.named_buffers = model.named_buffers
    return call


def test_only_three_matrices():
    layer = nn.SelfAttention(7, 5, 3)
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        "query.weight": (5, 7),
        "key.weight": (5, 7),
        "value.weight": (3, 7),
    }
    layer(minigrad.randn(2, 3, 7)).square().sum().backward()
    assert all((p.grad != 0).any() for p in layer.parameters())


def test_rows_sum_to_one_and_every_weight_is_positive():
    _, weights = nn.MultiHead(6, 3)(minigrad.randn(2, 5, 6), return_weights=True)
    assert weights.shape == (2, 3, 5, 5)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1, rtol=1e-6)
    assert (weights > 0).all()


@pytest.mark.parametrize("steps", [1, 2, 11])
def test_without_positions_order_has_no_effect(steps):
    layer = nn.MultiHead(6, 2).double()
    x = minigrad.randn(2, steps, 6, dtype=minigrad.float64)
    order = minigrad.randperm(steps)
    np.testing.assert_allclose(layer(x)[:, order].detach(), layer(x[:, order]).detach(), rtol=1e-9, atol=1e-12)


def test_with_relative_bias_order_has_an_effect():
    layer = nn.MultiHead(6, 2, positions=nn.RelativeBias(2))
    with minigrad.no_grad():
        layer.positions.weight.normal_()
    x = minigrad.randn(2, 5, 6)
    assert not np.allclose(layer(x).flip(1).detach(), layer(x.flip(1)).detach())


def test_two_heads_are_two_single_heads_joined_and_projected():
    heads = nn.MultiHead(6, 2, bias=False).double()
    x = minigrad.randn(3, 5, 6, dtype=minigrad.float64)
    singles = []
    for h in range(2):
        single = nn.SelfAttention(6, 3, 3).double()
        rows = slice(3 * h, 3 * h + 3)
        with minigrad.no_grad():
            for name in ("query", "key", "value"):
                getattr(single, name).weight.copy_(getattr(heads, name).weight[rows])
        singles.append(single(x))
    joined = minigrad.cat(singles, dim=-1) @ heads.output.weight.T
    np.testing.assert_allclose(heads(x).detach(), joined.detach(), rtol=1e-12)


def test_heads_must_share_the_features():
    with pytest.raises(ShapeError, match="7 features cannot be shared equally by 2 heads"):
        nn.MultiHead(7, 2)


def test_cross_attention_to_oneself_is_self_attention():
    layer = nn.MultiHead(6, 2)
    x = minigrad.randn(2, 5, 6)
    assert (layer(x) == layer(x, x, x)).all()
    assert layer(x, minigrad.randn(2, 7, 6)).shape == (2, 5, 6)


def test_what_may_not_be_attended_changes_nothing_and_gets_no_gradient():
    layer = nn.MultiHead(6, 2)
    x = minigrad.randn(2, 5, 6, requires_grad=True)
    y = layer(x, mask=masks.causal(5))
    other = x.detach().clone()
    other[:, 3:] = 7.0
    assert (layer(other, mask=masks.causal(5))[:, :3] == y[:, :3]).all()  # bit for bit
    y[:, 2].square().sum().backward()
    assert (x.grad[:, 3:] == 0).all()
    assert (x.grad[:, :3] != 0).any()


@pytest.mark.parametrize("kind", ["single", "heads"])
def test_padding_changes_nothing(kind):
    layer = nn.SelfAttention(6) if kind == "single" else nn.MultiHead(6, 2, positions=nn.RelativeBias(2))
    layer.double()
    x = minigrad.randn(1, 3, 6, dtype=minigrad.float64)
    padded = minigrad.cat([x, minigrad.full((1, 4, 6), 100.0, dtype=minigrad.float64)], dim=1)
    alone, among = layer(x), layer(padded, lengths=[3])[:, :3]
    np.testing.assert_allclose(alone.detach(), among.detach(), rtol=1e-12)
    weights = minigrad.randn(1, 3, 6, dtype=minigrad.float64)
    first = minigrad.grad((alone * weights).sum(), list(layer.parameters()))
    second = minigrad.grad((among * weights).sum(), list(layer.parameters()))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_query_that_may_attend_to_nothing_gets_zeros():
    layer = nn.SelfAttention(4)
    x = minigrad.randn(2, 3, 4, requires_grad=True)
    y, weights = layer(x, lengths=[3, 0], return_weights=True)
    assert (weights[1] == 0).all()
    assert (y[1] == 0).all()
    y.square().sum().backward()
    assert (x.grad[1] == 0).all()
    assert x.grad.isfinite().all()


def test_masks_that_do_not_fit_are_explained():
    layer, x = nn.MultiHead(6, 2), minigrad.randn(2, 5, 6)
    with pytest.raises(TypeError, match="True where a query may attend"):
        layer(x, mask=minigrad.ones(5, 5))
    with pytest.raises(ShapeError, match=r"\(5, 7\).*\(2, 2, 5, 5\)"):
        layer(x, mask=minigrad.ones(5, 7, dtype=minigrad.bool))
    with pytest.raises(ShapeError, match="from 0 to 5"):
        layer(x, lengths=[3, 6])
    with pytest.raises(ShapeError, match="3 lengths for a batch of 2"):
        layer(x, lengths=[3, 5, 5])
    with pytest.raises(ShapeError, match=r"\(5, 6\)"):
        layer(x[0])


# ---- positions ------------------------------------------------------------------------------------------------------


def test_sinusoids_by_hand():
    table = nn.sinusoids(3, 5).numpy()
    np.testing.assert_allclose(table[0], [0, 1, 0, 1, 0])
    np.testing.assert_allclose(
        table[2],
        [math.sin(2), math.cos(2), math.sin(2 / 10000**0.4), math.cos(2 / 10000**0.4), math.sin(2 / 10000**0.8)],
        rtol=1e-6,
    )


def test_a_shift_of_sinusoids_is_one_rotation():
    table = nn.sinusoids(23, 6).numpy().astype(np.float64)
    shift, *_ = np.linalg.lstsq(table[:-3], table[3:], rcond=None)
    np.testing.assert_allclose(table[:-3] @ shift, table[3:], atol=1e-5)


def test_positions_are_added():
    x = minigrad.zeros(2, 3, 5)
    np.testing.assert_array_equal(nn.SinusoidalPositions(5, scale=0.25)(x)[1], nn.sinusoids(3, 5) * 0.25)
    learned = nn.LearnedPositions(7, 5)
    np.testing.assert_array_equal(learned(x)[0].detach(), learned.weight[:3].detach())
    with pytest.raises(ShapeError, match="11 tokens is longer than max_len 7"):
        learned(minigrad.zeros(1, 11, 5))
    with pytest.raises(ShapeError, match="7 features"):
        nn.SinusoidalPositions(5)(minigrad.zeros(1, 3, 7))


def test_relative_bias_depends_on_the_distance_alone():
    positions = nn.RelativeBias(2, reach=2)
    with minigrad.no_grad():
        positions.weight.copy_(minigrad.arange(10).reshape(5, 2))
    bias = positions(3, 5).detach().numpy()
    assert bias.shape == (2, 3, 5)
    np.testing.assert_array_equal(bias[0], [[4, 6, 8, 8, 8], [2, 4, 6, 8, 8], [0, 2, 4, 6, 8]])


# ---- the block and the window ---------------------------------------------------------------------------------------


def test_encoder_block_is_two_corrections():
    block = nn.EncoderBlock(nn.MultiHead(6, 2), 6, 11)
    x = minigrad.randn(2, 5, 6)
    half = x + block.mixer(block.norm1(x), lengths=[5, 2])
    np.testing.assert_array_equal(
        block(x, lengths=[5, 2]).detach(), (half + block.feedforward(block.norm2(half))).detach()
    )


def test_window_is_a_convolution():
    window = nn.Window(3, 5, reach=1).double()
    x = minigrad.randn(2, 7, 3, dtype=minigrad.float64)
    kernel = window.linear.weight.reshape(5, 3, 3).transpose(1, 2)  # (out, neighbour, D) → (out, D, neighbour)
    y = nn.functional.conv1d(x.transpose(1, 2), kernel, window.linear.bias, padding="same").transpose(1, 2)
    np.testing.assert_allclose(window(x).detach(), y.detach(), rtol=1e-12)


def test_window_by_hand():
    window = nn.Window(1, 1, reach=1)
    with minigrad.no_grad():
        window.linear.weight.copy_(Tensor([[100.0, 10.0, 1.0]]))
        window.linear.bias.fill_(0.5)
    assert window(Tensor([[[1.0], [2.0], [3.0]]])).flatten().tolist() == [12.5, 123.5, 230.5]
