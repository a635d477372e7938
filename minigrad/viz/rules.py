"""rules: the derivative rules of an operation, as they are written in the source, and where they stand.

    >>> from minigrad.op import registry
    >>> for formula in formulas(registry["tanh"]):
    ...     print(formula.argument, formula.text)
    x g * (1 - out * out)

A rule that is one expression is shown as that expression. A longer one is shown by its name and the first sentence of
its docstring, which says in words what it does; its whole source comes along. Where there is no source, as for what was
typed into a bare interpreter, the text is empty.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any

from ..autograd import Node
from ..function import Call
from ..op import Op

ROOT = Path(__file__).resolve().parents[2]  # what `minigrad/ops/elementwise.py` is relative to
OURS = (ROOT / "minigrad", ROOT / "nn")
SHORT = 3  # a rule of so many plain statements, besides its return, is shown as a whole
MANY = 4  # of a function with more arguments only the first are shown


@dataclass(frozen=True)
class Formula:
    """The rule for one argument: `text` is what the source says, `place` is its `file:line`."""

    argument: str
    text: str
    place: str
    source: str = ""  # of a rule that is a function: all of it
    twin: str = ""  # of a kernel: where the readable definition of the same operation stands
    kept: tuple[str, ...] = ()  # of a kernel: what it calls the values that its forward kept for it

    def __str__(self) -> str:
        stands = f"  ({self.place})" if self.place else ""
        return f"d/d{self.argument}: {self.text or 'no source'}{stands}"


@functools.lru_cache(maxsize=1024)
def formulas(op: Op) -> tuple[Formula, ...]:
    """The rules of an operation, in the order of its table; none if it has no derivative."""
    if op.fused is not None:
        kernel, twin = _written("", op.fused.backward), _written("", op.function).place
        return tuple(replace(kernel, argument=argument, twin=twin) for argument in op.rules)
    return tuple(_written(argument, rule) for argument, rule in op.rules.items())


def formulas_of(node: Node) -> list[Formula]:
    """The rules that the backward pass through `node` applies: one for each of `node.inputs`, in their order."""
    plan = node.plan
    call = next((x for x in getattr(plan.joint, "args", ()) if isinstance(x, Call)), None)
    if call is not None:  # of a minigrad.Function
        names = list(inspect.signature(call.function.forward).parameters)
        names = names[call.function.setup_context is None :]  # without ctx
        rule = _written("", call.function.backward)
        return [replace(rule, argument=names[p] if p < len(names) else f"inputs[{p}]") for p in plan.positions]
    by_name = {formula.argument: formula for formula in formulas(plan.op)}
    arguments = [plan.op.argument_name(position, plan.out_position) for position in plan.positions]
    return [replace(by_name[name.partition("[")[0]], argument=name) for name in arguments]


# ---- finding the source ---------------------------------------------------------------------------------------------


def _written(argument: str, rule: Callable[..., Any]) -> Formula:
    """What the source says of the rule for `argument`."""
    if isinstance(operation := getattr(rule, "op", None), Op):  # the rule is itself an operation
        rule = operation.function
    rule = inspect.unwrap(rule)
    code = getattr(rule, "__code__", None)
    if code is None:
        return Formula(argument, getattr(rule, "__name__", ""), "")
    source = "".join(linecache.getlines(code.co_filename, rule.__globals__))
    found = _definition(code, source)
    if found is None:
        return Formula(argument, "", "")
    if isinstance(found, ast.Lambda):
        return Formula(argument, _one_line(found.body, source), _place(code, found.body.lineno))
    whole = ast.get_source_segment(source, found) or ""
    kept = next((_names(part) for part in found.body if _unpacks(part)), ())
    return Formula(argument, _summary(found, source), _place(code, found.lineno), whole, kept=kept)


def _definition(code: CodeType, source: str) -> ast.Lambda | ast.FunctionDef | None:
    """The `def` or `lambda` in `source` that `code` was compiled from."""
    try:
        tree = _parsed(source)
    except SyntaxError:  # the file is no longer what was imported
        return None
    candidates = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.Lambda, ast.FunctionDef))
        and min(d.lineno for d in [node, *getattr(node, "decorator_list", ())]) == code.co_firstlineno
        and getattr(node, "name", "<lambda>") == code.co_name
        and tuple(argument.arg for argument in _arguments(node)) == code.co_varnames[: len(_arguments(node))]
    ]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    # Several lambdas begin on this line; the instructions know the columns that they came from.
    columns = [(line, column) for line, _, column, _ in list(code.co_positions())[1:] if column]
    inside = [node for node in candidates if all(_covers(node.body, place) for place in columns)]
    return min(inside or candidates, key=lambda node: len(ast.dump(node)))


@functools.lru_cache(maxsize=32)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _arguments(node: ast.Lambda | ast.FunctionDef) -> list[ast.arg]:
    a = node.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs]


def _covers(body: Any, place: tuple[int | None, int | None]) -> bool:
    return (body.lineno, body.col_offset) <= place < (body.end_lineno, body.end_col_offset)


def _place(code: CodeType, line: int) -> str:
    """`minigrad/ops/elementwise.py:41`; of a file of the user's, its last name alone."""
    path = Path(code.co_filename)
    if any(path.is_relative_to(home) for home in OURS):
        return f"{path.relative_to(ROOT).as_posix()}:{line}"
    return f"{path.name}:{line}"


# ---- saying it in one line ------------------------------------------------------------------------------------------


def _one_line(node: ast.AST, source: str) -> str:
    """The source of an expression or a statement; if it is spread over lines, as Python itself would write it."""
    text = ast.get_source_segment(source, node) or ""
    return ast.unparse(node) if "\n" in text else text


def _summary(function: ast.FunctionDef, source: str) -> str:
    """What a function computes if that is said in a few plain statements, else its name and what its docstring says."""
    says = ast.get_docstring(function)
    body = [statement for statement in function.body[bool(says) :] if not _unpacks(statement)]
    if len(body) <= SHORT + 1 and all(isinstance(part, (ast.Assign, ast.AugAssign, ast.Return)) for part in body):
        parts = [part.value if isinstance(part, ast.Return) else part for part in body]
        if isinstance(parts[-1], ast.Tuple) and all(isinstance(name, ast.Name) for name in parts[-1].elts):
            parts.pop()  # a kernel returns its gradients by names that were just assigned
        return "; ".join(_one_line(part, source) for part in parts if part is not None)
    names = [argument.arg for argument in _arguments(function)]
    signature = f"{function.name}({', '.join(names if len(names) <= MANY else [*names[:2], '…'])})"
    return f"{signature}: {_first_sentence(says)}" if says else signature


def _unpacks(statement: ast.stmt) -> bool:
    """Whether it only takes apart what was kept, as in `(y,) = kept` or `(x,) = ctx.saved_tensors`."""
    return (
        isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Tuple)
        and isinstance(statement.value, (ast.Name, ast.Attribute))
        and all(isinstance(name, ast.Name) for name in statement.targets[0].elts)
    )


def _names(unpacking: ast.stmt) -> tuple[str, ...]:
    return tuple(name.id for name in unpacking.targets[0].elts)  # type: ignore[attr-defined]  # see `_unpacks`


def _first_sentence(docstring: str) -> str:
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")
