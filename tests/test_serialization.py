"""Saving and loading: what goes in comes out, the file is an ordinary one, and damage is never taken for data."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Tensor


def same(a: Any, b: Any) -> bool:
    """Whether two nested values agree in kind, dtype and every number."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (Tensor, np.ndarray)):
        x, y = np.asarray(a), np.asarray(b)
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def there_and_back(obj: Any, path: Path) -> Any:
    minigrad.save(obj, path)
    return minigrad.load(path)


VALUES = {
    "number": 3,
    "nothing": None,
    "tensor": minigrad.tensor([[1.0, 2.0, 3.0]]),
    "scalar": minigrad.tensor(2.5),
    "no entries": minigrad.zeros(0, 3),
    "state": {"encoder.0.weight": minigrad.tensor([1.0]), "encoder.0.bias": minigrad.tensor([2])},
    "empty": {},
    "lists": [1, (2.5, "three", None, True), [], ()],
    "checkpoint": {"state": {0: {"step": 5, "m": np.zeros(3, np.float16)}}, "betas": (0.9, 0.999), "rng": 2**127 + 1},
    "not finite": [float("inf"), float("-inf")],
    "texts": {"猫": "吃 鱼", "\ud800": "\x00\n\"'"},
    "booleans": {"mask": np.array([True, False]), "flag": True},
    "bytes": np.arange(5, dtype=np.uint8),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(10)[::3],
}


@pytest.mark.parametrize("name", VALUES)
def test_what_was_saved_is_loaded(name: str, tmp_path: Path) -> None:
    assert same(there_and_back(VALUES[name], tmp_path / "file"), VALUES[name])


NAMES = ["file", "__structure__", "allow_pickle", "a/b", "../up", "", "x.npy", "x", "a\x00b", "\ud800", "tensor"]


def test_names_of_every_kind(tmp_path: Path) -> None:
    """Two of these are the names of parameters of np.savez, one is our own, one hides another from np.load."""
    state = {name: minigrad.tensor([float(i)]) for i, name in enumerate(NAMES)}
    assert same(there_and_back(state, tmp_path / "all"), state)
    for name in NAMES:
        assert same(there_and_back({name: state[name]}, tmp_path / "one"), {name: state[name]})


def test_two_ways_to_one_name(tmp_path: Path) -> None:
    one, two, three, four = minigrad.arange(4)
    value = {"a.b": one, "a": {"b": two, "b'": three}, 0: [four]}
    assert same(there_and_back(value, tmp_path / "file"), value)


def test_a_state_dict_is_an_ordinary_npz_file(tmp_path: Path) -> None:
    minigrad.save({"encoder.0.weight": minigrad.ones(2, 3), "file": minigrad.zeros(5)}, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as archive:
        assert archive.files == ["encoder.0.weight", "file"]
        assert (archive["encoder.0.weight"] == np.ones((2, 3), np.float32)).all()


def test_a_checkpoint_shows_its_arrays_by_where_they_were(tmp_path: Path) -> None:
    minigrad.save({"model": {"w": minigrad.ones(2)}, "epoch": 3, "losses": [minigrad.ones(3)]}, tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        assert archive.files == ["model.w", "losses.0", "__structure__"]


def test_npz_files_from_elsewhere(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "theirs.npz", w=np.arange(3.0), n=np.int64(5))
    loaded = minigrad.load(tmp_path / "theirs.npz")
    assert same(loaded, {"w": Tensor(np.arange(3.0)), "n": Tensor(np.int64(5))})


def test_scalars_of_numpy_become_numbers(tmp_path: Path) -> None:
    assert same(there_and_back([np.float32(0.5), np.int64(7), np.bool_(True)], tmp_path / "file"), [0.5, 7, True])


def test_tensors_come_back_as_leaves_and_are_not_shared(tmp_path: Path) -> None:
    w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    once, twice = there_and_back([w, w * 2], tmp_path / "file")
    assert (once.is_leaf, once.requires_grad) == (twice.is_leaf, twice.requires_grad) == (True, False)
    once[0] = 5.0
    assert w.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", ["weights", "weights.bin", "we.ights.npz"])
def test_the_path_is_taken_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    minigrad.save({"w": minigrad.ones(1)}, name)
    assert os.listdir(tmp_path) == [name]
    assert minigrad.load(name)["w"].item() == 1.0


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    minigrad.save(1, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert minigrad.load(tmp_path / "target") == 1


def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    minigrad.save(1, tmp_path / "saved")
    assert (tmp_path / "saved").stat().st_mode == (tmp_path / "any").stat().st_mode


# ---- what cannot be saved -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"model": {"act": [1, len]}}, r"entry 'model\.act\.1' is a builtin_function_or_method"),
        ({"a": {(1, 2): 3}}, r"entry 'a' has the key \(1, 2\)"),
        ({"a": np.array(["text"])}, "entry 'a' is an array of <U4"),
        ([np.array([None])], "entry '0' is an array of object"),
        ({1.5: 0}, r"the object has the key 1\.5"),
        ({"z": 1j}, "entry 'z' is a complex"),
        ({1, 2}, "the object is a set"),
    ],
)
def test_what_cannot_be_saved_is_named(obj: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=message):
        minigrad.save(obj, tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.npz"
    minigrad.save({"a": minigrad.ones(3), "b": minigrad.ones(5)}, path)
    before = path.read_bytes()
    write = np.lib.format.write_array
    written: list[np.ndarray] = []

    def full_disk(file: Any, array: np.ndarray, **kwargs: Any) -> None:
        if written:
            raise OSError("no space left on device")
        written.append(array)
        write(file, array, **kwargs)

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    with pytest.raises(OSError, match="no space left"):
        minigrad.save({"a": minigrad.zeros(3), "b": minigrad.zeros(5)}, path)
    assert len(written) == 1
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["weights.npz"]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        minigrad.save(1, tmp_path / "nowhere" / "file")


# ---- what cannot be loaded ------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"weights\.npz"):
        minigrad.load(tmp_path / "weights.npz")


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    minigrad.save({"a": minigrad.ones(3), "n": [1, 2]}, path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"weights\.npz' is not an \.npz file, or was cut short"):
            minigrad.load(path)


def test_a_changed_byte_in_an_array(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    minigrad.save({"good": minigrad.ones(3), "bad": Tensor([7.0, 7.0])}, path)
    whole, seven = path.read_bytes(), np.float32(7).tobytes()
    assert whole.count(seven * 2) == 1
    path.write_bytes(whole.replace(seven * 2, seven + b"\0\0\0\0"))
    with pytest.raises(ValueError, match="entry 'bad' cannot be read"):
        minigrad.load(path)


def test_other_files_are_no_npz_files(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("to be or not to be\n" * 20)
    (tmp_path / "empty").touch()
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}]), allow_pickle=True)  # allow_pickle=True is how one is made
    for name in ("text", "empty", "pickled.npy"):
        with pytest.raises(ValueError, match=rf"{name}' is not an \.npz file"):
            minigrad.load(tmp_path / name)


class Trap:
    """Unpickling this leaves a mark."""

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)

    def __init__(self, mark: str) -> None:
        self.mark = mark


def test_a_pickle_inside_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    np.savez(tmp_path / "objects.npz", fine=np.ones(3), trap=np.array([Trap(str(mark))]))
    with pytest.raises(ValueError, match="entry 'trap' cannot be read"):
        minigrad.load(tmp_path / "objects.npz")
    assert not mark.exists()


def test_entries_that_are_no_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "words.npz", words=np.array(["a", "b"]))
    with pytest.raises(ValueError, match="entry 'words' holds <U1, not numbers"):
        minigrad.load(tmp_path / "words.npz")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n")
    with pytest.raises(ValueError, match=r"entry 'archive/data\.pkl' is not an array"):
        minigrad.load(tmp_path / "other.zip")


def test_an_entry_that_is_longer_than_it_says(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    with zipfile.ZipFile(tmp_path / "long.npz", "w") as archive:
        archive.writestr("a.npy", (tmp_path / "a.npy").read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"entry 'a' cannot be read \(it has more bytes"):
        minigrad.load(tmp_path / "long.npz")


@pytest.mark.parametrize(
    "text",
    [b"{", b'{"tensor": "missing"}', b'{"list": 3}', b'{"call": []}', b'{"dict": [[[], 1]]}', b'{"a": 1, "b": 2}'],
)
def test_a_structure_that_does_not_fit(text: bytes, tmp_path: Path) -> None:
    np.savez(tmp_path / "file.npz", w=np.ones(2), __structure__=np.frombuffer(text, np.uint8))
    with pytest.raises(ValueError, match="entry '__structure__' is damaged"):
        minigrad.load(tmp_path / "file.npz")


# ---- .safetensors ---------------------------------------------------------------------------------------------------


def test_safetensors_there_and_back(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="the optional package safetensors is not installed")
    path = tmp_path / "model.safetensors"
    state = {
        "layer.weight": minigrad.arange(6.0).reshape(2, 3).T,  # not row by row in memory
        "layer.bias": Tensor([1.5, -2.5], dtype=np.float64),
        "count": minigrad.tensor(7),
        "mask": minigrad.tensor([True, False]),
    }
    minigrad.save(state, path)
    loaded = minigrad.load(path)
    assert same({name: loaded[name] for name in state}, state)  # the file has an order of its own
    assert len(loaded) == len(state)
    for name, array in safetensors.load_file(path).items():  # as others find it
        np.testing.assert_array_equal(array, state[name].numpy())
        assert array.dtype == state[name].dtype
    safetensors.save_file({"w": np.ones((2, 3), np.float32)}, path)
    loaded = minigrad.load(path)
    assert same(loaded, {"w": minigrad.ones(2, 3)})
    loaded["w"].add_(1)  # its memory is its own

    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"load: '.*model.safetensors' cannot be read as a .safetensors file"):
        minigrad.load(path)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ([minigrad.ones(2)], "holds one dictionary of tensors, not a list"),
        ({"w": minigrad.ones(2), "epoch": 3}, "entry 'epoch' is a int"),
        ({"model": {"w": minigrad.ones(2)}}, "entry 'model' is a dict"),
        ({0: minigrad.ones(2)}, "entry 0 is a Tensor; .* holds tensors under names"),
    ],
)
def test_safetensors_hold_nothing_else(obj: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=message):
        minigrad.save(obj, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "x.safetensors"
    with pytest.raises(ImportError, match=r"save: \.safetensors files need the package safetensors: pip install"):
        minigrad.save({"w": minigrad.ones(2)}, path)
    path.write_bytes(b"")
    with pytest.raises(ImportError, match="load: "):
        minigrad.load(path)


def test_arguments_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    minigrad.save({"w": Tensor([1.0, 2.0])}, path)
    for where in (None, "cpu", minigrad.device("cpu"), lambda storage, location: storage, {"cuda:0": "cpu"}):
        for weights_only in (True, False):
            assert minigrad.load(path, map_location=where, weights_only=weights_only)["w"].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="no device 'cuda'"):
        minigrad.load(path, map_location="cuda")
