"""A convolution is a restricted self-attention: one head for each entry of the kernel, which looks at one distance.

The scores come from relative positions alone: 0 at the head's distance and −∞ elsewhere, so that softmax puts all of
the attention there. The values of that head are multiplied by the kernel's matrix for this entry, and the heads are
added. Beyond the border there is nothing to attend to, which gives 0, as the zeros that a convolution pads with.

Source: Cordonnier, Loukas and Jaggi (2020), arXiv:1911.03584, theorem 1.
"""

import math

import numpy as np
import pytest

import minigrad
import nn
from nn import functional
from nn.attention import Heads, MultiHead, SelfAttention
from nn.positions import GridBias, RelativeBias


def looks_at(bias, head, distance):
    """Let one head see nothing but what stands at the given distance."""
    bias.weight[:, head] = -math.inf
    bias.weight[distance + bias.reach, head] = 0.0


def give(layer, kernel):
    """Weights to a MultiHead: head k maps the features by kernel[k] (O, C), and the results are added."""
    heads, out, channels = kernel.shape
    for linear in (layer.query, layer.key, layer.value, layer.output):
        linear.weight.fill_(0.0)
        linear.bias.fill_(0.0)
    for k in range(heads):
        layer.value.weight[k * out : (k + 1) * out, :channels] = kernel[k]
        layer.output.weight[:out, k * out : (k + 1) * out] = minigrad.eye(out, dtype=kernel.dtype)


@pytest.mark.parametrize("dilation", [1, 2])
def test_multihead_with_relative_positions_is_conv1d(dilation):
    conv = nn.Conv1d(7, 5, 3, padding=dilation, dilation=dilation).double()
    layer = MultiHead(7, 3, d_k=1, d_v=5, positions=RelativeBias(3, reach=dilation + 1)).double()
    with minigrad.no_grad():
        give(layer, conv.weight.permute(2, 0, 1))
        layer.output.bias[:5] = conv.bias
        for k in range(3):
            looks_at(layer.positions, k, (k - 1) * dilation)
    x = minigrad.randn(2, 7, 11, dtype=minigrad.float64)
    y, weights = layer(x.transpose(1, 2), return_weights=True)
    assert np.abs(y.transpose(1, 2)[:, :5].detach().numpy() - conv(x).detach().numpy()).max() < 1e-10
    assert ((weights == 0) | (weights == 1)).all()


def test_the_gradients_are_those_of_conv1d():
    conv = nn.Conv1d(5, 5, 3, padding=1).double()
    layer = MultiHead(5, 3, d_k=1, d_v=5, positions=RelativeBias(3, reach=2)).double()
    with minigrad.no_grad():
        give(layer, conv.weight.permute(2, 0, 1))
        layer.output.bias.copy_(conv.bias)
        for k in range(3):
            looks_at(layer.positions, k, k - 1)
    x, cotangent = (minigrad.randn(2, 5, 7, dtype=minigrad.float64) for _ in range(2))
    x.requires_grad_()
    dx, dw = minigrad.grad((conv(x) * cotangent).sum(), [x, conv.weight])
    y = layer(x.transpose(1, 2)).transpose(1, 2)
    ours, dv = minigrad.grad((y * cotangent).sum(), [x, layer.value.weight])
    np.testing.assert_allclose(ours, dx, atol=1e-10)
    np.testing.assert_allclose(dv.reshape(3, 5, 5), dw.permute(2, 0, 1), atol=1e-10)


def test_single_heads_side_by_side_are_conv1d_with_other_channels():
    conv = nn.Conv1d(3, 7, 5, padding=2).double()
    heads = Heads([SelfAttention(3, 1, 3, positions=RelativeBias(1, reach=3)) for _ in range(5)], 7, bias=True).double()
    with minigrad.no_grad():
        for k, head in enumerate(heads.heads):
            head.query.weight.fill_(0.0)
            head.value.weight.copy_(minigrad.eye(3))
            looks_at(head.positions, 0, k - 2)
        heads.output.weight.copy_(conv.weight.permute(0, 2, 1).flatten(1))
        heads.output.bias.copy_(conv.bias)
    x = minigrad.randn(2, 3, 11, dtype=minigrad.float64)
    y = heads(x.transpose(1, 2)).transpose(1, 2)
    assert np.abs((y - conv(x)).detach().numpy()).max() < 1e-10


def test_multihead_on_the_pixels_of_a_picture_is_conv2d():
    height, width = 5, 7
    conv = nn.Conv2d(3, 2, (3, 5), padding=(1, 2)).double()
    layer = MultiHead(3, 15, d_k=1, d_v=2, positions=GridBias(15, width, reach=3)).double()
    with minigrad.no_grad():
        give(layer, conv.weight.permute(2, 3, 0, 1).flatten(0, 1))
        layer.output.bias[:2] = conv.bias
        for k in range(15):
            looks_at(layer.positions.down, k, k // 5 - 1)
            looks_at(layer.positions.across, k, k % 5 - 2)
    x = minigrad.randn(2, 3, height, width, dtype=minigrad.float64)
    pixels = x.flatten(2).transpose(1, 2)  # (B, H W, C)
    y = layer(pixels).transpose(1, 2)[:, :2].unflatten(2, (height, width))
    assert np.abs((y - conv(x)).detach().numpy()).max() < 1e-10


def test_a_convolution_sees_less_than_attention_may():
    """Output 3 of one convolution of width 3 depends on inputs 2, 3, 4; that of attention on all of them."""
    x = minigrad.randn(1, 5, 7, requires_grad=True)
    reach = {}
    for name, layer in {"conv": nn.Conv1d(5, 5, 3, padding=1), "attention": SelfAttention(5)}.items():
        y = layer(x) if name == "conv" else layer(x.transpose(1, 2)).transpose(1, 2)
        (g,) = minigrad.grad(y[0, :, 3].square().sum(), x)
        reach[name] = [t for t in range(7) if (g[0, :, t] != 0).any()]
    assert reach == {"conv": [2, 3, 4], "attention": list(range(7))}


def test_a_border_gets_the_zeros_of_a_convolution():
    """By hand: a head that looks one step back finds nothing before the first position."""
    layer = SelfAttention(1, positions=RelativeBias(1, reach=2))
    with minigrad.no_grad():
        layer.query.weight.fill_(0.0)
        layer.value.weight.fill_(1.0)
        looks_at(layer.positions, 0, -1)
    x = minigrad.tensor([[[2.0], [3.0], [5.0]]])
    assert layer(x).flatten().tolist() == [0.0, 2.0, 3.0]
    kernel = minigrad.tensor([[[1.0, 0.0, 0.0]]])
    assert functional.conv1d(x.mT, kernel, padding=1).flatten().tolist() == [0.0, 2.0, 3.0]
