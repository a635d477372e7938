"""`--pictures DIR` of the two main examples: what is written, what is in it, and that training goes on unharmed."""

import re
from xml.dom import minidom

import numpy as np
import pytest

import minigrad
import nn
from examples import pictures, sentiment_classifier, sequence_labeler
from examples.common import Epoch


def files_in(directory):
    """The files in a directory; those that the page links, which must be all of the others; all SVG well-formed."""
    page = (directory / "index.html").read_text(encoding="utf-8")
    linked = re.findall('href="(.*?)"', page)
    assert {path.name for path in directory.iterdir()} == {"index.html", *linked}
    shown = re.findall('<img src="(.*?)"', page)
    assert shown == [name for name in linked if name.endswith(".svg")]
    for name in shown:
        minidom.parse(str(directory / name))
    return {name: (directory / name).read_text(encoding="utf-8") for name in linked}


def test_the_tagger_draws_a_step_attention_and_curves(tmp_path, capsys):
    sequence_labeler.main(["--quick", "--positions", "none", "--pictures", str(tmp_path / "new" / "pictures")])
    files = files_in(tmp_path / "new" / "pictures")
    sentences = [f"attention-{i}.svg" for i in (1, 2, 3)]
    heads = [f"heads-{i}-{layer}.svg" for i in (1, 2, 3) for layer in (1, 2)]
    assert set(files) == {"step.html", "step.svg", *sentences, *heads, "loss.svg", "accuracy.svg"}
    assert "TokenFeatures" in files["step.svg"]
    assert ">loss" in files["step.svg"]
    assert all(f">{word}<" in files["attention-1.svg"] for word in ["I", "saw", "a", "saw", "."])
    assert "multihead" in files["loss.svg"]
    assert "multihead" in files["accuracy.svg"]
    assert "sequence_labeler.py" in files["step.html"], "the line of the program"
    assert str(tmp_path / "new" / "pictures" / "index.html") in capsys.readouterr().out


def test_the_classifier_draws_a_step_attention_and_curves(tmp_path):
    path, drawn, again = tmp_path / "network.npz", tmp_path / "drawn", tmp_path / "again"
    sentiment_classifier.main(["--quick", "--pictures", str(drawn), "--save", str(path)])
    files = files_in(drawn)
    assert {"step.html", "step.svg", "attention-1.svg", "heads-1.svg", "loss.svg", "accuracy.svg"} <= set(files)
    for model in ("bag of words", "word average", "no positions", "multihead"):
        assert model in files["loss.svg"]

    text = "it is not a bad film"
    sentiment_classifier.main(["--load", str(path), "--text", text, "--pictures", str(again)])
    files = files_in(again)
    assert set(files) == {"step.html", "step.svg", "attention-1.svg", "heads-1.svg"}, "nothing is known of its training"
    assert all(f">{word}<" in files["heads-1.svg"] for word in text.split())


def test_chinese_is_drawn_by_characters(tmp_path):
    film = tmp_path / "评论.tsv"
    film.write_text("好评\t这部电影很好看。\n差评\t这部电影不好看。\n" * 5, encoding="utf-8")
    same = [word for part in ("--train", "--dev", "--test") for word in (part, str(film))]
    sentiment_classifier.main([*same, "--quick", "--text", "这电影不好看", "--pictures", str(tmp_path / "图")])
    files = files_in(tmp_path / "图")
    assert all(f">{character}<" in files["attention-1.svg"] for character in "这电影不好看")
    assert "<p>“这电影不好看”</p>" in (tmp_path / "图" / "index.html").read_text(encoding="utf-8")


def test_a_model_without_attention_has_the_other_pictures(tmp_path):
    sentiment_classifier.main(["--quick", "--model", "bow", "--pictures", str(tmp_path)])
    assert set(files_in(tmp_path)) == {"step.html", "step.svg", "loss.svg", "accuracy.svg"}
    assert "Attention" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_drawing_leaves_no_gradients_and_long_sentences_are_cut(tmp_path):
    minigrad.manual_seed(1)
    layer = nn.Linear(3, 2)
    tokens, weights = [f"w{i}" for i in range(67)], np.full((1, 67, 67), 1 / 67)
    pictures.write_pictures(
        tmp_path,
        layer,
        lambda: layer(minigrad.ones(5, 3)).square().mean(),
        [pictures.Looked("w0 …", tokens, {"attn": weights})],
        {"one": [Epoch(0.5, 0.25)]},
    )
    assert layer.weight.grad is None
    files = files_in(tmp_path)
    assert ">w63<" in files["attention-1.svg"]
    assert ">w64<" not in files["attention-1.svg"]
    assert "‖grad‖" in files["step.svg"]


def test_a_place_that_cannot_be_written_gets_one_line(tmp_path):
    (tmp_path / "file").write_text("here already")
    with pytest.raises(SystemExit, match="File exists|Not a directory") as error:
        sentiment_classifier.main(["--quick", "--model", "bow", "--pictures", str(tmp_path / "file")])
    assert "\n" not in str(error.value)
