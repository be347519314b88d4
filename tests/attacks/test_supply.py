"""What is installed with gmvae, and that a wheel is all one needs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORTED_AS = {"lightning-fabric": "lightning_fabric", "pillow": "PIL", "scikit-learn": "sklearn", "umap-learn": "umap"}
PEERS_ON_REQUEST = {"clustpy", "h5py"}  # AnnData brings h5py
NOT_IMPORTED = {"tensorboard": "torch.utils.tensorboard needs it"}


def _imported() -> set[str]:
    """Packages outside the standard library that any file of gmvae imports, wherever in the file."""
    found = set()
    for path in (ROOT / "src" / "gmvae").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"gmvae"}


def test_what_is_declared_is_what_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {requirement.partition(">=")[0] for requirement in project["dependencies"]}
    extras = [project["optional-dependencies"][extra] for extra in ("anndata", "onnx", "hub", "umap")]
    on_request = {requirement.partition(">=")[0] for extra in extras for requirement in extra} | PEERS_ON_REQUEST
    on_request = {IMPORTED_AS.get(name, name) for name in on_request}
    assert _imported() - on_request == {IMPORTED_AS.get(name, name) for name in declared - set(NOT_IMPORTED)}


@pytest.mark.slow  # an environment with PyTorch, and the demo in it
def test_a_wheel_in_an_empty_environment_runs_the_demo(tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    def run(*command: str | Path) -> str:
        done = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--wheel-dir", tmp_path)
    (wheel,) = tmp_path.glob("gmvae-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    pinned = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "-c", pinned, "torch")
    run(python, "-m", "pip", "install", "-c", pinned, wheel)
    run(tmp_path / "empty" / "bin" / "gmvae", "demo", "--out", tmp_path / "demo")
    assert {path.name for path in (tmp_path / "demo").iterdir()} >= {"digits", "synthetic", "results.csv"}
    tally("wheels installed in an empty environment", 1)
