"""What may import what, read from the source: data flows downward, and nothing dangerous comes in."""

import ast
import graphlib
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad
import nn

ROOT = Path(minigrad.__file__).parents[1]

# From the bottom up. A module imports from its own storey or from lower ones, and never in a circle.
STOREYS = [
    "dtypes memory errors device sums",
    "tensor",
    "autograd",
    "op",
    "ops",
    "random creation inplace porting lazy",
    "methods gradcheck serialization numpy_protocol",
]


def sources(*packages):
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path):
    """minigrad/ops/shape.py is called minigrad.ops.shape."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """The full names of all that a file imports, anywhere in it."""
    package = (name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]).split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            for alias in node.names:
                inside = ROOT.joinpath(*module.split("."), alias.name)
                yield f"{module}.{alias.name}" if inside.is_dir() or inside.with_suffix(".py").is_file() else module


def modules_imported(path):
    """The modules of this project that a file imports."""
    known = {name_of(other) for other in sources("minigrad", "nn")}
    return {name for name in imports(path) if name in known} - {name_of(path)}


def storey(name):
    part = name.split(".")[1] if "." in name else ""
    return next((i for i, names in enumerate(STOREYS) if part in names.split()), len(STOREYS))


@pytest.mark.parametrize("path", sources("minigrad"), ids=name_of)
def test_no_import_points_up(path):
    for name in modules_imported(path):
        assert not name.startswith("nn"), "the engine knows nothing of layers"
        if name != "minigrad.ops":  # the package of the tables, which is empty
            assert storey(name) <= storey(name_of(path))


@pytest.mark.parametrize("package", ["minigrad", "nn"])
def test_no_imports_go_in_a_circle(package):
    graph = {name_of(path): modules_imported(path) - {package} for path in sources(package)}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(graph) <= set(order)


def test_the_package_of_the_tables_is_empty_of_imports():
    assert list(imports(ROOT / "minigrad" / "ops" / "__init__.py")) == []


def test_importing_the_engine_imports_nothing_else():
    program = "import sys, minigrad; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert {"minigrad", "numpy"} <= loaded
    assert not loaded & {"nn", "graphviz", "matplotlib", "torch", "pytest", "pandas", "scipy"}


# ---- what is imported when it is first asked for --------------------------------------------------------------------


def run(program):
    """The words that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def promised(package):
    """The imports that only type checkers read: {name: module}, where a module stands for itself."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {alias.name: node.module or alias.name for node in block.body for alias in node.names}


def tabled(package):
    """The same from the table that Python goes by."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    calls = (node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    (table,) = (ast.literal_eval(call.args[1]) for call in calls if ast.unparse(call).startswith("lazily(__name__"))
    homes = {name: module for module, names in table.items() for name in names.split()}
    return {module: module for module in table} | homes


def test_importing_both_packages_imports_only_the_engine():
    loaded = run("import sys, minigrad, nn; print(*sys.modules)")
    assert {name for name in loaded if name.startswith("nn.")} == set()
    assert not loaded & {f"minigrad.{module}" for module in tabled(minigrad).values()}
    slow = {"numpy.random", "copy", "csv", "dataclasses", "difflib", "gzip", "inspect", "json", "wave", "zipfile"}
    assert not (loaded - run("import sys, numpy; print(*sys.modules)")) & slow


@pytest.mark.parametrize("package", [minigrad, nn], ids=lambda package: package.__name__)
def test_type_checkers_and_python_find_the_same_names_in_the_same_modules(package):
    public = {name: module for name, module in tabled(package).items() if name in package.__all__}
    assert promised(package) == public


@pytest.mark.parametrize("package", [minigrad, nn], ids=lambda package: package.__name__)
def test_names_are_what_their_modules_define_whatever_was_imported_before(package):
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(info.name)
    for name, module in promised(package).items():
        source = importlib.import_module(f"{package.__name__}.{module}")
        assert getattr(package, name) is (source if name == module else getattr(source, name))
        assert name in vars(package), "it is looked up once"


@pytest.mark.parametrize("package", ["minigrad", "nn"])
def test_names_not_asked_for_yet_are_listed_and_can_be_imported(package):
    assert run(f"import {package}; print(*set({package}.__all__) - set(dir({package})))") == set()
    assert run(f"from {package} import *; import {package}; print(*set({package}.__all__) - set(dir()))") == set()


def test_a_name_that_is_nowhere_is_an_error_that_knows_a_near_one():
    with pytest.raises(AttributeError, match="nn has no 'Liner'; did you mean 'Linear'"):
        nn.Liner  # noqa: B018
    with pytest.raises(AttributeError, match=r"minigrad.autograd has no 'Functon'; did you mean 'Function'"):
        minigrad.autograd.Functon  # noqa: B018
    assert minigrad.autograd.Function is minigrad.Function
    assert not hasattr(nn, "__path_to_nowhere__")


# ---- what is never imported -----------------------------------------------------------------------------------------

FORBIDDEN = {
    "pickle",
    "dill",
    "marshal",
    "shelve",
    "socket",
    "urllib",
    "http",
    "requests",
    "torch",
    "tensorflow",
    "jax",
}


@pytest.mark.parametrize("path", sources("minigrad", "nn", "examples", "benchmarks"), ids=name_of)
def test_nothing_dangerous_is_imported_or_called(path):
    allowed = {"torch", "jax"} if path.is_relative_to(ROOT / "benchmarks") else set()  # to measure against
    found = {name.partition(".")[0] for name in imports(path)}
    assert not found & (FORBIDDEN - allowed)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", "") not in ("eval", "exec", "compile", "__import__")
            assert not any(k.arg in ("shell", "allow_pickle") and getattr(k.value, "value", 1) for k in node.keywords)


# ---- what is public -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", [minigrad, nn], ids=lambda package: package.__name__)
def test_public_names_exist_and_are_named_once(package):
    names = package.__all__
    assert [name for name in names if not hasattr(package, name)] == []
    assert sorted(set(names)) == sorted(names)


def test_public_functions_say_what_they_do():
    silent = [
        name
        for name in minigrad.__all__
        if callable(function := getattr(minigrad, name)) and not inspect.getdoc(function)
    ]
    assert silent == []


def test_public_methods_of_tensors_say_what_they_do():
    silent = [
        name
        for name, method in vars(minigrad.Tensor).items()
        if name[0] != "_" and callable(method) and not inspect.getdoc(method)
    ]
    assert silent == []


@pytest.mark.parametrize("path", sources("minigrad", "nn"), ids=name_of)
def test_files_classes_and_functions_say_what_they_do(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body:
        assert ast.get_docstring(tree), "a file opens with what it lets you do"
    definitions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    for owner in definitions:
        if isinstance(owner, ast.ClassDef) and owner.name[0] != "_":
            definitions += [node for node in owner.body if isinstance(node, ast.FunctionDef)]
    setters = [d for d in definitions for by in d.decorator_list if getattr(by, "attr", "") == "setter"]
    public = [d for d in definitions if d.name[0] != "_" and d not in setters]
    assert [d.name for d in public if not ast.get_docstring(d)] == []


def test_all_modules_can_be_imported_alone():
    names = [info.name for info in pkgutil.walk_packages(minigrad.__path__, "minigrad.")]
    program = "import importlib, sys; importlib.import_module(sys.argv[1])"
    for name in ("minigrad.tensor", "minigrad.ops.shape", "minigrad.gradcheck"):
        assert name in names
        subprocess.run([sys.executable, "-c", program, name], check=True, cwd=ROOT)
