"""op: a NumPy function and, for each argument that has a derivative, the rule for it.

With this file one can teach the engine a new operation in three lines:

    >>> cube = op(lambda x: x**3, "cube", x=lambda g, x: 3 * x**2 * g)
    >>> x = Tensor([2.0], requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    tensor([12.])

The vocabulary of a rule, by the names of its parameters:

    g         the gradient of the result (the first parameter, always)
    out       the result
    shape     the shape of the argument being differentiated
    i         which one of the arguments `*xs` is being differentiated (the last parameter)
    others    any argument of the function, by its name

A rule is plain NumPy: operators, `np.*`, `.shape`, other ops. It need not undo broadcasting and need not care about
dtypes: the sweep does both. It must not modify what it is given. What no rule names is not kept in memory.

The same rule is read in two ways. A plain `backward()` calls it with arrays. With `create_graph=True` it is called with
tensors, so that it records itself and the gradient can be differentiated again. (An op called with arrays answers with
an array: rules and readable definitions work on both.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from . import dtypes, memory
from .autograd import PLAIN, Glimpse, grad, recorded, thread
from .errors import ShapeError, explain
from .tensor import Tensor, adopt, numpy_functions, wrap

MISTAKES = (ValueError, TypeError, IndexError, OverflowError, AttributeError)  # what NumPy raises for wrong arguments
registry: dict[str, Op] = {}  # every op by name, in the order of definition

# PyTorch's tensor functions take `dim` and `keepdim`, and accept NumPy's words for them; so do ours.
ALIASES = {"axis": "dim", "keepdims": "keepdim"}


def argument_for(key: str, parameters: Sequence[str]) -> str:
    """The name here of an argument given as `key`; `input` and `other` are PyTorch's names for the first two."""
    if key in parameters:
        return key
    places = {"input": 0, "self": 0, "other": 1}
    if places.get(key, len(parameters)) < len(parameters):
        return parameters[places[key]]
    return ALIASES.get(key, key)


class Signature(NamedTuple):
    """The arguments of a function."""

    names: list[str]  # but for `variadic`
    defaults: dict[str, Any]
    by_name: list[str]  # those of the names that can only be given by name
    variadic: str | None  # xs, where the first arguments are *xs

    @classmethod
    def of(cls, function: Any) -> Signature:
        """Read off the code of a function, which takes a tenth of the time that `inspect` takes."""
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        if not hasattr(function, "__code__"):
            return cls._inspected(function)
        code = function.__code__
        count, named = code.co_argcount, code.co_kwonlyargcount
        names = list(code.co_varnames[: count + named])
        given = function.__defaults__ or ()
        defaults = dict(zip(names[count - len(given) : count], given, strict=True)) | (function.__kwdefaults__ or {})
        variadic = code.co_varnames[count + named] if code.co_flags & VARIADIC else None
        return cls(names, defaults, names[count:], variadic)

    @classmethod
    def _inspected(cls, function: Any) -> Signature:
        import inspect  # rarely needed, and slow to load

        found = inspect.signature(function).parameters
        kinds = {name: p.kind.name for name, p in found.items()}
        names = [name for name in found if kinds[name] != "VAR_POSITIONAL"]
        return cls(
            names,
            {name: found[name].default for name in names if found[name].default is not found[name].empty},
            [name for name in names if kinds[name] == "KEYWORD_ONLY"],
            next((name for name in found if kinds[name] == "VAR_POSITIONAL"), None),
        )


VARIADIC = 0x04  # the flag of code that takes *xs
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "no default"})()


def with_aliases(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function made of operations take its arguments under the other names, too."""
    parameters = Signature.of(function).names

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = {argument_for(key, parameters): value for key, value in kwargs.items()}
        return function(*args, **kwargs)

    return call


class Fused(NamedTuple):
    """A pair of kernels that does on arrays, faster, what the readable definition beside it says."""

    forward: Callable[..., tuple[np.ndarray, tuple[Any, ...]]]
    backward: Callable[..., Sequence[np.ndarray | None]]


class Op:
    """What the engine knows of an operation.

    `kind` is "elementwise" (entry i of the result depends on entry i of the inputs alone), "view" (the result may
    share memory with the first argument), "select" (entries of the inputs may be left unused), or nothing of these.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, kind: str, rules: dict[str, Any], fused: Fused | None = None
    ) -> None:
        self.function, self.name, self.rules, self.fused = function, name, rules, fused
        self.elementwise = kind == "elementwise" or (isinstance(function, np.ufunc) and function.signature is None)
        self.views, self.selects = kind == "view", kind == "select"
        home = next((rule.__module__ for rule in rules.values()), function.__module__)
        self.ours = (home or "").partition(".")[0] in (__package__, "numpy")
        self.plans: dict[Any, Plan] = {}  # by which arguments require grad
        self.forms: dict[Any, tuple[tuple[Any, ...], list[int]]] = {}  # by how many are given, and which by name
        self.variadic: str | None = None
        self.by_name: list[str] = []  # the last arguments, if they can only be given by name
        if isinstance(function, np.ufunc):
            self.parameters = list(rules) or ["a", "b"][: function.nin]
            self.defaults: list[Any] = [MISSING] * function.nin
        else:
            signature = Signature.of(function)
            self.parameters, self.by_name, self.variadic = signature.names, signature.by_name, signature.variadic
            self.defaults = [signature.defaults.get(name, MISSING) for name in self.parameters]
        unknown = set(rules) - {*self.parameters, self.variadic}
        if unknown:
            raise TypeError(f"op {name}: a rule for {sorted(unknown)}, but its arguments are {self.parameters}")

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join([f'*{self.variadic}'] * bool(self.variadic) + self.parameters)})>"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The values of all arguments by position, from a call that named some and left some out."""
        form = (len(args), *kwargs)
        if form not in self.forms:
            self.forms[form] = self._bound(len(args), list(kwargs))
        defaults, places = self.forms[form]
        if not places:
            return args + defaults
        values = [*args, *defaults]
        for place, value in zip(places, kwargs.values(), strict=True):
            values[place] = value
        return tuple(values)

    def _bound(self, given: int, keys: list[str]) -> tuple[tuple[Any, ...], list[int]]:
        """For calls with so many arguments and these keys: the defaults of the rest, and where the keys' values go."""
        first = given if self.variadic else 0  # metadata of a variadic op is given by keyword
        count = first + len(self.parameters)
        if given > count:
            raise TypeError(f"{self.name}() takes {len(self.parameters)} arguments but {given} were given")
        places = []
        for key in keys:
            name = argument_for(key, self.parameters)
            if name not in self.parameters:
                raise TypeError(f"{self.name}() has no argument {key!r}; it has {', '.join(self.parameters)}")
            place = first + self.parameters.index(name)
            if place < given or place in places:
                raise TypeError(f"{self.name}() got argument {key!r} twice")
            places.append(place)
        for place in range(given, count):
            if self.defaults[place - first] is MISSING and place not in places:
                raise TypeError(f"{self.name}() needs argument {self.parameters[place - first]!r}")
        return tuple(self.defaults[given - first :]), places

    def argument_name(self, position: int, count: int | None = None) -> str:
        """What the argument at `position` of a call with `count` values is called."""
        if self.variadic is None:
            return self.parameters[position] if position < len(self.parameters) else "kept"
        first = (count or position + 1 + len(self.parameters)) - len(self.parameters)
        return f"{self.variadic}[{position}]" if position < first else self.parameters[position - first]

    def explain(self, error: Exception, values: Sequence[Any]) -> Exception:
        """The error to raise where NumPy, or a check of ours, raised `error`."""
        if isinstance(error, ShapeError):
            return error
        names = [self.argument_name(i, len(values)) for i in range(len(values))]
        return explain(self.name, names, values, error)


Reads = int | list[int | slice | None]  # where in `Node.saved` a rule finds what it asks for; one place, or several


class Plan:
    """Which rules a call will need, and what it must keep for them, given which of its arguments require grad."""

    __slots__ = (
        "op", "positions", "others", "rules", "keep", "keeps_out", "out_position", "joint", "selects", "elementwise",
    )  # fmt: skip

    def __init__(self, op: Op, positions: list[int], count: int) -> None:
        self.op, self.positions, self.out_position = op, positions, count
        self.others = [p for p in range(count) if p not in positions]
        self.selects, self.elementwise = op.selects, op.elementwise
        self.rules: list[tuple[Callable[..., Any], Reads]] = []
        self.joint: Callable[..., Any] | None = None
        self.keeps_out = False
        if op.fused:
            missing = [p for p in positions if op.argument_name(p, count) not in op.rules]
            if missing:
                raise _no_rule(op, op.argument_name(missing[0], count))
            needs = {name: op.parameters.index(name) in positions for name in op.rules}
            answers = [list(op.rules).index(op.parameters[p]) for p in positions]
            self.joint = functools.partial(_joint, self, count, needs, answers)
            return
        used: set[int | None] = set()
        for position in positions:
            name = op.argument_name(position, count)
            rule = op.rules.get(name.partition("[")[0])
            if rule is None:
                raise _no_rule(op, name)
            wanted = Signature.of(rule).names[1:]
            if wanted and wanted[-1] == "i":
                rule = functools.partial(rule, i=position)
                wanted.pop()
            places = [self._place(name, count) for name in wanted]
            for place in places:
                used.update(range(*place.indices(count)) if isinstance(place, slice) else [place])
            self.rules.append((rule, places[0] if len(places) == 1 and isinstance(places[0], int) else places))
        self.keeps_out = count in used
        # Of (*values, result, None): what rules name, and None in the place of what they do not.
        self.keep = itemgetter(*[p if p in used else count + 1 for p in range(count + 1)])

    def _place(self, name: str, count: int) -> int | slice | None:
        """Where in `Node.saved` a rule finds what it calls `name`; None is the shape of the argument."""
        op = self.op
        first = count - len(op.parameters)
        if name in op.parameters:
            return first + op.parameters.index(name)
        if name == op.variadic:
            return slice(0, first)
        if name in ("out", "shape"):
            return count if name == "out" else None
        raise TypeError(
            f"op {op.name}: a rule asks for {name!r}; it may name g, out, shape, {', '.join(op.parameters)}"
        )


def op(function: Callable[..., Any], name: str | None = None, kind: str = "", /, **rules: Any) -> Callable[..., Any]:
    """Make a differentiable operation of a NumPy function and one rule for each argument that has a derivative.

    The name is the function's unless one is given. An op without rules computes values that have no gradient.

    **Raises** `TypeError` if a rule is for an argument that the function does not have, and, when it is first needed,
    if a rule names something that is neither an argument nor in the vocabulary of this file.
    """
    return _operation(Op(function, name or function.__name__, kind, rules), function)


def fused(
    wrt: Sequence[str], forward: Callable[..., Any], backward: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a pair of kernels beside the readable definition that it decorates, which differentiates by itself.

        forward(*arguments) -> result, (what backward wants kept, ...)
        backward(g, kept, needs, *arguments) -> a gradient for each name in `wrt`, or None where needs[name] is False

    Kernels see arrays only, and may reuse their own memory. Values and first derivatives come from the kernels; any
    higher derivative, and every question of meaning, from the definition.
    """

    def decorate(twin: Callable[..., Any]) -> Callable[..., Any]:
        record = Op(twin, twin.__name__, "", dict.fromkeys(wrt, twin), Fused(forward, backward))
        return _operation(record, forward)

    return decorate


def _operation(record: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that users call: compute, and record if a gradient may be asked for."""
    name, count, plans, views, pair = record.name, len(record.parameters), record.plans, record.views, record.fused
    ndarray, constants = np.ndarray, dtypes.constants
    differentiable, of_numbers = bool(record.rules), isinstance(function, np.ufunc)
    fixed = record.variadic is None
    if not fixed:
        count = -1  # no number of arguments is the usual one
    if record.by_name:
        inner = function

        def function(*values: Any) -> Any:
            first = len(values) - len(record.by_name)
            return inner(*values[:first], **dict(zip(record.by_name, values[first:], strict=True)))

    def general(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != count:
            args = record.bind(args, kwargs)
        values: list[Any] = []
        needing, bit = 0, 1  # bit i of `needing`: argument i requires grad
        on_tensors = foreign = False
        for x in args:
            if isinstance(x, Tensor):
                on_tensors = True
                values.append(x.array)
                if x._requires_grad:
                    needing += bit
            else:
                kind = type(x)
                if kind is ndarray:
                    foreign = True
                elif kind is list and of_numbers:
                    x = np.array(x)
                values.append(x)
            bit += bit
        half = pair is not None and type(values[0]) is ndarray and values[0].dtype is dtypes.float16
        try:
            out = function(*(dtypes.in_single(values) if half else values))
        except MISTAKES as error:
            raise record.explain(error, values) from None
        kept: Sequence[Any] = ()
        if pair is not None:
            out, kept = out
        if not on_tensors:
            return dtypes.settle(out, function, values) if half else out
        return finish(out, args, values, needing, kept, foreign, half)

    def unary(*args: Any, **kwargs: Any) -> Any:
        """`general` of one tensor and nothing else: the same, sooner."""
        if kwargs or len(args) != 1 or not isinstance(x := args[0], Tensor):
            return general(*args, **kwargs)
        array, needing = x.array, x._requires_grad
        try:
            out = function(array)
        except MISTAKES as error:
            raise record.explain(error, [array]) from None
        if type(out) is not ndarray:
            out = np.asarray(out)
        mode = thread.mode
        if out.dtype is not dtypes.default or mode.observers:
            return finish(out, args, [array], needing)
        if not (needing and mode.recording and differentiable):
            return wrap(out)
        plan = plans.get(1) or new_plan(1, 1)
        return recorded(out, plan, [x.node or x], plan.keep((array, out, None)), mode.scope)

    def binary(*args: Any, **kwargs: Any) -> Any:
        """`general` of a tensor and another one or a plain value: the same, sooner.

        NumPy takes twice as long for a Python number as for an array that holds it.
        """
        if kwargs or len(args) != 2:
            return general(*args, **kwargs)
        a, b = x, y = args
        needing = 0
        if isinstance(a, Tensor):
            x = a.array
            if a._requires_grad:
                needing = 1
            if isinstance(b, Tensor):
                y = b.array
                if b._requires_grad:
                    needing += 2
            elif type(b) is float or type(b) is int:
                if of_numbers and b and x.dtype is dtypes.default:
                    y = constants.get(b)
                    if y is None:
                        y = dtypes.constant(b)
            elif type(b) not in PLAIN:
                return general(*args)
        elif isinstance(b, Tensor) and type(a) in PLAIN:
            y = b.array
            if b._requires_grad:
                needing = 2
            if of_numbers and a and type(a) in (float, int) and y.dtype is dtypes.default:
                x = constants.get(a)
                if x is None:
                    x = dtypes.constant(a)
        else:
            return general(*args)
        try:
            out = function(x, y)
        except MISTAKES as error:
            raise record.explain(error, [x, y]) from None
        if type(out) is not ndarray:
            out = np.asarray(out)
        mode = thread.mode
        if out.dtype is not dtypes.default or mode.observers or views:
            return finish(out, args, [x, y], needing)
        if not (needing and mode.recording and differentiable):
            return wrap(out)
        if needing == 3:
            arguments = [a.node or a, b.node or b]
        elif needing == 1:
            arguments = [a.node or a, b if type(b) in PLAIN else Glimpse.of(b)]
        else:
            arguments = [a if type(a) in PLAIN else Glimpse.of(a), b.node or b]
        plan = plans.get(needing) or new_plan(needing, 2)
        return recorded(out, plan, arguments, plan.keep((x, y, out, None)), mode.scope)

    def finish(
        out: Any,
        args: tuple[Any, ...],
        values: list[Any],
        needing: int,
        kept: Sequence[Any] = (),
        foreign: bool = False,
        half: bool = False,
    ) -> Any:
        """The tensor of a result, recorded if a gradient may be asked for."""
        if type(out) is not ndarray:
            out = np.asarray(out)
        floating = True
        if half or out.dtype is not dtypes.default:
            out = dtypes.settle(out, function, values)
            floating = out.dtype.kind in "fc"
        mode = thread.mode
        if not (needing and mode.recording and differentiable and floating):
            result = wrap(out)
        else:
            plan = plans.get(needing if fixed else (needing, len(values)))
            if plan is None:
                plan = new_plan(needing, len(values))
            if foreign:
                _own(values, args)
            arguments = list(args)
            for position in plan.positions:
                arguments[position] = args[position].node or args[position]
            for position in plan.others:
                if type(args[position]) not in PLAIN:
                    arguments[position] = Glimpse.of(args[position])
            saved = plan.keep((*values, out, None)) if pair is None else (*values, *kept)
            result = recorded(out, plan, arguments, saved, mode.scope)
        if views and isinstance(args[0], Tensor) and memory.shows(out, args[0].array):
            adopt(args[0], result)
        if mode.observers:
            for observer in mode.observers:
                observer.operation(name, args, result)
        return result

    def new_plan(needing: int, count: int) -> Plan:
        plan = Plan(record, [p for p in range(count) if needing >> p & 1], count)
        plans[needing if fixed else (needing, count)] = plan
        return plan

    call = {1: unary, 2: binary}.get(count, general) if pair is None else general

    call.__name__ = call.__qualname__ = name
    call.__doc__ = record.function.__doc__
    call.op = record  # type: ignore[attr-defined]  # so that tests and pictures find the rules
    if not isinstance(record.function, np.ufunc):
        call.__wrapped__ = record.function  # type: ignore[attr-defined]  # for help()
        call.__module__ = record.function.__module__
    else:
        numpy_functions.setdefault(record.function, call)
    if record.ours:
        registry.setdefault(name, record)
    return call


def _own(values: list[Any], args: tuple[Any, ...]) -> None:
    """Copy the arrays among the `args` themselves: they belong to the caller, who may write to them."""
    for position, x in enumerate(args):
        if type(x) is np.ndarray and values[position] is x:
            values[position] = x.copy()


def _joint(
    plan: Plan, count: int, needs: dict[str, bool], answers: list[int], g: Any, saved: Sequence[Any], record: bool
) -> list[Any]:
    """The gradients of a fused operation: from its kernel, or from its readable definition if they are recorded."""
    values = saved[:count]
    if not record:
        if g.dtype is dtypes.float16:
            g, *values = dtypes.in_single([g, *values])
        gradients = plan.op.fused.backward(g, saved[count:], needs, *values)  # type: ignore[union-attr]  # it is fused
        return [gradients[i] for i in answers]
    values = [identity(v) if p in plan.positions else v for p, v in enumerate(values)]
    inputs = [values[p] for p in plan.positions]
    return list(grad(plan.op.function(*values), inputs, g, create_graph=True, materialize_grads=True))


def _no_rule(op: Op, argument: str) -> TypeError:
    return TypeError(
        f"{op.name}: argument {argument!r} requires grad, but there is no derivative with respect to it; "
        f"pass {argument}.detach() if it is a constant here"
    )


identity = op(lambda x: x, "identity", x=lambda g: g)
