"""Every test starts from the same random numbers and leaves the package as it found it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import thread


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-golden` writes the files in tests/golden anew; look at what changed before you keep it."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


def settings() -> dict[str, Any]:
    """What a program can set and a test could forget to set back."""
    return {
        "grad mode": thread.mode.recording,
        "observers": thread.mode.observers,
        "scope": thread.mode.scope,
        "default dtype": mg.get_default_dtype(),
        "NumPy's errstate": np.geterr(),
    }


@pytest.fixture(autouse=True)
def clean_state() -> Iterator[None]:
    """Seed the generator; fail a test that leaves a setting changed, and set it back for the next one."""
    before = settings()
    mg.manual_seed(0)
    yield
    after = settings()
    thread.mode.recording, thread.mode.observers, thread.mode.scope = (
        before[name] for name in ("grad mode", "observers", "scope")
    )
    mg.set_default_dtype(before["default dtype"])
    np.seterr(**before["NumPy's errstate"])
    leaked = [f"{name}: {before[name]} became {after[name]}" for name in before if before[name] != after[name]]
    assert not leaked, "the test leaves settings changed: " + "; ".join(leaked)
