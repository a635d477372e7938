"""Recurrent layers: one unit by hand, layers against loops of cells, padding, packing, and misuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from nn.module import Module
from nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, unpad_sequence

LAYERS: list[Any] = [RNN, GRU, LSTM]
CELLS: dict[Any, Any] = {RNN: RNNCell, GRU: GRUCell, LSTM: LSTMCell}


def filled(layer: Module, **values: Any) -> Any:
    """The layer with these parameters."""
    with minigrad.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(Tensor(value))
    return layer


def array(x: Any) -> np.ndarray:
    """The values of a tensor or a list."""
    return x.detach().numpy() if isinstance(x, Tensor) else np.array(x)


def close(found: Any, expected: Any, atol: float = 1e-6) -> None:
    """Whether two tensors, or all tensors of two tuples, are equal."""
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=0, atol=atol)


def random(*sizes: int) -> Tensor:
    return minigrad.randn(*sizes, dtype=minigrad.float64)


def flat(result: Any) -> tuple[Tensor, ...]:
    """output, h (and c) of a layer's answer."""
    output, last = result
    return (output, *(last if isinstance(last, tuple) else (last,)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# ---- by hand --------------------------------------------------------------------------------------------------------


def test_rnn_by_hand() -> None:
    """One unit, two steps: tanh(2 · 1) and tanh(2 · 0 + 3 · tanh 2)."""
    layer = filled(RNN(1, 1, bias=False), weight_ih_l0=[[2]], weight_hh_l0=[[3]])
    first, second = math.tanh(2), math.tanh(3 * math.tanh(2))
    close(layer(Tensor([[1.0], [0.0]])), ([[first], [second]], [[second]]))


def test_rnn_with_relu_by_hand() -> None:
    layer = filled(RNN(1, 1, nonlinearity="relu", bias=False), weight_ih_l0=[[2]], weight_hh_l0=[[-1]])
    close(layer(Tensor([[1.0], [0.5], [3.0]])), ([[2], [0], [6]], [[6]]))


GRU_BY_HAND = {
    "weight_ih": [[0], [math.log(3)], [2]],
    "weight_hh": [[0], [0], [4]],
    "bias_ih": [0, 0, 0],
    "bias_hh": [0, 0, 1],
}


def test_gru_by_hand() -> None:
    """x = 1, h = ½: r = σ(0) = ½, z = σ(log 3) = ¾, n = tanh(2 + ½ (4 · ½ + 1)) = tanh 3.5; h' = ¼ n + ¾ · ½."""
    expected = 0.25 * math.tanh(3.5) + 0.375
    close(filled(GRUCell(1, 1), **GRU_BY_HAND)(Tensor([1.0]), Tensor([0.5])), [expected])
    layer = filled(GRU(1, 1), **{name + "_l0": value for name, value in GRU_BY_HAND.items()})
    close(layer(Tensor([[1.0]]), Tensor([[0.5]])), ([[expected]], [[expected]]))


LSTM_BY_HAND = {
    "weight_ih": [[math.log(3)], [0], [2], [0]],
    "weight_hh": [[0], [0], [4], [0]],
    "bias_ih": [0, 0, 0, math.log(4)],
    "bias_hh": [0, 0, 0, 0],
}


def test_lstm_by_hand() -> None:
    """x = 1, h = ½, c = 2: i = σ(log 3) = ¾, f = σ(0) = ½, g = tanh(2 + 4 · ½), o = σ(log 4) = 0.8; c' = ½ c + ¾ g."""
    c = 1 + 0.75 * math.tanh(4)
    h = 0.8 * math.tanh(c)
    close(filled(LSTMCell(1, 1), **LSTM_BY_HAND)(Tensor([1.0]), (Tensor([0.5]), Tensor([2.0]))), ([h], [c]))
    layer = filled(LSTM(1, 1), **{name + "_l0": value for name, value in LSTM_BY_HAND.items()})
    output, (last, cell) = layer(Tensor([[1.0]]), (Tensor([[0.5]]), Tensor([[2.0]])))
    close((output, last, cell), ([[h]], [[h]], [[c]]))


def test_forget_gate() -> None:
    """Without input or candidate, c shrinks by σ(forget bias) in each step: by half at 0, and by little at 5."""
    zeros = {"weight_ih_l0": [[0]] * 4, "weight_hh_l0": [[0]] * 4, "bias_hh_l0": [0] * 4}
    for bias in (0.0, 1.0, 5.0):
        layer = filled(LSTM(1, 1), **zeros, bias_ih_l0=[0, bias, 0, 0])
        _, (_, c) = layer(minigrad.zeros(7, 1), (Tensor([[0.0]]), Tensor([[1.0]])))
        close(c, [[sigmoid(bias) ** 7]])


# ---- layers are loops of cells --------------------------------------------------------------------------------------


def loop(layer: Any, x: Tensor, states: list[Tensor], suffix: str, backward: bool) -> tuple[Tensor, list[Tensor]]:
    """One direction of one layer, by its cell: x (T, B, D) → the hidden states (T, B, H) and the last states."""
    cell = CELLS[type(layer)](x.shape[-1], layer.hidden_size).double()
    filled(cell, **{name: getattr(layer, f"{name}_{suffix}").detach() for name, _ in cell.named_parameters()})
    outputs = [Tensor(0.0)] * len(x)
    for t in reversed(range(len(x))) if backward else range(len(x)):
        answer = cell(x[t], tuple(states) if len(states) > 1 else states[0])
        states = list(answer) if isinstance(answer, tuple) else [answer]
        outputs[t] = states[0]
    return minigrad.stack(outputs), states


@pytest.mark.parametrize("kind", LAYERS)
def test_layer_is_a_loop_of_cells(kind: Any) -> None:
    layer = kind(3, 5, num_layers=2, bidirectional=True).double()
    x, initial = random(7, 2, 3), [random(4, 2, 5) for _ in range(kind.states)]
    found = flat(layer(x, tuple(initial) if kind is LSTM else initial[0]))
    last = []
    for level in range(2):
        forward, first = loop(layer, x, [s[2 * level] for s in initial], f"l{level}", False)
        backward, second = loop(layer, x, [s[2 * level + 1] for s in initial], f"l{level}_reverse", True)
        x = minigrad.cat([forward, backward], -1)
        last += [first, second]
    expected = (x, *(minigrad.stack(states) for states in zip(*last, strict=True)))
    close(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", LAYERS)
def test_forms_of_the_input(kind: Any) -> None:
    """Time first, batch first, and one sequence alone are the same computation."""
    layer = kind(3, 5, num_layers=2, bidirectional=True).double()
    x = random(7, 2, 3)
    time_first = flat(layer(x))
    layer.batch_first = True
    output, *last = flat(layer(x.transpose(0, 1)))
    close((output.transpose(0, 1), *last), time_first, atol=1e-14)
    for b in range(2):
        alone = flat(layer(x[:, b]))
        close(alone, (time_first[0][:, b], *(s[:, b] for s in time_first[1:])), atol=1e-14)
        start = tuple(minigrad.zeros_like(s) for s in alone[1:])
        close(flat(layer(x[:, b], start if kind is LSTM else start[0])), alone, atol=1e-14)


@pytest.mark.parametrize("kind", LAYERS)
def test_initial_state_continues_a_sequence(kind: Any) -> None:
    layer = kind(3, 5, num_layers=2).double()
    x = random(7, 2, 3)
    whole, last = layer(x)
    first, middle = layer(x[:4])
    second, end = layer(x[4:], middle)
    close(minigrad.cat([first, second]), whole, atol=1e-14)
    close(end, last, atol=1e-14)


def test_parameters() -> None:
    """PyTorch's names, order and layouts, and its initial distribution."""
    layer = LSTM(3, 5, num_layers=2, bidirectional=True)
    rows = {"weight_ih": (20, 3), "weight_hh": (20, 5), "bias_ih": (20,), "bias_hh": (20,)}
    expected = {f"{name}_{end}": rows[name] for end in ("l0", "l0_reverse", "l1", "l1_reverse") for name in rows}
    expected |= {"weight_ih_l1": (20, 10), "weight_ih_l1_reverse": (20, 10)}
    assert {name: p.shape for name, p in layer.named_parameters()} == expected
    assert [name for name, _ in layer.named_parameters()] == list(expected)
    assert [name for name, _ in GRU(3, 5, bias=False).named_parameters()] == ["weight_ih_l0", "weight_hh_l0"]
    assert [name for name, _ in GRUCell(3, 5, bias=False).named_parameters()] == ["weight_ih", "weight_hh"]
    for module in (GRU(7, 31), LSTM(7, 31), RNN(7, 31), GRUCell(7, 31), LSTMCell(7, 31)):
        for parameter in module.parameters():
            bound = 1 / math.sqrt(31)
            assert parameter.abs().max().item() <= bound
            assert 0.4 * bound < parameter.std().item() < 0.75 * bound  # bound / √3 = 0.58 bound


def test_dropout_between_layers() -> None:
    """In training, entries that the second layer reads are left out; the topmost output is not."""
    layer = GRU(3, 5, num_layers=2, dropout=0.5)
    x = minigrad.randn(7, 2, 3)
    first = layer(x)[0]
    assert not np.allclose(array(first), array(layer(x)[0]))
    assert np.all(array(first) != 0)
    layer.eval()
    close(layer(x), layer(x), atol=0)
    silent = GRU(3, 5, num_layers=2, dropout=1.0)
    close(silent(x)[0], silent(minigrad.randn(7, 2, 3))[0], atol=0)
    with pytest.warns(UserWarning, match="only one"):
        LSTM(3, 5, dropout=0.5)


# ---- lengths --------------------------------------------------------------------------------------------------------

LENGTHS = [3, 7, 1, 5]


def gradients(layer: Any, results: tuple[Tensor, ...], weights: tuple[Tensor, ...], x: Tensor) -> tuple[Any, ...]:
    return minigrad.grad(results, [x, *layer.parameters()], weights)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(kind: Any, bidirectional: bool) -> None:
    """Sentences alone and padded have the same outputs, states and gradients, whatever the padding is."""
    layer = kind(3, 5, num_layers=2, batch_first=True, bidirectional=bidirectional).double()
    x = random(4, 7, 3)
    for b, n in enumerate(LENGTHS):
        x[b, n:] = math.nan
    x.requires_grad_()
    together = flat(layer(x, lengths=LENGTHS))
    weights = tuple(minigrad.randn_like(y) for y in together)
    found = gradients(layer, together, weights, x)
    total = tuple(minigrad.zeros_like(p) for p in layer.parameters())
    for b, n in enumerate(LENGTHS):
        sentence = x.detach()[b, :n].requires_grad_()
        alone = flat(layer(sentence))
        close((together[0][b, :n], *(s[:, b] for s in together[1:])), alone, atol=1e-13)
        assert not array(together[0][b, n:]).any()
        parts = (weights[0][b, :n], *(w[:, b] for w in weights[1:]))
        dx, *shares = gradients(layer, alone, parts, sentence)
        close(found[0][b, :n], dx, atol=1e-12)
        assert not array(found[0][b, n:]).any()
        total = tuple(a + g for a, g in zip(total, shares, strict=True))
    close(found[1:], total, atol=1e-12)


@pytest.mark.parametrize("kind", LAYERS)
def test_sentences_without_steps_keep_their_state(kind: Any) -> None:
    layer = kind(3, 5)
    initial = tuple(minigrad.randn(1, 2, 5) for _ in range(kind.states))
    output, *last = flat(layer(minigrad.randn(7, 2, 3), initial if kind is LSTM else initial[0], lengths=[0, 7]))
    assert not array(output[:, 0]).any()
    for state, start in zip(last, initial, strict=True):
        close(state[:, 0], start[:, 0], atol=0)


@pytest.mark.parametrize("form", [list, tuple, np.array, Tensor])
def test_lengths_in_any_form(form: Any) -> None:
    layer, x = GRU(3, 5), minigrad.randn(7, 4, 3)
    close(layer(x, lengths=form(LENGTHS))[1], layer(x, lengths=LENGTHS)[1], atol=0)


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients(kind: Any) -> None:
    layer = kind(3, 2, num_layers=2, bidirectional=True)

    def answer(x: Tensor, *initial: Tensor) -> tuple[Tensor, ...]:
        return flat(layer(x, initial if kind is LSTM else initial[0], lengths=[5, 2]))

    xs = [minigrad.randn(5, 2, 3), *(minigrad.randn(4, 2, 2) for _ in range(kind.states))]
    layer.double()
    xs = [x.double() for x in xs]
    assert gradcheck(answer, *xs)
    assert gradgradcheck(answer, *xs)
    assert gradcheck(layer, xs[0])


@pytest.mark.parametrize("kind", [GRUCell, LSTMCell])
@pytest.mark.parametrize("batch", [(2,), (1,), ()], ids=str)
def test_gradients_of_cells(kind: Any, batch: tuple[int, ...]) -> None:
    cell = kind(3, 5).double()
    inputs = [random(*batch, 3), random(*batch, 5)]
    if kind is LSTMCell:
        assert gradcheck(lambda x, h: cell(x, (h, 2 * h)), inputs)
    else:
        assert gradcheck(cell, inputs)
    assert gradgradcheck(cell, random(*batch, 3))


# ---- packed sequences -----------------------------------------------------------------------------------------------


def test_packed_by_hand() -> None:
    x = Tensor([[5, 0, 0], [1, 2, 3], [7, 8, 0]])
    packed = pack_padded_sequence(x, [1, 3, 2], batch_first=True, enforce_sorted=False)
    assert packed.data.tolist() == [1, 7, 5, 2, 8, 3]
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices is not None
    assert packed.unsorted_indices is not None
    assert packed.sorted_indices.tolist() == [1, 2, 0]
    assert packed.unsorted_indices.tolist() == [2, 0, 1]
    padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-1, total_length=4)
    assert padded.tolist() == [[5, -1, -1, -1], [1, 2, 3, -1], [7, 8, -1, -1]]
    assert lengths.tolist() == [1, 3, 2]


def test_packed_in_order() -> None:
    x = minigrad.randn(7, 3, 2)
    packed = pack_padded_sequence(x, Tensor([7, 4, 4]))
    assert packed.sorted_indices is None
    padded, lengths = pad_packed_sequence(packed)
    assert lengths.tolist() == [7, 4, 4]
    assert padded.shape == (7, 3, 2)
    close(padded[:4], x[:4], atol=0)
    assert not array(padded[4:, 1:]).any()


def test_gradients_of_packing() -> None:
    def there_and_back(x: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, [2, 5, 3], enforce_sorted=False)
        return pad_packed_sequence(packed._replace(data=packed.data**2), padding_value=3.0)[0]

    assert gradcheck(there_and_back, random(5, 3, 2))
    assert gradgradcheck(there_and_back, random(5, 3, 2))


@pytest.mark.parametrize("kind", LAYERS)
def test_packed_is_lengths(kind: Any) -> None:
    layer = kind(3, 5, num_layers=2, bidirectional=True)
    x = minigrad.randn(7, 4, 3)
    initial = tuple(minigrad.randn(4, 4, 5) for _ in range(kind.states))
    hx = initial if kind is LSTM else initial[0]
    output, *last = flat(layer(x, hx, lengths=LENGTHS))
    packed, *packed_last = flat(layer(pack_padded_sequence(x, LENGTHS, enforce_sorted=False), hx))
    assert isinstance(packed, PackedSequence)
    close((pad_packed_sequence(packed)[0], *packed_last), (output, *last), atol=0)


# ---- printed, and misused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (RNN(3, 5, nonlinearity="relu"), "RNN(3, 5, nonlinearity=relu)"),
        (GRU(3, 5, batch_first=True), "GRU(3, 5, batch_first=True)"),
        (LSTM(3, 5, 2, False, dropout=0.5), "LSTM(3, 5, num_layers=2, bias=False, dropout=0.5)"),
        (RNN(3, 5, bidirectional=True), "RNN(3, 5, bidirectional=True)"),
        (LSTMCell(3, 5, bias=False), "LSTMCell(3, 5, bias=False)"),
    ],
)
def test_printed(layer: Module, text: str) -> None:
    assert repr(layer) == text


def x(*sizes: int) -> Tensor:
    return minigrad.ones(*sizes)


def packed() -> PackedSequence:
    return pack_padded_sequence(x(7, 2, 3), [7, 2])


MISUSED: dict[str, Any] = {
    "features": (lambda: GRU(3, 5)(x(7, 2, 11)), ShapeError, r"input_size = 3.*\(7, 2, 11\)"),
    "dimensions": (lambda: GRU(3, 5, batch_first=True)(x(1, 7, 2, 3)), ShapeError, r"\(B, T, D\)"),
    "no steps": (lambda: GRU(3, 5)(x(0, 2, 3)), ShapeError, "at least one step"),
    "state": (lambda: RNN(3, 5)(x(7, 2, 3), x(2, 2, 5)), ShapeError, r"\(2, 2, 5\).*\(1, 2, 5\)"),
    "state of one sequence": (lambda: RNN(3, 5)(x(7, 3), x(1, 1, 5)), ShapeError, r"\(1, 1, 5\).*\(1, 5\)"),
    "cell state": (lambda: LSTM(3, 5)(x(7, 2, 3), (x(1, 2, 5), x(1, 2, 3))), ShapeError, r"\(1, 2, 3\)"),
    "half a state": (lambda: LSTM(3, 5)(x(7, 2, 3), x(1, 2, 5)), ShapeError, r"pair \(h, c\)"),
    "too long": (lambda: LSTM(3, 5)(x(7, 2, 3), lengths=[7, 11]), ShapeError, r"0 to 7.*\[7, 11\]"),
    "too few": (lambda: RNN(3, 5)(x(7, 2, 3), lengths=[7]), ShapeError, r"2 numbers.*\[7\]"),
    "lengths of floats": (lambda: RNN(3, 5)(x(7, 2, 3), lengths=x(2)), TypeError, "integers, not float32"),
    "lengths twice": (lambda: RNN(3, 5)(packed(), lengths=[7, 2]), TypeError, "leave lengths= out"),
    "nonlinearity": (lambda: RNN(3, 5, nonlinearity="sin"), ValueError, "'sin'"),
    "dropout": (lambda: GRU(3, 5, 2, dropout=1.5), ValueError, "dropout=1.5"),
    "sizes": (lambda: GRU(3, 0), ValueError, "hidden_size=0"),
    "layers": (lambda: GRU(3, 5, num_layers=0), ValueError, "num_layers=0"),
    "projection": (lambda: LSTM(3, 5, proj_size=2), NotImplementedError, r"Linear\(5, 2\)"),
    "cell": (lambda: LSTMCell(3, 5)(x(2, 3), (x(2, 5), x(3, 5))), ShapeError, r"\(3, 5\)"),
    "cell input": (lambda: GRUCell(3, 5)(x(2, 11)), ShapeError, "11 features"),
    "packing unsorted": (lambda: pack_padded_sequence(x(7, 2, 3), [2, 7]), RuntimeError, "enforce_sorted=False"),
    "packing nothing": (lambda: pack_padded_sequence(x(7, 2, 3), [7, 0]), ShapeError, r"1 to 7, not \[7, 0\]"),
    "packing too many": (lambda: pack_padded_sequence(x(7, 2, 3), [7, 2, 1]), ShapeError, "2 lengths"),
    "packing one": (lambda: pack_padded_sequence(x(7), [7]), ShapeError, r"\(7,\)"),
    "total_length": (lambda: pad_packed_sequence(packed(), total_length=3), ShapeError, "has 7 steps"),
}


@pytest.mark.parametrize("name", MISUSED)
def test_misused(name: str) -> None:
    call, kind, message = MISUSED[name]
    with pytest.raises(kind, match=message):
        call()


def test_lengths_of_packed_sequences_are_checked() -> None:
    x = minigrad.zeros(5, 2, 3)
    with pytest.raises(TypeError, match="lengths are integers, not float64"):
        pack_padded_sequence(x, [2.5, 1.0])
    with pytest.raises(ShapeError, match=r"from 0 to 5 .* not \[9, 1\]"):
        unpad_sequence(x, [9, 1])
    with pytest.raises(ShapeError, match="1 lengths for a batch of 2"):
        unpad_sequence(x, [4])
    assert [len(part) for part in unpad_sequence(x, [4, 0])] == [4, 0]
