"""The benchmark for a GPU, tried out on a CPU with tiny sizes: it checks the device, keeps cells and goes on."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.path", [*sys.path])
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home whose MNIST is noise."""
    folder = tmp_path_factory.mktemp("home") / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 40)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return folder.parent


def test_a_cell_is_kept_at_once_and_not_run_again(
    gpu: ModuleType, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--data", str(home), "--out", str(tmp_path), "--device", "cpu", "--quick", "--seeds", "2"]
    words += ["--only", "grid", "--cells", "K10-M1", "K16-M1"]
    run_trials = gpu.run_trials

    def only_the_first(trials: list[object], *rest: object) -> object:
        if trials[0].settings["n_components"] == 16:  # type: ignore[attr-defined]
            raise gpu.BudgetSpentError
        return run_trials(trials, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(gpu, "run_trials", only_the_first)
        assert gpu.main(words) == 0
    assert "K16-M1 not finished: run the same command again." in capsys.readouterr().out
    path = tmp_path / "gpu.json"
    record = json.loads(path.read_text())
    assert record["check"]["passed"]
    assert record["check"]["deviations"]["float64"] == {"before": 0.0, "gradients": 0.0, "after": 0.0}
    assert record["check"]["worst"]["stacked"] < 1e-6
    assert record["check"]["worst"]["resumed"] == 0.0
    (fits,) = record["cells"].values()
    assert [fit["trial"]["seed"] for fit in fits] == [0, 1]
    for fit in fits:
        assert len(fit["history"]["lower_bound"]) == 1
        (scores,) = fit["curve"]
        assert scores["accuracy_exemplar"] == fit["measures"]["accuracy_exemplar"]
    assert path.stat().st_size < 2**24

    monkeypatch.setattr(gpu, "check", lambda device: pytest.fail("checked again"))
    assert gpu.main([*words[:-2], "K10-M1"]) == 0
    assert json.loads(path.read_text()) == record
    assert capsys.readouterr().out == "done\n"
    assert gpu.main(words) == 0
    assert list(json.loads(path.read_text())["cells"]) == ["K10-M1", "K16-M1"]


def test_nothing_is_measured_on_a_device_that_answers_otherwise(
    gpu: ModuleType, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = sys.modules["gpu_check"]
    monkeypatch.setattr(check, "compared", lambda device, dtype: {"before": 1e-12, "after": 1e-4})
    for name in ("stacked_deviation", "resumed_deviation", "file_deviation"):
        monkeypatch.setattr(check, name, lambda device: 0.0)
    monkeypatch.setattr(check, "precision_deviations", lambda device: {"bfloat16": 0.0})
    for part in ("steps", "mnist", "grid", "streamed"):
        monkeypatch.setattr(gpu.Run, part, lambda self: pytest.fail("measured"))
    assert gpu.main(["--data", str(home), "--out", str(tmp_path), "--device", "cpu", "--quick"]) == 1
    worst = json.loads((tmp_path / "gpu.json").read_text())["check"]["worst"]
    assert (worst["float64"], worst["float32"], worst["stacked"]) == (1e-4, 1e-4, 0.0)


def test_steps_and_whole_fits_are_measured_once(
    gpu: ModuleType, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(gpu, "check", lambda device: {"passed": True, "worst": {}})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    streaming = sys.modules["streaming"]
    monkeypatch.setattr(streaming, "N_STEPS", 20)
    minibatches = importlib.import_module("gmvae.training.minibatches")
    monkeypatch.setattr(minibatches, "MAX_STEPS_IN_PARTS", minibatches.MAX_STEPS_IN_PARTS)
    words = ["--data", str(home), "--out", str(tmp_path), "--device", "cpu", "--quick"]
    assert gpu.main([*words, "--only", "steps", "mnist", "streamed"]) == 0
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert len(record["steps"]) == 4
    table = record["steps"]["default-table, batch 50"]
    # 16-256-256, two heads of 10 and 4, the mixture's 4-256-200, and the decoder; the first layers need no gradient of
    # their inputs.
    first, rest = 16 * 256, 256 * (256 + 28) + 4 * 256 + 256 * 200 + 10 * 256 + 256 * 256 + 256 * 32
    assert table["multiplications"] == 50 * (2 * first + 3 * rest)
    assert set(table["share_of_ceiling"]) == {"ours float32", "ours bf16", "plain eager float32"}
    assert all(0.0 < share < 1.5 for share in table["share_of_ceiling"].values())
    assert record["mnist"]["default fit"]["seconds"] > 0.0
    assert record["streamed"]["10^8 rows"]["rows"] == 20_000
    for part in ("timed", "mnist", "streamed"):
        module = sys.modules["gpu_steps" if part == "timed" else "gpu_fits"]
        monkeypatch.setattr(module, part, lambda *arguments, **settings: pytest.fail("measured again"))
    assert gpu.main([*words, "--only", "steps", "mnist", "streamed"]) == 0


def test_deviations_are_shares_of_the_largest_value(gpu: ModuleType) -> None:
    assert sys.modules["gpu_check"].deviation(torch.tensor([1.0, -4.0]), torch.tensor([1.5, -5.0])) == pytest.approx(
        0.2
    )
