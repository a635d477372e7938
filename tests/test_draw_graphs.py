"""The example that draws: every picture, its page, its options and its errors."""

import re
import sys

import pytest

from examples.draw_graphs import DRAWINGS, main


def test_it_draws_everything_and_a_page_that_links_it(tmp_path, capsys):
    files = main(["--out", str(tmp_path / "new" / "graphs")])
    assert list(files) == list(DRAWINGS)
    assert all(path.read_text(encoding="utf-8").startswith("<svg") for path in files.values())
    page = (tmp_path / "new" / "graphs" / "index.html").read_text(encoding="utf-8")
    assert re.findall('href="(.*?)"', page) == [f"{name}.svg" for name in DRAWINGS]
    printed = capsys.readouterr().out
    assert all(str(path) in printed for path in files.values())
    assert "y = tanh(" in printed, "the listing of a small one"


@pytest.mark.parametrize(("format", "start"), [("txt", "y = tanh(w·x + b)\n"), ("html", "<!")])
def test_it_draws_one_in_another_form(format, start, tmp_path):
    files = main(["--out", str(tmp_path), "--only", "neuron", "--format", format, "--theme", "dark"])
    assert list(files) == ["neuron"]
    assert files["neuron"].read_text(encoding="utf-8").lower().startswith(start)
    assert {path.name for path in tmp_path.iterdir()} == {f"neuron.{format}", "index.html"}


def test_the_nan_hunt_finds_the_logarithm(tmp_path):
    text = main(["--out", str(tmp_path), "--only", "nan", "--format", "txt"])["nan"].read_text(encoding="utf-8")
    (first,) = [line for line in text.splitlines() if "first NaN/inf" in line]
    assert "log(" in first


def test_the_neuron_shows_every_number(tmp_path):
    text = main(["--out", str(tmp_path), "--only", "neuron", "--format", "txt"])["neuron"].read_text(encoding="utf-8")
    # tanh(0.8 · 1.5 - 0.3) = tanh 0.9 = 0.7163, and its derivative is 1 - 0.7163² = 0.4869; times 1.5 that is 0.7304
    for said in ("w = 0.8 grad = 0.7304", "x = 1.5", "b = -0.3 grad = 0.4869", "= 1.2", "= 0.9", "= 0.7163"):
        assert said in text


def test_wrong_names_and_places_get_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--only", "neurone"])
    assert "invalid choice: 'neurone' (choose from" in capsys.readouterr().err
    (tmp_path / "file").write_text("here already")
    with pytest.raises(SystemExit, match="File exists|Not a directory"):
        main(["--out", str(tmp_path / "file"), "--only", "neuron"])


def test_without_graphviz_images_are_refused_with_advice(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(SystemExit, match="apt install graphviz"):
        main(["--out", str(tmp_path), "--only", "neuron", "--format", "png"])
