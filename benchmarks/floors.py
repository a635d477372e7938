"""The floor: the same training steps with every gradient derived on paper and written by hand in NumPy.

No framework can be faster than this on NumPy by more than a better order of the same products. How close minigrad comes
is what an operation costs beside its arithmetic. Each function takes the initial weights by name (as `state_dict` gives
them) and the batch, and returns a `step()` that does one whole training step in place and returns the loss, and the
dictionary in which it leaves the gradients.

The steps are those of `workloads.py`; `tests/test_benchmarks.py` checks that both give the same loss and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]
Floor = tuple[Callable[[], float], Weights]

# ---- what the models share ------------------------------------------------------------------------------------------


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of −log softmax(scores)[label] over the rows, and its gradient: (softmax − one-hot) / N."""
    rows = np.arange(len(scores))
    p = scores - scores.max(-1, keepdims=True)
    of_label = p[rows, labels]
    np.exp(p, out=p)
    total = p.sum(-1, keepdims=True)
    loss = float((np.log(total[:, 0]) - of_label).mean())
    p /= total
    p[rows, labels] -= 1
    p /= len(scores)
    return loss, p


class Adam:
    """Adam with bias correction, one parameter after the other."""

    def __init__(self, weights: Weights, lr: float = 1e-3) -> None:
        self.weights, self.lr, self.time = weights, lr, 0
        self.mean = {name: np.zeros_like(w) for name, w in weights.items()}
        self.square = {name: np.zeros_like(w) for name, w in weights.items()}

    def step(self, gradients: Weights) -> None:
        self.time += 1
        rate = self.lr / (1 - 0.9**self.time)
        correction = (1 - 0.999**self.time) ** 0.5
        for name, w in self.weights.items():
            g, mean, square = gradients[name], self.mean[name], self.square[name]
            mean *= 0.9
            mean += 0.1 * g
            square *= 0.999
            square += 0.001 * (g * g)
            root = np.sqrt(square)
            root /= correction
            root += 1e-8
            w -= rate * mean / root


def rows_added(rows: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    """The gradient of a table (count, D) of which the rows `ids` were read: each sums what arrives at it."""
    order = np.argsort(ids, kind="stable")
    found, starts = np.unique(ids[order], return_index=True)
    table = np.zeros((count, rows.shape[1]), rows.dtype)
    table[found] = np.add.reduceat(rows[order], starts)
    return table


# ---- multi-layer perceptron -----------------------------------------------------------------------------------------


def mlp(weights: Weights, x: np.ndarray, labels: np.ndarray) -> Floor:
    """Linear, ReLU, Linear, ReLU, Linear; names 0, 2 and 4, as `nn.Sequential` calls them."""
    w, g, optimizer = weights, {}, Adam(weights)

    def step() -> float:
        a = x @ w["0.weight"].T + w["0.bias"]
        np.maximum(a, 0, out=a)
        b = a @ w["2.weight"].T + w["2.bias"]
        np.maximum(b, 0, out=b)
        loss, d = cross_entropy(b @ w["4.weight"].T + w["4.bias"], labels)
        g["4.weight"], g["4.bias"] = d.T @ b, d.sum(0)
        d = (d @ w["4.weight"]) * (b > 0)
        g["2.weight"], g["2.bias"] = d.T @ a, d.sum(0)
        d = (d @ w["2.weight"]) * (a > 0)
        g["0.weight"], g["0.bias"] = d.T @ x, d.sum(0)
        optimizer.step(g)
        return loss

    return step, g


# ---- LSTM tagger ----------------------------------------------------------------------------------------------------


def lstm_tagger(weights: Weights, ids: np.ndarray, labels: np.ndarray) -> Floor:
    """Embedding, one LSTM layer, Linear at every step: ids (B, T), labels (B · T)."""
    w, g, optimizer = weights, {}, Adam(weights)
    batch, steps = ids.shape
    size = w["rnn.weight_hh_l0"].shape[1]

    def step() -> float:
        w_ih, w_hh = w["rnn.weight_ih_l0"], w["rnn.weight_hh_l0"]
        bias = (w["rnn.bias_ih_l0"] + w["rnn.bias_hh_l0"])[:, None]
        flat = ids.T.ravel()  # time first
        x = w["emb.weight"][flat].reshape(steps, batch, -1)
        z = np.matmul(w_ih, x.swapaxes(1, 2))  # (T, 4H, B): each gate one block of memory
        z += bias
        half = np.full((4 * size, 1), 0.5, z.dtype)  # σ(z) = (1 + tanh(z / 2)) / 2: one tanh for all four gates
        half[2 * size : 3 * size] = 1
        z *= half
        recurrent = w_hh * half
        h = np.zeros((steps + 1, size, batch), z.dtype)
        c = np.zeros((steps + 1, size, batch), z.dtype)
        tanh_c = np.empty((steps, size, batch), z.dtype)
        for t in range(steps):
            gates = z[t]
            gates += recurrent @ h[t]
            np.tanh(gates, out=gates)
            gates *= half
            gates[: 2 * size] += 0.5
            gates[3 * size :] += 0.5
            i, f, n, o = gates.reshape(4, size, batch)
            np.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += i * n
            np.tanh(c[t + 1], out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=h[t + 1])
        out = h[1:].transpose(2, 0, 1).reshape(batch * steps, size)
        loss, d = cross_entropy(out @ w["out.weight"].T + w["out.bias"], labels)

        g["out.weight"], g["out.bias"] = d.T @ out, d.sum(0)
        arriving = np.ascontiguousarray((d @ w["out.weight"]).reshape(batch, steps, size).transpose(1, 2, 0))
        gates = z.reshape(steps, 4, size, batch)
        i, f, n, o = (gates[:, k] for k in range(4))
        slopes = np.empty_like(gates)  # ∂c or ∂h by the sum that enters each gate, for all steps at once
        slopes[:, 0] = n * i * (1 - i)
        slopes[:, 1] = c[:-1] * f * (1 - f)
        slopes[:, 2] = i * (1 - n * n)
        slopes[:, 3] = tanh_c * o * (1 - o)
        through = o * (1 - tanh_c * tanh_c)
        dh, dc = np.zeros((size, batch), z.dtype), np.zeros((size, batch), z.dtype)
        for t in reversed(range(steps)):
            dh += arriving[t]
            dc += dh * through[t]
            slopes[t, :3] *= dc
            slopes[t, 3] *= dh
            dh = w_hh.T @ slopes[t].reshape(4 * size, batch)
            dc *= f[t]
        dz = slopes.reshape(steps, 4 * size, batch).swapaxes(0, 1).reshape(4 * size, steps * batch)
        g["rnn.weight_ih_l0"] = dz @ x.reshape(steps * batch, -1)
        g["rnn.weight_hh_l0"] = dz @ h[:-1].swapaxes(0, 1).reshape(size, steps * batch).T
        g["rnn.bias_ih_l0"] = g["rnn.bias_hh_l0"] = dz.sum(1)
        g["emb.weight"] = rows_added(dz.T @ w_ih, flat, len(w["emb.weight"]))
        optimizer.step(g)
        return loss

    return step, g


# ---- text CNN -------------------------------------------------------------------------------------------------------


def text_cnn(weights: Weights, ids: np.ndarray, labels: np.ndarray) -> Floor:
    """Embedding, convolutions of several widths, ReLU, the greatest over time, Linear: ids (B, T), labels (B)."""
    w, g, optimizer = weights, {}, Adam(weights)
    batch, steps = ids.shape
    convs = sorted({name.rpartition(".")[0] for name in w if name.startswith("convs")})

    def step() -> float:
        x = w["emb.weight"][ids]
        dx = np.zeros_like(x)
        tops, features = [], []
        for name in convs:
            kernel = w[f"{name}.weight"]  # (maps, D, width)
            maps, size, width = kernel.shape
            last = steps - width + 1
            # Token after token the vectors lie side by side, so `width` of them are one row, without a copy.
            windows = np.lib.stride_tricks.as_strided(
                x, (batch, last, width * size), (x.strides[0], x.strides[1], x.strides[2])
            )
            flat = np.ascontiguousarray(windows).reshape(batch * last, width * size)
            y = (flat @ kernel.transpose(2, 1, 0).reshape(width * size, maps)).reshape(batch, last, maps)
            top = y.argmax(1)  # the bias and ReLU do not change where the greatest stands
            features.append(np.maximum(np.take_along_axis(y, top[:, None], 1)[:, 0] + w[f"{name}.bias"], 0))
            tops.append((top, flat))
        joined = np.concatenate(features, 1)
        loss, d = cross_entropy(joined @ w["out.weight"].T + w["out.bias"], labels)

        g["out.weight"], g["out.bias"] = d.T @ joined, d.sum(0)
        d = (d @ w["out.weight"]) * (joined > 0)
        first = 0
        for name, (top, flat) in zip(convs, tops, strict=True):
            kernel = w[f"{name}.weight"]
            maps, size, width = kernel.shape
            last = steps - width + 1
            dy = np.zeros((batch, last, maps), x.dtype)
            np.put_along_axis(dy, top[:, None], d[:, None, first : first + maps], 1)
            g[f"{name}.bias"] = d[:, first : first + maps].sum(0)
            dy = dy.reshape(batch * last, maps)
            g[f"{name}.weight"] = np.ascontiguousarray((flat.T @ dy).reshape(width, size, maps).transpose(2, 1, 0))
            back = (dy @ kernel.transpose(0, 2, 1).reshape(maps, width * size)).reshape(batch, last, width, size)
            for k in range(width):
                dx[:, k : k + last] += back[:, :, k]
            first += maps
        g["emb.weight"] = rows_added(dx.reshape(batch * steps, -1), ids.ravel(), len(w["emb.weight"]))
        optimizer.step(g)
        return loss

    return step, g


# ---- Transformer encoder --------------------------------------------------------------------------------------------


def _norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, Any]:
    normal = x - x.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((normal * normal).mean(-1, keepdims=True) + 1e-5)
    normal *= scale
    y = normal * weight
    y += bias
    return y, (normal, scale, weight)


def _norm_back(d: np.ndarray, kept: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    normal, scale, weight = kept
    dweight, dbias = np.einsum("nd,nd->d", d, normal), d.sum(0)
    d = d * weight
    d -= d.mean(-1, keepdims=True)
    d -= normal * (d * normal).mean(-1, keepdims=True)  # the mean of d · normal is the same before and after
    d *= scale
    return d, dweight, dbias


def encoder(weights: Weights, heads: int, ids: np.ndarray, labels: np.ndarray) -> Floor:
    """Embeddings of words and places, pre-norm blocks of attention and two layers, Linear: ids (B, T)."""
    w, g, optimizer = weights, {}, Adam(weights)
    batch, steps = ids.shape
    size = w["emb.weight"].shape[1]
    width = size // heads
    blocks = sorted({name.split(".")[1] for name in w if name.startswith("blocks")}, key=int)

    def split(x: np.ndarray) -> np.ndarray:  # (B·T, D) → (B, H, T, D / H)
        return x.reshape(batch, steps, heads, width).transpose(0, 2, 1, 3)

    def join(x: np.ndarray) -> np.ndarray:
        return x.transpose(0, 2, 1, 3).reshape(batch * steps, size)

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        y = x @ w[f"{name}.weight"].T
        y += w[f"{name}.bias"]
        return y

    def linear_back(name: str, d: np.ndarray, x: np.ndarray) -> np.ndarray:
        g[f"{name}.weight"], g[f"{name}.bias"] = d.T @ x, d.sum(0)
        return d @ w[f"{name}.weight"]

    def block(name: str, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, norm1 = _norm(x, w[f"{name}.n1.weight"], w[f"{name}.n1.bias"])
        q, k, v = (split(linear(f"{name}.{part}", y)) for part in "qkv")
        a = np.matmul(q, k.swapaxes(-1, -2))
        a *= 1 / width**0.5
        a -= a.max(-1, keepdims=True)
        np.exp(a, out=a)
        a /= a.sum(-1, keepdims=True)
        mixed = join(np.matmul(a, v))
        x = x + linear(f"{name}.o", mixed)
        z, norm2 = _norm(x, w[f"{name}.n2.weight"], w[f"{name}.n2.bias"])
        inner = linear(f"{name}.ff.0", z)
        np.maximum(inner, 0, out=inner)
        return x + linear(f"{name}.ff.2", inner), (y, norm1, q, k, v, a, mixed, z, norm2, inner)

    def block_back(name: str, d: np.ndarray, kept: Any) -> np.ndarray:
        y, norm1, q, k, v, a, mixed, z, norm2, inner = kept
        dz = linear_back(f"{name}.ff.2", d, inner)
        dz *= inner > 0
        dx, g[f"{name}.n2.weight"], g[f"{name}.n2.bias"] = _norm_back(linear_back(f"{name}.ff.0", dz, z), norm2)
        dx += d
        dmixed = split(linear_back(f"{name}.o", dx, mixed))
        dv = np.matmul(a.swapaxes(-1, -2), dmixed)
        da = np.matmul(dmixed, v.swapaxes(-1, -2))
        da *= a
        da -= a * da.sum(-1, keepdims=True)
        da *= 1 / width**0.5
        dq, dk = np.matmul(da, k), np.matmul(da.swapaxes(-1, -2), q)
        dy = linear_back(f"{name}.q", join(dq), y)
        dy += linear_back(f"{name}.k", join(dk), y)
        dy += linear_back(f"{name}.v", join(dv), y)
        dy, g[f"{name}.n1.weight"], g[f"{name}.n1.bias"] = _norm_back(dy, norm1)
        dy += dx
        return dy

    def step() -> float:
        x = (w["emb.weight"][ids] + w["pos.weight"]).reshape(batch * steps, size)
        kept = {}
        for number in blocks:
            x, kept[number] = block(f"blocks.{number}", x)
        loss, d = cross_entropy(linear("out", x), labels)
        d = linear_back("out", d, x)
        for number in reversed(blocks):
            d = block_back(f"blocks.{number}", d, kept.pop(number))
        g["pos.weight"] = d.reshape(batch, steps, size).sum(0)
        g["emb.weight"] = rows_added(d, ids.ravel(), len(w["emb.weight"]))
        optimizer.step(g)
        return loss

    return step, g
