"""typeset: a rule, as it is written in Python, set as one would write it on a blackboard, in plain HTML.

    >>> typeset("-g / b")
    ['<span class="frac"><span>−<i data-n="g">g</i></span><span><i data-n="b">b</i></span></span>']
    >>> typeset("2 * g * x ** 2")
    ['2 · <i data-n="g">g</i> · <i data-n="x">x</i><sup>2</sup>']

Quotients become fractions, powers exponents, `np.sqrt` a root, `np.where` a choice of two lines. Names keep their names
in `data-n`, so that a page can put numbers in their places. What is no formula is shown as the code it is.
"""

from __future__ import annotations

import ast
from html import escape

CHOICE, TERM, FACTOR, SIGN, POWER, ATOM = range(6)  # how strongly the parts of an expression hold together

OPERATORS: dict[type, tuple[str, int]] = {
    ast.Add: (" + ", TERM), ast.Sub: (" − ", TERM), ast.Mult: (" · ", FACTOR), ast.MatMult: (" ", FACTOR),
    ast.BitAnd: (" ∧ ", CHOICE), ast.BitOr: (" ∨ ", CHOICE),
    ast.Gt: (" &gt; ", CHOICE), ast.GtE: (" ≥ ", CHOICE), ast.Lt: (" &lt; ", CHOICE), ast.LtE: (" ≤ ", CHOICE),
    ast.Eq: (" = ", CHOICE), ast.NotEq: (" ≠ ", CHOICE),
}  # fmt: skip


class NoFormula(Exception):
    """Code that mathematics has no usual sign for."""


def typeset(text: str) -> list[str]:
    """The lines of a rule as HTML: one expression, perhaps after some assignments, which have the class `assign`."""
    try:
        return [_statement(statement) for statement in ast.parse(text).body]
    except SyntaxError:  # the name of a rule, and what its docstring says
        name, _, says = text.partition(": ")
        return [(f'<span class="says">{escape(says)}</span> ' if says else "") + f"<code>{escape(name)}</code>"]


def _statement(statement: ast.stmt) -> str:
    try:
        if isinstance(statement, ast.Assign):
            return f'<span class="assign">{_set(statement.targets[0])} = {_set(statement.value)}</span>'
        if isinstance(statement, ast.AugAssign):
            (sign, strength), target = OPERATORS[type(statement.op)], _set(statement.target)
            return f'<span class="assign">{target} = {target}{sign}{_set(statement.value, strength + 1)}</span>'
        if isinstance(statement, ast.Expr):
            return _set(statement.value)
    except (NoFormula, KeyError):
        pass
    kind = ' class="assign"' if isinstance(statement, (ast.Assign, ast.AugAssign)) else ""
    return f"<code{kind}>{escape(ast.unparse(statement))}</code>"


def _set(node: ast.expr, least: int = CHOICE) -> str:
    """The HTML of an expression, in parentheses if it holds together less strongly than `least`."""
    html, strength = _parts(node)
    return f"({html})" if strength < least else html


def _parts(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.Name(name):
            return f'<i data-n="{escape(name)}">{escape(name)}</i>', ATOM
        case ast.Constant(value) if isinstance(value, (int, float)):
            return str(value), ATOM
        case ast.Attribute(ast.Name("math"), "pi"):
            return "π", ATOM
        case ast.Attribute(x, "T"):
            return f"{_set(x, ATOM)}<sup>T</sup>", POWER
        case ast.UnaryOp(ast.USub(), operand):
            return f"−{_set(operand, SIGN)}", FACTOR  # −g · out needs no parentheses
        case ast.BinOp(left, ast.Div(), right):
            return f'<span class="frac"><span>{_set(left)}</span><span>{_set(right)}</span></span>', ATOM
        case ast.BinOp(left, ast.Pow(), right):
            return f"{_set(left, ATOM)}<sup>{_set(right)}</sup>", POWER
        case ast.BinOp(left, operator, right):
            sign, strength = OPERATORS[type(operator)]
            return _set(left, strength + (strength == CHOICE)) + sign + _set(right, strength + 1), strength
        case ast.Compare(left, [operator], [right]):
            return _set(left, TERM) + OPERATORS[type(operator)][0] + _set(right, TERM), CHOICE
        case ast.Call(function, arguments, []):
            return _call(ast.unparse(function), arguments)
    raise NoFormula


def _call(function: str, arguments: list[ast.expr]) -> tuple[str, int]:
    name = function.removeprefix("np.").removeprefix("math.").lstrip("_")
    match name, arguments:
        case "sqrt", [x]:
            return f'√<span class="root">{_set(x)}</span>', ATOM
        case "exp", [x]:
            return f"e<sup>{_set(x)}</sup>", POWER
        case "abs", [x]:
            return f"|{_set(x)}|", ATOM
        case "matmul", [a, b]:
            return f"{_set(a, FACTOR)} {_set(b, POWER)}", FACTOR
        case "swapaxes", [x, ast.UnaryOp(), ast.UnaryOp()] | [x, ast.Constant(0), ast.Constant(1)]:
            return f"{_set(x, ATOM)}<sup>T</sup>", POWER
        case "where", [condition, a, b]:
            lines = f"<span>{_set(a)}, where {_set(condition)}</span><span>{_set(b)}, elsewhere</span>"
            return f'<span class="cases">{lines}</span>', ATOM
    inside = ", ".join(_set(x) for x in arguments)
    return f'<span class="fn">{escape(name)}</span>({inside})', ATOM
