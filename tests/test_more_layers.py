"""Group normalisation, bilinear maps, bags of embeddings, lazy layers and the rarer activations."""

import math

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from nn import AvgPool1d, BatchNorm1d, Conv2d, LayerNorm, Linear, Sequential, Window, activation, optim
from nn.activation import PReLU
from nn.dropout import AlphaDropout, Dropout2d
from nn.embedding import Embedding, EmbeddingBag
from nn.linear import Bilinear, LazyLinear
from nn.norm import GroupNorm, LazyBatchNorm1d


def close(x, expected):
    expected = expected.detach().numpy() if isinstance(expected, Tensor) else expected
    np.testing.assert_allclose(x.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


# ---- activations ----------------------------------------------------------------------------------------------------

ACTIVATIONS = {  # values at −4, −0.25, 0.25 and 7, and what is printed
    "ReLU6": (activation.ReLU6, [0, 0, 0.25, 6], "ReLU6()"),
    "SELU": (
        activation.SELU,
        [1.7580993 * (math.exp(-4) - 1), 1.7580993 * (math.exp(-0.25) - 1), 0.2626752, 7.3549070],
        "SELU()",
    ),
    "CELU": (
        lambda: activation.CELU(0.5),
        [0.5 * (math.exp(-8) - 1), 0.5 * (math.exp(-0.5) - 1), 0.25, 7],
        "CELU(alpha=0.5)",
    ),
    "RReLU": (lambda: activation.RReLU(0.25, 0.75).eval(), [-2, -0.125, 0.25, 7], "RReLU(lower=0.25, upper=0.75)"),
    "PReLU": (activation.PReLU, [-1, -0.0625, 0.25, 7], "PReLU(num_parameters=1)"),
    "Hardsigmoid": (activation.Hardsigmoid, [0, 0.5 - 1 / 24, 0.5 + 1 / 24, 1], "Hardsigmoid()"),
    "Hardswish": (activation.Hardswish, [0, -0.125 + 1 / 96, 0.125 + 1 / 96, 7], "Hardswish()"),
    "Mish": (
        activation.Mish,
        [x * math.tanh(math.log1p(math.exp(x))) for x in (-4, -0.25, 0.25, 7)],
        "Mish()",
    ),
    "Softsign": (activation.Softsign, [-0.8, -0.2, 0.2, 0.875], "Softsign()"),
    "Tanhshrink": (activation.Tanhshrink, [x - math.tanh(x) for x in (-4, -0.25, 0.25, 7)], "Tanhshrink()"),
    "Hardshrink": (activation.Hardshrink, [-4, 0, 0, 7], "Hardshrink(0.5)"),
    "Softshrink": (lambda: activation.Softshrink(1.0), [-3, 0, 0, 6], "Softshrink(1.0)"),
    "Threshold": (
        lambda: activation.Threshold(0.3, -2.0),
        [-2, -2, -2, 7],
        "Threshold(threshold=0.3, value=-2.0)",
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    make, values, printed = ACTIVATIONS[name]
    layer, x = make(), Tensor([-4.0, -0.25, 0.25, 7.0])
    y = layer(x)
    close(y, values)
    assert y.dtype == minigrad.float32
    assert repr(layer) == printed
    assert gradcheck(layer, x)
    assert gradgradcheck(layer, x)


@pytest.mark.parametrize(
    ("layer", "kinks", "slopes"),
    [
        (activation.ReLU6(), [0, 6], [0, 0]),
        (activation.CELU(0.5), [0], [1]),
        (activation.PReLU(), [0], [0.25]),
        (activation.Hardsigmoid(), [-3, 3], [0, 0]),
        (activation.Softsign(), [0], [1]),
        (activation.Hardshrink(), [-0.5, 0.5], [0, 0]),
        (activation.Softshrink(), [-0.5, 0.5], [0, 0]),
        (activation.Threshold(2.0, 7.0), [2], [0]),
    ],
)
def test_slopes_at_kinks(layer, kinks, slopes):
    x = Tensor(kinks, dtype=minigrad.float32, requires_grad=True)
    layer(x).sum().backward()
    close(x.grad, slopes)


def test_nan_goes_through():
    for make, _, _ in ACTIVATIONS.values():
        with np.errstate(invalid="ignore"):
            assert make()(Tensor([math.nan])).isnan().all()


def test_a_slope_for_each_channel():
    layer = PReLU(3)
    with minigrad.no_grad():
        layer.weight[:] = Tensor([1.0, 2.0, 3.0])
    x = minigrad.full((2, 3, 5), -1.0)
    close(layer(x), np.broadcast_to([[-1], [-2], [-3]], (2, 3, 5)))
    assert gradcheck(layer, x)
    with pytest.raises(ShapeError, match=r"3 slopes need an input \(B, 3, …\), not \(2, 5\)"):
        layer(minigrad.ones(2, 5))
    layer.reset_parameters()
    close(layer.weight, [0.25] * 3)


def test_activations_refuse():
    for layer in (activation.Softshrink, activation.Hardshrink):
        with pytest.raises(ValueError, match=f"{layer.__name__}: lambd is not negative, as -1 is"):
            layer(-1)


# ---- group normalisation --------------------------------------------------------------------------------------------


def test_group_norm_by_hand():
    layer = GroupNorm(2, 4, eps=0.0)
    with minigrad.no_grad():
        layer.weight[3], layer.bias[0] = 5.0, 10.0
    close(layer(Tensor([[1.0, 3.0, 5.0, 9.0]])), [[9, 1, -1, 5]])


def test_group_norm_has_layer_norm_at_its_end():
    x = minigrad.randn(2, 6, 5)
    close(GroupNorm(1, 6)(x), LayerNorm((6, 5))(x))
    close(GroupNorm(6, 6)(x), LayerNorm(5)(x))


@pytest.mark.parametrize("size", [(2, 6), (2, 6, 5), (2, 6, 3, 5)])
def test_group_norm_derivatives(size):
    layer = GroupNorm(3, 6)
    for parameter in layer.parameters():
        with minigrad.no_grad():
            parameter.normal_()
    x = minigrad.randn(*size)
    assert layer(x).shape == size
    assert gradcheck(layer, x)
    assert gradgradcheck(layer, x)


def test_group_norm_refuses():
    with pytest.raises(ShapeError, match="7 channels cannot be shared equally by 3 groups"):
        GroupNorm(3, 7)
    with pytest.raises(ShapeError, match=r"an input \(B, 6, …\) is needed, not \(6, 5\)"):
        GroupNorm(3, 6)(minigrad.ones(6, 5))
    assert repr(GroupNorm(3, 6, bias=False)) == "GroupNorm(3, 6, eps=1e-05, affine=True, bias=False)"
    assert [name for name, _ in GroupNorm(3, 6, bias=False).named_parameters()] == ["weight"]
    assert not list(GroupNorm(3, 6, affine=False).parameters())
    layer = GroupNorm(3, 6)
    with minigrad.no_grad():
        layer.weight.normal_()
    layer.reset_parameters()
    close(layer.weight, np.ones(6))


# ---- bilinear maps --------------------------------------------------------------------------------------------------


def test_bilinear_by_hand():
    layer = Bilinear(2, 3, 1)
    layer.load_state_dict({"weight": Tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), "bias": Tensor([0.5])})
    close(layer(Tensor([1.0, -1.0]), Tensor([1.0, 0.0, 2.0])), [(1 + 6) - (4 + 12) + 0.5])


def test_bilinear():
    layer = Bilinear(3, 5, 2)
    a, b = minigrad.randn(7, 11, 3), minigrad.randn(7, 11, 5)
    assert layer(a, b).shape == (7, 11, 2)
    assert gradcheck(layer, (a[:2, 0], b[:2, 0]))
    assert gradgradcheck(layer, (a[:2, 0], b[:2, 0]))
    assert Bilinear(101, 7, 11).weight.abs().max().item() == pytest.approx(1 / math.sqrt(101), rel=0.01)
    assert repr(Bilinear(3, 5, 2, False)) == "Bilinear(in1_features=3, in2_features=5, out_features=2, bias=False)"
    with pytest.raises(ShapeError, match=r"end in 3 and 5 features .* \(7, 11, 5\) and \(7, 11, 3\)"):
        layer(b, a)
    with pytest.raises(ShapeError, match="be alike before"):
        layer(a[:1], b)
    with pytest.raises(ShapeError, match="at least 1"):
        Bilinear(0, 5, 2)


# ---- bags of embeddings ---------------------------------------------------------------------------------------------

ROWS = [[1.0, 20.0], [3.0, -5.0], [2.0, 7.0]]


def bag(mode, **options):
    layer = EmbeddingBag(3, 2, mode=mode, **options)
    layer.load_state_dict({"weight": Tensor(ROWS)})
    return layer


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("sum", [[4, 15], [0, 0], [7, 9]]),
        ("mean", [[2, 7.5], [0, 0], [7 / 3, 3]]),
        ("max", [[3, 20], [0, 0], [3, 7]]),
    ],
)
def test_bags_by_hand(mode, expected):
    """The bags {0, 1}, {} and {2, 1, 2}."""
    ids = Tensor([0, 1, 2, 1, 2])
    close(bag(mode)(ids, [0, 2, 2]), expected)
    close(bag(mode, include_last_offset=True)(ids, Tensor([0, 2, 2, 5])), expected)
    close(bag(mode)(ids[2:].reshape(1, 3)), expected[2:])
    padded = Tensor([[0, 1, 1], [1, 1, 1]])
    close(bag(mode, padding_idx=1)(padded), [ROWS[0], [0, 0]])


def test_weighted_bags():
    weights = Tensor([2.0, -1.0, 0.5])
    close(bag("sum")(Tensor([0, 1, 2]), [0, 2], weights), [[2 - 3, 40 + 5], [1, 3.5]])
    close(bag("sum")(Tensor([[0, 1, 2]]), per_sample_weights=weights[None]), [[0, 48.5]])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bag_derivatives(mode):
    ids, offsets = Tensor([0, 6, 2, 6, 2, 5, 1, 1]), [0, 3, 3, 7]
    layer = EmbeddingBag(7, 3, mode=mode, padding_idx=-1)
    layer.double()
    assert gradcheck(layer, (ids, Tensor(offsets)))
    (layer(ids, offsets) * minigrad.randn(4, 3)).sum().backward()
    assert not layer.weight.grad[6].any()
    assert layer.weight.grad[1].any()


def test_bag_weights_have_derivatives():
    layer = EmbeddingBag(7, 3, mode="sum").double()
    ids = Tensor([0, 6, 2, 6])
    assert gradcheck(lambda weights: layer(ids, [0, 3], weights), minigrad.randn(4))


def test_bags_start_as_embeddings_do():
    layer = EmbeddingBag(1009, 11, padding_idx=3)
    assert layer.weight.std().item() == pytest.approx(1, abs=0.05)
    assert not layer.weight[3].any()
    assert repr(layer) == "EmbeddingBag(1009, 11, mode='mean', padding_idx=3)"
    assert EmbeddingBag(7, 3)(minigrad.zeros(0, 5, dtype=minigrad.long)).shape == (0, 3)
    assert not EmbeddingBag(7, 3, mode="max")(minigrad.zeros(2, 0, dtype=minigrad.long)).any()


def test_bags_refuse():
    ids = Tensor([0, 1, 2])
    with pytest.raises(ValueError, match="'mean', 'sum' or 'max', not 'median'"):
        EmbeddingBag(3, 2, mode="median")
    with pytest.raises(ShapeError, match="offsets are missing"):
        bag("sum")(ids)
    with pytest.raises(ShapeError, match="offsets are given"):
        bag("sum")(ids.reshape(1, 3), [0])
    for offsets in ([1, 2], [0, 2, 1], [0, 7], []):
        with pytest.raises(ShapeError, match="offsets begin with 0"):
            bag("sum")(ids, offsets)
    with pytest.raises(ShapeError, match="per_sample_weights go with mode='sum'"):
        bag("mean")(ids, [0], minigrad.ones(3))
    with pytest.raises(ShapeError, match=r"have the shape \(3,\) of the ids"):
        bag("sum")(ids, [0], minigrad.ones(2))
    with pytest.raises(IndexError, match="id 3"):
        bag("sum")(ids + 1, [0])
    with pytest.raises(TypeError):
        bag("sum")(ids.float(), [0])


# ---- lazy layers ----------------------------------------------------------------------------------------------------


def test_lazy_layers_become_what_they_stand_for():
    model = Sequential(LazyLinear(5), LazyBatchNorm1d(), LazyLinear(2, bias=False))
    trained = optim.SGD(model.parameters(), lr=0.1)
    assert repr(model[0]) == "LazyLinear(in_features=0, out_features=5, bias=True)"
    loss = (model(minigrad.randn(7, 3)) * minigrad.randn(7, 2)).sum()
    assert [type(layer) for layer in model] == [Linear, BatchNorm1d, Linear]
    assert [p.shape for p in model.parameters()] == [(5, 3), (5,), (5,), (5,), (2, 5)]
    assert {name: b.shape for name, b in model.named_buffers()} == {
        "1.running_mean": (5,),
        "1.running_var": (5,),
        "1.num_batches_tracked": (),
    }
    assert model[1].num_batches_tracked.item() == 1
    before = model[0].weight.detach().clone()
    loss.backward()
    trained.step()
    assert not minigrad.equal(model[0].weight, before)
    close(model[0].weight, before - 0.1 * model[0].weight.grad)


def test_lazy_layers_draw_as_others_do():
    layer = LazyLinear(307)
    layer(minigrad.ones(2, 101))
    for parameter in layer.parameters():
        assert 0.97 < parameter.abs().max().item() * math.sqrt(101) <= 1
    close(LazyBatchNorm1d(affine=False)(minigrad.tensor([[1.0], [3.0]])), [[-1], [1]])
    assert LazyLinear(5).double()(minigrad.ones(2, 3, dtype=minigrad.float64)).dtype == minigrad.float64


def test_lazy_layers_refuse():
    with pytest.raises(ShapeError, match="not a single number"):
        LazyLinear(5)(Tensor(1.0))
    with pytest.raises(ShapeError, match=r"not \(7,\)"):
        LazyBatchNorm1d()(minigrad.ones(7))
    layer = LazyLinear(5)
    layer(minigrad.ones(2, 3))
    with pytest.raises(ShapeError, match="7 features"):
        layer(minigrad.ones(2, 7))


# ---- what is random in training ------------------------------------------------------------------------------------


def test_rrelu_draws_a_slope_for_each_entry():
    layer, x = activation.RReLU(0.25, 0.75), Tensor(np.full((7, 11), -2.0), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    slopes = y.detach().numpy() / -2
    assert 0.25 <= slopes.min() < 0.35
    assert 0.65 < slopes.max() <= 0.75
    close(x.grad, slopes)
    close(layer(Tensor([3.0, 0.5])), [3, 0.5])
    with pytest.raises(ValueError, match=r"lower = 0.5 is above upper = 0.25"):
        activation.RReLU(0.5, 0.25)(x)


def test_dropout2d_drops_whole_channels():
    y = Dropout2d(0.5)(minigrad.ones(31, 17, 3, 5)).numpy()
    channels = y.reshape(31 * 17, 15)
    assert (channels == channels[:, :1]).all()
    assert sorted(np.unique(channels).tolist()) == [0, 2]
    assert Dropout2d(0.5)(minigrad.ones(7, 3, 5)).shape == (7, 3, 5)
    with pytest.raises(ShapeError, match=r"dropout2d: .*\(3, 5\)"):
        Dropout2d(0.5)(minigrad.ones(3, 5))


def test_alpha_dropout_keeps_mean_and_variance():
    layer, x = AlphaDropout(0.25), minigrad.randn(300, 300, generator=minigrad.Generator().manual_seed(0))
    y = layer(x).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02
    low, a = -1.7580993, 1 / math.sqrt(0.75 * (1 + 0.25 * 1.7580993**2))  # where an entry was dropped, by the formula
    dropped = np.isclose(y, a * low - a * 0.25 * low, rtol=1e-5)
    assert abs(dropped.mean() - 0.25) < 0.01
    np.testing.assert_allclose(y[~dropped], (a * x.numpy() - a * 0.25 * low)[~dropped], rtol=1e-4, atol=1e-5)
    assert layer.eval()(x) is x
    assert repr(layer) == "AlphaDropout(p=0.25)"
    with pytest.raises(ValueError, match="p = 1"):
        AlphaDropout(1)


def test_softmax2d():
    y = activation.Softmax2d()(minigrad.tensor(np.log([[[1.0]], [[3.0]]])))
    close(y, [[[0.25]], [[0.75]]])
    with pytest.raises(ShapeError, match=r"Softmax2d: .*\(2, 3\)"):
        activation.Softmax2d()(minigrad.ones(2, 3))


@pytest.mark.parametrize("make", [Embedding, EmbeddingBag])
def test_rows_that_are_looked_up_are_shortened(make):
    layer = make(3, 2, max_norm=5.0)
    with minigrad.no_grad():
        layer.weight.copy_(Tensor([[6.0, 8.0], [3.0, 4.0], [30.0, 40.0]]))
    y = layer(minigrad.tensor([[0, 1, 0]]))
    close(layer.weight, [[3, 4], [3, 4], [30, 40]])  # the last was not asked for
    close(y, [[[3, 4]] * 3] if make is Embedding else [[3, 4]])
    y.sum().backward()
    assert layer.weight.grad[2].tolist() == [0, 0]


def test_bags_from_an_array():
    layer = EmbeddingBag(7, 3, mode="sum")
    ids = np.array([[5, 0], [2, 2]])
    assert (layer(ids) == layer(Tensor(ids))).all()


def test_a_probability_of_any_kind_of_number():
    assert AlphaDropout(np.float32(0.5)).p == Dropout2d(np.float32(0.5)).p == 0.5
    for p in ("0.5", None, float("nan"), 1.5):
        with pytest.raises(ValueError, match=r"Dropout2d: a probability is a number in \[0, 1\], unlike p = "):
            Dropout2d(p)


def test_windows_are_named_with_their_layer():
    with pytest.raises(ShapeError, match=r"AvgPool1d: one number is needed, not \(2, 3\)"):
        AvgPool1d((2, 3))
    with pytest.raises(ShapeError, match=r"Conv2d: one number or 2 of them are needed, not \(1, 2, 3\)"):
        Conv2d(1, 2, (1, 2, 3))
    assert Conv2d(1, 2, np.int64(3)).kernel_size == (3, 3)
    with pytest.raises(ValueError, match="reach"):
        Window(6, 3, -1)
    with pytest.raises(ShapeError, match=r"one step or more, 6\) are needed, not \(2, 0, 6\)"):
        Window(6, 3, 1)(minigrad.zeros(2, 0, 6))
