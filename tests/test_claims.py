"""The claim lab: that every claim is measured, and that what it measures with is right."""

import numpy as np
import pytest

import minigrad
import nn
from examples.claims import cost, sight, tasks, weights
from examples.claims.__main__ import CLAIMS, main
from examples.claims.lab import CONDITION, FAILS, HOLDS, Table
from minigrad.viz import Figure

NAMES = [
    *("work", "sequence", "path", "time", "parallel", "parameters"),
    *("receptive-field", "who-sees-what", "restricted"),
    *("copy-first", "steps", "gradients", "clipping"),
    *("little-data", "positions", "heads"),
    *("scaling", "readable", "shapes"),
]


# ---- the lab --------------------------------------------------------------------------------------------------------


def test_the_list(capsys):
    assert main(["--list"]) == {}
    listed = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in listed) == sorted(NAMES) == sorted(CLAIMS)


@pytest.mark.parametrize("name", NAMES)
def test_each_claim_is_measured_and_judged(name, tmp_path, capsys):
    findings = main(["--short", "--only", name, "--pictures", str(tmp_path)])
    finding = findings[name]
    printed = capsys.readouterr().out
    assert finding.verdict in (HOLDS, CONDITION, FAILS)
    assert finding.verdict.capitalize() + ":" in printed
    assert printed.startswith(f"── {name} ")
    assert finding.tables
    for table in finding.tables:
        assert table.title in printed
        assert {len(row) for row in table.rows} == {len(table.headings)}
    for title, figure in finding.pictures.items():
        assert isinstance(figure, Figure)
        assert (tmp_path / f"{title}.svg").read_text(encoding="utf-8").startswith("<svg")


def test_an_unknown_claim_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_numbers(capsys):
    first, again, other = (
        main(["--short", "--only", "heads", "--seed", str(seed)])["heads"].tables[0].rows for seed in (2, 2, 3)
    )
    assert first == again != other


def test_tables_are_aligned():
    table = Table("a title", ["", "n", "我爱"], [["first", 1234, None], ["2", 5, 0.125]], ".2f")
    assert str(table).split("\n") == [
        "a title",
        "               n  我爱",
        "    first  1,234     –",
        "    2          5  0.12",
    ]
    assert table.column("n") == [1234, 5]


# ---- what is counted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 5, 7])
def test_layers_position_by_position_are_the_layers(n):
    x = minigrad.randn(1, n, 3)
    apart = [x[:, t] for t in range(n)]
    window, attention = nn.Window(3, 5, 2), nn.SelfAttention(3)
    rnn, cell = nn.RNN(3, 5, batch_first=True), nn.RNNCell(3, 5)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in rnn.state_dict().items()})
    for outputs, whole in (
        (cost.convolved(window, apart), window(x)),
        (cost.attended(attention, apart), attention(x)),
        (cost.recurrent_steps(cell, apart), rnn(x)[0]),
    ):
        np.testing.assert_allclose(minigrad.stack(outputs, 1).detach(), whole.detach(), atol=1e-6)


@pytest.mark.parametrize(("n", "k", "layers"), [(2, 3, 1), (7, 3, 6), (7, 5, 3), (8, 5, 4), (5, 11, 1)])
def test_how_many_convolutions_connect_the_ends(n, k, layers):
    assert cost.convolutions_between_the_ends(n, k) == (layers, 2 * layers)  # put side by side, and map


def test_a_crossing_is_where_it_stays_slower():
    assert cost.crossing([1, 2, 3, 4], [5, 1, 5, 5], [2, 2, 2, 2]) == 3
    assert cost.crossing([1, 2], [1, 1], [2, 2]) is None
    assert cost.crossing([1, 2], [3, 3], [2, 2]) == 1


def test_jacobian_norms_by_hand():
    """y_i = Σ_{j ≤ i} 2 x_j in two features: each derivative is 2 I, of norm 2 √2."""
    norms = sight.jacobian_norms(lambda x: 2 * x.cumsum(1), minigrad.randn(1, 5, 2), 3)
    np.testing.assert_allclose(norms, [2 * 2**0.5] * 4 + [0], rtol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_a_convolution_as_attention(k):
    conv = nn.Conv1d(3, 7, k, padding=k // 2).double()
    x = minigrad.randn(2, 3, 11, dtype=minigrad.float64)
    y = sight.as_attention(conv).double()(x.mT).mT
    np.testing.assert_allclose(y.detach(), conv(x).detach(), atol=1e-12)


def test_other_weights_with_the_same_result():
    rng = np.random.default_rng(5)
    given, values = rng.dirichlet(np.ones(11)), rng.standard_normal((11, 3))
    other = weights.other_weights(given, values)
    np.testing.assert_allclose(other @ values, given @ values, atol=1e-13)
    assert other.sum() == pytest.approx(1)
    assert (other >= 0).all()
    assert np.count_nonzero(other) <= 4
    assert given.min() > 0  # what was given is left as it was


def test_weights_that_follow_from_the_result():
    rng = np.random.default_rng(5)
    given = rng.dirichlet(np.ones(5))
    assert (weights.other_weights(given, rng.standard_normal((5, 4))) == given).all()


def test_other_weights_by_hand():
    """Values 0, 1, 2: half of each end is the middle, so (¼, ½, ¼) is the middle alone, or the two ends alone."""
    other = weights.other_weights(np.array([0.25, 0.5, 0.25]), np.array([[0.0], [1.0], [2.0]]))
    np.testing.assert_allclose(other, [0.5, 0, 0.5], atol=1e-12)  # away from the one that is looked at most


def test_the_slope_of_a_softmax_is_that_of_its_derivative():
    """‖diag(p) − p pᵀ‖² = Σ p² − 2 Σ p³ + (Σ p²)²."""
    p = np.random.default_rng(5).dirichlet(np.ones(7))
    norm = np.linalg.norm(np.diag(p) - np.outer(p, p))
    assert weights.slope_of_softmax(p) == pytest.approx(norm)


# ---- tasks ----------------------------------------------------------------------------------------------------------


def test_which_first_comes_in_twins():
    ids, answers = tasks.which_first(np.random.default_rng(5), side_by_side=0.5)(200)
    assert ids.shape == (200, 14)
    for row, answer in zip(ids, answers, strict=True):
        assert next(mark for mark in row if mark < 2) == answer
        assert sorted(row[row < 2]) == [0, 1]
        assert np.ptp(np.flatnonzero(row < 2)) in (1, *range(6, 14))
    assert (np.sort(ids[::2], 1) == np.sort(ids[1::2], 1)).all()
    assert {1, 13} <= {int(np.ptp(np.flatnonzero(row < 2))) for row in ids}


def test_first_token_and_neighbours():
    ids, answers = tasks.first_token(np.random.default_rng(5), 7)(11)
    assert (answers == ids[:, 0]).all()
    ids, answers = tasks.neighbours(np.random.default_rng(5), 5)(3)
    assert answers.shape == (3, 5, 2)
    assert answers[1, 2].tolist() == [ids[1, 1], ids[1, 3]]
    assert answers[1, 0, 0] == ids[1, 4]


def test_several_answers_at_one_place_have_scores_of_their_own():
    scores = minigrad.tensor([[[9.0, 0.0, 0.0, 9.0]]])  # (1, 1, 2 · 2): the first answer 0, the second 1
    right, wrong = np.array([[[0, 1]]]), np.array([[[1, 0]]])
    assert tasks.loss_of(scores, right).item() < 0.001
    assert tasks.loss_of(scores, wrong).item() > 8
    assert tasks.right(lambda ids: scores, (np.zeros((1, 1), int), right)).tolist() == [[[True, True]]]


def test_a_pool_is_all_that_is_drawn_from():
    pool = (np.arange(6).reshape(3, 2), np.array([5, 6, 7]))
    ids, answers = tasks.from_a_pool(np.random.default_rng(5), pool)(50)
    assert {(*row, answer) for row, answer in zip(ids.tolist(), answers.tolist(), strict=True)} == {
        (0, 1, 5), (2, 3, 6), (4, 5, 7)
    }  # fmt: skip
