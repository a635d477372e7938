"""Attention weights on their way into a picture: read, checked, matched with their tokens, and measured.

Weights come as one map (T, S), as the maps of several heads (H, T, S) or (1, H, T, S), or as all that
`nn.record_attention` wrote down. T counts the queries (rows, those who look), S the keys (columns, looked at).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor
from .measure import clean, cut

LIMIT = 64  # tokens on a side; more can be drawn, but not read


@dataclass(frozen=True)
class Layer:
    """The maps of one layer: `weights` (H, T, S), with a name for each of its T queries and S keys."""

    path: str
    weights: np.ndarray
    queries: list[str]
    keys: list[str]


def entropy(weights: Any) -> np.ndarray:
    """How widely each head looks around, in bits: 0 for one key alone, log₂ S for all S keys alike.

    H = mean over the queries of −Σₛ pₛ log₂ pₛ, where p is a row of weights divided by its sum (so that heads whose
    rows do not sum to one can be compared too). Rows without weight, and rows with NaN, are left out; a head with no
    other rows has NaN.

    **Shapes**: (…, T, S) → (…,): (H, T, S) gives one number per head.

    **Raises** `ValueError` for negative weights, `TypeError` for what is no number.

    >>> entropy([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]]).item()
    1.0
    """
    w = _numbers("entropy", weights)
    if w.ndim < 2 or 0 in w.shape:
        raise ShapeError(f"entropy: weights (…, queries, keys) are needed, not {w.shape}; one row is weights[None]")
    peak = w.max(-1, keepdims=True)
    looks = np.isfinite(peak) & (peak > 0)
    p = np.where(looks, w, 0) / np.where(looks, peak, 1)  # by the peak first: the sum could overflow
    p /= np.where(looks, p.sum(-1, keepdims=True), 1)
    bits = (p * -np.log2(np.where(p > 0, p, 1))).sum(-1)
    rows = looks.sum((-2, -1))
    return np.where(rows > 0, bits.sum(-1) / np.maximum(rows, 1), np.nan)


def entropy_text(weights: np.ndarray) -> str:
    """The entropy of one map as it is written beside it."""
    bits = float(entropy(weights))
    return "no row has weight" if math.isnan(bits) else f"entropy {bits:.2f} bits"


def one_layer(caller: str, weights: Any, tokens: Sequence[Any], keys: Sequence[Any] | None, path: str = "") -> Layer:
    """Weights (T, S), (H, T, S) or (1, H, T, S) with the tokens that they are about."""
    w = _numbers(caller, weights, path)
    tokens = _sequence(caller, tokens)
    keys = None if keys is None else _sequence(caller, keys)
    what = f"{caller}: " + (f"{path}: " if path else "")
    if w.ndim == 4 and len(w) != 1:
        raise ShapeError(
            f"{what}weights {w.shape} are those of {len(w)} examples and one is drawn at a time; pick one first: "
            + ("run the model on that one alone" if path else "weights[i], with its own tokens")
        )
    if w.ndim not in (2, 3, 4) or 0 in w.shape:
        raise ShapeError(
            f"{what}weights are (queries, keys), (heads, queries, keys) or (1, heads, queries, keys), not {w.shape}"
        )
    columns, source = (tokens, "tokens") if keys is None else (keys, "keys")
    _fit(what, w, -2, tokens, "tokens", "name each query")
    _fit(what, w, -1, columns, source, "name the keys with keys=" if keys is None else "name each key")
    return Layer(path, w.reshape(-1, *w.shape[-2:]), _names(tokens), _names(columns))


def _fit(what: str, weights: np.ndarray, dim: int, names: Sequence[Any], source: str, way_out: str) -> None:
    """Check that the queries (dimension -2) or the keys (-1) are as many as their names, and not too many."""
    count, side = weights.shape[dim], "queries" if dim == -2 else "keys"
    if len(names) != count:
        raise ShapeError(
            f"{what}weights {weights.shape} have {count} {side}, but there are {len(names)} {source}; {way_out}, "
            f"or cut the padding off: weights[..., :T, :S]"
        )
    if count > LIMIT:
        raise ShapeError(
            f"{what}{count} {side} are more than the {LIMIT} that can be read; slice the weights and the tokens "
            f"alike, as in weights[..., :{LIMIT}, :{LIMIT}] and tokens[:{LIMIT}]"
        )


def all_layers(caller: str, weights: Any, tokens: Sequence[Any], keys: Sequence[Any] | None) -> list[Layer]:
    """The layer of one array, or those of a mapping path → calls, each call a layer of its own.

    In a mapping a side that is as long as `tokens` is theirs, one as long as `keys` is that of the keys, with the
    columns asking the keys first. A layer with one query for everything, as a pool has, gives it its own name.
    """
    if not isinstance(weights, Mapping):
        return [one_layer(caller, weights, tokens, keys)]
    tokens = _sequence(caller, tokens)
    keys = None if keys is None else _sequence(caller, keys)
    layers = []
    for path, calls in weights.items():
        calls = [calls] if isinstance(calls, (Tensor, np.ndarray)) else list(calls)
        for i, call in enumerate(calls, 1):
            shape = tuple(getattr(call, "shape", ()))[-2:]
            rows, columns = tokens, keys
            if len(shape) == 2 and keys is not None:
                rows = tokens if shape[0] == len(tokens) else keys
                columns = keys if shape[1] == len(keys) else tokens
            if len(shape) == 2 and shape[0] == 1 != len(rows):
                rows, columns = [path.rpartition(".")[2]], tokens if columns is None else columns
            name = path if len(calls) == 1 else f"{path} (call {i} of {len(calls)})"
            layers.append(one_layer(caller, call, rows, columns, name))
    if not layers:
        raise ValueError(
            f"{caller}: there are no maps in it; call the model inside `with record_attention(model) as maps`, and see "
            f"that it has a layer of attention"
        )
    return layers


def _numbers(caller: str, weights: Any, path: str = "") -> np.ndarray:
    what = f"{caller}: " + (f"{path}: " if path else "")
    try:
        w = weights.array if isinstance(weights, Tensor) else np.asarray(weights)
    except ValueError:
        raise ShapeError(f"{what}the rows of the weights have unequal lengths; a map is a rectangle") from None
    if w.dtype.kind not in "fiub":
        raise TypeError(f"{what}weights are real numbers, not {w.dtype} as in this {type(weights).__name__}")
    w = w.astype(np.float64)
    if (w < 0).any():
        where = tuple(int(i) for i in np.argwhere(w < 0)[0])
        raise ValueError(
            f"{what}a weight is negative, {w[where]:.4g} at {list(where)}; are these the scores? "
            f"Their softmax is wanted: scores.softmax(-1)"
        )
    return w


def _sequence(caller: str, tokens: Any) -> list[Any]:
    try:
        return tokens.tolist() if isinstance(tokens, (Tensor, np.ndarray)) else list(tokens)
    except TypeError:
        raise TypeError(f"{caller}: tokens are a sequence of words, not {type(tokens).__name__}") from None


def _names(tokens: Sequence[Any]) -> list[str]:
    """Tokens as they can be shown: on one line, spaces at the ends visible, the empty one too."""
    names = []
    for token in tokens:
        name = clean(str(token))
        inner = name.strip(" ")
        left = len(name) - len(name.lstrip(" "))
        right = len(name) - left - len(inner)
        names.append("␣" * left + inner + "␣" * right if name else "∅")
    return names


def short(names: Sequence[str], limit: int = 16) -> list[str]:
    """The names in no more than `limit` columns each."""
    return [cut(name, limit) for name in names]
