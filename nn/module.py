"""Module: a layer, or a network of layers, and the parameters that are trained in it.

With this file one can build a model by giving its parts to attributes, find its parameters by name, save and load them,
switch between training and evaluation, and read where in a model something happened.

    class Tagger(Module):
        def __init__(self):
            self.embedding = Embedding(1000, 32)
            self.blocks = [Linear(32, 32) for _ in range(2)]
            self.scale = Parameter(minigrad.ones(32))

        def forward(self, ids):
            ...

Nothing is registered. The attributes themselves are looked through, lists, tuples and dictionaries too, in the order of
definition: this model has `embedding.weight`, `blocks.0.weight`, `blocks.0.bias`, `blocks.1.weight`, … and `scale`.
"""

from __future__ import annotations

import itertools
import reprlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.autograd import Handle, thread

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A tensor that a module trains: being an attribute of one makes it part of `parameters()`.

    It requires grad unless told otherwise. A tensor's memory is shared, as in PyTorch; other data is copied.

    >>> Parameter([1.0, 2.0])
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data)
        if isinstance(data, Tensor):
            self.array = data.array
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


# ---- where in a model one is ----------------------------------------------------------------------------------------


class Frame:
    """One running call: a module, called inside the call `outer`. Every recorded operation remembers its frame.

    `str(frame)` is the path of names from the outermost module to this one, such as `encoder.0.attention`, as they are
    at that moment; for the outermost module itself it is the name of its class.
    """

    __slots__ = ("module", "outer")

    def __init__(self, outer: Frame | None, module: weakref.ref[Module]) -> None:
        self.outer, self.module = outer, module

    def path(self) -> str:
        """The names from the outermost module to this one, joined by dots; empty for the outermost itself."""
        modules = [self.module()]
        frame = self.outer
        while frame is not None:
            modules.append(frame.module())
            frame = frame.outer
        return ".".join(filter(None, itertools.starmap(_name_inside, itertools.pairwise(reversed(modules)))))

    def __str__(self) -> str:
        return self.path() or type(self.module()).__name__


def _name_inside(outer: Module | None, inner: Module | None) -> str:
    """What `outer` calls `inner`; its class in brackets where it is called but not held there."""
    if outer is None or inner is None:
        return "?"  # a graph can outlive the model that made it
    return next((name for name, module in outer.named_modules() if module is inner), f"<{type(inner).__name__}>")


def _locate(error: Exception, frame: Frame, arguments: tuple[Any, ...]) -> None:
    """Note on an error the innermost module that it came from, and whether that was given no tensor."""
    if not any(note.startswith("in ") for note in getattr(error, "__notes__", ())):
        path, kind = frame.path(), type(frame.module()).__name__
        error.add_note(f"in {path} ({kind})" if path else f"in {kind}")
        plain = {list: "a list", np.ndarray: "an array"}.get(type(arguments[0])) if arguments else None
        if plain and isinstance(error, (AttributeError, TypeError, ValueError)) and not isinstance(error, ShapeError):
            error.add_note(f"it was given {plain}; where a tensor is needed, minigrad.tensor(x) makes one of it")


# ---- what a module holds --------------------------------------------------------------------------------------------


def _parts(name: str, value: Any) -> Iterator[tuple[str, Parameter | Module]]:
    """The parameters and modules in the attribute `name`, which may be one, or a nest of lists, tuples and dicts."""
    if isinstance(value, (Parameter, Module)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _parts(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(f"{name}.{key}", item)
    elif isinstance(value, (set, frozenset)) and any(isinstance(item, (Parameter, Module)) for item in value):
        raise TypeError(f"{name}: a set has no order, so what it holds has no lasting names; use a list")


def _nearest(name: str, names: Iterable[str]) -> str:
    """A hint at the one of `names` that looks most like `name`, if any does."""
    import difflib  # slow to load, and needed only here

    near = difflib.get_close_matches(name, list(names), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _is_real(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray, np.generic)) and value.dtype.kind in "fiub"


def _kind(value: Any) -> str:
    return f"{type(value).__name__} of {value.dtype}" if hasattr(value, "dtype") else type(value).__name__


class Loaded(NamedTuple):
    """What `load_state_dict` answers: the names it left as they were, and those it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base of every layer and model: assign parameters and modules to attributes, and define `forward`.

    Calling the module calls `forward`. An attribute may be a `Parameter`, a `Module`, or a list, tuple or dictionary of
    them; shared ones count once. `super().__init__()` may be called, as PyTorch wants it, and does nothing.

    >>> from nn import Linear
    >>> class Twice(Module):
    ...     def __init__(self):
    ...         self.layers = [Linear(3, 5), Linear(5, 2)]
    ...
    ...     def forward(self, x):
    ...         return self.layers[1](self.layers[0](x).relu())
    >>> model = Twice()
    >>> model(minigrad.ones(7, 3)).shape
    (7, 2)
    >>> [name for name, _ in model.named_parameters()]
    ['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
    """

    # What every module needs stands in slots, so that `vars(self)` holds just what its author put there.
    __slots__ = ("__dict__", "__weakref__", "_buffers", "_forward_hooks", "_forward_pre_hooks", "training")

    training: bool  # set by train() and eval(): dropout and batch normalisation ask for it
    _buffers: dict[str, bool]  # the attributes that are buffers, and whether they are saved
    _forward_hooks: list[Callable[..., Any]]
    _forward_pre_hooks: list[Callable[..., Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a module in training mode; here, so that a forgotten `super().__init__()` does no harm."""
        module = object.__new__(cls)
        module.training, module._buffers, module._forward_hooks, module._forward_pre_hooks = True, {}, [], []
        return module

    def __init__(self) -> None:
        """Nothing is left to do: see `__new__`."""

    def _no_forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be called: it does not define forward(self, …)")

    forward: Callable[..., Any] = _no_forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, and note on any error that comes out of it which module it came from."""
        mode = thread.mode
        outer = mode.scope
        mode.scope = frame = Frame(outer, weakref.ref(self))
        try:
            if self._forward_pre_hooks:
                for hook in tuple(self._forward_pre_hooks):
                    answer = hook(self, args)
                    if answer is not None:
                        args = answer if isinstance(answer, tuple) else (answer,)
            result = self.forward(*args, **kwargs)
            if self._forward_hooks:
                for hook in tuple(self._forward_hooks):
                    answer = hook(self, args, result)
                    result = result if answer is None else answer
            return result
        except Exception as error:
            _locate(error, frame, args)
            raise
        finally:
            mode.scope = outer

    # ---- attributes -------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if (
            isinstance(value, Tensor)
            and not isinstance(value, Parameter)
            and isinstance(vars(self).get(name), Parameter)
        ):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter; a plain tensor in its place would not be trained. "
                f"Assign nn.Parameter(x), or change its values with {name}.copy_(x) under minigrad.no_grad()"
            )
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):  # a property raised the AttributeError: let it do so again
            return object.__getattribute__(self, name)
        hint = "" if name.startswith("__") else _nearest(name, dir(self))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def _check_new(self, name: str) -> None:
        """Raise if `name` cannot become the name of a part."""
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: the name of a part is a string, not {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{type(self).__name__}: {name!r} cannot name a part: a dot joins the names of a path")
        if hasattr(type(self), name):
            raise KeyError(f"{type(self).__name__}: {name!r} already means something else here; use another name")

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` the attribute `name`, as an assignment does.

        **Raises** `TypeError` if it is not a module, `KeyError` for a name with a dot or of a method.
        """
        self._check_new(name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: a Module is needed, not {type(module).__name__}")
        setattr(self, name, module)

    register_module = add_module

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` the attribute `name`, as an assignment does; None stands for a parameter left out.

        **Raises** `TypeError` if it is not a parameter, `KeyError` for a name with a dot or of a method.
        """
        self._check_new(name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: a Parameter is needed, not {type(param).__name__}; write nn.Parameter(x)"
            )
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` the attribute `name`: state that is saved (if `persistent`) and converted, but not trained.

        **Raises** `TypeError` if it is not a tensor, `KeyError` for a name with a dot or of a method.
        """
        self._check_new(name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: a Tensor is needed, not {type(tensor).__name__}; write minigrad.tensor(x)"
            )
        setattr(self, name, tensor)
        self._buffers[name] = persistent

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, arguments)` before each `forward`; what it returns, if not None, are the arguments.

        They are a tuple; a single one may be returned as it is. The answer's `remove()` takes the hook away.
        """
        self._forward_pre_hooks.append(hook)
        return Handle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, arguments, output)` after each `forward`; what it returns, if not None, is the output.

        The answer's `remove()` takes the hook away.
        """
        self._forward_hooks.append(hook)
        return Handle(self._forward_hooks, hook)

    # ---- looking through it -----------------------------------------------------------------------------------------

    def _held(self) -> Iterator[tuple[str, Tensor | Module]]:
        """The parameters, buffers and modules of this module itself, in order of definition."""
        for name, value in list(vars(self).items()):
            if name in self._buffers and isinstance(value, Tensor):
                yield name, value
            else:
                yield from _parts(name, value)

    def _walk(self, prefix: str, once: bool, seen: set[int]) -> Iterator[tuple[str, Any]]:
        """Itself and all that it holds, by name at any depth; `once` leaves out the later names of a shared one."""
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, value in self._held():
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(value, Module):
                yield from value._walk(path, once, seen)
            elif not once:
                yield path, value
            elif id(value) not in seen:
                seen.add(id(value))
                yield path, value
        if not once:
            seen.discard(id(self))  # it may come again, but not inside itself

    def _tensors(self, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Tensor]]:
        within = self._walk(prefix, once, set())
        if not recurse:
            within = ((f"{prefix}.{name}" if prefix else name, value) for name, value in self._held())
        return ((name, value) for name, value in within if isinstance(value, Tensor))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters and their names, in order of definition; without `recurse`, those of this module alone.

        A shared one comes once, unless `remove_duplicate` is False. `prefix` goes before every name.
        """
        tensors = self._tensors(prefix, recurse, remove_duplicate)
        return ((name, tensor) for name, tensor in tensors if isinstance(tensor, Parameter))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, in order of definition, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers and their names, in order of definition, as `named_parameters` gives the parameters."""
        tensors = self._tensors(prefix, recurse, remove_duplicate)
        return ((name, tensor) for name, tensor in tensors if not isinstance(tensor, Parameter))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, in order of definition, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module, named `prefix`, and those inside it at any depth, outer before inner."""
        within = self._walk(prefix, remove_duplicate, set())
        return ((name, value) for name, value in within if isinstance(value, Module))

    def modules(self) -> Iterator[Module]:
        """This module and those inside it at any depth, outer before inner, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that this one holds itself, by name, each once."""
        seen = set()
        for name, value in self._held():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules that this one holds itself, each once."""
        return (module for _, module in self.named_children())

    def get_submodule(self, target: str) -> Module:
        """The module at the path `target`, such as "encoder.0.attention"; the empty path is this module.

        **Raises** `AttributeError` if there is none.
        """
        modules = dict(self.named_modules(remove_duplicate=False))
        if target not in modules:
            raise AttributeError(f"{type(self).__name__} has no module {target!r}{_nearest(target, modules)}")
        return modules[target]

    # ---- changing all of it -----------------------------------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Set training mode (or, with False, evaluation mode) here and in all modules inside, and return this one."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode is True or False, not {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Set evaluation mode: no dropout, and batch normalisation by the running statistics."""
        return self.train(False)

    def apply(self: M, function: Callable[[Module], Any]) -> M:
        """Call `function` with every module inside and then with this one, and return this one."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that there are to zero."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = minigrad.zeros_like(parameter.grad)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set `requires_grad` of all parameters: False freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def to(self: M, *targets: Any, **named: Any) -> M:
        """Convert all floating-point parameters, gradients and buffers to a dtype; the tensor objects stay the same.

        **Raises** `TypeError` for a dtype that is not floating point, `ValueError` for another device than "cpu".
        """
        asked = minigrad.zeros(()).to(*targets, **named).dtype
        if asked.kind != "f":
            raise TypeError(f"to: parameters are floating point and cannot become {asked}")
        for _, tensor in self._tensors("", True, True):
            if tensor.dtype.kind == "f":
                tensor.data = tensor.detach().to(*targets, **named)
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to(tensor.dtype)
        return self

    def float(self: M) -> M:
        """Convert all floating-point parameters and buffers to float32."""
        return self.to(minigrad.float32)

    def double(self: M) -> M:
        """Convert all floating-point parameters and buffers to float64."""
        return self.to(minigrad.float64)

    def half(self: M) -> M:
        """Convert all floating-point parameters and buffers to float16."""
        return self.to(minigrad.float16)

    def cpu(self: M) -> M:
        """This module, which is where it always is."""
        return self

    # ---- saving and loading -----------------------------------------------------------------------------------------

    def _saved(self) -> dict[str, Tensor]:
        """Everything that is saved, by name: a tensor that is shared stands under each of its names."""
        within = list(self._walk("", False, set()))
        passing = {
            f"{path}.{name}" if path else name
            for path, module in within
            if isinstance(module, Module)
            for name, persistent in module._buffers.items()
            if not persistent
        }
        found: dict[str, Tensor] = {}
        for name, value in within:
            if not isinstance(value, Tensor) or name in passing:
                continue
            if found.setdefault(name, value) is not value:
                raise RuntimeError(f"state_dict: two tensors are both called {name!r}; rename one of the parts")
        return found

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """All parameters and persistent buffers by name, as detached tensors on the same memory.

        A tensor that is shared stands under each of its names, as in PyTorch. `prefix` goes before every name.
        `minigrad.save(model.state_dict(), "model.npz")` writes them to a file.
        """
        return {prefix + name: tensor.detach() for name, tensor in self._saved().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Loaded:
        """Copy the values in `state_dict` into the parameters and buffers of the same names.

        All or nothing: if anything is wrong, nothing is loaded and one error lists it all. Without `strict`, names that
        stand on one side only are passed over, and returned.

        **Raises** `ShapeError` if a shape differs; `RuntimeError` if only names do, or a value is no tensor of real
        numbers; `TypeError` if `state_dict` is no dictionary.

        >>> from nn import Linear
        >>> Linear(2, 3).load_state_dict({"weight": minigrad.zeros(3, 7), "bia": minigrad.zeros(3)})
        Traceback (most recent call last):
            ...
        minigrad.errors.ShapeError: load_state_dict: nothing was loaded into Linear, because
          missing: bias (did you mean 'bia'?)
          unexpected: bia
          misshapen: weight is (3, 2) here, but (3, 7) in the state
        """
        if not isinstance(state_dict, Mapping):
            kind = type(state_dict).__name__
            raise TypeError(f"load_state_dict: a dictionary of tensors by name is needed, not {kind}")
        own = self._saved()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        given = {name: value for name, value in state_dict.items() if name in own}
        strangers = [f"{name} is a {_kind(value)}" for name, value in given.items() if not _is_real(value)]
        misshapen = [
            f"{name} is {own[name].shape} here, but {value.shape} in the state"
            for name, value in given.items()
            if _is_real(value) and value.shape != own[name].shape
        ]
        wrong = {"misshapen": misshapen, "not a tensor of real numbers": strangers}
        if strict:
            hinted = [name + _nearest(name, unexpected) for name in missing]
            wrong = {"missing": hinted, "unexpected": unexpected, **wrong}
        if any(wrong.values()):
            listed = "".join(f"\n  {what}: {', '.join(names)}" for what, names in wrong.items() if names)
            kind = ShapeError if misshapen else RuntimeError
            raise kind(f"load_state_dict: nothing was loaded into {type(self).__name__}, because{listed}")
        with minigrad.no_grad():
            for name, value in given.items():
                own[name].copy_(value)
        return Loaded(missing, unexpected)

    # ---- printing ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed: its sizes and options."""
        return ""

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {value!r}" for name, value in self._held() if isinstance(value, Module)]
        if not children and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        lines = "\n".join([extra] * bool(extra) + children).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)"
