"""What goes into attention is a set of vectors: words, sound, a graph and a picture all become one.

    python examples/sets_of_vectors.py                       # a few seconds
    python examples/sets_of_vectors.py --wav speech.wav      # frames of your own recording

Words are one-hot vectors first, which say nothing about each other; times a trained matrix they are embeddings, and
king comes to lie near queen and far from zebra. A sound is cut into windows of 25 ms, one every 10 ms. The nodes of a
graph are a set in which only neighbours see each other. A picture of 5 × 10 pixels is 50 vectors of 3 features.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.pixels import pixels
from examples.progress import Progress
from minigrad import Tensor, viz
from nn import optim
from nn.audio import frames, log_mel, read_wav, write_wav
from nn.data import Vocab
from nn.walkthrough import matrix

CORPUS = Path(__file__).parent / "data" / "kings-and-zebras.txt"


# ---- words: one-hot vectors and embeddings --------------------------------------------------------------------------


def cosines(vectors: Tensor) -> np.ndarray:
    """The cosine of every vector with every other, (N, N)."""
    return nn.similarity.Cosine()(vectors, vectors).detach().numpy()


def one_hot_times_a_matrix() -> None:
    """Show that an embedding is a product with a matrix, in its values and in its gradients."""
    ids, embedding = minigrad.tensor([4, 0, 4]), nn.Embedding(5, 3).double()
    w = embedding.weight.detach().clone().requires_grad_()
    looked_up, multiplied = embedding(ids), F.one_hot(ids, 5).double() @ w
    arriving = minigrad.randn(3, 3, dtype=minigrad.float64)
    looked_up.backward(arriving)
    multiplied.backward(arriving)
    np.testing.assert_array_equal(looked_up.detach(), multiplied.detach())
    np.testing.assert_allclose(np.asarray(embedding.weight.grad), np.asarray(w.grad))
    assert (cosines(minigrad.eye(5)) == np.eye(5)).all()
    print("words 4, 0 and 4 of a vocabulary of 5, as one-hot vectors")
    print(matrix("", ["4", "0", "4"], F.one_hot(ids, 5).numpy()).strip("\n"))
    print("times a (5, 3) matrix they are rows of it: the same values and gradients as nn.Embedding(5, 3)")
    print("every one-hot vector has a cosine of 0 with every other: no word is nearer than another\n")


def train_embeddings(seed: int, steps: int) -> tuple[Vocab, Tensor]:
    """(The words, their vectors) after learning which words of the corpus stand in one sentence."""
    sentences = [line.split() for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    vocab = Vocab((word for sentence in sentences for word in sentence), padding=None, unknown=None)
    pairs = [pair for words in sentences for pair in permutations(vocab.encode(words), 2)]
    word, other = np.array(pairs).T
    minigrad.manual_seed(seed)
    model = nn.Sequential(nn.Embedding(len(vocab), 16), nn.Linear(16, len(vocab)))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    progress = Progress(range(steps), "embeddings")
    for _ in progress:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(word), other)
        loss.backward()
        optimizer.step()
        progress.note = f"loss {loss.item():.3f}"
    return vocab, model[0].weight.detach()


def words_that_gather(seed: int, steps: int) -> dict[str, float]:
    """Print the nearest neighbours of some words; return the cosines of king with queen and with zebra."""
    vocab, vectors = train_embeddings(seed, steps)
    vectors = vectors - vectors.mean(0)  # what all words have in common says nothing about any
    cosine = cosines(vectors)
    print(f"embeddings of {len(vocab)} words, trained to say which words stand in one sentence")
    for word in ("king", "queen", "royal", "zebra", "horse", "stripe"):
        near = (-cosine[vocab[word]]).argsort()[1:6]
        print(f"  near {word:7}" + "  ".join(f"{vocab.tokens[i]} {cosine[vocab[word], i]:.2f}" for i in near))
    found = {f"king–{other}": float(cosine[vocab["king"], vocab[other]]) for other in ("queen", "zebra")}
    print("  cosines: " + ", ".join(f"{pair} {value:.2f}" for pair, value in found.items()) + "\n")
    return found


# ---- sound ----------------------------------------------------------------------------------------------------------


def example_sound(rate: int = 16000) -> np.ndarray:
    """One second: a tone that rises from 560 to 1640 Hz, between two silences of a fifth of a second."""
    t = np.arange(rate) / rate
    rising = np.sin(2 * np.pi * (200 * t + 900 * t**2))  # at time t, 200 + 1800 t Hz
    return 0.5 * rising * ((t > 0.2) & (t < 0.8))


def sound(path: Path | None) -> np.ndarray:
    """Print what becomes of a WAV file; return its log-mel vectors, (T, 24)."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            write_wav(Path(folder) / "tone.wav", example_sound(), 16000)
            signal, rate = read_wav(Path(folder) / "tone.wav")
    else:
        signal, rate = read_wav(path)
    windows, x = frames(signal, rate), log_mel(signal, rate)
    energy = np.log((windows**2).mean(-1) + 1e-6)
    levels = (energy - energy.min()) / max(np.ptp(energy), 1e-9)
    print(f"{len(signal):,} samples, {rate:,} in a second", end=" → ")
    print(f"{len(windows)} windows of {windows.shape[1]} samples, one every {round(0.010 * rate)}", end=" → ")
    print(f"{x.shape[0]} vectors of {x.shape[1]} log-energies")
    print("  energy of the windows   " + "".join("▁▂▃▄▅▆▇█"[int(7.99 * v)] for v in levels[:: -(-len(levels) // 64)]))
    model = nn.SelfAttention(x.shape[1])
    if path is None:
        assert windows.shape == (98, 400)
    print(f"  {type(model).__name__} takes them as {(1, *x.shape)} and gives {model(minigrad.tensor(x[None])).shape}\n")
    return x


# ---- a graph --------------------------------------------------------------------------------------------------------

PEOPLE = ["Ada", "Bo", "Cai", "Dee", "Eli"]
FRIENDS = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4)]


def graph() -> np.ndarray:
    """Print who attends to whom among friends; return the weights."""
    a, b = zip(*FRIENDS, strict=True)
    friends = nn.masks.graph([[*a, *b, *range(5)], [*b, *a, *range(5)]], 5)  # both ways; everybody also sees oneself
    layer, x = nn.SelfAttention(4).double(), minigrad.randn(1, 5, 4, dtype=minigrad.float64)
    y, weights = layer(x, mask=friends, return_weights=True)
    assert (weights[0][~friends] == 0).all()
    order = [3, 0, 4, 2, 1]  # the same people, numbered anew
    relabelled = layer(x[:, order], mask=friends[order][:, order])
    assert minigrad.allclose(relabelled, y[:, order], atol=1e-12)
    print(matrix("a graph: 5 people, who see their friends alone", PEOPLE, weights[0].detach().numpy(), PEOPLE))
    print("  without an edge the weight is 0 exactly; with the nodes in another order the outputs come in that order\n")
    return weights[0].detach().numpy()


# ---- a picture ------------------------------------------------------------------------------------------------------

SUN = (1, 7)  # the row and the column of one of its four pixels


def picture() -> dict[str, np.ndarray]:
    """Print where the sun's pixel looks in a picture of 5 × 10 pixels; return what is to be drawn, by its title."""
    sky, grass, sun = [0.4, 0.6, 1.0], [0.1, 0.7, 0.2], [1.0, 0.9, 0.1]
    landscape = minigrad.tensor([[sky] * 10] * 3 + [[grass] * 10] * 2)  # (5, 10, 3)
    landscape[0:2, 6:8] = minigrad.tensor(sun)
    x = landscape.reshape(50, 3)  # pixel (i, j) is vector 10 i + j
    attention = nn.Attention("kernel", nn.normalisation.Softmax(0.05))  # alike colours attend to each other
    _, weights = attention(x.unsqueeze(0), return_weights=True)
    seen = weights[0, 10 * SUN[0] + SUN[1]].reshape(5, 10).numpy()
    assert seen[0:2, 6:8].sum() > 0.9
    print(f"a picture {landscape.shape} → {x.shape[0]} vectors of {x.shape[1]} features")
    drawn = {"5 × 10 pixels": landscape.numpy(), "where the sun's pixel [] looks": seen}
    print(pixels(drawn, asks=SUN))
    return drawn


# ---- the programme --------------------------------------------------------------------------------------------------


def run(a: argparse.Namespace) -> dict[str, float]:
    minigrad.manual_seed(a.seed)
    one_hot_times_a_matrix()
    found = words_that_gather(a.seed, 5 if a.short else 100)
    bands = sound(a.wav)
    friends = graph()
    landscape = picture()
    energies = {f"band {b}": bands[:, b] for b in (5, 7, 9)}
    lesson.write_pictures(a.pictures, {
        "sets_of_vectors_graph.svg": viz.attention(friends, PEOPLE),
        "sets_of_vectors_picture.svg": pixels(landscape, asks=SUN),
        "sets_of_vectors_sound.svg": viz.curves(energies, xlabel="frame (10 ms)", ylabel="log-energy"),
    })  # fmt: skip
    if not a.short:
        assert found["king–queen"] > found["king–zebra"] + 0.3, found
    return found


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--wav", metavar="FILE.wav", type=Path, help="cut this recording, not a rising tone, into frames")
    return lesson.start(p, run, argv)


if __name__ == "__main__":
    main()
