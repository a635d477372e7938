"""What the two main examples share beside their layers: options, tables, curves; and the course of the learning rate.

`warm_up_and_decay` serves the short examples too; what else they share is in `lesson.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from examples.lesson import at_least
from examples.lesson import start as start
from examples.mixers import ABLATIONS, HEADS, POSITIONS
from nn import optim

HERE = Path(__file__).parent / "data"  # the corpora that come along


# ---- the command line -----------------------------------------------------------------------------------------------


def command_line(doc: str, corpus: Path, suffix: str, models: Sequence[str]) -> argparse.ArgumentParser:
    """The options of both examples; the files, unless they are given, are those of `corpus`: tiny-train.conllu …"""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part, use in (("train", "learn from"), ("dev", "watch meanwhile"), ("test", "be judged by")):
        default = corpus.with_name(f"{corpus.name}-{part}.{suffix}")
        p.add_argument(f"--{part}", metavar=f"FILE.{suffix}", type=Path, default=default, help=f"sentences to {use}")
    p.add_argument("--model", choices=models, default="multihead")
    p.add_argument("--positions", choices=POSITIONS, default="relative", help="how the attention models know the order")
    p.add_argument("--ablate", action="store_true", help="take the parts of an attention model out, one at a time")
    p.add_argument("--epochs", type=at_least(1), help="at most; default: 6, or more for a small corpus")
    p.add_argument("--lr", type=float, help="the highest learning rate; default: what suits the model")
    p.add_argument("--seed", type=at_least(0), default=1)
    p.add_argument("--save", metavar="FILE.npz", help="write what was learned to this file")
    p.add_argument("--load", metavar="FILE.npz", help="use what --save wrote instead of training")
    p.add_argument("--pictures", metavar="DIR", type=Path, help="draw a training step, attention and curves into it")
    p.add_argument("--short", "--quick", dest="quick", action="store_true", help="a few epochs only, to see it run")
    return p


def ablations_for(a: argparse.Namespace) -> list[str]:
    """What to leave out of the model that was asked for: with attention, its positions at least."""
    if a.model not in HEADS:
        if a.ablate:
            raise ValueError(f"--ablate takes parts out of attention, which the model {a.model!r} has not")
        return []
    pointless = {"no positions"} if a.positions == "none" else set()
    pointless |= {"one head"} if HEADS[a.model] == 1 else set()
    return [name for name in (ABLATIONS if a.ablate else ABLATIONS[:1]) if name not in pointless]


# ---- training -------------------------------------------------------------------------------------------------------


class Epoch(NamedTuple):
    """What is known after an epoch: the mean loss of its batches, and the accuracy on dev."""

    loss: float
    accuracy: float


def warm_up_and_decay(optimizer: optim.Optimizer, steps: int) -> optim.lr_scheduler.LambdaLR:
    """The learning rate rises over the first 200 steps (a tenth of all, if they are few), then falls to 0."""
    warm = min(200, steps // 10 + 1)
    return optim.lr_scheduler.LambdaLR(optimizer, lambda t: min((t + 1) / warm, (steps - t) / (steps - warm + 1)))


# ---- what comes out -------------------------------------------------------------------------------------------------


def print_accuracies(
    units: str, rows: Mapping[str, Sequence[bool]], columns: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Print which share of the units (tokens, sentences) in each row each column has right; return the first row.

    Rows say of each unit whether it belongs there, columns whether the answer is right. An empty row is left out.
    """
    print(f"\n{'accuracy on the test part, %':30}{units:>10}" + "".join(f"{name:>16}" for name in columns))
    for title, chosen in rows.items():
        if any(chosen):
            cells = "".join(f"{100 * right[np.array(chosen)].mean():16.1f}" for right in columns.values())
            print(f"{title:30}{sum(chosen):10}{cells}")
    first = np.array(next(iter(rows.values())))
    return {name: float(right[first].mean()) for name, right in columns.items()}


def print_curves(history: Sequence[Epoch]) -> None:
    """Print the course of loss and accuracy as lines of bars, each between its first and its last value."""
    for title, values in zip(("loss", "accuracy on dev"), zip(*history, strict=True), strict=False):
        low, high = min(values), max(values)
        bars = "".join("▁▂▃▄▅▆▇█"[int(7.99 * (v - low) / (high - low or 1))] for v in values)
        print(f"  {title:16}{values[0]:8.3f} {bars} {values[-1]:.3f}")
