"""What is left of an input after many steps, and of a gradient after as many steps back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad
import nn
from examples.claims.lab import CONDITION, HOLDS, Finding, Table, claim
from examples.claims.tasks import Reader, States, accuracy, first_token, loss_of, train
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import curves
from nn import optim

TOKENS, DIM = 4, 24


def open_lstm() -> nn.LSTM:
    """An LSTM that at first forgets little: a bias of 3 makes its forget gate about 0.95."""
    layer = nn.LSTM(DIM, DIM, batch_first=True)
    with minigrad.no_grad():
        layer.bias_ih_l0[DIM : 2 * DIM] = 3.0
    return layer


MIXERS: dict[str, Callable[[], nn.Module]] = {
    "RNN": lambda: States(nn.RNN(DIM, DIM, batch_first=True)),
    "GRU": lambda: States(nn.GRU(DIM, DIM, batch_first=True)),
    "LSTM": lambda: States(nn.LSTM(DIM, DIM, batch_first=True)),
    "LSTM, open": lambda: States(open_lstm()),
    "self-attention": lambda: nn.Sequential(nn.SinusoidalPositions(DIM), nn.SelfAttention(DIM, bias=True)),
}


def reader(name: str, seed: int) -> Reader:
    minigrad.manual_seed(seed)
    return Reader(TOKENS, DIM, MIXERS[name](), "last", TOKENS)


@claim("copy-first", "An RNN cannot hold on to what is long ago, an LSTM can somewhat; to attention nothing is far.")
def copy_first(seed: int, short: bool) -> Finding:
    lengths, steps = ((5, 10), 10) if short else ((5, 10, 20, 40), 200)
    found: dict[str, list[float]] = {name: [] for name in MIXERS}
    for name, n in Progress([(name, n) for name in MIXERS for n in lengths], "copy-first"):
        rng = np.random.default_rng([seed, n])
        model = reader(name, seed)
        train(model, first_token(rng, n), steps, lr=0.005)
        found[name].append(accuracy(model, first_token(rng, n)(500)))
    if not short:
        assert min(found["self-attention"]) > 95
        assert found["RNN"][0] > 95
        assert found["RNN"][-1] < 50
        assert max(found["RNN"][2], found["LSTM"][2]) < 50 < found["LSTM, open"][2]
    return Finding(
        CONDITION,
        f"after {steps} steps of training, the RNN knows the first of 5 tokens and guesses (25 %) where there are 20; "
        f"attention answers at all lengths. What an LSTM can do depends on where its forget gate begins: at ½, as "
        f"PyTorch draws it, it does not reach 20 tokens either; at 0.95 (“open”) it does. This says what is learned in "
        f"{steps} steps, not what these layers could hold at all.",
        [Table(f"accuracy in %, naming the first token after reading n ({TOKENS} tokens, {DIM} features)",
               ["layer", *(f"n = {n}" for n in lengths)], [[name, *row] for name, row in found.items()], ".1f")],
        {"copy-first": curves({name: (lengths, row) for name, row in found.items()},
                              xlabel="length n", ylabel="accuracy in %")},
    )  # fmt: skip


@claim("steps", "An RNN needs more training steps than attention.")
def training_steps(seed: int, short: bool) -> Finding:
    n, seeds, most = 6, 2 if short else 5, 20 if short else 400
    names = [name for name in MIXERS if name != "LSTM, open"]
    needed: dict[str, list[int]] = {name: [] for name in names}
    for name, s in Progress([(name, s) for name in names for s in range(seed, seed + seeds)], "steps"):
        rng = np.random.default_rng([s, n])
        task, judged, model = first_token(rng, n), first_token(rng, n)(200), reader(name, s)
        seen = [most + 10]

        def good(step: int, model: nn.Module = model, judged: tuple = judged, seen: list[int] = seen) -> bool:
            seen[0] = step if accuracy(model, judged) >= 95 else seen[0]
            return seen[0] == step

        train(model, task, most, lr=0.005, until=good)
        needed[name].append(seen[0])
    middle = {name: float(np.median(counts)) for name, counts in needed.items()}
    if not short:
        assert middle["self-attention"] < middle["RNN"]
    return Finding(
        HOLDS if all(middle["self-attention"] <= m for m in middle.values()) else CONDITION,
        f"on this task, at this length. Attention needs {middle['self-attention']:.0f} steps (median), the RNN "
        f"{middle['RNN']:.0f}, {middle['RNN'] / middle['self-attention']:.1f} times as many, the GRU "
        f"{middle['GRU']:.0f} and the LSTM {middle['LSTM']:.0f}. All of it is a matter of the distance: see copy-first "
        f"for what happens when the way gets longer.",
        [Table(f"training steps until 95 % of first tokens are right, n = {n}; {most + 10} = not within {most}",
               ["layer", *(f"seed {s}" for s in range(seed, seed + seeds)), "median"],
               [[name, *counts, middle[name]] for name, counts in needed.items()], ".0f")],
    )  # fmt: skip


# ---- gradients ------------------------------------------------------------------------------------------------------

STEPS = 40


def arrangement(f: Callable[[Tensor], Tensor], residual: bool, norm: nn.Module | None) -> Callable[[Tensor], Tensor]:
    """h → f(h), with a residual connection, a normalisation, or both (before f, as in a Transformer's pre-norm)."""
    if residual and norm is not None:
        return lambda h: h + f(norm(h))
    if residual:
        return lambda h: h + f(h)
    return (lambda h: norm(f(h))) if norm is not None else f


def gradient_norms(step: Callable[[Tensor], Tensor], start: Tensor) -> np.ndarray:
    """‖∂L/∂h_t‖ for t = 0 … STEPS, where L is a random weighing of the last state, scaled to 1 at the last step."""
    h = start.detach().requires_grad_()
    states = [h]
    for _ in range(STEPS):
        states.append(step(states[-1]))
    last = states[-1]
    found: Any = minigrad.grad(last, states[:-1], grad_outputs=minigrad.randn(*last.shape, dtype=last.dtype))
    norms = np.array([float(g.norm()) for g in found])
    return norms / norms[-1]


@claim("gradients", "The gradients of an RNN vanish or explode over many steps; a Transformer hardly knows this.")
def gradients(seed: int, short: bool) -> Finding:
    d, batch = 32, 8
    start = minigrad.randn(batch, d, dtype=minigrad.float64)

    def recurrent(gain: float) -> Callable[[Tensor], Tensor]:
        cell = nn.RNNCell(d, d, nonlinearity="relu").double()
        nn.init.orthogonal_(cell.weight_hh, gain)
        x = minigrad.zeros(batch, d, dtype=minigrad.float64)
        return lambda h: cell(x, h)

    def attentive() -> Callable[[Tensor], Tensor]:
        layers = iter([nn.MultiHead(d, 4).double() for _ in range(STEPS)])
        return lambda h: next(layers)(h)

    kinds = {
        "RNN, small weights (× 0.8)": lambda: recurrent(0.8),
        "RNN, large weights (× 2)": lambda: recurrent(2.0),
        f"{STEPS} layers of attention": attentive,
    }
    arrangements = {"plain": (False, False), "residual": (True, False), "LayerNorm": (False, True),
                    "both": (True, True)}  # fmt: skip
    short_names = dict(zip(kinds, ("RNN × 0.8", "RNN × 2", "attention"), strict=True))
    rows: list[list[Any]] = []
    lines = {}
    for kind, make in kinds.items():
        rows.append([kind])
        for name, (residual, normed) in arrangements.items():
            x = start[None] if "attention" in kind else start  # attention reads the batch as one sequence
            norm = nn.LayerNorm(d).double() if normed else None
            norms = gradient_norms(arrangement(make(), residual, norm), x)
            rows[-1].append(norms[0])
            if name in ("plain", "both"):
                lines[f"{short_names[kind]}, {name}"] = norms
    table = Table(f"‖∂L/∂h‖ {STEPS} steps (or layers) back, as a multiple of that at the last but one",
                  ["", *arrangements], rows, ".1e")  # fmt: skip
    plain, both = table.column("plain"), table.column("both")
    assert plain[0] < 1e-6
    assert plain[1] > 1e3
    assert plain[2] < 1e-6
    assert all(0.001 < ratio < 1000 for ratio in both)
    factors = [ratio ** (1 / (STEPS - 1)) for ratio in plain]
    return Finding(
        CONDITION,
        f"it is not attention that keeps the gradient, but what stands around it. Plain layers of attention lose it "
        f"even faster than an RNN with small weights ({factors[2]:.2f} per layer, {factors[0]:.2f} per step; with "
        f"large weights it grows by {factors[1]:.2f}). A residual connection alone lets it grow in an RNN, LayerNorm "
        f"alone makes it forget how large the weights are, and both together, as in a Transformer, keep it within a "
        f"factor of {max(max(both), 1 / min(both)):.0f} for all three. So the remedy works for an RNN as well; what "
        f"attention has to itself is that far positions are few layers apart (see path).",
        [table],
        {"gradients": curves({name: (np.arange(STEPS), norms) for name, norms in lines.items()},
                             xlabel="step or layer t", ylabel="‖∂L/∂h_t‖", log=True)},
    )  # fmt: skip


@claim("clipping", "Clipping the gradient is the remedy for an RNN's gradients.")
def clipping(seed: int, short: bool) -> Finding:
    n, steps = 20, 10 if short else 60
    rows = []
    for name, limit in (("no clipping", None), ("norm clipped to 1", 1.0)):
        minigrad.manual_seed(seed)
        rng = np.random.default_rng(seed)
        layer = nn.RNN(DIM, DIM, batch_first=True, nonlinearity="relu")
        nn.init.orthogonal_(layer.weight_hh_l0, 2.0)
        model = Reader(TOKENS, DIM, States(layer), "last", TOKENS)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        losses, norms = [], []
        for _ in range(steps):
            ids, answers = first_token(rng, n)(16)
            with np.errstate(all="ignore"):  # what overflows is what we came to see
                loss = loss_of(model(Tensor(ids)), answers)
                optimizer.zero_grad()
                loss.backward()
                norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), limit or np.inf)))
                optimizer.step()
            losses.append(loss.item())
        finite = int(np.isfinite(losses).sum())
        rows.append([name, norms[0], losses[0], losses[-1], f"{finite} of {steps}"])
    exploded, clipped = rows
    assert clipped[-1] == f"{steps} of {steps}"
    assert clipped[1] > 10
    # What clipping does to the gradient is one factor for all of it, so the steps keep their shares.
    cell = nn.RNNCell(DIM, DIM).double()
    nn.init.orthogonal_(cell.weight_hh, 0.8)
    x = minigrad.randn(8, DIM, dtype=minigrad.float64)
    vanished = gradient_norms(lambda h: cell(x, h), minigrad.zeros(8, DIM, dtype=minigrad.float64))
    before = vanished[0] / vanished[-1]
    clipped_norms = vanished * min(1.0, 1.0 / np.linalg.norm(vanished))
    after = clipped_norms[0] / clipped_norms[-1]
    assert abs(before - after) < 1e-12 * before
    return Finding(
        CONDITION,
        f"it is one for exploding gradients: with weights that are twice too large, the first gradient has norm "
        f"{exploded[1]:.1e}. Without clipping, the loss is a number in {exploded[-1]} steps; with it, in all. It is "
        f"no remedy for vanishing ones: clipping multiplies the whole gradient by one factor, so a step {STEPS} back "
        f"keeps its share of {before:.0e}, before as after. And a finite loss is not a low one: it ends at "
        f"{clipped[3]:.2f}, and guessing has {np.log(TOKENS):.2f}.",
        [Table(f"an RNN with ReLU and weights × 2, {steps} steps of SGD on the first of {n} tokens",
               ["", "first gradient's norm", "first loss", "last loss", "finite losses"], rows)],
    )  # fmt: skip
