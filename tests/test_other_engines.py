"""A fitted model inside other engines: what docs/scale.md shows, run where they are installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_shards import SMALL, blobs, quietly, write

from gmvae import GMVAE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, about how Dask calls it
def test_dask_answers_partition_by_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    import dask

    monkeypatch.chdir(tmp_path)
    rows = blobs()
    write(tmp_path / "parts", rows, sizes=(150, 50, 200))
    X = pd.DataFrame(rows, columns=[f"c{d}" for d in range(4)])
    model = quietly(GMVAE(**SMALL), X)
    model.save("parts.safetensors")
    page = PAGE.read_text(encoding="utf-8")
    code = next(each for each in re.findall(r"```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "dask" in each)
    names: dict[str, Any] = {"__name__": "__main__"}
    with dask.config.set(scheduler="threads", num_workers=2):
        exec(compile(code, "docs/scale.md", "exec"), names)
        found = names["found"].compute()
    np.testing.assert_array_equal(found["label"], model.predict(X))
    np.testing.assert_allclose(found["certainty"], model.predict_proba(X).max(1), rtol=1e-6)
    assert names["found"].npartitions == 3
