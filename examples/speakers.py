"""Who is speaking? Sound becomes a sequence of vectors, one every 10 ms, and the whole sequence gets one label.

    python examples/speakers.py                                    # three made-up voices
    python examples/speakers.py --data recordings                  # 0_eve_0.wav, 0_eve_1.wav … in a directory
    python examples/speakers.py --data recordings --label digit

25 ms of sound are a frame; its energies in 24 bands of pitch are a vector. Two layers of attention mix the frames, and
their mean is classified. Beside it stands a linear layer on the mean of the frames as they are: it knows which pitches
are loud on the whole, but not which at the same time. The made-up voices differ in their formants, the two resonances
that make a vowel: the shorter the throat, the higher both. What they sing, and how high, is the same for all.

What may stand in --data is said in recordings.py: the Free Spoken Digit Dataset, or files named as there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.common import warm_up_and_decay
from examples.progress import Progress
from examples.recordings import Recordings, read_recordings, standardised
from minigrad import Tensor
from minigrad.viz import attention
from nn import optim
from nn.audio import log_mel
from nn.data import buckets, pad
from nn.text_cnn import mean_over_time

RATE = 8000  # samples in a second, of the made-up voices
VOWELS = {"a": (750, 1250), "e": (450, 1900), "i": (300, 2300), "o": (450, 850), "u": (320, 700)}  # formants in Hz
THROATS = {"Ada": 1.12, "Ben": 1.0, "Cleo": 0.89}  # by what their formants are multiplied

# ---- the data -------------------------------------------------------------------------------------------------------


def sing(vowels: Sequence[str], throat: float, rng: np.random.Generator) -> np.ndarray:
    """A word of vowels: overtones of a wavering pitch, each the louder the nearer to a formant."""
    length = rng.integers(600, 1200)  # samples of each vowel
    formants = np.repeat([VOWELS[v] for v in vowels], length, axis=0) * throat * rng.normal(1, 0.02, 2)  # (N, 2)
    time = np.arange(len(formants)) / RATE
    pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 4) * time + rng.uniform(0, 6)))
    overtone = np.arange(1, 41)[:, None]  # (40, 1)
    frequency = overtone * pitch  # (40, N)
    near = sum(1 / (1 + ((frequency - formant) / 90) ** 2) for formant in formants.T)
    waves = near * np.sin(2 * np.pi * overtone * np.cumsum(pitch) / RATE) * (frequency < RATE / 2) / overtone**0.5
    sound = waves.sum(0) + rng.normal(0, 0.05, len(time))
    return (sound * rng.uniform(0.3, 0.9) / np.abs(sound).max()).astype(np.float32)


def made_up_voices(words: int, rng: np.random.Generator) -> Recordings:
    """So many words of two to four vowels, each from a random voice."""
    labels = rng.integers(len(THROATS), size=words)
    throats = list(THROATS.values())
    sounds = [sing(rng.choice(list(VOWELS), rng.integers(2, 5)).tolist(), throats[label], rng) for label in labels]
    return Recordings([log_mel(sound, RATE) for sound in sounds], labels, list(THROATS))


# ---- the models -----------------------------------------------------------------------------------------------------


class LinearOnMeans(nn.Module):
    """The mean of the frames, and a linear layer: frames (B, T, 24), lengths (B) → scores (B, C)."""

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(bands, classes)

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        return self.output(mean_over_time(x, lengths))


class Listener(nn.Module):
    """Two blocks of attention among the frames, then their mean and a linear layer: arguments as above."""

    def __init__(self, bands: int, classes: int, dim: int = 64) -> None:
        super().__init__()
        self.input = nn.Sequential(nn.Linear(bands, dim), nn.SinusoidalPositions(dim))
        self.blocks = nn.ModuleList([nn.EncoderBlock(nn.MultiHead(dim, 4), dim, 2 * dim, 0.1) for _ in range(2)])
        self.output = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, x: Tensor, lengths: np.ndarray) -> Tensor:
        x = self.input(x)
        for block in self.blocks:
            x = block(x, lengths=lengths)
        return self.output(mean_over_time(x, lengths))


# ---- training and using them ----------------------------------------------------------------------------------------


def train(model: nn.Module, data: Recordings, epochs: int, lr: float, name: str) -> None:
    """Adam on batches of similar length, the learning rate rising, then falling to 0."""
    optimizer = optim.Adam(model.parameters(), lr=lr)
    schedule = warm_up_and_decay(optimizer, epochs * -(-len(data.labels) // 32))
    progress = Progress(range(epochs), name)
    for _ in progress:
        model.train()
        for rows in buckets([len(x) for x in data.frames], 32):
            x, lengths = pad([data.frames[i] for i in rows])
            optimizer.zero_grad()
            loss = F.cross_entropy(model(Tensor(x), lengths), Tensor(data.labels[rows]))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        progress.note = f"loss {loss.item():.3f}"


@minigrad.no_grad()
def answers_of(model: nn.Module, data: Recordings) -> np.ndarray:
    """The likeliest label of each recording."""
    model.eval()
    answers = np.zeros(len(data.labels), np.int64)
    for rows in buckets([len(x) for x in data.frames], 50):
        x, lengths = pad([data.frames[i] for i in rows])
        answers[rows] = model(Tensor(x), lengths).numpy().argmax(1)
    return answers


def accuracy(model: nn.Module, data: Recordings) -> float:
    return float((answers_of(model, data) == data.labels).mean())


def map_of(model: nn.Module, frames: np.ndarray) -> np.ndarray:
    """Which frame looks at which in the first block, at most 64 of them, a map for each head: (4, T, T)."""
    with nn.record_attention(model) as maps:
        model(Tensor(frames[None, :64]), np.array([len(frames[:64])]))
    return maps["blocks.0.mixer"][0][0].numpy()


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--data", metavar="DIR", type=Path, help="recordings named like 7_eve_0.wav, or their .npz file")
    p.add_argument("--label", choices=["speaker", "digit"], help="what to tell, with --data; default: speaker")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    if a.label and not a.data:
        raise ValueError(
            "--label chooses among the labels of --data; the made-up voices have no other than the speaker"
        )
    rng = np.random.default_rng(a.seed)
    if a.data:
        learn, judge = read_recordings(a.data, a.label or "speaker")
    else:
        learn, judge = made_up_voices(20 if a.short else 300, rng), made_up_voices(10 if a.short else 200, rng)
    learn, judge = standardised(learn, judge)
    print(f"{len(learn.labels)} recordings to learn from; {', '.join(learn.names)}")
    accuracies = {"commonest label": float((judge.labels == np.bincount(learn.labels).argmax()).mean())}
    for name, make, epochs, lr in [("linear on means", LinearOnMeans, 100, 1e-2), ("attention", Listener, 30, 1e-3)]:
        minigrad.manual_seed(a.seed)
        model = make(learn.frames[0].shape[1], len(learn.names))
        train(model, learn, 1 if a.short else epochs, lr, name)
        accuracies[name] = accuracy(model, judge)
    lesson.print_accuracies(f"{len(judge.labels)} recordings not heard before: right", accuracies)
    shown = judge.frames[0]
    times = [f"{10 * t} ms" for t in range(len(shown[:64]))]
    lesson.write_pictures(a.pictures, {"frames.svg": attention(map_of(model, shown), times)})
    if not a.short and not a.data:
        assert accuracies["attention"] > 0.85 > 0.5 > accuracies["commonest label"], accuracies
    return accuracies


if __name__ == "__main__":
    main()
