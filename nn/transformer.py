"""The Transformer, and the block of which it is built: mix the tokens, then think about each.

`EncoderBlock` is the block in its clearest form, around any layer that mixes tokens. The rest has PyTorch's names,
arguments, masks and parameter names, so that programs and weights come over as they are: `TransformerEncoderLayer` and
`TransformerDecoderLayer`, stacks of them, and the whole `Transformer`.

Masks have PyTorch's meaning: boolean, **True = must NOT be attended to**, or floats that are added to the scores.

Letters: B batch, Ts source steps, Tt target steps, D `d_model`, H heads.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762; with the normalisation first, as in
Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020), arXiv:2002.04745.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import minigrad
from minigrad import Tensor

from . import functional, init
from .activation import GELU
from .container import ModuleList, Sequential
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .multihead import MultiheadAttention
from .norm import LayerNorm


class EncoderBlock(Module):
    """x + mixer(norm(x)), then x + feedforward(norm(x)): a residual pair around any layer that mixes tokens.

        feedforward(x) = GELU(x W₁ᵀ + b₁) W₂ᵀ + b₂, on each token by itself

    **Shapes**: (B, T, D) → the same. `mixer` is a module with these shapes, such as `MultiHead(dim, num_heads)`;
    further arguments of a call (masks, lengths) go to it. `hidden` is the width of the feed-forward layer.
    """

    def __init__(self, mixer: Module, dim: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.mixer = mixer
        self.norm2 = LayerNorm(dim)
        self.feedforward = Sequential(Linear(dim, hidden), GELU(), Dropout(dropout), Linear(hidden, dim))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, **where: Any) -> Tensor:
        """Mix, then transform, each as a correction that is added to x."""
        x = x + self.dropout(self.mixer(self.norm1(x), **where))
        return x + self.dropout(self.feedforward(self.norm2(x)))


# ---- the layers ------------------------------------------------------------------------------------------------------

Activation = str | Callable[[Tensor], Tensor]


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    """The function between the two linear maps."""
    if callable(activation):
        return activation
    known = {"relu": functional.relu, "gelu": functional.gelu}
    if activation not in known:
        raise ValueError(f"Transformer: activation is 'relu', 'gelu' or a function, not {activation!r}")
    return known[activation]


class TransformerEncoderLayer(Module):
    """Self-attention, then a feed-forward layer, each with dropout, a residual connection and normalisation.

        x ← norm1(x + attention(x));         x ← norm2(x + feedforward(x))
        x ← x + attention(norm1(x));         x ← x + feedforward(norm2(x))         with `norm_first`

    where feedforward(x) = activation(x W₁ᵀ + b₁) W₂ᵀ + b₂, with a hidden layer of `dim_feedforward` units.

    **Shapes**: src (Ts, B, D), or (B, Ts, D) with `batch_first`, or (Ts, D) → the same. `src_mask` (Ts, Ts) or
    (B · H, Ts, Ts), `src_key_padding_mask` (B, Ts).

    **Raises** `ShapeError` if `nhead` does not divide `d_model` or a shape does not fit, `ValueError` for an activation
    whose name is unknown.

    >>> layer = TransformerEncoderLayer(6, 2, dim_feedforward=11, batch_first=True)
    >>> layer(minigrad.randn(5, 3, 6)).shape
    (5, 3, 6)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Mix the steps, then transform each."""

        def attend(x: Tensor) -> Tensor:
            mixed, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(mixed)

        def transform(x: Tensor) -> Tensor:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = src
        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + transform(self.norm2(x))
        x = self.norm1(x + attend(x))
        return self.norm2(x + transform(x))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the `memory` that an encoder made, then a feed-forward layer.

    Each has dropout, a residual connection and normalisation, as in `TransformerEncoderLayer`.

    **Shapes**: tgt (Tt, B, D) and memory (Ts, B, D), or B first with `batch_first`, or both without B → as tgt.
    `tgt_mask` (Tt, Tt), `memory_mask` (Tt, Ts), or with B · H in front; `tgt_key_padding_mask` (B, Tt),
    `memory_key_padding_mask` (B, Ts).

    **Raises** what `TransformerEncoderLayer` does.

    >>> layer = TransformerDecoderLayer(6, 2, dim_feedforward=11, batch_first=True)
    >>> layer(minigrad.randn(5, 3, 6), minigrad.randn(5, 7, 6)).shape
    (5, 3, 6)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Mix the target's steps, look at the memory, then transform each step."""

        def attend(x: Tensor) -> Tensor:
            mixed, _ = self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)
            return self.dropout1(mixed)

        def recall(x: Tensor) -> Tensor:
            padding, mask = memory_key_padding_mask, memory_mask
            mixed, _ = self.multihead_attn(x, memory, memory, padding, False, mask, is_causal=memory_is_causal)
            return self.dropout2(mixed)

        def transform(x: Tensor) -> Tensor:
            return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = tgt
        if self.norm_first:
            x = x + attend(self.norm1(x))
            x = x + recall(self.norm2(x))
            return x + transform(self.norm3(x))
        x = self.norm1(x + attend(x))
        x = self.norm2(x + recall(x))
        return self.norm3(x + transform(x))


# ---- stacks of layers ------------------------------------------------------------------------------------------------


def _copies(layer: Module, num_layers: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer, one after the other, then `norm` if there is one.

    As in PyTorch, the copies start with the same weights; draw them anew if they should not. `enable_nested_tensor` and
    `mask_check` are accepted, and change nothing: they choose between PyTorch's implementations.

    **Shapes**: as of the layer.

    >>> layer = TransformerEncoderLayer(6, 2, dim_feedforward=11, batch_first=True)
    >>> TransformerEncoder(layer, 2)(minigrad.randn(5, 3, 6)).shape
    (5, 3, 6)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Run the layers in turn, with the same masks."""
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer, one after the other, then `norm` if there is one.

    As in PyTorch, the copies start with the same weights.

    **Shapes**: as of the layer.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Run the layers in turn, with the same memory and masks."""
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder that reads the source, and a decoder that looks at what it read while it goes over the target.

    There are no embeddings, positions or output layer in it: vectors go in, and vectors come out.

    **Shapes**: src (Ts, B, D) and tgt (Tt, B, D), or B first with `batch_first`, or both without B → as tgt. Masks as
    in `TransformerEncoderLayer` and `TransformerDecoderLayer`.

    **Parameters**: all matrices from Xavier's uniform distribution, the rest as its layer has it.

    **Raises** what the layers do.

    >>> model = Transformer(6, 2, 1, 1, dim_feedforward=11, batch_first=True)
    >>> later = Transformer.generate_square_subsequent_mask(3)
    >>> model(minigrad.randn(5, 7, 6), minigrad.randn(5, 3, 6), tgt_mask=later).shape
    (5, 3, 6)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias)
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*sizes), num_encoder_layers, norm)
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias)
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*sizes), num_decoder_layers, norm)
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode the source, then decode the target beside it."""
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz) to add to scores: −inf where a step would see a later one, else 0.

        >>> Transformer.generate_square_subsequent_mask(2)
        tensor([[  0., -inf],
                [  0.,   0.]])
        """
        mask = minigrad.full((sz, sz), -math.inf, device=device)
        return (mask if dtype is None else mask.to(dtype)).triu(1)
