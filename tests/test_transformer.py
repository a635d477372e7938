"""Multi-head attention and the Transformer under PyTorch's names: values by hand, masks, layouts, names, misuse."""

import math

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from nn import Linear, MultiHead, functional
from nn.multihead import MultiheadAttention
from nn.record import record_attention
from nn.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)


def close(x, expected, tolerance=1e-5):
    expected = expected.detach().numpy() if isinstance(expected, Tensor) else expected
    np.testing.assert_allclose(x.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def jumbled(layer):
    """The layer with parameters all of which matter: no zeros, no ones."""
    for parameter in layer.parameters():
        with minigrad.no_grad():
            parameter.normal_(0.0, 0.5)
    return layer.eval()


def inputs(batch_first=True):
    q, k, v = minigrad.randn(2, 3, 10), minigrad.randn(2, 7, 10), minigrad.randn(2, 7, 10)
    return (q, k, v) if batch_first else tuple(x.transpose(0, 1) for x in (q, k, v))


# ---- MultiheadAttention ---------------------------------------------------------------------------------------------


def test_attention_by_hand():
    """One feature, all projections 1: scores 1 · 0 and 1 · log 3, so weights 1/4 and 3/4, and 1/4 · 1 + 3/4 · 5 = 4."""
    layer = MultiheadAttention(1, 1, bias=False)
    one = minigrad.ones(1, 1)
    layer.load_state_dict({"in_proj_weight": minigrad.ones(3, 1), "out_proj.weight": one})
    y, weights = layer(one, Tensor([[0.0], [math.log(3)]]), Tensor([[1.0], [5.0]]))
    close(y, [[4.0]])
    close(weights, [[0.25, 0.75]])


def test_it_is_the_package_s_own_multi_head_with_its_weights_packed():
    ours = jumbled(MultiHead(10, 2))
    layer = MultiheadAttention(10, 2, batch_first=True)
    projections = (ours.query, ours.key, ours.value)
    layer.load_state_dict(
        {
            "in_proj_weight": minigrad.cat([p.weight for p in projections]),
            "in_proj_bias": minigrad.cat([p.bias for p in projections]),
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    q, k, v = inputs()
    y, weights = layer(q, k, v, average_attn_weights=False)
    expected, expected_weights = ours(q, k, v, return_weights=True)
    close(y, expected)
    close(weights, expected_weights)


def test_separate_projections_equal_packed_ones():
    packed = jumbled(MultiheadAttention(10, 2))
    layer = MultiheadAttention(10, 2, kdim=5, vdim=3)
    q, k, v = packed.in_proj_weight.chunk(3)
    layer.load_state_dict(
        {
            "q_proj_weight": q,
            "k_proj_weight": k[:, :5],
            "v_proj_weight": v[:, :3],
            "in_proj_bias": packed.in_proj_bias,
            **{name: value for name, value in packed.state_dict().items() if name.startswith("out")},
        }
    )
    query, key, value = inputs(batch_first=False)
    wide_key, wide_value = key.clone(), value.clone()
    wide_key[..., 5:], wide_value[..., 3:] = 0.0, 0.0
    close(layer(query, key[..., :5], value[..., :3])[0], packed(query, wide_key, wide_value)[0])


def test_parameter_names_and_layouts():
    shapes = {name: p.shape for name, p in MultiheadAttention(6, 2, add_bias_kv=True).named_parameters()}
    assert shapes == {
        "in_proj_weight": (18, 6),
        "in_proj_bias": (18,),
        "bias_k": (1, 1, 6),
        "bias_v": (1, 1, 6),
        "out_proj.weight": (6, 6),
        "out_proj.bias": (6,),
    }
    shapes = {name: p.shape for name, p in MultiheadAttention(6, 2, bias=False, kdim=5).named_parameters()}
    assert shapes == {
        "q_proj_weight": (6, 6),
        "k_proj_weight": (6, 5),
        "v_proj_weight": (6, 6),
        "out_proj.weight": (6, 6),
    }


def test_initial_distributions():
    layer = MultiheadAttention(100, 2, add_bias_kv=True)
    bound = math.sqrt(6 / 400)  # in_proj_weight is (300, 100)
    assert 0.97 * bound < layer.in_proj_weight.abs().max().item() <= bound
    assert 0.95 * 0.1 < layer.out_proj.weight.abs().max().item() <= 0.1
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()
    assert layer.bias_k.std().item() == pytest.approx(math.sqrt(2 / 200), rel=0.3)  # fans 100 and 100


@pytest.mark.parametrize("batch_first", [True, False])
def test_layouts_say_the_same(batch_first):
    layer = jumbled(MultiheadAttention(10, 2, batch_first=batch_first))
    q, k, v = inputs(batch_first)
    y, weights = layer(q, k, v, average_attn_weights=False)
    assert y.shape == q.shape
    assert weights.shape == (2, 2, 3, 7)
    at = (lambda x: x[1]) if batch_first else (lambda x: x[:, 1])
    alone, its_weights = layer(at(q), at(k), at(v), average_attn_weights=False)
    close(alone, at(y))
    close(its_weights, weights[1])
    close(layer(at(q), at(k), at(v))[1], weights[1].mean(0))
    assert layer(q, k, v, need_weights=False)[1] is None


def test_true_in_a_mask_hides():
    layer = jumbled(MultiheadAttention(10, 2, batch_first=True))
    q, k, v = inputs()
    hidden = minigrad.zeros(2, 7, dtype=minigrad.bool)
    hidden[1, 4:] = True
    y, weights = layer(q, k, v, key_padding_mask=hidden)
    assert not weights[1, :, 4:].any()
    assert (weights[0] > 0).all()
    close(y[1], layer(q[1], k[1, :4], v[1, :4])[0])
    shown = minigrad.rand(3, 7) < 0.5
    weights = layer(q, k, v, attn_mask=~shown, average_attn_weights=False)[1]
    assert ((weights > 0) == shown).all()


def test_masks_of_floats_are_added_and_masks_of_heads_are_told_apart():
    layer = jumbled(MultiheadAttention(10, 2, batch_first=True))
    q, k, v = inputs()
    blocked = minigrad.rand(4, 3, 7) < 0.4  # B · H = 4
    padding = minigrad.rand(2, 7) < 0.3
    y, weights = layer(q, k, v, padding, attn_mask=blocked, average_attn_weights=False)
    assert not weights[1, 0][blocked[2]].any()
    assert not weights[1, 1][blocked[3]].any()
    as_floats = [minigrad.zeros(mask.shape).masked_fill(mask, -math.inf) for mask in (padding, blocked)]
    close(layer(q, k, v, as_floats[0], attn_mask=as_floats[1])[0], y)
    bias = minigrad.randn(3, 7)
    plain, biased = (layer(q, k, v, attn_mask=m, average_attn_weights=False)[1] for m in (None, bias))
    close(biased, functional.softmax(plain.log() + bias))


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_may_see_nothing_gets_zeros_and_gives_no_gradient(need_weights):
    layer = jumbled(MultiheadAttention(10, 2, batch_first=True))
    q, k, v = (x.requires_grad_() for x in inputs())
    padding = minigrad.zeros(2, 7, dtype=minigrad.bool)
    padding[1] = True
    y, weights = layer(q, k, v, padding, need_weights)
    close(y[1], layer.out_proj.bias.expand(3, 10))
    assert weights is None or not weights[1].any()
    (y * minigrad.randn(2, 3, 10)).sum().backward()
    for x in (q, k, v):
        assert x.grad[0].any()
        assert not x.grad[1].any()
    for parameter in layer.parameters():
        assert parameter.grad.isfinite().all()


def test_what_is_appended_is_open_to_all():
    layer = jumbled(MultiheadAttention(10, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True))
    q, k, v = inputs()
    nothing = minigrad.ones(2, 7, dtype=minigrad.bool)
    y, weights = layer(q, k, v, nothing, average_attn_weights=False)
    assert weights.shape == (2, 2, 3, 9)
    assert not weights[..., :7].any()
    close(weights.sum(-1), np.ones((2, 2, 3)))
    query = functional.linear(q, layer.in_proj_weight[:10], layer.in_proj_bias[:10]).unflatten(2, (2, 5))
    trained = (query * layer.bias_k.reshape(2, 5)).sum(-1) / math.sqrt(5)  # (B, Tq, H): scores; those of zeros are 0
    close(weights[..., 7], trained.sigmoid().transpose(1, 2))
    heads = weights[..., 7, None] * layer.bias_v.reshape(2, 1, 5)
    close(y, layer.out_proj(heads.transpose(1, 2).flatten(2)))


def test_dropout_acts_on_the_weights_in_training_only():
    layer = MultiheadAttention(10, 2, dropout=0.5, batch_first=True)
    q, k, v = inputs()
    trained, weights = layer(q, k, v)
    close(weights.sum(-1), np.ones((2, 3)))
    layer.eval()
    assert not minigrad.allclose(trained, layer(q, k, v)[0])
    assert minigrad.equal(layer(q, k, v)[0], layer(q, k, v)[0])


def test_the_weights_can_be_recorded():
    layer = jumbled(TransformerDecoderLayer(10, 2, 11, batch_first=True))
    q, k, _ = inputs()
    with record_attention(layer) as maps:
        layer(q, k)
    assert {path: calls[0].shape for path, calls in maps.items()} == {
        "self_attn": (2, 2, 3, 3),
        "multihead_attn": (2, 2, 3, 7),
    }
    close(maps["self_attn"][0].mean(1), layer.self_attn(q, q, q)[1])


def test_attention_derivatives():
    layer = jumbled(MultiheadAttention(4, 2, batch_first=True, kdim=5, add_bias_kv=True))
    q, k, v = minigrad.randn(2, 2, 4), minigrad.randn(2, 3, 5), minigrad.randn(2, 3, 4)
    bias = minigrad.randn(2, 3)

    def attended(q, k, v, bias):
        y, weights = layer(q, k, v, attn_mask=bias)
        return y, weights

    layer.double()
    assert gradcheck(attended, (q, k, v, bias))
    assert gradgradcheck(attended, (q, k, v, bias))
    assert gradcheck(jumbled(MultiheadAttention(4, 2)), (v, v, v))


def test_attention_refuses():
    with pytest.raises(ShapeError, match="7 features cannot be shared equally by 2 heads"):
        MultiheadAttention(7, 2)
    with pytest.raises(ValueError, match="dropout = 1.5"):
        MultiheadAttention(6, 2, dropout=1.5)
    layer = MultiheadAttention(10, 2, batch_first=True)
    q, k, v = inputs()
    with pytest.raises(ShapeError, match=r"should end in \(10, 10, 10\)"):
        layer(q[..., :5], k, v)
    with pytest.raises(ShapeError, match="keys and values must be equally many"):
        layer(q, k, v[:, :5])
    with pytest.raises(ShapeError, match="keys and values must be equally many"):
        layer(q[:1], k, v)
    with pytest.raises(ShapeError, match="three dimensions each"):
        layer(q, k[0], v[0])
    with pytest.raises(ShapeError, match=r"attn_mask has shape \(7, 3\), but 3 queries and 7 keys need \(3, 7\)"):
        layer(q, k, v, attn_mask=minigrad.ones(7, 3, dtype=minigrad.bool))
    with pytest.raises(ShapeError, match=r"key_padding_mask has shape \(2, 3\)"):
        layer(q, k, v, key_padding_mask=minigrad.ones(2, 3, dtype=minigrad.bool))
    with pytest.raises(TypeError, match="not int64"):
        layer(q, k, v, key_padding_mask=minigrad.ones(2, 7, dtype=minigrad.long))
    with pytest.raises(ValueError, match="pass the mask too"):
        layer(q, k, v, is_causal=True)


# ---- the layers -----------------------------------------------------------------------------------------------------


def only_norms(layer):
    """The layer with all weights zero, but for those of the normalisations."""
    for name, parameter in layer.named_parameters():
        if "norm" not in name:
            with minigrad.no_grad():
                parameter.zero_()
    return layer.eval()


def test_layers_by_hand():
    """Nothing is mixed and nothing transformed: what is left are the residuals and the normalisations."""
    x, memory = Tensor([[[3.0, 7.0]]]), Tensor([[[1.0, 2.0]]])
    close(only_norms(TransformerEncoderLayer(2, 1, 3, layer_norm_eps=0.0))(x), [[[-1, 1]]])
    close(only_norms(TransformerEncoderLayer(2, 1, 3, norm_first=True))(x), [[[3, 7]]])
    close(only_norms(TransformerDecoderLayer(2, 1, 3, layer_norm_eps=0.0))(x, memory), [[[-1, 1]]])
    close(only_norms(TransformerDecoderLayer(2, 1, 3, norm_first=True))(x, memory), [[[3, 7]]])


def test_a_decoder_that_does_not_ask_anything_gets_the_mean_of_the_memory():
    layer = only_norms(TransformerDecoderLayer(2, 1, 3, norm_first=True))
    with minigrad.no_grad():
        layer.multihead_attn.in_proj_weight[4:] = minigrad.eye(2)
        layer.multihead_attn.out_proj.weight[:] = minigrad.eye(2)
    memory = Tensor([[1.0, 2.0], [3.0, 10.0]])
    close(layer(Tensor([[3.0, 7.0]]), memory), [[3 + 2, 7 + 6]])


@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_layer_is_what_its_docstring_says(norm_first):
    layer = jumbled(TransformerEncoderLayer(10, 2, 11, 0.1, "gelu", batch_first=True, norm_first=norm_first))
    x = inputs()[0]

    def attend(x):
        return layer.self_attn(x, x, x)[0]

    def transform(x):
        return layer.linear2(functional.gelu(layer.linear1(x)))

    if norm_first:
        expected = x + attend(layer.norm1(x))
        expected = expected + transform(layer.norm2(expected))
    else:
        expected = layer.norm1(x + attend(x))
        expected = layer.norm2(expected + transform(expected))
    close(layer(x), expected)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_decoder_layer_is_what_its_docstring_says(norm_first):
    layer = jumbled(TransformerDecoderLayer(10, 2, 11, 0.1, minigrad.tanh, batch_first=True, norm_first=norm_first))
    x, memory, _ = inputs()
    steps = (
        (layer.norm1, lambda x: layer.self_attn(x, x, x)[0]),
        (layer.norm2, lambda x: layer.multihead_attn(x, memory, memory)[0]),
        (layer.norm3, lambda x: layer.linear2(layer.linear1(x).tanh())),
    )
    expected = x
    for norm, step in steps:
        expected = expected + step(norm(expected)) if norm_first else norm(expected + step(expected))
    close(layer(x, memory), expected)


LAYER_NAMES = [
    "self_attn.in_proj_weight",
    "self_attn.in_proj_bias",
    "self_attn.out_proj.weight",
    "self_attn.out_proj.bias",
    "linear1.weight",
    "linear1.bias",
    "linear2.weight",
    "linear2.bias",
    "norm1.weight",
    "norm1.bias",
    "norm2.weight",
    "norm2.bias",
]


def test_names_of_parameters():
    assert list(TransformerEncoderLayer(6, 2, 11).state_dict()) == LAYER_NAMES
    second = [name.replace("self_attn", "multihead_attn") for name in LAYER_NAMES[:4]]
    expected = LAYER_NAMES[:4] + second + LAYER_NAMES[4:] + ["norm3.weight", "norm3.bias"]
    assert list(TransformerDecoderLayer(6, 2, 11).state_dict()) == expected
    assert [n for n in TransformerEncoderLayer(6, 2, 11, bias=False).state_dict() if n.endswith("bias")] == []
    names = list(Transformer(6, 2, 1, 2, 11).state_dict())
    assert [name for name in names if name.startswith("encoder")] == [
        *(f"encoder.layers.0.{name}" for name in LAYER_NAMES),
        "encoder.norm.weight",
        "encoder.norm.bias",
    ]
    assert sum(name.startswith("decoder.layers.1.multihead_attn") for name in names) == 4


def test_layer_derivatives():
    encoder = jumbled(TransformerEncoderLayer(4, 2, 5, activation="gelu", batch_first=True))
    decoder = jumbled(TransformerDecoderLayer(4, 2, 5, activation=minigrad.tanh, norm_first=True))
    x, memory = minigrad.randn(2, 3, 4), minigrad.randn(5, 3, 4)
    assert gradcheck(encoder, x)
    assert gradgradcheck(encoder, x)
    assert gradcheck(decoder, (x, memory))


def test_layers_refuse():
    with pytest.raises(ValueError, match="'relu', 'gelu' or a function, not 'swish'"):
        TransformerEncoderLayer(6, 2, activation="swish")
    with pytest.raises(ShapeError, match="cannot be shared equally"):
        TransformerDecoderLayer(7, 2)
    with pytest.raises(ShapeError, match="should end in") as error:
        Transformer(6, 2, 1, 1, 11)(minigrad.ones(3, 2, 5), minigrad.ones(3, 2, 6))
    assert error.value.__notes__ == ["in encoder.layers.0.self_attn (MultiheadAttention)"]


# ---- the whole ------------------------------------------------------------------------------------------------------


def test_stacks_are_copies_one_after_the_other():
    layer = TransformerEncoderLayer(6, 2, 11, batch_first=True)
    stack = TransformerEncoder(layer, 3, Linear(6, 5)).eval()
    assert len({id(p) for p in [*stack.parameters(), *layer.parameters()]}) == 4 * 12 + 2
    assert minigrad.equal(stack.layers[0].linear1.weight, stack.layers[2].linear1.weight)
    jumbled(stack)
    x = minigrad.randn(2, 3, 6)
    expected = x
    for each in stack.layers:
        expected = each(expected)
    close(stack(x), stack.norm(expected))
    decoder = jumbled(TransformerDecoder(TransformerDecoderLayer(6, 2, 11, batch_first=True), 2))
    memory = minigrad.randn(2, 7, 6)
    close(decoder(x, memory), decoder.layers[1](decoder.layers[0](x, memory), memory))


def test_masks_reach_every_layer():
    """What is hidden changes nothing, bit by bit, and gets no gradient."""
    model = jumbled(Transformer(6, 2, 2, 2, 11, batch_first=True))
    src, tgt = minigrad.randn(2, 5, 6), minigrad.randn(2, 3, 6)
    padding = Tensor([[False] * 3 + [True] * 2] * 2)
    later = Transformer.generate_square_subsequent_mask(3)
    arguments = {
        "tgt_mask": later,
        "src_key_padding_mask": padding,
        "memory_key_padding_mask": padding,
        "tgt_is_causal": True,
    }
    y = model(src, tgt, **arguments)
    other_src, other_tgt = src.clone(), tgt.clone()
    other_src[:, 3:], other_tgt[:, 2:] = 7.0, -7.0
    other = model(other_src, other_tgt, **arguments)
    assert minigrad.equal(y[:, :2], other[:, :2])
    assert not minigrad.equal(y[:, 2], other[:, 2])
    src.requires_grad_()
    tgt.requires_grad_()
    (model(src, tgt, **arguments)[:, :2] * minigrad.randn(2, 2, 6)).sum().backward()
    assert not src.grad[:, 3:].any()
    assert not tgt.grad[:, 2:].any()
    assert src.grad[:, :3].all()


@pytest.mark.parametrize("kind", ["src", "tgt", "memory"])
@pytest.mark.parametrize("padding", [True, False])
def test_each_mask_reaches_its_attention_in_every_layer_and_no_other(kind, padding):
    """The last key is hidden from all queries."""
    model = jumbled(Transformer(6, 2, 2, 2, 11, batch_first=True))
    queries, keys = {"src": (5, 5), "tgt": (3, 3), "memory": (3, 5)}[kind]
    mask = minigrad.zeros(2 if padding else queries, keys, dtype=minigrad.bool)
    mask[:, -1] = True
    name = f"{kind}_key_padding_mask" if padding else f"{kind}_mask"
    with record_attention(model) as maps:
        model(minigrad.randn(2, 5, 6), minigrad.randn(2, 3, 6), **{name: mask})
    assert len(maps) == 6
    where = {"src": "encoder", "tgt": "self_attn", "memory": "multihead_attn"}[kind]
    for path, (weights,) in maps.items():
        hidden = where in path and not (kind == "tgt" and path.startswith("encoder"))
        assert bool(weights[..., -1].any()) is not hidden, path


def test_dropout_acts_on_every_correction():
    """With everything dropped, nothing is added."""
    x, memory = minigrad.randn(5, 2, 6), minigrad.randn(3, 2, 6)
    encoder = jumbled(TransformerEncoderLayer(6, 2, 11, dropout=1.0, norm_first=True)).train()
    decoder = jumbled(TransformerDecoderLayer(6, 2, 11, dropout=1.0, norm_first=True)).train()
    assert minigrad.equal(encoder(x), x)
    assert minigrad.equal(decoder(x, memory), x)


def test_the_whole_is_its_encoder_and_its_decoder():
    model = jumbled(Transformer(6, 2, 1, 1, 11))
    src, tgt = minigrad.randn(5, 2, 6), minigrad.randn(3, 2, 6)
    close(model(src, tgt), model.decoder(tgt, model.encoder(src)))
    assert model(src, tgt).shape == (3, 2, 6)
    assert model(src[:, 0], tgt[:, 0]).shape == (3, 6)
    mine = TransformerEncoder(TransformerEncoderLayer(6, 2, 11), 2)
    assert Transformer(6, 2, custom_encoder=mine, num_decoder_layers=1, dim_feedforward=11).encoder is mine


def test_the_whole_starts_from_xavier_s_distribution():
    model = Transformer(60, 2, 2, 1, 110)
    weight = model.encoder.layers[1].linear1.weight
    bound = math.sqrt(6 / 170)
    assert 0.97 * bound < weight.abs().max().item() <= bound
    assert not minigrad.equal(weight, model.encoder.layers[0].linear1.weight)


def test_the_causal_mask():
    inf = math.inf
    mask = Transformer.generate_square_subsequent_mask(3)
    assert mask.tolist() == [[0, -inf, -inf], [0, 0, -inf], [0, 0, 0]]
    assert mask.dtype == minigrad.float32
    assert Transformer.generate_square_subsequent_mask(2, dtype=minigrad.float64).dtype == minigrad.float64
