"""Products of vectors, matrices and stacks of matrices.

All of them are sums of products, y = Σ a·b, so the gradient of one factor is the same kind of sum with g in place of y
and the other factor still there. What is left to say is which indices meet.
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import op, with_aliases
from ..sums import tall, tall_product
from . import shape as shapes
from .reduce import dim_of

# ---- matmul ---------------------------------------------------------------------------------------------------------


def _matmul_a(g: Any, a: Any, b: Any) -> Any:
    """∂(a @ b): g @ bᵀ. A vector counts as one row (a) or one column (b) that is then dropped."""
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1 and b.ndim > 2:
        return (b @ g[..., None])[..., 0]
    return g @ b.mT


def _matmul_b(g: Any, a: Any, b: Any) -> Any:
    """∂(a @ b): aᵀ @ g. If one matrix b meets a stack of a, the stack is one tall matrix; a vector is one row."""
    if b.ndim == 1:
        if a.ndim == 1:
            return g * a
        return g @ a if a.ndim == 2 else g.reshape(-1) @ tall(a)
    if b.ndim == 2:
        return tall_product(a, g)
    if a.ndim == 1:
        return a[:, None] * g[..., None, :]
    return a.mT @ g


matmul = op(np.matmul, "matmul", a=_matmul_a, b=_matmul_b)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x Wᵀ + b, for x (…, in), weight (out, in), bias (out)."""
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x has {x.shape[-1] if x.ndim else 'no'} features (shape {x.shape}), but the weight {weight.shape}"
            f" takes {weight.shape[-1]}; the last dimension of x must be the layer's in_features"
        )
    y = tall(x).dot(weight.T)
    if bias is not None:
        y = np.add(y, bias, out=y if bias.dtype == y.dtype else None)
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], len(weight))


def _linear_x(g: Any, weight: Any) -> Any:
    """g W, all leading dimensions together."""
    return g @ weight if g.ndim == 2 else (tall(g) @ weight).reshape(*g.shape[:-1], weight.shape[1])


def _linear_weight(g: Any, x: Any) -> Any:
    """gᵀ x, all leading dimensions together."""
    return tall_product(g, x)


linear = op(_linear, "linear", x=_linear_x,
                               weight=_linear_weight,
                               bias=lambda g: g)  # fmt: skip


@with_aliases
def dot(a: Any, b: Any) -> Any:
    """Σ aᵢ bᵢ of two vectors."""
    _ranks("dot", a, 1, b, 1)
    return matmul(a, b)


@with_aliases
def mm(a: Any, mat2: Any) -> Any:
    """The product of two matrices."""
    _ranks("mm", a, 2, mat2, 2)
    return matmul(a, mat2)


@with_aliases
def mv(a: Any, vec: Any) -> Any:
    """The product of a matrix and a vector."""
    _ranks("mv", a, 2, vec, 1)
    return matmul(a, vec)


@with_aliases
def bmm(a: Any, mat2: Any) -> Any:
    """The products of two stacks of matrices, (B, n, k) and (B, k, m)."""
    _ranks("bmm", a, 3, mat2, 3)
    if a.shape[0] != mat2.shape[0]:
        raise ShapeError(
            f"bmm: stacks of {a.shape[0]} and {mat2.shape[0]} matrices, {a.shape} and {mat2.shape}; see matmul"
        )
    return matmul(a, mat2)


@with_aliases
def outer(a: Any, b: Any) -> Any:
    """The matrix of all products aᵢ bⱼ of two vectors."""
    _ranks("outer", a, 1, b, 1)
    return a[:, None] * b


def addmm(x: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """β x + α a @ b."""
    _ranks("addmm", a, 2, b, 2)
    return beta * x + alpha * matmul(a, b)


def baddbmm(x: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """β x + α a @ b for stacks of matrices."""
    return beta * x + alpha * bmm(a, b)


def _ranks(name: str, a: Any, rank_a: int, b: Any, rank_b: int) -> None:
    if a.ndim != rank_a or b.ndim != rank_b:
        raise ShapeError(
            f"{name}: {rank_a}-D and {rank_b}-D tensors are needed, not {a.shape} and {b.shape}; see matmul"
        )


# ---- einsum ---------------------------------------------------------------------------------------------------------


def _contract(*xs: Any, subscripts: str) -> Any:
    """np.einsum for full subscripts "ij,jk->ik" in which no operand repeats a letter."""
    shapes = tuple([x.shape for x in xs])
    matrices = _matrices(subscripts, shapes)
    if matrices is not None:
        (a_order, a_sizes), (b_order, b_sizes), (out_sizes, out_order) = matrices
        product = xs[0].transpose(a_order).reshape(a_sizes) @ xs[1].transpose(b_order).reshape(b_sizes)
        return product.reshape(out_sizes).transpose(out_order)
    sizes = {c: n for part, shape in _parts(subscripts, shapes) for c, n in zip(part, shape, strict=True)}
    return np.array(np.einsum(subscripts, *xs, optimize=len(xs) > 1 and math.prod(sizes.values()) > 10_000))


def _parts(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> list[tuple[str, tuple[int, ...]]]:
    """The letters of each operand, and its shape."""
    return list(zip(subscripts.split("->")[0].split(","), shapes, strict=True))


@functools.lru_cache
def _matrices(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> Any:
    """How a contraction is a product of matrices, or of stacks of them; None if it is something else.

    For each factor, the order to bring its dimensions into, then the sizes that make matrices of them; for the product,
    first the sizes, then the order.
    """
    if len(shapes) != 2:
        return None
    (a, _), (b, _) = parts = _parts(subscripts, shapes)
    out = subscripts.partition("->")[2]
    lengths = {(c, n) for part, shape in parts for c, n in zip(part, shape, strict=True)}
    sizes = dict(lengths)
    stack = [c for c in out if c in a and c in b]
    rows, columns = [c for c in out if c not in b], [c for c in out if c not in a]
    summed = [c for c in a if c not in out]
    left, right, found = [*stack, *rows, *summed], [*stack, *summed, *columns], [*stack, *rows, *columns]
    spread = len(sizes) < len(lengths)  # a length of 1 beside another one
    if spread or not summed or {*left} != {*a} or {*right} != {*b} or (stack and not (rows and columns)):
        return None

    def size(letters: Sequence[str]) -> list[int]:
        return [sizes[c] for c in letters]

    heap, inner = size(stack), math.prod(size(summed))
    return (
        ([a.index(c) for c in left], [*heap, math.prod(size(rows)), inner]),
        ([b.index(c) for c in right], [*heap, inner, math.prod(size(columns))]),
        (size(found), [found.index(c) for c in out]),
    )


def _contract_rule(g: Any, xs: Sequence[Any], subscripts: str, i: int) -> Any:
    """The same contraction with g in the place of operand i; what only i is long in is spread out again by ones."""
    exchanged, lonely = _exchanged(subscripts, i, g.shape, tuple([x.shape for x in xs]))
    ones = [np.ones(n, xs[i].dtype) for n in lonely]
    return contract(g, *xs[:i], *xs[i + 1 :], *ones, subscripts=exchanged)


@functools.lru_cache
def _exchanged(
    subscripts: str, i: int, g_shape: tuple[int, ...], shapes: tuple[tuple[int, ...], ...]
) -> tuple[str, list[int]]:
    """The subscripts of the contraction for operand i, and the lengths that neither g nor another operand has."""
    parts = _parts(subscripts, shapes)
    factors = [(subscripts.partition("->")[2], g_shape), *parts[:i], *parts[i + 1 :]]
    known = {(c, n) for part, shape in factors for c, n in zip(part, shape, strict=True)}
    letters, shape = parts[i]
    lonely = [(c, n) for c, n in zip(letters, shape, strict=True) if (c, n) not in known]
    names = [part for part, _ in factors] + [c for c, _ in lonely]
    return ",".join(names) + "->" + letters, [n for _, n in lonely]


contract = op(_contract, "einsum", xs=_contract_rule)


def einsum(equation: str, *operands: Any) -> Any:
    """The sum of products that `equation` describes: one letter per dimension, those missing after "->" summed over.

    **Raises** `ShapeError` if the equation and the operands do not fit.

    >>> a = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> einsum("ij,kj->ik", a, a).tolist()
    [[5.0, 11.0], [11.0, 25.0]]
    >>> einsum("ii", a).item()
    5.0
    """
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum: the equation comes first, as in einsum('ij,jk->ik', a, b), not {type(equation).__name__}"
        )
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    parts, out = _explicit(equation, tuple([x.shape for x in operands]))
    reduced = [_distinct(p, x) for p, x in zip(parts, operands, strict=True)]
    return contract(*[x for _, x in reduced], subscripts=",".join(p for p, _ in reduced) + "->" + out)


@functools.lru_cache
def _explicit(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters for the dots, too."""
    inputs, arrow, out = equation.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != len(shapes):
        raise ShapeError(f"einsum: {equation!r} describes {len(parts)} operands, but {len(shapes)} were given")
    free = [c for c in string.ascii_letters if c not in equation]
    widths = [len(shape) - len(p.replace("...", "")) for p, shape in zip(parts, shapes, strict=True)]
    for part, shape, width in zip(parts, shapes, widths, strict=True):
        if width < 0 or (width and "..." not in part):
            raise ShapeError(f"einsum: {part!r} in {equation!r} does not have one letter for each dimension of {shape}")
    dots = "".join(free[: max((w for p, w in zip(parts, widths, strict=True) if "..." in p), default=0)])
    parts = [p.replace("...", dots[len(dots) - w :] if w else "") for p, w in zip(parts, widths, strict=True)]
    if arrow:
        out = out.replace("...", dots)
    else:
        letters = "".join(parts)
        out = dots + "".join(sorted(c for c in set(letters) - set(dots) if letters.count(c) == 1))

    sizes: dict[str, int] = {}
    for part, shape in zip(parts, shapes, strict=True):
        for c, n in zip(part, shape, strict=True):
            if n != 1 and sizes.setdefault(c, n) != n and sizes[c] != 1:
                raise ShapeError(
                    f"einsum: index {c!r} of {equation!r} is {sizes[c]} long in one operand and {n} in another"
                )
    if len(set(out)) < len(out) or not set(out) <= set("".join(parts)):
        raise ShapeError(f"einsum: the letters after -> in {equation!r} must be different and stand before it")
    return parts, out


def _distinct(letters: str, x: Any) -> tuple[str, Any]:
    """An operand without repeated letters: "iij" means the diagonal of the first two dimensions."""
    for c in letters:
        while letters.count(c) > 1:
            first = letters.index(c)
            second = letters.index(c, first + 1)
            x = shapes.diagonal(x, 0, first, second)
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + c
    return letters, x


@with_aliases
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The sum of products over `dims`: the last and first n dimensions, or a pair of lists of dimensions."""
    if isinstance(dims, int) and not 0 <= dims <= min(a.ndim, b.ndim):
        raise ShapeError(f"tensordot: {dims} dimensions cannot be summed over in {a.shape} and {b.shape}")
    listed = (range(a.ndim - dims, a.ndim), range(dims)) if isinstance(dims, int) else dims
    over_a, over_b = ([dim_of("tensordot", x, d) for d in ds] for x, ds in zip((a, b), listed, strict=True))
    if [a.shape[d] for d in over_a] != [b.shape[d] for d in over_b]:
        raise ShapeError(f"tensordot: dimensions {over_a} of {a.shape} and {over_b} of {b.shape} have different sizes")
    if len({*over_a}) < len(over_a) or len({*over_b}) < len(over_b):
        raise ShapeError(f"tensordot: dims {over_a} and {over_b} name a dimension twice")
    of_a, of_b = string.ascii_lowercase[: a.ndim], [*string.ascii_uppercase[: b.ndim]]
    for d_a, d_b in zip(over_a, over_b, strict=True):
        of_b[d_b] = of_a[d_a]
    out = [c for c in (*of_a, *of_b) if (c in of_a) != (c in of_b)]
    return contract(a, b, subscripts=f"{of_a},{''.join(of_b)}->{''.join(out)}")
