"""Pictures of what was computed, from one neuron to a hunt for a NaN.

    python examples/draw_graphs.py                                # all of them, as SVG, and a page that links them
    python examples/draw_graphs.py --only attention --format html # a page to step through
    python examples/draw_graphs.py --out graphs --theme dark --format png     # this one needs Graphviz

Every drawing below is a function: it computes something as one would without pictures, and ends with `draw`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

import graphviz
import numpy as np

import minigrad
import nn
import nn.functional as F
from examples.pictures import Shown, page_of
from minigrad import Tensor
from minigrad.viz.dot import ComputationGraph
from minigrad.viz.draw import draw

SMALL = 20  # lines of a listing that is printed in full
Drawing = Callable[..., ComputationGraph]  # takes options of `draw`, such as theme="dark"

# ---- what is drawn --------------------------------------------------------------------------------------------------


class SelfAttention(nn.Module):
    """One head, with names for what the lectures name. x: (T, D); mask: (T, T), where not to look."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(dim, dim, bias=False) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        scores = q @ k.T / x.shape[-1] ** 0.5
        attention = scores.masked_fill(mask, -math.inf).softmax(-1)
        context = attention @ v
        q.name, k.name, v.name = "Q", "K", "V"
        scores.name, attention.name, context.name = "scores", "attention", "context"
        return context


class Classifier(nn.Module):
    """Attention, a mean over the tokens, and a linear layer."""

    def __init__(self, dim: int, labels: int) -> None:
        super().__init__()
        self.attn = SelfAttention(dim)
        self.head = nn.Linear(dim, labels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.attn(x, mask).mean(0, keepdim=True))


class Cell(nn.Module):
    """tanh(x W + h U + b): what `nn.RNNCell` does in one operation, written out to be seen."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.W = nn.Parameter(minigrad.randn(dim, hidden) / dim**0.5)
        self.U = nn.Parameter(minigrad.randn(hidden, hidden) / hidden**0.5)
        self.b = nn.Parameter(minigrad.zeros(hidden))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return (x @ self.W + h @ self.U + self.b).tanh()


class Recurrent(nn.Module):
    """One cell, called once for each token: four calls, one set of weights."""

    def __init__(self, dim: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.cell = Cell(dim, hidden)
        self.out = nn.Linear(hidden, labels)

    def forward(self, tokens: Sequence[Tensor], h: Tensor) -> Tensor:
        for i, x in enumerate(tokens, 1):
            x.name = f"x{i}"
            h = self.cell(x, h)
            h.name = f"h{i}"
        return self.out(h)


def classified() -> tuple[Classifier, Tensor]:
    """A classifier, and its loss on six random tokens after the backward pass."""
    model = Classifier(8, 5)
    x = minigrad.randn(6, 8)
    mask = minigrad.ones(6, 6).triu(1).bool()  # what lies in the future
    target = minigrad.tensor([3])
    x.name, mask.name, target.name = "x", "causal mask", "target"
    loss = F.cross_entropy(model(x, mask), target)
    loss.backward(retain_graph=True)  # the graph is to be stepped through later
    loss.name = "loss"
    return model, loss


def unrolled() -> tuple[Recurrent, Tensor]:
    """A recurrent network, and its loss after four tokens and the backward pass."""
    model = Recurrent(3, 5, 2)
    h0 = minigrad.zeros(1, 5)
    h0.name = "h0"
    target = minigrad.tensor([1])
    loss = F.cross_entropy(model([minigrad.randn(1, 3) for _ in range(4)], h0), target)
    loss.backward(retain_graph=True)
    loss.name = "loss"
    return model, loss


# ---- the drawings ---------------------------------------------------------------------------------------------------


def neuron(**look: Any) -> ComputationGraph:
    """One neuron: every number and every gradient."""
    w = minigrad.tensor(0.8, requires_grad=True)
    b = minigrad.tensor(-0.3, requires_grad=True)
    x = minigrad.tensor(1.5)
    product = w * x
    total = product + b
    y = total.tanh()
    for t in (product, total, y):
        t.retain_grad()
    y.backward(retain_graph=True)
    return draw(y, rankdir="LR", title="y = tanh(w·x + b)", **look)


def mlp(**look: Any) -> ComputationGraph:
    """One step of a network with a hidden layer, its layers open."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, target = minigrad.randn(5, 4), minigrad.randint(0, 3, (5,))
    loss = F.cross_entropy(model(x), target)
    loss.backward(retain_graph=True)
    return draw(loss, model, depth=None, **look)


def attention(**look: Any) -> ComputationGraph:
    """Self-attention: Q, K and V come out of one x and meet again."""
    model, loss = classified()
    return draw(loss, model, depth=None, **look)


def attention_backward(**look: Any) -> ComputationGraph:
    """The same run backwards: the way of the gradients, down to what is added into .grad."""
    model, loss = classified()
    return draw(loss, model, direction="backward", **look)


def attention_path(**look: Any) -> ComputationGraph:
    """How one parameter reaches the loss."""
    model, loss = classified()
    title = "the path of the gradient from the loss to attn.q_proj.weight"
    return draw(loss, model, depth=None, highlight="attn.q_proj.weight", title=title, **look)


def rnn(**look: Any) -> ComputationGraph:
    """A recurrent network, unrolled: four calls of one cell."""
    model, loss = unrolled()
    return draw(loss, model, depth=None, fold=None, rankdir="LR", **look)


def rnn_folded(**look: Any) -> ComputationGraph:
    """The same, folded: one call, which reads what the call before it made."""
    model, loss = unrolled()
    return draw(loss, model, depth=None, **look)


def multihead_closed(**look: Any) -> ComputationGraph:
    """Multi-head attention from outside: one node."""
    return multihead(1, **look)


def multihead_open(**look: Any) -> ComputationGraph:
    """Multi-head attention from inside."""
    return multihead(None, **look)


def multihead(depth: int | None, **look: Any) -> ComputationGraph:
    model = nn.Sequential(nn.LayerNorm(8), nn.MultiHead(8, 2, bias=False), nn.Linear(8, 3))
    x = minigrad.randn(1, 5, 8)
    loss = model(x).square().mean()
    loss.backward(retain_graph=True)
    return draw(loss, model, depth=depth, **look)


def double_backward(**look: Any) -> ComputationGraph:
    """The backward pass is a graph as well, and can be differentiated again."""
    x = minigrad.tensor(0.5, requires_grad=True)
    y = (x * x).tanh()
    (slope,) = minigrad.grad(y, x, create_graph=True)
    slope.name = "dy/dx"
    return draw([y, slope], rankdir="LR", title="d/dx tanh(x²)", **look)


def nan(**look: Any) -> ComputationGraph:
    """Where did the NaN come from? log(0) is -inf, and -inf · 0 is NaN."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x = minigrad.tensor([[1.0, 2.0, 3.0, 4.0]])
    p = (model(x) - 60).relu()
    with np.errstate(divide="ignore", invalid="ignore"):  # NumPy would warn
        loss = (p.log() * p).sum()
    loss.backward(retain_graph=True)
    return draw(loss, model, depth=None, **look)


DRAWINGS: dict[str, Drawing] = {
    drawing.__name__: drawing
    for drawing in (neuron, mlp, attention, attention_backward, attention_path, rnn, rnn_folded, multihead_closed,
                    multihead_open, double_backward, nan)
}  # fmt: skip

# ---- the program ----------------------------------------------------------------------------------------------------


def caption(name: str) -> str:
    """What a drawing shows, in a sentence."""
    return (DRAWINGS[name].__doc__ or name).strip()


def run(names: Sequence[str], out: Path, format: str, theme: str) -> dict[str, Path]:
    """Draw what is asked for into the directory `out`; the files by the names of the drawings."""
    out.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in names:
        minigrad.manual_seed(1)
        graph = DRAWINGS[name](theme=theme)
        files[name] = Path(graph.write(out / f"{name}.{format}"))
        print(f"{files[name]}: {caption(name)}")
        lines = graph.to_text().splitlines()
        if len(lines) <= SMALL:
            print("\n".join(f"    {line}" for line in lines) + "\n")
    page = page_of("Computation graphs", {name: [Shown(path.name, caption(name))] for name, path in files.items()})
    (out / "index.html").write_text(page, encoding="utf-8")
    print(f"{out / 'index.html'}: all of them")
    return files


def main(arguments: Sequence[str] | None = None) -> dict[str, Path]:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=Path("graphs"), metavar="DIR", help="where to write; default: graphs")
    p.add_argument("--format", choices=("svg", "html", "png", "txt"), default="svg")
    p.add_argument("--only", choices=DRAWINGS, action="append", metavar="NAME", help=", ".join(DRAWINGS))
    p.add_argument("--theme", choices=("auto", "light", "dark"), default="auto", help="auto follows the reader")
    a = p.parse_args(arguments)
    try:
        return run(a.only or list(DRAWINGS), a.out, a.format, a.theme)
    except (OSError, graphviz.ExecutableNotFound) as error:
        sys.exit(f"{p.prog}: {error}")


if __name__ == "__main__":
    main()
