"""What a computation costs, read off the graph that it recorded: how much work, and how much of it has to wait.

    multiply_adds(output)         the work: how many products were summed up
    longest_chain(output)         the depth: how many operations have to wait for one another
    path_length(output, input)    how many operations lie between one tensor and another
    analyze(layer, n, d)          work and depth of a layer that maps n vectors of d features
    exponent(sizes, costs)        the p in cost ∝ sizeᵖ

A fused operation counts as the operations of its readable definition, so that the 50 steps inside one call of `nn.RNN`
are 50 steps here. What was not recorded is not counted: let the input or the parameters require grad.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .autograd import Freed, Node, Recording, ancestors
from .random import randn
from .tensor import Tensor, label


def operations(output: Tensor) -> Iterator[tuple[Node, list[Any]]]:
    """Every operation that led to `output` with what it read from (nodes and leaves), oldest first.

    After the operations of its definition comes the fused operation itself, as a name for the last of them.

    **Raises** `RuntimeError` if a backward pass has freed what a definition needs.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> [node.name for node, _ in operations((x * x).sum())]
    ['mul', 'sum']
    """
    seen: set[Node] = set()

    def walk(root: Node) -> Iterator[tuple[Node, list[Any]]]:
        for node in reversed(ancestors([root])):
            if node in seen:
                continue
            seen.add(node)
            if node.plan.op.fused is None:
                yield node, node.inputs
            else:
                last = _defined(node)
                yield from walk(last)
                yield node, [last]

    if output.node is not None:
        yield from walk(output.node)


def _defined(node: Node) -> Node:
    """The last of the operations of which the definition of a fused operation consists."""
    if type(node.saved) is Freed:
        raise RuntimeError(
            f"analysis through {node}: what its definition needs was freed by the backward pass at "
            f"{node.saved.where}; analyze before that pass, or call it with retain_graph=True"
        )
    with Recording(True):
        return node.plan.op.function(*node.saved_as_tensors()[: node.plan.out_position]).node


# ---- work -----------------------------------------------------------------------------------------------------------


def products(name: str, arguments: Sequence[Any], shape: Sequence[int]) -> int:
    """How many products the operation of that name sums up, given anything with the shapes of its arguments.

    >>> products("matmul", [np.ones((2, 3)), np.ones((3, 5))], (2, 5))
    30
    """
    if name in ("matmul", "linear"):
        return math.prod(shape) * arguments[0].shape[-1]
    if name == "einsum":
        *operands, subscripts = arguments
        letters = subscripts.split("->")[0].split(",")
        sizes = {c: n for part, x in zip(letters, operands, strict=True) for c, n in zip(part, x.shape, strict=True)}
        return math.prod(sizes.values()) * (len(operands) - 1)
    return 0


def work(output: Tensor) -> Counter[str]:
    """The multiply-adds that led to `output`, by the name of the operation."""
    found: Counter[str] = Counter()
    for node, _ in operations(output):
        found[node.name] += products(node.name, node.arguments, node.shape)
    return +found


def multiply_adds(output: Tensor) -> int:
    """How many products were summed up on the way to `output`: n · k · m for matrices (n, k) and (k, m).

    Products of matrices are where the time of a network goes; what is done entry by entry does not count.

    >>> x = randn(2, 3, requires_grad=True)
    >>> multiply_adds(x @ randn(3, 5) @ randn(5, 1))
    40
    """
    return work(output).total()


# ---- depth ----------------------------------------------------------------------------------------------------------


def longest_chain(output: Tensor) -> int:
    """The most operations of which each needs the result of the one before: with enough hardware, the time it takes.

    >>> x = randn(3, requires_grad=True)
    >>> longest_chain(x * 2 + (x + 1).exp().sin())  # + 1, exp, sin, and the sum
    4
    """
    depth: dict[Any, int] = {}
    for node, inputs in operations(output):
        depth[node] = _own(node) + max(depth.get(source, 0) for source in inputs)
    return depth.get(output.node, 0)


def path_length(output: Tensor, input: Tensor) -> int | None:
    """The fewest operations on a way from `input` to `output`; None if there is no way.

    A graph tells tensors apart, not the entries of one. To measure how far positions are from each other, keep them in
    tensors of their own.

    **Raises** `RuntimeError` if `input` was not recorded, because it does not require grad.

    >>> x = randn(3, requires_grad=True)
    >>> y = x.exp().sin()
    >>> path_length(y + x, x), path_length(x, y)
    (1, None)
    """
    if not input.requires_grad:
        raise RuntimeError(
            f"path_length: {label(input)} does not require grad; call requires_grad_() before it is used"
        )
    nearest: dict[Any, float] = {input.node or input: 0}
    for node, inputs in operations(output):
        if node is not input.node:
            nearest[node] = _own(node) + min(nearest.get(source, math.inf) for source in inputs)
    found = nearest.get(output.node or output, math.inf)
    return None if found == math.inf else int(found)


def _own(node: Node) -> int:
    """What an operation adds to the length of a chain: nothing if its definition has been counted."""
    return 0 if node.plan.op.fused else 1


# ---- layers ---------------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    """What a run of a layer takes."""

    work: Counter[str]  # the multiply-adds, by the name of the operation
    longest_chain: int

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of all operations together."""
        return self.work.total()


def analyze(layer: Callable[[Tensor], Tensor], n: int, d: int) -> Cost:
    """Run a layer once on a sequence (1, n, d), and tell what that cost.

    >>> weight = randn(5, 3)
    >>> analyze(lambda x: x.mT @ x @ weight, 7, 5).multiply_adds  # 5 · 7 · 5 + 5 · 5 · 3
    250
    """
    output = layer(randn(1, n, d, requires_grad=True))
    return Cost(work(output), longest_chain(output))


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The p for which cost ∝ sizeᵖ fits best: the slope of log cost over log size, by least squares.

    >>> round(exponent([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    x, y = np.log(sizes), np.log(costs)
    x = x - x.mean()
    return float(x @ y / (x @ x))
