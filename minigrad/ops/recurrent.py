"""Recurrent layers over time: one direction of one layer of an RNN, a GRU or an LSTM, from the first step to the last.

Each is written twice, as in `fused`. The decorated function is the readable one: a loop over time around the step that
gives the layer its name (`rnn_step`, `gru_step`, `lstm_step`), which is where to look for the equations. The pair of
kernels above it does the same on arrays, by hand.

What they share. The input of every step is projected before the loop, in one product: only W_hh h has to wait for the
step before. T steps of B sentences come as x (T, B, D). The answer holds the hidden state of every step and then the
last states, (T + 1, B, H), or (T + 2, B, H) where there is a cell state: `y[:T]`, `y[T]`, `y[T + 1]`.

Sentence b has `lengths[b]` steps. What stands behind them is not looked at: the state stays as it is there, and the
answer is 0. With `reverse` the loop runs from the last step to the first, so that it begins at the last real one.

How the kernels save time. States are columns, (H, B), so that each gate is one block of memory. The sigmoid is a tanh,
σ(z) = (1 + tanh(z / 2)) / 2, so one call serves all gates. Going back, the derivatives of all gates are found for all
steps at once, and the loop only multiplies them by what arrives; the weights' gradients are one product over all steps.
A cell sees one step. Its gates are blocks, too, (gates, B, H), and where it has few rows, the products for its weights
wait for those of the other steps: see `TallProduct`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import fused
from ..sums import column_sums, tall, tall_product
from .elementwise import relu, sigmoid
from .fused import Needs
from .linalg import linear
from .shape import chunk

# ---- one step -------------------------------------------------------------------------------------------------------


def _blocks(z: np.ndarray, gates: int, bias: Any = 0) -> np.ndarray:
    """z + bias, (…, gates · H), with each gate as one block of memory: (gates, …, H)."""
    *lead, rows = z.shape
    size = rows // gates
    z = z.reshape(*lead, gates, size).transpose(len(lead), *range(len(lead)), -1)
    return np.add(z, bias.reshape(gates, *[1 for _ in lead], size) if np.ndim(bias) else bias, order="C")


def _rows(blocks: np.ndarray) -> np.ndarray:
    """What `_blocks` took apart, (…, gates · H)."""
    gates, *lead, size = blocks.shape
    return blocks.transpose(*range(1, len(lead) + 1), 0, -1).reshape(*lead, gates * size)


def _to_sigmoid(z: np.ndarray) -> None:
    """Put σ(z) in the place of z."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5
    z += 0.5


def _rnn_step_forward(zx: np.ndarray, zh: np.ndarray, nonlinearity: str = "tanh") -> Any:
    y = np.asarray(zx + zh)
    y = np.tanh(y, out=y) if nonlinearity == "tanh" else np.maximum(y, 0, out=y)
    return y, (y,)


def _rnn_step_backward(g: np.ndarray, kept: Any, needs: Needs, zx: Any, zh: Any, nonlinearity: str) -> Any:
    """dz = g (1 − y²) for tanh; g where y > 0, else 0, for relu."""
    (y,) = kept
    dz = g * (1 - y * y) if nonlinearity == "tanh" else g * (y > 0)
    return dz, dz.copy() if needs["zh"] else None


@fused(wrt=("zx", "zh"), forward=_rnn_step_forward, backward=_rnn_step_backward)
def rnn_step(zx: Any, zh: Any, nonlinearity: str = "tanh") -> Any:
    """The state after one step, from what the input says, zx = W_ih x + b_ih, and the state, zh = W_hh h + b_hh."""
    return np.tanh(zx + zh) if nonlinearity == "tanh" else relu(zx + zh)


def _gru_step(zx: np.ndarray, zh: np.ndarray, h: np.ndarray) -> Any:
    """The new state, and what its gradient needs, from zx and zh as blocks (3, …, H)."""
    gates = zx[:2] + zh[:2]
    _to_sigmoid(gates)
    reset, update = gates
    new_h = zh[2]
    candidate = reset * new_h
    candidate += zx[2]
    np.tanh(candidate, out=candidate)
    y = h - candidate
    y *= update
    y += candidate
    return y, (gates, candidate, new_h)


def _gru_step_forward(zx: np.ndarray, zh: np.ndarray, h: np.ndarray) -> Any:
    return _gru_step(_blocks(zx, 3), _blocks(zh, 3), h)


def _gru_step_backward(g: np.ndarray, kept: Any, needs: Needs, zx: Any, zh: Any, h: np.ndarray) -> Any:
    """With gates r, u and candidate n: dn = g (1 − u) (1 − n²), dr = dn zh_n r (1 − r), du = g (h − n) u (1 − u), dh =
    g u.
    """
    gates, candidate, new_h = kept
    reset, update = gates
    dz = np.empty((3, *g.shape), g.dtype)
    dgates, dnew = dz[:2], dz[2]
    np.subtract(1, gates, out=dgates)
    np.multiply(g, dgates[1], out=dnew)
    dnew *= 1 - candidate * candidate
    dgates *= gates
    dgates[0] *= dnew
    dgates[0] *= new_h
    dgates[1] *= g
    dgates[1] *= h - candidate
    dzh = dz.copy()
    dzh[2] *= reset
    return _rows(dz), _rows(dzh), g * update


@fused(wrt=("zx", "zh", "h"), forward=_gru_step_forward, backward=_gru_step_backward)
def gru_step(zx: Any, zh: Any, h: Any) -> Any:
    """The state after one step, from what the input says, zx = W_ih x + b_ih, the state, zh = W_hh h + b_hh, and h."""
    reset_x, update_x, new_x = chunk(zx, 3, -1)
    reset_h, update_h, new_h = chunk(zh, 3, -1)
    reset = sigmoid(reset_x + reset_h)  # how much of the state the candidate may see
    update = sigmoid(update_x + update_h)  # how much of the state stays
    candidate = np.tanh(new_x + reset * new_h)
    return (1 - update) * candidate + update * h


def _lstm_step(z: np.ndarray, c: np.ndarray) -> Any:
    """The new states, one above the other, and what their gradient needs, from z = zx + zh as blocks (4, …, H)."""
    candidate = np.tanh(z[2])
    _to_sigmoid(z)
    z[2] = candidate
    states = np.empty((2, *candidate.shape), candidate.dtype)
    h_new, c_new = states
    np.multiply(z[1], c, out=c_new)
    c_new += z[0] * candidate
    tanh_c = np.tanh(c_new)
    np.multiply(z[3], tanh_c, out=h_new)
    return states, (z, tanh_c)


def _lstm_states_forward(zx: np.ndarray, zh: np.ndarray, c: np.ndarray) -> Any:
    return _lstm_step(_blocks(zx + zh, 4), c)


def _lstm_states_backward(g: np.ndarray, kept: Any, needs: Needs, zx: Any, zh: Any, c: np.ndarray) -> Any:
    """δ = dc + dh o (1 − tanh² c'); then di = δ g̃ i (1 − i), df = δ c f (1 − f), dg̃ = δ i (1 − g̃²), do = dh
    tanh(c') o (1 − o), and to c goes δ f.
    """
    gates, tanh_c = kept
    i, f, candidate, o = gates
    dh, dc = g
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    dz = 1 - gates  # first the slopes of the gates, then what arrives
    dz *= gates
    np.multiply(i, 1 - candidate * candidate, out=dz[2])
    dz[0] *= candidate
    dz[1] *= c
    dz[:3] *= dc
    dz[3] *= tanh_c
    dz[3] *= dh
    dz = _rows(dz)
    return dz, dz.copy() if needs["zh"] else None, dc * f


@fused(wrt=("zx", "zh", "c"), forward=_lstm_states_forward, backward=_lstm_states_backward)
def lstm_states(zx: Any, zh: Any, c: Any) -> Any:
    """h and c after one step, one above the other, (2, …, H): see `lstm_step`."""
    i, f, g, o = chunk(zx + zh, 4, -1)
    input_gate = sigmoid(i)  # how much of the candidate is written
    forget_gate = sigmoid(f)  # how much of the cell state stays
    candidate = np.tanh(g)
    output_gate = sigmoid(o)  # how much of the cell state shows
    c = forget_gate * c + input_gate * candidate
    return np.stack([output_gate * np.tanh(c), c])


def lstm_step(zx: Any, zh: Any, c: Any) -> tuple[Any, Any]:
    """(h, c) after one step, from what the input says, zx = W_ih x + b_ih, the state, zh = W_hh h + b_hh, and c."""
    states = lstm_states(zx, zh, c)
    return states[0], states[1]


# ---- one step, with the weights -------------------------------------------------------------------------------------


def _product(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x Wᵀ for few rows x, computed as (W xᵀ)ᵀ, which can take half the time."""
    if x.ndim > 2:
        raise ShapeError(f"a cell takes one step (B, D) or (D) at a time, not {x.shape}")
    return weight.dot(x.T).T


def _given(bias: Any) -> Any:
    """The bias, or 0 where there is none."""
    return 0 if bias is None else bias


def _weight_gradients(
    needs: Needs, dzx: np.ndarray, dzh: np.ndarray, x: np.ndarray, h: np.ndarray, weight_ih: np.ndarray
) -> dict[str, Any]:
    """The gradients of x, weights and biases, from those of W_ih x + b_ih and of W_hh h + b_hh, (…, rows) both."""
    dzx, dzh = tall(dzx), tall(dzh)
    found: dict[str, Any] = {}
    if needs["x"]:
        found["x"] = dzx.dot(weight_ih).reshape(x.shape)
    if needs["weight_ih"]:
        found["weight_ih"] = tall_product(dzx, x)
    if needs["weight_hh"]:
        found["weight_hh"] = tall_product(dzh, h)
    if needs["bias_ih"]:
        found["bias_ih"] = column_sums(dzx)
    if needs["bias_hh"]:
        found["bias_hh"] = found["bias_ih"].copy() if dzh is dzx and needs["bias_ih"] else column_sums(dzh)
    return found


def _cell_gradients(
    needs: Needs, dzx: np.ndarray, dzh: np.ndarray, x: Any, h: Any, weight_ih: Any, weight_hh: Any
) -> dict[str, Any]:
    """Those, and that of h where it goes through W_hh."""
    found = _weight_gradients(needs, dzx, dzh, x, h, weight_ih)
    if needs["h"]:
        found["h"] = dzh.dot(weight_hh)
    return found


def _rnn_cell_forward(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, nonlinearity: str = "tanh"
) -> Any:
    y = np.add(_product(weight_ih, x) + _product(weight_hh, h), _given(bias_ih) + _given(bias_hh), order="C")
    y = np.tanh(y, out=y) if nonlinearity == "tanh" else np.maximum(y, 0, out=y)
    return y, (y,)


def _rnn_cell_backward(
    g: Any, kept: Any, needs: Needs, x: Any, h: Any, weight_ih: Any, weight_hh: Any, *rest: Any
) -> Any:
    """From dz = g (1 − h'²), the gradient of the sum in tanh, as of two linear layers."""
    dz, _ = _rnn_step_backward(g, kept, {"zh": False}, None, None, rest[-1])
    found = _cell_gradients(needs, dz, dz, x, h, weight_ih, weight_hh)
    return [found.get(name) for name in needs]


@fused(
    wrt=("x", "h", "weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    forward=_rnn_cell_forward,
    backward=_rnn_cell_backward,
)
def rnn_cell(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, nonlinearity: str = "tanh"
) -> Any:
    """One step of a plain recurrent cell: x (B, D), h (B, H) → (B, H), or without B."""
    return rnn_step(linear(x, weight_ih, bias_ih), linear(h, weight_hh, bias_hh), nonlinearity)


def _gru_cell_forward(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None) -> Any:
    zx = _blocks(_product(weight_ih, x), 3, _given(bias_ih))
    zh = _blocks(_product(weight_hh, h), 3, _given(bias_hh))
    return _gru_step(zx, zh, h)


def _gru_cell_backward(
    g: Any, kept: Any, needs: Needs, x: Any, h: Any, weight_ih: Any, weight_hh: Any, *biases: Any
) -> Any:
    """Those of the step, and from there as of two linear layers."""
    dzx, dzh, stays = _gru_step_backward(g, kept, needs, None, None, h)
    found = _cell_gradients(needs, dzx, dzh, x, h, weight_ih, weight_hh)
    if needs["h"]:
        found["h"] += stays
    return [found.get(name) for name in needs]


@fused(
    wrt=("x", "h", "weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    forward=_gru_cell_forward,
    backward=_gru_cell_backward,
)
def gru_cell(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None) -> Any:
    """One step of a GRU: x (B, D), h (B, H) → (B, H), or without B."""
    return gru_step(linear(x, weight_ih, bias_ih), linear(h, weight_hh, bias_hh), h)


def _lstm_cell_forward(
    x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None
) -> Any:
    z = _product(weight_ih, x) + _product(weight_hh, h)
    return _lstm_step(_blocks(z, 4, _given(bias_ih) + _given(bias_hh)), c)


def _lstm_cell_backward(
    g: Any, kept: Any, needs: Needs, x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, *biases: Any
) -> Any:
    """Those of the step, and from there as of two linear layers."""
    dz, _, dc = _lstm_states_backward(g, kept, {"zh": False}, None, None, c)
    found = _cell_gradients(needs, dz, dz, x, h, weight_ih, weight_hh) | {"c": dc}
    return [found.get(name) for name in needs]


@fused(
    wrt=("x", "h", "c", "weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    forward=_lstm_cell_forward,
    backward=_lstm_cell_backward,
)
def lstm_cell(x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None) -> Any:
    """One step of an LSTM: x (B, D), h and c (B, H) → both one above the other, (2, B, H), or without B."""
    return lstm_states(linear(x, weight_ih, bias_ih), linear(h, weight_hh, bias_hh), c)


# ---- what the loops share -------------------------------------------------------------------------------------------


def _check(name: str, gates: int, x: Any, states: Sequence[Any], weights: Sequence[Any], lengths: Any) -> None:
    """Raise `ShapeError` unless everything fits."""
    if x.ndim != 3 or states[0].ndim != 2 or not len(x):
        raise ShapeError(
            f"{name}: inputs (T, B, D) of at least one step and states (B, H) are needed, not {x.shape} and "
            f"{states[0].shape}"
        )
    rows, size = gates * states[0].shape[1], x.shape[2]
    expected = [(rows, size), (rows, rows // gates), (rows,), (rows,)]
    found = [w.shape if w is not None else shape for w, shape in zip(weights, expected, strict=True)]
    if any(s.shape != (x.shape[1], rows // gates) for s in states) or found != expected:
        raise ShapeError(
            f"{name}: inputs (T, B, D), states (B, H), weights ({gates}H, D) and ({gates}H, H), biases ({gates}H) are "
            f"needed, not {x.shape}, {states[0].shape}, {found[0]} and {found[1]}, {found[2]} and {found[3]}"
        )
    if lengths is not None and (lengths.shape != x.shape[1:2] or np.any(lengths < 0) or np.any(lengths > len(x))):
        raise ShapeError(
            f"{name}: lengths must be {x.shape[1]} numbers from 0 to {len(x)}, one for each sentence of the input "
            f"{x.shape}, not {lengths.tolist()}"
        )


def _real(x: Any, lengths: Any) -> Any:
    """Which steps belong to their sentence, (T, B, 1); None if all do."""
    return None if lengths is None else (np.arange(len(x))[:, None] < lengths)[..., None]


def _numbers(real: Any, dtype: Any) -> Any:
    """Which steps belong to their sentence, as 1 and 0, (T, 1, B); None if all do."""
    return None if real is None else real.swapaxes(1, 2).astype(dtype)


def _order(x: Any, reverse: bool) -> range:
    """The steps in the order in which they are taken."""
    return range(len(x) - 1, -1, -1) if reverse else range(len(x))


def _kept(real: Any, new: Any, old: Any) -> Any:
    """The new state where the sentence goes on, the old one where it has ended."""
    return new if real is None else np.where(real, new, old)


def _trajectory(start: np.ndarray, steps: int, reverse: bool, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Room for the states before and after each step, (T, H, B), and after the last, (H, B); `start` is filled in."""
    states = np.empty((steps + 1, *start.T.shape), dtype)
    if reverse:
        states[-1] = start.T
        return states[1:], states[:-1], states[0]
    states[0] = start.T
    return states[:-1], states[1:], states[-1]


def _projected(others: Sequence[Any], x: np.ndarray, weight: np.ndarray, *biases: Any) -> np.ndarray:
    """W x + biases for all steps at once, as columns (T, rows, B), in the widest dtype of these and the `others`."""
    dtype = np.result_type(*[a for a in (x, weight, *biases, *others) if a is not None])
    z = np.matmul(weight, x.swapaxes(1, 2), dtype=dtype)
    for bias in biases:
        if bias is not None:
            z += np.repeat(bias[:, None], z.shape[-1], 1)
    return z


def _answer(real: Any, h_after: np.ndarray, *last: np.ndarray) -> np.ndarray:
    """The state after each step, 0 behind the ends, and the last states: (T + 1, B, H) or (T + 2, B, H)."""
    steps, size, batch = h_after.shape
    y = np.empty((steps + len(last), batch, size), h_after.dtype)
    y[:steps] = h_after.swapaxes(1, 2)
    if real is not None:
        y[:steps] *= real
    for state, place in zip(last, y[steps:], strict=True):
        place[...] = state.T
    return y


def _arriving(g: np.ndarray, steps: int, real: Any) -> list[np.ndarray]:
    """What arrives at the state after each step, as columns (T, H, B), and at the last states, (H, B)."""
    columns = g.swapaxes(1, 2)
    each = columns[:steps] if real is None else columns[:steps] * real
    return [each, *(last.copy() for last in columns[steps:])]


def _layer_gradients(
    needs: Needs, dzx: np.ndarray, dzh: np.ndarray, x: np.ndarray, h_before: np.ndarray, weight_ih: np.ndarray
) -> dict[str, np.ndarray]:
    """The gradients of x, weights and biases, as for one step, from those of all steps as columns, (T, rows, B)."""

    def one_above_the_other(columns: np.ndarray) -> np.ndarray:  # (T, rows, B) → (T·B, rows)
        steps, rows, batch = columns.shape
        return columns.swapaxes(0, 1).reshape(rows, steps * batch).T

    from_x = one_above_the_other(dzx)
    from_h = from_x if dzh is dzx else one_above_the_other(dzh)
    return _weight_gradients(needs, from_x, from_h, x, one_above_the_other(h_before), weight_ih)


# ---- plain ----------------------------------------------------------------------------------------------------------


def _rnn_forward(
    x: np.ndarray,
    h: np.ndarray,
    weight_ih: np.ndarray,
    weight_hh: np.ndarray,
    bias_ih: Any = None,
    bias_hh: Any = None,
    lengths: Any = None,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> Any:
    _check("rnn", 1, x, [h], [weight_ih, weight_hh, bias_ih, bias_hh], lengths)
    real, order = _real(x, lengths), _order(x, reverse)
    x = _kept(real, x, 0)
    z = _projected([h, weight_hh, bias_hh], x, weight_ih, bias_ih, bias_hh)
    before, after, last = _trajectory(h, len(x), reverse, z.dtype)
    for t in order:
        np.matmul(weight_hh, before[t], out=after[t])
        after[t] += z[t]
        if nonlinearity == "tanh":
            np.tanh(after[t], out=after[t])
        else:
            np.maximum(after[t], 0, out=after[t])
        if real is not None:
            np.copyto(after[t], before[t], where=~real[t].T)
    return _answer(real, after, last), (x, before, after, real, order)


def _rnn_backward(
    g: np.ndarray,
    kept: Any,
    needs: Needs,
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    lengths: Any,
    reverse: bool,
    nonlinearity: str,
) -> Any:
    """From the last step to the first: dz = (g + dh) (1 − h²), or where h > 0; before it dh = W_hhᵀ dz; dW_ih = Σ dz
    xᵀ, dW_hh = Σ dz hᵀ, db = Σ dz.
    """
    x, before, after, real, order = kept
    real = _numbers(real, after.dtype)
    g, dh = _arriving(g, len(x), real)
    dz = 1 - after * after if nonlinearity == "tanh" else (after > 0).astype(after.dtype)  # first ∂h/∂z, then times dh
    if real is not None:
        dz *= real
    for t in reversed(order):
        dh += g[t]
        dz[t] *= dh
        stays = 0 if real is None else dh * (1 - real[t])
        dh = np.matmul(weight_hh.T, dz[t]) + stays
    found = _layer_gradients(needs, dz, dz, x, before, weight_ih)
    found["h"] = dh.T
    return [found.get(name) for name in needs]


@fused(wrt=("x", "h", "weight_ih", "weight_hh", "bias_ih", "bias_hh"), forward=_rnn_forward, backward=_rnn_backward)
def rnn(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    lengths: Any = None,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> Any:
    """All hidden states of a plain recurrent layer, and the last: x (T, B, D), h (B, H) → (T + 1, B, H)."""
    _check("rnn", 1, x, [h], [weight_ih, weight_hh, bias_ih, bias_hh], lengths)
    real = _real(x, lengths)
    zx = linear(_kept(real, x, 0), weight_ih, bias_ih)  # (T, B, H)
    states = [h] * len(x)
    for t in _order(x, reverse):
        h = _kept(real if real is None else real[t], rnn_step(zx[t], linear(h, weight_hh, bias_hh), nonlinearity), h)
        states[t] = h
    return np.concatenate([_kept(real, np.stack(states), 0), h[None]])


# ---- gated: GRU -----------------------------------------------------------------------------------------------------


def _gru_forward(
    x: np.ndarray,
    h: np.ndarray,
    weight_ih: np.ndarray,
    weight_hh: np.ndarray,
    bias_ih: Any = None,
    bias_hh: Any = None,
    lengths: Any = None,
    reverse: bool = False,
) -> Any:
    _check("gru", 3, x, [h], [weight_ih, weight_hh, bias_ih, bias_hh], lengths)
    real, order = _real(x, lengths), _order(x, reverse)
    x = _kept(real, x, 0)
    size, batch = h.shape[1], h.shape[0]
    z = _projected([h, weight_hh, bias_hh], x, weight_ih, bias_ih)
    before, after, last = _trajectory(h, len(x), reverse, z.dtype)
    from_h, new_h = np.empty_like(z[0]), np.empty((len(x), size, batch), z.dtype)  # W_hh h + b_hh, and its last block
    bias = 0 if bias_hh is None else np.repeat(bias_hh[:, None], batch, 1)
    for t in order:
        np.matmul(weight_hh, before[t], out=from_h)
        from_h += bias
        new_h[t] = from_h[2 * size :]
        gates, candidate = z[t, : 2 * size], z[t, 2 * size :]
        gates += from_h[: 2 * size]
        gates *= 0.5
        np.tanh(gates, out=gates)
        gates *= 0.5
        gates += 0.5
        reset, update = gates[:size], gates[size:]
        candidate += reset * new_h[t]
        np.tanh(candidate, out=candidate)
        np.subtract(before[t], candidate, out=after[t])  # h' = candidate + update (h − candidate)
        after[t] *= update
        after[t] += candidate
        if real is not None:
            np.copyto(after[t], before[t], where=~real[t].T)
    return _answer(real, after, last), (x, z, new_h, before, real, order)


def _gru_backward(
    g: np.ndarray,
    kept: Any,
    needs: Needs,
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    lengths: Any,
    reverse: bool,
) -> Any:
    """From the last step to the first, as in `gru_step`; before each dh = u (g + dh) + W_hhᵀ dz_h; dW_ih = Σ dz_x xᵀ,
    dW_hh = Σ dz_h hᵀ, db = Σ dz.
    """
    x, z, new_h, before, real, order = kept
    steps, size, batch = before.shape
    real = _numbers(real, z.dtype)
    g, dh = _arriving(g, steps, real)
    reset, update, candidate = z.reshape(steps, 3, size, batch).swapaxes(0, 1)
    # ∂h'/∂z of reset and update, and of the candidate for what comes from h, (T, 3, H, B), and from x, (T, H, B)
    slopes = (1 - z).reshape(steps, 3, size, batch)
    slopes *= z.reshape(slopes.shape)
    to_new = 1 - candidate * candidate
    to_new *= 1 - update
    slopes[:, 0] *= new_h
    slopes[:, 0] *= to_new
    slopes[:, 1] *= before - candidate
    np.multiply(to_new, reset, out=slopes[:, 2])
    if real is not None:
        to_new *= real
        slopes *= real[:, None]
        update = np.where(real, update, 1)
    dzh = slopes.reshape(z.shape)
    for t in reversed(order):
        dh += g[t]
        slopes[t] *= dh
        to_new[t] *= dh
        dh *= update[t]
        dh += np.matmul(weight_hh.T, dzh[t])
    dzx = np.concatenate([dzh[:, : 2 * size], to_new], 1)
    found = _layer_gradients(needs, dzx, dzh, x, before, weight_ih)
    found["h"] = dh.T
    return [found.get(name) for name in needs]


@fused(wrt=("x", "h", "weight_ih", "weight_hh", "bias_ih", "bias_hh"), forward=_gru_forward, backward=_gru_backward)
def gru(
    x: Any,
    h: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    lengths: Any = None,
    reverse: bool = False,
) -> Any:
    """All hidden states of a GRU layer, and the last: x (T, B, D), h (B, H) → (T + 1, B, H)."""
    _check("gru", 3, x, [h], [weight_ih, weight_hh, bias_ih, bias_hh], lengths)
    real = _real(x, lengths)
    zx = linear(_kept(real, x, 0), weight_ih, bias_ih)  # (T, B, 3H)
    states = [h] * len(x)
    for t in _order(x, reverse):
        h = _kept(real if real is None else real[t], gru_step(zx[t], linear(h, weight_hh, bias_hh), h), h)
        states[t] = h
    return np.concatenate([_kept(real, np.stack(states), 0), h[None]])


# ---- gated: LSTM ----------------------------------------------------------------------------------------------------


def _lstm_forward(
    x: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    weight_ih: np.ndarray,
    weight_hh: np.ndarray,
    bias_ih: Any = None,
    bias_hh: Any = None,
    lengths: Any = None,
    reverse: bool = False,
) -> Any:
    _check("lstm", 4, x, [h, c], [weight_ih, weight_hh, bias_ih, bias_hh], lengths)
    real, order = _real(x, lengths), _order(x, reverse)
    x = _kept(real, x, 0)
    steps, size, batch = len(x), h.shape[1], h.shape[0]
    z = _projected([h, c, weight_hh, bias_hh], x, weight_ih, bias_ih, bias_hh)
    h_before, h_after, h_last = _trajectory(h, steps, reverse, z.dtype)
    c_before, c_after, c_last = _trajectory(c, steps, reverse, z.dtype)
    tanh_c = np.empty((steps, size, batch), z.dtype)
    i, f, g, o = z.reshape(steps, 4, size, batch).swapaxes(0, 1)
    # One tanh for all gates: each is scale · tanh(scale · z) + shift, with ½ and ½ for a sigmoid, 1 and 0 for g.
    scale = np.full((4 * size, batch), 0.5, z.dtype)
    shift = scale.copy()
    scale[2 * size : 3 * size], shift[2 * size : 3 * size] = 1, 0
    for t in order:
        gates = z[t]
        gates += np.matmul(weight_hh, h_before[t])
        gates *= scale
        np.tanh(gates, out=gates)
        gates *= scale
        gates += shift
        np.multiply(f[t], c_before[t], out=c_after[t])
        c_after[t] += i[t] * g[t]
        np.tanh(c_after[t], out=tanh_c[t])
        np.multiply(o[t], tanh_c[t], out=h_after[t])
        if real is not None:
            np.copyto(c_after[t], c_before[t], where=~real[t].T)
            np.copyto(h_after[t], h_before[t], where=~real[t].T)
    return _answer(real, h_after, h_last, c_last), (x, z, h_before, c_before, tanh_c, real, order)


def _lstm_backward(
    g: np.ndarray,
    kept: Any,
    needs: Needs,
    x: Any,
    h: Any,
    c: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    lengths: Any,
    reverse: bool,
) -> Any:
    """From the last step to the first, as in `lstm_step`; before each dc = f δ, dh = W_hhᵀ dz; dW_ih = Σ dz xᵀ, dW_hh
    = Σ dz hᵀ, db = Σ dz.
    """
    x, z, h_before, c_before, tanh_c, real, order = kept
    steps, size, batch = h_before.shape
    real = _numbers(real, z.dtype)
    arriving, dh, dc = _arriving(g, steps, real)
    gates = z.reshape(steps, 4, size, batch)
    i, f, g, o = gates.swapaxes(0, 1)
    # ∂c/∂z of i, f and g, and ∂h/∂z of o, (T, 4, H, B); ∂h/∂c
    slopes = 1 - gates
    slopes *= gates
    slopes[:, 0] *= g
    slopes[:, 1] *= c_before
    slopes[:, 2] = i * (1 - g * g)
    slopes[:, 3] *= tanh_c
    through = o * (1 - tanh_c * tanh_c)
    if real is not None:
        slopes *= real[:, None]
        through *= real
        f = np.where(real, f, 1)
    dz = slopes.reshape(z.shape)
    for t in reversed(order):
        dh += arriving[t]
        dc += dh * through[t]
        slopes[t, :3] *= dc
        slopes[t, 3] *= dh
        dc *= f[t]
        stays = 0 if real is None else dh * (1 - real[t])
        np.matmul(weight_hh.T, dz[t], out=dh)
        dh += stays
    found = _layer_gradients(needs, dz, dz, x, h_before, weight_ih)
    found["h"], found["c"] = dh.T, dc.T
    return [found.get(name) for name in needs]


@fused(
    wrt=("x", "h", "c", "weight_ih", "weight_hh", "bias_ih", "bias_hh"), forward=_lstm_forward, backward=_lstm_backward
)
def lstm(
    x: Any,
    h: Any,
    c: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    lengths: Any = None,
    reverse: bool = False,
) -> Any:
    """All hidden states of an LSTM layer, the last, and the last cell: x (T, B, D), h, c (B, H) → (T + 2, B, H)."""
    _check("lstm", 4, x, [h, c], [weight_ih, weight_hh, bias_ih, bias_hh], lengths)
    real = _real(x, lengths)
    zx = linear(_kept(real, x, 0), weight_ih, bias_ih)  # (T, B, 4H)
    states = [h] * len(x)
    for t in _order(x, reverse):
        h_new, c_new = lstm_step(zx[t], linear(h, weight_hh, bias_hh), c)
        h, c = (_kept(real if real is None else real[t], new, old) for new, old in ((h_new, h), (c_new, c)))
        states[t] = h
    return np.concatenate([_kept(real, np.stack(states), 0), h[None], c[None]])
