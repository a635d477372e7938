"""Saving and loading: nested dictionaries and lists of tensors and numbers, as one `.npz` file, without pickle.

An `.npz` file is a zip archive of arrays, so NumPy alone can open it; loading one never runs code. A plain dictionary of
tensors, such as a `state_dict`, is stored under its own names. What else a checkpoint holds (numbers, strings, the shape of
the nesting) stands beside the arrays as JSON.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .tensor import Tensor, wrap

_STRUCTURE = "__structure__"


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write tensors, arrays, numbers, strings, None, and dictionaries and lists of them, to the file `path`.

    The file appears only when it is complete: a failure half-way leaves what was there before.

    **Raises** `TypeError`, naming where, if something else is found in `obj`.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _taken_apart(obj, "", arrays)
    arrays[_STRUCTURE] = np.frombuffer(json.dumps(structure).encode(), np.uint8)
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # names to arrays
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote to the file `path`; of an `.npz` file from elsewhere, a dictionary of its tensors.

    **Raises** `FileNotFoundError` if there is no such file, `ValueError` if it is no `.npz` file of numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f"load: there is no file {os.fspath(path)!r}") from None
        raise ValueError(f"load: {os.fspath(path)!r} is not an .npz file of numbers ({error})") from None
    structure = arrays.pop(_STRUCTURE, None)
    if structure is None:
        return {name: wrap(array) for name, array in arrays.items()}
    return _put_together(json.loads(structure.tobytes().decode()), arrays)


def _taken_apart(obj: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """`obj` as JSON, its arrays replaced by their names in `arrays`."""
    if isinstance(obj, (Tensor, np.ndarray)):
        array = obj.array if isinstance(obj, Tensor) else obj
        if array.dtype.kind not in "fiubc":
            raise TypeError(f"save: {where or 'the object'} is an array of {array.dtype}; only numbers can be saved")
        name = where or "tensor"
        while name in arrays:
            name += "'"
        arrays[name] = array
        return {"tensor" if isinstance(obj, Tensor) else "array": name}
    if isinstance(obj, dict):
        return {"dict": [[_key(k, where), _taken_apart(v, f"{where}.{k}".lstrip("."), arrays)] for k, v in obj.items()]}
    if isinstance(obj, (list, tuple)):
        kind = "list" if isinstance(obj, list) else "tuple"
        return {kind: [_taken_apart(v, f"{where}.{i}".lstrip("."), arrays) for i, v in enumerate(obj)]}
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    raise TypeError(f"save: {where or 'the object'} is a {type(obj).__name__}; tensors, numbers, strings, dicts and lists can be saved")


def _key(key: Any, where: str) -> Any:
    if not isinstance(key, (str, int)):
        raise TypeError(f"save: the key {key!r} in {where or 'the object'} is neither a string nor an integer")
    return key


def _put_together(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return wrap(arrays[content])
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _put_together(value, arrays) for key, value in content}
    parts = [_put_together(value, arrays) for value in content]
    return parts if kind == "list" else tuple(parts)
