"""Teach a network the parts of speech: in "I saw a saw" the first saw is a verb, the second a noun.

    python examples/sequence_labeler.py                    # on a small corpus that comes along, in a few seconds
    python examples/sequence_labeler.py --train a.conllu --dev b.conllu --test c.conllu         # on any UD treebank
    python examples/sequence_labeler.py --save tagger.npz
    python examples/sequence_labeler.py --load tagger.npz --tag "I saw a saw"

Every token becomes a vector (of its word, its last letters, its shape); a mixer lets the tokens of a sentence see each
other; a linear layer scores the tags of each token. `--model` chooses the mixer: `linear` sees one word only, `window`,
`conv1d` and `cnn` its neighbours, `rnn`, `lstm` and `gru` what stands to the left (with `bi` before the name, to the
right too), `attention` (one head) and `multihead` the whole sentence. `--crf` judges all tags of a sentence together.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples.progress import Progress
from minigrad import Tensor
from nn import optim
from nn.data import Sentence, Vocab, buckets, length_mask, pad, read_conllu

HERE = Path(__file__).parent / "data"
IGNORED = -100  # the label of padding, which the loss does not count


# ---- from words to numbers ------------------------------------------------------------------------------------------

SHAPES = ["digit", "UPPER", "Title", "lower", "other"]


def shape_of(word: str) -> int:
    """What kind of letters a word is made of, as an index into SHAPES."""
    if any(c.isdigit() for c in word):
        return 0
    return (
        1
        if word.isupper() and len(word) > 1
        else 2
        if word.istitle() or word[:1].isupper()
        else 3
        if word.islower()
        else 4
    )


class Lexicon(NamedTuple):
    """The vocabularies: which words, endings of one, two and three letters, and tags have a number of their own."""

    words: Vocab
    endings: list[Vocab]
    tags: list[str]

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> Lexicon:
        """Words seen at least twice and endings seen at least three times; the others are unknown."""
        words = [word.lower() for s in sentences for word in s.words]
        endings = [Vocab(Counter(w[-n:] for w in words), min_freq=3) for n in (1, 2, 3)]
        return cls(Vocab(Counter(words), min_freq=2), endings, sorted({tag for s in sentences for tag in s.tags}))

    def encode(self, words: Sequence[str]) -> np.ndarray:
        """The features of each word as numbers: (T, 5)."""
        lower = [word.lower() for word in words]
        columns = [self.words.encode(lower)]
        columns += [vocab.encode([word[-n:] for word in lower]) for n, vocab in enumerate(self.endings, 1)]
        return np.array([*columns, [shape_of(word) for word in words]]).T


class Example(NamedTuple):
    """A sentence as numbers."""

    ids: np.ndarray  # (T, 5)
    tags: np.ndarray  # (T,)


def encode(sentences: Sequence[Sentence], lexicon: Lexicon) -> list[Example]:
    """Sentences as numbers; a tag that training never saw gets −1, which no answer equals."""
    number = {tag: i for i, tag in enumerate(lexicon.tags)}
    return [Example(lexicon.encode(s.words), np.array([number.get(tag, -1) for tag in s.tags])) for s in sentences]


# ---- the network ----------------------------------------------------------------------------------------------------


class TokenFeatures(nn.Module):
    """ids (B, T, 5) → (B, T, 120): the embeddings of word, three endings and shape, side by side."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(len(lexicon.words), 64, padding_idx=0)])
        self.tables.extend(nn.Embedding(len(vocab), 16, padding_idx=0) for vocab in lexicon.endings)
        self.tables.append(nn.Embedding(len(SHAPES), 8))
        self.dim = 64 + 3 * 16 + 8

    def forward(self, ids: Tensor) -> Tensor:
        return minigrad.cat([table(ids[:, :, i]) for i, table in enumerate(self.tables)], dim=-1)


class Recurrent(nn.Module):
    """A recurrent network over the sentence, from the left or from both sides: (B, T, D) → (B, T, H) or (B, T, 2H)."""

    def __init__(self, kind: str, dim: int, hidden: int) -> None:
        super().__init__()
        layer = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind.removeprefix("bi")]
        self.layer = layer(dim, hidden, batch_first=True, bidirectional=kind.startswith("bi"))

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        return self.layer(x, lengths=lengths)[0]


class Nearby(nn.Module):
    """Layers that see a token and its neighbours: (B, T, D) → (B, T, H); padding is as empty as what lies beyond it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        return self.layers(x.masked_fill(Tensor(~length_mask(lengths, x.shape[1])[:, :, None]), 0.0))


class Convolution(nn.Conv1d):
    """A convolution along time, for sequences with the features last: (B, T, D) → (B, T, H)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Convolutions(nn.Module):
    """Convolutions of widths 3, 4 and 5 side by side: (B, T, D) → (B, T, 3H)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([Convolution(dim, hidden, kernel_size=k, padding="same") for k in (3, 4, 5)])

    def forward(self, x: Tensor) -> Tensor:
        return minigrad.cat([conv(x) for conv in self.convs], dim=-1)


class Transformer(nn.Module):
    """Two blocks of attention to the whole sentence: (B, T, D) → (B, T, 64)."""

    def __init__(self, dim: int, heads: int, positions: str, hidden: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.project = nn.Linear(dim, hidden)
        self.added = {
            "sinusoidal": lambda: nn.SinusoidalPositions(hidden),
            "learned": lambda: nn.LearnedPositions(512, hidden),
        }.get(positions, nn.Identity)()
        self.dropout = nn.Dropout(dropout)

        def mixer() -> nn.Module:
            bias = nn.RelativeBias(heads) if positions == "relative" else None
            if heads == 1:
                return nn.SelfAttention(hidden, bias=True, positions=bias)
            return nn.MultiHead(hidden, heads, dropout=dropout, positions=bias)

        self.blocks = nn.ModuleList([nn.EncoderBlock(mixer(), hidden, 2 * hidden, dropout) for _ in range(2)])
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        x = self.dropout(self.added(self.project(x)))
        for block in self.blocks:
            x = block(x, lengths=lengths)
        return self.norm(x)


def mixer_for(model: str, dim: int, positions: str) -> tuple[nn.Module, int, float]:
    """The layer that lets tokens see each other, the size of what it gives for each, and the dropout around it."""
    if model in ("attention", "multihead"):
        return Transformer(dim, 1 if model == "attention" else 4, positions), 64, 0.0
    if model == "linear":
        return Nearby(nn.Linear(dim, 128), nn.ReLU()), 128, 0.3
    if model == "window":
        return Nearby(nn.Window(dim, 128), nn.ReLU()), 128, 0.3
    if model == "conv1d":
        return Nearby(Convolution(dim, 128, kernel_size=3, padding="same"), nn.ReLU()), 128, 0.3
    if model == "cnn":
        return Nearby(Convolutions(dim, 50), nn.ReLU()), 150, 0.3
    return Recurrent(model, dim, 64), 128 if model.startswith("bi") else 64, 0.3


class Tagger(nn.Module):
    """ids (B, T, 5) and lengths (B) → scores of the tags (B, T, tags)."""

    def __init__(self, lexicon: Lexicon, model: str, positions: str = "relative", crf: bool = False) -> None:
        super().__init__()
        self.features = TokenFeatures(lexicon)
        self.mixer, size, dropout = mixer_for(model, self.features.dim, positions)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(size, len(lexicon.tags))
        self.crf = nn.CRF(len(lexicon.tags)) if crf else None

    def forward(self, ids: Tensor, lengths: np.ndarray) -> Tensor:
        x = self.mixer(self.dropout(self.features(ids)), lengths)
        return self.output(self.dropout(x))

    def loss(self, ids: Tensor, lengths: np.ndarray, tags: Tensor) -> Tensor:
        """The mean over all tokens of −log p(tag), tag by tag, or of the whole sentence with a CRF."""
        scores = self(ids, lengths)
        if self.crf is None:
            return F.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=IGNORED)
        return -self.crf(scores, tags, lengths, reduction="sum") / int(lengths.sum())

    def best(self, ids: Tensor, lengths: np.ndarray) -> list[list[int]]:
        """The best tags of each sentence."""
        scores = self(ids, lengths)
        if self.crf is not None:
            return self.crf.decode(scores, lengths)
        return [row[:n] for row, n in zip(scores.argmax(-1).tolist(), lengths, strict=True)]


MODELS = [
    "attention",
    "multihead",
    "rnn",
    "lstm",
    "gru",
    "birnn",
    "bilstm",
    "bigru",
    "conv1d",
    "cnn",
    "window",
    "linear",
]
POSITIONS = ["none", "sinusoidal", "learned", "relative"]


# ---- training and using it ------------------------------------------------------------------------------------------


def batch_of(examples: Sequence[Example]) -> tuple[Tensor, np.ndarray, Tensor]:
    """Sentences of unequal length as one batch: ids (B, T, 5), lengths (B), tags (B, T)."""
    ids, lengths = pad([e.ids for e in examples], 0)
    tags, _ = pad([e.tags for e in examples], IGNORED)
    return Tensor(ids), lengths, Tensor(tags)


def loss_of(tagger: Tagger, examples: Sequence[Example]) -> Tensor:
    """The mean loss over all real tokens of a batch."""
    return tagger.loss(*batch_of(examples))


@minigrad.no_grad()
def predict(tagger: Tagger, examples: Sequence[Example]) -> list[np.ndarray]:
    """The best tag of every token."""
    tagger.eval()
    answers: list[Any] = [None] * len(examples)
    for group in buckets([len(e.ids) for e in examples], 64):
        ids, lengths, _ = batch_of([examples[i] for i in group])
        for i, tags in zip(group, tagger.best(ids, lengths), strict=True):
            answers[i] = np.array(tags)
    return answers


def accuracy(answers: Sequence[np.ndarray], examples: Sequence[Example]) -> float:
    """The share of tokens that got the right tag."""
    right = sum(int((a == e.tags).sum()) for a, e in zip(answers, examples, strict=True))
    return right / max(sum(len(e.tags) for e in examples), 1)


def train(
    tagger: Tagger, examples: Sequence[Example], dev: Sequence[Example], epochs: int, lr: float, label: str = "train"
) -> None:
    """Adam with a linear warm-up and a linear decay to 0, on batches of 32 sentences of similar length."""
    steps = epochs * -(-len(examples) // 32)
    warmup = min(200, steps // 10 + 1)
    optimizer = optim.Adam(tagger.parameters(), lr=lr)
    schedule = optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: min((t + 1) / warmup, (steps - t) / (steps - warmup + 1))
    )
    lengths = [len(e.ids) for e in examples]
    bar = Progress([group for _ in range(epochs) for group in buckets(lengths, 32)], label)
    for step, group in enumerate(bar, 1):
        tagger.train()
        optimizer.zero_grad()
        loss = loss_of(tagger, [examples[i] for i in group])
        loss.backward()
        nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % max(steps // epochs, 1) == 0:
            bar.note = f"loss {loss.item():.3f}  dev {100 * accuracy(predict(tagger, dev), dev):.2f} %"


# ---- what to compare it with ----------------------------------------------------------------------------------------


class Baselines(NamedTuple):
    """What one gets without looking at the context."""

    majority: str  # the commonest tag
    of_word: dict[str, str]  # the commonest tag of each word
    ambiguous: set[str]  # the words that have several tags

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> Baselines:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for s in sentences:
            for word, tag in zip(s.words, s.tags, strict=True):
                counts[word.lower()][tag] += 1
        total = sum(counts.values(), Counter())
        best = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
        return cls(total.most_common(1)[0][0], best, {word for word, tags in counts.items() if len(tags) > 1})

    def tag(self, word: str) -> str:
        return self.of_word.get(word.lower(), self.majority)


def percent(right: Sequence[bool]) -> str:
    return f"{100 * sum(right) / len(right):6.1f}" if right else "     –"


def report(
    sentences: Sequence[Sentence], baselines: Baselines, columns: dict[str, list[list[str]]]
) -> dict[str, float]:
    """Print the accuracy of each column of answers: over all tokens, ambiguous and unseen words, and each slice."""
    tokens = [
        (s.comments.get("slice", ""), word.lower(), tag, i, j)
        for i, s in enumerate(sentences)
        for j, (word, tag) in enumerate(zip(s.words, s.tags, strict=True))
    ]
    columns = {
        "majority": [[baselines.majority] * len(s.words) for s in sentences],
        "most frequent": [[baselines.tag(word) for word in s.words] for s in sentences],
        **columns,
    }
    rows: dict[str, Callable[[str, str], bool]] = {
        "all tokens": lambda part, word: True,
        "ambiguous words": lambda part, word: word in baselines.ambiguous,
        "unseen words": lambda part, word: word not in baselines.of_word,
    }
    for name in sorted({part for part, *_ in tokens if part}):
        rows[f"slice {name!r}"] = lambda part, word, name=name: part == name

    print(f"\n{'accuracy on the test part, %':30}{'tokens':>8}" + "".join(f"{name:>16}" for name in columns))
    overall = {}
    for title, counts in rows.items():
        chosen = [(tag, i, j) for part, word, tag, i, j in tokens if counts(part, word)]
        line = f"{title:30}{len(chosen):8}"
        for name, answers in columns.items():
            right = [answers[i][j] == tag for tag, i, j in chosen]
            line += f"{percent(right):>16}"
            if title == "all tokens":
                overall[name] = sum(right) / max(len(right), 1)
        print(line)
    return overall


def print_confusions(sentences: Sequence[Sentence], answers: Sequence[Sequence[str]], most: int = 5) -> None:
    """Print the pairs of tags that are mistaken for each other most often, with an example of each."""
    pairs: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], str] = {}
    for s, answer in zip(sentences, answers, strict=True):
        for j, (right, given) in enumerate(zip(s.tags, answer, strict=True)):
            if right != given:
                pairs[right, given] += 1
                where.setdefault((right, given), " ".join([*s.words[:j], f"[{s.words[j]}]", *s.words[j + 1 :]]))
    print("\nmost frequent mistakes" if pairs else "\nno mistakes")
    for (right, given), n in pairs.most_common(most):
        print(f"  {n:4} × {right:6} taken for {given:6} as in: {where[right, given][:80]}")


def tag_sentences(tagger: Tagger, lexicon: Lexicon, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """The tags of sentences given as lists of words."""
    examples = [Example(lexicon.encode(words), np.zeros(len(words), int)) for words in sentences]
    return [[lexicon.tags[i] for i in best] for best in predict(tagger, examples)]


def print_tagged(words: Sequence[str], tags: Sequence[str]) -> None:
    """Print a sentence with its tags below the words."""
    widths = [max(len(w), len(t)) + 2 for w, t in zip(words, tags, strict=True)]
    print("  " + "".join(w.ljust(n) for w, n in zip(words, widths, strict=True)).rstrip())
    print("  " + "".join(t.ljust(n) for t, n in zip(tags, widths, strict=True)).rstrip())


# ---- saving ---------------------------------------------------------------------------------------------------------


def save(tagger: Tagger, lexicon: Lexicon, model: str, positions: str, path: str) -> None:
    """Write everything that tagging needs to one `.npz` file."""
    vocabularies = {
        "words": lexicon.words.state_dict(),
        "endings": [vocab.state_dict() for vocab in lexicon.endings],
        "tags": lexicon.tags,
    }
    minigrad.save(
        {
            "model": model,
            "positions": positions,
            "crf": tagger.crf is not None,
            **vocabularies,
            "weights": tagger.state_dict(),
        },
        path,
    )


def load(path: str) -> tuple[Tagger, Lexicon]:
    """Read what `save` wrote."""
    stored = minigrad.load(path)
    endings = [Vocab.from_state_dict(state) for state in stored["endings"]]
    lexicon = Lexicon(Vocab.from_state_dict(stored["words"]), endings, stored["tags"])
    tagger = Tagger(lexicon, stored["model"], stored["positions"], stored["crf"])
    tagger.load_state_dict(stored["weights"])
    return tagger, lexicon


# ---- the programme --------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--train", metavar="FILE.conllu", default=HERE / "tiny-train.conllu", help="sentences to learn from")
    p.add_argument(
        "--dev", metavar="FILE.conllu", default=HERE / "tiny-dev.conllu", help="sentences to watch meanwhile"
    )
    p.add_argument("--test", metavar="FILE.conllu", default=HERE / "tiny-test.conllu", help="sentences to be judged by")
    p.add_argument("--model", choices=MODELS, default="multihead")
    p.add_argument("--positions", choices=POSITIONS, default="relative", help="how the attention models know the order")
    p.add_argument("--crf", action="store_true", help="judge the tags of a sentence together, not one by one")
    p.add_argument("--epochs", type=int, help="default: 6, or more for a small corpus")
    p.add_argument("--lr", type=float, help="default: 2e-3 for attention, 3e-3 for the others")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--save", metavar="FILE.npz")
    p.add_argument("--load", metavar="FILE.npz", help="use a saved tagger instead of training one")
    p.add_argument("--tag", metavar="SENTENCE", help="tag this sentence")
    p.add_argument("--quick", action="store_true", help="a few epochs only, to see that it runs")
    a = p.parse_args(arguments)

    try:
        return run(a)
    except (OSError, ValueError) as error:  # a file that is missing or is not what it should be
        sys.exit(f"{p.prog}: {error}")


def run(a: argparse.Namespace) -> dict[str, float]:
    """Train or load a tagger, judge it, and show what it does."""
    if a.load and a.tag:
        tagger, lexicon = load(a.load)
        print_tagged(a.tag.split(), tag_sentences(tagger, lexicon, [a.tag.split()])[0])
        return {}

    minigrad.manual_seed(a.seed)
    training, dev, test = (list(read_conllu(path)) for path in (a.train, a.dev, a.test))
    lexicon = Lexicon.of(training)
    baselines = Baselines.of(training)
    attentive = a.model in ("attention", "multihead")
    epochs = a.epochs or (8 if a.quick else max(6, 500 * 32 // len(training)))
    lr = a.lr or (2e-3 if attentive else 3e-3)

    columns = {}
    for positions in [a.positions] + ["none"] * (attentive and a.positions != "none" and not a.load):
        if a.load:
            tagger, lexicon = load(a.load)
        else:
            tagger = Tagger(lexicon, a.model, positions, a.crf)
            name = f"{a.model}, {positions} positions" if attentive else a.model
            parameters = sum(p.numel() for p in tagger.parameters())
            print(f"{name}: {parameters:,} parameters, {len(training):,} sentences, {epochs} epochs")
            train(tagger, encode(training, lexicon), encode(dev, lexicon), epochs, lr, name)
        title = a.model if positions == a.positions else "no positions"
        columns[title] = tag_sentences(tagger, lexicon, [s.words for s in test])
        if positions == a.positions:
            chosen = tagger

    overall = report(test, baselines, columns)
    print_confusions(test, columns[a.model])
    print("\nas the network tags them")
    for s in [
        s.split() for s in ([a.tag] if a.tag else ["I saw a saw .", "They watch the play .", "They play the watch ."])
    ]:
        print_tagged(s, tag_sentences(chosen, lexicon, [s])[0])
    if a.save:
        save(chosen, lexicon, a.model, a.positions, a.save)
        print(f"\nsaved to {a.save}")
    for name in ("majority", "most frequent"):
        if a.model != "linear":
            assert overall[a.model] > overall[name], f"{a.model} does not beat the {name} tag: {overall}"
    return overall


if __name__ == "__main__":
    main()
