"""The benchmarks run, and the steps written by hand compute what the framework computes."""

import numpy as np
import pytest

import minigrad
from benchmarks import __main__ as compare
from benchmarks import elsewhere, growth
from benchmarks.workloads import WORKLOADS, minigrad_framework


@pytest.mark.parametrize("name", ["mlp", "lstm_tagger", "text_cnn", "encoder"])
def test_the_floor_has_the_same_loss_and_gradients(name):
    minigrad.manual_seed(1)
    model, loss = WORKLOADS[name](minigrad_framework())
    step, gradients = compare.by_hand(name, {key: value.numpy().copy() for key, value in model.state_dict().items()})
    value = loss()
    value.backward()
    assert step() == pytest.approx(value.item(), rel=1e-5)
    parameters = dict(model.named_parameters())
    assert set(gradients) == set(parameters)
    for key, expected in gradients.items():
        # Adding one number to all scores of a row changes nothing, so a bias of keys has no gradient but rounding.
        np.testing.assert_allclose(parameters[key].grad.numpy(), expected, rtol=1e-3, atol=2e-6, err_msg=key)


@pytest.mark.parametrize("name", elsewhere.MODELS)
def test_models_without_layers_learn(name):
    step = elsewhere.training_step(elsewhere.with_minigrad(), elsewhere.MODELS[name])
    losses = [step() for _ in range(5)]
    assert losses[-1] < losses[0]


def test_the_table_and_the_profile(capsys, tmp_path):
    path = tmp_path / "ratios.svg"
    found = compare.main(["mlp", "text_cnn", "--pairs", "1", "--seconds", "0.001", "--plot", str(path)])
    assert ("mlp", "by hand") in [(name, rival) for name, rival, _ in found]
    assert path.read_text(encoding="utf-8").startswith("<svg")
    compare.main(["mlp", "--profile"])
    assert "Adam.step()" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        compare.main(["no such step"])


def test_growth_is_reported(capsys):
    growth.main(["--short"])
    out = capsys.readouterr().out
    assert "window: time ∝ n^" in out
    assert "import minigrad, nn" in out
