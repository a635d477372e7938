"""Sequence to sequence: an encoder reads the source, a decoder writes a target of another length, token by token.

    memory = encoder(x, lengths)                    what was read: C, or with attention a vector for each token
    state = decoder.start(memory)                   where the decoder begins
    y, state = decoder(x, state, memory)            one or many steps: each from the token before, the state, C_i

    encoders   RecurrentEncoder ("rnn", "gru", "lstm", in both directions "birnn" …), ConvolutionalEncoder,
               AttentionEncoder
    decoders   RecurrentDecoder ("rnn", "gru", "lstm"), AttentionDecoder
    model      Seq2Seq: any encoder with any decoder, embeddings, scores, greedy and beam search

Attention is what the decoder does to the memory in each step i: C_i = Σ_j a_ij h_j. Without attention there is only one
vector to look at, so that C_i = C, the same in every step: `memory.as_one()` is all that it takes.

In training the decoder reads the right target shifted by one (teacher forcing), so that all steps are known beforehand;
in use it reads what it wrote itself, one step at a time (decoding.py).

Letters: B batch, Ts source tokens, Tt target tokens, D features, V target vocabulary.

Source: Sutskever, Vinyals and Le (2014), arXiv:1409.3215; Cho et al. (2014), arXiv:1406.1078; with attention: Bahdanau,
Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate" (2015), arXiv:1409.0473.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import minigrad
from minigrad import Tensor

from . import init, masks, similarity
from .activation import GELU
from .attention import Attention, MultiHead
from .container import ModuleList, Sequential
from .conv import Conv1d
from .data import length_mask
from .decoding import beam_search, greedy
from .embedding import Embedding
from .linear import Linear
from .module import Module
from .norm import LayerNorm
from .positions import SinusoidalPositions
from .record import record_attention
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .text_cnn import mean_over_time
from .transformer import EncoderBlock


class Memory(NamedTuple):
    """What an encoder hands over: a vector for each source token, how many are real, and one vector for all."""

    vectors: Tensor
    """(B, Ts, D)"""
    lengths: Tensor
    """(B)"""
    summary: Tensor
    """(B, D)"""

    def as_one(self) -> Memory:
        """The summary alone: a fixed context, whatever the decoder asks."""
        return Memory(self.summary.unsqueeze(1), minigrad.ones_like(self.lengths), self.summary)


# ---- encoders -------------------------------------------------------------------------------------------------------


class RecurrentEncoder(Module):
    """A recurrent network over the source; the summary is its last state.

    `kind` is "rnn", "gru" or "lstm", or with "bi" in front one that reads in both directions, with D / 2 units each:
    h_j knows what stands before and after token j, and the summary is both last states.

    **Shapes**: x (B, Ts, D), lengths (B) → `Memory`. Parameters as in the layer of that name.

    **Raises** `ValueError` for another kind, or an odd D in both directions.

    >>> RecurrentEncoder(6, "birnn")(minigrad.ones(2, 5, 6), [5, 3]).summary.shape
    (2, 6)
    """

    def __init__(self, dim: int, kind: str = "gru") -> None:
        super().__init__()
        both = kind.startswith("bi")
        layers = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
        if kind.removeprefix("bi") not in layers:
            raise ValueError(f"RecurrentEncoder: kind={kind!r} is not one of {', '.join(layers)}, or one with 'bi'")
        if both and dim % 2:
            raise ValueError(f"RecurrentEncoder: two directions cannot share {dim} features equally; take an even dim")
        layer = layers[kind.removeprefix("bi")]
        self.layer = layer(dim, dim // 2 if both else dim, batch_first=True, bidirectional=both)

    def forward(self, x: Tensor, lengths: Any) -> Memory:
        """Read the source."""
        vectors, last = self.layer(x, lengths=lengths)
        h = last[0] if isinstance(last, tuple) else last  # (directions, B, D / directions)
        return Memory(vectors, minigrad.as_tensor(lengths), h.transpose(0, 1).flatten(1))


class ConvolutionalEncoder(Module):
    """Convolutions over the source, x + ReLU(conv(x)), after the positions were added; the summary is the mean.

    Each of the `blocks` lets a token see `width` // 2 more neighbours to either side.

    **Shapes**: x (B, Ts, D), lengths (B) → `Memory`; `convolutions.i.weight` (D, D, width), as in `Conv1d`.

    Source: Gehring et al., "Convolutional Sequence to Sequence Learning" (2017), arXiv:1705.03122, with ReLU in place
    of their gates.

    >>> ConvolutionalEncoder(6)(minigrad.ones(2, 5, 6), [5, 3]).vectors.shape
    (2, 5, 6)
    """

    def __init__(self, dim: int, width: int = 3, blocks: int = 2) -> None:
        super().__init__()
        self.positions = SinusoidalPositions(dim)
        self.convolutions = ModuleList([Conv1d(dim, dim, width, padding="same") for _ in range(blocks)])

    def forward(self, x: Tensor, lengths: Any) -> Memory:
        """Read the source."""
        padding = ~length_mask(lengths, x.shape[1])[:, :, None]
        x = self.positions(x).masked_fill(padding, 0.0)
        for convolution in self.convolutions:
            x = (x + convolution(x.mT).mT.relu()).masked_fill(padding, 0.0)
        return Memory(x, minigrad.as_tensor(lengths), mean_over_time(x, lengths))


class AttentionEncoder(Module):
    """Blocks of self-attention over the source, after the positions were added; the summary is the mean.

    **Shapes**: x (B, Ts, D), lengths (B) → `Memory`. Parameters as in `EncoderBlock` with `MultiHead`.

    **Raises** `ShapeError` if `heads` does not divide D.

    >>> AttentionEncoder(6, heads=2)(minigrad.ones(2, 5, 6), [5, 3]).vectors.shape
    (2, 5, 6)
    """

    def __init__(self, dim: int, heads: int = 4, blocks: int = 2) -> None:
        super().__init__()
        self.positions = SinusoidalPositions(dim)
        self.blocks = ModuleList([EncoderBlock(MultiHead(dim, heads), dim, 2 * dim) for _ in range(blocks)])
        self.norm = LayerNorm(dim)

    def forward(self, x: Tensor, lengths: Any) -> Memory:
        """Read the source."""
        x = self.positions(x)
        for block in self.blocks:
            x = block(x, lengths=lengths)
        x = self.norm(x)
        return Memory(x, minigrad.as_tensor(lengths), mean_over_time(x, lengths))


# ---- decoders -------------------------------------------------------------------------------------------------------


class RecurrentDecoder(Module):
    """In each step, the state before it asks the memory; token and answer change the state.

        a_ij = softmax_j(v · tanh(W s_{i−1} + U h_j));    C_i = Σ_j a_ij h_j;    s_i = cell([x_i, C_i], s_{i−1})
        y_i  = tanh(W_o [s_i, C_i])                       s_0 = tanh(W_s summary)

    **Shapes**: x (B, Tt, D) → y (B, Tt, D). `cell` as of that name with inputs of 2D features, `cross.similarity` as
    `similarity.Additive(D, D)`, `begin` and `output` as `Linear(D, D)` and `Linear(2D, D)`.

    **Raises** `ValueError` for a kind other than "rnn", "gru" and "lstm".

    Source: Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, section 3.1.

    >>> memory = RecurrentEncoder(6)(minigrad.ones(2, 5, 6), [5, 3])
    >>> decoder = RecurrentDecoder(6, "lstm")
    >>> decoder(minigrad.ones(2, 7, 6), decoder.start(memory), memory)[0].shape
    (2, 7, 6)
    """

    def __init__(self, dim: int, kind: str = "gru") -> None:
        super().__init__()
        cells = {"rnn": RNNCell, "gru": GRUCell, "lstm": LSTMCell}
        if kind not in cells:
            raise ValueError(f"RecurrentDecoder: kind={kind!r} is not one of {', '.join(cells)}")
        self.begin = Linear(dim, dim)
        self.cross = Attention(similarity.Additive(dim, dim))
        self.cell = cells[kind](2 * dim, dim)
        self.output = Linear(2 * dim, dim)

    def start(self, memory: Memory) -> Any:
        """The state before the first step: h, or (h, c)."""
        h = self.begin(memory.summary).tanh()
        return (h, minigrad.zeros_like(h)) if isinstance(self.cell, LSTMCell) else h

    def forward(self, x: Tensor, state: Any, memory: Memory) -> tuple[Tensor, Any]:
        """Take as many steps as there are tokens."""
        answers = []
        for token in x.unbind(1):  # (B, D)
            query = self._shown(state).unsqueeze(1)
            context = self.cross(query, memory.vectors, lengths=memory.lengths).squeeze(1)
            state = self.cell(minigrad.cat([token, context], -1), state)
            answers.append(self.output(minigrad.cat([self._shown(state), context], -1)).tanh())
        return minigrad.stack(answers, 1), state

    def _shown(self, state: Any) -> Tensor:
        """The part of the state that others see."""
        return state[0] if isinstance(state, tuple) else state


class DecoderBlock(Module):
    """x + mixer(norm(x)), seeing nothing later; x + cross(norm(x), memory); x + feedforward(norm(x)).

    **Shapes**: x (B, Tt, D) → the same. Parameters as in two of `MultiHead` and the linear layers of `EncoderBlock`.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.mixer = LayerNorm(dim), MultiHead(dim, heads)
        self.norm2, self.cross = LayerNorm(dim), MultiHead(dim, heads)
        self.norm3, self.feedforward = LayerNorm(dim), Sequential(Linear(dim, hidden), GELU(), Linear(hidden, dim))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """Look at what was written, at what was read, and transform."""
        x = x + self.mixer(self.norm1(x), mask=masks.causal(x.shape[1]))
        x = x + self.cross(self.norm2(x), memory.vectors, lengths=memory.lengths)
        return x + self.feedforward(self.norm3(x))


class AttentionDecoder(Module):
    """Blocks of attention to what was written so far and to the memory, after positions and summary were added.

    Its state is the prefix: every step looks at all of it anew.

    **Shapes**: x (B, Tt, D) → y (B, Tt, D). Parameters as in `DecoderBlock`, `begin` as `Linear(D, D)`.

    **Raises** `ShapeError` if `heads` does not divide D.

    >>> memory = RecurrentEncoder(6)(minigrad.ones(2, 5, 6), [5, 3])
    >>> decoder = AttentionDecoder(6, heads=2)
    >>> decoder(minigrad.ones(2, 7, 6), decoder.start(memory), memory)[0].shape
    (2, 7, 6)
    """

    def __init__(self, dim: int, heads: int = 4, blocks: int = 2) -> None:
        super().__init__()
        self.begin = Linear(dim, dim)
        self.positions = SinusoidalPositions(dim)
        self.blocks = ModuleList([DecoderBlock(dim, heads, 2 * dim) for _ in range(blocks)])
        self.norm = LayerNorm(dim)

    def start(self, memory: Memory) -> Tensor:
        """The empty prefix: (B, 0, D)."""
        batch, dim = memory.summary.shape
        return minigrad.zeros(batch, 0, dim, dtype=memory.summary.dtype)

    def forward(self, x: Tensor, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Take as many steps as there are tokens."""
        prefix = minigrad.cat([state, x], 1)
        y = self.positions(prefix) + self.begin(memory.summary).unsqueeze(1)
        for block in self.blocks:
            y = block(y, memory)
        return self.norm(y[:, state.shape[1] :]), prefix


# ---- both together --------------------------------------------------------------------------------------------------

ENCODERS = ("cnn", "rnn", "birnn", "gru", "lstm", "attention")
DECODERS = ("rnn", "gru", "lstm", "attention")


def choose_encoder(name: str, dim: int) -> Module:
    """The encoder of that name: "cnn", "attention", or a kind of `RecurrentEncoder`."""
    named = {"cnn": ConvolutionalEncoder, "attention": AttentionEncoder}
    return named[name](dim) if name in named else RecurrentEncoder(dim, name)


def choose_decoder(name: str, dim: int) -> Module:
    """The decoder of that name: "attention", or a kind of `RecurrentDecoder`."""
    return AttentionDecoder(dim) if name == "attention" else RecurrentDecoder(dim, name)


class Seq2Seq(Module):
    """An encoder and a decoder, by name or as modules, between embeddings and scores.

    With `attention=False` the decoder is given the summary only, one vector for sources of any length.

    **Shapes**: source (B, Ts), lengths (B), target (B, Tt) → scores (B, Tt, V) of what follows each target token.
    `read` (source tokens, D) and `written` (V, D) are `Embedding`s from a normal distribution with deviation 0.3: of
    larger tokens a decoder learns more slowly where to look. `scores` is `Linear(D, V)`.

    >>> model = Seq2Seq(11, 7, 8, "birnn", "gru")
    >>> source, lengths = minigrad.randint(11, (2, 5)), [5, 3]
    >>> model(source, lengths, minigrad.randint(7, (2, 3))).shape
    (2, 3, 7)
    >>> [len(ids) <= 4 for ids in model.greedy(source, lengths, bos=1, eos=2, max_len=4)]
    [True, True]
    """

    def __init__(
        self, sources: int, targets: int, dim: int, encoder: Any = "gru", decoder: Any = "gru", attention: bool = True
    ) -> None:
        super().__init__()
        self.read, self.written = Embedding(sources, dim), Embedding(targets, dim)
        self.encoder = choose_encoder(encoder, dim) if isinstance(encoder, str) else encoder
        self.decoder = choose_decoder(decoder, dim) if isinstance(decoder, str) else decoder
        self.scores = Linear(dim, targets)
        self.attention = attention
        for embedding in (self.read, self.written):
            init.normal_(embedding.weight, std=0.3)

    def encode(self, source: Any, lengths: Any) -> tuple[Memory, Any]:
        """The memory, and the state in which the decoder begins."""
        memory = self.encoder(self.read(minigrad.as_tensor(source)), lengths)
        memory = memory if self.attention else memory.as_one()
        return memory, self.decoder.start(memory)

    def forward(self, source: Any, lengths: Any, target: Any) -> Tensor:
        """Scores of the next token after each token of a target that is known (teacher forcing)."""
        memory, state = self.encode(source, lengths)
        y, _ = self.decoder(self.written(minigrad.as_tensor(target)), state, memory)
        return self.scores(y)

    def step(self, ids: Tensor, state: tuple[Memory, Any]) -> tuple[Tensor, tuple[Memory, Any]]:
        """Scores of the next token after the last ones (B), for the searches of decoding.py."""
        memory, inner = state
        y, inner = self.decoder(self.written(ids).unsqueeze(1), inner, memory)
        return self.scores(y).squeeze(1), (memory, inner)

    @minigrad.no_grad()
    def greedy(self, source: Any, lengths: Any, bos: int, eos: int, max_len: int = 50) -> list[list[int]]:
        """The likeliest token at each step, for every source of a batch."""
        return greedy(self.step, self.encode(source, lengths), len(lengths), bos, eos, max_len)

    @minigrad.no_grad()
    def beam_search(
        self, source: Any, lengths: Any, bos: int, eos: int, beam: int = 4, max_len: int = 50, length_penalty: float = 0
    ) -> list[list[int]]:
        """The best sequence that a beam finds, for every source of a batch, one after the other."""
        found = []
        for row, length in zip(minigrad.as_tensor(source), lengths, strict=True):
            state = self.encode(row[: int(length)].unsqueeze(0), minigrad.tensor([int(length)]))
            found.append(beam_search(self.step, state, bos, eos, beam, max_len, length_penalty)[0].ids)
        return found

    @minigrad.no_grad()
    def alignment(self, source: Any, lengths: Any, target: Any) -> Tensor:
        """Where the decoder looks as it reads the target: (B, Tt, Ts), the mean over heads in the last block."""
        with record_attention(self.decoder) as maps:
            self(source, lengths, target)
        *_, calls = (calls for path, calls in maps.items() if path.endswith("cross"))
        return minigrad.cat(calls, 2).mean(1)  # one call for each step of a recurrent decoder
