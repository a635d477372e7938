"""Saving and loading: nested dictionaries and lists of tensors and numbers, as one `.npz` file, without pickle.

An `.npz` file is a zip archive of arrays: NumPy alone can open it, and loading one never runs code. A dictionary of
tensors, such as a `state_dict`, is stored under its own names and nothing else. What more a checkpoint holds (numbers,
strings, the shape of the nesting) stands beside the arrays, as JSON in the entry `__structure__`.
"""

from __future__ import annotations

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from .tensor import Tensor, wrap

_STRUCTURE = "__structure__"


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write tensors, arrays, numbers, strings, None, and dictionaries, lists and tuples of them, to the file `path`.

    The file appears only when it is complete: a failure half-way leaves what was there before. Values are saved, not
    history: what `load` returns are leaves that do not require grad.

    **Raises** `TypeError`, naming the entry, if something else is found in `obj`.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "checkpoint.npz")
    >>> save({"weights": {"w": Tensor([1.0, 2.0])}, "epoch": 3}, path)
    >>> load(path)
    {'weights': {'w': tensor([1., 2.])}, 'epoch': 3}
    """
    arrays: dict[str, np.ndarray] = {_STRUCTURE: np.empty(0)}  # keeps the name from being given to anything else
    structure = _taken_apart(obj, "", arrays)
    del arrays[_STRUCTURE]
    if structure != _names_alone(arrays):
        arrays[_STRUCTURE] = np.frombuffer(json.dumps(structure).encode(), np.uint8)

    path = os.path.realpath(path)
    temporary = f"{path}.{secrets.token_hex(4)}.part"
    try:
        with open(temporary, "xb") as file:
            _write(arrays, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote to the file `path`; of an `.npz` file from elsewhere, a dictionary of its tensors.

    **Raises** `ValueError` if the file is no `.npz` file of numbers, or is damaged.
    """
    where = f"load: {os.fspath(path)!r}"
    with open(path, "rb") as file:
        arrays = _read(file, where)
    encoded = arrays.pop(_STRUCTURE, None)
    try:
        structure = _names_alone(arrays) if encoded is None else json.loads(encoded.tobytes())
        return _put_together(structure, arrays)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"{where}: entry {_STRUCTURE!r} is damaged, or does not belong to the other entries") from None


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
