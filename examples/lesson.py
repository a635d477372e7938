"""What the short examples share beside their subject: options, files of arrays, a list of accuracies, pictures."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from minigrad.viz import Figure
from minigrad.viz.measure import columns

Result = TypeVar("Result")

# ---- the command line -----------------------------------------------------------------------------------------------


def at_least(least: int) -> Callable[[str], int]:
    """What `type=` of an option takes so that it is a whole number, and not less than that.

    >>> at_least(1)("3")
    3
    """

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return int(text)

    return whole_number


def options(doc: str | None) -> argparse.ArgumentParser:
    """The options of every short example; its docstring is the help."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seed", type=at_least(0), default=1, help="what all random numbers follow from; default: 1")
    p.add_argument("--short", action="store_true", help="a few steps on little data, to see that it runs")
    p.add_argument("--pictures", metavar="DIR", type=Path, help="write pictures into this directory")
    return p


def start(
    p: argparse.ArgumentParser, run: Callable[[argparse.Namespace], Result], argv: Sequence[str] | None
) -> Result:
    """Run an example; a file that is missing, or is not what it should be, gives one line and no traceback."""
    a = p.parse_args(argv)
    try:
        if a.pictures is not None:  # better before the training than after it
            a.pictures.mkdir(parents=True, exist_ok=True)
        return run(a)
    except (OSError, ValueError) as error:
        sys.exit(f"{p.prog}: {error}")


# ---- files and what comes out ---------------------------------------------------------------------------------------


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays of an `.npz` file, which must hold plain numbers and texts.

    **Raises** `ValueError` if it is no such file, or an array is missing.
    """
    names = list(names)
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file.files]
            arrays = {name: file[name] for name in names if name in file.files}
    except (zipfile.BadZipFile, ValueError, EOFError, AttributeError):
        raise ValueError(f"{path}: not a file of plain arrays, as np.savez writes it") from None
    if missing:
        raise ValueError(f"{path}: {', '.join(missing)} not in it; an .npz file with {', '.join(names)} is needed")
    return arrays


def print_accuracies(title: str, accuracies: Mapping[str, float]) -> None:
    """One line for each model, in per cent."""
    print(f"\n{title}, %")
    widest = max(map(columns, accuracies))
    for name, value in accuracies.items():
        print(f"  {name}{' ' * (widest - columns(name))}  {100 * value:5.1f}")


def shaded(values: np.ndarray) -> np.ndarray:
    """A mark for each number from 0, the darker the nearer to the greatest of them.

    >>> "".join(shaded(np.array([0.0, 0.1, 0.3, 0.5])))
    ' ░▓█'
    """
    steps = (5 * values / values.max()).astype(np.int64).clip(0, 4)
    return np.array(list(" ░▒▓█"))[steps]


def write_pictures(directory: Path | None, pictures: Mapping[str, Figure]) -> None:
    """Write each picture to `directory`, if there is one, under its name: "map.svg", "heads.html" …"""
    if directory is not None:
        for name, figure in pictures.items():
            print(f"drew {figure.write(directory / name)}")
