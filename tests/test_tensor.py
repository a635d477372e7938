"""The handle: what a tensor is made of, what it shows, which memory it shares, and how it meets Python and NumPy."""

import copy
import pickle

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, from_numpy, no_grad, tensor


def leaf(*values, **options):
    return tensor(list(values), requires_grad=True, **options)


# ---- making one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.5, 2.5], "float32"),
        ([[1.5], [2.5]], "float32"),
        ([], "float32"),
        (1, "int64"),
        ([1, 2], "int64"),
        ([1, 2.5], "float32"),
        ([True, False], "bool"),
        (np.ones(2), "float64"),
        (np.ones(2, np.float32), "float32"),
        (np.ones(2, np.int32), "int32"),
        (np.float64(1.5), "float64"),
        ([np.ones(2), np.ones(2)], "float64"),
        (tensor([1.5], dtype=np.float64), "float64"),
    ],
)
def test_the_dtype_of_a_new_tensor(data, dtype):
    assert tensor(data).dtype == np.dtype(dtype)
    assert tensor(data, dtype=np.float16).dtype == np.float16


def test_the_default_dtype_can_be_set():
    minigrad.set_default_dtype("float64")
    try:
        assert tensor([1.5]).dtype == minigrad.zeros(2).dtype == np.float64
    finally:
        minigrad.set_default_dtype(minigrad.float32)
    assert tensor([1.5]).dtype == np.float32
    with pytest.raises(TypeError, match="floating-point.*int64"):
        minigrad.set_default_dtype("int64")


def test_data_is_copied_and_laid_out_row_by_row():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    x = tensor(array)
    array[0, 0] = 100
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x.array.flags.c_contiguous
    y = tensor(x)
    x[0, 0] = 7.0
    assert y[0, 0].item() == 0


def test_from_numpy_shares_memory():
    array = np.arange(3.0)
    x = from_numpy(array)
    x[0] = 5.0
    array[1] = 7.0
    assert (x.tolist(), array.tolist()) == ([5, 7, 2], [5, 7, 2])
    assert minigrad.as_tensor(array).numpy() is array
    assert minigrad.as_tensor(x) is x


# ---- what it is -----------------------------------------------------------------------------------------------------


def test_what_a_leaf_says_of_itself():
    x = tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True, name="scores")
    assert (x.shape, x.ndim, x.dim(), x.size(), x.size(-1), x.numel(), x.nelement(), len(x)) == (
        (2, 3), 2, 2, (2, 3), 3, 6, 6, 2,
    )  # fmt: skip
    assert (x.dtype, x.requires_grad, x.is_leaf, x.grad_fn, x.grad, x.name) == (
        np.float32,
        True,
        True,
        None,
        None,
        "scores",
    )


def test_what_a_result_says_of_itself():
    y = leaf(1.0, 2.0) * 2
    assert (y.requires_grad, y.is_leaf, y.grad_fn.name) == (True, False, "mul")
    z = y.detach()
    assert (z.requires_grad, z.is_leaf, z.grad_fn) == (False, True, None)
    assert np.shares_memory(z.array, y.array)


def test_requires_grad_can_be_switched():
    x = tensor([1.0])
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(TypeError, match="int64"):
        tensor([1]).requires_grad = True


def test_grad_can_be_assigned_and_cleared():
    x = leaf(1.0, 2.0)
    x.grad = tensor([5.0, 7.0])
    x.sum().backward()
    assert x.grad.tolist() == [6, 8]
    x.grad = None
    assert x.grad is None


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (tensor(1), "tensor(1)"),
        (tensor([True]), "tensor([ True])"),
        (tensor([1.0], dtype=np.float64), "tensor([1.], dtype=float64)"),
        (tensor([]), "tensor([], dtype=float32)"),
        (leaf(1.0), "tensor([1.], requires_grad=True)"),
        (leaf(1.0).exp().sum(), "tensor(2.7183, grad_fn=<sum>)"),
        (leaf(1.0, name="w"), "tensor([1.], requires_grad=True, name='w')"),
        (tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
    ],
)
def test_how_it_is_printed(x, text):
    assert repr(x) == str(x) == text


def test_large_tensors_are_printed_in_part():
    assert len(repr(minigrad.zeros(1000, 1000))) < 1000


def test_formats_are_for_numbers():
    assert f"{tensor(3.14159):.2f} {tensor(3)} {tensor([2.0]):5.1f}" == "3.14 3   2.0"


# ---- Python's protocols ---------------------------------------------------------------------------------------------


def test_numbers():
    x = leaf(2.5)
    assert (x.item(), float(x), int(x), x.tolist()) == (2.5, 2.5, 2, [2.5])
    assert type(x.item()) is float
    assert [10, 20, 30][tensor(1)] == 20
    assert list(range(tensor(3))) == [0, 1, 2]


def test_iteration_and_membership():
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    _, second = x
    assert second.tolist() == [3, 4]
    assert 3.0 in x
    assert 7.0 not in x
    a, b = leaf(1.0, 2.0)
    (a * b).backward()


def test_tensors_are_keys_by_identity():
    x, y = tensor([1.0]), tensor([1.0])
    assert {x: "x", y: "y"}[y] == "y"


def test_comparisons_are_elementwise():
    x = leaf(1.0, 2.0, 3.0)
    for compared, expected in (
        (x == 2, [False, True, False]),
        (x != 2, [True, False, True]),
        (x < tensor([2.0, 2.0, 2.0]), [True, False, False]),
        (np.float32(2) <= x, [False, True, True]),
        (x >= np.array([1, 5, 3]), [True, False, True]),
        ((x > 1) & ~(x > 2), [False, True, False]),
        ((x > 2) | (x < 2), [True, False, True]),
        ((x > 1) ^ (x > 2), [False, True, False]),
    ):
        assert compared.tolist() == expected
        assert (compared.dtype, compared.requires_grad) == (np.bool_, False)


def test_operators_on_both_sides():
    x = tensor([2.0, 4.0])
    for result, expected in (
        (+x, [2, 4]), (-x, [-2, -4]), (abs(-x), [2, 4]), (1 + x, [3, 5]), (1 - x, [-1, -3]), (3 * x, [6, 12]),
        (8 / x, [4, 2]), (9 // x, [4, 2]), (9 % x, [1, 1]), (2**x, [4, 16]), (x**2, [4, 16]), (x // 3, [0, 1]),
        (x % 3, [2, 1]), ([1, 1] @ x, 6), (x @ [1, 1], 6), (sum([x, x]), [4, 8]),
    ):  # fmt: skip
        assert isinstance(result, Tensor)
        assert result.tolist() == expected


def test_deep_copies_are_leaves_of_their_own():
    x = leaf(1.0, 2.0, name="w")
    x.sum().backward()
    one, other = copy.deepcopy([x, x])
    assert one is other
    assert (one.tolist(), one.requires_grad, one.name, one.grad.tolist()) == ([1, 2], True, "w", [1, 1])
    one.data[0] = 5.0
    one.grad.zero_()
    assert (x.tolist(), x.grad.tolist()) == ([1, 2], [1, 1])
    with pytest.raises(RuntimeError, match="part of a graph"):
        copy.deepcopy(x * 2)


def test_tensors_are_not_pickled():
    with pytest.raises(TypeError, match=r"minigrad\.save"):
        pickle.dumps(tensor([1.0]))


def test_unknown_attributes_raise():
    x = tensor([1.0])
    with pytest.raises(AttributeError, match="gard"):
        x.gard  # noqa: B018
    assert not hasattr(x, "mode")
    with pytest.raises(AttributeError):
        x.mode = "eval"


# ---- NumPy ----------------------------------------------------------------------------------------------------------

SCALARS = [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.sqrt(4.0), np.array(2.0)]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: f"{type(s).__name__}")
def test_a_scalar_never_widens(scalar):
    x = leaf(1.0, 2.0)
    for y in (x * scalar, scalar * x, x + scalar, scalar - x, x / scalar, scalar / x, x**scalar, x // scalar):
        assert isinstance(y, Tensor)
        assert y.dtype == np.float32
    (x * scalar).sum().backward()
    assert x.grad.dtype == np.float32


def test_arrays_and_tensors_mix():
    array = np.array([3.0, 5.0], np.float32)
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    x = leaf(1.0, 2.0)
    for y, expected in (
        (array * x, [3, 10]),
        (x * array, [3, 10]),
        (array @ x, 13),
        (matrix @ x, [5, 11]),
        (x @ matrix, [7, 10]),
        (np.exp(x - x), [1, 1]),
        (np.add(array, x), [4, 7]),
        (np.maximum(x, 1.5), [1.5, 2]),
        (np.sum(x), 3),
        (np.mean(matrix * x, axis=0), [2, 6]),
        (np.concatenate([x, x]), [1, 2, 1, 2]),
        (np.where(x > 1, x, 0), [0, 2]),
        (array > x, [True, True]),
    ):
        assert isinstance(y, Tensor)
        assert y.tolist() == expected


def test_nothing_detaches_in_silence():
    x = leaf(1.0, 2.0)
    for lose in (np.asarray, np.array, np.median, np.sort_complex, lambda x: np.array([x, x]), lambda x: x.numpy()):
        with pytest.raises((RuntimeError, TypeError), match=r"detach\(\)"):
            lose(x)
    array = np.zeros(2)
    with pytest.raises(TypeError, match=r"np\.add.*out"):
        array += x
    with pytest.raises(TypeError, match=r"np\.add\.at"):
        np.add.at(x, [0], 1)
    assert np.asarray(x.detach()).tolist() == [1, 2]


def test_asarray_of_a_tensor():
    x = tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.array)
    assert np.asarray(x).tolist() == [1, 2]
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.array)
    assert np.array([x, x]).tolist() == [[1, 2], [1, 2]]


def test_unlisted_functions_work_on_tensors_without_gradient_and_cannot_write():
    x = tensor([3.0, 1.0, 2.0])
    assert np.median(x) == 2
    assert np.unique(x).tolist() == [1, 2, 3]
    np.add(x, 1, out=x)
    np.multiply.at(x, [0, 0], 2)
    assert x.tolist() == [16, 2, 3]
    with pytest.raises(TypeError, match=r"np\.fill_diagonal would write.*x\.copy_"):
        np.fill_diagonal(minigrad.ones(2, 2), 0)


# ---- shared memory --------------------------------------------------------------------------------------------------

VIEWS = {
    "x[0]": (lambda x: x[0], (0,)),
    "x[1, 2]": (lambda x: x[1, 2], (1, 2)),
    "x[..., 1]": (lambda x: x[..., 1], (slice(None), 1)),
    "x[:, None]": (lambda x: x[:, None], ...),
    "x[1:, ::2]": (lambda x: x[1:, ::2], (slice(1, None), slice(None, None, 2))),
    "x[()]": (lambda x: x[()], ...),
    "row of a row": (lambda x: x[1][2], (1, 2)),
    "reshape": (lambda x: x.reshape(5, 3), ...),
    "same shape": (lambda x: x.reshape(3, 5), ...),
    "view": (lambda x: x.view(-1), ...),
    "view_as": (lambda x: x.view_as(x), ...),
    "flatten": (lambda x: x.flatten(), ...),
    "unflatten": (lambda x: x.unflatten(1, (5, 1)), ...),
    "ravel": (lambda x: x.ravel(), ...),
    "T": (lambda x: x.T, ...),
    "mT": (lambda x: x.mT, ...),
    "t": (lambda x: x.t(), ...),
    "transpose": (lambda x: x.transpose(0, 1), ...),
    "permute": (lambda x: x.permute(1, 0), ...),
    "movedim": (lambda x: x.movedim(0, 1), ...),
    "unsqueeze": (lambda x: x.unsqueeze(0), ...),
    "squeeze": (lambda x: x[None].squeeze(0), ...),
    "nothing to squeeze": (lambda x: x.squeeze(), ...),
    "diagonal": (lambda x: x.diagonal(), (range(3), range(3))),
    "narrow": (lambda x: x.narrow(1, 2, 2), (slice(None), slice(2, 4))),
    "select": (lambda x: x.select(1, 4), (slice(None), 4)),
    "split": (lambda x: x.split(2)[1], (slice(2, 4),)),
    "chunk": (lambda x: x.chunk(2, 1)[0], (slice(None), slice(0, 3))),
    "unbind": (lambda x: x.unbind(1)[3], (slice(None), 3)),
    "iteration": (lambda x: list(x)[2], (2,)),
    "contiguous": (lambda x: x.contiguous(), ...),
    "detach": (lambda x: x.detach(), ...),
    "data": (lambda x: x.data, ...),
    "to": (lambda x: x.to(x.dtype), ...),
}

COPIES = {
    "clone": lambda x: x.clone(),
    "x[mask]": lambda x: x[x > -1],
    "x[list]": lambda x: x[[0, 1, 2]],
    "x[:, tensor]": lambda x: x[:, tensor([0, 1])],
    "+": lambda x: x + 0,
    "to": lambda x: x.to(np.float32),
    "flip": lambda x: x.flip(0),
    "roll": lambda x: x.roll(1, 0),
    "tril": lambda x: x.tril(),
    "repeat": lambda x: x.repeat(1, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(1, 0),
    "cat": lambda x: minigrad.cat([x]),
    "index_select": lambda x: x.index_select(0, tensor([0, 1, 2])),
    "masked_fill": lambda x: x.masked_fill(x > 100, 0.0),
    "clamp": lambda x: x.clamp(min=-100),
    "sum of nothing": lambda x: x.sum(()),
    "einsum": lambda x: minigrad.einsum("ij->ji", x),
    "diag": lambda x: minigrad.diag(x),
    "contiguous": lambda x: x.T.contiguous(),
    "reshape": lambda x: x.T.reshape(-1),
    "pad": lambda x: minigrad.pad(x, (0, 0)),
    "tensor": tensor,
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("history", [False, True])
def test_views_show_changes_and_make_them(name, history):
    make, entries = VIEWS[name]
    x = tensor(np.arange(15.0).reshape(3, 5), requires_grad=history) * 1
    view = make(x)
    x += 100
    expected = np.arange(15.0).reshape(3, 5) + 100
    assert np.sort(view.detach().numpy(), None).tolist() == np.sort(expected[entries], None).tolist()
    view *= 2
    expected[entries] *= 2
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("history", [False, True])
def test_copies_share_nothing(name, history):
    x = tensor(np.arange(15.0).reshape(3, 5), requires_grad=history) * 1
    result = COPIES[name](x)
    before = x.tolist(), result.tolist()
    result += 100
    assert x.tolist() == before[0]
    x += 1000
    assert result.tolist() == (np.array(before[1]) + 100).tolist()


def test_contiguous_means_row_by_row():
    x = leaf(1.0, 2.0, 3.0).expand(2, 3)
    for y in (x.T.contiguous(), x.contiguous(), x.T[::2].contiguous()):
        assert y.array.flags.c_contiguous
    x.T.contiguous().sum().backward()


def test_view_refuses_what_it_cannot_show():
    x = minigrad.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"view.*\(3, 2\).*reshape.*contiguous"):
        x.T.view(-1)
    y = (leaf(1.0) * x.T).exp()  # lies in memory as x.T does, and nobody else shows it
    assert y.view(-1).shape == (6,)
    log = (leaf(1.0) * x.T).exp()
    outside = log.detach()
    if not log.array.flags.c_contiguous:
        with pytest.raises(RuntimeError, match="view"):
            log.view(-1)
    assert outside.shape == (3, 2)


def test_view_of_a_result_in_any_layout_is_a_view():
    y = (leaf(1.0, 2.0)[:, None] + np.zeros((2, 3), np.float32, order="F")).T.exp().T.sin()
    flat = y.view(-1)
    flat *= 0
    assert y.tolist() == [[0] * 3] * 2


def test_data_can_be_replaced():
    w = leaf(1.0, 2.0)
    w.data = w.data - 0.5
    assert (w.tolist(), w.requires_grad, w.is_leaf) == ([0.5, 1.5], True, True)
    w.data = [1, 2.0]
    assert w.dtype == np.float32
    with pytest.raises(TypeError, match="requires grad.*int64"):
        w.data = tensor([1, 2])


def test_data_replaced_after_use_leaves_the_gradient_of_the_old_values():
    w = leaf(2.0, 3.0)
    y = (w * w).sum()
    w.data = tensor([100.0, 100.0])
    y.backward()
    assert w.grad.tolist() == [4, 6]


# ---- conversions ----------------------------------------------------------------------------------------------------


def test_conversions_have_gradients():
    x = leaf(1.0, 2.0)
    y = x.double() * tensor([3.0, 5.0], dtype=np.float64)
    assert y.dtype == np.float64
    y.sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (np.float32, [3, 5])


def test_conversions():
    x = tensor([1.5, 0.0])
    for y, dtype in (
        (x.double(), "float64"), (x.half(), "float16"), (x.long(), "int64"), (x.int(), "int32"), (x.bool(), "bool"),
        (x.to(np.float64), "float64"), (x.to("float64"), "float64"), (x.type_as(tensor([1])), "int64"),
        (x.to(tensor([1])), "int64"), (x.to("cpu", minigrad.float64), "float64"), (x.view(minigrad.int64), "int64"),
    ):  # fmt: skip
        assert y.dtype == np.dtype(dtype)
    assert x.float() is x
    assert x.to("cpu") is x
    assert x.to(x.dtype, copy=True) is not x


def test_new_tensors_of_the_same_kind():
    x = tensor([1.5], dtype=np.float64)
    assert x.new_zeros(2, 3).tolist() == [[0] * 3] * 2
    assert x.new_ones((2,), requires_grad=True).requires_grad
    assert x.new_full((2,), 7).tolist() == [7, 7]
    assert x.new_tensor([1, 2]).dtype == x.new_empty(3).dtype == np.float64


def test_under_no_grad_results_are_leaves():
    with no_grad():
        y = leaf(1.0) * 2
    assert (y.is_leaf, y.requires_grad) == (True, False)
    assert y.requires_grad_().is_leaf


# ---- smaller methods under PyTorch's names --------------------------------------------------------------------------


def test_smaller_methods():
    m = minigrad.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    assert (m.stride(), m.stride(-1), m.element_size(), m.ndimension()) == ((3, 1), 1, 8, 2)
    assert m.is_contiguous()
    assert not m.T.is_contiguous()
    assert m.view(size=(3, 2)).shape == m.reshape(shape=(3, 2)).shape == (3, 2)
    assert m.softmax(-1, dtype=minigrad.float32).dtype == m.log_softmax(-1, minigrad.float32).dtype == minigrad.float32
    assert m.count_nonzero(1).tolist() == [2, 3]
    assert m.isclose(m + 1e-9).all()
    assert (m.byte().dtype, m.short().dtype) == (minigrad.uint8, minigrad.int16)
    assert m[:, :2].trace().item() == 4
    filled = m.index_fill(1, minigrad.tensor([2]), -1.0)
    assert filled.tolist() == [[0, 1, -1], [3, 4, -1]]
    filled.sum().backward()
    assert m.grad.tolist() == [[1, 1, 0], [1, 1, 0]]


def test_a_generator_knows_its_seed():
    assert minigrad.Generator().manual_seed(7).initial_seed() == 7
    g = minigrad.Generator()
    first = minigrad.rand(3, generator=g)
    assert minigrad.rand(3, generator=minigrad.Generator().manual_seed(g.initial_seed())).tolist() == first.tolist()
    out = minigrad.zeros(3)
    assert minigrad.rand(3, generator=g, out=out) is out
    assert (out > 0).all()
    w = minigrad.normal(0, 0.01, (2, 3), requires_grad=True, dtype=minigrad.float64)
    assert w.requires_grad
    assert w.dtype == minigrad.float64
    assert minigrad.randint(high=5, size=(2, 3)).shape == (2, 3)


def test_a_tensor_is_made_of_data_not_of_a_shape():
    with pytest.raises(TypeError, match=r"Tensor\(2, 3\): .* write minigrad.empty\(2, 3\)"):
        Tensor(2, 3)
