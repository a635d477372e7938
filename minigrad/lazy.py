"""lazy: what a package offers is imported when it is first asked for, so that `import minigrad, nn` is quick.

Which name is in which module, the package says in a table. It says so again in imports that Python passes over: they
are for type checkers, and for editors that lead from a name to its definition.

    if TYPE_CHECKING:
        from . import data
        from .text_cnn import Convolutions, TextCNN

    lazily(__name__, {"data": "", "text_cnn": "Convolutions TextCNN"})
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from .porting import missing


def lazily(module: str, table: Mapping[str, str]) -> None:
    """Let a module find, when they are first asked for, the names in the table, and the modules that they are in.

    What was found stays in the module: from then on it is a name like any other, and costs no more. For a name that is
    nowhere, there is the error of `missing`.
    """
    here = vars(sys.modules[module])
    home = {name: source for source, names in table.items() for name in names.split()}
    public = here.get("__all__", list(home))

    def __getattr__(name: str) -> Any:  # called by Python for what is not in the module
        if name in home:
            value = getattr(importlib.import_module(f".{home[name]}", here["__package__"]), name)
        elif name in table:
            value = importlib.import_module(f".{name}", here["__package__"])
        else:
            raise missing(module, name, public)
        here[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*here, *public})

    here.update(__getattr__=__getattr__, __dir__=__dir__)
