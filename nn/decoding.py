"""From scores to sequences: how a model that predicts the next token is made to write.

    sample         one token, drawn at random
    greedy         the likeliest token, step after step, for a whole batch
    beam_search    the likeliest sequences, as far as a beam of candidates finds them

The last two know nothing of the model but a function that takes one step:

    scores, state = step(ids, state)      the last tokens (B) → scores of the next (B, V), and what to go on from

`state` is a tensor with the batch first, or a tuple of such (of tuples, too): a recurrent state, a prefix. A step whose
scores are those of a model with weights runs under `no_grad`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad
from minigrad import Generator, Tensor
from minigrad.ops.index import plain_values

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def sample(
    scores: Tensor, temperature: float = 1.0, top_k: int | None = None, generator: Generator | None = None
) -> Tensor:
    """Draw one token for each row from softmax(scores / temperature), from the `top_k` likeliest only if given.

    A low temperature makes the likely likelier; towards 0, only the greatest score is drawn.

    **Shapes**: scores (B, V) → (B), or (V) → ().

    **Raises** `ValueError` for a temperature that is not above 0, or a `top_k` below 1.

    >>> sample(minigrad.tensor([[0.0, 9.0, 8.0]]), top_k=1)
    tensor([1])
    """
    if not temperature > 0:
        raise ValueError(f"sample: temperature={temperature} is not above 0; scores.argmax(-1) is the limit at 0")
    if top_k is not None:
        if top_k < 1:
            raise ValueError(f"sample: top_k={top_k} leaves nothing to draw from; give 1 or more, or None for all")
        least = scores.topk(min(top_k, scores.shape[-1])).values[..., -1:]
        scores = scores.masked_fill(scores < least, -minigrad.inf)
    p = (scores / temperature).softmax(-1)
    return minigrad.multinomial(p, 1, generator=generator).squeeze(-1)


@minigrad.no_grad()
def greedy(step: Step, state: Any, batch: int, bos: int, eos: int, max_len: int) -> list[list[int]]:
    """For each of `batch` rows the likeliest token after `bos`, then the likeliest after that, until `eos`.

    At most `max_len` tokens, of which the answers do not show `eos`.

    >>> def count_down(ids, state):  # 3, 2, 1, 0, where 0 is the end
    ...     return minigrad.eye(5)[ids - 1], state
    >>> greedy(count_down, (), batch=1, bos=4, eos=0, max_len=7)
    [[3, 2, 1]]
    """
    ids, running = minigrad.full((batch,), bos, dtype=minigrad.long), np.ones(batch, bool)
    written: list[np.ndarray] = []
    while len(written) < max_len and running.any():
        scores, state = step(ids, state)
        ids = scores.argmax(-1)
        written.append(ids.numpy())
        running &= ids.numpy() != eos
    return [until(eos, row) for row in np.array(written, int).reshape(-1, batch).T]


def until(eos: int, ids: Any) -> list[int]:
    """What stands before the first `eos`.

    >>> until(0, [5, 3, 0, 7])
    [5, 3]
    """
    ids = plain_values(ids).tolist()
    return ids[: ids.index(eos)] if eos in ids else ids


class Hypothesis(NamedTuple):
    """What a search found: the tokens without the end, and the score by which it was ranked."""

    ids: list[int]
    score: float


@minigrad.no_grad()
def beam_search(
    step: Step, state: Any, bos: int, eos: int, beam: int = 4, max_len: int = 50, length_penalty: float = 0.0
) -> list[Hypothesis]:
    """The best sequences for one source, best first: of all candidates of a length, the `beam` likeliest live on.

        score(y) = log p(y) / |y|^length_penalty

    where |y| counts `eos`. A candidate that ends leaves the beam; one that has not ended after `max_len` tokens is
    taken as it stands. The search is over when none that still lives can come among the `beam` best. With a beam of 1
    it is `greedy`; a beam as wide as there are sequences finds the likeliest of all. Without a penalty, likelihood
    prefers what is short; 1 compares the mean over the tokens.

    **Shapes**: `state` is that of a batch of 1; the step is called with batches of up to `beam`.

    **Raises** `ValueError` if `beam` or `max_len` is below 1.

    Source: Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks" (2014), arXiv:1409.3215,
    section 3.2; the penalty: Wu et al. (2016), arXiv:1609.08144, section 7, here in its simplest form.

    >>> def step(ids, state):  # token 1 looks best at first, but is followed by anything; 2 is surely followed by 0
    ...     return minigrad.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [9.0, 0.0, 0.0], [0.0, 0.6, 0.4]])[ids], state
    >>> beam_search(step, (), bos=3, eos=0, beam=1, max_len=2)[0].ids, beam_search(step, (), 3, 0, 2, 2)[0].ids
    ([1], [2])
    """
    if beam < 1 or max_len < 1:
        raise ValueError(f"beam_search: beam={beam} and max_len={max_len} must be at least 1")
    live: list[list[int]] = [[]]
    log_p = np.zeros(1)  # of each in `live`
    done: list[Hypothesis] = []
    ids = minigrad.tensor([bos])
    for length in range(1, max_len + 1):
        scores, state = step(ids, state)
        candidates = log_p[:, None] + scores.double().log_softmax(-1).numpy()  # (live, V)
        best = np.argsort(-candidates, axis=None, kind="stable")[:beam]
        parents, tokens = np.unravel_index(best, candidates.shape)
        log_p = candidates[parents, tokens]
        for i in np.flatnonzero(tokens == eos):
            done.append(Hypothesis(live[parents[i]], float(log_p[i]) / length**length_penalty))
        on = np.flatnonzero(tokens != eos)
        live = [[*live[parents[i]], int(tokens[i])] for i in on]
        log_p, ids, state = log_p[on], Tensor(tokens[on]), pick(state, parents[on])
        done.sort(key=lambda h: -h.score)
        hope = log_p.max(initial=-np.inf) / max_len**length_penalty  # no end of a live one scores above this
        if not live or (len(done) >= beam and done[beam - 1].score >= hope):
            return done[:beam]
    cut = [Hypothesis(each, float(p) / max_len**length_penalty) for each, p in zip(live, log_p, strict=True)]
    return sorted(done + cut, key=lambda h: -h.score)[:beam]


def pick(state: Any, rows: Any) -> Any:
    """These rows of the batch, in every tensor of a state.

    >>> pick((minigrad.tensor([[5], [7]]), ()), [1, 1])
    (tensor([[7],
            [7]]), ())
    """
    if isinstance(state, Tensor):
        return state[rows]
    parts = [pick(part, rows) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
