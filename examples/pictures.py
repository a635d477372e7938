"""Pictures of a network that has been trained, and a page that shows them: what `--pictures DIR` writes.

step.svg, step.html       the graph of one training step, and a page to step through it
attention-1.svg …         where the tokens of a sentence look, a map for each head of each layer
heads-1.svg …             the same as threads, one picture for each layer
loss.svg, accuracy.svg    the course of the training
index.html                all of them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigrad
import nn
from examples.common import Epoch
from minigrad import Tensor
from minigrad.viz import Figure, attention, curves, head_view

MOST = 64  # tokens of a sentence whose attention is drawn; more could not be read


class Looked(NamedTuple):
    """A sentence, its tokens, and where these look: the maps (H, T, T) of each layer by its path."""

    text: str
    tokens: Sequence[str]
    maps: Mapping[str, np.ndarray]


class Shown(NamedTuple):
    """A file beside the page, and a sentence about it."""

    file: str
    caption: str


def write_pictures(
    directory: Path,
    network: nn.Module,
    step: Callable[[], Tensor],
    sentences: Iterable[Looked],
    histories: Mapping[str, Sequence[Epoch]],
) -> None:
    """Draw one training step (`step` computes its loss), the attention in sentences, and the course of trainings.

    `histories` go by the name of the model.
    """
    directory.mkdir(parents=True, exist_ok=True)
    shown = {
        "One training step": draw_step(directory, network, step),
        "Attention": draw_attention(directory, sentences),
        "Learning": draw_curves(directory, {name: history for name, history in histories.items() if history}),
    }
    page = directory / "index.html"
    page.write_text(page_of("Pictures of a training", shown), encoding="utf-8", newline="\n")
    print(f"\n{page}: pictures of one training step, of attention, and of the learning curves")


def draw_step(directory: Path, network: nn.Module, step: Callable[[], Tensor]) -> list[Shown]:
    """The loss as a graph, with the gradients that it sends back."""
    network.train()
    network.zero_grad()
    with minigrad.record():  # so that every value is known later, and the line of the program that computed it
        loss = step()
    loss.name = "loss"
    loss.backward(retain_graph=True)
    graph = minigrad.draw(loss, network)
    graph.write(directory / "step.html")
    graph.write(directory / "step.svg")
    network.zero_grad()
    return [
        Shown("step.html", "Step through it: every operation, forward and backward, with its numbers."),
        Shown("step.svg", "How the loss was computed. Gradients flow back along the solid arrows."),
    ]


def draw_attention(directory: Path, sentences: Iterable[Looked]) -> list[Shown]:
    """The maps of each sentence, and each layer as threads between the tokens."""
    shown: list[Shown] = []
    for i, (text, tokens, maps) in enumerate(sentences, 1):
        tokens = tokens[:MOST]
        cut = {path: weights[..., :MOST, :MOST] for path, weights in maps.items()}
        if not cut:  # a model without attention
            continue
        shown.append(save(attention(cut, tokens), directory / f"attention-{i}.svg", f"“{text}”"))
        for layer, (path, weights) in enumerate(cut.items(), 1):
            file = directory / (f"heads-{i}.svg" if len(cut) == 1 else f"heads-{i}-{layer}.svg")
            shown.append(save(head_view(weights, tokens), file, f"“{text}”: the heads of {path}"))
    return shown


def draw_curves(directory: Path, histories: Mapping[str, Sequence[Epoch]]) -> list[Shown]:
    """Loss and accuracy over the epochs, a line for each model."""
    if not histories:
        return []

    def over_epochs(measure: Callable[[Epoch], float]) -> dict[str, Any]:
        return {name: (range(1, len(h) + 1), list(map(measure, h))) for name, h in histories.items()}

    losses = curves(over_epochs(lambda epoch: epoch.loss), xlabel="epoch")
    accuracies = curves(over_epochs(lambda epoch: 100 * epoch.accuracy), xlabel="epoch", ylabel="accuracy on dev, %")
    return [
        save(losses, directory / "loss.svg", "The mean loss of the batches."),
        save(accuracies, directory / "accuracy.svg", "The accuracy on the dev part, after each epoch."),
    ]


def save(figure: Figure, file: Path, caption: str) -> Shown:
    """Write a figure, and say what the page needs to show it."""
    figure.write(file)
    return Shown(file.name, caption)


def page_of(title: str, sections: Mapping[str, Sequence[Shown]]) -> str:
    """A page that shows the images beside it, and links what is none."""
    parts = []
    for heading, pictures in sections.items():
        if pictures:
            parts.append(f"<h2>{escape(heading)}</h2>")
        for file, caption in pictures:
            is_image = file.endswith((".svg", ".png"))
            inside = f'<img src="{escape(file)}" alt="{escape(caption)}">' if is_image else escape(file)
            parts.append(f'<p>{escape(caption)}</p>\n<p><a href="{escape(file)}">{inside}</a></p>')
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8"><meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>body{{font-family:sans-serif;max-width:75em;margin:2em auto;"
        f"padding:0 1em}}img{{max-width:100%}}</style>\n<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</html>\n"
    )
