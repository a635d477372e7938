"""Recurrent layers: a state that is carried from step to step, and what each step does to it.

A cell takes one step: `RNNCell`, `GRUCell`, `LSTMCell`. A layer takes all steps of a sequence: `RNN`, `GRU`, `LSTM`.

    output, last = layer(input, initial)        of an LSTM: output, (h, c) = layer(input, (h, c))

The layers share their options and shapes, with N = num_layers · (2 if bidirectional else 1):

    input      (T, B, D), or (B, T, D) with `batch_first`, or (T, D): one sequence alone; or a `PackedSequence`
    initial    (N, B, H), or (N, H); zeros if not given
    output     the state after each step, (T, B, H), or (B, T, H), or (T, H); (…, 2H) if `bidirectional`
    last       the state after the last step, (N, B, H), or (N, H)

`num_layers` layers stand on each other: each reads the states of the one below, of which, in training, the part
`dropout` is left out. A `bidirectional` layer is two, one of which reads from the end; both states stand side by side
in the output. Of the N states, those of layer l are 2l (forward) and 2l + 1 (backward), or only l.

`lengths=` says how long each sentence is, in any order; T only has to be enough for the longest. What stands behind the
end of a sentence is not looked at: the output there is 0, the last state is that of the last real step, and the
backward direction begins at that step. So a sentence has the same result whatever batch it is in.

The parameters of layer l are `weight_ih_l{l}`, `weight_hh_l{l}`, `bias_ih_l{l}`, `bias_hh_l{l}`, and the same with
`_reverse` for the backward direction. A GRU has three blocks of H rows in them, and an LSTM four, one for each gate.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.recurrent import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell

from . import functional, init
from .module import Module, Parameter
from .utils.rnn import PackedSequence, pad_packed_sequence

Lengths = Sequence[int] | np.ndarray | Tensor  # one for each sentence


def _reset(layer: Module, hidden_size: int) -> None:
    """Draw all parameters from U(−b, b) with b = 1 / √H."""
    bound = 1 / math.sqrt(hidden_size) if hidden_size else 0.0
    for parameter in layer.parameters():
        init.uniform_(parameter, -bound, bound)


def _check_nonlinearity(layer: Module, nonlinearity: str) -> None:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{type(layer).__name__}: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")


# ---- cells: one step ------------------------------------------------------------------------------------------------


class _Cell(Module):
    """What the cells share: weights for `gates` blocks of H rows."""

    gates: int

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        rows = self.gates * hidden_size
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = Parameter(minigrad.empty(rows, input_size))
        self.weight_hh = Parameter(minigrad.empty(rows, hidden_size))
        self.bias_ih = Parameter(minigrad.empty(rows)) if bias else None
        self.bias_hh = Parameter(minigrad.empty(rows)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases anew."""
        _reset(self, self.hidden_size)

    def _start(self, input: Tensor) -> Tensor:
        """The state before the first step."""
        return minigrad.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype)

    def _check(self, input: Tensor, *states: Tensor) -> None:
        """Raise unless the shapes fit."""
        for state in states:
            if input.ndim not in (1, 2) or state.shape != (*input.shape[:-1], self.hidden_size):
                raise ShapeError(
                    f"{type(self).__name__}({self.input_size}, {self.hidden_size}): inputs (B, {self.input_size}) go "
                    f"with states (B, {self.hidden_size}), not {input.shape} with {state.shape}; give one step at a "
                    f"time"
                )
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}({self.input_size}, {self.hidden_size}): the inputs {input.shape} have "
                f"{input.shape[-1]} features, but the weights take {self.input_size}"
            )

    def _weights(self) -> tuple[Tensor | None, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias_ih is not None else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh), or with `nonlinearity="relu"` the same with a ReLU.

    **Shapes**: x (B, in) or (in), h (B, hidden) or (hidden), zeros if not given → the shape of h; weight_ih
    (hidden, in), weight_hh (hidden, hidden), bias_ih and bias_hh (hidden), all from U(−b, b) with b = 1 / √hidden.

    **Raises** `ShapeError` if the shapes do not fit, `ValueError` for another nonlinearity.

    Source: Elman, "Finding Structure in Time" (1990), Cognitive Science 14.

    >>> cell = RNNCell(3, 5)
    >>> h = None
    >>> for x in minigrad.ones(7, 2, 3):  # seven steps of two sequences
    ...     h = cell(x, h)
    >>> h.shape
    (2, 5)
    """

    gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> None:
        _check_nonlinearity(self, nonlinearity)
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Take one step."""
        h = self._start(input) if hx is None else hx
        self._check(input, h)
        return rnn_cell(input, h, *self._weights(), self.nonlinearity)

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class GRUCell(_Cell):
    """A step in which two gates decide how much of the state stays: with r, z, n the three blocks of the weights,

        r  = σ(W_ir x + b_ir + W_hr h + b_hr)           reset: how much of h the candidate may see
        z  = σ(W_iz x + b_iz + W_hz h + b_hz)           update: how much of h stays
        n  = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))  candidate
        h' = (1 − z) ⊙ n + z ⊙ h

    As in PyTorch, r is applied after the product with W_hn; the paper applies it before.

    **Shapes**: x (B, in) or (in), h (B, hidden) or (hidden), zeros if not given → the shape of h; weight_ih
    (3 hidden, in), weight_hh (3 hidden, hidden), bias_ih and bias_hh (3 hidden), all from U(−b, b), b = 1 / √hidden.

    **Raises** `ShapeError` if the shapes do not fit.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder for Statistical Machine Translation"
    (2014), arXiv:1406.1078.

    >>> GRUCell(3, 5)(minigrad.ones(2, 3)).shape
    (2, 5)
    """

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Take one step."""
        h = self._start(input) if hx is None else hx
        self._check(input, h)
        return gru_cell(input, h, *self._weights())


class LSTMCell(_Cell):
    """A step with a cell state c, to which gates decide what is added: with i, f, g, o the four blocks of the weights,

        i  = σ(W_ii x + b_ii + W_hi h + b_hi)     input gate: how much of g is written
        f  = σ(W_if x + b_if + W_hf h + b_hf)     forget gate: how much of c stays
        g  = tanh(W_ig x + b_ig + W_hg h + b_hg)  candidate
        o  = σ(W_io x + b_io + W_ho h + b_ho)     output gate: how much of c' shows
        c' = f ⊙ c + i ⊙ g
        h' = o ⊙ tanh(c')

    All biases begin near 0, as in PyTorch, so that at first half of c is forgotten in every step; see `LSTM`.

    **Shapes**: x (B, in) or (in), h and c (B, hidden) or (hidden), zeros if not given → (h', c'); weight_ih
    (4 hidden, in), weight_hh (4 hidden, hidden), bias_ih and bias_hh (4 hidden), all from U(−b, b), b = 1 / √hidden.

    **Raises** `ShapeError` if the shapes do not fit.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), Neural Computation 9; the forget gate: Gers,
    Schmidhuber and Cummins, "Learning to Forget" (2000), Neural Computation 12.

    >>> h, c = LSTMCell(3, 5)(minigrad.ones(2, 3))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Take one step."""
        h, c = (self._start(input), self._start(input)) if hx is None else hx
        self._check(input, h, c)
        states = lstm_cell(input, h, c, *self._weights())
        return states[0], states[1]


# ---- layers: all steps ----------------------------------------------------------------------------------------------


class _Recurrent(Module):
    """What the layers share: parameters, directions and layers, and the ways to say which steps are real."""

    gates: int
    states = 1  # how many tensors a state is

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(f"{kind}: hidden_size={hidden_size} and num_layers={num_layers} must be at least 1")
        if not 0 <= dropout <= 1:
            raise ValueError(f"{kind}: a probability lies in [0, 1], which dropout={dropout} does not")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{kind}: dropout={dropout} acts between layers, and there is only one; use num_layers=2 or nn.Dropout",
                stacklevel=3,
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional
        rows, directions = self.gates * hidden_size, 1 + bidirectional
        for k in range(num_layers * directions):
            size = input_size if k < directions else hidden_size * directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, size), "weight_hh": (rows, hidden_size)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for name, shape in shapes.items():
                setattr(self, name + self._suffix(k), Parameter(minigrad.empty(*shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases anew."""
        _reset(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing to do: here for programs written for PyTorch, where it rearranges memory on a GPU."""

    def _suffix(self, k: int) -> str:
        """What the names of the parameters of direction k of all N end in."""
        layer, backward = divmod(k, 2) if self.bidirectional else (k, 0)
        return f"_l{layer}" + "_reverse" * backward

    def _weights(self, k: int) -> list[Parameter | None]:
        names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        return [getattr(self, name + self._suffix(k)) if self.bias or name[0] == "w" else None for name in names]

    def _scan(self, *arguments: Any) -> Tensor:
        """All steps in one direction, by the operation of this kind of layer."""
        raise NotImplementedError

    def _run(
        self, input: Tensor | PackedSequence, initial: Sequence[Tensor] | None, lengths: Lengths | None
    ) -> tuple[Any, list[Tensor]]:
        """The output and the last states, for every form of input."""
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise TypeError(f"{type(self).__name__}: a PackedSequence knows its lengths; leave lengths= out")
            padded, lengths = pad_packed_sequence(input)
            output, last = self._run_layers(padded, initial, lengths)
            return input._replace(data=output[input.places()]), last
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: inputs {'(B, T, D)' if self.batch_first else '(T, B, D)'} or (T, D) with "
                f"D = input_size = {self.input_size} are needed, not {input.shape}"
            )
        if input.ndim == 2:
            if initial is not None:
                initial = [self._fitting(state, ()).unsqueeze(1) for state in initial]
            output, last = self._run_layers(input.unsqueeze(1), initial, lengths)
            return output.squeeze(1), [state.squeeze(1) for state in last]
        if not self.batch_first:
            return self._run_layers(input, initial, lengths)
        output, last = self._run_layers(input.transpose(0, 1), initial, lengths)
        return output.transpose(0, 1), last

    def _run_layers(self, x: Tensor, initial: Sequence[Tensor] | None, lengths: Any) -> tuple[Tensor, list[Tensor]]:
        """The output (T, B, …) of the topmost layer and the last states (N, B, H), for x (T, B, D)."""
        steps, batch, directions = len(x), x.shape[1], 1 + self.bidirectional
        if initial is None:
            initial = [minigrad.zeros(self._count(), batch, self.hidden_size, dtype=x.dtype)] * self.states
        initial = [self._fitting(state, (batch,)) for state in initial]
        if lengths is not None:
            lengths = np.asarray(lengths.numpy() if isinstance(lengths, Tensor) else lengths)
            if lengths.dtype.kind not in "iu":
                raise TypeError(f"{type(self).__name__}: lengths are integers, not {lengths.dtype}")
        last = []
        for layer in range(self.num_layers):
            if layer:
                x = functional.dropout(x, self.dropout, self.training)
            sides = []
            for k in range(layer * directions, (layer + 1) * directions):
                y = self._scan(x, *(s[k] for s in initial), *self._weights(k), lengths, k % directions == 1)
                sides.append(y[:steps])
                last.append(y[steps:])
            x = minigrad.cat(sides, -1) if self.bidirectional else sides[0]
        return x, list(minigrad.stack(last, 1))

    def _count(self) -> int:
        """N: how many states there are, one for each layer and direction."""
        return self.num_layers * (1 + self.bidirectional)

    def _fitting(self, state: Tensor, batch: tuple[int, ...]) -> Tensor:
        """An initial state, if it has the right shape."""
        expected = (self._count(), *batch, self.hidden_size)
        if state.shape != expected:
            raise ShapeError(
                f"{type(self).__name__}: the initial state has shape {state.shape}, but {expected} is needed: "
                f"(layers · directions{', batch' * len(batch)}, hidden_size)"
            )
        return state

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        unusual = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *unusual])


class RNN(_Recurrent):
    """The steps of `RNNCell` over a sequence; options and shapes stand at the top of this file.

    **Shapes**: input (T, B, D) → output (T, B, H), last state (N, B, H); weight_ih (H, D), weight_hh (H, H), bias_ih
    and bias_hh (H), all from U(−b, b) with b = 1 / √H.

    **Raises** `ShapeError` if shapes or lengths do not fit, `ValueError` for another nonlinearity.

    Source: Elman, "Finding Structure in Time" (1990), Cognitive Science 14; in both directions: Schuster and Paliwal,
    "Bidirectional Recurrent Neural Networks" (1997), IEEE Transactions on Signal Processing 45.

    >>> output, h = RNN(3, 5, batch_first=True)(minigrad.ones(2, 7, 3), lengths=[7, 4])
    >>> output.shape, h.shape
    ((2, 7, 5), (1, 2, 5))
    >>> bool((output[1, 3] == h[0, 1]).all()), bool((output[1, 4:] == 0).all())
    (True, True)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        _check_nonlinearity(self, nonlinearity)
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def _scan(self, *arguments: Any) -> Tensor:
        return rnn(*arguments, self.nonlinearity)

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Tensor]:
        """Take all steps."""
        output, (h,) = self._run(input, None if hx is None else [hx], lengths)
        return output, h

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class GRU(_Recurrent):
    """The steps of `GRUCell` over a sequence; options and shapes stand at the top of this file.

    **Shapes**: input (T, B, D) → output (T, B, H), last state (N, B, H); weight_ih (3H, D), weight_hh (3H, H), bias_ih
    and bias_hh (3H), with the rows of reset, update and candidate in this order, all from U(−b, b) with b = 1 / √H.

    **Raises** `ShapeError` if shapes or lengths do not fit.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder for Statistical Machine Translation"
    (2014), arXiv:1406.1078.

    >>> output, h = GRU(3, 5, num_layers=2, bidirectional=True)(minigrad.ones(7, 2, 3))
    >>> output.shape, h.shape
    ((7, 2, 10), (4, 2, 5))
    """

    gates = 3

    def _scan(self, *arguments: Any) -> Tensor:
        return gru(*arguments)

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Any, Tensor]:
        """Take all steps."""
        output, (h,) = self._run(input, None if hx is None else [hx], lengths)
        return output, h


class LSTM(_Recurrent):
    """The steps of `LSTMCell` over a sequence; options and shapes stand at the top of this file.

    At first the forget gate is about σ(0) = ½, so that ten steps leave a thousandth of what was in the cell. Where
    more should be remembered from the start, set the gate's rows of one bias, H to 2H, to 1 (f ≈ 0.73) or more:

    >>> layer = LSTM(3, 5)
    >>> with minigrad.no_grad():
    ...     layer.bias_ih_l0[5:10] = 1.0

    **Shapes**: input (T, B, D) → output (T, B, H), last states h and c (N, B, H); weight_ih (4H, D), weight_hh (4H, H),
    bias_ih and bias_hh (4H), with the rows of input gate, forget gate, candidate and output gate in this order, all
    from U(−b, b) with b = 1 / √H.

    **Raises** `ShapeError` if shapes or lengths do not fit, `NotImplementedError` for a `proj_size`.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), Neural Computation 9; a forget gate that starts
    open: Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network Architectures" (2015), ICML.

    >>> output, (h, c) = LSTM(3, 5, batch_first=True)(minigrad.ones(2, 7, 3))
    >>> output.shape, h.shape, c.shape
    ((2, 7, 5), (1, 2, 5), (1, 2, 5))
    """

    gates, states = 4, 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ) -> None:
        if proj_size:
            raise NotImplementedError(
                f"LSTM: states are not projected here; leave proj_size={proj_size} out and put "
                f"nn.Linear({hidden_size}, {proj_size}) behind the layer"
            )
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def _scan(self, *arguments: Any) -> Tensor:
        return lstm(*arguments)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        lengths: Lengths | None = None,
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Take all steps."""
        if hx is not None and (isinstance(hx, Tensor) or len(hx) != 2):
            raise ShapeError("LSTM: the initial state is a pair (h, c); give both, as in lstm(input, (h, c))")
        output, (h, c) = self._run(input, hx, lengths)
        return output, (h, c)
