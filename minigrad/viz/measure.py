"""How much room does a text take? Answered without a font: in pixels for a picture, in columns for a terminal.

A picture is laid out here and drawn elsewhere, in whatever sans serif font the reader has. So the table below is that
of a wide one (DejaVu Sans), rounded up: a text may come out narrower than we said, but it stays inside its box.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# The advance of characters, in em (multiples of the font size).
_EM = {
    char: em
    for em, chars in {
        0.30: "ijlI'",
        0.35: "J .,|:;/\\·",
        0.42: "ft!()[]r-",
        0.50: '*_`"',
        0.56: "?csz",
        0.60: "vxykL",
        0.64: "abdeghnopqu0123456789EFSTY$P{}",
        0.70: "ABCKRVXZ",
        0.79: "DGHNOQU&",
        0.84: "w+<=>#~^",
        0.92: "M",
        1.00: "mW%@",
    }.items()
    for char in chars
}
_OTHER = 0.84  # any other letter or sign: Greek, Cyrillic, arrows, mathematics
_BOLD = 0.08  # what a bold letter is wider by


def _kind(char: str) -> str:
    """Unicode's east asian width (UAX #11), "0" for a mark that takes no room of its own."""
    return "0" if unicodedata.category(char) in ("Mn", "Me", "Cf") else unicodedata.east_asian_width(char)


@lru_cache(maxsize=4096)
def _em(char: str) -> float:
    if char in _EM:
        return _EM[char]
    if char >= "\U0001f000":  # emoji; the ideographs beyond the basic plane lose nothing by it
        return 1.3
    # "A" is ambiguous: one em in a Chinese font, and in others for …, — and the circled digits.
    return {"0": 0.0, "W": 1.0, "F": 1.0, "A": 1.0}.get(_kind(char), _OTHER)


def width(text: str, size: float = 11, bold: bool = False) -> float:
    """The most that `text` takes in a sans serif font of `size` pixels, in pixels; an ideograph takes `size`.

    >>> width("注意力", 10), round(width("attention", 10), 1), round(width("attention", 10, bold=True), 1)
    (30.0, 47.6, 54.8)
    """
    ems = map(_em, text)
    return size * sum(em + _BOLD if bold and 0 < em < 1 else em for em in ems)


def columns(text: str) -> int:
    """The columns of a terminal that `text` takes: two for an ideograph, none for an accent of its own.

    >>> columns("注意力"), columns("attention"), columns("e\\u0301")
    (6, 9, 1)
    """
    if text.isascii() and text.isprintable():
        return len(text)
    return sum({"0": 0, "W": 2, "F": 2}.get(_kind(char), 1) for char in text)


def cut(text: str, limit: int) -> str:
    """`text`, if it takes no more than `limit` columns; otherwise as much of its start as fits before an "…".

    >>> cut("attention", 9), cut("attention", 8), cut("自注意力机制", 8)
    ('attention', 'attenti…', '自注意…')
    """
    if columns(text) <= limit:
        return text
    while text and columns(text) > limit - 1:
        text = text[:-1]
    return text + "…"


def clean(text: str) -> str:
    """`text` on one line, with nothing in it that a picture or a terminal would obey instead of show.

    A line break becomes ⏎, a tab a space, every other control character (and what XML has no place for) U+FFFD.

    >>> clean("one\\r\\ntwo\\tthree\\x00")
    'one⏎two three\ufffd'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text.replace("\r\n", "\n")))


def _visible(char: str) -> str:
    if char in "\n\r\v\f\x85\u2028\u2029":
        return "⏎"
    if char == "\t":
        return " "
    # Control characters, halves of a surrogate pair, the two that are no characters, and marks that turn the direction.
    hidden = unicodedata.category(char) in ("Cc", "Cs") or char in "\ufffe\uffff"
    return "\ufffd" if hidden or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069" else char
