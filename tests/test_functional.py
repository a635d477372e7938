"""Functions of nn.functional: by hand, against numerical derivatives, at extreme values, and when misused."""

import math
import tracemalloc

import numpy as np
import pytest

import minigrad
import nn.functional as F
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from minigrad.random import happens


def close(x, expected, tolerance=1e-6):
    x = x.detach().numpy() if isinstance(x, Tensor) else x
    np.testing.assert_allclose(x, expected, rtol=tolerance, atol=tolerance)


def draw(*shape):
    return minigrad.randn(*shape, dtype=minigrad.float64, requires_grad=True)


def probabilities(*shape):
    return F.softmax(draw(*shape)).detach().requires_grad_()


# ---- losses of pairs and triples, by hand ---------------------------------------------------------------------------


def test_losses_of_pairs():
    a, b, t = Tensor([1.0, 2.0, 0.0]), Tensor([3.0, 0.0, 0.0]), Tensor([1, 1, -1])
    close(F.margin_ranking_loss(a, b, t, 0.5, reduction="none"), [2.5, 0, 0.5])
    close(F.huber_loss(a, b, reduction="none"), [1.5, 1.5, 0])
    close(F.huber_loss(a, b, reduction="sum", delta=4.0), 4)
    close(F.pairwise_distance(Tensor([[3.0, 4.0]]), Tensor([[0.0, 0.0]]), eps=0.0), [5])
    x, y = Tensor([[3.0, 4.0], [3.0, 4.0]]), Tensor([[4.0, 3.0], [4.0, 3.0]])  # their cosine is 24 / 25
    close(F.cosine_embedding_loss(x, y, Tensor([1, -1]), 0.46, reduction="none"), [0.04, 0.5])
    anchor, near, far = Tensor([[0.0, 0.0]]), Tensor([[3.0, 4.0]]), Tensor([[0.0, 5.5]])
    close(F.triplet_margin_loss(anchor, near, far, eps=0.0), 0.5)
    with pytest.raises(ShapeError, match=r"cosine_embedding_loss: .*\(2,\).*\(3,\)"):
        F.cosine_embedding_loss(x, y, t)
    with pytest.raises(ValueError, match="huber_loss: delta is above 0, unlike 0"):
        F.huber_loss(a, b, delta=0)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.mse_loss, F.nll_loss, F.kl_div])
def test_losses_say_that_they_need_tensors(loss):
    with pytest.raises(TypeError, match=rf"{loss.__name__}: the target is a tensor, not float; make one"):
        loss(minigrad.ones(2, 3), 1.0)
    with pytest.raises(TypeError, match=rf"{loss.__name__}: the input is a tensor, not list"):
        loss([[1.0]], Tensor([0]))


def test_a_function_that_is_not_here_says_what_is():
    with pytest.raises(AttributeError, match="nn.functional has no 'soft_max'; did you mean 'softmax'"):
        F.soft_max  # noqa: B018  # asking is what is tested
    with pytest.raises(AttributeError, match="nn.functional.interpolate: repeat the entries"):
        F.interpolate  # noqa: B018  # asking is what is tested


# ---- activations ----------------------------------------------------------------------------------------------------

BY_HAND = {  # at −1, 0 and 2
    F.relu: [0, 0, 2],
    F.leaky_relu: [-0.01, 0, 2],
    F.elu: [1 / math.e - 1, 0, 2],
    F.silu: [-1 / (1 + math.e), 0, 2 / (1 + math.exp(-2))],
    F.gelu: [-0.15865525, 0, 1.9544997],  # −Φ(−1) and 2 Φ(2), from a table of the normal distribution
    F.softplus: [math.log(1 + 1 / math.e), math.log(2), math.log(1 + math.exp(2))],
    F.logsigmoid: [-math.log(1 + math.e), -math.log(2), -math.log(1 + math.exp(-2))],
    F.sigmoid: [1 / (1 + math.e), 0.5, 1 / (1 + math.exp(-2))],
    F.tanh: [-0.76159416, 0, 0.96402758],
    F.hardtanh: [-1, 0, 1],
}


@pytest.mark.parametrize("function", BY_HAND, ids=lambda f: f.__name__)
def test_activation(function):
    close(function(Tensor([-1.0, 0.0, 2.0])), BY_HAND[function])
    assert gradcheck(function, draw(3, 5))
    far = function(Tensor([-1e4, 1e4], requires_grad=True))
    (slope,) = minigrad.grad(far.sum(), _leaf(far))
    assert np.isfinite(far.detach().numpy()).all()
    assert np.isfinite(slope.numpy()).all()


def _leaf(y):
    node = y.grad_fn
    while not isinstance(node, Tensor):
        node = node.inputs[0]
    return node


def test_relu_in_place():
    x = minigrad.ones(3, requires_grad=True)
    y = x * Tensor([-1.0, 0.0, 2.0])
    assert F.relu(y, inplace=True) is y
    y.sum().backward()
    assert y.tolist() == [0.0, 0.0, 2.0]
    assert x.grad.tolist() == [0.0, 0.0, 2.0]


def test_softmax_takes_the_last_dimension_unless_told():
    x = minigrad.randn(2, 3, 5)
    for f in (F.softmax, F.log_softmax, F.softmin):
        assert minigrad.equal(f(x), f(x, dim=2))
        assert minigrad.equal(f(x, None), f(x, dim=-1))
        assert f(x, 1).shape == (2, 3, 5)
        assert f(x, dim=0, dtype=minigrad.float64).dtype == minigrad.float64
    close(F.softmax(x, 1).sum(1), np.ones((2, 5)))
    close(F.softmin(Tensor([0.0, math.log(3.0)])), [0.75, 0.25])
    close(F.log_softmax(Tensor([0.0, math.log(3.0)])), [-math.log(4), math.log(0.75)])


def test_a_masked_row_has_no_softmax_and_no_gradient():
    x = Tensor([[-math.inf, -math.inf], [0.0, -math.inf]], requires_grad=True)
    y = F.softmax(x)
    assert y.tolist() == [[0.0, 0.0], [1.0, 0.0]]
    (y * Tensor([[3.0, 5.0], [7.0, 2.0]])).sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_glu():
    close(F.glu(Tensor([[6.0, 2.0, 0.0, math.log(3)]])), [[3.0, 1.5]])
    assert gradcheck(lambda x: F.glu(x, 0), draw(6, 5))
    with pytest.raises(ShapeError, match=r"\(2, 3\) has no two halves"):
        F.glu(minigrad.ones(2, 3))


# ---- lookup and dropout ---------------------------------------------------------------------------------------------


def test_embedding_is_one_hot_times_the_weight():
    ids, weight = Tensor([[2, 0, 2], [6, 1, 0]]), draw(7, 5)
    close(F.embedding(ids, weight), F.one_hot(ids, 7).double().numpy() @ weight.detach().numpy())
    assert gradcheck(lambda w: F.embedding(ids, w), weight)
    F.embedding(ids, weight, padding_idx=-7).sum().backward()
    assert weight.grad[:3].tolist() == [[0.0] * 5, [1.0] * 5, [2.0] * 5]
    with pytest.raises(IndexError, match="id 7 is not among the 7 rows"):
        F.embedding(Tensor([7]), weight)
    with pytest.raises(ShapeError, match="padding_idx 7 is not among the 7 rows"):
        F.embedding(ids, weight, padding_idx=7)


def test_dropout_keeps_the_mean_and_scales_the_gradient():
    minigrad.manual_seed(0)
    x = minigrad.ones(101, 103, requires_grad=True)
    y = F.dropout(x, 0.25)
    close(np.unique(y.detach().numpy()), [0, 4 / 3])
    close(y.mean(), 1.0, tolerance=0.02)
    y.sum().backward()
    assert minigrad.equal(x.grad, y.detach())


def test_dropout_at_its_ends():
    x = minigrad.randn(5, 3)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.7, training=False) is x
    assert not F.dropout(x, 1.0).any()
    assert F.dropout(x.double()).dtype == minigrad.float64
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"p = {p}"):
            F.dropout(x, p)


def test_dropout_repeats_with_the_seed_and_works_in_place():
    x = minigrad.ones(11, 13)
    minigrad.manual_seed(3)
    y = F.dropout(x)
    minigrad.manual_seed(3)
    assert F.dropout(x, inplace=True) is x
    assert minigrad.equal(x, y)


def test_dropout1d_drops_whole_channels():
    minigrad.manual_seed(0)
    y = F.dropout1d(minigrad.ones(11, 13, 5), 0.5).numpy()
    assert set(y.sum(-1).ravel().tolist()) == {0.0, 10.0}
    assert F.dropout1d(minigrad.ones(13, 5)).shape == (13, 5)
    with pytest.raises(ShapeError, match=r"\(5,\)"):
        F.dropout1d(minigrad.ones(5))


# ---- normalisation --------------------------------------------------------------------------------------------------


def test_layer_norm_and_rms_norm():
    close(F.layer_norm(Tensor([1.0, 3.0]), (2,), Tensor([10.0, 10.0]), Tensor([0.0, 1.0]), eps=0.0), [-10, 11])
    close(F.rms_norm(Tensor([3.0, 4.0]), (2,)), [3 / math.sqrt(12.5), 4 / math.sqrt(12.5)])
    assert gradcheck(lambda x, w, b: F.layer_norm(x, (3, 5), w, b), draw(2, 3, 5), draw(3, 5), draw(3, 5))
    assert gradgradcheck(lambda x, w: F.rms_norm(x, (5,), w), draw(2, 3, 5), draw(5))
    with pytest.raises(ShapeError, match=r"\(2, 3\), which does not end in \(5,\)"):
        F.layer_norm(minigrad.ones(2, 3), (5,))
    with pytest.raises(ShapeError, match=r"does not end in \(2, 3\)"):
        F.rms_norm(minigrad.ones(3), (2, 3))


def test_batch_norm_by_hand():
    """Channel 0 holds 1 and 3: mean 2, variance 1 (with n − 1: 2); channel 1 holds 0 and 4: mean 2, variance 4 (8)."""
    mean, var = Tensor([0.0, 0.0]), Tensor([1.0, 1.0])
    y = F.batch_norm(Tensor([[1.0, 0.0], [3.0, 4.0]]), mean, var, training=True, momentum=0.5, eps=0.0)
    close(y, [[-1, -1], [1, 1]])
    close(mean, [1, 1])
    close(var, [1.5, 4.5])
    close(F.batch_norm(Tensor([[1.0, 1.0]]), mean, var, Tensor([1.0, 2.0]), Tensor([0.0, 5.0])), [[0, 5]])
    with pytest.raises(ShapeError, match=r"\(1, 2\)"):
        F.batch_norm(minigrad.ones(1, 2), mean, var, training=True)
    with pytest.raises(ValueError, match="running"):
        F.batch_norm(minigrad.ones(3, 2), None, None)


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 7)])
def test_batch_norm_gradients(shape):
    assert gradcheck(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), draw(*shape), draw(3), draw(3))


def test_normalize():
    close(F.normalize(Tensor([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
    assert gradcheck(lambda x: F.normalize(x, dim=0), draw(3, 5))
    assert gradcheck(lambda x: F.normalize(x, p=3, dim=-1), draw(3, 5))


# ---- losses: by hand ------------------------------------------------------------------------------------------------


def test_cross_entropy_by_hand():
    """Scores log 1, log 3 make probabilities 1/4, 3/4; scores 0, 0 make 1/2, 1/2."""
    scores, labels = Tensor([[0.0, math.log(3)], [0.0, 0.0]]), Tensor([1, 0])
    a, b = math.log(4 / 3), math.log(2)
    close(F.cross_entropy(scores, labels, reduction="none"), [a, b])
    close(F.cross_entropy(scores, labels), (a + b) / 2)
    close(F.cross_entropy(scores, labels, reduction="sum"), a + b)
    close(F.cross_entropy(scores, labels, Tensor([1.0, 3.0])), (3 * a + b) / 4)
    close(F.cross_entropy(scores, labels, ignore_index=0), a)
    close(F.cross_entropy(scores[0], Tensor(1)), a)
    # Of the label 1, one half is spread: 3/4 of it stays there and 1/4 goes to class 0, whose loss is log 4.
    close(F.cross_entropy(scores[:1], labels[:1], label_smoothing=0.5), 0.75 * a + 0.25 * math.log(4))
    close(F.cross_entropy(scores, Tensor([[0.25, 0.75], [1.0, 0.0]])), (0.75 * a + 0.25 * math.log(4) + b) / 2)
    close(F.nll_loss(F.log_softmax(scores), labels, Tensor([1.0, 3.0])), (3 * a + b) / 4)


OPTIONS = [
    {"reduction": reduction, **extra}
    for reduction in ("mean", "sum", "none")
    for extra in ({}, {"label_smoothing": 0.1}, {"weight": Tensor([0.5, 2.0, 1.0, 3.0, 0.1])}, {"ignore_index": 2})
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_cross_entropy_is_its_definition(options):
    labels = Tensor([[1, 4, 2], [0, 2, 3]])
    options = {key: v.double() if isinstance(v, Tensor) else v for key, v in options.items()}
    scores = draw(2, 5, 3)
    got = F.cross_entropy(scores, labels, **options)
    log_p = F.log_softmax(scores.detach(), 1).numpy()
    weight = options.get("weight", minigrad.ones(5)).numpy()
    smoothing = options.get("label_smoothing", 0.0)
    losses, counts = np.zeros((2, 3)), np.zeros((2, 3))
    for b, t in np.ndindex(2, 3):
        label = labels[b, t].item()
        if label != options.get("ignore_index"):
            aim = weight * ((1 - smoothing) * np.eye(5)[label] + smoothing / 5)
            losses[b, t], counts[b, t] = -(aim * log_p[b, :, t]).sum(), weight[label]
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / counts.sum()}[options["reduction"]]
    close(got, expected)
    assert gradcheck(lambda x: F.cross_entropy(x, labels, **options), scores)
    if not smoothing:
        close(F.nll_loss(F.log_softmax(scores, 1), labels, **options), expected)
        assert gradcheck(lambda x: F.nll_loss(x, labels, **options), scores)


def test_cross_entropy_of_distributions():
    scores, target, weight = draw(3, 5, 2), probabilities(3, 5, 2), draw(5).detach().abs()
    one_hot = F.one_hot(Tensor([[1, 4], [0, 0], [2, 3]]), 5).movedim(-1, 1).double()
    close(F.cross_entropy(scores, one_hot), F.cross_entropy(scores, one_hot.argmax(1)).item())
    options = {"weight": weight, "label_smoothing": 0.2}
    assert gradcheck(lambda x, t: F.cross_entropy(x, t, **options), scores, target)
    assert F.cross_entropy(scores, target, reduction="none").shape == (3, 2)
    close(F.cross_entropy(scores[0, :, 0], target[0, :, 0]), F.cross_entropy(scores[:1, :, 0], target[:1, :, 0]).item())


def test_cross_entropy_differentiates_twice():
    labels = Tensor([1, 0, -100])
    assert gradgradcheck(lambda x: F.cross_entropy(x, labels), draw(3, 5))


def test_losses_hold_at_extreme_scores():
    x = Tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = F.cross_entropy(x, Tensor([1, 1]), reduction="none")
    assert loss.tolist() == [2e4, 0.0]
    loss.sum().backward()
    assert x.grad.tolist() == [[1.0, -1.0], [0.0, 0.0]]
    z = Tensor([1e4, -1e4], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(z, Tensor([0.0, 0.0]), reduction="none")
    assert loss.tolist() == [1e4, 0.0]
    loss.sum().backward()
    assert z.grad.tolist() == [1.0, 0.0]


def test_ignored_rows_do_not_count_even_if_infinite():
    scores = Tensor([[-math.inf, 0.0], [0.0, 0.0]], requires_grad=True)
    log_p = F.log_softmax(scores)
    loss = F.nll_loss(log_p, Tensor([-100, 1]))
    close(loss, math.log(2))
    loss.backward()
    close(scores.grad, [[0, 0], [0.5, -0.5]])
    close(F.cross_entropy(scores, Tensor([-100, 1])), math.log(2))


def test_binary_cross_entropy():
    p, t = Tensor([0.25, 0.5, 0.0, 1.0]), Tensor([1.0, 0.5, 1.0, 1.0])
    close(F.binary_cross_entropy(p, t, reduction="none"), [math.log(4), math.log(2), 100, 0])
    close(F.binary_cross_entropy(p[:2], t[:2], Tensor([1.0, 3.0])), (math.log(4) + 3 * math.log(2)) / 2)
    x = draw(3, 5)
    target = probabilities(3, 5)
    close(F.binary_cross_entropy(x.sigmoid(), target), F.binary_cross_entropy_with_logits(x, target).item())
    assert gradcheck(F.binary_cross_entropy, probabilities(3, 5), target)
    options = {"pos_weight": draw(5).detach().abs(), "weight": draw(3, 1).detach().abs(), "reduction": "sum"}
    assert gradcheck(lambda x, t: F.binary_cross_entropy_with_logits(x, t, **options), x, target)
    close(F.binary_cross_entropy_with_logits(Tensor([0.0]), Tensor([1.0]), pos_weight=Tensor([3.0])), 3 * math.log(2))
    edge = Tensor([0.0, 1.0], requires_grad=True)
    F.binary_cross_entropy(edge, Tensor([1.0, 0.0])).backward()
    assert edge.grad.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="goes from -1 to 2"):
        F.binary_cross_entropy(Tensor([-1.0, 2.0]), Tensor([0.0, 1.0]))


def test_distances():
    x, t = Tensor([0.0, 2.0, 5.0]), Tensor([0.5, 2.0, 2.0])
    close(F.mse_loss(x, t, reduction="none"), [0.25, 0, 9])
    close(F.l1_loss(x, t, reduction="sum"), 3.5)
    close(F.smooth_l1_loss(x, t, reduction="none"), [0.125, 0, 2.5])
    close(F.smooth_l1_loss(x, t, reduction="none", beta=0.0), [0.5, 0, 3])
    close(F.smooth_l1_loss(x, t, beta=2.0), (0.0625 + 2) / 3)
    for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss):
        assert gradcheck(f, draw(3, 5), draw(3, 5))
    with pytest.raises(ValueError, match="-1"):
        F.smooth_l1_loss(x, t, beta=-1)


def test_kl_div():
    """From (1/2, 1/2) to (1/4, 3/4): ½ log 2 + ½ log ⅔."""
    q, p = Tensor([[0.25, 0.75]]), Tensor([[0.5, 0.5]])
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    close(F.kl_div(q.log(), p, reduction="batchmean"), expected)
    close(F.kl_div(q.log(), p), expected / 2)
    close(F.kl_div(q.log(), p.log(), reduction="sum", log_target=True), expected)
    certain = Tensor([[0.0, 1.0]], requires_grad=True)
    loss = F.kl_div(q.log(), certain, reduction="sum")
    close(loss, math.log(4 / 3))
    loss.backward()
    assert np.isfinite(certain.grad.numpy()).all()
    assert gradcheck(F.kl_div, draw(3, 5), probabilities(3, 5))
    assert gradcheck(lambda x, t: F.kl_div(x, t, log_target=True), draw(3, 5), draw(3, 5))


def test_cosine_similarity():
    a, b = Tensor([[1.0, 0.0], [3.0, 4.0], [0.0, 0.0]]), Tensor([[1.0, 1.0], [-3.0, -4.0], [1.0, 2.0]])
    close(F.cosine_similarity(a, b), [math.sqrt(0.5), -1, 0])
    assert F.cosine_similarity(draw(2, 3, 5), draw(3, 5), dim=1).shape == (2, 5)
    assert gradcheck(lambda a, b: F.cosine_similarity(a, b, dim=1), draw(2, 3, 5), draw(3, 5))
    zero = minigrad.zeros(3, requires_grad=True)
    F.cosine_similarity(zero, minigrad.ones(3), dim=0).backward()
    assert np.isfinite(zero.grad.numpy()).all()


# ---- losses: misused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.kl_div],
    ids=lambda f: f.__name__,
)
def test_losses_refuse_to_broadcast(loss):
    with pytest.raises(ShapeError, match=rf"{loss.__name__}: .*\(7, 1\).*\(7,\)"):
        loss(minigrad.zeros(7, 1), minigrad.zeros(7))
    with pytest.raises(ValueError, match=r"reduction is .*'average'"):
        loss(minigrad.zeros(7), minigrad.zeros(7), reduction="average")


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss], ids=lambda f: f.__name__)
def test_labels_must_fit(loss):
    scores = minigrad.zeros(2, 3)
    with pytest.raises(IndexError, match=f"{loss.__name__}: label 3 is not among the 3 classes"):
        loss(scores, Tensor([0, 3]))
    with pytest.raises(IndexError, match="label -1 is not among the 3 classes"):
        loss(scores, Tensor([-100, -1]))
    with pytest.raises(ShapeError, match=r"scores \(2, 3\) and labels \(3,\) do not fit"):
        loss(scores, Tensor([0, 1, 2]))
    with pytest.raises(ShapeError, match=r"scores \(2, 7, 3\) and labels \(2, 7\).*reshape\(-1, C\)"):
        loss(minigrad.zeros(2, 7, 3), minigrad.zeros(2, 7, dtype=minigrad.long))
    with pytest.raises(ShapeError, match="3 classes need shape"):
        loss(scores, Tensor([0, 1]), minigrad.ones(2))
    with pytest.raises(ValueError, match="'average'"):
        loss(scores, Tensor([0, 1]), reduction="average")
    with pytest.raises(TypeError, match="integers, not bool"):
        loss(scores, Tensor([True, False]))
    with pytest.raises(TypeError, match="positional"):  # PyTorch has an old option in this place
        loss(scores, Tensor([0, 1]), None, "mean")


def test_cross_entropy_options_must_make_sense():
    scores, target = minigrad.zeros(2, 3), minigrad.zeros(2, 3)
    with pytest.raises(ValueError, match=r"label_smoothing .* 1\.5"):
        F.cross_entropy(scores, Tensor([0, 1]), label_smoothing=1.5)
    with pytest.raises(ValueError, match="ignore_index"):
        F.cross_entropy(scores, target, ignore_index=0)
    with pytest.raises(ShapeError, match="3 classes need shape"):
        F.cross_entropy(scores, target, minigrad.ones(2))
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(2,\)"):
        F.cross_entropy(scores, minigrad.zeros(2))


# ---- attention ------------------------------------------------------------------------------------------------------


def test_attention_by_hand():
    """√D = 2 and scores 2 · 1 / 2 = 1 and 0, so the weights are e / (1 + e) and 1 / (1 + e)."""
    q, k, v = Tensor([[2.0, 0, 0, 0]]), Tensor([[1.0, 0, 0, 0], [0, 5.0, 0, 0]]), Tensor([[1.0], [0.0]])
    close(F.scaled_dot_product_attention(q, k, v), [[math.e / (1 + math.e)]])
    close(F.scaled_dot_product_attention(q, k, v, scale=0.0), [[0.5]])
    close(F.scaled_dot_product_attention(q, k, v, Tensor([[False, True]])), [[0.0]])
    close(F.scaled_dot_product_attention(q, k, v, Tensor([[0.0, 1.0]])), [[0.5]])
    close(F.scaled_dot_product_attention(q, k, v, is_causal=True), [[1.0]])


def test_attention_gradients():
    q, k, v = draw(2, 3, 5, 7), draw(2, 3, 11, 7), draw(2, 3, 11, 2)
    mask = minigrad.rand(2, 1, 5, 11) > 0.4
    mask[0, 0, 3] = False
    attention = F.scaled_dot_product_attention
    assert gradcheck(lambda q, k, v: attention(q, k, v, mask), q, k, v)
    assert gradcheck(lambda q, k, v: attention(q, k, v, is_causal=True), q, k, v)
    assert gradcheck(attention, q, k, v, draw(5, 11))
    assert gradgradcheck(lambda q: attention(q, k, v, mask), q)


def test_a_query_that_may_attend_to_nothing_gets_zeros():
    q, k, v = draw(2, 3), draw(5, 3), draw(5, 3)
    mask = minigrad.ones(2, 5, dtype=minigrad.bool)
    mask[1] = False
    y = F.scaled_dot_product_attention(q, k, v, mask)
    assert y[1].tolist() == [0.0] * 3
    y[1].sum().backward()
    for x in (q, k, v):
        assert not x.grad.any()


def test_groups_of_query_heads_share_keys_and_values():
    q, k, v = draw(2, 6, 5, 7), draw(2, 3, 11, 7), draw(2, 3, 11, 2)
    shared = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    for head in range(6):
        close(shared[:, head], F.scaled_dot_product_attention(q[:, head], k[:, head // 2], v[:, head // 2]).detach())
    with pytest.raises(ShapeError, match="5 query heads cannot share 3"):
        F.scaled_dot_product_attention(q[:, :5], k, v, enable_gqa=True)


def test_what_happens_by_chance_happens_as_often_as_it_should_and_can_be_repeated():
    minigrad.manual_seed(7)
    first, second = happens(0.3, (311, 331)), happens(0.3, (311, 331))
    assert first.dtype == bool
    assert abs(first.mean() - 0.3) < 0.007  # five standard deviations
    assert abs((first & second).mean() - 0.09) < 0.0045
    assert abs((first[:, 1:] & first[:, :-1]).mean() - 0.09) < 0.0045
    minigrad.manual_seed(7)
    assert (happens(0.3, (311, 331)) == first).all()
    assert not happens(0.0, (7,)).any()
    assert happens(1.0, (7,)).all()
    assert happens(0.5, ()).shape == ()
    assert happens(0.5, (0, 3)).shape == (0, 3)


def test_attention_drops_weights():
    q = k = minigrad.zeros(1, 7)
    assert F.scaled_dot_product_attention(q, k, minigrad.ones(1, 3), dropout_p=1.0).tolist() == [[0.0] * 3]


def test_attention_misused():
    q, k = minigrad.ones(2, 3, 5), minigrad.ones(2, 3, 7)
    with pytest.raises(ShapeError, match=r"\(2, 3, 5\) and keys \(2, 3, 7\)"):
        F.scaled_dot_product_attention(q, k, q)
    with pytest.raises(ShapeError, match=r"values \(2, 2, 5\)"):
        F.scaled_dot_product_attention(q, q, q[:, :2])
    with pytest.raises(ValueError, match="is_causal"):
        F.scaled_dot_product_attention(q, q, q, minigrad.ones(3, 3), is_causal=True)
    for shape in ((2, 2), (7, 1, 3, 3)):
        with pytest.raises(ShapeError, match="does not broadcast to the scores"):
            F.scaled_dot_product_attention(q, q, q, minigrad.ones(shape))


# ---- float32 stays --------------------------------------------------------------------------------------------------


def test_float32_in_float32_out():
    x, t, labels = minigrad.randn(3, 4, requires_grad=True), minigrad.rand(3, 4), Tensor([0, 3, 1])
    p = F.softmax(x)
    results = {
        "activations": [f(x) for f in BY_HAND],
        "rows": [p, F.log_softmax(x), F.softmin(x), F.glu(x), F.normalize(x), F.cosine_similarity(x, t)],
        "norms": [F.layer_norm(x, (4,)), F.rms_norm(x, (4,)), F.batch_norm(x, None, None, training=True)],
        "labels": [F.cross_entropy(x, labels, label_smoothing=0.1), F.nll_loss(x, labels), F.cross_entropy(x, t)],
        "entries": [f(x, t) for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits)],
        "distributions": [F.binary_cross_entropy(p, t), F.kl_div(x, t), F.kl_div(x, t, reduction="batchmean")],
        "attention": [F.scaled_dot_product_attention(x, x, x, is_causal=True), F.dropout(x, 0.3)],
    }
    for family, ys in results.items():
        assert all(y.dtype == minigrad.float32 for y in ys), family
        for y in ys:
            y.sum().backward(retain_graph=True)
            assert x.grad.dtype == minigrad.float32, family


def test_attention_over_many_positions_runs_in_blocks_and_in_bounded_memory():
    n, d = 1531, 5
    q, k, v, g = (draw(1, 1, n, d) for _ in range(4))
    tracemalloc.start()
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    found = minigrad.grad(y, (q, k, v), g)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert y.node.name == "attention"
    assert peak < 2 * n * n * q.array.itemsize  # composed of operations, it takes more than six such arrays
    seen = minigrad.ones(n, n, dtype=minigrad.bool).tril()
    weights = (q @ k.mT / math.sqrt(d)).masked_fill(~seen, -math.inf).softmax(-1)
    for x, expected in zip((y, *found), (weights @ v, *minigrad.grad(weights @ v, (q, k, v), g)), strict=True):
        close(x, expected.detach(), 1e-9)


def test_losses_of_pairs_are_not_broadcast():
    column, row = minigrad.zeros(7, 1), minigrad.zeros(7)
    with pytest.raises(ShapeError, match=r"margin_ranking_loss: .*\(7, 1\).*\(7,\)"):
        F.margin_ranking_loss(column, row, minigrad.ones(7))
    with pytest.raises(ShapeError, match=r"margin_ranking_loss: .*\(7,\).*\(7, 1\)"):
        F.margin_ranking_loss(row, row, minigrad.ones(7, 1))
    with pytest.raises(ShapeError, match=r"cosine_embedding_loss: .*\(7, 3\).*\(1, 3\)"):
        F.cosine_embedding_loss(minigrad.zeros(7, 3), minigrad.zeros(1, 3), minigrad.ones(7))
    with pytest.raises(ShapeError, match=r"triplet_margin_loss: .*\(7, 3\).*\(3,\)"):
        F.triplet_margin_loss(minigrad.zeros(7, 3), minigrad.zeros(3), minigrad.zeros(7, 3))


def test_a_pair_that_is_neither_alike_nor_unlike_costs_nothing():
    x = minigrad.ones(3, 2)
    close(F.cosine_embedding_loss(x, x, Tensor([1, -1, 0]), -1.0, reduction="none"), [0.0, 2.0, 0.0])


def test_a_mask_of_integers_is_refused():
    """It would be added to the scores."""
    q = minigrad.randn(2, 3, 4)
    with pytest.raises(TypeError, match=r"the mask is boolean .* not int64; write mask\.bool\(\)"):
        F.scaled_dot_product_attention(q, q, q, minigrad.ones(3, 3, dtype=minigrad.long).tril())
    with pytest.raises(ShapeError, match=r"with enable_gqa, heads are needed"):
        F.scaled_dot_product_attention(q[0], q[0], q[0], enable_gqa=True)


@pytest.mark.parametrize("function", [F.dropout, F.rms_norm, F.rrelu])
def test_integers_are_refused(function):
    options = {"normalized_shape": (3,)} if function is F.rms_norm else {"training": True}
    with pytest.raises(TypeError, match=f"{function.__name__}: an input of floats is needed, not int64"):
        function(minigrad.ones(2, 3, dtype=minigrad.long), **options)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (2, 3, 0)])
def test_no_variance_no_batch_norm(shape):
    """And the running statistics stay as they are."""
    mean, var = minigrad.zeros(3), minigrad.ones(3)
    with pytest.raises(ShapeError, match="2 values per channel or more"):
        F.batch_norm(minigrad.zeros(shape), mean, var, training=True)
    assert (mean.tolist(), var.tolist()) == ([0, 0, 0], [1, 1, 1])
    with pytest.raises(ShapeError, match=r"\(B, C, …\) is needed, not \(5,\)"):
        F.batch_norm(minigrad.zeros(5), None, None, training=True)


def test_glu_names_the_dimension():
    with pytest.raises(ShapeError, match=r"dimension 5 of shape \(2, 4\)"):
        F.glu(minigrad.zeros(2, 4), 5)


def test_rows_in_which_everything_is_masked_do_not_warn():
    scores = minigrad.full((2, 3), -math.inf, requires_grad=True)
    y = F.softmax(scores)
    y.sum().backward()
    close(y, np.zeros((2, 3)))
    close(scores.grad, np.zeros((2, 3)))


def test_a_window_has_one_size_for_each_dimension():
    with pytest.raises(ShapeError, match=r"one number, or 1, but not \(2, 3\)"):
        F.max_pool1d(minigrad.ones(1, 1, 7), (2, 3))
