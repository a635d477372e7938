"""curves: lines over steps, as a training log wants them: each with its name at its end, no legend to look up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor
from .drawing import BAD, EDGE, GRID, PAGE, SERIES, Drawing, number
from .figure import Figure
from .measure import clean, columns, cut, width

DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "5 2 1 2 1 2", "4 4", "1 2")
WIDTH, HEIGHT = 560, 280  # of the plot, without what is written around it
TOP = 22
SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Series:
    """One line: `ys` measured at `xs`, of the same length."""

    name: str
    xs: np.ndarray
    ys: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Where there is a value."""
        return np.isfinite(self.ys)

    @property
    def stop(self) -> int | None:
        """The index of the first value that is not finite."""
        return None if self.finite.all() else int(self.finite.argmin())


def curves(series: Any, *, xlabel: str = "step", ylabel: str = "loss", log: bool = False) -> Figure:
    """One to eight lines: a sequence of numbers, or a mapping from name to numbers.

    Numbers stand at steps 0, 1, 2, …; a pair `(xs, ys)` puts them elsewhere, as for a loss that is measured now and
    then. `log` draws the values on a logarithmic axis. A ⚠ stands where a line first has a NaN or an infinity.

    **Raises** `ShapeError` for xs and ys of different lengths; `ValueError` for no series, more than eight, an empty
    one, or values that have no logarithm; `TypeError` for what is no number.

    >>> print(curves({"train": [4, 3, 2, 1.5, 1.25], "val": ([0, 2, 4], [4, 3, 3])}))
    loss over step
    train  █▅▃▂▁  min 1.25 at 4 · max 4 at 0 · last 1.25
    val    █▅▅    min 3 at 2 · max 4 at 0 · last 3
    """
    lines = _read(series)
    values = np.concatenate([line.ys[line.finite] for line in lines])
    if log and (values <= 0).any():
        line, i = next((line, int(i)) for line in lines for i in np.flatnonzero(line.finite & (line.ys <= 0)))
        raise ValueError(
            f"curves: {line.name or 'the series'} is {line.ys[i]:.4g} at {_plain(line.xs[i])}, which has no logarithm; "
            f"use log=False, or leave such values out"
        )
    whole = all((line.xs == np.round(line.xs)).all() for line in lines)
    xs = np.concatenate([line.xs for line in lines])
    xticks = _ticks(xs.min(), xs.max(), 8, whole)
    yticks = _log_ticks(values) if log else _ticks(*_range(values), 5)
    # The axis ends at the data along x, and at a tick or at the data, whichever is further out, along y.
    x_axis = _Axis(*_range(xs), 0, WIDTH)
    low, high = min(yticks[0], values.min(initial=yticks[0])), max(yticks[-1], values.max(initial=yticks[-1]))
    y_axis = _Axis(low, high, HEIGHT, 0, log)
    left = 24 + max(width(label, 10) for label in _labels(yticks))
    drawing = Drawing()
    with drawing.group(transform=f"translate({number(left)} {TOP})"):
        _axes(drawing, x_axis, y_axis, [t for t in xticks if xs.min() <= t <= xs.max()], yticks)
        for i, line in enumerate(lines):
            _line(drawing, line, i, x_axis, y_axis)
        names = _names(drawing, lines, x_axis, y_axis)
        drawing.text(WIDTH / 2, HEIGHT + 36, clean(xlabel), 11, EDGE, "middle")
    drawing.text(left, 13, clean(ylabel) + (" (log)" if log else ""), 11, EDGE)
    label = f"{clean(ylabel)} over {clean(xlabel)}" + (", logarithmic" if log else "")
    svg = drawing.svg(math.ceil(left + WIDTH + names + 16), TOP + HEIGHT + 50, label)
    return Figure(svg, "\n".join([label, *_sparklines(lines, _Axis(*_range(values), 0, len(SPARKS) - 1, log))]), label)


# ---- reading --------------------------------------------------------------------------------------------------------


def _read(series: Any) -> list[Series]:
    named = series if isinstance(series, Mapping) else {"": series}
    if not named:
        raise ValueError("curves: there is no series; give a sequence of numbers, or {'train': losses}")
    if len(named) > len(SERIES):
        raise ValueError(
            f"curves: {len(named)} series, and {len(SERIES)} can be told apart; draw them in several figures"
        )
    return [_one(clean(str(name)), values) for name, values in named.items()]


def _one(name: str, values: Any) -> Series:
    what = f"curves: {name}: " if name else "curves: "
    if isinstance(values, tuple) and len(values) == 2 and all(hasattr(v, "__len__") and np.ndim(v) for v in values):
        xs, ys = (_numbers(what, part) for part in values)
        if len(xs) != len(ys):
            raise ShapeError(f"{what}{len(xs)} xs and {len(ys)} ys; each value needs its place")
        if not np.isfinite(xs).all():
            raise ValueError(
                f"{what}xs[{int(np.isfinite(xs).argmin())}] is not finite; a value needs a place to stand at"
            )
    else:
        ys = _numbers(what, values)
        xs = np.arange(len(ys), dtype=np.float64)
    if not len(ys):
        raise ValueError(f"{what}the series is empty; leave it out, or draw it after the first step")
    return Series(name, xs, ys)


def _numbers(what: str, values: Any) -> np.ndarray:
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        raise TypeError(f"{what}a sequence of numbers is needed, not {type(values).__name__}")
    if isinstance(values, (Tensor, np.ndarray)):
        array = values.array if isinstance(values, Tensor) else values
    else:
        wrong = [v for v in values if isinstance(v, str) or not hasattr(v, "__float__")]
        if wrong:
            raise TypeError(
                f"{what}numbers are needed, not {type(wrong[0]).__name__} ({wrong[0]!s:.40}); a series measured "
                f"at some steps only is given as (xs, ys)"
            )
        array = np.array([float(v) for v in values])
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise ShapeError(f"{what}one row of real numbers is needed, not {array.dtype} of shape {array.shape}")
    return array.astype(np.float64)


# ---- axes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """Where a value stands: `low` at the pixel `start`, `high` at the pixel `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: Any) -> Any:
        low, high, at = (np.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)


def _range(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value, apart from each other even where they are one."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    room = abs(low) / 2 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """Round numbers that enclose low … high, about `most` of them: steps of 1, 2 or 5 times a power of ten."""
    rough = max((high - low) / most, 1.0 if whole else 0.0) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(i * step, digits) for i in range(first, max(last, first + 1) + 1)]


def _log_ticks(values: np.ndarray) -> list[float]:
    """Powers of ten, with their multiples by 2 and 5 where the values span few of them."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    apart = math.ceil((last - first) / 8) or 1
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    marks = [m * 10.0**k for k in range(first, last + 1, apart) for m in steps]
    inside = [m for m in marks if low / 1.001 <= m <= high * 1.001]
    if len(inside) >= 2:
        return inside
    close = [tick for tick in _ticks(*_range(np.array([low, high])), 5) if tick > 0]
    return close if high < 10 * low else [marks[0], *inside, marks[-1]]


def _plain(value: float, digits: int = 6) -> str:
    """A number as short as it can be read: 20000, 0.5, 1e-5."""
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def _labels(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many digits as tell them apart."""
    for digits in range(6, 18):
        labels = [_plain(tick, digits) for tick in ticks]
        if len(set(labels)) == len(labels):
            break
    return labels


def _axes(drawing: Drawing, x_axis: _Axis, y_axis: _Axis, xticks: list[float], yticks: list[float]) -> None:
    for tick, label in zip(yticks, _labels(yticks), strict=True):
        y = y_axis(tick)
        drawing.path(f"M0 {number(y)}h{WIDTH}", stroke=GRID)
        drawing.text(-8, y + 3.5, label, 10, EDGE, "end")
    drawing.path(f"M0 {HEIGHT}h{WIDTH}", stroke=EDGE)
    for tick, label in zip(xticks, _labels(xticks), strict=True):
        x = x_axis(tick)
        drawing.path(f"M{number(x)} {HEIGHT}v4", stroke=EDGE)
        drawing.text(x, HEIGHT + 17, label, 10, EDGE, "middle")


# ---- lines ----------------------------------------------------------------------------------------------------------


def _line(drawing: Drawing, line: Series, i: int, x_axis: _Axis, y_axis: _Axis) -> None:
    """The line in pieces, one for each run of finite values, and a mark where the first run stops."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], line.finite, [False]]).astype(int)))
    for start, end in edges.reshape(-1, 2):
        xs, ys = _thin(x_axis(line.xs[start:end]), y_axis(line.ys[start:end]))
        if len(xs) == 1:
            drawing.element("circle", fill=SERIES[i], cx=xs[0], cy=ys[0], r=2.5)
            continue
        d = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in zip(xs, ys, strict=True))
        dash = {"stroke_dasharray": DASHES[i]} if DASHES[i] else {}
        drawing.path(d, line.name, stroke=SERIES[i], stroke_width=2, stroke_linejoin="round", **dash)
    if line.stop is not None:
        before = max(line.stop - 1, 0)
        y = y_axis(line.ys[before]) if line.finite[before] else HEIGHT
        bad = line.ys[line.stop]
        said = f"{bad:g} at {_plain(line.xs[line.stop])}"
        count = int((~line.finite).sum())
        _warning(drawing, x_axis(line.xs[line.stop]), y, said, f"{line.name or 'the series'}: {said}, {count} in all")


def _thin(xs: np.ndarray, ys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same line with no more points than pixels can show: of each stretch its first, least, greatest and last."""
    if len(xs) <= 4 * WIDTH:
        return xs, ys
    keep = []
    for part in np.array_split(np.arange(len(xs)), WIDTH):
        keep += sorted({part[0], part[ys[part].argmin()], part[ys[part].argmax()], part[-1]})
    return xs[keep], ys[keep]


def _warning(drawing: Drawing, x: float, y: float, said: str, title: str) -> None:
    """A triangle with its lower edge's middle at (x, y), drawn so that it needs no font, and what happened."""
    y = min(max(y, 16), HEIGHT)
    drawing.path(f"M{number(x)} {number(y - 13)}l8 14h-16z", title, fill=BAD, stroke=PAGE)
    drawing.path(f"M{number(x)} {number(y - 8)}v4m0 2v1.5", stroke=PAGE, stroke_width=1.5, pointer_events="none")
    beside, anchor = (x + 11, "start") if x + 11 + width(said, 10) < WIDTH else (x - 11, "end")
    drawing.text(beside, y - 2, said, 10, BAD, anchor)


def _names(drawing: Drawing, lines: Sequence[Series], x_axis: _Axis, y_axis: _Axis) -> float:
    """Write each name at the end of its line, moved apart where they would overlap; the room that they took."""
    ends = []
    for i, line in enumerate(lines):
        if line.name:
            last = np.flatnonzero(line.finite)
            at = last[-1] if len(last) else 0
            y = y_axis(line.ys[at]) if len(last) else HEIGHT
            ends.append((float(y), i, float(x_axis(line.xs[at]))))
    ends.sort()
    places = _apart([y for y, _, _ in ends], 14, 0, HEIGHT + 2)
    led = any(abs(place - y) > 2 or x < WIDTH - 2 for (y, _, x), place in zip(ends, places, strict=True))
    shift = 20 if led else 7  # with room for a thread from the end of each line to its name
    for (y, i, x), place in zip(ends, places, strict=True):
        name, ink = cut(lines[i].name, 28), SERIES[i]
        if led:
            thread = f"M{number(x + 3)} {number(y)}L{WIDTH + shift - 4} {number(place)}"
            drawing.path(thread, stroke=ink, stroke_dasharray="1 2", stroke_opacity=0.8)
        drawing.text(WIDTH + shift, place + 4, name, 11, ink, bold=True)
    return max((shift + width(cut(line.name, 28), 11, bold=True) for line in lines), default=0.0)


def _apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending `places` moved as little as can be (least squares) until each is `gap` below the last.

    Without their gaps the places must not descend: that is isotonic regression, solved by pooling neighbours that are
    out of order at their mean.
    """
    blocks: list[list[float]] = []
    for i, place in enumerate(places):
        blocks.append([place - i * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    level = [float(np.mean(block)) for block in blocks for _ in block]
    return [min(max(at, low), high - gap * (len(places) - 1)) + i * gap for i, at in enumerate(level)]


# ---- text -----------------------------------------------------------------------------------------------------------


def _sparklines(lines: Sequence[Series], axis: _Axis, most: int = 48) -> list[str]:
    """A line of text for each series, all on one scale: its course, its extremes, its end."""
    names = [cut(line.name, 20) for line in lines]
    bars = []
    for line in lines:
        parts = np.array_split(line.ys, min(most, len(line.ys)))
        bars.append("".join(SPARKS[round(float(axis(p.mean())))] if np.isfinite(p).all() else "⚠" for p in parts))
    indent, long = max(map(columns, names)), max(map(len, bars))
    return [
        f"{name + ' ' * (indent - columns(name)) + '  ' if indent else ''}{bar:<{long}}  {_said(line)}"
        for name, bar, line in zip(names, bars, lines, strict=True)
    ]


def _said(line: Series) -> str:
    said = []
    if line.finite.any():
        places = np.flatnonzero(line.finite)
        least, greatest = places[line.ys[places].argmin()], places[line.ys[places].argmax()]
        said = [
            f"{what} {_plain(line.ys[i], 4)} at {_plain(line.xs[i])}" for what, i in (("min", least), ("max", greatest))
        ]
    said.append(f"last {_plain(line.ys[-1], 4)}")
    if line.stop is not None:
        said.append(f"⚠ {line.ys[line.stop]:g} at {_plain(line.xs[line.stop])}")
    return " · ".join(said)
