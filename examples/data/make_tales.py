"""Writes tales.txt: short tales of animals, one to a line, made up for the two small language models.

    python examples/data/make_tales.py

A tale hangs together over its whole length, so that a model gains by remembering: whoever is hungry eats in the end,
fish is looked for at the river, a dog barks, and the animals of the first two sentences return in the last.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

TALES = 300
SOUNDS = {
    "dog": "barked", "cat": "mewed", "duck": "quacked", "crow": "cawed", "frog": "croaked", "cow": "mooed",
    "hen": "clucked", "mouse": "squeaked", "horse": "neighed", "wolf": "howled", "owl": "hooted", "bee": "buzzed",
}  # fmt: skip
NEEDS = {  # what it feels, what it looks for, and where that is, what it does in the end
    "hungry": ([("fish", "river"), ("honey", "forest"), ("corn", "field"), ("cheese", "kitchen")], "ate"),
    "thirsty": ([("water", "well"), ("milk", "barn"), ("dew", "meadow")], "drank"),
    "tired": ([("straw", "stable"), ("moss", "rock"), ("leaves", "garden")], "slept"),
}
TIMES = ["morning", "evening", "summer", "winter", "spring"]


def tale(rng: np.random.Generator) -> str:
    """One tale: who, what, where; a meeting; a question; how it ended."""
    who, other = rng.choice(list(SOUNDS), 2, replace=False)
    feeling = rng.choice(list(NEEDS))
    places, did = NEEDS[feeling]
    thing, place = places[rng.integers(len(places))]
    start = f"One {rng.choice(TIMES)} the {who} was {feeling}. It wanted {thing} and went to the {place}."
    met = f"There it {rng.choice(['met', 'saw', 'found'])} the {other} with the {thing}."
    asked = f"Give me some of the {thing}, {SOUNDS[who]} the {who}."
    kind = f"Gladly, {SOUNDS[other]} the {other}, and they {did} at the {place} together."
    mean = f"Never, {SOUNDS[other]} the {other}, and the {who} was still {feeling} when it left the {place}."
    return " ".join([start, met, asked, kind if rng.random() < 0.6 else mean])


def tales(seed: int = 1) -> list[str]:
    """All of them, no two alike."""
    rng, found = np.random.default_rng(seed), dict[str, None]()
    while len(found) < TALES:
        found[tale(rng)] = None
    return list(found)


if __name__ == "__main__":
    Path(__file__).with_name("tales.txt").write_text("\n".join(tales()) + "\n", encoding="utf-8")
