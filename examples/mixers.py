"""Layers that let the tokens of a sentence see each other, interchangeable: that is how the main examples compare them.

    mixer = mixer_for("bilstm", dim)     # or Attention(dim, heads=4, blocks=2, dropout=0.1)
    y = mixer(x, lengths)                # (B, T, dim) and (B) → (B, T, mixer.size)

`linear` sees one token only, `window`, `conv1d` and `cnn` its neighbours, `rnn`, `lstm` and `gru` what stands to the
left (with `bi` before the name, to the right too), `attention` (one head) and `multihead` the whole sentence.
"""

from __future__ import annotations

from typing import Any

import nn
from minigrad import Tensor
from nn.data import length_mask
from nn.text_cnn import Convolutions

HEADS = {"attention": 1, "multihead": 4}
RECURRENT = ["rnn", "lstm", "gru", "birnn", "bilstm", "bigru"]
NEARBY = ["conv1d", "cnn", "window", "linear"]
POSITIONS = ["none", "sinusoidal", "learned", "relative"]
ABLATIONS = ["no positions", "one head", "no residual", "no layer norm", "no scaling"]


def mixer_for(model: str, dim: int) -> nn.Module:
    """The mixer of that name for vectors of `dim` features, other than attention."""
    if model == "linear":
        return Nearby(128, nn.Linear(dim, 128), nn.ReLU())
    if model == "window":
        return Nearby(128, nn.Window(dim, 128), nn.ReLU())
    if model == "conv1d":
        return Nearby(128, Convolutions(dim, 128), nn.ReLU())
    if model == "cnn":
        return Nearby(150, Convolutions(dim, 50, widths=(3, 4, 5)), nn.ReLU())
    return Recurrent(model, dim)


class Nearby(nn.Module):
    """Layers that see a token and its neighbours; padding is as empty as what lies beyond the ends."""

    def __init__(self, size: int, *layers: nn.Module) -> None:
        super().__init__()
        self.size = size
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        real = length_mask(lengths, x.shape[1])
        return self.layers(x.masked_fill(~real[:, :, None], 0.0))


class Recurrent(nn.Module):
    """A recurrent network of 64 units over the sentence, from the left or from both sides."""

    def __init__(self, kind: str, dim: int) -> None:
        super().__init__()
        both = kind.startswith("bi")
        self.size = 128 if both else 64
        layer = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind.removeprefix("bi")]
        self.layer = layer(dim, 64, batch_first=True, bidirectional=both)

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        return self.layer(x, lengths=lengths)[0]


class Attention(nn.Module):
    """Blocks of attention to the whole sentence, as in a Transformer; `ablation` takes one part out of each."""

    def __init__(
        self, dim: int, heads: int, blocks: int, dropout: float,
        positions: str = "relative", scale: float = 1.0, ablation: str = "",
    ) -> None:  # fmt: skip
        super().__init__()
        heads = 1 if ablation == "one head" else heads
        positions = "none" if ablation == "no positions" else positions
        self.size = dim
        self.added = {
            "sinusoidal": lambda: nn.SinusoidalPositions(dim, scale),
            "learned": lambda: nn.LearnedPositions(512, dim),
        }.get(positions, nn.Identity)()

        def mixer() -> nn.Module:
            bias = nn.RelativeBias(heads) if positions == "relative" else None
            if (
                bias is not None and heads == 1
            ):  # from 0, it would settle on what words say before it sees where they are
                nn.init.normal_(bias.weight)
            similarity = "dot" if ablation == "no scaling" else "scaled_dot"
            if heads == 1:
                return nn.SelfAttention(dim, bias=True, positions=bias, similarity=similarity)
            return nn.MultiHead(dim, heads, dropout=dropout, positions=bias, similarity=similarity)

        block = WithoutResidual if ablation == "no residual" else nn.EncoderBlock
        self.blocks = nn.ModuleList([block(mixer(), dim, 2 * dim, dropout) for _ in range(blocks)])
        if ablation == "no layer norm":
            for each in self.blocks:
                each.norm1, each.norm2 = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        x = self.added(x)
        for block in self.blocks:
            x = block(x, lengths=lengths)
        return x


class WithoutResidual(nn.EncoderBlock):
    """A block that hands on what it computes, not its input with that added."""

    def forward(self, x: Tensor, **where: Any) -> Tensor:
        x = self.dropout(self.mixer(self.norm1(x), **where))
        return self.dropout(self.feedforward(self.norm2(x)))
