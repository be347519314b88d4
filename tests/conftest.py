"""What every test may rely on: a quiet machine, and the real data where it is at hand."""

import os

# One thread for each worker, before anything imports torch, or the workers fight over the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is slow, not wrong.
settings.register_profile("no-deadline", settings.default, deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of real data sets: $GMVAE_DATA, else shared/data beside the repository."""
    named = os.environ.get("GMVAE_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"GMVAE_DATA names {named}, which is not a folder")
        pytest.skip("the real data sets are not here; GMVAE_DATA can name their folder")
    return folder
