"""Attention: by hand, against loops, under masks, and what it must not depend on."""

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from minigrad.autograd import Observer, ancestors
from minigrad.ops import attention as blocks
from nn import masks, normalisation, similarity
from nn.attention import Attention, AttentionPool, CrossAttention, Heads, MultiHead, SelfAttention, attend
from nn.local_attention import LocalAttention, WindowAttention


def test_attend_by_hand():
    """One query, two keys, √d_k = 2: scores 2·1/2 = 1 and 0, so the weights are e/(1+e) and 1/(1+e)."""
    q = Tensor([[2.0, 0.0, 0.0, 0.0]])
    k = Tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]])
    v = Tensor([[1.0], [0.0]])
    y, weights = attend(q, k, v)
    expected = math.e / (1 + math.e)
    np.testing.assert_allclose(weights.numpy(), [[expected, 1 - expected]], rtol=1e-6)
    np.testing.assert_allclose(y.numpy(), [[expected]], rtol=1e-6)


def test_attend_is_the_loop():
    q, k, v = (minigrad.randn(2, n, d, dtype=minigrad.float64) for n, d in ((3, 5), (7, 5), (7, 11)))
    y, weights = attend(q, k, v)
    for b in range(2):
        for i in range(3):
            scores = [sum(q[b, i, d].item() * k[b, j, d].item() for d in range(5)) / math.sqrt(5) for j in range(7)]
            e = [math.exp(s) for s in scores]
            row = [x / sum(e) for x in e]
            np.testing.assert_allclose(weights[b, i].numpy(), row, rtol=1e-12)
            np.testing.assert_allclose(y[b, i].numpy(), sum(w * v[b, j].numpy() for j, w in enumerate(row)), atol=1e-12)


def test_attend_names_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"\(3, 5\).*\(7, 2\)"):
        attend(minigrad.randn(3, 5), minigrad.randn(7, 2), minigrad.randn(7, 2))


@pytest.mark.parametrize("layer", ["single", "heads", "biased"])
def test_gradients(layer):
    model = {
        "single": lambda: nn.SelfAttention(3, 5, 2),
        "heads": lambda: nn.MultiHead(6, 2),
        "biased": lambda: nn.MultiHead(6, 3, positions=nn.RelativeBias(3, 2)),
    }[layer]()
    x = minigrad.randn(2, 5, 3 if layer == "single" else 6)
    mask = minigrad.rand(2, 5, 5) > 0.3
    mask[0, 1] = False  # a query that may look nowhere
    assert gradcheck(lambda x: model(x, mask=mask), x)
    assert gradcheck(_with_parameters(model, lengths=[5, 3]), x)
    assert gradgradcheck(lambda x: model(x, lengths=[5, 3]), x)


def _with_parameters(model, **options):
    """The model called with fixed options, still a module to the checker."""

    def call(x):
        return model(x, **options)

    call.named_parameters = model.named_parameters
    call.named_buffers = model.named_buffers
    return call


def test_only_three_matrices():
    layer = nn.SelfAttention(7, 5, 3)
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        "query.weight": (5, 7),
        "key.weight": (5, 7),
        "value.weight": (3, 7),
    }
    layer(minigrad.randn(2, 3, 7)).square().sum().backward()
    assert all((p.grad != 0).any() for p in layer.parameters())


def test_rows_sum_to_one_and_every_weight_is_positive():
    _, weights = nn.MultiHead(6, 3)(minigrad.randn(2, 5, 6), return_weights=True)
    assert weights.shape == (2, 3, 5, 5)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1, rtol=1e-6)
    assert (weights > 0).all()


@pytest.mark.parametrize("steps", [1, 2, 11])
def test_without_positions_order_has_no_effect(steps):
    layer = nn.MultiHead(6, 2).double()
    x = minigrad.randn(2, steps, 6, dtype=minigrad.float64)
    order = minigrad.randperm(steps)
    np.testing.assert_allclose(layer(x)[:, order].detach(), layer(x[:, order]).detach(), rtol=1e-9, atol=1e-12)


def test_with_relative_bias_order_has_an_effect():
    layer = nn.MultiHead(6, 2, positions=nn.RelativeBias(2))
    with minigrad.no_grad():
        layer.positions.weight.normal_()
    x = minigrad.randn(2, 5, 6)
    assert not np.allclose(layer(x).flip(1).detach(), layer(x.flip(1)).detach())


def test_two_heads_are_two_single_heads_joined_and_projected():
    heads = nn.MultiHead(6, 2, bias=False).double()
    x = minigrad.randn(3, 5, 6, dtype=minigrad.float64)
    singles = []
    for h in range(2):
        single = nn.SelfAttention(6, 3, 3).double()
        rows = slice(3 * h, 3 * h + 3)
        with minigrad.no_grad():
            for name in ("query", "key", "value"):
                getattr(single, name).weight.copy_(getattr(heads, name).weight[rows])
        singles.append(single(x))
    joined = minigrad.cat(singles, dim=-1) @ heads.output.weight.T
    np.testing.assert_allclose(heads(x).detach(), joined.detach(), rtol=1e-12)


def test_heads_must_share_the_features():
    with pytest.raises(ShapeError, match="7 features cannot be shared equally by 2 heads"):
        nn.MultiHead(7, 2)


def test_cross_attention_to_oneself_is_self_attention():
    layer = nn.MultiHead(6, 2)
    x = minigrad.randn(2, 5, 6)
    assert (layer(x) == layer(x, x, x)).all()
    assert layer(x, minigrad.randn(2, 7, 6)).shape == (2, 5, 6)


def test_what_may_not_be_attended_changes_nothing_and_gets_no_gradient():
    layer = nn.MultiHead(6, 2)
    x = minigrad.randn(2, 5, 6, requires_grad=True)
    y = layer(x, mask=masks.causal(5))
    other = x.detach().clone()
    other[:, 3:] = 7.0
    assert (layer(other, mask=masks.causal(5))[:, :3] == y[:, :3]).all()  # bit for bit
    y[:, 2].square().sum().backward()
    assert (x.grad[:, 3:] == 0).all()
    assert (x.grad[:, :3] != 0).any()


@pytest.mark.parametrize("kind", ["single", "heads"])
def test_padding_changes_nothing(kind):
    layer = nn.SelfAttention(6) if kind == "single" else nn.MultiHead(6, 2, positions=nn.RelativeBias(2))
    layer.double()
    x = minigrad.randn(1, 3, 6, dtype=minigrad.float64)
    padded = minigrad.cat([x, minigrad.full((1, 4, 6), 100.0, dtype=minigrad.float64)], dim=1)
    alone, among = layer(x), layer(padded, lengths=[3])[:, :3]
    np.testing.assert_allclose(alone.detach(), among.detach(), rtol=1e-12)
    weights = minigrad.randn(1, 3, 6, dtype=minigrad.float64)
    first = minigrad.grad((alone * weights).sum(), list(layer.parameters()))
    second = minigrad.grad((among * weights).sum(), list(layer.parameters()))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_query_that_may_attend_to_nothing_gets_zeros():
    layer = nn.SelfAttention(4)
    x = minigrad.randn(2, 3, 4, requires_grad=True)
    y, weights = layer(x, lengths=[3, 0], return_weights=True)
    assert (weights[1] == 0).all()
    assert (y[1] == 0).all()
    y.square().sum().backward()
    assert (x.grad[1] == 0).all()
    assert x.grad.isfinite().all()


def test_masks_that_do_not_fit_are_explained():
    layer, x = nn.MultiHead(6, 2), minigrad.randn(2, 5, 6)
    with pytest.raises(TypeError, match="True where a query may attend"):
        layer(x, mask=minigrad.ones(5, 5))
    with pytest.raises(ShapeError, match=r"\(5, 7\).*\(2, 2, 5, 5\)"):
        layer(x, mask=minigrad.ones(5, 7, dtype=minigrad.bool))
    with pytest.raises(ShapeError, match="from 0 to 5"):
        layer(x, lengths=[3, 6])
    with pytest.raises(ShapeError, match="3 lengths for a batch of 2"):
        layer(x, lengths=[3, 5, 5])
    with pytest.raises(ShapeError, match=r"\(5, 6\)"):
        layer(x[0])


def test_all_outputs_come_from_one_product_each():
    """However many queries there are: one matrix product for the scores, one for the mixture."""
    seen = []

    class Names(Observer):
        def operation(self, name, arguments, result):
            seen.append(name)

    with Names():
        attend(*(minigrad.randn(2, 7, 5) for _ in range(3)))
    assert seen.count("matmul") == 2


def test_attention_and_linear_layers_alternate():
    layers = [layer for _ in range(3) for layer in (SelfAttention(3, 2), nn.Linear(3, 3))]
    model, x = nn.Sequential(*layers), minigrad.randn(2, 5, 3)
    assert gradcheck(model, x)
    assert gradgradcheck(model, x)


# ---- any similarity with any normalisation, any mask, any layer -----------------------------------------------------

SIMILARITIES = [*similarity.PLAIN, *similarity.SIZED]
NORMALISATIONS = list(normalisation.NAMED)
LAYERS = {
    "Attention": lambda **stages: Attention(**stages),
    "SelfAttention": lambda **stages: SelfAttention(6, 3, 6, positions=nn.RelativeBias(1, 2), **stages),
    "AttentionPool": lambda **stages: AttentionPool(6, **stages),
    "MultiHead": lambda **stages: MultiHead(6, 2, positions=nn.RelativeBias(2, 2), **stages),
    "WindowAttention": lambda **stages: WindowAttention(6, 2, positions=nn.RelativeBias(1, 2), **stages),
    "LocalAttention": lambda **stages: LocalAttention(6, 1.7, predict=True, **stages),
    "Heads": lambda **stages: Heads([SelfAttention(6, d_v=2, **stages), SelfAttention(6, d_v=3, **stages)], 6),
}


@pytest.mark.parametrize("scores", SIMILARITIES)
@pytest.mark.parametrize("weights", NORMALISATIONS)
def test_every_choice_combines_with_every_other(scores, weights):
    mask = masks.causal(5) & masks.window(5, 2)
    for name, make in LAYERS.items():
        if name == "Attention":
            layer = make(similarity=similarity.choose_similarity(scores, 6, 6), normalisation=weights)
        else:
            layer = make(similarity=scores, normalisation=weights)
        where = {} if name in ("AttentionPool", "WindowAttention") else {"mask": mask}
        x = minigrad.randn(3, 5, 6, requires_grad=True)
        y = layer(x, lengths=[5, 3, 0], **where)
        assert y.shape == ((3, 6) if name == "AttentionPool" else (3, 5, 6))
        (y * minigrad.randn(*y.shape)).sum().backward()
        assert y.isfinite().all()
        assert x.grad.isfinite().all()
        assert (x.grad[2] == 0).all()  # the sentence of no words


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_every_layer(name):
    layer = LAYERS[name]()
    x = minigrad.randn(2, 5, 6)
    assert gradcheck(layer, x)
    assert gradgradcheck(layer, x)
    assert gradcheck(_with_parameters(layer, lengths=[5, 3]), x)
    assert gradgradcheck(_with_parameters(layer, lengths=[5, 3]), x)


@pytest.mark.parametrize("scores", SIMILARITIES)
def test_permuting_the_input_permutes_the_output(scores):
    for steps in (1, 2, 7, 50):
        layer = SelfAttention(3, 5, 2, similarity=scores).double()
        x, order = minigrad.randn(2, steps, 3, dtype=minigrad.float64), minigrad.randperm(steps)
        np.testing.assert_allclose(layer(x)[:, order].detach(), layer(x[:, order]).detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weights", NORMALISATIONS)
def test_what_may_not_be_attended_has_no_influence(weights):
    """Bit for bit, in value and gradient, whatever the normalisation."""
    layer = SelfAttention(3, normalisation=weights).eval()
    x = minigrad.randn(2, 5, 3, requires_grad=True)
    other = x.detach().clone()
    other[:, 3:] = 1e3
    y = layer(x, mask=masks.causal(5))
    assert (layer(other, mask=masks.causal(5))[:, :3] == y[:, :3]).all()
    (y[:, :3] * minigrad.randn(2, 3, 3)).sum().backward()
    assert (x.grad[:, 3:] == 0).all()


# ---- without projections --------------------------------------------------------------------------------------------


def test_attention_without_parameters():
    """y_i = Σ_j w_ij x_j with w = softmax of x_i · x_j, by loops, for a sentence of nine words."""
    layer = Attention(similarity="dot")
    x = minigrad.randn(1, 9, 5, dtype=minigrad.float64)
    y, weights = layer(x, return_weights=True)
    assert list(layer.parameters()) == []
    v = x[0].numpy()
    for i in range(9):
        e = [math.exp(sum(v[i] * v[j])) for j in range(9)]
        np.testing.assert_allclose(weights[0, i].numpy(), np.array(e) / sum(e), rtol=1e-10)
        np.testing.assert_allclose(y[0, i].numpy(), sum(e[j] / sum(e) * v[j] for j in range(9)), atol=1e-12)


def test_the_three_matrices_are_all_that_self_attention_adds():
    layer, plain = SelfAttention(5, 3, 2), Attention()
    x = minigrad.randn(2, 7, 5)
    assert (layer(x) == plain(layer.query(x), layer.key(x), layer.value(x))).all()


def test_rows_and_columns_are_two_ways_to_write_the_same():
    """Rows: softmax(Q Kᵀ) V. Columns: V softmax(Kᵀ Q), with softmax down the columns. One is the other transposed."""
    q, k, v = (minigrad.randn(n, d, dtype=minigrad.float64) for n, d in ((3, 5), (7, 5), (7, 2)))
    rows, weights = attend(q, k, v, similarity="dot")
    columns = v.T @ minigrad.softmax(k @ q.T, 0)
    np.testing.assert_allclose(rows, columns.T, rtol=1e-12)
    np.testing.assert_allclose(weights, minigrad.softmax(k @ q.T, 0).T, rtol=1e-12)


def test_an_image_is_a_set_of_vectors():
    """5 × 10 pixels of 3 channels are 50 vectors; what one pixel looks at is a picture again."""
    image = minigrad.randn(5, 10, 3)
    y, weights = SelfAttention(3)(image.flatten(0, 1).unsqueeze(0), return_weights=True)
    assert y.shape == (1, 50, 3)
    np.testing.assert_allclose(weights[0, 17].reshape(5, 10).sum().item(), 1, rtol=1e-5)


# ---- from outside ---------------------------------------------------------------------------------------------------


def _same_weights(source, target):
    with minigrad.no_grad():
        target.load_state_dict(source.state_dict())
    return target


@pytest.mark.parametrize("scores", SIMILARITIES)
def test_asking_oneself_from_outside_is_self_attention(scores):
    inside = SelfAttention(6, 5, 3, similarity=scores)
    outside = _same_weights(inside, CrossAttention(6, d_k=5, d_v=3, similarity=scores))
    x = minigrad.randn(2, 7, 6)
    for where in ({}, {"lengths": [7, 2]}, {"mask": masks.causal(7)}):
        assert (inside(x, **where) == outside(x, x, **where)).all()


def test_one_question_for_all_or_one_for_each_position():
    layer = CrossAttention(5, context_dim=3, d_k=7, d_v=2)
    questions, text = minigrad.randn(2, 11, 5), minigrad.randn(2, 13, 3)
    y, weights = layer(questions, text, lengths=[13, 4], return_weights=True)
    assert (y.shape, weights.shape) == ((2, 11, 2), (2, 11, 13))
    assert (weights[1, :, 4:] == 0).all()
    alone, single = layer(questions[:, 3], text, lengths=[13, 4], return_weights=True)
    np.testing.assert_allclose(alone.detach(), y[:, 3].detach(), rtol=1e-4, atol=1e-6)
    assert single.shape == (2, 13)
    assert gradcheck(layer, questions[:, :2], text[:, :3])
    assert gradgradcheck(layer, questions[:, 0], text[:, :3])


def test_a_question_finds_its_answer_in_a_passage():
    """A passage of seven (name, fact) pairs; the question is a name, the answer the fact that stands with it."""
    names, facts = minigrad.eye(7), minigrad.eye(5)
    layer = CrossAttention(7, context_dim=12, d_k=7, d_v=5)
    optimizer = nn.optim.Adam(layer.parameters(), lr=0.05)

    def passages(batch):
        who = minigrad.stack([minigrad.randperm(7) for _ in range(batch)])
        what = minigrad.randint(5, (batch, 7))
        asked = minigrad.randint(7, (batch,))
        everybody = minigrad.arange(batch)
        context = minigrad.cat([names[who], facts[what]], -1)
        return names[who[everybody, asked]], context, what[everybody, asked], asked

    for _ in range(150):
        question, context, answer, _ = passages(32)
        optimizer.zero_grad()
        nn.functional.cross_entropy(layer(question, context), answer).backward()
        optimizer.step()
    question, context, answer, asked = passages(101)
    y, weights = layer(question, context, return_weights=True)
    assert (y.argmax(-1) == answer).float().mean().item() > 0.95
    assert (weights.argmax(-1) == asked).float().mean().item() > 0.95


# ---- a sequence as one vector ---------------------------------------------------------------------------------------


def test_pooling_by_hand():
    """Query (2, 0), √D = √2: scores √2 · log 3 / √2 = log 3 and 0, so the weights are 3/4 and 1/4."""
    layer = AttentionPool(2)
    with minigrad.no_grad():
        layer.query.copy_(Tensor([[math.sqrt(2), 0.0]]))
    x = Tensor([[[math.log(3), 4.0], [0.0, 8.0], [9.0, 9.0]]])
    y, weights = layer(x, lengths=[2], return_weights=True)
    np.testing.assert_allclose(weights.detach(), [[0.75, 0.25, 0]], rtol=1e-6)
    np.testing.assert_allclose(y.detach(), [[0.75 * math.log(3), 5.0]], rtol=1e-6)
    hidden = layer(x, mask=[[True, True, False]])
    assert (hidden == y).all()
    with pytest.raises(ShapeError, match=r"\(1, 3\) is needed, not \(3,\)"):
        layer(x, mask=[True, True, False])


def test_pooling_starts_near_the_mean_and_ignores_order():
    layer, x = AttentionPool(6), minigrad.randn(3, 7, 6)
    np.testing.assert_allclose(layer(x).detach(), x.mean(1), atol=0.05)
    np.testing.assert_allclose(layer(x).detach(), layer(x[:, minigrad.randperm(7)]).detach(), atol=1e-5)


# ---- several heads --------------------------------------------------------------------------------------------------


def _as_single_heads(layer, dim, d_k, d_v, **stages):
    """The heads of a MultiHead without biases as layers of their own."""
    heads = []
    for h in range(layer.num_heads):
        single = SelfAttention(dim, d_k, d_v, **stages).to(layer.query.weight.dtype)
        with minigrad.no_grad():
            single.query.weight.copy_(layer.query.weight[h * d_k : (h + 1) * d_k])
            single.key.weight.copy_(layer.key.weight[h * d_k : (h + 1) * d_k])
            single.value.weight.copy_(layer.value.weight[h * d_v : (h + 1) * d_v])
        single.similarity = layer.similarity
        heads.append(single)
    joined = Heads(heads, dim).to(layer.query.weight.dtype)
    with minigrad.no_grad():
        joined.output.weight.copy_(layer.output.weight)
    return joined


@pytest.mark.parametrize("scores", SIMILARITIES)
@pytest.mark.parametrize("num_heads", [1, 2, 3, 8])
def test_one_product_for_all_heads_is_a_loop_over_single_heads(scores, num_heads):
    """In value, weights and gradient, also where the heads do not divide the features."""
    fused = MultiHead(6, num_heads, bias=False, d_k=5, d_v=3, similarity=scores).double()
    loop = _as_single_heads(fused, 6, 5, 3)
    x = minigrad.randn(2, 7, 6, dtype=minigrad.float64, requires_grad=True)
    y, weights = fused(x, lengths=[7, 4], return_weights=True)
    z, others = loop(x, lengths=[7, 4], return_weights=True)
    np.testing.assert_allclose(y.detach(), z.detach(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weights.detach(), others.detach(), rtol=1e-9, atol=1e-12)
    cotangent = minigrad.randn(2, 7, 6, dtype=minigrad.float64)
    ours = minigrad.grad((y * cotangent).sum(), [x, fused.query.weight, fused.output.weight])
    theirs = minigrad.grad((z * cotangent).sum(), [x, *(head.query.weight for head in loop.heads), loop.output.weight])
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(ours[1], minigrad.cat(theirs[1:-1]), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(ours[2], theirs[-1], rtol=1e-8, atol=1e-12)


def test_a_head_can_be_taken_out():
    """The output is a sum over heads: without head 1, its columns of the output matrix are missing."""
    layer, x = MultiHead(6, 3, bias=False).double(), minigrad.randn(2, 5, 6, dtype=minigrad.float64)
    whole = layer(x).detach()
    parts = []
    for h in range(3):
        alone = _same_weights(layer, MultiHead(6, 3, bias=False).double())
        with minigrad.no_grad():
            alone.output.weight[:, [c for c in range(6) if c // 2 != h]] = 0.0
        parts.append(alone(x).detach())
    np.testing.assert_allclose(sum(p.numpy() for p in parts), whole, atol=1e-12)


def test_heads_may_be_of_different_kinds():
    layer = Heads([WindowAttention(6, 1, d_v=2), SelfAttention(6, d_v=3, normalisation="sparsemax")], 5, bias=True)
    x = minigrad.randn(2, 7, 6)
    assert layer(x, lengths=[7, 3]).shape == (2, 7, 5)
    assert gradcheck(layer, x)
    pools = Heads([AttentionPool(6), AttentionPool(6, similarity="additive")], 5)
    y, weights = pools(x, lengths=[7, 3], return_weights=True)
    assert (y.shape, weights.shape) == ((2, 5), (2, 2, 7))


# ---- positions ------------------------------------------------------------------------------------------------------


def test_sinusoids_by_hand():
    table = nn.sinusoids(3, 5).numpy()
    np.testing.assert_allclose(table[0], [0, 1, 0, 1, 0])
    np.testing.assert_allclose(
        table[2],
        [math.sin(2), math.cos(2), math.sin(2 / 10000**0.4), math.cos(2 / 10000**0.4), math.sin(2 / 10000**0.8)],
        rtol=1e-6,
    )


def test_a_shift_of_sinusoids_is_one_rotation():
    table = nn.sinusoids(23, 6).numpy().astype(np.float64)
    shift, *_ = np.linalg.lstsq(table[:-3], table[3:], rcond=None)
    np.testing.assert_allclose(table[:-3] @ shift, table[3:], atol=1e-5)


def test_positions_are_added():
    x = minigrad.zeros(2, 3, 5)
    np.testing.assert_array_equal(nn.SinusoidalPositions(5, scale=0.25)(x)[1], nn.sinusoids(3, 5) * 0.25)
    learned = nn.LearnedPositions(7, 5)
    np.testing.assert_array_equal(learned(x)[0].detach(), learned.weight[:3].detach())
    with pytest.raises(ShapeError, match="11 tokens is longer than max_len 7"):
        learned(minigrad.zeros(1, 11, 5))
    with pytest.raises(ShapeError, match=r"steps, 5\) are needed, .* \(1, 3, 7\)"):
        nn.SinusoidalPositions(5)(minigrad.zeros(1, 3, 7))


def test_relative_bias_depends_on_the_distance_alone():
    positions = nn.RelativeBias(2, reach=2)
    with minigrad.no_grad():
        positions.weight.copy_(minigrad.arange(10).reshape(5, 2))
    bias = positions(3, 5).detach().numpy()
    assert bias.shape == (2, 3, 5)
    np.testing.assert_array_equal(bias[0], [[4, 6, 8, 8, 8], [2, 4, 6, 8, 8], [0, 2, 4, 6, 8]])


# ---- the block and the window ---------------------------------------------------------------------------------------


def test_encoder_block_is_two_corrections():
    block = nn.EncoderBlock(nn.MultiHead(6, 2), 6, 11)
    x = minigrad.randn(2, 5, 6)
    half = x + block.mixer(block.norm1(x), lengths=[5, 2])
    np.testing.assert_array_equal(
        block(x, lengths=[5, 2]).detach(), (half + block.feedforward(block.norm2(half))).detach()
    )


def test_window_is_a_convolution():
    window = nn.Window(3, 5, reach=1).double()
    x = minigrad.randn(2, 7, 3, dtype=minigrad.float64)
    kernel = window.linear.weight.reshape(5, 3, 3).transpose(1, 2)  # (out, neighbour, D) → (out, D, neighbour)
    y = nn.functional.conv1d(x.transpose(1, 2), kernel, window.linear.bias, padding="same").transpose(1, 2)
    np.testing.assert_allclose(window(x).detach(), y.detach(), rtol=1e-12)


def test_window_by_hand():
    window = nn.Window(1, 1, reach=1)
    with minigrad.no_grad():
        window.linear.weight.copy_(Tensor([[100.0, 10.0, 1.0]]))
        window.linear.bias.fill_(0.5)
    assert window(Tensor([[[1.0], [2.0], [3.0]]])).flatten().tolist() == [12.5, 123.5, 230.5]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("queries", [23, 31])
@pytest.mark.parametrize("causal", [True, False])
def test_blocks_of_any_size_agree_with_the_definition(monkeypatch, causal, queries, kept):
    """With weights that are kept or computed again; queries beyond the last key, and keys beyond the last query."""
    monkeypatch.setattr(blocks, "BLOCK", 311)
    monkeypatch.setattr(blocks, "CAUSAL_ROWS", 7)
    monkeypatch.setattr(blocks, "KEPT", 10**6 if kept else 0)
    shapes = (3, 2, queries, 5), (3, 2, 29, 5), (3, 2, 29, 11), (2, 1, 29), (3, 2, queries, 11)
    q, k, v, bias, g = (minigrad.randn(shape, dtype=minigrad.float64, requires_grad=True) for shape in shapes)
    mask = minigrad.rand(3, 1, queries, 29) > 0.3
    mask[1, 0, 13] = False
    inputs = (q, k, v, bias)
    found = blocks.attention(q, k, v, bias, mask, 0.7, causal)
    slow = blocks.attention.op.function(q, k, v, bias, mask.array, 0.7, causal)
    np.testing.assert_allclose(found.detach(), slow.detach(), rtol=1e-10, atol=1e-12)
    assert not found[1, :, 13].detach().any()
    for a, b in zip(minigrad.grad(found, inputs, g), minigrad.grad(slow, inputs, g), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kept", [True, False])
def test_scores_of_any_size_are_safe(monkeypatch, kept):
    """One query finds scores around 900, one around −900, where exp would overflow or vanish."""
    monkeypatch.setattr(blocks, "KEPT", 10**6 if kept else 0)
    for dtype in (np.float16, np.float32, np.float64):
        q = Tensor(np.array([[30.0], [-30.0], [1.0]], dtype), requires_grad=True)
        k = Tensor(np.array([[30.0], [29.0], [28.0]], dtype), requires_grad=True)
        y = blocks.attention(q, k, Tensor(np.eye(3, dtype=dtype)), scale=1.0)
        with minigrad.no_grad():
            e = np.exp([0.0, -1.0, -2.0]) / np.exp([0.0, -1.0, -2.0]).sum()
        np.testing.assert_allclose(y.detach(), [[1, 0, 0], [0, 0, 1], e], atol=2e-3 if dtype == np.float16 else 1e-6)
        y.square().sum().backward()
        assert np.isfinite(q.grad).all()
        assert np.isfinite(k.grad).all()
        assert q.grad.dtype == dtype


def test_many_positions_are_taken_in_blocks_unless_somebody_wants_the_weights():
    layer, x = nn.MultiHead(8, 2).eval(), minigrad.randn(1, 797, 8)
    blocks, (whole, weights) = layer(x, lengths=[701]), layer(x, lengths=[701], return_weights=True)
    assert weights.shape == (1, 2, 797, 797)
    np.testing.assert_allclose(blocks.detach(), whole.detach(), rtol=1e-4, atol=1e-6)
    with nn.record_attention(layer) as maps:
        layer(x)
    assert next(iter(maps.values()))[0].shape == (1, 2, 797, 797)
    names = {node.name for node in ancestors([blocks.node])}
    assert "attention" in names
    assert "softmax" not in names


def test_a_single_query_is_one_call():
    """Hooks are called once, and a summary counts one call."""
    layer = CrossAttention(6, context_dim=3)
    seen = []
    layer.register_forward_hook(lambda module, arguments, output: seen.append(output.shape))
    layer(minigrad.randn(2, 6), minigrad.randn(2, 7, 3))
    assert seen == [(2, 6)]


def test_a_pool_names_what_does_not_fit():
    with pytest.raises(ShapeError, match=r"AttentionPool\(6\): the vectors have 5 features \(shape \(2, 7, 5\)\)"):
        AttentionPool(6)(minigrad.zeros(2, 7, 5))
