"""One safetensors file: it comes back whole, says clearly when it is not ours, and never runs code."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import gmvae.persistence
from gmvae import GMVAE, ModelFileError
from gmvae.persistence import FORMAT_VERSION, Kind, read, write

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b/c": torch.tensor([1, 2], dtype=torch.uint8)}
DOCUMENT = {"name": "µ", "numbers": [1, 2.5, None], "nested": {"yes": True}}

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)


def small(**changed: Any) -> GMVAE:
    parameters = {
        "n_components": 3,
        "latent_dim": 2,
        "style_dim": 1,
        "hidden_layer_sizes": (8,),
        "max_iter": 2,
        "init": "random",
        "random_state": 0,
        "device": "cpu",
    }
    return GMVAE(**{**parameters, **changed})


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 4))


@pytest.fixture(scope="module")
def model_file(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    small().fit(rows).save(path)
    return path


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and body of a safetensors file, by its specification."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_metadata(path: Path, target: Path, **changed: str | None) -> Path:
    """A copy whose metadata are changed; None drops an entry."""
    header, body = parts(path)
    metadata = {**header["__metadata__"], **changed}
    header["__metadata__"] = {name: value for name, value in metadata.items() if value is not None}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return target


# ---------------------------------------------------------------- whole


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_round_trip(tmp_path: Path, kind: Kind) -> None:
    write(tmp_path / "f", kind, TENSORS, DOCUMENT)
    tensors, document = read(tmp_path / "f", kind)
    assert document == DOCUMENT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype


def test_header_names_its_versions(tmp_path: Path) -> None:
    write(tmp_path / "f", "model", TENSORS, DOCUMENT)
    metadata = parts(tmp_path / "f")[0]["__metadata__"]
    assert metadata["format"] == "gmvae-model"
    assert metadata["format_version"] == str(FORMAT_VERSION)
    assert metadata["torch_version"] == version("torch")
    assert metadata["gmvae_version"] == gmvae.__version__


def test_any_layout_can_be_written(tmp_path: Path) -> None:
    """Views, transposes, parameters and tensors that share memory, such as tied weights."""
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    tensors: dict[str, Tensor] = {"one": weight, "two": weight, "transposed": weight.T, "part": weight[:, 1]}
    write(tmp_path / "f", "model", tensors, {})
    back = read(tmp_path / "f", "model")[0]
    for name, tensor in tensors.items():
        assert torch.equal(back[name], tensor)


def test_model_file_holds_no_pickle(model_file: Path, tmp_path: Path) -> None:
    header, body = parts(model_file)
    spans = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    assert sum(end - start for start, end in spans) == len(body), "nothing but the tensors follows the header"
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(model_file.read_bytes())
    write(tmp_path / "again", "model", *read(model_file, "model"))
    assert parts(tmp_path / "again") == (header, body)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failed_write_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    path = tmp_path / "f"
    write(path, "checkpoint", TENSORS, DOCUMENT)

    def stop(_: int) -> None:
        raise error

    monkeypatch.setattr("os.fsync", stop)
    with pytest.raises(error):
        write(path, "checkpoint", {}, {})
    assert read(path, "checkpoint")[1] == DOCUMENT
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


# ---------------------------------------------------------------- not ours, or not whole


def refusal(path: Path, kind: Kind = "model") -> str:
    with pytest.raises(ModelFileError) as caught:
        read(path, kind)
    assert str(path) in str(caught.value)
    assert str(caught.value).startswith("`path` must ")
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    assert "must be an existing model file" in refusal(tmp_path / "none.safetensors")
    assert "must be an existing checkpoint file" in refusal(tmp_path, "checkpoint")


@pytest.mark.parametrize("content", [b"", b"\0", b"not a model at all", b"\xff" * 100])
def test_not_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert "must be a model file in safetensors format" in refusal(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_truncated(model_file: Path, tmp_path: Path, share: float) -> None:
    path = tmp_path / "model.safetensors"
    content = model_file.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "could not be read" in refusal(path)
    with pytest.raises(ModelFileError):
        GMVAE.load(path)


class _Planted:
    """A pickle that would leave a trace if it were opened."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("dump", [pickle.dump, torch.save])
def test_planted_pickle_is_not_run(tmp_path: Path, dump: Any) -> None:
    path, trace = tmp_path / "model.safetensors", tmp_path / "trace"
    with path.open("wb") as file:
        dump(_Planted(trace), file)
    assert "safetensors format" in refusal(path)
    with pytest.raises(ModelFileError):
        GMVAE.load(path)
    assert not trace.exists()


def test_foreign_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    assert "says it is something else" in refusal(path)
    save_file(TENSORS, path, {"format": "pt"})
    assert "says it is pt" in refusal(path)


def test_checkpoint_is_no_model(rows: np.ndarray, tmp_path: Path, model_file: Path) -> None:
    small().fit(rows, run_dir=tmp_path)
    checkpoint = tmp_path / "checkpoints" / "restart-0.safetensors"
    assert "must be a model file of gmvae" in refusal(checkpoint)
    assert "says it is gmvae-checkpoint" in refusal(checkpoint)
    assert "says it is gmvae-model" in refusal(model_file, "checkpoint")
    with pytest.raises(ModelFileError, match="says it is gmvae-checkpoint"):
        GMVAE.load(checkpoint)


@pytest.mark.parametrize("version", ["0", "5", "99", "one"])
def test_another_version(model_file: Path, tmp_path: Path, version: str) -> None:
    path = with_metadata(model_file, tmp_path / "f", format_version=version, gmvae_version="9.9")
    message = refusal(path)
    assert f"must have one of the format versions 1, 2, 3, {FORMAT_VERSION}" in message
    assert f"has {version!r} (written by gmvae 9.9): install" in message


@pytest.mark.parametrize("document", [None, "", "{", "not json"])
def test_damaged_document(model_file: Path, tmp_path: Path, document: str | None) -> None:
    earlier = with_metadata(model_file, tmp_path / "f", document=document, format_version="1", sha256=None)
    assert "must be a whole model file" in refusal(earlier)


def test_missing_tensor(model_file: Path, tmp_path: Path) -> None:
    tensors, document = read(model_file, "model")
    del tensors["recognition.output.bias"]
    write(tmp_path / "f", "model", tensors, document)
    with pytest.raises(
        ModelFileError, match=r"(?s)must hold the weights of its own network.*recognition\.output\.bias"
    ):
        GMVAE.load(tmp_path / "f")


def test_tensor_of_another_shape(model_file: Path, tmp_path: Path) -> None:
    tensors, document = read(model_file, "model")
    tensors["recognition.output.bias"] = torch.zeros(99)
    write(tmp_path / "f", "model", tensors, document)
    with pytest.raises(ModelFileError, match=r"recognition\.output\.bias must have shape \(6,\) .*, not shape \(99,\)"):
        GMVAE.load(tmp_path / "f")


def test_damaged_checkpoint_is_named_on_resume(rows: np.ndarray, tmp_path: Path) -> None:
    small().fit(rows, run_dir=tmp_path)
    (tmp_path / "checkpoints" / "restart-0.safetensors").write_bytes(b"half")
    with pytest.raises(ModelFileError, match="must be a checkpoint file in safetensors format"):
        small().fit(rows, run_dir=tmp_path, resume=True)


def test_a_pickle_from_a_gpu_opens_on_a_machine_without_one(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small().fit(rows)
    object.__setattr__(model.fitted_, "config", replace(model.fitted_.config, device="cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_pickle_from_a_gpu_holds_nothing_of_it(rows: np.ndarray, tmp_path: Path) -> None:
    model = small(device="cuda").fit(rows)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "rows.npy", rows)
    code = "import pickle, numpy as np; print(*pickle.load(open('model.pkl', 'rb')).predict(np.load('rows.npy')))"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(label) for label in model.predict(rows)], done.stderr
    assert pickle.loads(pickle.dumps(model)).fitted_._weight.device.type == "cuda"
