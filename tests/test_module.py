"""Module: what it holds and how that is called, how it is saved, loaded and printed, and where errors say they were."""

import copy
import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor


class Part(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.weight = nn.Parameter(minigrad.ones(n, 3))

    def forward(self, x):
        return x @ self.weight.T


class Whole(nn.Module):
    """Every kind of attribute, in an order that no sorting gives."""

    def __init__(self):
        self.words = ["not", "a", "part"]
        self.zebra = Part()
        self.alpha = nn.Parameter(minigrad.zeros(5))
        self.layers = [Part(), Part()]
        self.heads = {"key": Part(7), "pair": (Part(), nn.Parameter(minigrad.ones(1)))}
        self.register_buffer("seen", minigrad.zeros(11))
        self.register_buffer("scratch", minigrad.zeros(13), persistent=False)
        self.tied = self.zebra
        self.bias = None
        self.constant = minigrad.ones(17)  # neither parameter nor buffer


NAMES = [
    "zebra.weight",
    "alpha",
    "layers.0.weight",
    "layers.1.weight",
    "heads.key.weight",
    "heads.pair.0.weight",
    "heads.pair.1",
]


# ---- parameters -----------------------------------------------------------------------------------------------------


def test_parameter_shares_a_tensor_and_copies_the_rest():
    x, array = minigrad.ones(3), np.ones(3)
    shared, copied = nn.Parameter(x), nn.Parameter(array)
    x[0] = array[0] = 7.0
    assert (shared[0].item(), copied[0].item()) == (7.0, 1.0)
    assert shared.requires_grad
    assert shared.is_leaf
    assert not nn.Parameter(x, requires_grad=False).requires_grad


def test_parameter_of_a_result_is_a_leaf():
    x = minigrad.ones(3, requires_grad=True)
    p = nn.Parameter(x * 2)
    p.sum().backward()
    assert p.grad is not None
    assert x.grad is None


def test_parameter_prints_copies_and_refuses_integers():
    p = nn.Parameter([1.0, 2.0])
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    twin = copy.deepcopy(p)
    assert type(twin) is nn.Parameter
    assert type(p * 2) is Tensor
    twin.data[0] = 5.0
    assert p.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter([1, 2])


# ---- what a module holds --------------------------------------------------------------------------------------------


def test_names_come_in_order_of_definition_and_shared_ones_once():
    model = Whole()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [p.shape for p in model.parameters()] == [(2, 3), (5,), (2, 3), (2, 3), (7, 3), (2, 3), (1,)]
    assert [name for name, _ in model.named_parameters(recurse=False)] == ["alpha", "heads.pair.1"]
    assert [name for name, _ in model.named_parameters("net", remove_duplicate=False)][-1] == "net.tied.weight"
    assert [name for name, _ in model.named_buffers()] == ["seen", "scratch"]
    assert [name for name, _ in model.named_children()] == [
        "zebra",
        "layers.0",
        "layers.1",
        "heads.key",
        "heads.pair.0",
    ]
    assert [name for name, _ in model.named_modules()][:2] == ["", "zebra"]
    assert len(list(model.modules())) == 6
    assert len(list(model.buffers())) == 2
    assert model.get_submodule("heads.key") is model.heads["key"]
    assert model.get_submodule("") is model


def test_names_do_not_depend_on_the_hash_seed():
    program = "import nn; print([n for n, _ in nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)).named_parameters()])"
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert [answer.split() for answer in answers] == [[b"['0.weight',", b"'0.bias',", b"'1.weight',", b"'1.bias']"]]


def test_a_set_of_modules_is_refused():
    model = nn.Module()
    model.parts = {Part(), Part()}
    with pytest.raises(TypeError, match="parts: a set has no order"):
        list(model.parameters())


def test_a_module_inside_itself_is_walked_once():
    model = Part()
    model.me = [model]
    assert [name for name, _ in model.named_parameters()] == ["weight"]
    assert list(model.state_dict()) == ["weight"]
    assert repr(model) == "Part(\n  (me.0): ...\n)"


def test_super_init_may_be_forgotten():
    class Careless(nn.Module):
        def __init__(self):
            self.part = Part()

    model = Careless()
    assert model.training
    assert len(list(model.parameters())) == 1
    assert model.eval().part.training is False


def test_unknown_attributes_raise_and_name_the_nearest():
    with pytest.raises(AttributeError, match=r"no attribute 'zebar'.*'zebra'"):
        _ = Whole().zebar
    assert not hasattr(Whole(), "mode")
    with pytest.raises(AttributeError, match=r"no module 'layer\.0'.*'layers\.0'"):
        Whole().get_submodule("layer.0")


def test_an_error_in_a_property_is_its_own():
    class Broken(nn.Module):
        @property
        def size(self):
            return self.weight.shape

    with pytest.raises(AttributeError, match="no attribute 'weight'"):
        _ = Broken().size


def test_a_parameter_is_not_silently_replaced():
    part = Part()
    with pytest.raises(TypeError, match=r"Part\.weight is a Parameter"):
        part.weight = minigrad.ones(2, 3)
    part.weight = nn.Parameter(minigrad.zeros(2, 3))
    part.weight = None
    assert list(part.parameters()) == []


def test_registering():
    model = nn.Module()
    model.register_parameter("weight", nn.Parameter(minigrad.ones(2)))
    model.register_parameter("bias", None)
    model.add_module("part", Part())
    model.register_buffer("table", None)
    assert [name for name, _ in model.named_parameters()] == ["weight", "part.weight"]
    assert list(model.named_buffers()) == []
    model.table = minigrad.ones(3)  # a buffer stays one when it is assigned to
    assert list(model.state_dict()) == ["weight", "part.weight", "table"]
    for wrong in (
        lambda: model.register_parameter("x", minigrad.ones(2)),
        lambda: model.register_buffer("x", 3.0),
        lambda: model.add_module("x", 3),
        lambda: model.add_module(3, Part()),
    ):
        with pytest.raises(TypeError, match=r"needed|string"):
            wrong()
    for name in ("a.b", "", "train"):
        with pytest.raises(KeyError, match=repr(name)):
            model.register_buffer(name, minigrad.ones(2))


# ---- changing all of it ---------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_part():
    model = Whole()
    assert model.eval() is model
    assert not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())
    with pytest.raises(ValueError, match="mode"):
        model.train("yes")


def test_eval_stops_dropout():
    model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5)).eval()
    x = minigrad.randn(7, 3)
    assert minigrad.equal(model(x), model(x))
    assert not minigrad.equal(model.train()(x), model(x))


def test_apply_visits_inner_modules_first():
    model, order = Whole(), []
    model.apply(lambda m: order.append(type(m).__name__))
    assert order == ["Part"] * 5 + ["Whole"]


def test_zero_grad_and_freezing():
    model = Part()
    x = minigrad.ones(5, 3)
    model(x).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad.tolist() == [[0.0] * 3] * 2
    model(x).sum().backward()
    model.zero_grad()
    assert model.weight.grad is None
    model.zero_grad(set_to_none=False)
    assert model.weight.grad is None
    assert not model.requires_grad_(False)(x).requires_grad
    assert model.requires_grad_()(x).requires_grad


def test_conversion_keeps_the_parameter_objects():
    model = nn.BatchNorm1d(3)
    before = list(model.parameters())
    model(minigrad.randn(5, 3)).sum().backward()
    assert model.double() is model
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
    assert model.weight.dtype == model.weight.grad.dtype == model.running_mean.dtype == minigrad.float64
    assert model.num_batches_tracked.dtype == minigrad.int64
    assert model.to("cpu").weight.dtype == minigrad.float64
    assert model.to(minigrad.ones(1)).weight.dtype == minigrad.float32
    assert model.half().bias.dtype == minigrad.float16
    assert model.float().cpu().bias.dtype == minigrad.float32
    with pytest.raises(TypeError, match="int64"):
        model.to(minigrad.int64)
    with pytest.raises(ValueError, match="cuda"):
        nn.ReLU().to("cuda")


def test_deepcopy_is_independent_and_keeps_ties():
    model = Whole()
    twin = copy.deepcopy(model)
    assert twin.tied is twin.zebra
    assert twin.zebra is not model.zebra
    assert [name for name, _ in twin.named_buffers()] == ["seen", "scratch"]
    with minigrad.no_grad():
        twin.alpha.fill_(3.0)
    assert model.alpha.sum().item() == 0.0


def test_forward_hooks_see_and_may_replace_the_output():
    model, seen = Part(), []
    watching = model.register_forward_hook(
        lambda module, args, output: seen.append((module, args[0].shape, output.shape))
    )
    doubling = model.register_forward_hook(lambda module, args, output: output * 2)
    assert model(minigrad.ones(5, 3))[0, 0].item() == 6.0
    assert seen == [(model, (5, 3), (5, 2))]
    watching.remove()
    doubling.remove()
    assert model(minigrad.ones(5, 3))[0, 0].item() == 3.0
    assert len(seen) == 1


# ---- saving and loading ---------------------------------------------------------------------------------------------


def test_state_has_tied_names_and_persistent_buffers(tmp_path):
    model, other = Whole(), Whole()
    state = model.state_dict()
    assert list(state) == [*NAMES, "seen", "tied.weight"]
    assert next(iter(model.state_dict("net."))) == "net.zebra.weight"
    assert not any(x.requires_grad for x in state.values())
    state["alpha"][0] = 3.0  # the same memory, as in PyTorch
    assert model.alpha[0].item() == 3.0
    minigrad.save(state, tmp_path / "model.npz")
    assert other.load_state_dict(minigrad.load(tmp_path / "model.npz")) == ([], [])
    assert other.alpha.tolist() == [3.0, 0.0, 0.0, 0.0, 0.0]


def test_loading_copies_and_converts():
    model = Part()
    weight = model.weight
    values = np.arange(6.0).reshape(2, 3)
    model.load_state_dict({"weight": values})
    values[:] = 0
    assert model.weight is weight
    assert weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert weight.dtype == minigrad.float32


def test_loading_tells_all_that_is_wrong_and_loads_nothing():
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    before = copy.deepcopy(model.state_dict())
    state = {
        "0.weight": minigrad.zeros(5, 3),
        "0.bais": minigrad.zeros(5),
        "1.weight": minigrad.zeros(5, 2),
        "1.bias": "x",
    }
    with pytest.raises(ShapeError) as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict: nothing was loaded into Sequential, because\n"
        "  missing: 0.bias (did you mean '0.bais'?)\n"
        "  unexpected: 0.bais\n"
        "  misshapen: 1.weight is (2, 5) here, but (5, 2) in the state\n"
        "  not a tensor of real numbers: 1.bias is a str"
    )
    with pytest.raises(ShapeError, match="misshapen"):
        model.load_state_dict(state, strict=False)
    with pytest.raises(RuntimeError, match=r"missing: 0\.weight, 0\.bias, "):
        model.load_state_dict({})
    for name, value in model.state_dict().items():
        assert minigrad.equal(value, before[name])


def test_loading_without_strict_reports_what_it_passed_over():
    model = nn.Linear(3, 5)
    passed = model.load_state_dict({"weight": minigrad.zeros(5, 3), "other": minigrad.zeros(1)}, strict=False)
    assert passed.missing_keys == ["bias"]
    assert passed.unexpected_keys == ["other"]
    assert not model.weight.any()


def test_two_tensors_of_one_name_are_not_saved():
    model = nn.Module()
    model.parts = {"0": Part(), 0: Part()}
    with pytest.raises(RuntimeError, match=r"both called 'parts\.0\.weight'"):
        model.state_dict()


# ---- printing -------------------------------------------------------------------------------------------------------


def test_a_module_prints_as_a_tree():
    model = nn.Sequential(nn.Linear(3, 5), nn.ModuleDict({"a": nn.ReLU(), "b": nn.Sequential(nn.Tanh())}))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=5, bias=True)\n"
        "  (1): ModuleDict(\n"
        "    (a): ReLU()\n"
        "    (b): Sequential(\n"
        "      (0): Tanh()\n"
        "    )\n"
        "  )\n"
        ")"
    )
    assert (
        repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    )


def test_own_options_print_before_the_parts():
    class Named(nn.Module):
        def __init__(self):
            self.part = nn.ReLU()

        def extra_repr(self):
            return "reach=3"

    assert repr(Named()) == "Named(\n  reach=3\n  (part): ReLU()\n)"


# ---- where errors and operations were -------------------------------------------------------------------------------


class Encoder(nn.Module):
    def __init__(self):
        self.blocks = [nn.Sequential(nn.Linear(3, 5), nn.ReLU()), nn.Sequential(nn.Linear(7, 2))]

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def test_an_error_names_the_innermost_module_once():
    with pytest.raises(ShapeError) as error:
        Encoder()(minigrad.ones(2, 3))
    assert error.value.__notes__ == ["in blocks.1.0 (Linear)"]
    with pytest.raises(ShapeError) as error:
        nn.Linear(3, 5)(minigrad.ones(2, 7))
    assert error.value.__notes__ == ["in Linear"]
    assert minigrad.autograd.thread.mode.scope is None


def test_operations_remember_where_they_were_made():
    model = nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.Linear(5, 2), nn.Tanh()))
    y = model(minigrad.ones(7, 3))
    assert str(y.grad_fn.scope) == "1.1"
    assert str(y.grad_fn.inputs[0].scope) == "1.0"
    assert y.grad_fn.scope.outer.module() is model[1]
    assert str(nn.Linear(3, 5)(minigrad.ones(3)).grad_fn.scope) == "Linear"
    assert (y * 2).grad_fn.scope is None


def test_a_module_that_is_called_but_not_held_goes_by_its_class():
    guest = nn.Linear(3, 5)

    class Host(nn.Module):
        def forward(self, x):
            return guest(x)

    assert str(Host()(minigrad.ones(3)).grad_fn.scope) == "<Linear>"


def test_a_graph_does_not_keep_its_model_alive():
    model = nn.Sequential(nn.Linear(3, 5))
    y = model(minigrad.ones(3))
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
    assert str(y.grad_fn.scope) == "?"


def test_calling_without_forward():
    with pytest.raises(NotImplementedError, match="ModuleList cannot be called"):
        nn.ModuleList([nn.ReLU()])(minigrad.ones(3))
    with pytest.raises(TypeError, match="argument"):
        nn.Tanh(3)


# ---- containers -----------------------------------------------------------------------------------------------------


def names(container):
    return [name for name, _ in container.named_children()]


def test_sequential_is_a_list():
    a, b, c, d = (nn.Linear(3, 3) for _ in range(4))
    model = nn.Sequential(a, b)
    assert model.append(c) is model
    model.insert(0, d)
    assert list(model) == [d, a, b, c]
    assert names(model) == ["0", "1", "2", "3"]
    assert model[-1] is c
    assert list(model[1:3]) == [a, b]
    del model[1]
    assert model.pop() is c
    assert (list(model), names(model)) == ([d, b], ["0", "1"])
    model.extend([a])
    model[0] = c
    assert list(model + nn.Sequential(d)) == [c, b, a, d]
    model += [d]
    del model[1:]
    assert list(model) == [c]
    x = minigrad.randn(5, 3)
    assert minigrad.equal(nn.Sequential(a, b)(x), b(a(x)))
    with pytest.raises(IndexError, match="no place 1 among 1"):
        model[1]
    with pytest.raises(TypeError, match="Module at each place, not int"):
        model.append(3)
    with pytest.raises(TypeError, match="Module at each place, not int"):
        model[0] = 3
    assert list(model) == [c]


def test_sequential_of_named_modules():
    model = nn.Sequential({"first": nn.Linear(3, 5), "then": nn.ReLU()})
    assert names(model) == ["first", "then"]
    assert names(model[1:]) == ["then"]
    assert model.first is model[0]
    model.append(nn.Tanh())
    assert names(model) == ["first", "then", "2"]


def test_a_module_may_stand_twice_in_a_chain():
    twice = nn.Linear(3, 3)
    model = nn.Sequential(twice, nn.ReLU(), twice)
    assert len(model) == 3
    assert len(list(model.parameters())) == 2
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_module_list_and_parameter_list():
    layers = nn.ModuleList(nn.Linear(3, n) for n in (2, 5))
    layers += [nn.ReLU()]
    assert [type(m).__name__ for m in layers] == ["Linear", "Linear", "ReLU"]
    assert names(layers[1:]) == ["0", "1"]
    params = nn.ParameterList([minigrad.ones(2), nn.Parameter(minigrad.ones(3))])
    assert all(isinstance(p, nn.Parameter) for p in params)
    assert list(params.state_dict()) == ["0", "1"]
    assert repr(params) == "ParameterList(\n  (0): Parameter of float32 (2,)\n  (1): Parameter of float32 (3,)\n)"


def test_module_dict_is_a_dictionary():
    heads = nn.ModuleDict({"tag": nn.Linear(3, 5)})
    heads["lemma"] = nn.ReLU()
    heads.update([("tag", nn.Tanh())])
    assert (heads.keys(), len(heads), list(heads)) == (["tag", "lemma"], 2, ["tag", "lemma"])
    assert "tag" in heads
    assert isinstance(heads.pop("tag"), nn.Tanh)
    assert [type(m).__name__ for m in heads.values()] == ["ReLU"]
    with pytest.raises(KeyError, match="no 'tag' among lemma"):
        heads["tag"]
    with pytest.raises(KeyError, match="keys"):
        heads["keys"] = nn.ReLU()
    with pytest.raises(TypeError, match="not int"):
        heads["x"] = 3
    del heads["lemma"]
    heads.update({"a": nn.ReLU()})
    heads.clear()
    assert len(heads) == 0


def test_identity_takes_any_arguments():
    x = minigrad.ones(3)
    assert nn.Identity(54, unused=True)(x) is x


def test_pre_hooks_see_and_may_replace_the_arguments():
    layer = nn.Linear(3, 2)
    x, seen = minigrad.randn(5, 3), []
    watching = layer.register_forward_pre_hook(lambda module, arguments: seen.append((module, arguments)))
    doubling = layer.register_forward_pre_hook(lambda module, arguments: (2 * arguments[0],))
    last = layer.register_forward_pre_hook(lambda module, arguments: arguments[0] + 1)  # one argument, as it is
    assert (layer(x) == layer.forward(2 * x + 1)).all()
    assert seen == [(layer, (x,))]
    for handle in (watching, doubling, last):
        handle.remove()
    assert (layer(x) == layer.forward(x)).all()
    assert len(seen) == 1


@pytest.mark.parametrize("wrong", [np.zeros((2, 3), complex), np.full((2, 3), "a"), np.zeros((2, 3), object), 5.0])
def test_what_is_no_number_is_not_loaded_nor_is_the_rest(wrong):
    layer = nn.Linear(3, 2)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(RuntimeError, match="not a tensor of real numbers: weight is a "):
        layer.load_state_dict({"bias": minigrad.zeros(2), "weight": wrong})
    assert all((before[name] == value).all() for name, value in layer.state_dict().items())


def test_a_state_is_a_dictionary():
    with pytest.raises(TypeError, match="a dictionary of tensors by name is needed, not NoneType"):
        nn.Linear(3, 2).load_state_dict(None)


def test_a_list_or_an_array_is_named_beside_the_error_it_leads_to():
    for layer, given in ((nn.Window(2, 3), [[[1.0, 2.0]]]), (nn.GRU(2, 3, batch_first=True), np.zeros((5, 7, 2)))):
        with pytest.raises((AttributeError, ValueError)) as error:
            layer(given)
        kind = "a list" if isinstance(given, list) else "an array"
        note = f"it was given {kind}; where a tensor is needed, minigrad.tensor(x) makes one of it"
        assert note in error.value.__notes__
    with pytest.raises(ShapeError) as error:  # says it all itself
        nn.Linear(3, 2)(np.zeros((5, 7)))
    assert error.value.__notes__ == ["in Linear"]
