"""Devices, for programs that ask: there is one, the cpu, and every tensor is on it.

>>> here = device("cuda" if cuda.is_available() else "cpu")
>>> here
device(type='cpu')
>>> device("cuda")
Traceback (most recent call last):
    ...
ValueError: there is no device 'cuda'; minigrad computes with NumPy, on the cpu
"""

from __future__ import annotations

from typing import Any

KINDS = ("cpu", "cuda", "mps", "xpu", "meta")  # what a text names that is a device and no dtype


class device:
    """Where a tensor is: `device("cpu")`; usable as a `with` block, which changes nothing.

    **Raises** `ValueError` for any other device.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: Any, index: int | None = None) -> None:
        kind, _, number = str(getattr(type, "type", type)).partition(":")
        if kind != "cpu":
            raise ValueError(f"there is no device {str(type)!r}; minigrad computes with NumPy, on the cpu")
        self.type = kind
        self.index = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device)

    def __hash__(self) -> int:
        return hash(self.type)

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type={self.type!r})"

    def __enter__(self) -> device:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was changed, so nothing is left to set back."""


cpu = device("cpu")


def set_default_device(device_: Any) -> None:
    """Accept the device that everything is on anyway.

    **Raises** `ValueError` for any other than "cpu".
    """
    if device_ is not None:
        device(device_)


def get_default_device() -> device:
    """The device of new tensors."""
    return cpu


class Absent:
    """A kind of device that is not there: it says so when asked, can be seeded in vain, and has nothing else."""

    def __init__(self, name: str, **parts: Absent) -> None:
        self.name = name
        vars(self).update(parts)

    def is_available(self) -> bool:
        """False."""
        return False

    is_built = is_available

    def device_count(self) -> int:
        """0."""
        return 0

    def manual_seed_all(self, seed: int) -> None:
        """Nothing: there is no generator on a device that is not there."""

    manual_seed = manual_seed_all

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"minigrad.{self.name}.{name}: minigrad computes with NumPy on the cpu, and has nothing to set or to ask "
            f"about {self.name}; leave this out"
        )


cuda = Absent("cuda")
backends = Absent("backends", mps=Absent("backends.mps"))
