"""Files that are damaged, foreign or hostile: one named error, or the same answers."""

from __future__ import annotations

import ast
import copy
import io
import json
import pickle
import random
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from test_persistence import small
from torch import Tensor, nn
from typer.testing import CliRunner

import gmvae
from gmvae import GMVAE, ModelFileError, persistence
from gmvae.cli import app

FORMATS = Path(__file__).with_name("formats")
NAMES = [f"{version}-{family}" for version in (1, 2, 3) for family in ("gaussian", "bernoulli")]

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)


def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 4))


def file_of(name: str) -> Path:
    return FORMATS / f"{name}.safetensors"


def said_of(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((FORMATS / f"{name}.json").read_text())
    return said


# ---------------------------------------------------------------- formats of every release


@pytest.mark.parametrize("name", NAMES)
def test_files_of_every_format_answer_as_when_they_were_written(name: str, tmp_path: Path) -> None:
    said = said_of(name)
    X = np.array(said["X"])
    model = GMVAE.load(file_of(name), device="cpu")
    for _ in range(2):
        np.testing.assert_allclose(model.predict_proba(X), said["predict_proba"], atol=1e-5)
        np.testing.assert_allclose(model.transform(X), said["transform"], rtol=1e-4, atol=1e-5)
        # Since then no sample counts for more than all others, which lowers the density of a row that rested on one.
        density, as_written = model.score_samples(X), np.array(said["score_samples"])
        same = np.isclose(density, as_written, rtol=1e-4, atol=1e-4)
        assert same.mean() >= 0.9
        assert (density[~same] < as_written[~same]).all()
        np.testing.assert_allclose(model.weights_, said["weights_"])
        assert (model.lower_bound_, model.n_iter_) == (said["lower_bound_"], said["epochs"])
        model.save(tmp_path / "again")
        model = GMVAE.load(tmp_path / "again", device="cpu")
    assert file_of(name).stat().st_size < 100 * 1024


# ---------------------------------------------------------------- damage


def flip(content: bytearray, rng: random.Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def overwrite(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content))
    for at in range(start, min(start + rng.randint(1, 64), len(content))):
        content[at] = rng.choice((0, 255, rng.randrange(256)))


def cut(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def remove(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content))
    del content[start : start + rng.choice((1, 8, 64))]


def insert(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    content[start:start] = rng.randbytes(rng.choice((1, 8, 64)))


def swap(content: bytearray, rng: random.Random) -> None:
    one, other = sorted(rng.sample(range(len(content) - 8), 2))
    content[one : one + 8], content[other : other + 8] = content[other : other + 8], content[one : one + 8]


def digit(content: bytearray, rng: random.Random) -> None:
    """Another digit in the header: sizes, offsets, versions, numbers."""
    (length,) = struct.unpack("<Q", content[:8])
    digits = [at for at in range(8, min(8 + length, len(content))) if chr(content[at]).isdigit()]
    if digits:
        content[rng.choice(digits)] = ord(rng.choice("0123456789-e."))


def letter(content: bytearray, rng: random.Random) -> None:
    """Another character in the header: names, brackets, commas."""
    (length,) = struct.unpack("<Q", content[:8])
    if 0 < length < len(content) - 8:
        content[8 + rng.randrange(length)] = rng.randrange(32, 127)


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip,
    overwrite,
    cut,
    remove,
    insert,
    swap,
    digit,
    letter,
]


def mutated(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        if len(changed) > 16:
            rng.choice(MUTATIONS)(changed, rng)
    return bytes(changed)


@pytest.mark.parametrize("n", [400, pytest.param(12_000, marks=pytest.mark.slow)])  # slow: 10 ms each
def test_a_damaged_model_answers_alike_or_is_refused(n: int, tmp_path: Path, tally: Any) -> None:
    rng = random.Random(n)
    path = tmp_path / "model.safetensors"
    wholes = {name: file_of(name).read_bytes() for name in NAMES if name.startswith("2")}
    expected = {name: GMVAE.load(file_of(name)).predict_proba(np.array(said_of(name)["X"])) for name in wholes}
    refused = 0
    for _ in range(n):
        name = rng.choice(list(wholes))
        path.write_bytes(mutated(wholes[name], rng))
        try:
            model = GMVAE.load(path, device="cpu")
        except ModelFileError:
            refused += 1
        else:
            assert np.array_equal(model.predict_proba(np.array(said_of(name)["X"])), expected[name])
    assert refused > 0.9 * n, "what is damaged is refused, but for the rare change that means nothing"
    tally("model files mutated", n)


@pytest.mark.parametrize("n", [200, pytest.param(4_000, marks=pytest.mark.slow)])  # slow: 10 ms each
def test_an_earlier_damaged_model_loads_or_is_refused(n: int, tmp_path: Path, tally: Any) -> None:
    """Version 1 has no checksum: other numbers may pass, but never another error."""
    rng = random.Random(n)
    path, refused = tmp_path / "model.safetensors", 0
    for _ in range(n):
        path.write_bytes(mutated(file_of(rng.choice(NAMES[:2])).read_bytes(), rng))
        try:
            GMVAE.load(path, device="cpu")
        except ModelFileError:
            refused += 1
    assert refused > 0.3 * n
    tally("model files of version 1 mutated", n)


def run_of(folder: Path) -> Path:
    small().fit(points(), run_dir=folder)
    return folder / "checkpoints" / "restart-0.safetensors"


@pytest.mark.parametrize("n", [100, pytest.param(2_000, marks=pytest.mark.slow)])  # slow: 30 ms each
def test_a_damaged_checkpoint_is_refused(n: int, tmp_path: Path, tally: Any) -> None:
    rng = random.Random(n)
    path = run_of(tmp_path)
    whole = path.read_bytes()
    for _ in range(n):
        path.write_bytes(mutated(whole, rng))
        try:
            tensors, text = persistence.read(path, "checkpoint")
        except ModelFileError:
            with pytest.raises(ModelFileError, match=r"^`path` must (be an? .*checkpoint file|have one of)"):
                small().fit(points(), run_dir=tmp_path, resume=True)
        else:
            (tmp_path / "whole").write_bytes(whole)
            expected, same = persistence.read(tmp_path / "whole", "checkpoint")
            assert text == same
            assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    tally("checkpoints mutated", n)


# ---------------------------------------------------------------- hostile, with a checksum that is right


Forgery = Callable[[dict[str, Any], dict[str, Tensor]], object]


def forged(target: Path, change: Forgery) -> Path:
    """A model file that says what its forger wants, and has the checksum for it."""
    tensors, document = persistence.read(file_of("2-bernoulli"), "model")
    change(document, tensors)
    persistence.write(target, "model", tensors, document)
    return target


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        GMVAE.load(path)
    with pytest.raises(ModelFileError):
        gmvae_document(path)
    return str(caught.value)


def gmvae_document(path: Path) -> object:
    from gmvae.fitted.fitted import Fitted

    return Fitted.load(path)


JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    2,
    1e308,
    2**62,
    10**400,
    "",
    "x",
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
    [None],
    ["x"],
]
JUNK += [[1, 2, 3], [10**400], float("nan"), float("inf"), [float("nan")] * 3, [[1.0] * 11], [[0] * 10]]


def entries(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The address of everything in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*at, key)
        yield from entries(each, (*at, key))


@pytest.mark.parametrize("name", NAMES[2:])
@pytest.mark.parametrize("n", [60, pytest.param(10**6, marks=pytest.mark.slow)])  # slow: all, 30 ms each
def test_a_document_with_wrong_entries_loads_or_is_refused(n: int, name: str, tmp_path: Path, tally: Any) -> None:
    """Every entry, at every depth, in turn left out and replaced by every kind of junk."""
    tensors, document = persistence.read(file_of(name), "model")
    X = np.array(said_of(name)["X"])
    path = tmp_path / "model.safetensors"
    cases = [(way, junk) for way in entries(document) for junk in [*JUNK, KeyError]]
    for (*way, last), junk in random.Random(n).sample(cases, min(n, len(cases))):
        changed = copy.deepcopy(document)
        place = changed
        for key in way:
            place = place[key]
        if junk is KeyError:
            del place[last]
        else:
            place[last] = junk
        persistence.write(path, "model", tensors, changed)
        try:
            model = GMVAE.load(path, device="cpu")
        except ModelFileError:
            pass
        else:
            model.predict_proba(X)
        result = CliRunner().invoke(app, ["info", str(path)])
        assert result.exit_code in (0, 2), (way, last, junk, result.exception)
    tally("documents with one false entry", min(n, len(cases)))


@pytest.mark.parametrize("entry", ["parameters", "likelihood", "event_shape", "n_features_in", "history", "weights"])
def test_a_missing_entry_is_named(entry: str, tmp_path: Path) -> None:
    path = forged(tmp_path / "f", lambda document, _: document.pop(entry))
    assert f"`{entry}` in it" in refusal(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "NaN", "[]", '"x"', "", "{", '{"a":'])
def test_a_document_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    tensors, _ = persistence.read(file_of("1-bernoulli"), "model")
    metadata = {"format": "gmvae-model", "format_version": "1", "document": text}
    path.write_bytes(save(tensors, metadata))
    assert "must be a whole model file" in refusal(path)
    result = CliRunner().invoke(app, ["info", str(path)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


MESSAGES: dict[str, tuple[Forgery, str]] = {
    "missing": (lambda _, t: t.pop("recognition.output.bias"), "recognition.output.bias is missing"),
    "left over": (lambda _, t: t.update(more=torch.zeros(2)), "more is left over"),
    "shape": (lambda _, t: t.update({"recognition.output.bias": torch.zeros(3)}), "must have shape (6,)"),
    "type": (
        lambda _, t: t.update({"recognition.output.bias": torch.zeros(6, dtype=torch.complex64)}),
        "not shape (6,) and type torch.complex64",
    ),
    "NaN": (lambda _, t: t["recognition.output.bias"].fill_(float("nan")), "its weights are not all finite"),
    "infinite": (lambda _, t: t["recognition.output.bias"].fill_(float("-inf")), "its weights are not all finite"),
    "empty": (lambda _, t: t.clear(), "1 hidden layers cannot come from 0 tensors"),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_weights_that_do_not_fit_have_their_own_sentence(case: str, tmp_path: Path) -> None:
    change, sentence = MESSAGES[case]
    assert sentence in refusal(forged(tmp_path / "f", change))


def test_a_foreign_checksum_is_refused(tmp_path: Path) -> None:
    content = file_of("2-gaussian").read_bytes()
    (tmp_path / "f").write_bytes(content[:-8] + struct.pack("<d", 1.0))
    assert "must be an undamaged model file" in refusal(tmp_path / "f")
    without = content.replace(b'"sha256"', b'"sha255"')
    (tmp_path / "f").write_bytes(without)
    assert "must be an undamaged model file" in refusal(tmp_path / "f")


# ---------------------------------------------------------------- memory

LIES: dict[str, dict[str, Any]] = {
    "event_shape": {"event_shape": [10**9], "n_features_in": 10**9},
    "an image": {"event_shape": [1, 10**6, 10**6], "n_features_in": 10**12},
    "n_components": {"n_components": 10**9},
    "latent_dim": {"latent_dim": 10**9},
    "style_dim": {"style_dim": 10**9},
    "hidden_layer_sizes": {"hidden_layer_sizes": [10**6] * 4},
    "layers": {"hidden_layer_sizes": [1] * 100_000},
    "overflowing": {"hidden_layer_sizes": [2**62, 2**62]},
    "beyond 64 bits": {"latent_dim": 10**30},
    "conv": {"event_shape": [1, 10**6, 10**6], "n_features_in": 10**12, "network": "conv"},
}

LIMITED = """
import resource, sys
import torch
from gmvae.fitted.fitted import Fitted
from gmvae import ModelFileError
soft = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 2**27
resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
for path in sys.argv[1:]:
    try:
        Fitted.load(path, device="cpu")
    except ModelFileError as error:
        print(str(error)[:300])
    else:
        sys.exit(f"{path} was read")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_a_file_that_lies_about_sizes_takes_no_memory(tmp_path: Path, tally: Any) -> None:
    """All are read by a process that may take 128 MiB more than it has; what they claim would take gigabytes."""
    paths = []
    for case, lie in LIES.items():

        def change(document: dict[str, Any], _: Any, lie: dict[str, Any] = lie) -> None:
            for name, value in lie.items():
                (document if name in document else document["parameters"])[name] = value
            if "n_components" in lie:
                document["weights"] = [1.0] * 3

        paths.append(forged(tmp_path / case, change))
    for case, (shape, end) in {"shape": ([2**40], 32), "offsets": ([8], 2**50), "both": ([2**40], 2**42)}.items():
        content = file_of("1-bernoulli").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        name = next(name for name in header if name != "__metadata__")
        start = header[name]["data_offsets"][0]
        header[name].update(shape=shape, data_offsets=[start, start + end])
        text = json.dumps(header).encode()
        paths.append(tmp_path / f"header {case}")
        paths[-1].write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    paths.append(tmp_path / "header length")
    paths[-1].write_bytes(struct.pack("<Q", 2**62) + file_of("1-bernoulli").read_bytes()[8:])
    result = subprocess.run([sys.executable, "-c", LIMITED, *paths], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == len(paths)
    assert "llocat" not in result.stdout, "memory was asked for, and only the limit kept it"
    tally("files that lie about their sizes", len(paths))


def test_a_limit_on_memory_is_felt(tmp_path: Path) -> None:
    """The test above could fail: 512 MiB are refused under its limit."""
    code = LIMITED.replace('Fitted.load(path, device="cpu")', "torch.ones(2**27)")
    result = subprocess.run([sys.executable, "-c", code, "f"], capture_output=True, text=True, timeout=120)
    assert result.returncode != 0
    assert "allocate memory" in result.stderr


def test_a_document_may_lie_about_modules_of_the_users_own(tmp_path: Path) -> None:
    def pair() -> tuple[nn.Module, nn.Module]:
        return nn.Sequential(nn.Linear(4, 5)), nn.Sequential(nn.Linear(2, 8), nn.Unflatten(1, (2, 4)))

    fitted = small(network=pair()).fit(points())
    fitted.save(tmp_path / "f")
    loaded = GMVAE.load(tmp_path / "f", network=pair(), device="cpu")
    assert np.array_equal(loaded.predict_proba(points()), fitted.predict_proba(points()))
    tensors, document = persistence.read(tmp_path / "f", "model")
    for name, value in (("n_components", 10**9), ("style_dim", 10**9), ("hidden_layer_sizes", [10**9])):
        changed = {**document, "parameters": {**document["parameters"], name: value}}
        persistence.write(tmp_path / "f", "model", tensors, changed)
        with pytest.raises(ModelFileError):
            GMVAE.load(tmp_path / "f", network=pair())


# ---------------------------------------------------------------- checkpoints and run folders


@pytest.mark.parametrize("n", [60, pytest.param(10**6, marks=pytest.mark.slow)])  # slow: all, 30 ms each
def test_a_checkpoint_with_wrong_entries_is_refused(n: int, tmp_path: Path, tally: Any) -> None:
    path = run_of(tmp_path)
    tensors, document = persistence.read(path, "checkpoint")
    cases: list[tuple[str, Any]] = []
    for entry in ("scalars", "history", "data"):
        inner = json.loads(document[entry]) if entry != "data" else None
        hostile = [*JUNK, *(json.dumps(junk) for junk in JUNK), "[" * 100_000, KeyError]
        if isinstance(inner, dict):
            hostile += [json.dumps({**inner, name: junk}) for name in inner for junk in JUNK if junk != inner[name]]
        cases += [(entry, junk) for junk in hostile]
    for entry, junk in random.Random(n).sample(cases, min(n, len(cases))):
        changed = {name: value for name, value in document.items() if name != entry or junk is not KeyError}
        changed.update({} if junk is KeyError else {entry: junk})
        persistence.write(path, "checkpoint", tensors, changed)
        try:
            small().fit(points(), run_dir=tmp_path, resume=True)
        except ModelFileError:
            assert entry != "data"
        except ValueError:
            assert entry == "data"
    tally("checkpoints with one false entry", min(n, len(cases)))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("generator"),
        lambda t: t.update(generator=t["generator"].float()),
        lambda t: t.update(generator=torch.zeros_like(t["generator"])),
        lambda t: t.update(generator=t["generator"][:-1].clone()),
        lambda t: t.pop("best/recognition.output.bias"),
        lambda t: t.pop("network/recognition.output.bias"),
        lambda t: t.update({"optimizer/99/step": torch.zeros(())}),
        lambda t: t.update({"optimizer/-1/step": torch.zeros(())}),
        lambda t: t.update({"optimizer/x": torch.zeros(())}),
        lambda t: t.pop("optimizer/0/exp_avg"),
        lambda t: t.update({"optimizer/0/exp_avg": torch.zeros(1)}),
    ],
)
def test_a_checkpoint_with_wrong_tensors_is_refused(
    change: Callable[[dict[str, Tensor]], object], tmp_path: Path
) -> None:
    path = run_of(tmp_path)
    tensors, document = persistence.read(path, "checkpoint")
    document["scalars"] = document["scalars"].replace('"finished": true', '"finished": false')
    change(tensors)
    persistence.write(path, "checkpoint", tensors, document)
    with pytest.raises(ValueError, match="must be"):
        small().fit(points(), run_dir=tmp_path, resume=True)


def cli(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the command line that was broken off once its model was there: every file that a run can have."""
    folder = tmp_path_factory.mktemp("whole")
    np.save(folder / "X.npy", points())
    small = ["-k", 3, "--epochs", 2, "--set", "hidden_layer_sizes=8", "--set", "latent_dim=2", "--set", "init=random"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmvae.runs.fit_source.draw_run", lambda *_: [])
        patch.setattr("gmvae.runs.folder.RunFolder.finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli("fit", folder / "X.npy", "-o", folder / "run", "-q", *small).exit_code == 130
    return folder


FILES = ["model.safetensors", "config.json", "run.json", "history.csv", "assignments.parquet"]
FILES += ["checkpoints/restart-0.safetensors"]


class Planted:
    """A pickle that would leave a trace if it were opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def planted(trace: Path) -> list[bytes]:
    array, torched = io.BytesIO(), io.BytesIO()
    np.save(array, np.array([Planted(trace)], dtype=object), allow_pickle=True)
    torch.save({"weights": Planted(trace)}, torched)
    plain = pickle.dumps(Planted(trace))
    return [plain, pickle.dumps(Planted(trace), protocol=0), zlib.compress(plain), array.getvalue(), torched.getvalue()]


def ask_everything(run: Path, data: Path) -> Iterator[Any]:
    yield cli("info", run)
    yield cli("info", run, "--json")
    yield cli("predict", run, data, "-o", run.parent / "out.csv")
    yield cli("sample", run, "-o", run.parent / "out.csv")
    yield cli("fit", "-o", run, "--resume", "-q")


@pytest.mark.parametrize("file", FILES)
def test_a_pickle_in_place_of_a_file_is_not_run(
    file: str, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    monkeypatch.setattr("gmvae.runs.fit_source.draw_run", lambda *_: [])
    trace, n = tmp_path / "trace", 0
    pickle.loads(pickle.dumps(Planted(tmp_path / "sign")))
    assert (tmp_path / "sign").exists(), "the pickle would leave a trace"
    for content in planted(trace):
        run = tmp_path / f"run-{n}"
        shutil.copytree(whole_run / "run", run)
        (run / file).write_bytes(content)
        answers = list(ask_everything(run, whole_run / "X.npy"))
        assert {answer.exit_code for answer in answers} <= {0, 2}, [answer.exception for answer in answers]
        assert not any("Traceback" in answer.output for answer in answers)
        for answer in answers:
            if answer.exit_code == 2:
                assert answer.stderr.startswith("Error: ")
                assert len(answer.stderr.splitlines()) == 1
        assert not trace.exists()
        n += 1
    tally("pickles planted", n)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("n", [6, pytest.param(200, marks=pytest.mark.slow)])  # slow: 0.2 s each
def test_a_run_folder_with_a_damaged_file_is_answered(
    file: str, n: int, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Any
) -> None:
    monkeypatch.setattr("gmvae.runs.fit_source.draw_run", lambda *_: [])
    rng = random.Random(zlib.crc32(file.encode()) + n)
    content = (whole_run / "run" / file).read_bytes()
    for index in range(n):
        run = tmp_path / f"run-{index}"
        shutil.copytree(whole_run / "run", run)
        (run / file).write_bytes(b"" if index == 0 else mutated(content, rng))
        for answer in ask_everything(run, whole_run / "X.npy"):
            assert answer.exit_code in (0, 2), (answer.stderr, answer.exception)
            assert answer.exit_code == 0 or len(answer.stderr.splitlines()) == 1, answer.stderr
        shutil.rmtree(run)
    tally("run folders with one damaged file", n)


# ---------------------------------------------------------------- the source

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "joblib", "marshal", "shelve", "dill", "cloudpickle"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_CALLS = {"torch.load", "torch.save", "pandas.read_pickle", "np.fromregex", "yaml.load", "os.system"}


def dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return ".".join([node.id, *parts]) if isinstance(node, ast.Name) else ".".join(["?", *parts])


def dangers(source: str) -> list[str]:
    """What a module could run foreign code by."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.split(".")[0] in FORBIDDEN_MODULES:
                found.append(module)
            found += [f"{module}.{each.name}" for each in node.names if f"{module}.{each.name}" in FORBIDDEN_CALLS]
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in FORBIDDEN_NAMES or name in FORBIDDEN_CALLS:
                found.append(name)
            if name.split(".")[-1] in ("load", "open_memmap", "memmap", "NpzFile") or "np.load" in name:
                found += [
                    f"{name}(allow_pickle)"
                    for keyword in node.keywords
                    if keyword.arg == "allow_pickle"
                    and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
                ]
                if name in ("np.load", "numpy.load") and not any(k.arg == "allow_pickle" for k in node.keywords):
                    found.append(f"{name} without allow_pickle=False")
            if any(k.arg == "weights_only" for k in node.keywords):
                found.append(f"{name}(weights_only)")
            if any(k.arg == "shell" for k in node.keywords):
                found.append(f"{name}(shell)")
    return found


def test_nothing_in_the_source_runs_what_a_file_says(tally: Any) -> None:
    sources = list(Path(gmvae.__file__).parent.rglob("*.py"))
    assert len(sources) > 100
    found = {str(path): dangers(path.read_text(encoding="utf-8")) for path in sources}
    assert {path: names for path, names in found.items() if names} == {}
    tally("source files scanned for pickle and its like", len(sources))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle as j",
        "from marshal import loads",
        "from torch import load",
        "import torch\ntorch.load('f')",
        "np.load('f', allow_pickle=True)",
        "np.load('f')",
        "x = eval('1')",
        "def f():\n    exec('1')",
        "import shelve",
        "__import__('pickle')",
        "subprocess.run('ls', shell=True)",
    ],
)
def test_the_scan_sees_what_it_looks_for(source: str) -> None:
    assert dangers(source)
    assert not dangers("import json\nnp.load('f', allow_pickle=False)\nmodel.eval()\ntorch.compile(model)\n")
