"""The hub's generic interface around our own file: to a folder and back, without a network."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from gmvae import GMVAE, ModelFileError, from_pretrained, push_to_hub, save_pretrained
from gmvae.integrations import hub

X = np.random.default_rng(0).normal(size=(120, 3)) + 4.0 * (np.arange(120) % 2)[:, None]


@pytest.fixture(scope="module")
def model() -> GMVAE:
    pytest.importorskip("huggingface_hub", reason="the extra gmvae[hub] is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GMVAE(2, latent_dim=2, hidden_layer_sizes=(16,), max_iter=2, random_state=0).fit(X)


def test_a_folder_holds_weights_parameters_and_a_card(model: GMVAE, tmp_path: Path) -> None:
    save_pretrained(model, tmp_path / "pair")
    again = from_pretrained(tmp_path / "pair", device="cpu")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert {path.name for path in (tmp_path / "pair").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert json.loads((tmp_path / "pair" / "config.json").read_text())["n_components"] == 2
    head, text = (tmp_path / "pair" / "README.md").read_text().split("---\n")[1:]
    assert "library_name: gmvae" in head
    assert "- clustering" in head
    assert f"{model.lower_bound_:.4g} nats per row" in text
    np.testing.assert_array_equal(GMVAE.load(tmp_path / "pair" / "model.safetensors").predict(X), model.predict(X))


def test_what_is_uploaded_is_what_a_folder_holds(model: GMVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    uploaded: dict[str, bytes] = {}

    def upload(self: HfApi, *, repo_id: str, folder_path: str | Path, **_: object) -> str:
        uploaded.update({f"{repo_id}/{path.name}": path.read_bytes() for path in Path(folder_path).iterdir()})
        return "https://example.org/commit"

    monkeypatch.setattr(HfApi, "create_repo", lambda self, repo_id, **_: type("Url", (), {"repo_id": repo_id}))
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    assert push_to_hub(model, "owner/pair", private=True) == "https://example.org/commit"
    save_pretrained(model, tmp_path)
    weights = "owner/pair/model.safetensors"  # of which the order of the header is not always the same
    expected = {f"owner/pair/{path.name}": path.read_bytes() for path in tmp_path.iterdir()}
    assert uploaded | {weights: b""} == expected | {weights: b""}
    (tmp_path / "uploaded").write_bytes(uploaded[weights])
    np.testing.assert_array_equal(GMVAE.load(tmp_path / "uploaded").predict_proba(X), model.predict_proba(X))


def test_a_folder_without_a_model_is_refused(model: GMVAE, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelFileError, match=r"model\.safetensors"):
        from_pretrained(tmp_path)


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    hub._model_class.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'gmvae\[hub\]'"):
        from_pretrained(tmp_path)
