"""The tagging example: what it promises about padding, baselines, saving and bad files."""

import numpy as np
import pytest

import minigrad
from examples import sequence_labeler as sl
from nn.data import read_conllu


@pytest.fixture(scope="module")
def corpus():
    return list(read_conllu(sl.HERE / "tiny-train.conllu"))


@pytest.fixture(scope="module")
def lexicon(corpus):
    return sl.Lexicon.of(corpus)


def tagger_for(lexicon, model, crf=False):
    minigrad.manual_seed(3)
    return sl.Tagger(lexicon, model, crf=crf).double().eval()


@pytest.mark.parametrize(("model", "crf"), [*((model, False) for model in sl.MODELS), ("window", True)])
def test_padding_changes_nothing(corpus, lexicon, model, crf):
    """A sentence has the same scores, loss and gradients alone and beside a longer one."""
    tagger = tagger_for(lexicon, model, crf)
    short, long = sorted(sl.encode(corpus[:23], lexicon), key=lambda e: len(e.ids))[:: len(corpus[:23]) - 1]
    assert len(short.ids) < len(long.ids)

    def gradients(loss):
        return [g.numpy() for g in minigrad.grad(loss, list(tagger.parameters()), materialize_grads=True)]

    ids, lengths, _ = sl.batch_of([short, long])
    alone = tagger(*sl.batch_of([short])[:2])
    among = tagger(ids, lengths)[:1, : len(short.ids)]
    np.testing.assert_allclose(alone.detach(), among.detach(), rtol=1e-9, atol=1e-12)

    apart = sl.loss_of(tagger, [short]) * len(short.ids) + sl.loss_of(tagger, [long]) * len(long.ids)
    together = sl.loss_of(tagger, [short, long]) * (len(short.ids) + len(long.ids))
    np.testing.assert_allclose(apart.item(), together.item(), rtol=1e-12)
    for a, b in zip(gradients(apart), gradients(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11)


def test_positions_decide_the_order_slice(corpus, lexicon):
    """Without positions a word has the same scores wherever it stands; with them it has not."""
    for positions, same in (("none", True), ("relative", False), ("sinusoidal", False), ("learned", False)):
        minigrad.manual_seed(5)
        tagger = sl.Tagger(lexicon, "multihead", positions).double().eval()
        for p in tagger.parameters():
            if (p == 0).all():
                with minigrad.no_grad():
                    p.normal_()
        pair = [lexicon.encode(s.split()) for s in ("they watch the play .", "they play the watch .")]
        one, other = (tagger(minigrad.tensor(ids[None]), [5]).detach().numpy()[0] for ids in pair)
        assert np.allclose(one, other[[0, 3, 2, 1, 4]], atol=1e-9) == same, positions


def test_word_shapes():
    words = ["1999", "USA", "Paris", "dog", "'", "I", "a", "McDonald"]
    assert [sl.SHAPES[sl.shape_of(w)] for w in words] == [
        "digit", "UPPER", "Title", "lower", "other", "Title", "lower", "Title",
    ]  # fmt: skip


def test_it_learns_beats_its_baselines_and_comes_back_from_a_file(tmp_path, capsys):
    path = str(tmp_path / "tagger.npz")
    overall = sl.main(["--model", "window", "--epochs", "6", "--save", path])
    printed = capsys.readouterr().out
    assert overall["window"] > overall["most frequent"] > overall["majority"]
    for part in ("ambiguous words", "slice 'order'", "most frequent mistakes", "I     saw   a    saw   ."):
        assert part in printed
    sl.main(["--load", path, "--tag", "They watch the play ."])
    assert capsys.readouterr().out.split()[:5] == ["They", "watch", "the", "play", "."]


def test_a_file_that_is_not_there_or_not_conllu(tmp_path):
    with pytest.raises(SystemExit, match=r"nowhere\.conllu"):
        sl.main(["--train", str(tmp_path / "nowhere.conllu")])
    bad = tmp_path / "bad.conllu"
    bad.write_text("1\tonly\ttwo\n\n")
    with pytest.raises(SystemExit, match=r"bad\.conllu.*1"):
        sl.main(["--train", str(bad)])


def test_ablations_take_one_part_out(lexicon):
    """Each is smaller, or computes something else from the same weights."""
    a = sl.common.command_line("", sl.HERE / "tiny", "conllu", sl.MODELS).parse_args(["--ablate"])
    names = sl.common.ablations_for(a)
    assert names == ["no positions", "one head", "no residual", "no layer norm", "no scaling"]
    minigrad.manual_seed(7)
    whole = sl.Tagger(lexicon, "multihead").double().eval()
    with minigrad.no_grad():
        for name, p in whole.named_parameters():
            if "positions" in name:
                p.normal_()
    ids = minigrad.tensor(lexicon.encode(["they", "watch", "the", "play", "."])[None])
    for name in names:
        tagger = sl.Tagger(lexicon, "multihead", ablation=name).double().eval()
        fits = {key: value for key, value in whole.state_dict().items() if key in tagger.state_dict()}
        if name == "one head":
            assert len(fits) < len(whole.state_dict())  # no projection behind the heads
            continue
        assert (len(fits) == len(whole.state_dict())) == (name in ("no residual", "no scaling"))
        tagger.load_state_dict(fits)
        scores = tagger(ids, [5])
        assert not np.allclose(scores.detach(), whole(ids, [5]).detach()), name
    with pytest.raises(SystemExit, match="--ablate takes parts out of attention, which the model 'gru' has not"):
        sl.main(["--model", "gru", "--ablate"])
