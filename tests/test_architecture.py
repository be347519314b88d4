"""The house rules that a machine can hold: layers, light imports, names and lengths, no pickle, no global state."""

import ast
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from importlinter.cli import lint_imports

from gmvae.estimator import GMVAE

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "gmvae"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES, MAX_LINES_WITH_A_REASON = 250, 300
LONGER = {
    "config.py": "every hyperparameter is one field of one class",
    "estimator/gmvae.py": "scikit-learn wants every hyperparameter in the signature of `__init__` and set there",
    "fitted/fitted.py": "the one record of a fit: its fields, queries and files",
    "likelihoods/joint.py": "every method of a likelihood, for several at once",
    "networks.py": "encoders, their mirror images and the paper's tables of layers are read side by side",
    "observations.py": "observations, what checks them and the ways to make them",
    "shards/source.py": "what a source needs of codings and classes stands before it, as protocols",
    "training/loop.py": "an epoch, from its minibatches to the state after it, is read in one class",
}
"""Files that are longer, and why they are not divided."""
NAMES_THAT_SAY_NOTHING = {"base", "common", "helper", "helpers", "misc", "util", "utils"}

HEAVY = {"torch", "lightning_fabric", "sklearn", "scipy", "matplotlib", "pyarrow", "pandas"}
PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
# Fabric's checkpoints are torch's, and torch's are pickles.
CALLS_THAT_PICKLE = {"torch.save", "torch.load", "fabric.save", "fabric.load", "fabric.load_raw"}
# Forbidden in any case; torch.manual_seed alone is fine where fork_rng puts the state back.
CALLS_THAT_SEED = {
    "np.random.seed",
    "np.random.set_state",
    "numpy.random.seed",
    "random.seed",
    "seed_everything",
    "torch.seed",
    "torch.manual_seed",
    "torch.random.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.set_rng_state",
}
CALLS_THAT_SET_TORCH = {
    "torch.set_default_device",
    "torch.set_default_dtype",
    "torch.set_float32_matmul_precision",
    "torch.set_num_interop_threads",
    "torch.set_num_threads",
    "torch.use_deterministic_algorithms",
    "torch.autograd.set_detect_anomaly",
}


def calls(node: ast.AST, *, forked: bool = False) -> Iterator[tuple[ast.Call, str, bool]]:
    """Every call below a node, its dotted name, and whether it stands inside `with torch.random.fork_rng(…)`."""
    for child in ast.iter_child_nodes(node):
        inside = forked
        if isinstance(child, ast.With):
            inside |= any(ast.unparse(item.context_expr).startswith("torch.random.fork_rng") for item in child.items)
        if isinstance(child, ast.Call):
            name = ast.unparse(child.func).removeprefix("self.").lstrip("_")
            yield child, name, inside
        yield from calls(child, forked=inside)


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str, str]]:
    """Every import below a node as (statement, module, name); the name is empty for a plain `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, "." * node.level + (node.module or ""), alias.name) for alias in node.names)


def pickling(tree: ast.AST) -> list[str]:
    """Where a source reads or writes pickles."""
    found = [
        f"line {statement.lineno}: imports {module}"
        for statement, module, name in imported(tree)
        if module.split(".")[0] in PICKLERS or f"{module}.{name}" in CALLS_THAT_PICKLE
    ]
    for call, name, _ in calls(tree):
        if name in CALLS_THAT_PICKLE:
            found.append(f"line {call.lineno}: calls {name}")
        found += [
            f"line {call.lineno}: allows pickles"
            for keyword in call.keywords
            if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
        ]
    return found


def put_back(tree: ast.AST) -> set[ast.AST]:
    """Everything inside context managers that are written as functions: what they set they put back."""
    return {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(ast.unparse(decorator) == "contextmanager" for decorator in function.decorator_list)
        for node in ast.walk(function)
    }


def global_state(tree: ast.AST) -> list[str]:
    """Where a source sets the state of a global generator, or of torch, for the whole process."""
    kept = put_back(tree)
    found = [
        f"line {statement.lineno}: imports {module}.{name}"
        for statement, module, name in imported(tree)
        if f"{module}.{name}" in CALLS_THAT_SEED | CALLS_THAT_SET_TORCH
    ]
    for call, name, forked in calls(tree):
        if name == "torch.set_default_dtype" and call in kept:
            continue
        if name in CALLS_THAT_SET_TORCH or (name in CALLS_THAT_SEED and not (forked and name == "torch.manual_seed")):
            found.append(f"line {call.lineno}: calls {name}")
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        )
        found += [
            f"line {node.lineno}: sets {ast.unparse(target)}"
            for target in targets
            if ast.unparse(target).startswith("torch.backends.")
        ]
    return found


def front_door(tree: ast.AST) -> list[str]:
    """Where a room goes in by the package's front door, round the layers, or does not name the room it imports from."""
    rooms = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
    return [
        f"line {statement.lineno}: from {module} import {name}" if name else f"line {statement.lineno}: import {module}"
        for statement, module, name in imported(tree)
        if (module == "gmvae" and name not in rooms) or module.startswith(".")
    ]


def no_remedy(tree: ast.AST) -> list[str]:
    """Where an error says what data or files must be and what they are, but not what to do; a parameter can be set."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            text = ast.unparse(node.exc.args[0]).lstrip("f").strip("\"'")
            must, _, got = text.partition("; ")
            if " must " in must and got and not text.startswith("`") and not re.search("[:;] ", got):
                found.append(f"line {node.lineno}: {text}")
    return found


RULES = [pickling, global_state, front_door, no_remedy]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_source_keeps_the_rule(path, rule):
    assert rule(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (pickling, "import pickle"),
        (pickling, "from joblib import dump"),
        (pickling, "from torch import load"),
        (pickling, "def f(path):\n    return torch.load(path, weights_only=True)"),
        (pickling, "self._fabric.save('a', state)"),
        (pickling, "np.load(path, allow_pickle=True)"),
        (pickling, "np.load(path, allow_pickle=flag)"),
        (global_state, "np.random.seed(0)"),
        (global_state, "torch.manual_seed(0)"),
        (global_state, "with torch.random.fork_rng():\n    np.random.seed(0)"),
        (global_state, "with torch.random.fork_rng():\n    pass\ntorch.manual_seed(0)"),
        (global_state, "from torch import manual_seed"),
        (global_state, "torch.set_num_threads(1)"),
        (global_state, "def f():\n    torch.set_default_dtype(torch.float64)"),
        (global_state, "@contextmanager\ndef f():\n    torch.set_num_threads(1)\n    yield"),
        (global_state, "torch.backends.cudnn.benchmark = True"),
        (front_door, "from gmvae import GMVAE"),
        (front_door, "from gmvae import __version__"),
        (front_door, "import gmvae"),
        (front_door, "from .config import Config"),
        (no_remedy, "raise DataError(f'{where} must have the columns of the fit; it lacks {name}.')"),
        (no_remedy, "raise ValueError('X must hold numbers; got text.') from error"),
    ],
)
def test_the_rule_sees_what_it_forbids(rule, source):
    assert len(rule(ast.parse(source))) == 1


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (pickling, "'''Never pickle, never torch.load.'''\nnp.load(path, allow_pickle=False)"),
        (global_state, "with torch.random.fork_rng(devices=[]):\n    if seeded:\n        torch.manual_seed(0)"),
        (global_state, "torch.Generator().manual_seed(0)\ngenerator.manual_seed(0)"),
        (global_state, "@contextmanager\ndef f():\n    torch.set_default_dtype(torch.float32)\n    yield"),
        (
            front_door,
            "from gmvae import config\nfrom gmvae.config import Config\nfrom gmvae.version import __version__",
        ),
        (no_remedy, "raise ValueError('X must hold numbers; got text: encode it.')"),
        (no_remedy, "raise ValueError(f'`{name}` must be {domain}; got {value!r}.')"),
    ],
)
def test_the_rule_lets_the_rest_pass(rule, source):
    assert rule(ast.parse(source)) == []


def test_rooms_import_downwards_only_and_keep_to_their_fences(capsys, monkeypatch):
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # it would silence our logger for later tests
    failed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert not failed, capsys.readouterr().out


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running some code."""
    report = "import atexit, json, sys\natexit.register(lambda: print('\\n' + json.dumps(sorted(sys.modules))))\n"
    done = subprocess.run([sys.executable, "-c", report + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_importing_the_package_is_light():
    assert modules_after("import gmvae") & (HEAVY | {"numpy"}) == set()


def test_asking_the_command_for_help_is_light():
    loaded = modules_after("sys.argv = ['gmvae', '--help']\nfrom gmvae.cli import main\nmain()")
    assert "gmvae" in loaded
    assert loaded & HEAVY == set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model of two columns, and a table of them."""
    folder = tmp_path_factory.mktemp("light")
    X = np.random.default_rng(0).normal(size=(40, 2))
    np.save(folder / "X.npy", X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        GMVAE(2, hidden_layer_sizes=(8,), init="random", max_iter=1, random_state=0).fit(X).save(folder / "model")
    return folder


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("predict model X.npy --proba --embedding --ambiguous 0.5 --novel 1 -o out.csv", {"torch"}),
        ("sample model -o out.npy", {"torch"}),
        ("info model", set()),
    ],
)
def test_asking_a_fitted_model_imports_torch_at_most(command, needed, folder):
    code = f"import os\nos.chdir({str(folder)!r})\nsys.argv = ['gmvae', *{command.split()!r}]\n"
    loaded = modules_after(code + "from gmvae.cli import main\nmain()")
    assert loaded & (HEAVY | {"tensorboard", "PIL"}) == needed


def test_an_estimator_that_answers_does_not_import_what_fits(folder):
    loaded = modules_after(f"import gmvae\ngmvae.GMVAE.load({str(folder / 'model')!r}).predict([[0.0, 1.0]])")
    assert "sklearn" in loaded
    assert loaded & {"lightning_fabric", "tensorboard", "matplotlib"} == set()


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_has_one_subject_and_a_name_for_it(path):
    assert path.stem not in NAMES_THAT_SAY_NOTHING
    n_lines = path.read_text(encoding="utf-8").count("\n")
    has_reason = path.relative_to(PACKAGE).as_posix() in LONGER
    assert n_lines <= (MAX_LINES_WITH_A_REASON if has_reason else MAX_LINES)
