"""The layers: shapes, parameters, values by hand, numerical derivatives, initial distributions and misuse."""

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck

LAYERS = {
    "Linear": (lambda: nn.Linear(3, 5), (2, 7, 3), (2, 7, 5)),
    "Linear without bias": (lambda: nn.Linear(3, 5, bias=False), (3,), (5,)),
    "LayerNorm": (lambda: nn.LayerNorm(5), (2, 3, 5), (2, 3, 5)),
    "LayerNorm over two": (lambda: nn.LayerNorm((3, 5), bias=False), (2, 3, 5), (2, 3, 5)),
    "RMSNorm": (lambda: nn.RMSNorm(5), (2, 3, 5), (2, 3, 5)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (7, 3), (7, 3)),
    "BatchNorm1d over time": (lambda: nn.BatchNorm1d(3), (5, 3, 2), (5, 3, 2)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (5, 3, 2, 7), (5, 3, 2, 7)),
    "BatchNorm1d evaluating": (lambda: nn.BatchNorm1d(3).eval(), (7, 3), (7, 3)),
    "RNNCell": (lambda: nn.RNNCell(3, 5), (2, 3), (2, 5)),
    "Conv1d": (lambda: nn.Conv1d(3, 5, 2), (2, 3, 7), (2, 5, 6)),
    "Conv1d with everything": (lambda: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False), (2, 4, 11), (2, 6, 5)),
    "Conv1d same": (lambda: nn.Conv1d(3, 5, 4, padding="same"), (3, 7), (5, 7)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), padding=(1, 0)), (2, 2, 5, 7), (2, 3, 5, 6)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), (2, 3, 7), (2, 3, 3)),
    "MaxPool2d": (lambda: nn.MaxPool2d((2, 3), 1), (2, 3, 5, 7), (2, 3, 4, 5)),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2, 1), (2, 3, 7), (2, 3, 4)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), (2, 3, 5, 7), (2, 3, 2, 3)),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), (2, 3, 7), (2, 3, 3)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 1)), (2, 3, 5, 7), (2, 3, 2, 1)),
    "ReLU": (nn.ReLU, (3, 5), (3, 5)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.3), (3, 5), (3, 5)),
    "ELU": (lambda: nn.ELU(0.5), (3, 5), (3, 5)),
    "GELU": (nn.GELU, (3, 5), (3, 5)),
    "GELU by tanh": (lambda: nn.GELU("tanh"), (3, 5), (3, 5)),
    "SiLU": (nn.SiLU, (3, 5), (3, 5)),
    "Tanh": (nn.Tanh, (3, 5), (3, 5)),
    "Sigmoid": (nn.Sigmoid, (3, 5), (3, 5)),
    "LogSigmoid": (nn.LogSigmoid, (3, 5), (3, 5)),
    "Softplus": (lambda: nn.Softplus(2.0), (3, 5), (3, 5)),
    "Hardtanh": (lambda: nn.Hardtanh(-0.5, 0.7), (3, 5), (3, 5)),
    "Softmax": (lambda: nn.Softmax(dim=0), (3, 5), (3, 5)),
    "LogSoftmax": (nn.LogSoftmax, (3, 5), (3, 5)),
    "Softmin": (nn.Softmin, (3, 5), (3, 5)),
    "GLU": (nn.GLU, (3, 10), (3, 5)),
    "Flatten": (nn.Flatten, (2, 3, 5), (2, 15)),
    "Unflatten": (lambda: nn.Unflatten(1, (3, -1)), (2, 15), (2, 3, 5)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.LayerNorm(5)), (2, 3), (2, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    make, size, out = LAYERS[name]
    layer, x = make(), minigrad.randn(*size)
    y = layer(x)
    assert y.shape == out
    assert y.dtype == minigrad.float32
    assert layer.double()(x.double()).dtype == minigrad.float64
    assert gradcheck(layer, x)
    assert gradgradcheck(layer, x)


# ---- by hand --------------------------------------------------------------------------------------------------------


def filled(layer, **values):
    layer.load_state_dict({name: Tensor(value, dtype=minigrad.float32) for name, value in values.items()})
    return layer


def close(x, expected):
    np.testing.assert_allclose(x.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_linear_by_hand():
    layer = filled(nn.Linear(2, 3), weight=[[1, 2], [3, 4], [5, 6]], bias=[10, 20, 30])
    close(layer(Tensor([1.0, -1.0])), [9, 19, 29])


def test_embedding_by_hand():
    layer = filled(nn.Embedding(3, 2), weight=[[1, 2], [3, 4], [5, 6]])
    close(layer(Tensor([[2, 0, 2]])), [[[5, 6], [1, 2], [5, 6]]])


def test_norms_by_hand():
    close(filled(nn.LayerNorm(2, eps=0.0), weight=[1, 2], bias=[0, 5])(Tensor([3.0, 5.0])), [-1, 7])
    close(filled(nn.RMSNorm(2, eps=0.0), weight=[1, 2])(Tensor([1.0, 7.0])), [0.2, 2.8])


def test_rnn_cell_by_hand():
    """One unit: tanh(2 · 0.5 + 0.1 + 3 · (−0.25) + 0.2) = tanh(0.55)."""
    layer = filled(nn.RNNCell(1, 1), weight_ih=[[2]], weight_hh=[[3]], bias_ih=[0.1], bias_hh=[0.2])
    close(layer(Tensor([0.5]), Tensor([-0.25])), [math.tanh(0.55)])
    close(layer(Tensor([0.5])), [math.tanh(1.3)])
    layer.nonlinearity = "relu"
    close(layer(Tensor([0.5]), Tensor([-1.0])), [0])


def test_convolutions_by_hand():
    ones = filled(nn.Conv1d(2, 1, 3), weight=[[[1] * 3] * 2], bias=[0.5])
    close(ones(minigrad.ones(1, 2, 5)), [[[6.5] * 3]])  # a window of 3 over 2 channels
    slope = filled(nn.Conv1d(1, 1, 2, bias=False), weight=[[[-1, 1]]])
    close(slope(Tensor([[1.0, 4.0, 9.0, 16.0]])), [[3, 5, 7]])
    square = filled(nn.Conv2d(1, 1, 2), weight=[[[[1, 2], [3, 4]]]], bias=[0])
    close(square(Tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])), [[[1, 4]]])


def test_poolings_by_hand():
    x = Tensor([[1.0, 5.0, 3.0, 2.0, 8.0, 0.0]])
    close(nn.MaxPool1d(3)(x), [[5, 8]])
    close(nn.AvgPool1d(3)(x), [[3, 10 / 3]])
    close(nn.AdaptiveAvgPool1d(4)(x), [[3, 4, 5, 4]])  # parts 0–1, 1–2, 3–4, 4–5
    grid = Tensor([[[1.0, 2.0], [3.0, 4.0]]])
    close(nn.MaxPool2d(2)(grid), [[[4]]])
    close(nn.AvgPool2d(2)(grid), [[[2.5]]])
    close(nn.AdaptiveAvgPool2d(1)(grid), [[[2.5]]])


def test_activations_take_their_options():
    x = Tensor([-1.0, 2.0])
    close(nn.LeakyReLU(0.3)(x), [-0.3, 2])
    close(nn.ELU(0.5)(x), [0.5 * (math.exp(-1) - 1), 2])
    close(nn.GELU("tanh")(x), [-0.158808, 1.954598])
    close(nn.Softplus(beta=2.0, threshold=3.0)(x), [math.log(1 + math.exp(-2)) / 2, 2])
    close(nn.Hardtanh(-0.5, 0.5)(x), [-0.5, 0.5])
    y = x * 1
    assert nn.ReLU(inplace=True)(y) is y
    assert y.tolist() == [0.0, 2.0]


# ---- initial values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "fan"),
    [
        (lambda: nn.Linear(101, 307), 101),
        (lambda: nn.RNNCell(101, 307), 307),
        (lambda: nn.Conv1d(22, 307, 5, groups=1), 110),
        (lambda: nn.Conv1d(22, 308, 5, groups=2), 55),
        (lambda: nn.Conv2d(11, 307, (5, 2)), 110),
    ],
)
def test_weights_and_biases_are_uniform(layer, fan):
    minigrad.manual_seed(0)
    for name, parameter in layer().named_parameters():
        draws = parameter.detach().numpy() * math.sqrt(fan)
        assert 0.97 < np.abs(draws).max() <= 1, name
        assert abs(draws.std() - math.sqrt(1 / 3)) < 0.05, name


def test_embedding_starts_normal_with_a_zero_padding_row():
    minigrad.manual_seed(0)
    layer = nn.Embedding(101, 103, padding_idx=-1)
    assert layer.padding_idx == 100
    assert not layer.weight[100].any()
    assert abs(layer.weight[:100].std().item() - 1) < 0.02


def test_norms_start_by_changing_nothing():
    for layer in (nn.LayerNorm(3), nn.RMSNorm(3), nn.BatchNorm1d(3)):
        assert layer.weight.tolist() == [1.0] * 3
        if "bias" in dict(layer.named_parameters()):
            assert layer.bias.tolist() == [0.0] * 3


def test_the_seed_decides_the_weights():
    minigrad.manual_seed(5)
    a = nn.Linear(3, 5).weight
    minigrad.manual_seed(5)
    assert minigrad.equal(nn.Linear(3, 5).weight, a)


# ---- behaviour ------------------------------------------------------------------------------------------------------


def test_the_padding_row_is_not_trained():
    layer = nn.Embedding(7, 3, padding_idx=2)
    layer(Tensor([2, 5, 2])).sum().backward()
    assert layer.weight.grad[2].tolist() == [0.0] * 3
    assert layer.weight.grad[5].tolist() == [1.0] * 3


def test_pretrained_rows_are_frozen_unless_told():
    rows = minigrad.randn(5, 3)
    layer = nn.Embedding.from_pretrained(rows)
    assert not layer.weight.requires_grad
    assert layer.num_embeddings == 5
    rows[0] = 7.0
    assert layer(Tensor([0])).tolist() == [[7.0] * 3]  # the memory is shared
    assert nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=1).weight.requires_grad
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        nn.Embedding.from_pretrained(rows[0])


def test_dropout_acts_in_training_only():
    minigrad.manual_seed(0)
    x = minigrad.ones(11, 13, 5)
    for layer in (nn.Dropout(0.5), nn.Dropout1d(0.5)):
        assert set(layer(x).numpy().ravel().tolist()) == {0.0, 2.0}
        assert layer.eval()(x) is x


def test_batch_norm_keeps_running_statistics():
    """Batches with means 1 and 3 and unbiased variances 2 and 8, then their plain mean with momentum None."""
    first, second = Tensor([[0.0], [2.0]]), Tensor([[1.0], [5.0]])
    layer = nn.BatchNorm1d(1, momentum=0.5)
    layer(first)
    layer(second)
    close(layer.running_mean, [0.25 * 0 + 0.25 * 1 + 0.5 * 3])
    close(layer.running_var, [0.25 * 1 + 0.25 * 2 + 0.5 * 8])
    assert layer.num_batches_tracked.item() == 2
    close(layer.eval()(Tensor([[1.75]])), [[0]])
    assert layer.num_batches_tracked.item() == 2
    average = nn.BatchNorm1d(1, momentum=None)
    average(first)
    average(second)
    close(average.running_mean, [2])
    close(average.running_var, [5])
    untracked = nn.BatchNorm1d(1, track_running_stats=False).eval()
    close(untracked(first), [[-1], [1]])
    assert list(untracked.state_dict()) == ["weight", "bias"]


def test_cells_unrolled_are_the_loop():
    cell, x = nn.RNNCell(3, 5).double(), minigrad.randn(7, 2, 3, dtype=minigrad.float64)
    w_ih, w_hh, b_ih, b_hh = (p.detach().numpy() for p in cell.parameters())
    h, state = None, np.zeros((2, 5))
    for step in x:
        h = cell(step, h)
        state = np.tanh(step.numpy() @ w_ih.T + b_ih + state @ w_hh.T + b_hh)
    np.testing.assert_allclose(h.detach().numpy(), state, rtol=1e-12)


# ---- losses as modules ----------------------------------------------------------------------------------------------


def test_losses_are_their_functions():
    f, x, t, labels = nn.functional, minigrad.randn(3, 5), minigrad.rand(3, 5), Tensor([4, 0, 2])
    p, weight = x.sigmoid(), minigrad.rand(5)
    pairs = [
        (nn.CrossEntropyLoss(weight, ignore_index=4, label_smoothing=0.1, reduction="sum")(x, labels),
         f.cross_entropy(x, labels, weight, ignore_index=4, label_smoothing=0.1, reduction="sum")),
        (nn.NLLLoss(weight, ignore_index=4, reduction="none")(x, labels),
         f.nll_loss(x, labels, weight, ignore_index=4, reduction="none")),
        (nn.MSELoss(reduction="sum")(x, t), f.mse_loss(x, t, reduction="sum")),
        (nn.L1Loss(reduction="none")(x, t), f.l1_loss(x, t, reduction="none")),
        (nn.SmoothL1Loss(beta=0.3)(x, t), f.smooth_l1_loss(x, t, beta=0.3)),
        (nn.BCELoss(weight)(p, t), f.binary_cross_entropy(p, t, weight)),
        (nn.BCEWithLogitsLoss(pos_weight=weight)(x, t), f.binary_cross_entropy_with_logits(x, t, pos_weight=weight)),
        (nn.KLDivLoss(reduction="batchmean", log_target=True)(x, t),
         f.kl_div(x, t, reduction="batchmean", log_target=True)),
        (nn.CosineSimilarity(dim=0)(x, t), f.cosine_similarity(x, t, dim=0)),
    ]  # fmt: skip
    for got, expected in pairs:
        assert minigrad.equal(got, expected)
    assert list(nn.BCEWithLogitsLoss(weight, pos_weight=weight).state_dict()) == ["weight", "pos_weight"]
    assert nn.CrossEntropyLoss(weight).double().weight.dtype == minigrad.float64


# ---- printing -------------------------------------------------------------------------------------------------------

PRINTED = [
    (nn.Linear(3, 5, bias=False), "Linear(in_features=3, out_features=5, bias=False)"),
    (nn.Embedding(7, 3, padding_idx=0), "Embedding(7, 3, padding_idx=0)"),
    (nn.Dropout(0.1), "Dropout(p=0.1, inplace=False)"),
    (nn.LayerNorm(5), "LayerNorm((5,), eps=1e-05, elementwise_affine=True, bias=True)"),
    (nn.RMSNorm((3, 5)), "RMSNorm((3, 5), eps=None, elementwise_affine=True)"),
    (nn.BatchNorm1d(3), "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"),
    (nn.RNNCell(3, 5, nonlinearity="relu"), "RNNCell(3, 5, nonlinearity=relu)"),
    (nn.Conv1d(3, 5, 2), "Conv1d(3, 5, kernel_size=(2,), stride=(1,))"),
    (nn.Conv1d(4, 6, 3, padding="same", dilation=2, groups=2, bias=False),
     "Conv1d(4, 6, kernel_size=(3,), stride=(1,), padding=same, dilation=(2,), groups=2, bias=False)"),
    (nn.MaxPool1d(2), "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    (nn.AvgPool1d(3, 2), "AvgPool1d(kernel_size=(3,), stride=(2,), padding=(0,))"),
    (nn.AdaptiveAvgPool2d((2, 1)), "AdaptiveAvgPool2d(output_size=(2, 1))"),
    (nn.ReLU(), "ReLU()"),
    (nn.GELU(), "GELU(approximate='none')"),
    (nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"),
    (nn.Softmax(), "Softmax(dim=-1)"),
    (nn.LogSoftmax(1), "LogSoftmax(dim=1)"),
    (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
    (nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "text"), PRINTED, ids=lambda x: type(x).__name__ if isinstance(x, nn.Module) else "")
def test_printed(layer, text):
    assert repr(layer) == text


# ---- misuse ---------------------------------------------------------------------------------------------------------

MISUSED = {
    "Linear": (lambda: nn.Linear(3, 5)(minigrad.ones(2, 7)), ShapeError, r"7 features.*\(5, 3\)"),
    "Embedding": (lambda: nn.Embedding(3, 5)(Tensor([-1])), IndexError, "id -1"),
    "Embedding of floats": (lambda: nn.Embedding(3, 5)(minigrad.ones(2)), TypeError, "integers"),
    "Embedding padding": (lambda: nn.Embedding(3, 5, padding_idx=3), ShapeError, "padding_idx 3"),
    "Dropout": (lambda: nn.Dropout(1.5), ValueError, r"p = 1\.5"),
    "LayerNorm": (lambda: nn.LayerNorm(3)(minigrad.ones(2, 5)), ShapeError, r"\(2, 5\).*\(3,\)"),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3)(minigrad.ones(2, 5)), ShapeError, r"\(B, 3\).*\(2, 5\)"),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3)(minigrad.ones(2, 3)), ShapeError, r"2d.*\(B, 3, height.*\(2, 3\)"),
    "RNNCell input": (lambda: nn.RNNCell(3, 5)(minigrad.ones(2, 7)), ShapeError, r"7 features"),
    "RNNCell state": (lambda: nn.RNNCell(3, 5)(minigrad.ones(2, 3), minigrad.ones(7, 5)), ShapeError, r"\(7, 5\)"),
    "RNNCell sequence": (lambda: nn.RNNCell(3, 5)(minigrad.ones(7, 2, 3)), ShapeError, "one step at a time"),
    "RNNCell function": (lambda: nn.RNNCell(3, 5, nonlinearity="sin"), ValueError, "'sin'"),
    "Conv1d channels": (lambda: nn.Conv1d(3, 5, 2)(minigrad.ones(2, 7, 11)), ShapeError, "7 channels"),
    "Conv1d length": (lambda: nn.Conv1d(3, 5, 7)(minigrad.ones(2, 3, 5)), ShapeError, "fewer than the 7"),
    "Conv1d groups": (lambda: nn.Conv1d(3, 5, 7, groups=2), ShapeError, "2 groups"),
    "Conv1d padding": (lambda: nn.Conv1d(3, 5, 7, padding="full"), ValueError, "'full'"),
    "Conv1d stride": (lambda: nn.Conv1d(3, 5, 7, padding="same", stride=2), ShapeError, "stride 1, not 2"),
    "Conv2d kernel": (lambda: nn.Conv2d(3, 5, (2, 3, 5)), ShapeError, r"2 of them .*\(2, 3, 5\)"),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, padding=2)(minigrad.ones(2, 3, 7)), ShapeError, "half of the window"),
    "MSELoss": (lambda: nn.MSELoss()(minigrad.ones(7, 1), minigrad.ones(7)), ShapeError, r"\(7, 1\).*\(7,\)"),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2))(minigrad.ones(2, 3)), ShapeError, r"\(2, 3\).*\(2, 2\)"),
}


@pytest.mark.parametrize("name", MISUSED)
def test_misused(name):
    call, kind, message = MISUSED[name]
    with pytest.raises(kind, match=message):
        call()
