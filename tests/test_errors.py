"""Mistakes that beginners make, and what they are told: the thing, both numbers, and a way out."""

import math

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, grad, no_grad, tensor
from minigrad.errors import DimError

x = tensor([1.0, 2.0, 3.0])
m = tensor(np.arange(6.0).reshape(2, 3))
ids = tensor([0, 1, 1])
w = tensor([1.0, 2.0, 3.0], requires_grad=True, name="weight")

# What is done, which exception it raises, and what the message must say.
MISTAKES = {
    # shapes that do not fit
    "add": (lambda: m + m.T, ShapeError, ["add", "(2, 3)", "(3, 2)", "cannot be broadcast", "x[:, None]"]),
    "multiply": (lambda: x * tensor([1.0, 2.0]), ShapeError, ["mul", "(3,)", "(2,)", "sizes 2 and 3"]),
    "matmul": (lambda: m @ m, ShapeError, ["matmul", "(2, 3) @ (2, 3)", "3 and 2", "a @ b.mT"]),
    "matmul left": (lambda: m @ tensor([1.0, 2.0]), ShapeError, ["(2, 3) @ (2,)", "3 and 2", "a.mT @ b"]),
    "matmul batches": (lambda: minigrad.ones(2, 3, 5) @ minigrad.ones(7, 5, 3), ShapeError, ["batch", "(2,)", "(7,)"]),
    "matmul number": (lambda: x @ 3, ShapeError, ["matmul", "single number", "*"]),
    "reshape": (lambda: m.reshape(4, -1), ShapeError, ["reshape", "6 entries", "(2, 3)", "(4, -1)"]),
    "view": (lambda: m.view(5), ShapeError, ["6 entries", "(5,)"]),
    "expand": (lambda: m.expand(3, 3), ShapeError, ["expand", "(2, 3)", "(3, 3)"]),
    "cat": (lambda: minigrad.cat([m, m.T]), ShapeError, ["cat", "(2, 3)", "(3, 2)", "dimension 0"]),
    "stack": (lambda: minigrad.stack([m, x]), ShapeError, ["stack", "(2, 3)", "(3,)", "cat"]),
    "split": (lambda: x.split([1, 1]), ShapeError, ["split", "[1, 1]", "2", "3"]),
    "mm": (lambda: minigrad.mm(m, x), ShapeError, ["mm", "(2, 3)", "(3,)", "matmul"]),
    "einsum": (lambda: minigrad.einsum("ij,jk->ik", m, m), ShapeError, ["einsum", "'j'", "3", "2"]),
    "conv1d": (lambda: minigrad.conv1d(minigrad.ones(1, 2, 5), minigrad.ones(3, 7, 2)), ShapeError,
               ["conv1d", "2 channels", "(3, 7, 2)"]),
    "gather": (lambda: m.gather(1, ids), ShapeError, ["gather", "(3,)", "(2, 3)"]),
    "masked_fill": (lambda: m.masked_fill(tensor([True, False]), 0.0), ShapeError, ["masked_fill", "(2, 3)", "(2,)"]),
    "assignment": (lambda: m.__setitem__(0, minigrad.ones(2)), ShapeError, ["x[i] = v", "(2,)", "(3,)"]),
    "growing in place": (lambda: minigrad.ones(3).__iadd__(minigrad.ones(2, 3)), ShapeError, ["+=", "(2, 3)", "(3,)"]),
    "gradient": (lambda: (w * 2).backward(tensor([1.0])), ValueError, ["backward", "(1,)", "(3,)"]),
    "own gradient": (lambda: setattr(w, "grad", x[:1]), ValueError, ["grad", "'weight'", "(3,)", "(1,)"]),
    "unequal lists": (lambda: tensor([[1, 2], [3]]), ValueError, ["unequal length", "pad"]),
    "roll": (lambda: m.roll((1, 2), (0,)), ShapeError, ["roll", "(1, 2)", "(0,)"]),
    "chunk": (lambda: m.chunk(1.5), ShapeError, ["chunk", "whole number", "1.5"]),
    "trace": (lambda: x.trace(), ShapeError, ["trace", "matrix", "(3,)"]),
    "multinomial": (lambda: minigrad.multinomial(minigrad.ones(2, 3, 5), 1), ShapeError, ["multinomial", "(2, 3, 5)"]),
    "pad": (lambda: minigrad.pad(m, 1), ShapeError, ["pad", "1", "(2, 3)"]),
    "window": (lambda: minigrad.ops.window.max_pool1d(minigrad.ones(2, 0), 2, ceil_mode=True), ShapeError,
               ["max_pool1d", "(2, 0)", "no entries"]),
    # dimensions and indices that do not exist
    "one dimension twice": (lambda: m.sum((0, -2)), ShapeError, ["sum", "duplicate", "(2, 3)"]),
    "permute twice": (lambda: m.permute(0, 0), (ShapeError, DimError), ["permute", "(0, 0)", "twice"]),
    "sum": (lambda: m.sum(2), DimError, ["sum", "dimension 2", "(2, 3)", "-2 to 1"]),
    "sum axis": (lambda: m.sum(axis=-3), DimError, ["sum", "dimension -3", "(2, 3)"]),
    "transpose": (lambda: m.transpose(0, 2), DimError, ["transpose", "dimension 2", "(2, 3)"]),
    "softmax": (lambda: m.softmax(7), DimError, ["softmax", "dimension 7", "(2, 3)"]),
    "size": (lambda: m.size(2), DimError, ["size", "dimension 2", "(2, 3)"]),
    "index": (lambda: x[3], DimError, ["index 3", "size 3", "(3,)"]),
    "indices": (lambda: x[0, 0], DimError, ["too many indices", "(3,)"]),
    "list of indices": (lambda: x[[0, 7]], DimError, ["index 7", "size 3"]),
    "mask": (lambda: x[tensor([True, False])], DimError, ["boolean", "3", "2"]),
    "scatter": (lambda: m.scatter_add(1, tensor([[0, 5]]), m), DimError, ["scatter_add", "5", "size 3"]),
    "topk": (lambda: x.topk(7), ValueError, ["topk", "7", "3"]),
    # things of the wrong type
    "arange": (lambda: minigrad.arange("a"), TypeError, ["arange", "numbers", "'a'"]),
    "linspace": (lambda: minigrad.linspace(0, 1, -2), ValueError, ["linspace", "whole number", "-2"]),
    "eye": (lambda: minigrad.eye(2.5), ValueError, ["eye", "whole number", "2.5"]),
    "randperm": (lambda: minigrad.randperm(-1), ValueError, ["randperm", "whole number", "-1"]),
    "randint": (lambda: minigrad.randint(0.5, 2, (3,)), TypeError, ["randint", "0.5"]),
    "seed": (lambda: minigrad.manual_seed("one"), ValueError, ["manual_seed", "whole number", "'one'"]),
    "topk float": (lambda: x.topk(2.0), TypeError, ["topk", "whole number", "2.0"]),
    "method": (lambda: x.inverse(), AttributeError, ["Tensor.inverse", "np.linalg.inv"]),
    "misspelt": (lambda: x.unsqeeze(0), AttributeError, ["Tensor", "'unsqeeze'"]),
    "float index": (lambda: x[1.5], (TypeError, IndexError), ["float", "integers"]),
    "float indices": (lambda: x[tensor([0.0, 1.0])], (TypeError, IndexError), ["float32", ".long()"]),
    "string": (lambda: x + "one", TypeError, ["add", "number", "str"]),
    "None": (lambda: x + None, TypeError, ["add", "number", "NoneType"]),
    "text": (lambda: tensor("abc"), TypeError, ["numbers", "str"]),
    "nothing": (lambda: tensor(None), TypeError, ["numbers", "NoneType"]),
    "several numbers": (lambda: tensor(1, 2, 3), TypeError, ["2", "dtype"]),
    "dtype": (lambda: x.to("flaot32"), TypeError, ["'flaot32'", "minigrad.float32"]),
    "device": (lambda: x.to("cuda"), ValueError, ["'cuda'", "cpu"]),
    "mean of integers": (lambda: ids.mean(), TypeError, ["mean", "int64", "x.float().mean()"]),
    "gradient of integers": (lambda: tensor([1, 2], requires_grad=True), TypeError, ["int64", "floating-point"]),
    "number mask": (lambda: x.masked_fill(ids, 0.0), TypeError, ["masked_fill", "boolean", "int64", "mask.bool()"]),
    "half a where": (lambda: minigrad.where(x > 1, x), TypeError, ["where", "both"]),
    "cat of one": (lambda: minigrad.cat(m), TypeError, ["cat", "list or tuple", "Tensor"]),
    "cat of numbers": (lambda: minigrad.cat([x, 3.0]), TypeError, ["cat", "float"]),
    "einsum order": (lambda: minigrad.einsum(m, "ij"), TypeError, ["einsum", "Tensor"]),
    "gradient of a number": (lambda: grad(3.0, w), TypeError, ["grad", "float"]),
    "own gradient type": (lambda: setattr(w, "grad", 3.0), TypeError, ["grad", "Tensor", "float"]),
    "hook": (lambda: w.register_hook(5), TypeError, ["register_hook", "int"]),
    # arguments
    "argument missing": (lambda: minigrad.matmul(m), TypeError, ["matmul", "'b'"]),
    "argument unknown": (lambda: m.sum(dims=1), TypeError, ["sum", "'dims'", "dim, keepdim"]),
    "argument too many": (lambda: x.exp(2), TypeError, ["exp", "1 argument", "2"]),
    "argument twice": (lambda: m.sum(1, dim=1), TypeError, ["sum", "'dim'", "twice"]),
    # gradients
    "no history": (lambda: x.sum().backward(), RuntimeError, ["backward", "does not require grad", "detach"]),
    "not one number": (lambda: (w * 2).backward(), RuntimeError, ["backward", "(3,)", "loss.sum()"]),
    "unused": (lambda: grad((x * 2).requires_grad_().sum(), w), RuntimeError, ["'weight'", "allow_unused=True"]),
    "leaf changed": (lambda: w.mul_(2), RuntimeError, ["mul_", "'weight'", "leaf", "no_grad()"]),
    "flag of a result": (lambda: setattr(w * 2, "requires_grad", False), RuntimeError, ["mul", "detach()"]),
    "to NumPy": (lambda: w.numpy(), RuntimeError, ["numpy()", "'weight'", "detach()"]),
    "to an array": (lambda: np.asarray(w), RuntimeError, ["'weight'", "detach()"]),
    "list of results": (lambda: tensor([w[0], w[1]]), RuntimeError, ["tensor", "stack"]),
    "array of results": (lambda: np.array([w, w]), RuntimeError, ["detach()"]),
    "NumPy without a rule": (lambda: np.linalg.norm(w), TypeError, ["np.linalg.norm", "rule", "detach()"]),
    "NumPy into an array": (lambda: np.exp(w, out=np.zeros(3)), TypeError, ["np.exp", "out="]),
    "NumPy reducing": (lambda: np.add.reduce(w), TypeError, ["np.add.reduce"]),
    # numbers
    "item": (lambda: x.item(), ValueError, ["item()", "3 elements", ".tolist()"]),
    "float": (lambda: float(x), ValueError, ["3 elements"]),
    "math": (lambda: math.sqrt(x), (TypeError, ValueError), ["3 elements"]),
    "format": (lambda: f"{x:.2f}", ValueError, ["3 elements"]),
    "truth": (lambda: bool(x), ValueError, ["(3,)", "any()", "all()", "is None"]),
    "between": (lambda: 1 < x < 3, ValueError, ["(3,)", "any()"]),
    "length": (lambda: len(tensor(1.0)), TypeError, ["0-d"]),
    "loop": (lambda: list(tensor(1.0)), TypeError, ["0-d"]),
    "list index": (lambda: [1, 2, 3][x], TypeError, ["float32", "(3,)", "index"]),
    "pickle": (lambda: x.__reduce__(), TypeError, ["minigrad.save"]),
    # names
    "attribute": (lambda: x.gradient, AttributeError, ["Tensor", "gradient"]),
    "own attribute": (lambda: setattr(x, "note", 1), AttributeError, ["note"]),
    "shape assigned": (lambda: setattr(x, "shape", (3, 1)), AttributeError, ["shape"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_explained(mistake):
    do, kind, parts = MISTAKES[mistake]
    with pytest.raises(kind) as error:
        do()
    text = str(error.value)
    assert [part for part in parts if part not in text] == [], text
    for foreign in ("gufunc", "operand 0", "operands could not", "object arrays", "<lambda>", "_getitem"):
        assert foreign not in text


@pytest.mark.parametrize("mistake", [name for name, row in MISTAKES.items() if row[1] in (ShapeError, DimError)])
def test_shape_errors_are_what_numpy_and_what_pytorch_raise(mistake):
    """A ValueError (or IndexError) for those who come from NumPy, a RuntimeError for those who come from PyTorch."""
    for kind in (ValueError, RuntimeError):
        with pytest.raises(kind):
            MISTAKES[mistake][0]()


def test_errors_show_no_frames_of_numpy():
    with pytest.raises(ShapeError) as error:
        m @ m
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_one_element_has_a_truth_value():
    assert tensor([[1.0]])
    assert not tensor(0)
    assert tensor([True])
    with pytest.raises(ValueError, match=r"\(0,\)"):
        bool(minigrad.zeros(0))


# ---- numbers that are none ------------------------------------------------------------------------------------------


def test_nan_and_infinity_are_numpys():
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    t = tensor(special)
    with np.errstate(all="ignore"):
        for of_tensors, of_arrays in (
            (1 / t, 1 / special),
            (t - t, special - special),
            (t.sqrt(), np.sqrt(special)),
            (t.log(), np.log(special)),
            (t.exp(), np.exp(special)),
            (t.max(), special.max()),
            (t.sum(), special.sum()),
            (t.sort().values, np.sort(special)),
            (minigrad.maximum(t, 0.0), np.maximum(special, 0.0)),
            (t == t, special == special),
            (t > 0, special > 0),
            (t.isnan(), np.isnan(special)),
        ):
            np.testing.assert_array_equal(of_tensors.tolist(), of_arrays.tolist())


def test_operations_warn_as_numpy_does():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        tensor([1.0]) / 0
    with pytest.warns(RuntimeWarning, match="invalid value"):
        tensor([-1.0]).sqrt()


def test_gradients_may_be_infinite_without_a_warning():
    zero = tensor([0.0], requires_grad=True)
    zero.sqrt().backward()
    assert zero.grad.tolist() == [np.inf]


def test_empty_inputs_are_numpys():
    empty = minigrad.zeros(0, 3)
    assert (empty.sum().item(), empty.prod().item(), empty.sum(0).tolist()) == (0, 1, [0, 0, 0])
    assert (empty @ minigrad.ones(3, 2)).shape == (0, 2)
    assert (minigrad.ones(2, 0) @ minigrad.ones(0, 2)).tolist() == [[0, 0], [0, 0]]
    assert (bool(empty.any()), bool(empty.all())) == (False, True)
    for reduce in ("max", "min", "argmax", "argmin", "amax"):
        with pytest.raises(ValueError, match=r"no entries|\(0, 3\)"):
            getattr(empty, reduce)()
    assert empty.max(1).values.shape == (0,)


def test_a_mistake_leaves_the_mode_as_it_was():
    with no_grad():
        with pytest.raises(ShapeError):
            m @ m
        assert not minigrad.is_grad_enabled()
    assert minigrad.is_grad_enabled()
