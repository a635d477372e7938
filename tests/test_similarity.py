"""Similarities: by hand, against loops, and at their corners."""

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from nn import similarity
from nn.attention import Attention, MultiHead, SelfAttention, attend

NAMES = [*similarity.PLAIN, *similarity.SIZED]
FREE = ["bilinear", "additive", "graph"]  # those that compare vectors of different sizes


def real(*sizes):
    return minigrad.randn(*sizes, dtype=minigrad.float64)


def by_hand(name, layer, q, k):
    """The score of one query and one key, as the table of nn/similarity.py writes it."""
    p = {n: x.detach().numpy() for n, x in layer.named_parameters()}
    return {
        "dot": lambda: sum(q * k),
        "scaled_dot": lambda: sum(q * k) / math.sqrt(len(q)),
        "cosine": lambda: sum(q * k) / math.sqrt(sum(q * q)) / math.sqrt(sum(k * k)),
        "bilinear": lambda: sum(q[i] * p["weight"][i, j] * k[j] for i in range(len(q)) for j in range(len(k))),
        "additive": lambda: (
            p["score.weight"][0] @ np.tanh(np.c_[p["query.weight"], p["key.weight"]] @ np.r_[q, k] + p["key.bias"])
        ),
        "kernel": lambda: -sum((q - k) ** 2) / 2,
        "graph": lambda: (lambda s: s if s > 0 else 0.2 * s)(p["query"] @ q + p["key"] @ k),
    }[name]()


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_is_scored_by_the_formula(name):
    d_q, d_k = (5, 7) if name in FREE else (5, 5)
    layer = similarity.choose_similarity(name, d_q, d_k).double()
    q, k = real(2, 3, d_q), real(2, 11, d_k)
    scores = layer(q, k).detach().numpy()
    assert scores.shape == (2, 3, 11)
    for b, i, j in np.ndindex(scores.shape):
        expected = by_hand(name, layer, q[b, i].numpy(), k[b, j].numpy())
        np.testing.assert_allclose(scores[b, i, j], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    d_q, d_k = (3, 5) if name in FREE else (3, 3)
    layer = similarity.choose_similarity(name, d_q, d_k)
    assert gradcheck(layer, minigrad.randn(2, 3, d_q), minigrad.randn(2, 5, d_k))
    assert gradgradcheck(layer, minigrad.randn(2, 3, d_q), minigrad.randn(2, 5, d_k))


@pytest.mark.parametrize("name", NAMES)
def test_heads_are_a_dimension_like_another(name):
    layer = similarity.choose_similarity(name, 3, 3).double()
    q, k = real(2, 5, 7, 3), real(2, 5, 11, 3)
    scores = layer(q, k)
    np.testing.assert_allclose(scores[1, 4].detach(), layer(q[1, 4], k[1, 4]).detach(), rtol=1e-9, atol=1e-12)


def test_values_on_paper():
    q, k = Tensor([[3.0, 4.0]]), Tensor([[1.0, 0.0], [3.0, 2.0]])
    assert similarity.Dot()(q, k).tolist() == [[3.0, 17.0]]
    np.testing.assert_allclose(similarity.ScaledDot()(q, k).numpy(), [[3 / 2**0.5, 17 / 2**0.5]], rtol=1e-6)
    np.testing.assert_allclose(similarity.Cosine()(q, k).numpy(), [[0.6, 17 / 5 / 13**0.5]], rtol=1e-6)
    assert similarity.Gaussian(2.0)(q, k).tolist() == [[-20 / 8, -4 / 8]]
    bilinear, graph, additive = similarity.Bilinear(2, 2), similarity.Graph(2, 2), similarity.Additive(2, 2, hidden=1)
    with minigrad.no_grad():
        bilinear.weight.copy_(Tensor([[0.0, 1.0], [2.0, 0.0]]))  # q₀k₁ + 2 q₁k₀
        graph.query.copy_(Tensor([1.0, -1.0]))
        graph.key.copy_(Tensor([2.0, -1.0]))  # −1 + 2, −1 + 4
        additive.query.weight.copy_(Tensor([[1.0, -1.0]]))
        additive.key.weight.copy_(Tensor([[1.0, 0.0]]))
        additive.key.bias.fill_(0.0)
        additive.score.weight.fill_(3.0)
    assert bilinear(q, k).tolist() == [[8.0, 30.0]]
    assert graph(q, k).tolist() == [[1.0, 3.0]]
    np.testing.assert_allclose(additive(q, k).detach().numpy(), [[0.0, 3 * math.tanh(2)]], rtol=1e-6)


def test_graph_score_bends_at_zero():
    graph = similarity.Graph(1, 1, negative_slope=0.25)
    with minigrad.no_grad():
        graph.query.fill_(1.0)
        graph.key.fill_(1.0)
    assert graph(Tensor([[1.0]]), Tensor([[2.0], [-5.0]])).tolist() == [[3.0, -1.0]]


def test_cosine_is_bounded_and_finite_at_the_zero_vector():
    q, k = real(50, 7) * 1e3, real(61, 7) * 1e-3
    cosine = similarity.Cosine()
    assert (cosine(q, k).abs() <= 1 + 1e-12).all()
    np.testing.assert_allclose(cosine(q, q).diagonal(), 1, rtol=1e-12)
    zero = minigrad.zeros(1, 3, requires_grad=True)
    key = Tensor([[0.0, 3.0, 4.0]], requires_grad=True)
    score = cosine(zero, key)
    (first, second) = minigrad.grad(score.sum(), [zero, key], create_graph=True)
    assert score.item() == 0
    np.testing.assert_allclose(first.detach().numpy(), [[0.0, 0.6, 0.8]], rtol=1e-6)
    assert (second == 0).all()
    first.square().sum().backward()
    assert zero.grad.isfinite().all()
    assert key.grad.isfinite().all()


def test_scores_grow_with_the_features_unless_scaled():
    """The standard deviation of q · k is √d; divided by √d it is 1, and the gradient of softmax stays alive."""
    slopes = {}
    for d in (4, 64, 1024):
        q, k = real(211, d), real(223, d)
        np.testing.assert_allclose(similarity.Dot()(q, k).std().item(), math.sqrt(d), rtol=0.1)
        np.testing.assert_allclose(similarity.ScaledDot()(q, k).std().item(), 1, rtol=0.1)
        for name in ("dot", "scaled_dot"):
            w = similarity.choose_similarity(name)(q, k).softmax(-1)
            slopes[name, d] = (w * (1 - w)).mean().item()  # the diagonal of the Jacobian
    assert slopes["dot", 1024] < 0.1 * slopes["scaled_dot", 1024]
    assert slopes["scaled_dot", 1024] > 0.8 * slopes["scaled_dot", 4]


def test_gaussian_attention_is_the_regression_of_nadaraya_and_watson():
    x, y, at = real(13, 1), real(13, 1), real(5, 1)
    found, _ = attend(at, x, y, similarity=similarity.Gaussian(0.5))
    kernel = np.exp(-((at.numpy() - x.numpy().T) ** 2) / (2 * 0.5**2))
    np.testing.assert_allclose(found.numpy(), kernel @ y.numpy() / kernel.sum(1, keepdims=True), rtol=1e-10)


def test_a_width_can_be_trained():
    layer = similarity.Gaussian(0.7, trained=True)
    assert gradcheck(layer, minigrad.randn(3, 2), minigrad.randn(5, 2))
    layer(minigrad.randn(3, 2), minigrad.randn(5, 2)).sum().backward()
    assert layer.width.grad.item() != 0


def test_additive_attention_of_bahdanau_needs_no_projections():
    layer = Attention(similarity.Additive(3, 5, hidden=7))
    decoder, encoder = minigrad.randn(2, 11, 3), minigrad.randn(2, 13, 5)
    y, weights = layer(decoder, encoder, return_weights=True)
    assert (y.shape, weights.shape) == ((2, 11, 5), (2, 11, 13))
    assert gradcheck(layer, minigrad.randn(1, 2, 3), minigrad.randn(1, 3, 5))


@pytest.mark.parametrize("name", NAMES)
def test_layers_take_names_and_modules(name):
    x = minigrad.randn(2, 5, 6)
    assert SelfAttention(6, similarity=name)(x).shape == (2, 5, 6)
    module = similarity.choose_similarity(name, 3, 3)
    assert MultiHead(6, 2, similarity=module).similarity is module
    assert MultiHead(6, 2, similarity=module)(x).shape == (2, 5, 6)


def test_what_does_not_fit_is_explained():
    with pytest.raises(ShapeError, match=r"\(3, 5\).*\(7, 2\).*Bilinear\(5, 2\)"):
        attend(minigrad.randn(3, 5), minigrad.randn(7, 2), minigrad.randn(7, 2))
    with pytest.raises(ValueError, match="'dots' is not one of dot, scaled_dot"):
        SelfAttention(3, similarity="dots")
    with pytest.raises(ValueError, match=r"give the module, similarity.Bilinear\(d_q, d_k\)"):
        Attention(similarity="bilinear")
    with pytest.raises(ValueError, match="positive, not -1"):
        similarity.Gaussian(-1.0)


def test_state_is_saved_by_name():
    names = [name for name, _ in nn.SelfAttention(3, similarity="additive").named_parameters()]
    assert names[3:] == [f"similarity.{n}" for n in ("query.weight", "key.weight", "key.bias", "score.weight")]
