"""The short examples on sets of vectors (sound, molecules, documents, graphs, pictures, passages): they run, and what
has an exact answer has it."""

import numpy as np
import pytest

import nn
from examples import digits, documents, graph_nodes, lesson, molecules, reading, speakers
from examples.pixels import pixels
from minigrad import Tensor
from nn.audio import log_mel, write_wav
from nn.data import Vocab

EXAMPLES = [digits, documents, graph_nodes, molecules, reading, speakers]


def test_a_directory_for_pictures_that_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(SystemExit, match="taken"):
        documents.main(["--short", "--pictures", str(tmp_path / "taken")])


def test_words_that_were_not_learned():
    with pytest.raises(SystemExit, match="these were not: unicorn"):
        reading.main(["--short", "--passage", "the unicorn is in the house .", "--ask", "who is in the house ?"])
    with pytest.raises(SystemExit, match="give both, or neither"):
        reading.main(["--short", "--passage", " ", "--ask", "who is in the house ?"])


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_it_runs_and_draws(example, tmp_path, capsys):
    accuracies = example.main(["--short", "--pictures", str(tmp_path / "new" / "pictures")])
    printed = capsys.readouterr().out
    assert all(0 <= value <= 1 for value in accuracies.values())
    assert all(f"{name} " in printed for name in accuracies)
    pictures = list((tmp_path / "new" / "pictures").iterdir())
    assert pictures
    assert all(picture.read_text(encoding="utf-8").startswith("<svg") for picture in pictures)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_the_same_seed_gives_the_same_numbers(example, capsys):
    printed = []
    for seed in ("7", "7", "8"):
        example.main(["--short", "--seed", seed])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]


@pytest.mark.parametrize("example", [digits, graph_nodes, speakers], ids=lambda example: example.__name__)
def test_a_missing_file_gets_one_line(example, tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        example.main(["--data", str(tmp_path / "nowhere")])


# ---- molecules ------------------------------------------------------------------------------------------------------

# O–C–N–C–C: an amide; the atoms 0 … 4 are N C O C C
AMIDE = molecules.Molecule(np.array([1, 0, 2, 0, 0]), np.zeros((5, 5), bool))
for _i, _j in ((0, 1), (1, 2), (0, 3), (3, 4)):
    AMIDE.bonds[_i, _j] = AMIDE.bonds[_j, _i] = True


def test_groups_are_found_by_hand():
    assert molecules.has_amide(AMIDE)
    assert not molecules.has_ring(AMIDE)
    closed = molecules.Molecule(AMIDE.atoms, AMIDE.bonds.copy())
    closed.bonds[1, 4] = closed.bonds[4, 1] = True  # N – C – C – C: a ring of four
    assert molecules.has_ring(closed)
    apart = molecules.Molecule(np.array([1, 2, 0, 0, 0]), AMIDE.bonds)  # the carbons lose the oxygen: N – O
    assert not molecules.has_amide(apart)
    np.testing.assert_array_equal(molecules.free(AMIDE), [1, 2, 1, 2, 3])


@pytest.mark.parametrize("label", ["amide", "ring"])
def test_molecules_come_in_pairs_of_the_same_atoms(label, rng):
    made = molecules.pairs_of_molecules(11, molecules.HAS[label], rng)
    assert [molecules.HAS[label](m) for m in made] == [False, True] * 11
    for without, with_it in zip(made[::2], made[1::2], strict=True):
        assert sorted(without.atoms) == sorted(with_it.atoms)
        for m in (without, with_it):
            assert (molecules.free(m) >= 0).all()
            assert (m.bonds == m.bonds.T).all()
            assert not m.bonds.diagonal().any()


def test_the_order_of_the_atoms_does_not_matter(rng):
    made = molecules.pairs_of_molecules(7, molecules.has_amide, rng)
    for name, make in molecules.MODELS.items():
        assert molecules.order_matters(make().double(), made, rng) < 1e-6, name
    with_places = molecules.GraphTransformer()
    with_places.embedding = nn.Sequential(with_places.embedding, nn.LearnedPositions(11, 32))
    nn.init.normal_(with_places.embedding[1].weight)
    assert molecules.order_matters(with_places.double(), made, rng) > 1e-3, "the check must see where order matters"


# ---- documents ------------------------------------------------------------------------------------------------------


def test_documents_of_one_bag_have_the_same_words_and_other_labels(rng):
    for _ in range(11):
        family = documents.documents_of_one_bag(rng)
        bags = [sorted(word for sentence in d.sentences for word in sentence) for d in family]
        assert all(bag == bags[0] for bag in bags)
        assert len({d.label for d in family}) == len(family) == len(family[0].sentences)


def test_the_order_of_sentences_and_of_their_words_does_not_matter(rng):
    (d, *_) = documents.corpus(2, rng)
    vocab = Vocab(word for sentence in d.sentences for word in sentence)
    model = documents.TwoStoreys(len(vocab)).double()
    turned = documents.Document([sentence[::-1] for sentence in d.sentences[::-1]], d.label)
    one, other = (model(*documents.batch_of([each], vocab)[:2]) for each in (d, turned))
    np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-12)
    sentences, words = documents.weights_of(model, d, vocab)
    assert sentences.sum() == pytest.approx(1)
    assert [len(row) for row in words] == [len(sentence) for sentence in d.sentences]


# ---- graphs ---------------------------------------------------------------------------------------------------------


def test_edges_go_both_ways_and_to_oneself():
    edges = graph_nodes.both_ways_and_self(np.array([[0, 2], [2, 0], [1, 2]]), 3)
    assert edges.T.tolist() == [[0, 0], [0, 2], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2]]


def test_a_graph_comes_from_a_file(tmp_path):
    stored = {
        "n": 5, "f": 3, "feat_row": [0, 0, 4], "feat_col": [0, 2, 1], "edges": [[0, 1], [3, 4]],
        "label": [0, 1, 1, 0, 1], "train": [0, 1], "val": [2], "test": [3, 4],
    }  # fmt: skip
    np.savez(tmp_path / "graph.npz", **stored)
    graph = graph_nodes.read_graph(tmp_path / "graph.npz")
    np.testing.assert_allclose(graph.x, [[0.5, 0, 0.5], [0] * 3, [0] * 3, [0] * 3, [0, 1, 0]])
    assert graph.edges.shape == (2, 9)
    assert (
        graph_nodes.main(["--data", str(tmp_path / "graph.npz"), "--epochs", "2"]).keys() == graph_nodes.MODELS.keys()
    )
    np.savez(tmp_path / "wrong.npz", **{**stored, "edges": [[0, 7]]})
    with pytest.raises(ValueError, match=r"wrong.npz: its arrays do not fit n = 5"):
        graph_nodes.read_graph(tmp_path / "wrong.npz")
    np.savez(tmp_path / "less.npz", n=5)
    with pytest.raises(ValueError, match=r"less.npz: f, feat_row.* not in it"):
        lesson.read_npz(tmp_path / "less.npz", ["n", "f", "feat_row"])
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(ValueError, match="not a file of plain arrays"):
        lesson.read_npz(tmp_path / "text.npz", ["n"])


# ---- pictures -------------------------------------------------------------------------------------------------------


def test_patches_are_cut_row_after_row():
    x = Tensor(np.arange(64).reshape(1, 8, 8))
    patches = digits.patches_of(x, 2)
    assert patches.shape == (1, 16, 4)
    assert patches[0, 5].tolist() == [18, 19, 26, 27]  # the second patch of the second row
    assert digits.patches_of(x, 1)[0, :, 0].tolist() == list(range(64))


@pytest.mark.parametrize("patch", [1, 2])
def test_the_map_of_a_pixel_lies_on_the_picture(patch, rng):
    weights = digits.map_of(digits.Attentive(patch), digits.drawn(3, rng).astype(np.float32), 5, 2)
    assert weights.shape == (4, 8, 8)
    np.testing.assert_allclose(weights.sum((1, 2)), 1, rtol=1e-5)


def test_pixels_are_drawn_as_they_are():
    colours = np.zeros((2, 3, 3))
    colours[1, 2] = [1.0, 0.5, 0.0]
    seen = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.0]])
    drawn = pixels({"landscape": colours, "seen": seen}, asks=(1, 1))
    assert str(drawn).splitlines() == ["seen", "|  ░░▒▒|", "|▓▓[]  |"]
    assert drawn.svg.count("<rect") == 1 + 6 + 6
    assert '#FF8000"' in drawn.svg
    assert "from 0 to 0.4" in drawn.svg
    assert drawn.svg.count('stroke-width="2"') == 2


def test_pictures_come_from_a_file(tmp_path, rng):
    rows = [",".join(map(str, [*rng.integers(17, size=64), 7])) for _ in range(3)]
    (tmp_path / "a.tra").write_text("\n".join([",".join(["column"] * 65), *rows]))
    assert digits.read_pictures(tmp_path / "a.tra").digits.tolist() == [7, 7, 7]
    for text, message in [("1,2,3", "65 numbers, but here are 3"), (rows[0][:-1] + "x", "whole numbers"),
                          (rows[0][:-1] + "11", "digits from 0 to 9")]:  # fmt: skip
        (tmp_path / "b.tra").write_text(text)
        with pytest.raises(ValueError, match=message):
            digits.read_pictures(tmp_path / "b.tra")


def test_the_nearest_neighbour_of_a_picture_is_itself(rng):
    pictures = digits.made_up_pictures(11, rng)
    assert digits.nearest_neighbour(pictures, pictures) == 1


# ---- sound ----------------------------------------------------------------------------------------------------------


def test_a_voice_is_loudest_at_its_formants(rng):
    sound = speakers.sing(["a"] * 3, 1.0, rng)
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / speakers.RATE)
    near = (np.abs(frequency[:, None] - speakers.VOWELS["a"]) < 250).any(1)
    assert np.abs(sound).max() < 1
    assert spectrum[near].mean() > 5 * spectrum[~near].mean()


def test_recordings_come_from_a_file(tmp_path, rng):
    audio = rng.integers(-999, 999, size=4000).astype(np.int16)
    stored = {"audio": audio, "offset": [0, 1000, 1800, 4000], "rate": 8000, "digit": [3, 1, 3], "speaker": [0, 1, 1],
              "index": [7, 0, 5], "speakers": ["eve", "max"]}  # fmt: skip
    np.savez(tmp_path / "sound.npz", **stored)
    learn, judge = speakers.read_recordings(tmp_path / "sound.npz", "speaker")
    assert learn.labels.tolist() == [0, 1]
    assert judge.labels.tolist() == [1]
    assert learn.names == ["eve", "max"]
    assert [len(x) for x in learn.frames] == [1 + (1000 - 200) // 80, 1 + (2200 - 200) // 80]
    np.savez(tmp_path / "wrong.npz", **{**stored, "offset": [0, 1000, 4000]})
    with pytest.raises(ValueError, match="3 offsets up to 4000 do not cut 4000 samples into 3 recordings"):
        speakers.read_recordings(tmp_path / "wrong.npz", "digit")


def test_recordings_come_from_a_directory(tmp_path, rng):
    sounds = {name: rng.uniform(-0.5, 0.5, size).astype(np.float32)
              for name, size in [("3_eve_7", 1000), ("1_max_0", 1300), ("0_max_11", 800)]}  # fmt: skip
    for name, sound in sounds.items():
        write_wav(tmp_path / f"{name}.wav", sound, 8000)
    write_wav(tmp_path / "notes.wav", sounds["3_eve_7"], 8000)  # not named like the others
    learn, judge = speakers.read_recordings(tmp_path, "digit")
    assert learn.labels.tolist() == [0, 3]
    assert judge.labels.tolist() == [1]
    learn, judge = speakers.read_recordings(tmp_path, "speaker")
    assert learn.names == ["eve", "max"]
    assert learn.labels.tolist() == [1, 0]
    assert judge.labels.tolist() == [1]
    np.testing.assert_allclose(judge.frames[0], log_mel(sounds["1_max_0"], 8000), atol=0.02)  # 16 bits
    (tmp_path / "1_max_0.wav").unlink()
    with pytest.raises(ValueError, match="takes 0 to 4 to be judged by and later ones"):
        speakers.read_recordings(tmp_path, "digit")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"named like 7_eve_0.wav"):
        speakers.read_recordings(tmp_path / "empty", "digit")


# ---- passages -------------------------------------------------------------------------------------------------------


def test_the_answer_belongs_to_what_is_asked(rng):
    for language in reading.LANGUAGES:
        for _ in range(23):
            e = reading.exercise(rng, language)
            word = e.passage[e.answer]
            who = [w for w in e.question if w in language.animals]
            asked = who or [w for w in e.question if w in language.places]
            assert len(asked) == 1
            assert word in (language.places if who else language.animals)
            stops = [-1] + [i for i, w in enumerate(e.passage) if w in ".。"]
            place = e.passage.index(asked[0])
            assert sum(s < e.answer for s in stops) == sum(s < place for s in stops), "both in one sentence"


def test_every_question_shown_has_its_answer(rng):
    for asked in reading.passages_to_show(rng).values():
        assert len(asked) == 6
        passage = asked[0].passage
        assert sorted(e.answer for e in asked) == sorted({e.answer for e in asked})
        for one, back in zip(asked[:3], asked[3:], strict=True):
            assert passage[back.answer] in one.question
            assert passage[one.answer] in back.question


def test_padding_does_not_change_where_a_question_looks(rng):
    exercises = [reading.exercise(rng, facts=facts) for facts in (2, 5)]
    vocab = Vocab(word for e in exercises for word in e.passage + e.question)
    model = reading.Reader(len(vocab)).double()
    together = reading.weights_of(model, exercises, vocab)
    alone = reading.weights_of(model, exercises[:1], vocab)
    np.testing.assert_allclose(together[0, : len(alone[0])], alone[0], atol=1e-12)
    assert (together[0, len(alone[0]) :] == 0).all()
