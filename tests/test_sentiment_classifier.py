"""The sentiment example: what it promises about padding, order, Chinese, baselines, saving and bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minigrad
import nn
from examples import sentiment_classifier as sc
from nn.data import read_tsv

LINES = list(read_tsv(sc.HERE / "sentiment-train.tsv"))
LEXICON = sc.Lexicon.of(LINES)


def network_for(model: str, positions: str = "relative") -> nn.Module:
    """A network with random weights everywhere, so that nothing is hidden by a zero."""
    network = sc.make(LEXICON, model, positions).double().eval()
    with minigrad.no_grad():
        for name, p in network.named_parameters():
            if (p == 0).all():
                p.normal_()
            if name in ("embedding.weight", "weight.weight"):
                p[0] = 0.0  # padding
    return network


@pytest.mark.parametrize("model", sc.MODELS)
def test_padding_changes_nothing(model: str) -> None:
    """A sentence has the same scores, loss and gradients alone and beside a longer one."""
    network = network_for(model)
    some = sorted(LEXICON.encode(LINES[:23]), key=lambda e: len(e.ids))
    short, long = some[0], some[-1]
    assert len(short.ids) < len(long.ids)

    def gradients(loss: minigrad.Tensor) -> list[np.ndarray]:
        return [
            g.numpy() for g in minigrad.grad(loss, list(network.parameters()), materialize_grads=True) if g is not None
        ]

    alone = network(*sc.batch_of([short])[:2])
    among = network(*sc.batch_of([short, long])[:2])[:1]
    np.testing.assert_allclose(alone.detach(), among.detach(), rtol=1e-9, atol=1e-12)

    apart = (sc.loss_of(network, [short]) + sc.loss_of(network, [long])) / 2
    together = sc.loss_of(network, [short, long])
    np.testing.assert_allclose(apart.item(), together.item(), rtol=1e-12)
    for a, b in zip(gradients(apart), gradients(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11)


# ---- order ----------------------------------------------------------------------------------------------------------

PAIR = ["it is not a good film but a bad one .", "it is not a bad film but a good one ."]


@pytest.mark.parametrize(
    ("model", "positions", "blind"),
    [
        ("bow", "none", True), ("average", "none", True), ("attention", "none", True), ("multihead", "none", True),
        ("attention", "relative", False), ("multihead", "sinusoidal", False), ("multihead", "relative", False),
        ("cnn", "none", False), ("rnn", "none", False), ("lstm", "none", False), ("bigru", "none", False),
    ],
)  # fmt: skip
def test_only_positions_tell_sentences_of_the_same_words_apart(model: str, positions: str, blind: bool) -> None:
    network = network_for(model, positions)
    one, other = (network(*sc.batch_of(LEXICON.encode([("positive", text)]))[:2]).detach() for text in PAIR)
    assert np.allclose(one, other, rtol=1e-9) == blind


def test_the_order_slice_cannot_be_learned_without_positions() -> None:
    """Both sentences of a pair get the same answer, which is right for one of them, whatever was learned."""
    test = [line for line in read_tsv(sc.HERE / "sentiment-test.tsv") if sc.slice_of(line[1]) == "order"]
    network = sc.make(LEXICON, "multihead", "none").double()
    encoded = LEXICON.encode(test)
    history = sc.train(network, encoded, encoded, epochs=5, lr=5e-3)
    assert {reached for _, reached in history} == {0.5}


# ---- text -----------------------------------------------------------------------------------------------------------


def test_words() -> None:
    assert LEXICON.tokens == "words"
    assert LEXICON.split("This film isn't GOOD, no!") == ["this", "film", "isn't", "good", ",", "no", "!"]
    assert LEXICON.encode([("positive", "zyzzyva good")])[0].ids.tolist() == [1, LEXICON.vocab["good"]]


def test_chinese_is_read_by_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "评论.tsv"
    film.write_text("好评\t这部电影很好看。\n差评\t这部电影不好看。\n" * 20, encoding="utf-8")
    files = ["--train", str(film), "--dev", str(film), "--test", str(film)]
    overall = sc.main([*files, "--model", "cnn", "--epochs", "12", "--text", "这电影不好看"])
    assert overall["cnn"] == 1.0
    printed = capsys.readouterr().out
    assert "11 characters" in printed  # nine of them, padding and unknown
    assert printed.splitlines()[-1].startswith("  差评")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("the plot is dull .", "plain"),
        ("Nobody reads it", "negation"),
        ("the plot isn't dull", "negation"),
        ("we did not find the plot dull .", "far negation"),
        ("it is a knot", "plain"),
        ("good cast , but dull film", "contrast"),
        ("not dull , but funny", "order"),
        ("funny , not dull", "order"),
        ("这不好", "negation"),
    ],
)
def test_slices(text: str, name: str) -> None:
    assert sc.slice_of(text) == name


def test_naive_bayes_by_hand() -> None:
    texts, labels = [["x", "y"], ["x"], ["y"]], ["a", "a", "b"]
    bayes = sc.NaiveBayes(texts, labels)
    # n-grams: x 2 : 0, y 1 : 1, xy 1 : 0; each counted once more, of 4 + 3 in a and of 1 + 3 in b.
    np.testing.assert_allclose(np.exp(bayes.log["x",]), [3 / 7, 1 / 4])
    np.testing.assert_allclose(np.exp(bayes.log["y",]), [2 / 7, 2 / 4])
    np.testing.assert_allclose(np.exp(bayes.log["x", "y"]), [2 / 7, 1 / 4])
    np.testing.assert_allclose(np.exp(bayes.prior), [2 / 3, 1 / 3])
    assert [bayes.predict(text.split()) for text in ("x", "y", "never seen")] == ["a", "a", "a"]
    assert bayes.predict(["y", "y"]) == "a"
    assert sc.NaiveBayes([*texts, ["y"]], [*labels, "b"]).predict(["y"]) == "b"


# ---- the programme --------------------------------------------------------------------------------------------------


def test_it_beats_the_bag_of_words_and_comes_back_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "opinions.npz")
    overall = sc.main(["--model", "cnn", "--epochs", "14", "--save", path])
    printed = capsys.readouterr().out
    assert overall["cnn"] > 0.8 > 0.7 > overall["bag of words"]
    for part in ("loss", "accuracy on dev", "negated", "slice 'order'", "naive Bayes", "word average", "majority"):
        assert part in printed
    assert sc.main(["--load", path])["cnn"] == overall["cnn"]
    capsys.readouterr()
    sc.main(["--load", path, "--text", "It is not a good film, but a bad one."])
    assert capsys.readouterr().out.split()[0] == "negative"


def test_attention_shows_what_it_looks_at(capsys: pytest.CaptureFixture[str]) -> None:
    sc.print_predictions(network_for("multihead"), LEXICON, PAIR[:1], most=11)
    label, looks = capsys.readouterr().out.splitlines()
    assert PAIR[0] in label
    assert sorted(part.split()[-3] for part in looks.split(",")) == sorted(PAIR[0].split())
    shares = [int(part.split()[-2]) for part in looks.split(",")]
    assert abs(sum(shares) - 100) <= len(shares) / 2  # rounded


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"nowhere\.tsv"),
        ("no tab here\n", r"bad\.tsv:1: a label, one tab and a text are due, but there are 0 tabs"),
        ("", r"bad\.tsv: there is no line in this file"),
        ("positive\tgood\n", r"all 1 sentences to learn from have the label 'positive'"),
        ("0\tbad\n1\tgood\n", r"the label 'negative' is none of those learned: 0, 1|the label 'positive' is none"),
    ],
)
def test_a_bad_file_gives_an_error_of_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / ("nowhere.tsv" if content is None else "bad.tsv")
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match=message) as error:
        sc.main(["--train", str(path)])
    assert "\n" not in str(error.value)


def test_a_file_that_holds_no_classifier(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    minigrad.save({"w": minigrad.ones(2)}, path)
    with pytest.raises(SystemExit, match=r"other\.npz: this file holds no classifier"):
        sc.main(["--load", str(path)])
    with pytest.raises(SystemExit, match="nothing to read"):
        sc.main(["--model", "bow", "--quick", "--text", "  "])
