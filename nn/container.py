"""Modules that hold others: in a chain, in a list, in a dictionary.

A container keeps what it holds as attributes of its own, called "0", "1", … or by key, and so needs nothing else to be
looked through, saved and printed. A plain list or dictionary as an attribute does as well; these have methods.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from minigrad import Tensor

from .module import Module, Parameter

L = TypeVar("L", bound="_Numbered")


class _Numbered(Module):
    """A list: what it holds is called by its position."""

    kind: type[Any] = Module  # what it holds

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def _pairs(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, self.kind)]

    def _replace(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Hold `pairs` instead; names that are numbers are counted anew, others stay."""
        pairs = [(str(i) if name.isdigit() else name, value) for i, (name, value) in enumerate(pairs)]
        for _, value in pairs:
            self._check_kind(value)
        for name, _ in self._pairs():
            delattr(self, name)
        for name, value in pairs:
            setattr(self, name, value)

    def _check_kind(self, value: Any) -> None:
        if not isinstance(value, self.kind):
            raise TypeError(
                f"{type(self).__name__}: it holds a {self.kind.__name__} at each place, not {type(value).__name__}"
            )

    def __len__(self) -> int:
        return len(self._pairs())

    def __iter__(self) -> Iterator[Any]:
        return iter([value for _, value in self._pairs()])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)([value for _, value in self._pairs()[index]])
        return self._pairs()[self._place(index)][1]

    def __setitem__(self, index: int, value: Any) -> None:
        self._check_kind(value)
        setattr(self, self._pairs()[self._place(index)][0], value)

    def __delitem__(self, index: int | slice) -> None:
        pairs = self._pairs()
        del pairs[index if isinstance(index, slice) else self._place(index)]
        self._replace(pairs)

    def _place(self, index: int) -> int:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"{type(self).__name__}: there is no place {index} among {n}")
        return index

    def append(self: L, module: Any) -> L:
        """Add one at the end."""
        return self.extend([module])

    def extend(self: L, modules: Iterable[Any]) -> L:
        """Add several at the end."""
        self._replace([*self._pairs(), *(("0", module) for module in modules)])
        return self

    def insert(self: L, index: int, module: Any) -> L:
        """Add one before place `index`."""
        pairs = self._pairs()
        pairs.insert(index, ("0", module))
        self._replace(pairs)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take out the one at place `index`, the last if not given, and return it."""
        value = self[index]
        del self[index]
        return value

    def __iadd__(self: L, modules: Iterable[Any]) -> L:
        return self.extend(modules)

    def __add__(self: L, modules: Iterable[Any]) -> L:
        return type(self)([*self, *modules])


class Sequential(_Numbered):
    """A chain: each module gets what the one before it returned.

    Made of modules, or of a dictionary that names them. A slice is again a chain.

    >>> import minigrad
    >>> from nn import Linear, ReLU
    >>> model = Sequential(Linear(3, 5), ReLU(), Linear(5, 2))
    >>> model(minigrad.ones(7, 3)).shape, len(model[:2])
    ((7, 2), 2)
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self._check_kind(module)
                self.add_module(name, module)
        else:
            super().__init__(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(self._pairs()[index]))
        return super().__getitem__(index)

    def __add__(self, modules: Iterable[Any]) -> Sequential:
        return Sequential(*self, *modules)

    def forward(self, input: Any) -> Any:
        """Pass the input through all modules in turn."""
        for module in list(vars(self).values()):
            if isinstance(module, Module):
                input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules, for a `forward` that says how they are used.

    >>> from nn import Linear
    >>> layers = ModuleList(Linear(3, 3) for _ in range(2))
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __repr__(self) -> str:
        """The modules, equal neighbours together, as in (0-2): 3 x ReLU()."""
        lines, first = [], 0
        for text, same in itertools.groupby(map(repr, self)):
            n = len(list(same))
            lines.append(f"({first}): {text}" if n == 1 else f"({first}-{first + n - 1}): {n} x {text}")
            first += n
        inside = "".join(f"\n{line}" for line in lines).replace("\n", "\n  ")
        return f"ModuleList({inside}\n)" if lines else "ModuleList()"


class ParameterList(_Numbered):
    """A list of parameters; other tensors given to it become parameters.

    >>> import minigrad
    >>> [tuple(p.shape) for p in ParameterList([minigrad.ones(2), minigrad.ones(3)])]
    [(2,), (3,)]
    """

    kind = Parameter

    def extend(self: L, modules: Iterable[Any]) -> L:
        """Add several at the end."""
        return super().extend(Parameter(x) if type(x) is Tensor else x for x in modules)

    def extra_repr(self) -> str:
        """Each parameter's dtype and shape."""
        return "\n".join(f"({i}): Parameter of {x.dtype} {x.shape}" for i, x in enumerate(self))


class ModuleDict(Module):
    """Modules by name, for a `forward` that says how they are used.

    **Raises** `KeyError` for a name with a dot, or that of a method such as "keys".

    >>> from nn import Linear
    >>> heads = ModuleDict({"tag": Linear(3, 5), "lemma": Linear(3, 7)})
    >>> "tag" in heads, heads["lemma"].out_features
    (True, 7)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def __getitem__(self, key: str) -> Module:
        held = dict(self.items())
        if key not in held:
            raise KeyError(f"ModuleDict: there is no {key!r} among {', '.join(held) or 'no modules'}")
        return held[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"ModuleDict: it holds a Module by each name, not {type(module).__name__}")
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __len__(self) -> int:
        return len(self.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> list[str]:
        """The names."""
        return [name for name, _ in self.items()]

    def values(self) -> list[Module]:
        """The modules."""
        return [module for _, module in self.items()]

    def items(self) -> list[tuple[str, Module]]:
        """The names and modules."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace the modules given."""
        for key, module in dict(modules).items():
            self[key] = module

    def pop(self, key: str) -> Module:
        """Take out the module of that name, and return it."""
        module = self[key]
        delattr(self, key)
        return module

    def clear(self) -> None:
        """Take out all modules."""
        for key in self.keys():
            delattr(self, key)


class Identity(Module):
    """x itself: a place for a layer that is left out. Arguments are accepted and ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input
