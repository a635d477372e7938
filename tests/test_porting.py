"""Programs in the manner of PyTorch's tutorials, which run here once their imports are changed; and its names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as torch
import nn
import nn.functional as F
from minigrad.porting import INSTEAD
from nn import optim
from nn.utils.data import DataLoader, RandomSampler, TensorDataset

# ---- a bigram model of names ----------------------------------------------------------------------------------------

NAMES = ["anna", "nan", "hanna"]
SYMBOLS = [".", "a", "h", "n"]


def test_bigrams() -> None:
    """Counted by hand: .a .h .n begin, a ends twice and n once; then the same by gradient descent, beside NumPy."""
    stoi = {s: i for i, s in enumerate(SYMBOLS)}
    counts = torch.zeros((4, 4), dtype=torch.int32)
    contexts, nexts = [], []
    for name in NAMES:
        for a, b in zip(f".{name}", f"{name}.", strict=True):
            counts[stoi[a], stoi[b]] += 1
            contexts.append(stoi[a])
            nexts.append(stoi[b])
    assert counts.tolist() == [[0, 1, 1, 1], [2, 0, 0, 3], [0, 1, 0, 0], [1, 3, 0, 2]]

    probabilities = (counts + 1).float()
    probabilities /= probabilities.sum(1, keepdim=True)
    assert probabilities[1].tolist() == pytest.approx([3 / 9, 1 / 9, 1 / 9, 4 / 9])
    g = torch.Generator().manual_seed(2147483647)
    ix, name = 0, ""
    while not name.endswith("."):
        ix = torch.multinomial(probabilities[ix], num_samples=1, replacement=True, generator=g).item()
        name += SYMBOLS[ix]

    xs, ys = torch.tensor(contexts), torch.tensor(nexts)
    num = xs.nelement()
    W = torch.randn((4, 4), generator=g, requires_grad=True)
    w = W.detach().numpy().astype(np.float64)
    for _ in range(20):
        xenc = F.one_hot(xs, num_classes=4).float()
        logits = xenc @ W
        exps = logits.exp()
        probs = exps / exps.sum(1, keepdims=True)
        loss = -probs[torch.arange(num), ys].log().mean() + 0.01 * (W**2).mean()
        W.grad = None
        loss.backward()
        assert W.grad is not None
        W.data += -5 * W.grad

        onehot, targets = np.eye(4)[xs.numpy()], np.eye(4)[ys.numpy()]
        p = np.exp(onehot @ w)
        p /= p.sum(1, keepdims=True)
        assert loss.item() == pytest.approx(-np.log((p * targets).sum(1)).mean() + 0.01 * (w**2).mean(), rel=1e-5)
        w -= 5 * (onehot.T @ (p - targets) / num + 0.02 * w / 16)
    np.testing.assert_allclose(W.detach().numpy(), w, rtol=1e-4, atol=1e-5)
    found = F.softmax(W, dim=1)[0].tolist()
    assert found[0] < 0.1
    assert found[1:] == pytest.approx([1 / 3] * 3, abs=0.05)


# ---- a small GPT ----------------------------------------------------------------------------------------------------

VOCABULARY, BLOCK, WIDTH, HEADS = 11, 7, 12, 3


class Head(nn.Module):
    def __init__(self, head_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(WIDTH, head_size, bias=False)
        self.query = nn.Linear(WIDTH, head_size, bias=False)
        self.value = nn.Linear(WIDTH, head_size, bias=False)
        self.register_buffer("tril", torch.tril(torch.ones(BLOCK, BLOCK)))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, T, C = x.shape
        k, q = self.key(x), self.query(x)
        wei = q @ k.transpose(-2, -1) * C**-0.5
        wei = wei.masked_fill(self.tril[:T, :T] == 0, float("-inf"))
        wei = self.dropout(F.softmax(wei, dim=-1))
        return wei @ self.value(x)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList([Head(WIDTH // HEADS) for _ in range(HEADS)])
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.net = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.ln1(x)
        x = x + self.proj(torch.cat([h(y) for h in self.heads], dim=-1))
        return x + self.net(self.ln2(x))


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_embedding_table = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embedding_table = nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(2)])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCABULARY)
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.2)

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
        B, T = idx.shape
        x = self.token_embedding_table(idx) + self.position_embedding_table(torch.arange(T, device=idx.device))
        logits = self.lm_head(self.ln_f(self.blocks(x)))
        if targets is None:
            return logits, None
        B, T, C = logits.shape
        return logits, F.cross_entropy(logits.view(B * T, C), targets.view(B * T))

    @torch.no_grad()
    def generate(self, idx: torch.Tensor, max_new_tokens: int, top_k: int) -> torch.Tensor:
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -BLOCK:])
            logits = logits[:, -1, :]
            v, _ = torch.topk(logits, top_k)
            logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)), dim=1)
        return idx


def in_numpy(w: dict[str, np.ndarray], idx: np.ndarray) -> np.ndarray:
    """The logits of `GPT` without dropout, written out."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def affine(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)

    T = idx.shape[1]
    x = w["token_embedding_table.weight"][idx] + w["position_embedding_table.weight"][:T]
    for b in ("blocks.0", "blocks.1"):
        y, heads = norm(x, f"{b}.ln1"), []
        for h in (f"{b}.heads.{i}" for i in range(HEADS)):
            scores = affine(y, f"{h}.query") @ affine(y, f"{h}.key").swapaxes(1, 2) / math.sqrt(WIDTH)
            weights = np.exp(scores) * np.tri(T)
            heads.append(weights / weights.sum(-1, keepdims=True) @ affine(y, f"{h}.value"))
        x = x + affine(np.concatenate(heads, -1), f"{b}.proj")
        x = x + affine(np.maximum(affine(norm(x, f"{b}.ln2"), f"{b}.net.0"), 0), f"{b}.net.2")
    return affine(norm(x, "ln_f"), "lm_head")


def test_a_small_gpt() -> None:
    torch.manual_seed(1337)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = GPT().to(device)
    in_a_block = 9 * 12 * 4 + (12 + 1) * 12 + (12 + 1) * 48 + (48 + 1) * 12 + 2 * 24
    assert sum(p.numel() for p in model.parameters()) == (11 + 7) * 12 + 2 * in_a_block + 24 + (12 + 1) * 11

    text = torch.tensor([(i * i) % VOCABULARY for i in range(100)], dtype=torch.long)
    ix = torch.arange(5) * 13
    x = torch.stack([text[i : i + BLOCK] for i in ix])
    y = torch.stack([text[i + 1 : i + BLOCK + 1] for i in ix])

    model.eval()
    with torch.no_grad():
        logits, loss = model(x.to(device), y.to(device))
    expected = in_numpy({name: p.numpy().astype(np.float64) for name, p in model.state_dict().items()}, x.numpy())
    np.testing.assert_allclose(logits.cpu().numpy(), expected, rtol=1e-4, atol=1e-5)
    likely = expected - np.log(np.exp(expected).sum(-1, keepdims=True))
    assert loss.item() == pytest.approx(-np.take_along_axis(likely, y.numpy()[..., None], -1).mean(), rel=1e-5)

    model.train()
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    for _ in range(60):
        logits, loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss.item() < 0.5 < math.log(VOCABULARY)

    model.eval()
    context = x[:1, :4]
    written = model.generate(context, max_new_tokens=3, top_k=1)
    assert written[0].tolist() == text[:7].tolist()
    assert model.generate(torch.zeros((2, 1), dtype=torch.long), max_new_tokens=9, top_k=5).shape == (2, 10)


# ---- devices --------------------------------------------------------------------------------------------------------


def test_the_cpu() -> None:
    device = torch.device("cuda:0" if torch.cuda.is_available() and torch.cuda.device_count() else "cpu")
    assert (str(device), device.type, device.index, repr(device)) == ("cpu", "cpu", None, "device(type='cpu')")
    assert device == torch.device("cpu", 0) == torch.device(device)
    assert {device: 1}[torch.device("cpu:0")] == 1
    assert device != "cpu"  # as in PyTorch
    torch.set_default_device("cpu")
    torch.set_default_device(None)
    assert torch.get_default_device() == device
    torch.cuda.manual_seed_all(0)
    assert not torch.backends.mps.is_available()
    x = torch.ones(2, device=device).to(device).to("cpu", torch.float64, non_blocking=True).cpu()
    assert (x.device, x.dtype, x.is_cuda) == (device, torch.float64, False)
    assert x.new_zeros(2, device=x.device).dtype == torch.float64
    assert nn.Linear(2, 3).to(device)(x.float()).shape == (3,)
    with torch.device("cpu"):
        assert torch.rand_like(x, device=device).shape == (2,)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.device("cuda"),
        lambda: torch.device("cuda", 0),
        lambda: torch.set_default_device("cuda"),
        lambda: torch.zeros(2, device="cuda"),
        lambda: torch.zeros_like(torch.ones(2), device="cuda"),
        lambda: torch.randn(2, device="cuda:1"),
        lambda: torch.ones(2).to("cuda"),
        lambda: torch.ones(2).to(device="cuda"),
        lambda: torch.ones(2).cuda(),
        lambda: torch.ones(2).new_zeros(3, device="cuda"),
        lambda: nn.Linear(2, 3).to("cuda"),
    ],
)
def test_other_devices(ask: Any) -> None:
    with pytest.raises(ValueError, match=r"there is no device 'cuda(:\d)?'; minigrad computes with NumPy, on the cpu"):
        ask()


# ---- names ----------------------------------------------------------------------------------------------------------


def test_tensor_types() -> None:
    x = torch.LongTensor([[1, 2], [3, 4]])
    assert (x.dtype, x.tolist()) == (torch.int64, [[1, 2], [3, 4]])
    assert torch.FloatTensor([1, 2]).dtype == torch.float32
    assert torch.FloatTensor(2, 3).shape == (2, 3)
    assert torch.BoolTensor([1, 0]).tolist() == [True, False]
    assert torch.LongTensor().shape == (0,)
    assert torch.LongTensor(np.array([1, 2], np.int32)).dtype == torch.int64
    kind: Any = torch.LongTensor
    assert isinstance(x, kind)
    assert not isinstance(x.float(), kind)
    assert not isinstance([1], kind)
    assert x.type() == "minigrad.LongTensor"
    for asked in (torch.FloatTensor, torch.float, "torch.FloatTensor", "minigrad.FloatTensor"):
        assert x.type(asked).dtype == torch.float32
    assert x.type_as(torch.ones(1)).dtype == torch.float32
    with pytest.raises(TypeError, match="'torch.FlatTensor' is no dtype"):
        x.type("torch.FlatTensor")


def test_out() -> None:
    a, b, out = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.zeros(2, 2)
    assert torch.matmul(a, b, out=out) is out
    assert out.tolist() == [[1.0, 3.0], [3.0, 7.0]]
    assert torch.mul(a, b, out=out).tolist() == [[1.0, 2.0], [0.0, 4.0]]
    assert torch.add(a, b, alpha=2, out=out).tolist() == [[3.0, 4.0], [3.0, 6.0]]
    assert torch.sub(a, b, out=out).tolist() == [[0.0, 1.0], [3.0, 3.0]]
    assert torch.div(b, a, out=out).tolist() == [[1.0, 0.5], [0.0, 0.25]]
    with pytest.raises(RuntimeError, match=r"mul: out= cannot be recorded.* write y = minigrad.mul\(a, b\)"):
        torch.mul(a.requires_grad_(), b, out=out)
    with torch.no_grad():
        torch.mul(a, b, out=out)
    with pytest.raises(torch.ShapeError, match="mul with out="):
        torch.mul(a.detach(), b, out=torch.zeros(3))


def test_whole_division() -> None:
    a, b = torch.tensor([7, -7, 7, -7, 6]), torch.tensor([2, 2, -2, -2, 3])
    for mode, expected in (("floor", [3, -4, -4, 3, 2]), ("trunc", [3, -3, -3, 3, 2])):
        assert torch.div(a, b, rounding_mode=mode).tolist() == expected
        assert torch.div(a, b, rounding_mode=mode).dtype == torch.int64
        assert torch.div(a.float(), b, rounding_mode=mode).tolist() == expected
    assert torch.div(1.0, torch.tensor(0.1), rounding_mode="trunc").item() == 10.0
    with pytest.raises(ValueError, match="rounding_mode is None, 'floor' or 'trunc', not 'up'"):
        torch.div(a, b, rounding_mode="up")


def test_cross() -> None:
    a, b = (
        torch.tensor([[1.0, 0.0, 0.0], [1.0, 2.0, 3.0]], requires_grad=True),
        torch.tensor([[0.0, 1.0, 0.0], [4.0, 5.0, 6.0]]),
    )
    y = torch.cross(a, b, dim=1)
    assert y.tolist() == [[0.0, 0.0, 1.0], [-3.0, 6.0, -3.0]]
    assert a.t().cross(b.t()).tolist() == y.t().tolist()
    y[1].sum().backward()
    assert a.grad is not None
    assert a.grad[1].tolist() == [5.0 - 6.0, 6.0 - 4.0, 4.0 - 5.0]
    with pytest.raises(torch.ShapeError, match="holds no vectors of length 3"):
        torch.cross(torch.ones(2, 5), torch.ones(2, 5))


def test_small_names() -> None:
    x = torch.tensor([[1.0, 10.0, 100.0]])
    assert x.log10()[0].tolist() == pytest.approx([0.0, 1.0, 2.0])
    assert x.narrow(1, 0, 2).unsqueeze_(0).shape == (1, 1, 2)
    assert torch.mm(x, x.t()).item() == 10101.0
    assert torch.zeros(2).sin_().tolist() == [0.0, 0.0]
    assert torch.from_numpy(np.ones(2, np.float32)).dtype == torch.float32
    assert torch.is_tensor(x)
    assert not torch.is_tensor(1.0)
    assert torch.is_floating_point(x)
    assert torch.numel(x) == 3
    assert torch.zeros(size=(2, 3)).shape == torch.ones_like(input=torch.zeros(2, 3)).shape == (2, 3)
    assert torch.arange(end=3).tolist() == [0, 1, 2]
    grid = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    assert grid[1].tolist() == [[0, 1, 2], [0, 1, 2]]
    with torch.inference_mode():
        assert not (x.requires_grad_() * 2).requires_grad
    assert (x * 2).requires_grad


def test_sampling_with_replacement() -> None:
    data = TensorDataset(torch.arange(5))
    sampler = RandomSampler(data, replacement=True, num_samples=12, generator=torch.Generator().manual_seed(0))
    batches = [x.tolist() for (x,) in DataLoader(data, sampler=sampler, batch_size=4, num_workers=0, pin_memory=False)]
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert {i for batch in batches for i in batch} <= set(range(5))


# ---- what is not here -----------------------------------------------------------------------------------------------


def test_a_tensor_does_not_offer_what_is_missing() -> None:
    x = torch.tensor(1.0)
    assert "svd" in INSTEAD
    assert "svd" not in dir(x)
    assert "softmax" in dir(x)
    assert not hasattr(x, "svd")


@pytest.mark.parametrize("name", INSTEAD)
def test_a_name_that_is_left_out_says_what_to_use(name: str) -> None:
    assert name not in torch.__all__
    with pytest.raises(AttributeError) as error:
        getattr(torch, name)
    assert str(error.value) == f"minigrad.{name}: {INSTEAD[name]}"
    assert not hasattr(torch, name)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: torch.spmm, "use matmul on the full matrix"),
        (lambda: torch.softmaxx, "minigrad has no 'softmaxx'; did you mean 'softmax'?"),
        (lambda: torch.sin_, r"minigrad.sin_: .* write x.sin_\(\)"),
        (lambda: torch.cuda.amp, "minigrad.cuda.amp: .* has nothing to set or to ask about cuda; leave this out"),
        (lambda: torch.backends.cudnn, "minigrad.backends.cudnn: .*leave this out"),
    ],
)
def test_advice(ask: Any, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        ask()
