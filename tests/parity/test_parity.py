"""Beside PyTorch, where that is installed: every layer that both have, optimizers, and whole training runs.

    pytest tests/parity

Weights go both ways as a `state_dict`; then outputs and gradients have to agree. Without PyTorch all this is skipped:
nothing else in the project needs it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
import nn
from examples import sentiment_classifier, sequence_labeler
from nn import optim

torch = pytest.importorskip("torch", reason="PyTorch, with which this compares, is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own plans

B, T, S, D, E, C = 5, 7, 3, 12, 8, 11
rng = np.random.default_rng(0)


def x(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def ids(*shape: int) -> np.ndarray:
    return rng.integers(0, C, shape)


def hidden(*shape: int) -> np.ndarray:
    """A boolean mask, True = must not be attended to, that leaves the first column open."""
    mask = rng.random(shape) < 0.3
    mask[..., 0] = False
    return mask


BLOCK = {"d_model": D, "nhead": 3, "dim_feedforward": 17, "dropout": 0.0, "batch_first": True}
LATER = np.triu(np.ones((T, T), bool), 1)

ACTIVATIONS = [
    "ELU", "CELU", "SELU", "GELU", "LeakyReLU", "LogSigmoid", "ReLU", "ReLU6", "Sigmoid", "SiLU", "Softplus", "Tanh",
    "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink", "Softsign", "Tanhshrink", "Mish", "PReLU",
    "Identity", "Flatten",
]  # fmt: skip

# A name that both have, the arguments to make it with, what it is called with, and further arguments of the call.
LAYERS: list[tuple[str, dict[str, Any], list[Any], dict[str, Any]]] = [
    ("Linear", {"in_features": D, "out_features": E}, [x(B, T, D)], {}),
    ("Linear", {"in_features": D, "out_features": E, "bias": False}, [x(D)], {}),
    ("Bilinear", {"in1_features": D, "in2_features": E, "out_features": C}, [x(B, D), x(B, E)], {}),
    ("Embedding", {"num_embeddings": C, "embedding_dim": D}, [ids(B, T)], {}),
    ("Embedding", {"num_embeddings": C, "embedding_dim": D, "padding_idx": 2}, [ids(B, T)], {}),
    ("Embedding", {"num_embeddings": C, "embedding_dim": D, "max_norm": 2.5, "norm_type": 3.0}, [ids(B, T)], {}),
    ("EmbeddingBag", {"num_embeddings": C, "embedding_dim": D}, [ids(B, T)], {}),
    ("EmbeddingBag", {"num_embeddings": C, "embedding_dim": D, "mode": "sum", "max_norm": 3.0}, [ids(B, T)], {}),
    ("EmbeddingBag", {"num_embeddings": C, "embedding_dim": D, "mode": "sum"}, [ids(B, T)], {}),
    ("EmbeddingBag", {"num_embeddings": C, "embedding_dim": D, "mode": "max"}, [ids(B, T)], {}),
    ("LayerNorm", {"normalized_shape": D}, [x(B, T, D)], {}),
    ("LayerNorm", {"normalized_shape": (T, D), "eps": 0.1}, [x(B, T, D)], {}),
    ("RMSNorm", {"normalized_shape": D}, [x(B, T, D)], {}),
    ("GroupNorm", {"num_groups": 3, "num_channels": D}, [x(B, D, T)], {}),
    ("BatchNorm1d", {"num_features": D}, [x(B, D)], {}),
    ("BatchNorm1d", {"num_features": D, "momentum": 0.3}, [x(B, D, T)], {}),
    ("BatchNorm2d", {"num_features": D, "momentum": 0.3}, [x(B, D, T, 5)], {}),
    ("Conv1d", {"in_channels": D, "out_channels": E, "kernel_size": 3}, [x(B, D, T)], {}),
    ("Conv1d", {"in_channels": D, "out_channels": E, "kernel_size": 4, "padding": "same"}, [x(B, D, T)], {}),
    ("Conv1d", {"in_channels": D, "out_channels": E, "kernel_size": 2, "stride": 2, "groups": 4}, [x(B, D, T)], {}),
    ("Conv2d", {"in_channels": 3, "out_channels": E, "kernel_size": (2, 3), "padding": 1}, [x(B, 3, T, D)], {}),
    ("MaxPool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, [x(B, D, T)], {}),
    ("MaxPool2d", {"kernel_size": 2}, [x(B, 3, T, D)], {}),
    ("AvgPool1d", {"kernel_size": 3, "padding": 1}, [x(B, D, T)], {}),
    ("AvgPool2d", {"kernel_size": (2, 3), "stride": 1}, [x(B, 3, T, D)], {}),
    ("MaxPool1d", {"kernel_size": 3, "stride": 3, "ceil_mode": True}, [x(B, D, T)], {}),
    ("MaxPool2d", {"kernel_size": (2, 5), "padding": 1, "ceil_mode": True}, [x(B, 3, T, D)], {}),
    ("AvgPool1d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, [x(B, D, T + 1)], {}),
    ("AvgPool2d", {"kernel_size": 5, "stride": 3, "padding": 2, "ceil_mode": True, "count_include_pad": False},
     [x(B, 3, T, D)], {}),
    ("AdaptiveMaxPool1d", {"output_size": 3}, [x(B, D, T)], {}),
    ("AdaptiveMaxPool2d", {"output_size": (None, 5)}, [x(B, 3, T, D)], {}),
    ("Softmax2d", {}, [x(B, 3, T, D)], {}),
    ("RReLU", {"lower": 0.2, "upper": 0.2}, [x(B, T, D)], {}),
    ("AdaptiveAvgPool1d", {"output_size": 3}, [x(B, D, T)], {}),
    ("AdaptiveAvgPool2d", {"output_size": (2, 5)}, [x(B, 3, T, D)], {}),
    *((name, {}, [x(B, T, D)], {}) for name in ACTIVATIONS),
    *((name, {"dim": 1}, [x(B, T, D)], {}) for name in ("Softmax", "LogSoftmax", "Softmin")),
    ("GLU", {}, [x(B, T, D)], {}),
    ("GELU", {"approximate": "tanh"}, [x(B, T, D)], {}),
    ("Threshold", {"threshold": 0.1, "value": -2.0}, [x(B, T, D)], {}),
    ("Dropout", {"p": 0.0}, [x(B, T, D)], {}),
    ("Unflatten", {"dim": 2, "unflattened_size": (3, 4)}, [x(B, T, D)], {}),
    ("RNNCell", {"input_size": D, "hidden_size": E}, [x(B, D), x(B, E)], {}),
    ("RNNCell", {"input_size": D, "hidden_size": E, "nonlinearity": "relu"}, [x(B, D)], {}),
    ("GRUCell", {"input_size": D, "hidden_size": E}, [x(B, D), x(B, E)], {}),
    ("LSTMCell", {"input_size": D, "hidden_size": E}, [x(B, D), (x(B, E), x(B, E))], {}),
    ("RNN", {"input_size": D, "hidden_size": E}, [x(T, B, D)], {}),
    ("RNN", {"input_size": D, "hidden_size": E, "nonlinearity": "relu", "num_layers": 2}, [x(T, B, D), x(2, B, E)], {}),
    ("GRU", {"input_size": D, "hidden_size": E, "batch_first": True, "bias": False}, [x(B, T, D)], {}),
    ("GRU", {"input_size": D, "hidden_size": E, "num_layers": 2, "bidirectional": True}, [x(T, B, D), x(4, B, E)], {}),
    ("LSTM", {"input_size": D, "hidden_size": E}, [x(T, D)], {}),
    ("LSTM", {"input_size": D, "hidden_size": E, "num_layers": 2, "bidirectional": True, "batch_first": True},
     [x(B, T, D), (x(4, B, E), x(4, B, E))], {}),
    ("MultiheadAttention", {"embed_dim": D, "num_heads": 3}, [x(T, B, D), x(S, B, D), x(S, B, D)], {}),
    ("MultiheadAttention", {"embed_dim": D, "num_heads": 3, "batch_first": True, "kdim": E, "vdim": C},
     [x(B, T, D), x(B, S, E), x(B, S, C)], {"key_padding_mask": hidden(B, S), "average_attn_weights": False}),
    ("MultiheadAttention", {"embed_dim": D, "num_heads": 2, "bias": False, "batch_first": True},
     [x(B, T, D), x(B, T, D), x(B, T, D)], {"attn_mask": LATER, "need_weights": False}),
    ("TransformerEncoderLayer", BLOCK, [x(B, T, D)], {"src_key_padding_mask": hidden(B, T)}),
    ("TransformerEncoderLayer", {**BLOCK, "norm_first": True, "activation": "gelu"}, [x(B, T, D)], {"src_mask": LATER}),
    ("TransformerDecoderLayer", BLOCK, [x(B, T, D), x(B, S, D)], {"tgt_mask": LATER}),
    ("TransformerDecoderLayer", {**BLOCK, "norm_first": True}, [x(B, T, D), x(B, S, D)],
     {"memory_key_padding_mask": hidden(B, S)}),
    ("Transformer", {**BLOCK, "num_encoder_layers": 2, "num_decoder_layers": 1}, [x(B, S, D), x(B, T, D)],
     {"tgt_mask": LATER, "src_key_padding_mask": hidden(B, S), "memory_key_padding_mask": hidden(B, S)}),
    *((name, {"reduction": how}, [x(B, C), ids(B)], {}) for name in ("CrossEntropyLoss", "NLLLoss")
      for how in ("mean", "sum", "none")),
    ("CrossEntropyLoss", {"ignore_index": 1, "label_smoothing": 0.1}, [x(B, C, T), ids(B, T)], {}),
    *((name, {}, [x(B, D), x(B, D)], {}) for name in ("MSELoss", "L1Loss", "SmoothL1Loss")),
    ("KLDivLoss", {}, [x(B, D), rng.random((B, D), np.float32)], {}),
    ("BCEWithLogitsLoss", {}, [x(B, D), rng.random((B, D), np.float32)], {}),
    ("BCELoss", {}, [rng.random((B, D), np.float32), rng.random((B, D), np.float32)], {}),
    ("CosineSimilarity", {"dim": 2}, [x(B, T, D), x(B, T, D)], {}),
    ("PairwiseDistance", {"p": 3.0, "keepdim": True}, [x(B, T, D), x(B, T, D)], {}),
    ("HuberLoss", {"delta": 0.4}, [x(B, D), x(B, D)], {}),
    ("MarginRankingLoss", {"margin": 0.3}, [x(B), x(B), 2 * rng.integers(0, 2, B) - 1], {}),
    ("CosineEmbeddingLoss", {"margin": 0.1, "reduction": "sum"}, [x(B, D), x(B, D), 2 * rng.integers(0, 2, B) - 1], {}),
    ("TripletMarginLoss", {"margin": 2.0}, [x(B, D), x(B, D), x(B, D)], {}),
]  # fmt: skip


def given(library: Any, values: Any) -> Any:
    """Arrays as tensors of one of the two libraries, requiring grad where they can."""
    if isinstance(values, (list, tuple)):
        return type(values)(given(library, value) for value in values)
    if isinstance(values, dict):
        return {key: given(library, value) for key, value in values.items()}
    if not isinstance(values, np.ndarray):
        return values
    tensor = library.tensor(values)
    return tensor.requires_grad_() if values.dtype.kind == "f" else tensor


def tensors_in(values: Any) -> list[Any]:
    if isinstance(values, (list, tuple)):
        return [tensor for value in values for tensor in tensors_in(value)]
    return [values] if hasattr(values, "requires_grad") else []


def arrays(values: Any) -> list[np.ndarray]:
    return [np.array(tensor.detach().numpy()) for tensor in tensors_in(values)]


def results(library: Any, layer: Any, inputs: Any, options: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What a layer gives, and the gradients of its inputs and parameters for some weights of what it gives."""
    arguments = given(library, inputs)
    outputs = layer(*arguments, **{key: library.tensor(v) if isinstance(v, np.ndarray) else v
                                   for key, v in options.items()})  # fmt: skip
    weights = np.random.default_rng(1)
    total = sum(
        (y * library.tensor(weights.standard_normal(tuple(y.shape)).astype(np.float32))).sum()
        for y in tensors_in(outputs)
    )
    total.backward()
    leaves = [t for t in [*tensors_in(arguments), *layer.parameters()] if t.requires_grad]
    gradients = [np.zeros(t.shape) if t.grad is None else np.array(t.grad.detach().numpy()) for t in leaves]
    return arrays(outputs), gradients


def ours_called(name: str) -> Any:
    """The layer of that name, wherever in `nn` it is defined."""
    for module in (nn, nn.activation, nn.conv, nn.dropout, nn.loss):
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"nn has no layer {name!r}")


def state_of(layer: Any) -> dict[str, np.ndarray]:
    return {name: np.array(value.numpy()) for name, value in layer.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "settings", "inputs", "options"), LAYERS, ids=[f"{layer[0]}-{i}" for i, layer in enumerate(LAYERS)]
)
def test_layer(name: str, settings: dict[str, Any], inputs: list[Any], options: dict[str, Any]) -> None:
    theirs = getattr(torch.nn, name)(**settings)
    ours = ours_called(name)(**settings)
    assert [(key, tuple(v.shape)) for key, v in theirs.state_dict().items()] == [
        (key, v.shape) for key, v in ours.state_dict().items()
    ]
    theirs.load_state_dict({key: torch.tensor(value) for key, value in state_of(ours).items()})
    for key, value in state_of(theirs).items():
        np.testing.assert_array_equal(value, state_of(ours)[key])
    again = getattr(torch.nn, name)(**settings)
    ours.load_state_dict(state_of(again))

    (y, gradients), (their_y, their_gradients) = (
        results(library, layer, inputs, options) for library, layer in ((minigrad, ours), (torch, again))
    )
    for mine, its in zip([*y, *gradients], [*their_y, *their_gradients], strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(its).max(initial=0)))
    for key, value in state_of(again).items():  # running statistics, too
        np.testing.assert_allclose(state_of(ours)[key], value, rtol=1e-5, atol=1e-6)


FUNCTIONS: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((name, [2 * x(B, T)], {}) for name in (
        "relu6", "selu", "mish", "hardswish", "hardsigmoid", "softsign", "tanhshrink", "hardshrink", "softshrink",
        "rrelu", "celu")),
    ("prelu", [x(B, D, T), x(D)], {}),
    ("prelu", [x(B, T), x(1)], {}),
    ("threshold", [x(B, T), 0.1, 20.0], {}),
    ("group_norm", [x(B, D, T), 3, x(D), x(D)], {"eps": 0.1}),
    ("huber_loss", [x(B, T), x(B, T)], {"reduction": "none", "delta": 0.7}),
    ("pairwise_distance", [x(B, T), x(B, T)], {}),
    ("avg_pool1d", [x(B, D, T), 3, 2, 1, True, False], {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "inputs", "options"), FUNCTIONS, ids=[f"{f[0]}-{i}" for i, f in enumerate(FUNCTIONS)])
def test_function(name: str, inputs: list[Any], options: dict[str, Any]) -> None:
    found = []
    for library, functions in ((minigrad, nn.functional), (torch, torch.nn.functional)):
        arguments = given(library, inputs)
        y = getattr(functions, name)(*arguments, **options)
        (y * library.tensor(np.cos(np.arange(y.numel(), dtype=np.float32))).reshape(y.shape)).sum().backward()
        found.append([y.detach().numpy(), *(a.grad.numpy() for a in tensors_in(arguments))])
    for mine, its in zip(*found, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5, atol=1e-5)


# ---- optimizers and schedules ---------------------------------------------------------------------------------------

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.01}),
    ("RMSprop", {"weight_decay": 0.01}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adadelta", {"rho": 0.8, "weight_decay": 0.01}),
]


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_optimizer(name: str, settings: dict[str, Any]) -> None:
    start, gradients = rng.standard_normal((3, 5)), rng.standard_normal((20, 3, 5))
    ours, theirs = (library.tensor(start, requires_grad=True) for library in (minigrad, torch))
    optimizer, other = getattr(optim, name)([ours], **settings), getattr(torch.optim, name)([theirs], **settings)
    for g in gradients:
        ours.grad, theirs.grad = minigrad.tensor(g), torch.tensor(g)
        optimizer.step()
        other.step()
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)
    kept, its = optimizer.state_dict()["state"][0], other.state_dict()["state"][0]
    assert set(kept) == set(its) - ({"step"} if name == "SGD" else set())


@pytest.mark.parametrize("settings", [
    {"lr": 0.3, "max_iter": 7, "history_size": 3},
    {"lr": 1.0},
    {"max_iter": 5, "max_eval": 3, "tolerance_change": 1e-3},
    {"lr": 0.5, "tolerance_grad": 0.5},
])  # fmt: skip
def test_lbfgs(settings: dict[str, Any]) -> None:
    starts = rng.standard_normal((2, 3, 5))
    courses: list[list[Any]] = []
    for library, optimizers in ((minigrad, optim), (torch, torch.optim)):
        p, q, unused = (library.tensor(a, requires_grad=True) for a in (*starts, starts[0]))
        optimizer = optimizers.LBFGS([p, q, unused], **settings)
        course: list[Any] = []

        def closure(p: Any = p, q: Any = q, optimizer: Any = optimizer, course: list[Any] = course) -> Any:
            optimizer.zero_grad()
            loss = ((p - 1) ** 4).sum() + (q**2 * p.exp()).sum() + (q - p).sin().sum()
            loss.backward()
            course.append(loss.item())
            return loss

        returned = [optimizer.step(closure).item() for _ in range(4)]
        courses.append([course, returned, p.detach().numpy(), q.detach().numpy(), unused.detach().numpy()])
    for mine, its in zip(*courses, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-7)


SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LinearLR", {"total_iters": 7}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 7}),
    ("PolynomialLR", {"total_iters": 13, "power": 1.7}),
    ("CosineAnnealingLR", {"T_max": 20}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 25, "three_phase": True, "anneal_strategy": "linear"}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("ReduceLROnPlateau", {"factor": 0.5, "patience": 1, "cooldown": 2, "threshold": 0.01}),
]


@pytest.mark.parametrize(("name", "settings"), SCHEDULES)
def test_schedule(name: str, settings: dict[str, Any]) -> None:
    losses = rng.random(20)
    courses = []
    for library, optimizers in ((minigrad, optim), (torch, torch.optim)):
        optimizer = optimizers.SGD([library.ones(1, requires_grad=True)], lr=0.3, momentum=0.9)
        schedule = getattr(optimizers.lr_scheduler, name)(optimizer, **settings)
        course = []
        for loss in losses:
            optimizer.step()
            schedule.step(*[loss] * (name == "ReduceLROnPlateau"))
            course.append([optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]])
        courses.append(course)
    np.testing.assert_allclose(courses[0], courses[1], rtol=1e-9, atol=1e-12)


# ---- files ----------------------------------------------------------------------------------------------------------


def test_safetensors() -> None:
    """A file written there loads here, and back."""
    library = pytest.importorskip("safetensors.torch", reason="the optional package safetensors is not installed")
    theirs = torch.nn.LSTM(D, E, num_layers=2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        library.save_file(theirs.state_dict(), path)
        ours = nn.LSTM(D, E, num_layers=2)
        ours.load_state_dict(minigrad.load(path))
        with minigrad.no_grad():
            ours.weight_hh_l1.mul_(2)
        minigrad.save(ours.state_dict(), path)
        theirs.load_state_dict(library.load_file(path))
    for key, value in state_of(theirs).items():
        np.testing.assert_array_equal(value, state_of(ours)[key])


# ---- training -------------------------------------------------------------------------------------------------------
# The networks of the examples once more in PyTorch, as functions of the weights by the names they have here.

Weights = dict[str, Any]


def affine(w: Weights, name: str, x: Any) -> Any:
    return torch.nn.functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def norm(w: Weights, name: str, x: Any) -> Any:
    return torch.nn.functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def features(w: Weights, ids: Any) -> Any:
    return torch.cat([w[f"features.tables.{i}.weight"][ids[:, :, i]] for i in range(ids.shape[2])], -1)


def attention_tagger(w: Weights, ids: Any, lengths: Any) -> Any:
    T = ids.shape[1]
    keep = torch.arange(T) < lengths[:, None, None]  # (B, 1, T): the keys that are no padding
    distance = (torch.arange(T) - torch.arange(T)[:, None]).clip(-8, 8) + 8
    x = affine(w, "mixer.project", features(w, ids))
    for block in ("mixer.blocks.0", "mixer.blocks.1"):
        y = norm(w, f"{block}.norm1", x)
        q, k, v = (affine(w, f"{block}.mixer.{name}", y) for name in ("query", "key", "value"))
        scores = q @ k.mT / q.shape[-1] ** 0.5 + w[f"{block}.mixer.positions.weight"][distance, 0]
        x = x + scores.masked_fill(~keep, -torch.inf).softmax(-1) @ v
        y = affine(w, f"{block}.feedforward.0", norm(w, f"{block}.norm2", x))
        x = x + affine(w, f"{block}.feedforward.3", torch.nn.functional.gelu(y))
    return affine(w, "output", norm(w, "mixer.norm", x))


def bilstm_tagger(w: Weights, ids: Any, lengths: Any) -> Any:
    x = features(w, ids)
    own = {key.removeprefix("mixer.layer."): value for key, value in w.items() if key.startswith("mixer.layer.")}
    with torch.device("meta"):
        lstm = torch.nn.LSTM(x.shape[-1], own["weight_hh_l0"].shape[1], batch_first=True, bidirectional=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y = torch.nn.utils.rnn.pad_packed_sequence(torch.func.functional_call(lstm, own, (packed,))[0], batch_first=True)[0]
    return affine(w, "output", y)


def cnn_classifier(w: Weights, ids: Any, lengths: Any) -> Any:
    x = torch.nn.functional.embedding(ids, w["embedding.weight"], padding_idx=0).mT
    found = []
    for i, width in enumerate((3, 4, 5)):
        name = f"encoder.convolutions.{i}"
        maps = torch.nn.functional.conv1d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=4).relu()
        seen = torch.arange(maps.shape[2]) < (lengths + 9 - width)[:, None, None]
        found.append(maps.masked_fill(~seen, -torch.inf).amax(2))
    return affine(w, "output", torch.cat(found, -1))


def tagging(model: str) -> tuple[nn.Module, list[Any], int]:
    corpus = list(nn.data.read_conllu(sequence_labeler.HERE / "tiny-train.conllu"))[:40]
    lexicon = sequence_labeler.Lexicon.of(corpus)
    examples = sequence_labeler.encode(corpus, lexicon)
    batches = [sequence_labeler.batch_of(examples[i : i + 8]) for i in range(0, 40, 8)]
    return sequence_labeler.Tagger(lexicon, model), batches, sequence_labeler.IGNORED


def classifying(model: str) -> tuple[nn.Module, list[Any], int]:
    words = ["good", "bad", "great", "poor", "film", "plot", "the", "a", "was", "not", "very", "dull"]
    lines = [(str(i % 2), " ".join(rng.choice(words, rng.integers(1, 9)))) for i in range(40)]
    lexicon = sentiment_classifier.Lexicon.of(lines)
    examples = lexicon.encode(lines)
    batches = [sentiment_classifier.batch_of(examples[i : i + 8]) for i in range(0, 40, 8)]
    return sentiment_classifier.Classifier(lexicon, model), batches, -100


@pytest.mark.parametrize(
    ("make", "model", "twin"),
    [
        (tagging, "attention", attention_tagger),
        (tagging, "bilstm", bilstm_tagger),
        (classifying, "cnn", cnn_classifier),
    ],
)
def test_fifty_steps(make: Callable[[str], Any], model: str, twin: Callable[..., Any]) -> None:
    """Same weights, same batches, no dropout, float64: the losses of 50 steps of Adam agree to 10⁻⁶."""
    network, batches, ignored = make(model)
    network.double().eval()
    w = {name: torch.tensor(value, requires_grad=True) for name, value in state_of(network).items()}
    paddings = [f"features.tables.{i}.weight" for i in range(4)] if make is tagging else []
    optimizer, other = optim.Adam(network.parameters(), lr=1e-2), torch.optim.Adam(w.values(), lr=1e-2)
    ours, theirs = [], []
    for step in range(50):
        ids, lengths, labels = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(ids, lengths).flatten(0, -2), labels.flatten(), ignore_index=ignored)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        ours.append(loss.item())

        other.zero_grad()
        scores = twin(w, torch.tensor(ids.numpy()), torch.tensor(lengths))
        its = torch.nn.functional.cross_entropy(
            scores.flatten(0, -2), torch.tensor(labels.numpy()).flatten(), ignore_index=ignored
        )
        its.backward()
        for name in paddings:
            w[name].grad[0] = 0
        torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
        other.step()
        theirs.append(its.item())
    assert ours[-1] < 0.5 * ours[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
