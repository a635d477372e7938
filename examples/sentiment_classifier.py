"""Teach a network to tell praise from blame: "not good but bad" and "not bad but good" are the same words.

    python examples/sentiment_classifier.py                     # on a small corpus that comes along, in a few seconds
    python examples/sentiment_classifier.py --train a.tsv --dev b.tsv --test c.tsv     # lines of label, tab and text
    python examples/sentiment_classifier.py --model cnn --save opinions.npz
    python examples/sentiment_classifier.py --load opinions.npz --text "This film isn't good."

Every token becomes a vector; an encoder makes one vector of the sentence; a linear layer scores the labels. `--model`
chooses the encoder: `attention` (one head) and `multihead`, `cnn`, `rnn`, `lstm`, `gru` and `bigru` see tokens in their
order, `average` and `bow` (logistic regression on the bag of words) do not. Those two and naive Bayes are trained
beside the model, to see whether it is worth its trouble; on short reviews of films, it hardly is.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples.progress import Progress
from minigrad import Tensor
from nn import optim
from nn.data import Vocab, buckets, length_mask, pad, read_tsv
from nn.record import record_attention

HERE = Path(__file__).parent / "data"
Line = tuple[str, str]  # label and text

# ---- from text to numbers -------------------------------------------------------------------------------------------

CHINESE = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # and Japanese: no blanks between words
WORD = r"[\w'’-]+|[^\w\s]"


class Lexicon(NamedTuple):
    """What a token is, which tokens have a number of their own, and the labels."""

    tokens: str  # "words" or "characters"
    vocab: Vocab
    labels: list[str]

    @classmethod
    def of(cls, lines: Sequence[Line], tokens: str | None = None) -> Lexicon:
        labels = sorted({label for label, _ in lines})
        if len(labels) < 2:
            raise ValueError(f"all {len(lines)} sentences to learn from have the label {labels[0]!r}")
        letters = "".join(text for _, text in lines)
        chinese = len(re.findall(CHINESE, letters)) > len(letters) / 5
        blank = cls(tokens or ("characters" if chinese else "words"), Vocab(()), labels)
        return blank._replace(vocab=Vocab(token for _, text in lines for token in blank.split(text)))

    def split(self, text: str) -> list[str]:
        """The tokens of a text."""
        tokens = re.findall(WORD if self.tokens == "words" else r"\S", text.lower())
        if not tokens:
            raise ValueError(f"there is nothing to read in the text {text!r}")
        return tokens

    def number(self, label: str) -> int:
        if label not in self.labels:
            raise ValueError(f"the label {label!r} is none of those learned: {', '.join(self.labels)}")
        return self.labels.index(label)

    def encode(self, lines: Sequence[Line]) -> list[Example]:
        """Sentences as numbers."""
        return [Example(np.array(self.vocab.encode(self.split(text))), self.number(label)) for label, text in lines]


class Example(NamedTuple):
    """A sentence as numbers."""

    ids: np.ndarray  # (T,)
    label: int


# ---- the networks ---------------------------------------------------------------------------------------------------


def max_over_time(x: Tensor, lengths: np.ndarray) -> Tensor:
    """The greatest value of each feature among the first `lengths` times: (B, T, D) → (B, D)."""
    padding = ~length_mask(lengths, x.shape[1])
    return x.masked_fill(Tensor(padding[:, :, None]), -math.inf).amax(1)


class Average(nn.Module):
    """The mean of the vectors: (B, T, D) → (B, D)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.size = dim

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        return x.sum(1) / Tensor(lengths[:, None]).to(x.dtype)  # padding is zeros


class Convolutions(nn.Module):
    """What the windows of 3, 4 and 5 tokens find at best, of 100 things each looks for: (B, T, D) → (B, 300).

    Source: Kim, "Convolutional Neural Networks for Sentence Classification" (2014), arXiv:1408.5882.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.size = 300
        self.convolutions = nn.ModuleList([nn.Conv1d(dim, 100, width, padding=4) for width in (3, 4, 5)])

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        found = []
        for width, convolution in zip((3, 4, 5), self.convolutions, strict=True):
            maps = F.relu(convolution(x.transpose(1, 2))).transpose(1, 2)  # (B, T + 9 − width, 100)
            found.append(max_over_time(maps, lengths + 9 - width))
        return minigrad.cat(found, dim=-1)


class Recurrent(nn.Module):
    """The greatest value that each feature of the state takes along the way: (B, T, D) → (B, 64) or (B, 128)."""

    def __init__(self, dim: int, kind: str, bidirectional: bool = False) -> None:
        super().__init__()
        self.size = 128 if bidirectional else 64
        self.layer = getattr(nn.recurrent, kind)(dim, 64, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        return max_over_time(self.layer(x, lengths=lengths)[0], lengths)


class Attention(nn.Module):
    """One block of attention to the whole sentence, then the greatest value of each feature: (B, T, D) → (B, D)."""

    def __init__(self, dim: int, heads: int, positions: str, dropout: float) -> None:
        super().__init__()
        self.size = dim
        self.added = nn.SinusoidalPositions(dim, scale=0.25) if positions == "sinusoidal" else nn.Identity()
        bias = nn.RelativeBias(heads) if positions == "relative" else None
        one = nn.SelfAttention(dim, bias=True, positions=bias) if heads == 1 else None
        mixer = one or nn.MultiHead(dim, heads, dropout=dropout, positions=bias)
        self.block = nn.EncoderBlock(mixer, dim, 2 * dim, dropout)

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        return max_over_time(self.block(self.added(x), lengths=lengths), lengths)


class Classifier(nn.Module):
    """ids (B, T) and lengths (B) → scores of the labels (B, C)."""

    def __init__(self, lexicon: Lexicon, model: str, positions: str = "relative", dropout: float = 0.5) -> None:
        super().__init__()
        dim = 128 if model == "cnn" else 64
        encoders: dict[str, Callable[[], nn.Module]] = {
            "attention": lambda: Attention(dim, 1, positions, 0.6 * dropout),
            "multihead": lambda: Attention(dim, 4, positions, 0.6 * dropout),
            "cnn": lambda: Convolutions(dim),
            "rnn": lambda: Recurrent(dim, "RNN"),
            "lstm": lambda: Recurrent(dim, "LSTM"),
            "gru": lambda: Recurrent(dim, "GRU"),
            "bigru": lambda: Recurrent(dim, "GRU", bidirectional=True),
            "average": lambda: Average(dim),
        }
        self.embedding = nn.Embedding(len(lexicon.vocab), dim, padding_idx=0)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        nn.init.zeros_(self.embedding.weight[0])
        self.encoder = encoders[model]()
        self.dropout_in = nn.Dropout(0.0 if model in ("cnn", "average") else dropout)
        self.forgotten = self.dropout_in.p / 5  # so many tokens are unknown in training, to learn what that means
        self.dropout_out = nn.Dropout(dropout)
        self.output = nn.Linear(self.encoder.size, len(lexicon.labels))
        self.max_norm = 3.0 if model == "cnn" else math.inf  # of the rows of output.weight

    def forward(self, ids: Tensor, lengths: np.ndarray) -> Tensor:
        if self.training and self.forgotten:
            ids = ids.masked_fill((minigrad.rand(*ids.shape) < self.forgotten) & (ids != 0), 1)
        x = self.encoder(self.dropout_in(self.embedding(ids)), lengths)
        return self.output(self.dropout_out(x))


class BagOfWords(nn.Module):
    """Logistic regression, a weight for each word and label: ids (B, T) → scores of the labels (B, C)."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        self.weight = nn.Embedding(len(lexicon.vocab), len(lexicon.labels), padding_idx=0)
        nn.init.zeros_(self.weight.weight)
        self.bias = nn.Parameter(minigrad.zeros(len(lexicon.labels)))

    def forward(self, ids: Tensor, lengths: np.ndarray) -> Tensor:
        return self.weight(ids).sum(1) + self.bias


class NaiveBayes:
    """P(label | text) ∝ P(label) · Π P(n-gram | label), over the words and pairs of neighbours that the text has."""

    def __init__(self, lexicon: Lexicon, lines: Sequence[Line]) -> None:
        self.lexicon = lexicon
        counts = [Counter[tuple[str, ...]]() for _ in lexicon.labels]
        for label, text in lines:
            counts[lexicon.number(label)].update(self.grams(text))
        known = set().union(*counts)
        seen = np.array([[c[gram] for c in counts] for gram in known]) + 1.0  # as if once more, so that none is 0
        self.log = dict(zip(known, np.log(seen / seen.sum(0)), strict=True))
        labels = Counter(label for label, _ in lines)
        self.prior = np.log([labels[label] / len(lines) for label in lexicon.labels])

    def grams(self, text: str) -> set[tuple[str, ...]]:
        tokens = self.lexicon.split(text)
        return {(token,) for token in tokens} | set(pairwise(tokens))

    def predict(self, text: str) -> int:
        return int(sum((self.log[gram] for gram in self.grams(text) if gram in self.log), self.prior).argmax())


MODELS = ["attention", "multihead", "cnn", "rnn", "lstm", "gru", "bigru", "average", "bow"]
POSITIONS = ["none", "sinusoidal", "relative"]


def make(lexicon: Lexicon, model: str, positions: str, dropout: float = 0.5) -> nn.Module:
    """A network that has learned nothing yet."""
    return BagOfWords(lexicon) if model == "bow" else Classifier(lexicon, model, positions, dropout)


def recipe(model: str, sentences: int) -> tuple[float, float]:
    """The learning rate and the dropout that go with a model and so many sentences to learn from."""
    attentive = model in ("attention", "multihead")
    if sentences < 5000:  # few steps: larger ones, and less noise
        return {"cnn": 2e-3, "bow": 2e-2}.get(model, 5e-3), (0.1 if attentive else 0.5)
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


def accuracy(answers: np.ndarray, examples: Sequence[Example]) -> float:
    """The share of sentences that got the right label."""
    return float(np.mean(answers == [e.label for e in examples]))


def train(
    network: nn.Module, examples: Sequence[Example], dev: Sequence[Example],
    epochs: int, lr: float, name: str = "train", patience: int = 0, batch_size: int = 50,
) -> list[tuple[float, float]]:  # fmt: skip
    """Adam, the learning rate rising, then falling to 0; keep what was best on dev, stop if it does not get better.

    Returned are the mean loss and the accuracy on dev of every epoch.
    """
    steps = epochs * math.ceil(len(examples) / batch_size)
    warmup = min(200, steps // 10 + 1)
    optimizer = optim.Adam(network.parameters(), lr=lr)
    schedule = optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: min((t + 1) / warmup, (steps - t) / (steps - warmup + 1))
    )
    history: list[tuple[float, float]] = []
    losses: list[float] = []
    best: dict[str, Tensor] = {}

    def batches() -> Iterator[list[int]]:
        record, since = -1.0, 0
        while len(history) < epochs and since < (patience or max(3, epochs // 2)):
            yield from buckets([len(e.ids) for e in examples], batch_size)
            reached = accuracy(predict(network, dev).argmax(-1), dev)
            history.append((float(np.mean(losses)), reached))
            bar.note = f"loss {history[-1][0]:.3f}  accuracy on dev {100 * reached:.1f} %"
            losses.clear()
            since += 1
            if reached >= record:
                record, since = reached, 0
                best.update({key: value.clone() for key, value in network.state_dict().items()})

    bar = Progress(batches(), name, total=steps)
    for group in bar:
        network.train()
        optimizer.zero_grad()
        loss = loss_of(network, [examples[i] for i in group])
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 3.0)
        optimizer.step()
        schedule.step()
        if isinstance(network, Classifier) and network.max_norm < math.inf:
            clip_rows(network.output.weight, network.max_norm)
        losses.append(loss.item())
    network.load_state_dict(best)
    return history


@minigrad.no_grad()
def clip_rows(weight: Tensor, max_norm: float) -> None:
    """Shrink the rows whose norm is above `max_norm` to that norm."""
    weight *= max_norm / weight.norm(dim=1, keepdim=True).clamp(min=max_norm)


# ---- what comes out -------------------------------------------------------------------------------------------------

NEGATION = r"\b(?:not|never|hardly|nobody|no|\w*n't)\b|[不没]"
SLICES = {  # in which words alone mislead; a sentence is in the first one whose pattern it has, else it is "plain"
    "order": r"\bnot\b.* but\b|(?:,|but) not\b|不是.+而是",
    "contrast": r"\b(?:but|although)\b|但|虽然",
    "far negation": rf"(?:{NEGATION})(?:\s+\w+){{4}}",
    "negation": NEGATION,
}


def slice_of(text: str) -> str:
    """The first of the SLICES that a text is in."""
    return next((name for name, pattern in SLICES.items() if re.search(pattern, text.lower())), "plain")


def report(lines: Sequence[Line], lexicon: Lexicon, columns: dict[str, list[int]]) -> dict[str, float]:
    """Print the accuracy of each column of answers on all sentences, the negated ones, and those of each slice."""
    texts = [text for _, text in lines]
    rows = {
        "all sentences": [True for _ in texts],
        "negated": [bool(re.search(NEGATION, text.lower())) for text in texts],
        **{f"slice {name!r}": [slice_of(text) == name for text in texts] for name in ["plain", *SLICES]},
        "with unknown words": [any(token not in lexicon.vocab for token in lexicon.split(text)) for text in texts],
    }
    right = {name: [lexicon.labels[i] == label for i, (label, _) in zip(answers, lines, strict=True)]
             for name, answers in columns.items()}  # fmt: skip
    print(f"\n{'accuracy on the test part, %':29}{'sentences':>10}" + "".join(f"{name:>15}" for name in columns))
    for title, chosen in rows.items():
        if any(chosen):
            cells = "".join(f"{100 * np.mean(np.array(r)[chosen]):15.1f}" for r in right.values())
            print(f"{title:29}{sum(chosen):10}{cells}")
    return {name: float(np.mean(r)) for name, r in right.items()}


def print_curve(title: str, values: Sequence[float]) -> None:
    """Print numbers as a line of bars between the first and the last."""
    low, high = min(values), max(values)
    bars = "".join("▁▂▃▄▅▆▇█"[int(7.99 * (v - low) / (high - low or 1))] for v in values)
    print(f"  {title:16}{values[0]:8.3f} {bars} {values[-1]:.3f}")


def print_predictions(network: nn.Module, lexicon: Lexicon, texts: Sequence[str], most: int = 3) -> None:
    """Print the likeliest label of each text and, if there is attention, the tokens that get most of it."""
    for text in texts:
        (example,) = lexicon.encode([(lexicon.labels[0], text)])
        with record_attention(network) as maps:
            (p,) = predict(network, [example])
        print(f"  {lexicon.labels[p.argmax()]:9} {100 * p.max():5.1f} %   {text}")
        for (weights,) in maps.values():  # (1, H, T, T)
            received = weights.numpy().mean((0, 1, 2))  # by each token, from all heads and tokens
            tokens, top = lexicon.split(text), received.argsort()[::-1][:most]
            print(" " * 21 + "looks at " + ", ".join(f"{tokens[i]} {100 * received[i]:.0f} %" for i in top))


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
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part, use in (("train", "learn from"), ("dev", "choose the best epoch by"), ("test", "be judged by")):
        default = HERE / f"sentiment-{part}.tsv"
        p.add_argument(f"--{part}", metavar="FILE.tsv", type=Path, default=default, help=f"sentences to {use}")
    p.add_argument("--model", choices=MODELS, default="multihead")
    p.add_argument("--positions", choices=POSITIONS, default="relative", help="how the attention models know the order")
    p.add_argument("--tokens", choices=["words", "characters"], help="default: characters for Chinese and Japanese")
    p.add_argument("--epochs", type=int, help="at most; default: 6, or more for a small corpus")
    p.add_argument("--lr", type=float, help="default: between 1e-3 and 5e-3, see recipe()")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--save", metavar="FILE.npz")
    p.add_argument("--load", metavar="FILE.npz", help="use a saved classifier instead of training one")
    p.add_argument("--text", metavar="SENTENCE", help="classify this sentence")
    p.add_argument("--quick", action="store_true", help="two epochs only, to see that it runs")
    a = p.parse_args(arguments)
    try:
        return run(a)
    except (OSError, ValueError) as error:  # a file that is missing or is not what it should be
        sys.exit(f"{p.prog}: {error}")


def run(a: argparse.Namespace) -> dict[str, float]:
    """Train or load a classifier, judge it, and show what it does."""
    if a.load:
        network, lexicon, model = load(a.load)
        if a.text:
            print_predictions(network, lexicon, [a.text])
            return {}
        test = list(read_tsv(a.test))
        return report(test, lexicon, {model: predict(network, lexicon.encode(test)).argmax(-1).tolist()})

    training, dev, test = (list(read_tsv(path)) for path in (a.train, a.dev, a.test))
    lexicon = Lexicon.of(training, a.tokens)
    examples, watched, judged = (lexicon.encode(lines) for lines in (training, dev, test))
    epochs = 2 if a.quick else a.epochs or max(6, 40_000 // len(training))
    bayes = NaiveBayes(lexicon, training)
    most = Counter(label for label, _ in training).most_common(1)[0][0]
    columns = {
        "majority": [lexicon.number(most)] * len(test),
        "naive Bayes": [bayes.predict(text) for _, text in test],
    }
    attentive = a.model in ("attention", "multihead") and a.positions != "none"
    plans = {"bag of words": ("bow", "none"), "word average": ("average", "none")}
    plans |= {"no positions": (a.model, "none")} if attentive else {}
    plans = {title: plan for title, plan in plans.items() if plan[0] != a.model or attentive}
    plans |= {a.model: (a.model, a.positions)}
    for title, (model, positions) in plans.items():
        minigrad.manual_seed(a.seed)
        lr, dropout = recipe(model, len(training))
        lr = a.lr if a.lr and model == a.model else lr
        network = make(lexicon, model, positions, dropout)
        history = train(network, examples, watched, epochs, lr, f"{title:12}")
        columns[title] = predict(network, judged).argmax(-1).tolist()

    parameters = sum(p.numel() for p in network.parameters())
    print(f"{a.model}: {parameters:,} parameters, {len(lexicon.vocab):,} {lexicon.tokens}, seed {a.seed}, ", end="")
    print(f"{len(training):,} sentences, {len(history)} epochs")
    print_curve("loss", [loss for loss, _ in history])
    print_curve("accuracy on dev", [reached for _, reached in history])
    overall = report(test, lexicon, columns)
    better = [name for name in overall if overall[name] >= overall[a.model] and name != a.model]
    if better:
        print(f"\n{a.model} does not beat " + ", ".join(f"{n} ({100 * overall[n]:.1f} %)" for n in better))
    print("\nas the network sees them")
    first = {slice_of(text): text for _, text in test[::-1]}  # of each slice
    print_predictions(network, lexicon, [a.text] if a.text else list(first.values()))
    if a.save:
        save(network, lexicon, a.model, a.positions, a.save)
        print(f"\nsaved to {a.save}")
    if a.test.parent == HERE and not a.quick and a.model not in ("bow", "average"):
        assert overall[a.model] > overall["bag of words"], f"{a.model} does not beat the bag of words: {overall}"
    return overall


if __name__ == "__main__":
    main()
