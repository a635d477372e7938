"""A graph is a set of vectors too: one label for each node, found by attention along the edges.

    python examples/graph_nodes.py                              # people in circles of friends, made up
    python examples/graph_nodes.py --data cora.npz --runs 5     # 2,708 papers that cite each other

Few nodes have a label to learn from, and what a node says of itself is vague; its neighbours say more. Three models are
compared: a network on each node by itself (MLP), the mean over the node and its neighbours (graph convolution, GCN),
and attention, which chooses among them (GAT). The epoch is chosen by the accuracy on other nodes, kept aside. Printed
at the end is where a node looks: among people, past the shops.

A file holds n (nodes), f (features), feat_row and feat_col (which features of which nodes are 1), edges (E, 2), label
(n), and the nodes to learn from, to choose by and to be judged by: train, val, test.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import Figure, attention, curves
from nn import optim
from nn.graph_convolution import GraphConvolution
from nn.utils.early_stopping import EarlyStopping


class Graph(NamedTuple):
    """Features (N, D), edges (2, E), labels (N), and the nodes of each part."""

    x: np.ndarray
    edges: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


# ---- the data -------------------------------------------------------------------------------------------------------


def both_ways_and_self(edges: np.ndarray, nodes: int) -> np.ndarray:
    """Each edge once in both directions, and one from every node to itself: (2, E)."""
    itself = np.arange(nodes).repeat(2).reshape(-1, 2)
    return np.unique(np.concatenate([edges, edges[:, ::-1], itself]), axis=0).T


def circles_of_friends(rng: np.random.Generator, people: int = 400, shops: int = 120, circles: int = 4) -> Graph:
    """People know mostly people of their circle, and like some of 40 things, a few more of the ten it is fond of.

    Then there are shops, which are in contact with anybody and advertise anything, but one can see that they are shops.
    They have no label: the answers for them do not count.
    """
    labels = rng.integers(circles, size=people)
    known = np.argwhere(np.triu(rng.random((people, people)) < np.where(labels[:, None] == labels, 0.04, 0.005), 1))
    visited = np.argwhere(rng.random((people, shops)) < 0.04) + np.array([0, people])
    fond = np.arange(10 * circles) // 10 == labels[:, None]
    liked = rng.random((people, 10 * circles)) < np.where(fond, 0.25, 0.1)
    advertised = rng.random((shops, 10 * circles)) < 0.2
    is_shop = np.arange(people + shops)[:, None] >= people
    x = np.concatenate([np.concatenate([liked, advertised]), is_shop], 1)
    edges = both_ways_and_self(np.concatenate([known, visited]), people + shops)
    train = np.concatenate([np.flatnonzero(labels == circle)[:25] for circle in range(circles)])
    rest = rng.permutation(np.setdiff1d(np.arange(people), train))
    return Graph(
        x.astype(np.float32), edges, np.append(labels, np.zeros(shops, np.int64)), train, rest[:100], rest[100:]
    )


def read_graph(path: Path) -> Graph:
    """A graph from a file as the docstring above describes it.

    **Raises** `ValueError` if it is not as described there.
    """
    names = ["n", "f", "feat_row", "feat_col", "edges", "label", "train", "val", "test"]
    stored = lesson.read_npz(path, names)
    nodes, features = int(stored["n"]), int(stored["f"])
    x = np.zeros((nodes, features), bool)
    try:
        x[stored["feat_row"], stored["feat_col"]] = True
        parts = [np.arange(nodes)[stored[part]] for part in ("train", "val", "test")]
        edges = np.arange(nodes)[stored["edges"].reshape(-1, 2)]
        labels = stored["label"].reshape(nodes).astype(np.int64)
    except (IndexError, ValueError) as error:
        raise ValueError(
            f"{path}: its arrays do not fit n = {nodes} nodes and f = {features} features: {error}"
        ) from None
    return Graph(per_node(x), both_ways_and_self(edges, nodes), labels, *parts)


def per_node(x: np.ndarray) -> np.ndarray:
    """Each row divided by its sum, so that nodes with many features do not outshout the others."""
    return (x / np.maximum(x.sum(1, keepdims=True), 1)).astype(np.float32)


# ---- the models -----------------------------------------------------------------------------------------------------


class MLP(nn.Module):
    """Each node by itself."""

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, 16), nn.ReLU(),
                                    nn.Dropout(dropout), nn.Linear(16, classes))  # fmt: skip

    def forward(self, x: Tensor, edges: np.ndarray) -> Tensor:
        return self.layers(x)


class GCN(nn.Module):
    """Twice the mean over the neighbours: the classic without attention."""

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.near = GraphConvolution(features, 16)
        self.far = GraphConvolution(16, classes)

    def forward(self, x: Tensor, edges: np.ndarray) -> Tensor:
        x = F.relu(self.near(self.dropout(x), edges))
        return self.far(self.dropout(x), edges)


class GAT(nn.Module):
    """Twice attention to the neighbours: 8 heads, then one."""

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.near = nn.GraphAttention(features, 8, num_heads=8, dropout=dropout, bias=True)
        self.far = nn.GraphAttention(64, classes, dropout=dropout, bias=True)

    def forward(self, x: Tensor, edges: np.ndarray) -> Tensor:
        x = F.elu(self.near(self.dropout(x), edges))
        return self.far(self.dropout(x), edges)


MODELS = {"MLP": MLP, "GCN": GCN, "GAT": GAT}


def recipe(name: str, few_features: bool) -> tuple[float, float]:
    """Dropout and learning rate: those of the papers, and less dropout where little can be left out."""
    if few_features:
        return 0.4, 1e-2
    return (0.6, 5e-3) if name == "GAT" else (0.5, 1e-2)


# ---- training and using them ----------------------------------------------------------------------------------------


def train(model: nn.Module, graph: Graph, epochs: int, lr: float, name: str) -> list[float]:
    """Adam on the whole graph at once; keep the epoch that does best on `val`, and return what each did there."""
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.xavier_uniform_(parameter)
    optimizer = optim.Adam(model.parameters(), lr=lr, weight_decay=5e-4)
    best = EarlyStopping(model)
    x, labels = Tensor(graph.x), Tensor(graph.labels[graph.train])
    history = []
    progress = Progress(range(epochs), name)
    for _ in progress:
        model.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x, graph.edges)[graph.train], labels)
        loss.backward()
        optimizer.step()
        history.append(accuracy(model, graph, graph.val))
        best.update(history[-1])
        progress.note = f"loss {loss.item():.3f}  accuracy on val {100 * history[-1]:.1f} %"
    best.restore()
    return history


@minigrad.no_grad()
def accuracy(model: nn.Module, graph: Graph, nodes: np.ndarray) -> float:
    model.eval()
    answers = model(Tensor(graph.x), graph.edges).numpy().argmax(1)
    return float((answers[nodes] == graph.labels[nodes]).mean())


# ---- what comes out -------------------------------------------------------------------------------------------------


@minigrad.no_grad()
def weights_of(model: GAT, graph: Graph) -> np.ndarray:
    """How much each head of the first layer looks along each edge: (8, E)."""
    model.eval()
    with nn.record_attention(model) as maps:
        model(Tensor(graph.x), graph.edges)
    return maps["near"][0].numpy()


def print_neighbours(graph: Graph, weights: np.ndarray, node: int) -> Figure:
    """Print whom a node looks at, most of all first, and return it as a picture."""
    edges = np.flatnonzero(graph.edges[1] == node)
    edges = edges[weights[:, edges].mean(0).argsort()[::-1]][:16]
    labelled = np.concatenate([graph.train, graph.val, graph.test])
    kinds = [f"label {graph.labels[i]}" if i in labelled else "no label" for i in graph.edges[0][edges]]
    names = [f"{i} ({kind})" for i, kind in zip(graph.edges[0][edges], kinds, strict=True)]
    print(f"\nwhere node {node} (label {graph.labels[node]}) looks, mean of {len(weights)} heads, %")
    for name, share in zip(names, weights[:, edges].mean(0), strict=True):
        print(f"  {name:18}{100 * share:5.1f} {'█' * round(40 * share)}")
    return attention(weights[:, edges], [f"head {h}" for h in range(len(weights))], names)


def print_shops(graph: Graph, weights: np.ndarray) -> tuple[float, float]:
    """Print which share of what people see are shops, and which share of their attention these get."""
    is_shop = graph.x[:, -1] > 0
    seen = ~is_shop[graph.edges[1]]
    shop = seen & is_shop[graph.edges[0]]
    share, attended = shop.sum() / seen.sum(), weights[:, shop].sum() / weights[:, seen].sum()
    print(f"\nof what people see, {100 * share:.0f} % are shops, and these get {100 * attended:.0f} % of the attention")
    return float(share), float(attended)


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--data", metavar="FILE.npz", type=Path, help="a graph of your own, as described above")
    p.add_argument("--runs", type=lesson.at_least(1), default=1, help="train from so many seeds; default: 1")
    p.add_argument("--epochs", type=lesson.at_least(1), help="default: 200, or 100 without --data")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    graph = read_graph(a.data) if a.data else circles_of_friends(np.random.default_rng(a.seed))
    epochs = 3 if a.short else a.epochs or (200 if a.data else 100)
    print(
        f"{len(graph.x):,} nodes, {graph.edges.shape[1]:,} edges; labels known of {len(graph.train)}, {epochs} epochs"
    )
    accuracies: dict[str, list[float]] = {name: [] for name in MODELS}
    histories = {}
    for seed in range(a.seed, a.seed + a.runs):
        for name, make in MODELS.items():
            minigrad.manual_seed(seed)
            dropout, lr = recipe(name, few_features=not a.data)
            model = make(graph.x.shape[1], int(graph.labels.max()) + 1, dropout)
            histories[name] = train(model, graph, epochs, lr, name)
            accuracies[name].append(accuracy(model, graph, graph.test))
    means = {name: float(np.mean(values)) for name, values in accuracies.items()}
    lesson.print_accuracies(f"{len(graph.test)} nodes of the test part, mean of {a.runs}: right", means)
    if means["GAT"] <= means["GCN"]:
        print("  attention does not beat the plain mean here")
    weights = weights_of(model, graph)  # of the last model, the GAT
    figure = print_neighbours(graph, weights, int(graph.test[0]))
    course = curves(histories, xlabel="epoch", ylabel="accuracy on val")
    lesson.write_pictures(a.pictures, {"neighbours.svg": figure, "validation.svg": course})
    if not a.data:
        share, attended = print_shops(graph, weights)
        if not a.short:
            assert min(means["GAT"], means["GCN"]) > means["MLP"] + 0.1, means
            assert attended < share, "attention should have found out that shops tell nothing"
    return means


if __name__ == "__main__":
    main()
