"""Hard attention looks at one thing only, and has to learn where to look without a gradient that tells it.

    python examples/hard_attention.py                        # some ten seconds
    python examples/hard_attention.py --pictures out         # and the curves of learning

The task is to point: among 8 things of different colours, find the one whose colour is asked for, and say its class.
Soft attention learns from the gradient of its weights. Hard attention draws one thing, and a draw has no gradient:
REINFORCE repeats what was rewarded, more steadily when a baseline says what reward is usual, and Gumbel-softmax takes
the gradient of a softmax in place of the missing one. Printed are the steps each needs, and how far its estimates of
the gradient are off: noise around their mean, and the mean itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.progress import Progress
from minigrad import Tensor, viz
from nn import optim
from nn.normalisation import GumbelSoftmax, Reinforce, Softmax, annealed
from nn.walkthrough import aligned

COLOURS, CLASSES, HOT, COLD = 8, 4, 2.0, 0.2  # the temperature of Gumbel-softmax goes from hot to cold


# ---- the task -------------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """The colour that is asked for (B, 8), the things (B, 8, 8 + 4), where the right one is and its class (B)."""

    question: Tensor
    things: Tensor
    place: Tensor
    answer: Tensor


def draw_batch(size: int) -> Batch:
    """Things of all colours in random order, each with a random class: one-hot colour, one-hot class."""
    colours = minigrad.stack([minigrad.randperm(COLOURS) for _ in range(size)])
    classes = minigrad.randint(0, CLASSES, (size, COLOURS))
    things = minigrad.cat([F.one_hot(colours, COLOURS), F.one_hot(classes, CLASSES)], -1).float()
    place = minigrad.randint(0, COLOURS, (size,))
    rows = minigrad.arange(size)
    return Batch(F.one_hot(colours[rows, place], COLOURS).float(), things, place, classes[rows, place])


def pointer(how: nn.Module) -> nn.CrossAttention:
    """One query to 8 things, whose values are scores for the classes: where to look, and what to read there."""
    return nn.CrossAttention(COLOURS, COLOURS + CLASSES, d_k=16, d_v=CLASSES, normalisation=how)


# ---- learning -------------------------------------------------------------------------------------------------------


def loss_of(model: nn.CrossAttention, batch: Batch, baseline: float | None) -> tuple[Tensor, float]:
    """(What to minimise, the mean reward); the reward of a draw is log p(answer), as far as it exceeds the baseline."""
    answers = model(batch.question, batch.things)  # (B, classes)
    reward = -F.cross_entropy(answers, batch.answer, reduction="none")  # (B)
    usual = reward.mean().item()
    how = model.normalisation
    if not isinstance(how, Reinforce):
        return -reward.mean(), usual
    assert how.log_probability is not None
    advantage = reward.detach() - (baseline or 0.0)
    return -(reward + advantage * how.log_probability.squeeze(-1)).mean(), usual


class Learned(NamedTuple):
    """The share of right places and right answers, the steps to 95 % right places, and the places along the way."""

    places: float
    answers: float
    steps: int | None
    course: tuple[list[int], list[float]]  # after how many steps which share


def learn(name: str, how: nn.Module, steps: int, baseline: bool) -> Learned:
    """Train for that many steps, on a new batch of 64 at each."""
    test, model = draw_batch(500), pointer(how)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    temperature = annealed(HOT, COLD, steps)
    usual: float | None = None
    course: tuple[list[int], list[float]] = ([], [])
    progress = Progress(range(steps), name)
    for step in progress:
        if isinstance(how, GumbelSoftmax):
            how.temperature = temperature(step)
        optimizer.zero_grad()
        loss, reward = loss_of(model, draw_batch(64), usual)
        loss.backward()
        optimizer.step()
        if baseline:
            usual = reward if usual is None else 0.9 * usual + 0.1 * reward
        if (step + 1) % 20 == 0:
            course[0].append(step + 1)
            course[1].append(judge(model, test)[0])
            progress.note = f"{100 * course[1][-1]:.1f} % of places right"
    good = [step for step, share in zip(*course, strict=True) if share >= 0.95]
    places, answers = judge(model, test)
    return Learned(places, answers, good[0] if good else None, course)


@minigrad.no_grad()
def judge(model: nn.CrossAttention, test: Batch) -> tuple[float, float]:
    """The shares of right places and of right answers; hard attention now takes the best place, without a draw."""
    answers, weights = model.eval()(test.question, test.things, return_weights=True)
    model.train()
    places = (weights.argmax(-1) == test.place).float().mean().item()
    return places, (answers.argmax(-1) == test.answer).float().mean().item()


# ---- how good are the estimates of the gradient? --------------------------------------------------------------------


def gradient(loss: Tensor, model: nn.CrossAttention) -> Tensor:
    """The gradient of the weights that decide where to look, as one vector."""
    found = minigrad.grad(loss, [model.query.weight, model.key.weight])
    return minigrad.cat([each.flatten() for each in found if each is not None])


def true_gradient(model: nn.CrossAttention, batch: Batch) -> Tensor:
    """That of the expected loss of hard attention, Σ p(place) · loss(place), over all 8 places: no draw is needed."""
    _, p = nn.attend(model.query(batch.question).unsqueeze(1), model.key(batch.things), batch.things)  # (B, 1, 8)
    answers = model.value(batch.things).transpose(1, 2)  # (B, classes, 8): what each place would answer
    losses = F.cross_entropy(answers, batch.answer.unsqueeze(1).expand(-1, COLOURS), reduction="none")  # (B, 8)
    return gradient((p.squeeze(1) * losses).sum(-1).mean(), model)


def estimates(
    model: nn.CrossAttention, batch: Batch, how: nn.Module, draws: int, baseline: bool
) -> tuple[float, float]:
    """(The noise of an estimate, in lengths of the true gradient; the cosine of the mean of all with the true one)."""
    truth = true_gradient(model, batch)
    model.normalisation = how
    with minigrad.no_grad():
        usual = sum(loss_of(model, batch, None)[1] for _ in range(draws)) / draws
    drawn = minigrad.stack(
        [gradient(loss_of(model, batch, usual if baseline else None)[0], model) for _ in range(draws)]
    )
    mean = drawn.mean(0)
    noise = (drawn - mean).square().sum(-1).mean().sqrt() / truth.norm()
    return noise.item(), F.cosine_similarity(mean, truth, dim=0).item()


# ---- the programme --------------------------------------------------------------------------------------------------


def print_estimates(seed: int, draws: int) -> dict[str, tuple[float, float]]:
    """Print and return how good the estimates are for a model that has begun to learn, all on the same batch."""
    minigrad.manual_seed(seed)
    model, batch = pointer(Softmax()), draw_batch(64)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        loss_of(model, draw_batch(64), None)[0].backward()
        optimizer.step()
    ways: dict[str, tuple[nn.Module, bool]] = {"soft attention": (Softmax(), False)}
    ways |= {f"Gumbel-softmax, τ = {t:g}": (GumbelSoftmax(t), False) for t in (HOT, 0.5, COLD)}
    ways |= {"REINFORCE": (Reinforce(), False), "REINFORCE with baseline": (Reinforce(), True)}
    found = {name: estimates(model, batch, how, draws, baseline) for name, (how, baseline) in ways.items()}
    print(f"\n{draws} estimates of one gradient, against that of the expected loss (which 8 places allow to compute)")
    table = [["", "variance", "noise", "cosine of the mean"]]
    table += [[name, f"{noise**2:.3f}", f"{noise:.3f}", f"{cosine:.3f}"] for name, (noise, cosine) in found.items()]
    print("\n".join(aligned(table)))
    print(f"in lengths of the true gradient; the mean of {draws} still has 1/{draws**0.5:.0f} of the noise")
    return found


def run(a: argparse.Namespace) -> dict[str, float]:
    minigrad.manual_seed(a.seed)
    steps = 20 if a.short else 600
    learned = {
        "soft attention": learn("soft attention", Softmax(), steps, False),
        "Gumbel-softmax": learn("Gumbel-softmax", GumbelSoftmax(HOT), steps, False),
        "REINFORCE": learn("REINFORCE", Reinforce(), steps, False),
        "REINFORCE with baseline": learn("REINFORCE with baseline", Reinforce(), steps, True),
    }
    print("\nlearning to point, right places and right answers in %")
    table = [["", "places", "answers", "steps to 95 % of places"]]
    table += [
        [n, f"{100 * r.places:.1f}", f"{100 * r.answers:.1f}", f"{r.steps or 'never'}"] for n, r in learned.items()
    ]
    print("\n".join(aligned(table)))
    found = print_estimates(a.seed, 20 if a.short else 1000)
    courses = {name: r.course for name, r in learned.items()}
    lesson.write_pictures(a.pictures, {"hard_attention.svg": viz.curves(courses, ylabel="share of right places")})
    if not a.short:
        assert all(r.places > 0.95 for r in learned.values()), "each of them should have learned to point"
        assert found["REINFORCE with baseline"][0] < 0.5 * found["REINFORCE"][0]
        assert found["soft attention"][0] < 1e-4, "soft attention draws nothing"
    return {name: r.places for name, r in learned.items()}


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    return lesson.start(lesson.options(__doc__), run, argv)


if __name__ == "__main__":
    main()
