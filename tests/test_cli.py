"""The command line: every number is compared with the library's own, every mistake with its sentence."""

import csv
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import load_file
from scipy import stats
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from gmvae import __version__, metrics, persistence
from gmvae.cli import app
from gmvae.cli.settings import settings, value_of
from gmvae.cli.speech import plainly
from gmvae.config import Config
from gmvae.estimator import GMVAE
from gmvae.fitted.fitted import Fitted
from gmvae.presets import PRESETS
from gmvae.runs import fit_source
from gmvae.runs import folder as run_folder

# Models of tables know their columns by name; here they are also asked about bare arrays.
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")

SMALL = ["--set", "hidden_layer_sizes=16", "--set", "latent_dim=3", "--set", "style_dim=2", "-q"]
COMMANDS = [
    "demo",
    "choose-k",
    "fit",
    "predict",
    "sample",
    "impute",
    "evaluate",
    "info",
    "report",
    "describe",
    "reproduce",
    "data",
    "data list",
    "data fetch",
]


def gmvae(*arguments, code=0):
    """Run a command in this process, and hold it to an exit code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def refused(*arguments):
    """The one sentence with which a command refuses."""
    result = gmvae(*arguments, code=2)
    lines = result.stderr.splitlines()
    assert result.stdout == ""
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    return lines[0]


def rows_of(text):
    """A CSV text as its header and its rows of numbers."""
    header, *rows = csv.reader(io.StringIO(text))
    return header, np.array(rows, dtype=float)


def same_tensors(one, other):
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(bool((first[name] == second[name]).all()) for name in first)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three blobs in four dimensions with named classes, as a table, and 200 small images."""
    folder = tmp_path_factory.mktemp("cli")
    random = np.random.default_rng(0)
    classes = random.integers(3, size=240)
    X = (4.0 * np.eye(3, 4)[classes] + random.normal(0, 0.5, (240, 4))).round(3)
    with (folder / "blobs.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "kind"])
        writer.writerows([*row, "xyz"[k]] for row, k in zip(X.tolist(), classes, strict=True))
    with (folder / "turned.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["other", "d", "c", "b", "a"])
        writer.writerows([7.0, *row[::-1]] for row in X.tolist())
    digits = load_digits()
    np.save(folder / "images.npy", (digits.images[:200] / 16).astype(np.float32))
    np.savetxt(folder / "images.txt", digits.target[:200], fmt="%d")
    np.save(folder / "plane.npy", X[:, :2])
    np.save(folder / "X.npy", X)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    """A complete run on the table."""
    gmvae("fit", folder / "blobs.csv", "--labels", "kind", "-k", 3, "-o", folder / "run", "--epochs", 3, *SMALL)
    return folder / "run"


@pytest.fixture(scope="module")
def image_run(folder):
    """A complete run on images, with its JSON."""
    arguments = ["--labels", folder / "images.txt", "-k", 4, "--epochs", 2, "-o", folder / "images", "--json"]
    result = gmvae("fit", folder / "images.npy", *arguments, *SMALL)
    return folder / "images", json.loads(result.stdout)


# ---------------------------------------------------------------- help


def test_a_prediction_loads_nothing_that_only_a_fit_needs(folder, run, tmp_path):
    """By the command line; `torch._dynamo` and sympy, of which it needs nothing, take most of a second."""
    arguments = ["gmvae", "predict", str(run), str(folder / "blobs.csv"), "-o", str(tmp_path / "clusters.csv")]
    heavy = {"sklearn", "lightning_fabric", "matplotlib", "sympy", "torch._dynamo"}
    program = (
        f"import sys; sys.argv = {arguments}\n"
        "from gmvae.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert (tmp_path / "clusters.csv").exists()


def test_help_has_an_example_for_every_command_and_imports_nothing_heavy():
    code = f"""
import sys
from typer.testing import CliRunner
from gmvae.cli import app
for command in {["", *COMMANDS]!r}:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0, command
    assert "Example: gmvae " + command in " ".join(result.stdout.split()), (command, result.stdout)
heavy = {{"torch", "numpy", "sklearn", "scipy", "matplotlib", "pyarrow", "lightning_fabric", "PIL"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_threads_are_set_before_pytorch_is_loaded():
    program = (
        "import sys; sys.argv = ['gmvae', '--threads', '1', 'data']\n"
        "from gmvae.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "import torch; print(torch.get_num_threads())"
    )
    two = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=two, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1"


@pytest.mark.parametrize(("own", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_leave_their_core_to_others_unless_the_user_says_otherwise(own, policy):
    program = (
        "import os, sys; sys.argv = ['gmvae', 'data']\n"
        "from gmvae.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | own
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"False {policy}"


def test_the_module_runs_and_tells_its_version():
    done = subprocess.run([sys.executable, "-m", "gmvae", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"gmvae {__version__}\n"


def test_the_sets_are_listed(data_home):
    lines = gmvae("data", "list", "--data-home", data_home).stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["synthetic", "yes", "2"], ["digits", "yes", "8x8"]]
    fetched = gmvae("data", "fetch", "mnist:test", "--data-home", data_home).stdout.split()
    assert [Path(path).name[:4] for path in fetched] == ["t10k", "t10k"]


def test_the_demo_goes_where_it_is_told_and_prints_means_over_seeds(monkeypatch, tmp_path):
    from gmvae.paper.demo import Demo, Row

    rows = [Row("digits", "GMVAE", seed, 0.8 + 0.1 * seed, 0.5, 0.5, None, 1.0) for seed in range(3)]
    seen = []

    def run(out, on_row):
        seen.append(out)
        on_row(rows[0])
        return Demo(rows, [out / "digits" / "samples.png"])

    monkeypatch.setattr("gmvae.paper.demo.run", run)
    result = gmvae("demo", "--out", tmp_path)
    assert seen == [tmp_path]
    assert "0.900 ± 0.100" in result.stdout
    assert "samples.png" in result.stderr


# ---------------------------------------------------------------- hyperparameters

TYPED = {
    "n_components": ("7", 7),
    "latent_dim": ("3", 3),
    "style_dim": ("2", 2),
    "likelihood": ("gaussian", "gaussian"),
    "size_factors": ("total", "total"),
    "covariate": ("batch", "batch"),
    "network": ("mlp", "mlp"),
    "hidden_layer_sizes": ("256,128", (256, 128)),
    "batch_norm": ("true", True),
    "effort": ("density", "density"),
    "max_iter": ("12", 12),
    "batch_size": ("64", 64),
    "learning_rate": ("1e-4", 1e-4),
    "learning_rate_schedule": ("constant", "constant"),
    "max_grad_norm": ("1", 1.0),
    "min_information": ("0.5", 0.5),
    "warm_up": ("0.5", 0.5),
    "n_mc_samples": ("10", 10),
    "bound": ("paper", "paper"),
    "n_init": ("3", 3),
    "init": ("random", "random"),
    "component_weights": ("uniform", "uniform"),
    "consistency": ("2.5", 2.5),
    "tol": ("0", 0.0),
    "n_iter_no_change": ("5", 5),
    "validation_fraction": ("0.2", 0.2),
    "restarts_at_once": ("2", 2),
    "precision": ("64-true", "64-true"),
    "compile": ("true", True),
    "device": ("cpu", "cpu"),
    "random_state": ("42", 42),
    "warm_start": ("true", True),
    "verbose": ("0", 0),
}


def test_every_hyperparameter_can_be_set():
    assert list(TYPED) == [field.name for field in dataclasses.fields(Config)]
    chosen = settings(None, {}, [f"{name}={text}" for name, (text, _) in TYPED.items()])
    assert chosen == {name: value for name, (_, value) in TYPED.items()}
    assert all(type(chosen[name]) is type(value) for name, (_, value) in TYPED.items())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_iter", "auto", "auto"),
        ("restarts_at_once", "auto", "auto"),
        ("compile", "auto", "auto"),
        ("max_grad_norm", "None", None),
        ("random_state", "none", None),
        ("hidden_layer_sizes", "(64,)", (64,)),
        ("warm_start", "False", False),
        ("n_components", "2.5", "2.5"),
        ("likelihood", "visits=poisson, age=gaussian", {"visits": "poisson", "age": "gaussian"}),
    ],
)
def test_values_are_read_by_their_type(name, text, value):
    assert value_of(name, text) == value
    assert type(value_of(name, text)) is type(value)


def test_options_override_a_preset():
    chosen = settings("paper-mnist", {"n_components": ("-k", "16")}, ["batch_size=100"])
    assert chosen == {**PRESETS["paper-mnist"], "n_components": 16, "batch_size": 100}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--set", "n_component=3"],
            "`--set` must name a hyperparameter; got 'n_component': did you mean n_components",
        ),
        (["--set", "zzz=3"], "they are n_components, latent_dim"),
        (["--set", "bound"], "`--set` must be name=value; got 'bound'."),
        (["-k", "3", "--set", "n_components=4"], "`n_components` must be set once"),
        (["-k", "0"], "`n_components` must be an integer of at least 1 or 'auto'; got 0."),
        (["--epochs", "many"], "`max_iter` must be an integer of at least 1 or 'auto'; got 'many'."),
        (["--set", "hidden_layer_sizes=a,b"], "`hidden_layer_sizes` must be"),
        (["--preset", "mnist"], "`preset` must be one of 'paper-synthetic'"),
        (["--labels", "kind", "--device", "cuda:99"], "`device` must be "),
        (["--labels", "kind", "-k", "1000"], "`n_components` must be at most the number of rows"),
        (
            ["--drop", "kinds"],
            "`--drop` must name columns of blobs.csv, 'a', 'b', 'c', 'd', 'kind'; got 'kinds' (did you",
        ),
    ],
)
def test_a_fit_that_cannot_begin_says_why_and_leaves_nothing(folder, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused("fit", folder / "blobs.csv", *arguments)
    assert sentence in refused("fit", folder / "blobs.csv", "-o", "deep/er", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_alone(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not empty: choose another, or pass `--resume`" in refused("fit", folder / "X.npy", "-o", tmp_path)
    assert "must be a folder; got the file" in refused("fit", folder / "X.npy", "-o", tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    refused("fit", folder / "X.npy", "-k", 1000, "-o", tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "notes.txt"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_unknown_option_source_or_column_is_refused(folder, tmp_path, monkeypatch):
    wrong = refused("fit", folder / "turned.csv", "--labels", "color")
    assert "`labels` must be a column of turned.csv (other, d, c, b, a) or an existing file; got 'color'" in wrong
    unknown = gmvae("fit", folder / "X.npy", "--colour", code=2).stderr
    assert "No such option" in unknown
    assert "--colour" in unknown
    assert "did you mean 'digits'?" in refused("fit", "digit")
    monkeypatch.chdir(tmp_path)
    assert "did you mean 'digits'?" in refused("fit", "digit", "-o", "digit")
    assert list(tmp_path.iterdir()) == []
    assert "`SOURCE` must be given" in refused("fit")


# ---------------------------------------------------------------- a run


def test_a_run_folder_is_whole(folder, run):
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("tensorboard/")}
    drawn = ("learning-curves", "cluster-sizes", "latent-space", "confusion", "reliability")
    figures = {f"figures/{name}.png" for name in drawn}
    files = {"model.safetensors", "config.json", "run.json", "history.csv", "assignments.parquet", "start.parquet"}
    assert names - events == files | figures | {"report.html", "report.json"}
    assert len(events) == 1
    assert not (run / "checkpoints").exists()
    config = json.loads((run / "config.json").read_text())
    assert (config["n_components"], config["max_iter"], config["hidden_layer_sizes"]) == (3, 3, [16])
    _, history = rows_of((run / "history.csv").read_text())
    assert history[:, 0].tolist() == [1, 2, 3]

    table = pq.read_table(run / "assignments.parquet").to_pandas()
    proba = GMVAE.load(run / "model.safetensors").predict_proba(np.load(folder / "X.npy"))
    assert list(table) == ["row", "label", "p_0", "p_1", "p_2"]
    assert table["row"].tolist() == list(range(1, 241))
    np.testing.assert_array_equal(table["label"], proba.argmax(1))
    np.testing.assert_array_equal(table[["p_0", "p_1", "p_2"]], proba)


def test_json_says_what_the_model_says(folder, image_run):
    path, document = image_run
    estimator = GMVAE.load(path / "model.safetensors")
    proba = estimator.predict_proba(np.load(folder / "images.npy"))
    scores = metrics.evaluate(np.loadtxt(folder / "images.txt", dtype=int), proba)
    assert document["scores"] == scores._asdict()
    assert document["lower_bound_held_out"] == estimator.lower_bound_
    assert document["n_components_effective"] == pytest.approx(metrics.effective_components(proba.mean(0)))
    assert (document["epochs"], document["shape"], document["run"]) == (2, [200, 8, 8], str(path))
    for figure in document["figures"]:
        pixels = np.asarray(Image.open(figure).convert("L"))
        assert pixels.std() > 5, figure
    names = [Path(figure).stem for figure in document["figures"]]
    drawn = ["learning-curves", "cluster-sizes", "latent-space", "samples", "style", "confusion", "reliability"]
    assert names == drawn


def test_a_plane_is_drawn_with_its_density_and_runs_are_numbered(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--epochs", 1, "-k", 3, "--set", "hidden_layer_sizes=16", "-q"]
    first = gmvae("fit", folder / "plane.npy", *small)
    np.save("unit.npy", (np.load(folder / "plane.npy") > 2).astype(float))
    gmvae("fit", folder / "plane.npy", *small, "--set", "style_dim=1")
    gmvae("fit", "unit.npy", "--epochs", 1, *SMALL)
    assert sorted(path.name for path in Path("runs").iterdir()) == ["plane-k3", "plane-k3-2", "unit-k10"]
    assert Path("runs/plane-k3/figures/density.png").is_file()
    assert Path("runs/unit-k10/figures/clusters.png").is_file()
    assert not Path("runs/unit-k10/figures/density.png").exists()  # probabilities have no density
    shown = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in first.stdout.splitlines() if "  " in line.strip())
    assert shown["run folder"] == "runs/plane-k3"
    assert shown["epochs"] == "1, not converged"
    assert "gmvae predict runs/plane-k3" in first.stdout


def test_labels_never_reach_the_training_and_the_seed_decides(folder, run, tmp_path):
    common = ["-k", 3, "--epochs", 3, *SMALL]
    gmvae("fit", folder / "X.npy", "-o", tmp_path / "bare", *common)
    gmvae("fit", folder / "X.npy", "-o", tmp_path / "seeded", "--seed", 1, *common)
    assert same_tensors(run / "model.safetensors", tmp_path / "bare" / "model.safetensors")
    assert not same_tensors(run / "model.safetensors", tmp_path / "seeded" / "model.safetensors")


def test_warnings_are_single_clean_lines_and_quiet_is_quiet(folder, tmp_path):
    arguments = ["fit", folder / "X.npy", "-k", 3, "--epochs", 1, "--set", "hidden_layer_sizes=16"]
    quiet = gmvae(*arguments, "-o", tmp_path / "quiet", "--quiet", "--json")
    assert quiet.stderr.splitlines()
    assert all(line.startswith("Warning: ") and ".py" not in line for line in quiet.stderr.splitlines())
    assert "raise `max_iter`" in quiet.stderr
    json.loads(quiet.stdout)
    told = gmvae(*arguments, "-o", tmp_path / "told")
    assert "epoch 1/1" in told.stderr
    assert "epoch 1/1" not in told.stdout


def test_deprecations_of_libraries_are_no_warnings_to_users(capsys):
    class Both(UserWarning, DeprecationWarning):
        """Such as pyparsing's, which old versions of Matplotlib cause."""

    with plainly(debug=False):
        warnings.warn("'oneOf' deprecated", Both, stacklevel=1)
        warnings.warn("take more rows", UserWarning, stacklevel=1)
    said = capsys.readouterr().err
    assert "oneOf" not in said
    assert "take more rows" in said


# ---------------------------------------------------------------- errors that are not the user's


def test_divergence_fails_with_its_sentence(folder, tmp_path, monkeypatch):
    def diverge(*_, **__):
        raise FloatingPointError("Training met non-finite values again; lower `learning_rate`.")

    monkeypatch.setattr(fit_source, "fit", diverge)
    result = gmvae("fit", folder / "X.npy", "-o", tmp_path / "run", code=1)
    assert result.stderr == "Error: Training met non-finite values again; lower `learning_rate`.\n"


def test_our_own_errors_keep_their_traceback_and_debug_keeps_all(folder, tmp_path, monkeypatch):
    assert CliRunner().invoke(app, ["--debug", "fit", "nowhere"]).exception.__class__.__name__ == "DataError"

    def broken(*_, **__):
        raise AssertionError("an invariant")

    monkeypatch.setattr(fit_source, "fit", broken)
    result = CliRunner().invoke(app, ["fit", str(folder / "X.npy"), "-o", str(tmp_path / "run")])
    assert isinstance(result.exception, AssertionError)
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- going on


def interrupt_after(monkeypatch, n_checkpoints):
    """Ctrl-C right after some checkpoints have been written."""
    write, written = persistence.write, []

    def counting(path, kind, *rest):
        write(path, kind, *rest)
        written.append(kind)
        if written.count("checkpoint") == n_checkpoints:
            raise KeyboardInterrupt

    monkeypatch.setattr(persistence, "write", counting)


def test_an_interrupted_run_goes_on_to_the_same_end(folder, run, tmp_path):
    path = tmp_path / "cut"
    table = ["--labels", "kind", "-k", 3, "--epochs", 3]
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        cut = gmvae("fit", folder / "blobs.csv", "-o", path, *table, *SMALL, code=130)
    assert cut.stderr == f"Interrupted; go on with: gmvae fit -o {path} --resume\n"
    half = json.loads(gmvae("info", path, "--json").stdout)
    assert (half["complete"], half["epochs"], half["config"]["n_components"]) == (False, 2, 3)
    assert "go on with `gmvae fit" in refused("predict", path, folder / "X.npy")
    assert "is not empty" in refused("fit", folder / "blobs.csv", "-o", path)
    assert "`--seed` must be as in the run to resume, 0; got 4" in refused("fit", "-o", path, "--resume", "--seed", 4)
    assert "`max_iter` must be as in the run" in refused("fit", "-o", path, "--resume", "--epochs", 9)
    np.save(tmp_path / "turned.npy", np.load(folder / "X.npy")[::-1])
    (tmp_path / "kinds.txt").write_text("x\n" * 240)
    for other, sentence in (
        (folder / "plane.npy", "The data must be those the run began with, of shape (240, 4)"),
        (tmp_path / "turned.npy", "X and `network` must be as in the run to resume"),
    ):
        said = refused("fit", other, "--labels", tmp_path / "kinds.txt", "-o", path, "--resume")
        assert sentence in said

    gmvae("fit", "-o", path, "--resume", "--json", "-q")
    assert same_tensors(path / "model.safetensors", run / "model.safetensors")
    assert pq.read_table(path / "assignments.parquet").equals(pq.read_table(run / "assignments.parquet"))
    assert not (path / "checkpoints").exists()
    again = gmvae("fit", folder / "blobs.csv", *table, "-o", path, "--resume", "--json")
    assert "is complete" in again.stderr
    assert json.loads(again.stdout)["complete"] is True


def test_a_run_killed_while_its_results_were_written_is_completed(folder, run, tmp_path, monkeypatch):
    path = tmp_path / "late"
    save = Fitted.save

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Fitted, "save", killed)
    gmvae("fit", folder / "X.npy", "-o", path, "-k", 3, "--epochs", 3, *SMALL, code=130)
    monkeypatch.setattr(Fitted, "save", save)
    gmvae("fit", "-o", path, "--resume")
    assert same_tensors(path / "model.safetensors", run / "model.safetensors")


def test_an_interrupt_before_the_first_epoch_leaves_nothing(folder, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_source, "fit", interrupt)
    monkeypatch.chdir(tmp_path)
    assert "nothing to go on from" in gmvae("fit", folder / "X.npy", code=130).stderr
    assert list(tmp_path.iterdir()) == []


def test_resuming_needs_a_run(folder, image_run, tmp_path):
    assert "`--resume` must be given with `-o RUN`" in refused("fit", "--resume")
    assert "lacks run.json or config.json" in refused("fit", "-o", tmp_path, "--resume")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "run.json").write_text("[]")
    assert "must hold a JSON object" in refused("fit", "-o", tmp_path, "--resume")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_a_real_interrupt_is_answered(folder, run, tmp_path):
    path = tmp_path / "run"
    command = [sys.executable, "-m", "gmvae", "fit", str(folder / "X.npy"), "-o", str(path), "-k", "3", *SMALL]
    command += ["--epochs", "400", "--set", "n_iter_no_change=400"]
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **heard)
    deadline = time.monotonic() + 60
    while not (path / "checkpoints" / "restart-0.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=240)
    assert (process.returncode, out) == (130, "")
    assert said.endswith(f"Interrupted; go on with: gmvae fit -o {path} --resume\n")
    assert "Traceback" not in said
    assert json.loads(gmvae("info", path, "--json").stdout)["complete"] is False


# ---------------------------------------------------------------- asking a model


def test_predict_says_what_the_model_says(folder, run):
    X = np.load(folder / "X.npy")
    estimator = GMVAE.load(run / "model.safetensors")
    header, rows = rows_of(gmvae("predict", run, folder / "X.npy").stdout)
    assert header == ["row", "label"]
    np.testing.assert_array_equal(rows, np.stack([np.arange(1, 241), estimator.predict(X)], axis=1))
    header, rows = rows_of(gmvae("predict", run, folder / "blobs.csv", "--proba", "--embedding").stdout)
    assert header == ["row", "label", "p_0", "p_1", "p_2", "x_0", "x_1", "x_2"]
    np.testing.assert_array_equal(rows[:, 2:5], estimator.predict_proba(X))
    np.testing.assert_array_equal(rows[:, 5:].astype(np.float32), estimator.transform(X))


def test_predict_writes_files_block_by_block(folder, run, tmp_path, monkeypatch):
    monkeypatch.setattr("gmvae.cli.predict._ROWS_AT_ONCE", 100)
    X, estimator = np.load(folder / "X.npy"), GMVAE.load(run / "model.safetensors")
    gmvae("predict", run, folder / "X.npy", "-o", tmp_path / "new" / "l.npy")
    gmvae("predict", run / "model.safetensors", folder / "X.npy", "--proba", "-o", tmp_path / "p.npy")
    gmvae("predict", run, folder / "X.npy", "--embedding", "-o", tmp_path / "x.npy")
    gmvae("predict", run, folder / "X.npy", "--proba", "-o", tmp_path / "t.parquet")
    gmvae("predict", run, folder / "X.npy", "--proba", "-o", tmp_path / "t.csv")
    np.testing.assert_array_equal(np.load(tmp_path / "new" / "l.npy"), estimator.predict(X))
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), estimator.predict_proba(X), rtol=1e-3)
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), estimator.transform(X), rtol=1e-4, atol=1e-6)
    table = pq.read_table(tmp_path / "t.parquet").to_pandas()
    assert list(table) == list(pq.read_table(run / "assignments.parquet").to_pandas())
    np.testing.assert_array_equal(table, rows_of((tmp_path / "t.csv").read_text())[1])
    np.testing.assert_array_equal(table.iloc[:, 2:], np.load(tmp_path / "p.npy"))


def test_flags_are_the_estimators(folder, run, tmp_path):
    estimator, X = GMVAE.load(run / "model.safetensors"), np.load(folder / "X.npy")
    X[:3] += 50.0
    np.save(tmp_path / "X.npy", X)
    middle = float(np.median(stats.entropy(estimator.predict_proba(X), axis=1)))
    ambiguous, novel = estimator.is_ambiguous(X, middle), estimator.is_novel(X, 20)
    assert {*ambiguous} == {*novel} == {False, True}
    flags = ["--ambiguous", middle, "--novel", 20]
    header, rows = rows_of(gmvae("predict", run, tmp_path / "X.npy", *flags).stdout)
    assert header == ["row", "label", "ambiguous", "novel"]
    np.testing.assert_array_equal(rows[:, 1:], np.stack([estimator.predict(X), ambiguous, novel], axis=1))
    gmvae("predict", run, tmp_path / "X.npy", "--proba", *flags, "-o", tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet").to_pandas()
    assert list(table) == ["row", "label", "p_0", "p_1", "p_2", "ambiguous", "novel"]
    np.testing.assert_array_equal(table[["ambiguous", "novel"]], np.stack([ambiguous, novel], axis=1))
    gmvae("predict", run, tmp_path / "X.npy", "--novel", 20, "-o", tmp_path / "n.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "n.npy"), novel)


def test_flags_have_their_limits(folder, run, tmp_path):
    for wrong in (["--novel", 101], ["--ambiguous", -1]):
        assert wrong[0] in gmvae("predict", run, folder / "X.npy", *wrong, code=2).stderr
    tensors, document = persistence.read(run / "model.safetensors", "model")
    del document["held_out_log_likelihoods"]
    persistence.write(tmp_path / "old", "model", tensors, document)
    said = refused("predict", tmp_path / "old", folder / "X.npy", "--novel", 1, "-o", tmp_path / "out.csv")
    assert "must know the densities of rows that were held out of its fit" in said
    assert not (tmp_path / "out.csv").exists()
    gmvae("predict", tmp_path / "old", folder / "X.npy", "--ambiguous", 0.5)


def test_columns_are_found_by_name(folder, run, tmp_path):
    turned = gmvae("predict", run, folder / "turned.csv", "--proba").stdout
    assert turned == gmvae("predict", run, folder / "blobs.csv", "--proba").stdout
    (tmp_path / "short.csv").write_text("a,b,c\n1,2,3\n")
    assert "it lacks d: add what is missing" in refused("predict", run, tmp_path / "short.csv")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "RUN", "images.npy"], "X must have observations of shape (4,) as in `fit`; got (1, 8, 8)"),
        (["predict", "RUN", "X.npy", "-o", "x.txt"], "`-o` must end in .csv, .parquet, .npy, .h5ad; got 'x.txt': "),
        (["predict", "RUN", "X.npy", "-o", "RUN.npy/x.csv"], "`-o` must be in a folder; "),
        (["predict", "RUN", "X.npy", "--proba", "--embedding", "-o", "x.npy"], "A .npy file must hold one array"),
        (
            ["predict", "RUN", "X.npy", "--ambiguous", "0", "--novel", "0", "-o", "x.npy"],
            "A .npy file must hold one array",
        ),
        (
            ["predict", "nowhere", "X.npy"],
            "`RUN` must be a run folder or a model file; 'nowhere' does not exist: check the name.",
        ),
        (
            ["predict", ".", "X.npy"],
            "must be a run folder; it has no model.safetensors: name one that `gmvae fit` made.",
        ),
        (["predict", "X.npy", "X.npy"], "`RUN` must be a run folder or a model file; got data, X.npy"),
        (["evaluate", "RUN", "X.npy"], "`--labels` must be given for X.npy"),
        (["sample", "RUN", "-o", "x.png"], "`-o` must end in .npy, .csv, .parquet; got 'x.png': change the ending."),
        (["sample", "RUN", "--component", "3"], "`component` must be "),
        (["sample", "IMAGES"], "`-o` must be given for images; got none: name a .npy or .png file."),
        (["data", "fetch", "nothing"], "The built-in set must be one of synthetic, digits"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(folder, run, image_run, monkeypatch, arguments, sentence):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    named = {"RUN": "run", "IMAGES": "images", "RUN.npy/x.csv": "X.npy/x.csv"}
    assert sentence in refused(*(named.get(argument, argument) for argument in arguments))
    assert sorted(folder.rglob("*")) == before


def test_evaluate_says_what_the_metrics_say(folder, run):
    estimator, X = GMVAE.load(run / "model.safetensors"), np.load(folder / "X.npy")
    with (folder / "blobs.csv").open() as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    scores = metrics.evaluate(kinds, estimator.predict_proba(X))._asdict()
    given = gmvae("evaluate", run, folder / "blobs.csv", "--labels", "kind", "--likelihood", "--json")
    document = json.loads(given.stdout)
    assert document.pop("log_likelihood") == pytest.approx(estimator.score(X), rel=1e-6)
    assert document == {"n": 240, **scores, "calibration_error": pytest.approx(scores["calibration_error"], abs=1e-6)}
    remembered = gmvae("evaluate", run, folder / "blobs.csv").stdout
    assert f"{scores['nmi']:.4f}" in remembered


def test_samples_are_the_models(folder, run, image_run, tmp_path):
    drawn, clusters = GMVAE.load(run / "model.safetensors").set_params(random_state=5).sample(7)
    header, rows = rows_of(gmvae("sample", run, "-n", 7, "--seed", 5).stdout)
    assert header == ["cluster", "a", "b", "c", "d"]
    np.testing.assert_array_equal(rows[:, 0], clusters)
    X = np.load(folder / "X.npy")  # rounded to three digits, which samples keep as they keep the range
    np.testing.assert_allclose(rows[:, 1:], np.clip(drawn, X.min(0), X.max(0)).round(3), atol=1e-9)
    images, _ = image_run
    estimator = GMVAE.load(images / "model.safetensors").set_params(random_state=0)
    gmvae("sample", images, "-n", 6, "--component", 2, "--mean", "-o", tmp_path / "s.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), estimator.sample(6, 2, mean=True)[0])
    for arguments, mean, said in (([], True, "These are means"), (["--no-mean"], False, "")):
        result = gmvae("sample", images, "-n", 6, "--component", 2, "-o", tmp_path / "s.npy", *arguments)
        assert result.stderr.startswith(said)
        assert bool(result.stderr) == bool(said)
        np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), estimator.sample(6, 2, mean=mean)[0])
    for arguments in ([], ["--component", 1, "-n", 7]):
        gmvae("sample", images, "--mean", "-o", tmp_path / "s.png", *arguments)
        assert np.asarray(Image.open(tmp_path / "s.png").convert("L")).std() > 20


def test_info_says_what_was_fitted(folder, run, image_run):
    document = json.loads(gmvae("info", run, "--json").stdout)
    estimator = GMVAE.load(run / "model.safetensors")
    labels = estimator.predict(np.load(folder / "X.npy"))
    assert document["cluster_sizes"] == np.bincount(labels, minlength=3).tolist()
    assert document["lower_bound_held_out"] == estimator.lower_bound_
    assert (document["source"], document["labels"]) == (str(folder / "blobs.csv"), "kind")
    assert (document["data_shape"], document["epochs"], document["config"]["latent_dim"]) == ([240, 4], 3, 3)
    text = gmvae("info", image_run[0]).stdout
    assert re.search(r"^data shape +200 8 8$", text, re.MULTILINE)
    assert re.search(r"^  n_components +4$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("digits", "digits"),
        ("mnist:test", "mnist-test"),
        ("data/table.csv.gz", "table"),
        ("a b.npz:X_train", "a-b-X_train"),
        ("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"),
        ("photos/", "photos"),
    ],
)
def test_runs_are_named_after_their_source(source, name):
    assert run_folder.name_of(source) == name


def test_rows_at_a_time_can_be_chosen(folder, run, tmp_path):
    for name, chosen in (("auto", []), ("seven", ["--batch-size", 7])):
        gmvae("predict", run, folder / "X.npy", "--proba", "-o", tmp_path / f"{name}.npy", *chosen)
    np.testing.assert_allclose(np.load(tmp_path / "seven.npy"), np.load(tmp_path / "auto.npy"), rtol=1e-4, atol=1e-7)
    wrong = gmvae("predict", run, folder / "X.npy", "--batch-size", 0, code=2)
    assert "--batch-size" in wrong.stderr


def test_info_needs_the_document_alone(folder, run, tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes((run / "model.safetensors").read_bytes())
    assert persistence.read_document(model, "model") == persistence.read(model, "model")[1]
    document = json.loads(gmvae("info", model, "--json").stdout)
    estimator = GMVAE.load(model)
    assert document["config"] == {**estimator.get_params(), "hidden_layer_sizes": [16], "verbose": 0}
    assert (document["epochs"], document["converged"]) == (3, estimator.converged_)
    assert document["cluster_shares"] == estimator.weights_.tolist()
    assert "must be a run folder or a model file; got data" in refused("info", folder / "X.npy")


def test_nothing_is_written_where_a_value_is_infinite(folder, run, tmp_path):
    X = np.load(folder / "X.npy")
    X[-1, 2] = np.inf
    np.save(tmp_path / "X.npy", X)
    assert refused("predict", run, tmp_path / "X.npy").startswith(
        "Error: X must hold finite numbers of at most 1e+150; got infinity at X[239, 2]"
    )
    assert "must hold finite numbers" in refused("predict", run, tmp_path / "X.npy", "-o", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_model_file_on_its_own_finds_columns_by_name(folder, tmp_path):
    """Away from its run folder, as one that was moved or made in Python."""
    table = tmp_path / "table.csv"
    rows = np.random.default_rng(0).normal(size=(60, 3)) * (1.0, 5.0, 25.0)
    np.savetxt(table, rows, delimiter=",", header="a,b,c", comments="")
    gmvae("fit", table, "-o", tmp_path / "run", "-k", 3, "--epochs", 3, *SMALL)
    (tmp_path / "run" / "model.safetensors").rename(tmp_path / "moved")
    other = tmp_path / "other.csv"
    np.savetxt(other, rows[:, [2, 0, 1]], delimiter=",", header="c,a,b", comments="")
    assert gmvae("predict", tmp_path / "moved", other).stdout == gmvae("predict", tmp_path / "moved", table).stdout
    np.savetxt(other, rows[:, :2], delimiter=",", header="a,b", comments="")
    assert "must have the columns of the training; it lacks c" in refused("predict", tmp_path / "moved", other)
    header = gmvae("sample", tmp_path / "moved", "-n", 2).stdout.splitlines()[0]
    assert header == "cluster,a,b,c"
