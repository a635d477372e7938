"""Recordings of spoken digits as sequences of vectors, with a label for each: who speaks, or which digit.

    learn, judge = read_recordings(Path("recordings"), "speaker")

A directory holds files named digit_speaker_take.wav, such as 7_eve_0.wav. Takes 0 to 4 are to be judged by. In place of
a directory there may be one .npz file that holds audio (all recordings one after the other, 16 bits), offset (where
each begins, and the end of the last), rate, digit, speaker, index (the take) and speakers (their names).

Source of the names and of the takes: the Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from examples import lesson
from nn.audio import log_mel, read_wav


class Recordings(NamedTuple):
    """Frames (T, 24) of each recording, its label, and the names of the labels."""

    frames: list[np.ndarray]
    labels: np.ndarray
    names: list[str]


class Takes(NamedTuple):
    """Of each recording, its frames (T, 24), its digit, the number of its speaker, and which take it is; the names."""

    frames: list[np.ndarray]
    digit: np.ndarray
    speaker: np.ndarray
    take: np.ndarray
    speakers: list[str]


def read_directory(path: Path) -> Takes:
    """Every digit_speaker_take.wav of a directory."""
    named = {file: re.fullmatch(r"(\d)_(.+)_(\d+)", file.stem) for file in sorted(path.glob("*.wav"))}
    found = [(file, match.groups()) for file, match in named.items() if match]
    if not found:
        raise ValueError(f"{path}: no recording in it is named like 7_eve_0.wav: digit_speaker_take.wav")
    digits, who, takes = zip(*(parts for _, parts in found), strict=True)
    speakers, speaker = np.unique(who, return_inverse=True)
    frames = [log_mel(*read_wav(file)) for file, _ in found]
    return Takes(frames, np.array(digits, np.int64), speaker, np.array(takes, np.int64), speakers.tolist())


def read_file(path: Path) -> Takes:
    """The recordings of an .npz file as the docstring above describes it."""
    stored = lesson.read_npz(path, ["audio", "offset", "rate", "digit", "speaker", "index", "speakers"])
    offset, digit, speaker, take = (stored[name] for name in ("offset", "digit", "speaker", "index"))
    if not len(offset) - 1 == len(digit) == len(speaker) == len(take) or offset[-1] > len(stored["audio"]):
        raise ValueError(
            f"{path}: {len(offset)} offsets up to {offset[-1]} do not cut {len(stored['audio'])} samples into "
            f"{len(digit)} recordings; their beginnings and the end of the last are needed"
        )
    audio = stored["audio"].astype(np.float32) / 32768
    frames = [log_mel(audio[a:b], int(stored["rate"])) for a, b in pairwise(offset)]
    return Takes(frames, digit.astype(np.int64), speaker.astype(np.int64), take, [str(s) for s in stored["speakers"]])


def read_recordings(path: Path, label: str) -> tuple[Recordings, Recordings]:
    """The recordings of a directory or a file: to learn from, and to be judged by.

    **Raises** `ValueError` if it is not as the docstring above describes it.
    """
    found = read_directory(path) if path.is_dir() else read_file(path)
    labels, names = found.digit, [str(digit) for digit in range(10)]
    if label == "speaker":
        labels, names = found.speaker, found.speakers
    parts = np.flatnonzero(found.take >= 5), np.flatnonzero(found.take < 5)
    if not all(map(len, parts)):
        raise ValueError(f"{path}: takes 0 to 4 to be judged by and later ones to learn from are needed, not one kind")
    learn, judge = (Recordings([found.frames[i] for i in part], labels[part], names) for part in parts)
    return learn, judge


def standardised(train: Recordings, test: Recordings) -> tuple[Recordings, Recordings]:
    """Each band with mean 0 and deviation 1 in the training part."""
    joined = np.concatenate(train.frames)
    mean, deviation = joined.mean(0), joined.std(0)
    one, other = (r._replace(frames=[(x - mean) / deviation for x in r.frames]) for r in (train, test))
    return one, other
