"""Words, sentences, documents: padding of any kind and in any place must not matter."""

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, gradcheck, gradgradcheck
from nn.attention import AttentionPool
from nn.hierarchy import Hierarchical, pad_documents

LENGTHS = [[5, 2, 0], [0, 1, 3]]


def model():
    layer = Hierarchical(3, words=AttentionPool(3, similarity="additive"))
    with minigrad.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    return layer.double()


def documents():
    return minigrad.randn(2, 3, 5, 3, dtype=minigrad.float64)


def test_it_pools_twice():
    layer, x = model(), documents()
    y, sentences, words = layer(x, LENGTHS, return_weights=True)
    assert (y.shape, sentences.shape, words.shape) == ((2, 3), (2, 3), (2, 3, 5))
    for b in range(2):
        vectors = [layer.words(x[b, s, :n][None]) for s, n in enumerate(LENGTHS[b]) if n]
        np.testing.assert_allclose(y[b].detach(), layer.sentences(minigrad.stack(vectors, 1))[0].detach(), rtol=1e-9)


def test_pads_do_not_matter_wherever_they_stand():
    layer, x = model(), documents()
    y = layer(x, LENGTHS)
    more = minigrad.full((2, 7, 11, 3), 1e3, dtype=minigrad.float64)
    more[:, [1, 3, 6], :5] = x
    lengths = np.zeros((2, 7), int)
    lengths[:, [1, 3, 6]] = LENGTHS
    np.testing.assert_allclose(layer(more, lengths).detach(), y.detach(), rtol=1e-9)


def test_empty_sentences_and_documents_give_zeros_and_no_gradient():
    layer, x = model(), documents().requires_grad_()
    y, sentences, _ = layer(x, [[5, 2, 0], [0, 0, 0]], return_weights=True)
    assert (sentences[0, 2], sentences[1].sum()) == (0, 0)
    assert (y[1] == 0).all()
    y.square().sum().backward()
    assert (x.grad[1] == 0).all()
    assert (x.grad[0, 1, 2:] == 0).all()
    assert x.grad.isfinite().all()


def test_gradients():
    layer = model()

    def call(x):
        return layer(x, LENGTHS)

    call.named_parameters, call.named_buffers = layer.named_parameters, layer.named_buffers
    assert gradcheck(call, documents())
    assert gradgradcheck(call, documents())


def test_value_by_hand():
    """Queries 0: plain means. Sentences (1 + 3) / 2 = 2 and 8, of which the mean is 5."""
    layer = Hierarchical(1)
    with minigrad.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(0.0)
    x = minigrad.tensor([[[[1.0], [3.0]], [[8.0], [9.0]]]])
    np.testing.assert_allclose(layer(x, [[2, 1]]).detach(), [[5.0]])


def test_documents_are_laid_out():
    ids, lengths = pad_documents([[[5, 6], [], [7]], []], padding=1)
    assert ids.tolist() == [[[5, 6], [1, 1], [7, 1]], [[1, 1]] * 3]
    assert lengths.tolist() == [[2, 0, 1], [0, 0, 0]]


def test_what_does_not_fit_is_explained():
    with pytest.raises(ShapeError, match=r"\(2, 3, 5, 3\) and \(3, 2\)"):
        Hierarchical(3)(documents(), np.ones((3, 2), int))
