"""ONNX: on new rows the graphs answer as PyTorch does, whatever the likelihood makes of observations."""

from __future__ import annotations

import copy
import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import special
from sklearn.datasets import load_digits
from torch import nn
from typer.testing import CliRunner

from gmvae import GMVAE
from gmvae.cli import app
from gmvae.fitted import onnx, onnx_operations
from gmvae.likelihoods import likelihood_for

pytestmark = pytest.mark.xdist_group("export")  # one worker makes the files, which takes longer than all else
SMALL: dict[str, Any] = {"latent_dim": 4, "hidden_layer_sizes": (32,), "batch_size": 50, "random_state": 0}


class Case(NamedTuple):
    """A fitted model, its files, a session on the graph, rows that the fit did not see, and what the graph answers."""

    model: GMVAE
    exported: onnx.Exported
    session: Any
    rows: NDArray[Any]
    answers: dict[str, NDArray[Any]]

    def ask(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {"X": rows}), strict=True))


def case(model: GMVAE, X: Any, asked: Any, folder: Path, novel: float | None = None, command: bool = False) -> Case:
    """Fit, and export by the method or by the command."""
    runtime = pytest.importorskip("onnxruntime", reason="the extra gmvae[onnx] is not installed")
    pytest.importorskip("onnxscript", reason="the extra gmvae[onnx] is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few epochs
        model.fit(X)
    if command:
        model.save(folder / "model.safetensors")
        run = CliRunner().invoke(app, ["export", str(folder / "model.safetensors"), "-o", str(folder / "model.onnx")])
        assert run.exit_code == 0, run.output
        assert "1,000 rows drawn from the model, largest difference" in run.stdout
        paths = [folder / f"model.{ending}" for ending in ("onnx", "decoder.onnx", "md")]
        exported = onnx.Exported(*paths, difference=0.0, n_rows=1000)
    else:
        exported = model.to_onnx(folder / "model.onnx", novel=novel)
    session = runtime.InferenceSession(exported.model)
    kind = {"tensor(double)": np.float64, "tensor(uint8)": np.uint8}[session.get_inputs()[0].type]
    found = Case(model, exported, session, np.asarray(model._rows(asked)).astype(kind), {})
    return found._replace(answers=found.ask(found.rows))


def table(n: int, seed: int) -> pd.DataFrame:
    """Three clusters: numbers, heavy tails, categories, answers, counts, mostly zeros; a tenth of them missing."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "size": 1e6 + 3.0 * cluster + rng.normal(size=n),
            "amount": np.exp(2.0 * cluster + rng.normal(size=n)),
            "colour": pd.Series(np.array(["red", "green", "blue", "grey"])[(cluster + rng.integers(0, 2, n)) % 4]),
            "member": pd.Series(np.where(rng.random(n) < 0.2 + 0.3 * cluster, "yes", "no")),
            "visits": rng.poisson(1.0 + 5.0 * cluster).astype(float),
            "gain": np.where(rng.random(n) < 0.7, 0.0, rng.lognormal(cluster)),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Case:
    model = GMVAE(3, likelihood={"visits": "poisson", "gain": "hurdle"}, max_iter=5, **SMALL)
    X = table(600, 0)
    X = X[X.notna().any(axis=1)]
    return case(model, X, table(1000, 1), tmp_path_factory.mktemp("mixed"), novel=5.0)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Case:
    X = np.round(load_digits().images * 15).astype(np.uint8)
    model = GMVAE(5, batch_norm=True, max_iter=2, **SMALL)
    return case(model, X[:700], X[-1000:], tmp_path_factory.mktemp("images"), command=True)


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Case:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(12, 0.5), 3)[rng.integers(0, 3, 1600)]
    X = rng.poisson(shares * rng.lognormal(5.0, 1.0, (1600, 1)))
    X[:, 0] += 1
    X = pd.DataFrame(np.column_stack([X, rng.integers(0, 2, 1600)]).astype(float)).rename(columns=str)
    model = GMVAE(3, likelihood="negative-binomial", covariate="12", max_iter=5, **SMALL)
    return case(model, X[:600], X[600:], tmp_path_factory.mktemp("counts"), novel=5.0)


@pytest.fixture(scope="module")
def own_network(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """In float64, and of the user's own layers."""
    encoder = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.LayerNorm(16))
    decoder = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 6), nn.Unflatten(1, (2, 3)))
    X = np.random.default_rng(0).normal(size=(1300, 3)) * [1.0, 1e-3, 1e5]
    model = GMVAE(2, network=(encoder, decoder), precision="64-true", max_iter=2, **SMALL)
    return case(model, X[:300], X[300:], tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("name", ["mixed", "images", "counts", "own_network"])
def test_a_graph_answers_as_pytorch_does(name: str, request: pytest.FixtureRequest) -> None:
    found: Case = request.getfixturevalue(name)
    model, rows, answers = found.model, found.rows, found.answers
    assert len(rows) == 1000
    np.testing.assert_array_equal(answers["label"], model.fitted_.labels(rows))
    np.testing.assert_allclose(answers["proba"], model.fitted_.proba(rows), atol=1e-5)
    np.testing.assert_allclose(answers["embedding"], model.fitted_.embedding(rows), atol=1e-5)
    entropy = special.entr(model.fitted_.proba(rows)).sum(1)
    clear = np.abs(entropy - 0.5) > 1e-4
    np.testing.assert_array_equal(answers["ambiguous"][clear], entropy[clear] > 0.5)
    assert clear.sum() > 0
    for n in (1, 7):
        np.testing.assert_allclose(found.ask(rows[:n])["proba"], answers["proba"][:n], atol=1e-6)


@pytest.mark.parametrize("name", ["mixed", "counts"])
def test_a_graph_says_what_is_novel(name: str, request: pytest.FixtureRequest) -> None:
    found: Case = request.getfixturevalue(name)
    np.testing.assert_allclose(
        found.answers["log_likelihood"], found.model.fitted_.novelty_log_evidence(found.rows), rtol=1e-4
    )
    novel = found.model.fitted_.novel(found.rows, 5.0)
    assert (found.answers["novel"] != novel).mean() <= 0.001
    assert 0.0 < novel.mean() < 0.2


@pytest.mark.parametrize("name", ["mixed", "images", "counts", "own_network"])
def test_the_decoder_gives_observations(name: str, request: pytest.FixtureRequest) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra gmvae[onnx] is not installed")
    found: Case = request.getfixturevalue(name)
    latents = 3.0 * np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    (mean,) = runtime.InferenceSession(found.exported.decoder).run(["mean"], {"embedding": latents})
    expected = found.model.fitted_.decode(latents)
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-4 * expected.std())


def test_rows_without_values_unknown_levels_and_refused_values(mixed: Case) -> None:
    rows = np.repeat(mixed.rows[:1], 6, axis=0)
    rows[0] = np.nan
    rows[1, 2], rows[2, 2], rows[3, 2] = 4.0, 0.5, np.nan  # levels are 0 to 3
    rows[4, 0], rows[5, 4] = np.inf, -1.0
    answers = mixed.ask(rows)
    np.testing.assert_allclose(answers["proba"][0], mixed.model.fitted_.proba(rows[:1])[0], atol=1e-6)
    np.testing.assert_allclose(answers["embedding"][0], mixed.model.fitted_.embedding(rows[:1])[0], atol=1e-6)
    np.testing.assert_array_equal(answers["proba"][1:3], answers["proba"][[3, 3]])
    assert answers["label"][4:].tolist() == [-1, -1]
    assert np.isnan(answers["proba"][4:]).all()
    assert not answers["novel"][4:].any()
    assert answers["label"][:4].min() >= 0


def test_counts_of_nothing_are_refused(counts: Case) -> None:
    rows = counts.rows[:5].copy()
    rows[0, :12], rows[1, 0], rows[2, 12], rows[3, 12] = 0.0, np.nan, 2.0, np.nan  # batches are 0 and 1
    labels = counts.ask(rows)["label"]
    assert labels[:4].tolist() == [-1, -1, -1, -1]
    assert labels[4] == counts.model.fitted_.labels(counts.rows[:5])[4]


def test_one_file_of_a_known_opset_tells_of_its_columns(mixed: Case) -> None:
    package = pytest.importorskip("onnx", reason="the extra gmvae[onnx] is not installed")
    assert sorted(path.name for path in mixed.exported.model.parent.iterdir()) == [
        "model.decoder.onnx",
        "model.md",
        "model.onnx",
    ]
    for path in mixed.exported[:2]:
        proto = package.load(path, load_external_data=False)
        package.checker.check_model(proto)
        assert [each.version for each in proto.opset_import if each.domain == ""] == [18]
    facts = json.loads(mixed.session.get_modelmeta().custom_metadata_map["gmvae"])
    colour = facts["columns"]["columns"][2]
    assert colour["name"] == "colour"
    encoded = np.array([colour["levels"].index(level) for level in ("red", "grey")])
    asked = table(1000, 1)["colour"]
    np.testing.assert_array_equal(mixed.rows[asked.isin(["red"]).to_numpy(), 2], encoded[0])
    assert facts["novel"] == 5.0


def test_the_card_shows_how_to_ask(mixed: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    text = mixed.exported.card.read_text(encoding="utf-8")
    assert "| 2 | colour | codes from 0, for `blue`, `green`, `grey`, `red` |" in text
    assert f"{mixed.model.lower_bound_:.4g} nats per row" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(mixed.exported.model.parent)
    names: dict[str, Any] = {}
    exec(code, names)
    np.testing.assert_array_equal(names["label"], mixed.model.fitted_.labels(np.zeros((1, 6))))


def test_the_program_of_the_docs_reads_a_table(mixed: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    asked = table(200, 2)
    asked.loc[0, "colour"] = "violet"
    (tmp_path / "model.onnx").symlink_to(mixed.exported.model)
    header, rows = asked.to_csv(index=False).split("\n", 1)
    (tmp_path / "table.csv").write_text(f"{header}\n{rows.replace(',', ', ')}")  # blanks around cells do not matter
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    with pytest.warns(UserWarning, match="violet"):
        np.testing.assert_array_equal(names["label"], mixed.model.predict(asked))


def test_the_command_refuses_other_endings(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["export", str(tmp_path / "model.safetensors"), "-o", str(tmp_path / "table.pt")])
    assert run.exit_code == 2
    assert "must end in .onnx" in run.stderr


def test_what_cannot_be_exported_is_refused(own_network: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Depends(nn.Module):
        def forward(self, y: torch.Tensor) -> torch.Tensor:
            return y if y.sum() > 0 else -y

    model = copy.deepcopy(own_network.model)
    recognition = model.fitted_.model.recognition
    recognition.encoder = nn.Sequential(Depends(), recognition.encoder)
    with pytest.raises(ValueError, match="`network` must hold modules that"):
        model.to_onnx(tmp_path / "model.onnx")
    with monkeypatch.context() as patch:
        patch.setattr("gmvae.fitted.onnx.LARGEST_FILE", 100)
        with pytest.raises(ValueError, match="smaller than 2 GiB"):
            own_network.model.to_onnx(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"must end in \.onnx"):
        own_network.model.to_onnx(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="`above` must be a number of nats"):
        own_network.model.to_onnx(tmp_path / "model.onnx", ambiguous=-1.0)
    assert not list(tmp_path.iterdir())


def test_without_onnx_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GMVAE(2, max_iter=1, **SMALL).fit(np.random.default_rng(0).normal(size=(60, 2)))
    with pytest.raises(ValueError, match=r"pip install 'gmvae\[onnx\]'"):
        model.to_onnx(tmp_path / "model.onnx")


def test_a_file_that_answers_otherwise_is_not_kept(own_network: Case) -> None:
    rows = own_network.rows[:20]
    proba = own_network.model.fitted_.proba(rows)
    graph = onnx.Graph(nn.Identity(), "X", ("label", "proba", "embedding", "ambiguous"), rows, {"proba": proba})
    assert onnx.difference(own_network.exported.model, graph) < 1e-5
    with pytest.raises(ValueError, match=r"must answer as PyTorch does; got differences of 0\.01"):
        onnx.difference(own_network.exported.model, graph._replace(expected={"proba": proba + 0.01}))


def test_operations_are_those_of_scipy() -> None:
    x = np.concatenate([np.geomspace(1e-12, 1e150, 500), np.geomspace(1e-3, 1e3, 500)])
    x = np.concatenate([x, -x, [0.0]])
    np.testing.assert_allclose(onnx_operations.asinh(torch.from_numpy(x)), np.arcsinh(x), rtol=1e-14, atol=1e-15)
    y = np.linspace(-300.0, 300.0, 1001)
    np.testing.assert_allclose(onnx_operations.sinh(torch.from_numpy(y)), np.sinh(y), rtol=1e-13, atol=1e-15)
    z = np.concatenate([np.geomspace(1e-4, 1e16, 2000), np.arange(1.0, 50.0)])
    np.testing.assert_allclose(onnx_operations.lgamma(torch.from_numpy(z)), special.gammaln(z), rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("choice", ["bernoulli", "gaussian", "poisson", "hurdle", "mixed"])
def test_values_are_refused_alike_by_arrays_and_tensors(choice: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (200, 3)).astype(float) * [2 if choice == "mixed" else 1, 1, 1]
    kinds = ["categorical", None, "bernoulli"] if choice == "mixed" else None
    likelihood = likelihood_for("gaussian" if choice == "mixed" else choice, rows, kinds=kinds)
    asked = rng.choice([0.0, 1.0, 0.5, 1.4, 1.6, 2.0, -0.4, -1.0, 1e13, -1e13, 1e16, np.inf], (500, 3))
    within = likelihood.within(torch.from_numpy(asked)).numpy()
    np.testing.assert_array_equal(within, likelihood.valid(asked))
    assert 0 < within.sum() < within.size
