"""Saving and loading: nested dictionaries and lists of tensors and numbers, as one `.npz` file, without pickle.

An `.npz` file is a zip archive of arrays: NumPy alone can open it, and loading one never runs code. A dictionary of
tensors, such as a `state_dict`, is stored under its own names and nothing else. What more a checkpoint holds (numbers,
strings, the shape of the nesting) stands beside the arrays, as JSON in the entry `__structure__`.

A path that ends in `.safetensors` chooses that format instead, which other frameworks read and write, too: one
dictionary of tensors and nothing else. It needs the package `safetensors`.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import IO, Any

import numpy as np

from .device import device
from .tensor import Tensor, wrap

_STRUCTURE = "__structure__"


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write tensors, arrays, numbers, strings, None, and dictionaries, lists and tuples of them, to the file `path`.

    To a path that ends in `.safetensors`, one dictionary of tensors is written, such as a `state_dict`. The file
    appears only when it is complete: a failure half-way leaves what was there before. Values are saved, not history:
    what `load` returns are leaves that do not require grad.

    **Raises** `TypeError`, naming the entry, if something else is found in `obj`; `ImportError` for `.safetensors`
    without the package of that name.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "checkpoint.npz")
    >>> save({"weights": {"w": Tensor([1.0, 2.0])}, "epoch": 3}, path)
    >>> load(path)
    {'weights': {'w': tensor([1., 2.])}, 'epoch': 3}
    """
    write = _as_safetensors(obj) if _is_safetensors(path) else _as_npz(obj)
    path = os.path.realpath(path)
    temporary = f"{path}.{secrets.token_hex(4)}.part"
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """What `save` wrote to the file `path`; of a file from elsewhere, a dictionary of its tensors.

    `map_location` and `weights_only` are accepted for PyTorch's sake: tensors are always on the cpu, and nothing that
    is in a file is ever run.

    **Raises** `ValueError` if the file is no `.npz` (or `.safetensors`) file of numbers, or is damaged, or for another
    `map_location` than "cpu"; `ImportError` for `.safetensors` without the package of that name.
    """
    if isinstance(map_location, (str, device)):
        device(map_location)
    where = f"load: {os.fspath(path)!r}"
    with open(path, "rb") as file:
        if _is_safetensors(path):
            return _read_safetensors(file.read(), where)
        arrays = _read(file, where)
    encoded = arrays.pop(_STRUCTURE, None)
    try:
        structure = _names_alone(arrays) if encoded is None else json.loads(encoded.tobytes())
        return _put_together(structure, arrays)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"{where}: entry {_STRUCTURE!r} is damaged, or does not belong to the other entries") from None


def _as_npz(obj: Any) -> Callable[[IO[bytes]], None]:
    arrays: dict[str, np.ndarray] = {_STRUCTURE: np.empty(0)}  # keeps the name from being given to anything else
    structure = _taken_apart(obj, "", arrays)
    del arrays[_STRUCTURE]
    if structure != _names_alone(arrays):
        arrays[_STRUCTURE] = np.frombuffer(json.dumps(structure).encode(), np.uint8)
    return functools.partial(_write, arrays)


# ---- .safetensors ---------------------------------------------------------------------------------------------------


def _is_safetensors(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).endswith(".safetensors")


def _library(who: str) -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError:
        raise ImportError(
            f"{who}: .safetensors files need the package safetensors: pip install 'minigrad[safetensors]' "
            f"(.npz files need nothing)"
        ) from None


def _as_safetensors(obj: Any) -> Callable[[IO[bytes]], Any]:
    if not isinstance(obj, dict):
        raise TypeError(
            f"save: a .safetensors file holds one dictionary of tensors, not a {type(obj).__name__}; save to .npz"
        )
    arrays = {}
    for name, value in obj.items():
        array = value.array if isinstance(value, Tensor) else value
        if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise TypeError(
                f"save: entry {name!r} is a {type(value).__name__}; a .safetensors file holds tensors under names and "
                f"nothing else: save them alone, or all of it to .npz"
            )
        arrays[name] = np.asarray(array, order="C")
    content = _library("save").save(arrays)
    return lambda file: file.write(content)


def _read_safetensors(content: bytes, where: str) -> dict[str, Tensor]:
    library = _library("load")
    try:
        arrays = library.load(content)
    except Exception as error:  # of a class of its own, or a KeyError for a dtype that NumPy does not have
        raise ValueError(f"{where} cannot be read as a .safetensors file of numbers that NumPy has ({error})") from None
    return {name: wrap(array.copy()) for name, array in arrays.items()}


# ---- nested values as arrays and JSON -------------------------------------------------------------------------------


def _names_alone(arrays: Iterable[str]) -> Any:
    """The structure of a dictionary of tensors under their own names, which needs not be written down."""
    return {"dict": [[name, {"tensor": name}] for name in arrays]}


def _taken_apart(obj: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """`obj` as JSON, its arrays replaced by their names in `arrays`."""
    what = f"save: entry {where!r}" if where else "save: the object"
    if isinstance(obj, np.generic):
        obj = obj.item()
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (Tensor, np.ndarray)):
        array = obj.array if isinstance(obj, Tensor) else obj
        if array.dtype.kind not in "fiubc":
            raise TypeError(f"{what} is an array of {array.dtype}; only numbers can be saved")
        name = _free_name(where, arrays)
        arrays[name] = array
        return {"tensor" if isinstance(obj, Tensor) else "array": name}
    if isinstance(obj, dict):
        for key in obj:
            if not isinstance(key, (str, int)):
                raise TypeError(f"{what} has the key {key!r}; keys are strings or integers")
        return {"dict": [[key, _taken_apart(value, _inside(where, key), arrays)] for key, value in obj.items()]}
    if isinstance(obj, (list, tuple)):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_taken_apart(value, _inside(where, i), arrays) for i, value in enumerate(obj)]}
    raise TypeError(
        f"{what} is a {type(obj).__name__}; what can be saved are tensors, arrays, numbers, strings, None, "
        f"and dictionaries, lists and tuples of them"
    )


def _inside(where: str, key: str | int) -> str:
    return f"{where}.{key}" if where else str(key)


def _free_name(where: str, arrays: dict[str, np.ndarray]) -> str:
    """A name for an array in the file: where it was found, unless that is taken or a zip archive garbles it."""
    name = where if where and where.isprintable() else "tensor"
    while name in arrays:
        name += "'"
    return name


def _put_together(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    match kind:
        case "tensor":
            return wrap(arrays[content])
        case "array":
            return arrays[content]
        case "dict":
            return {key: _put_together(value, arrays) for key, value in content}
        case "list":
            return [_put_together(value, arrays) for value in content]
        case "tuple":
            return tuple(_put_together(value, arrays) for value in content)
    raise ValueError(kind)


# ---- arrays as a zip archive ----------------------------------------------------------------------------------------
# np.savez and np.load do the same, except that an array cannot be called "file" and that errors do not name the array.


def _write(arrays: dict[str, np.ndarray], file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


# What zipfile and read_array raise for damaged bytes, wherever they are.
_DAMAGE = (ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)


def _read(file: IO[bytes], where: str) -> dict[str, np.ndarray]:
    arrays = {}
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE:
        raise ValueError(f"{where} is not an .npz file, or was cut short") from None
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            raise ValueError(f"{where}: entry {name!r} is not an array; only .npz files of numbers can be loaded")
        try:
            with archive.open(info) as entry:
                array = np.lib.format.read_array(entry, allow_pickle=False)
                if entry.read(1):  # at the end, this also compares the checksum
                    raise ValueError("it has more bytes than its shape says")
        except _DAMAGE as error:
            raise ValueError(f"{where}: entry {name!r} cannot be read ({error})") from None
        if array.dtype.kind not in "fiubc":
            raise ValueError(f"{where}: entry {name!r} holds {array.dtype}, not numbers")
        arrays[name] = array
    return arrays
