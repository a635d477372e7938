"""Teach a network to tell praise from blame: "not good but bad" and "not bad but good" are the same words.

    python examples/sentiment_classifier.py                     # on a small corpus that comes along, in a few seconds
    python examples/sentiment_classifier.py --train a.tsv --dev b.tsv --test c.tsv     # lines of label, tab and text
    python examples/sentiment_classifier.py --model cnn --save opinions.npz
    python examples/sentiment_classifier.py --load opinions.npz --text "This film isn't good."
    python examples/sentiment_classifier.py --pictures DIR      # draws a training step, attention and learning curves
    python examples/sentiment_classifier.py --ablate            # which parts of attention does it need?

Every token becomes a vector; an encoder makes one vector of the sentence; a linear layer scores the labels. `--model`
chooses the encoder: `attention` (one head) and `multihead`, `cnn`, `rnn`, `lstm`, `gru` and `bigru` see tokens in their
order, `average` and `bow` (logistic regression on the bag of words) do not. Those two and naive Bayes are trained
beside the model, to see whether it is worth its trouble; on short reviews of films, it hardly is.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import common
from examples.baselines import BagOfWords, NaiveBayes
from examples.common import HERE, Epoch
from examples.mixers import HEADS, Attention, mixer_for
from examples.pictures import Looked, write_pictures
from examples.progress import Progress
from examples.texts import Example, Lexicon, Line, kinds_of, slice_of
from minigrad import Tensor
from nn import optim
from nn.data import Vocab, buckets, pad, read_tsv
from nn.record import record_attention
from nn.text_cnn import TextCNN, max_over_time, mean_over_time
from nn.utils import EarlyStopping, clip_rows_

MODELS = [*HEADS, "cnn", "rnn", "lstm", "gru", "bigru", "average", "bow"]

# ---- the network ----------------------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """A mixer, then the greatest value of each feature in the sentence: (B, T, D) → (B, mixer.size)."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer, self.size = mixer, mixer.size

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        return max_over_time(self.mixer(x, lengths), lengths)


class Average(nn.Module):
    """The mean of the vectors: (B, T, D) → (B, D)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.size = dim

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        return mean_over_time(x, lengths)


class Classifier(nn.Module):
    """ids (B, T) and lengths (B) → scores of the labels (B, C)."""

    def __init__(
        self, lexicon: Lexicon, model: str, positions: str = "relative", dropout: float = 0.5, ablation: str = ""
    ) -> None:
        super().__init__()
        dim = 128 if model == "cnn" else 64
        self.embedding = nn.Embedding(len(lexicon.vocab), dim, padding_idx=0)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        nn.init.zeros_(self.embedding.weight[0])
        if model in HEADS:  # sinusoids as small as the embeddings
            mixer: nn.Module = Attention(dim, HEADS[model], 1, 0.6 * dropout, positions, 0.25, ablation)
            self.encoder: nn.Module = Pooled(mixer)
        elif model in ("cnn", "average"):
            self.encoder = TextCNN(dim) if model == "cnn" else Average(dim)
        else:
            self.encoder = Pooled(mixer_for(model, dim))
        self.dropout_in = nn.Dropout(0.0 if model in ("cnn", "average") else dropout)
        self.forgotten = self.dropout_in.p / 5  # so many tokens are unknown in training, to learn what that means
        self.dropout_out = nn.Dropout(dropout)
        self.output = nn.Linear(self.encoder.size, len(lexicon.labels))
        self.max_norm = 3.0 if model == "cnn" else math.inf  # of the rows of output.weight

    def forward(self, ids: Tensor, lengths: Any) -> Tensor:
        if self.training and self.forgotten:
            ids = ids.masked_fill((minigrad.rand(*ids.shape) < self.forgotten) & (ids != 0), 1)
        x = self.encoder(self.dropout_in(self.embedding(ids)), lengths)
        return self.output(self.dropout_out(x))


def make(lexicon: Lexicon, model: str, positions: str, dropout: float = 0.5, ablation: str = "") -> nn.Module:
    """A network that has learned nothing yet."""
    if model == "bow":
        return BagOfWords(len(lexicon.vocab), len(lexicon.labels))
    return Classifier(lexicon, model, positions, dropout, ablation)


def recipe(model: str, sentences: int) -> tuple[float, float]:
    """The learning rate and the dropout that go with a model and so many sentences to learn from."""
    if sentences < 5000:  # few steps: larger ones, and less noise
        return {"cnn": 2e-3, "bow": 2e-2}.get(model, 5e-3), (0.1 if model in HEADS else 0.5)
    return {"cnn": 1e-3, "bow": 5e-3}.get(model, 2e-3), 0.5


# ---- training and using them ----------------------------------------------------------------------------------------


def batch_of(examples: Sequence[Example]) -> tuple[Tensor, np.ndarray, Tensor]:
    """Sentences of unequal length as one batch: ids (B, T), lengths (B), labels (B)."""
    ids, lengths = pad([e.ids for e in examples])
    return Tensor(ids), lengths, Tensor(np.array([e.label for e in examples]))


def loss_of(network: nn.Module, examples: Sequence[Example]) -> Tensor:
    """The mean cross-entropy over the sentences of a batch."""
    ids, lengths, labels = batch_of(examples)
    return F.cross_entropy(network(ids, lengths), labels)


@minigrad.no_grad()
def predict(network: nn.Module, examples: Sequence[Example]) -> np.ndarray:
    """The probabilities of the labels: (N, C)."""
    network.eval()
    answers: dict[int, np.ndarray] = {}
    for group in buckets([len(e.ids) for e in examples], 64):
        ids, lengths, _ = batch_of([examples[i] for i in group])
        answers.update(zip(group, F.softmax(network(ids, lengths), -1).numpy(), strict=True))
    return np.array([answers[i] for i in range(len(examples))])


def classify(network: nn.Module, lexicon: Lexicon, lines: Sequence[Line]) -> list[str]:
    """The likeliest label of each text."""
    return [lexicon.labels[i] for i in predict(network, lexicon.encode(lines)).argmax(-1)]


def accuracy(answers: np.ndarray, examples: Sequence[Example]) -> float:
    """The share of sentences that got the right label."""
    return float(np.mean(answers == [e.label for e in examples]))


def train(
    network: nn.Module, examples: Sequence[Example], dev: Sequence[Example],
    epochs: int, lr: float, name: str = "train", patience: int = 0, batch_size: int = 50,
) -> list[Epoch]:  # fmt: skip
    """Adam, the learning rate rising, then falling to 0; stop, and go back, if dev has been better for long."""
    optimizer = optim.Adam(network.parameters(), lr=lr)
    schedule = common.warm_up_and_decay(optimizer, epochs * math.ceil(len(examples) / batch_size))
    stopping = EarlyStopping(network, patience or max(3, epochs // 2))
    history: list[Epoch] = []
    progress = Progress(range(epochs), name)
    for _ in progress:
        losses = []
        for group in buckets([len(e.ids) for e in examples], batch_size):
            network.train()
            optimizer.zero_grad()
            loss = loss_of(network, [examples[i] for i in group])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 3.0)
            optimizer.step()
            schedule.step()
            if isinstance(network, Classifier) and network.max_norm < math.inf:
                clip_rows_(network.output.weight, network.max_norm)
            losses.append(loss.item())
            progress.note = f"loss {losses[-1]:.3f}"
        history.append(Epoch(float(np.mean(losses)), accuracy(predict(network, dev).argmax(-1), dev)))
        progress.note = f"loss {history[-1].loss:.3f}  accuracy on dev {100 * history[-1].accuracy:.1f} %"
        if stopping.update(history[-1].accuracy):
            stopping.restore()
            break
    return history


# ---- what comes out -------------------------------------------------------------------------------------------------


def report(lines: Sequence[Line], lexicon: Lexicon, columns: dict[str, list[str]]) -> dict[str, float]:
    """Print the accuracy of each column of answers on all sentences, and on those of each kind."""
    labels = np.array([label for label, _ in lines])
    right = {name: np.array(answers) == labels for name, answers in columns.items()}
    return common.print_accuracies("sentences", kinds_of([text for _, text in lines], lexicon), right)


def attention_of(network: nn.Module, lexicon: Lexicon, text: str) -> dict[str, np.ndarray]:
    """Where each token of a text looks, for each layer of attention by its path: (H, T, T)."""
    with record_attention(network) as maps:
        predict(network, lexicon.encode([(lexicon.labels[0], text)]))
    return {path: weights[0].numpy() for path, (weights,) in maps.items()}


def print_predictions(network: nn.Module, lexicon: Lexicon, texts: Sequence[str], most: int = 3) -> None:
    """Print the likeliest label of each text and, if there is attention, the tokens that get most of it."""
    for text in texts:
        (p,) = predict(network, lexicon.encode([(lexicon.labels[0], text)]))
        print(f"  {lexicon.labels[p.argmax()]:9} {100 * p.max():5.1f} %   {text}")
        for weights in attention_of(network, lexicon, text).values():
            received = weights.mean((0, 1))  # by each token, from all heads and tokens
            tokens, top = lexicon.split(text), received.argsort()[::-1][:most]
            print(" " * 21 + "looks at " + ", ".join(f"{tokens[i]} {100 * received[i]:.0f} %" for i in top))


def draw(
    directory: Path, network: nn.Module, lexicon: Lexicon,
    batch: Sequence[Line], texts: Sequence[str], histories: dict[str, list[Epoch]],
) -> None:  # fmt: skip
    """Draw a training step on a batch, where the tokens of some texts look, and the learning curves."""
    looks = [Looked(text, lexicon.split(text), attention_of(network, lexicon, text)) for text in texts]
    write_pictures(directory, network, lambda: loss_of(network, lexicon.encode(batch)), looks, histories)


# ---- saving ---------------------------------------------------------------------------------------------------------


def save(network: nn.Module, lexicon: Lexicon, model: str, positions: str, path: str) -> None:
    """Write everything that classifying needs to one `.npz` file."""
    meaning = {"tokens": lexicon.tokens, "vocab": lexicon.vocab.state_dict(), "labels": lexicon.labels}
    minigrad.save({"model": model, "positions": positions, **meaning, "weights": network.state_dict()}, path)


def load(path: str) -> tuple[nn.Module, Lexicon, str]:
    """Read what `save` wrote: the network, its lexicon, and the name of the model."""
    stored = minigrad.load(path)
    if not isinstance(stored, dict) or "vocab" not in stored:
        raise ValueError(f"{path}: this file holds no classifier that --save wrote")
    lexicon = Lexicon(stored["tokens"], Vocab.from_state_dict(stored["vocab"]), stored["labels"])
    network = make(lexicon, stored["model"], stored["positions"])
    network.load_state_dict(stored["weights"])
    return network, lexicon, stored["model"]


# ---- the programme --------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    p = common.command_line(__doc__, HERE / "sentiment", "tsv", MODELS)
    p.add_argument("--tokens", choices=["words", "characters"], help="default: characters for Chinese and Japanese")
    p.add_argument("--text", metavar="SENTENCE", help="classify this sentence")
    return common.start(p, run, arguments)


def train_all(
    a: argparse.Namespace, lexicon: Lexicon, training: Sequence[Line], dev: Sequence[Line]
) -> dict[str, tuple[nn.Module, list[Epoch]]]:
    """Train the baselines, the same model without positions or with each part left out, and the model asked for."""
    epochs = 2 if a.quick else a.epochs or max(6, 40_000 // len(training))
    baselines = {"bag of words": "bow", "word average": "average"}
    plans = {title: (model, "") for title, model in baselines.items() if model != a.model}
    plans |= {title: (a.model, title) for title in common.ablations_for(a)} | {a.model: (a.model, "")}
    trained = {}
    for title, (model, ablation) in plans.items():
        minigrad.manual_seed(a.seed)
        lr, dropout = recipe(model, len(training))
        lr = a.lr if a.lr and model == a.model else lr
        network = make(lexicon, model, a.positions, dropout, ablation)
        history = train(network, lexicon.encode(training), lexicon.encode(dev), epochs, lr, f"{title:12}")
        trained[title] = network, history
    return trained


def run(a: argparse.Namespace) -> dict[str, float]:
    """Train or load a classifier, judge it, and show what it does."""
    if a.load:
        network, lexicon, model = load(a.load)
        if a.text:
            print_predictions(network, lexicon, [a.text])
            lines, overall = [(classify(network, lexicon, [(lexicon.labels[0], a.text)])[0], a.text)], {}
        else:
            lines = list(read_tsv(a.test))
            overall = report(lines, lexicon, {model: classify(network, lexicon, lines)})
        if a.pictures:
            draw(a.pictures, network, lexicon, lines[:2], [text for _, text in lines[:5]], {})
        return overall
    training, dev, test = (list(read_tsv(path)) for path in (a.train, a.dev, a.test))
    lexicon = Lexicon.of(training, a.tokens)
    lexicon.encode(test)  # so that a bad line is found before the training
    labels = [label for label, _ in training]
    bayes = NaiveBayes([lexicon.split(text) for _, text in training], labels)
    trained = train_all(a, lexicon, training, dev)
    columns = {
        "majority": [Counter(labels).most_common(1)[0][0]] * len(test),
        "naive Bayes": [bayes.predict(lexicon.split(text)) for _, text in test],
        **{title: classify(network, lexicon, test) for title, (network, _) in trained.items()},
    }
    network, history = trained[a.model]
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{a.model}: {parameters:,} parameters, {len(lexicon.vocab):,} {lexicon.tokens}, seed {a.seed}, ", end="")
    print(f"{len(training):,} sentences, {len(history)} epochs")
    common.print_curves(history)
    overall = report(test, lexicon, columns)
    better = [name for name in overall if overall[name] >= overall[a.model] and name != a.model]
    if better:
        print(f"\n{a.model} does not beat " + ", ".join(f"{n} ({100 * overall[n]:.1f} %)" for n in better))
    print("\nas the network sees them")
    first = {slice_of(text): text for _, text in test[::-1]}  # of each slice
    texts = [a.text] if a.text else list(first.values())
    print_predictions(network, lexicon, texts)
    if a.save:
        save(network, lexicon, a.model, a.positions, a.save)
        print(f"\nsaved to {a.save}")
    if a.pictures:
        histories = {title: history for title, (_, history) in trained.items()}
        draw(a.pictures, network, lexicon, training[:2], texts, histories)
    if a.test.parent == HERE and not a.quick and a.model not in ("bow", "average"):
        assert overall[a.model] > overall["bag of words"], f"{a.model} does not beat the bag of words: {overall}"
    return overall


if __name__ == "__main__":
    main()
