"""The benchmark of speed runs: its reference computes what gmvae does, and every model's step is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "speed.py"


def test_a_step_of_every_model_is_compared_with_the_reference_and_timed(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--quick", "--only", "step", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = json.loads((tmp_path / "speed.json").read_text())["step"]["records"]
    timed = {(each["workload"], each["what"]) for each in records if each["seconds"]["median"] > 0.0}
    models = {"paper-mlp", "paper-conv", "default-table", "default-image"}
    assert timed >= {(model, what) for model in models for what in ("ours float32", "reference", "floor float32")}
