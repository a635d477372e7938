"""Teach a network the parts of speech: in "I saw a saw" the first saw is a verb, the second a noun.

    python examples/sequence_labeler.py                    # on a small corpus that comes along, in a few seconds
    python examples/sequence_labeler.py --train a.conllu --dev b.conllu --test c.conllu         # on any UD treebank
    python examples/sequence_labeler.py --save tagger.npz
    python examples/sequence_labeler.py --load tagger.npz --tag "I saw a saw"
    python examples/sequence_labeler.py --pictures DIR     # draws a training step, attention and learning curves
    python examples/sequence_labeler.py --ablate           # which parts of attention does it need?

Every token becomes a vector (of its word, its last letters, its shape); a mixer lets the tokens of a sentence see each
other; a linear layer scores the tags of each token. `--model` chooses the mixer: `linear` sees one word only, `window`,
`conv1d` and `cnn` its neighbours, `rnn`, `lstm` and `gru` what stands to the left (with `bi` before the name, to the
right too), `attention` (one head) and `multihead` the whole sentence. `--crf` judges all tags of a sentence together.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import common
from examples.baselines import MostFrequentTag
from examples.common import HERE, Epoch
from examples.mixers import HEADS, NEARBY, RECURRENT, Attention, mixer_for
from examples.pictures import Looked, write_pictures
from examples.progress import Progress
from minigrad import Tensor
from nn import optim
from nn.data import Sentence, Vocab, buckets, pad, read_conllu
from nn.record import record_attention

MODELS = [*HEADS, *RECURRENT, *NEARBY]
IGNORED = -100  # the label of padding, which the loss does not count


# ---- from words to numbers ------------------------------------------------------------------------------------------

SHAPES = ["digit", "UPPER", "Title", "lower", "other"]


def shape_of(word: str) -> int:
    """What kind of letters a word is made of, as an index into SHAPES."""
    of_that_kind = [
        any(c.isdigit() for c in word),
        word.isupper() and len(word) > 1,
        word.istitle() or word[:1].isupper(),
        word.islower(),
        True,
    ]
    return of_that_kind.index(True)


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


class Transformer(Attention):
    """Two blocks of attention on 64 features, with LayerNorm at the end: (B, T, D) → (B, T, 64)."""

    def __init__(self, dim: int, heads: int, positions: str, ablation: str) -> None:
        super().__init__(64, heads, blocks=2, dropout=0.1, positions=positions, ablation=ablation)
        self.project = nn.Linear(dim, 64)
        self.dropout = nn.Dropout(0.1)
        self.norm = nn.Identity() if ablation == "no layer norm" else nn.LayerNorm(64)

    def forward(self, x: Tensor, lengths: Any) -> Tensor:
        return self.norm(super().forward(self.dropout(self.project(x)), lengths))


class Tagger(nn.Module):
    """ids (B, T, 5) and lengths (B) → scores of the tags (B, T, tags)."""

    def __init__(
        self, lexicon: Lexicon, model: str, positions: str = "relative", crf: bool = False, ablation: str = ""
    ) -> None:
        super().__init__()
        self.features = TokenFeatures(lexicon)
        if model in HEADS:
            self.mixer: nn.Module = Transformer(self.features.dim, HEADS[model], positions, ablation)
        else:
            self.mixer = mixer_for(model, self.features.dim)
        self.dropout = nn.Dropout(0.0 if model in HEADS else 0.3)
        self.output = nn.Linear(self.mixer.size, len(lexicon.tags))
        self.crf = nn.CRF(len(lexicon.tags)) if crf else None

    def forward(self, ids: Tensor, lengths: Any) -> Tensor:
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
    answers: dict[int, np.ndarray] = {}
    for group in buckets([len(e.ids) for e in examples], 64):
        ids, lengths, _ = batch_of([examples[i] for i in group])
        answers.update(zip(group, map(np.array, tagger.best(ids, lengths)), strict=True))
    return [answers[i] for i in range(len(examples))]


def accuracy(answers: Sequence[np.ndarray], examples: Sequence[Example]) -> float:
    """The share of tokens that got the right tag."""
    right = sum(int((a == e.tags).sum()) for a, e in zip(answers, examples, strict=True))
    return right / max(sum(len(e.tags) for e in examples), 1)


def train(
    tagger: Tagger, examples: Sequence[Example], dev: Sequence[Example], epochs: int, lr: float, name: str = "train"
) -> list[Epoch]:
    """Adam, the learning rate rising, then falling to 0, on batches of 32 sentences of similar length."""
    optimizer = optim.Adam(tagger.parameters(), lr=lr)
    schedule = common.warm_up_and_decay(optimizer, epochs * math.ceil(len(examples) / 32))
    history: list[Epoch] = []
    progress = Progress(range(epochs), name)
    for _ in progress:
        losses = []
        for group in buckets([len(e.ids) for e in examples], 32):
            tagger.train()
            optimizer.zero_grad()
            loss = loss_of(tagger, [examples[i] for i in group])
            loss.backward()
            nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.note = f"loss {losses[-1]:.3f}"
        history.append(Epoch(float(np.mean(losses)), accuracy(predict(tagger, dev), dev)))
        progress.note = f"loss {history[-1].loss:.3f}  dev {100 * history[-1].accuracy:.2f} %"
    return history


def tag_sentences(tagger: Tagger, lexicon: Lexicon, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """The tags of sentences given as lists of words."""
    examples = [Example(lexicon.encode(words), np.zeros(len(words), int)) for words in sentences]
    return [[lexicon.tags[i] for i in best] for best in predict(tagger, examples)]


def attention_of(tagger: Tagger, lexicon: Lexicon, words: Sequence[str]) -> dict[str, np.ndarray]:
    """Where each word of a sentence looks, for each layer of attention by its path: (H, T, T)."""
    with record_attention(tagger) as maps:
        tag_sentences(tagger, lexicon, [words])
    return {path: weights[0].numpy() for path, (weights,) in maps.items()}


# ---- what comes out -------------------------------------------------------------------------------------------------


def report(
    sentences: Sequence[Sentence], known: MostFrequentTag, columns: dict[str, list[list[str]]]
) -> dict[str, float]:
    """Print the accuracy of each column of answers: over all tokens, ambiguous and unseen words, and each slice."""
    words = [word.lower() for s in sentences for word in s.words]
    slices = [s.comments.get("slice", "") for s in sentences for _ in s.words]
    rows = {
        "all tokens": [True for _ in words],
        "ambiguous words": [word in known.ambiguous for word in words],
        "unseen words": [word not in known.of_word for word in words],
        **{f"slice {name!r}": [part == name for part in slices] for name in sorted({*slices} - {""})},
    }
    tags = np.array([tag for s in sentences for tag in s.tags])
    right = {name: np.array([tag for answer in answers for tag in answer]) == tags for name, answers in columns.items()}
    return common.print_accuracies("tokens", rows, right)


def print_confusions(sentences: Sequence[Sentence], answers: Sequence[Sequence[str]], most: int = 5) -> None:
    """Print the pairs of tags that are mistaken for each other most often, with an example of each."""
    where: dict[tuple[str, str], list[str]] = {}
    for s, answer in zip(sentences, answers, strict=True):
        for j, (right, given) in enumerate(zip(s.tags, answer, strict=True)):
            if right != given:
                shown = " ".join([*s.words[:j], f"[{s.words[j]}]", *s.words[j + 1 :]])
                where.setdefault((right, given), []).append(shown)
    print("\nmost frequent mistakes" if where else "\nno mistakes")
    for (right, given), places in sorted(where.items(), key=lambda item: -len(item[1]))[:most]:
        print(f"  {len(places):4} × {right:6} taken for {given:6} as in: {places[0][:80]}")


def print_tagged(words: Sequence[str], tags: Sequence[str]) -> None:
    """Print a sentence with its tags below the words."""
    widths = [max(len(w), len(t)) + 2 for w, t in zip(words, tags, strict=True)]
    print("  " + "".join(w.ljust(n) for w, n in zip(words, widths, strict=True)).rstrip())
    print("  " + "".join(t.ljust(n) for t, n in zip(tags, widths, strict=True)).rstrip())


def draw(
    directory: Path, tagger: Tagger, lexicon: Lexicon,
    batch: Sequence[Sentence], texts: Sequence[str], histories: dict[str, list[Epoch]],
) -> None:  # fmt: skip
    """Draw a training step on a batch, where the words of some texts look, and the learning curves."""
    looks = [Looked(text, text.split(), attention_of(tagger, lexicon, text.split())) for text in texts]
    write_pictures(directory, tagger, lambda: loss_of(tagger, encode(batch, lexicon)), looks, histories)


# ---- saving ---------------------------------------------------------------------------------------------------------


def save(tagger: Tagger, lexicon: Lexicon, model: str, positions: str, path: str) -> None:
    """Write everything that tagging needs to one `.npz` file."""
    settings = {"model": model, "positions": positions, "crf": tagger.crf is not None}
    endings = [vocab.state_dict() for vocab in lexicon.endings]
    vocabularies = {"words": lexicon.words.state_dict(), "endings": endings, "tags": lexicon.tags}
    minigrad.save({**settings, **vocabularies, "weights": tagger.state_dict()}, path)


def load(path: str) -> tuple[Tagger, Lexicon]:
    """Read what `save` wrote."""
    stored = minigrad.load(path)
    if not isinstance(stored, dict) or "endings" not in stored:
        raise ValueError(f"{path}: this file holds no tagger that --save wrote")
    endings = [Vocab.from_state_dict(state) for state in stored["endings"]]
    lexicon = Lexicon(Vocab.from_state_dict(stored["words"]), endings, stored["tags"])
    tagger = Tagger(lexicon, stored["model"], stored["positions"], stored["crf"])
    tagger.load_state_dict(stored["weights"])
    return tagger, lexicon


# ---- the programme --------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    p = common.command_line(__doc__, HERE / "tiny", "conllu", MODELS)
    p.add_argument("--crf", action="store_true", help="judge the tags of a sentence together, not one by one")
    p.add_argument("--tag", metavar="SENTENCE", help="tag this sentence")
    return common.start(p, run, arguments)


class Trained(NamedTuple):
    """A tagger, what it needs to read words, and how its training went (nothing is known of one from a file)."""

    tagger: Tagger
    lexicon: Lexicon
    history: list[Epoch]


def train_all(a: argparse.Namespace, training: Sequence[Sentence], dev: Sequence[Sentence]) -> dict[str, Trained]:
    """Train the model that was asked for, and beside it the same without positions, or with each part left out."""
    lexicon = Lexicon.of(training)
    epochs = a.epochs or (8 if a.quick else max(6, 500 * 32 // len(training)))
    lr = a.lr or (2e-3 if a.model in HEADS else 3e-3)
    trained = {}
    for title in [a.model, *common.ablations_for(a)]:
        minigrad.manual_seed(a.seed)
        tagger = Tagger(lexicon, a.model, a.positions, a.crf, ablation="" if title == a.model else title)
        parameters = sum(p.numel() for p in tagger.parameters())
        print(f"{title}: {parameters:,} parameters, {len(training):,} sentences, {epochs} epochs")
        history = train(tagger, encode(training, lexicon), encode(dev, lexicon), epochs, lr, title)
        trained[title] = Trained(tagger, lexicon, history)
    return trained


def run(a: argparse.Namespace) -> dict[str, float]:
    """Train or load a tagger, judge it, and show what it does."""
    if a.load and a.tag:
        tagger, lexicon = load(a.load)
        (tags,) = tag_sentences(tagger, lexicon, [a.tag.split()])
        print_tagged(a.tag.split(), tags)
        if a.pictures:
            draw(a.pictures, tagger, lexicon, [Sentence(a.tag.split(), tags, {})], [a.tag], {})
        return {}
    training, dev, test = (list(read_conllu(path)) for path in (a.train, a.dev, a.test))
    trained = {a.model: Trained(*load(a.load), [])} if a.load else train_all(a, training, dev)
    answers = {title: tag_sentences(t.tagger, t.lexicon, [s.words for s in test]) for title, t in trained.items()}
    tagger, lexicon, history = trained[a.model]
    common.print_curves(history)
    known = MostFrequentTag(training)
    overall = report(test, known, known.answers(test) | answers)
    print_confusions(test, answers[a.model])
    print("\nas the network tags them")
    texts = [a.tag] if a.tag else ["I saw a saw .", "They watch the play .", "They play the watch ."]
    for text in texts:
        print_tagged(text.split(), tag_sentences(tagger, lexicon, [text.split()])[0])
    if a.save:
        save(tagger, lexicon, a.model, a.positions, a.save)
        print(f"\nsaved to {a.save}")
    if a.pictures:
        histories = {title: t.history for title, t in trained.items()}
        draw(a.pictures, tagger, lexicon, training[:2], texts, histories)
    for name in ("majority", "most frequent"):
        if a.model != "linear":
            assert overall[a.model] > overall[name], f"{a.model} does not beat the {name} tag: {overall}"
    return overall


if __name__ == "__main__":
    main()
