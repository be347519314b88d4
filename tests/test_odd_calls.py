"""Odd arguments in Python: each is answered as it should be, or refused in a sentence that says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from gmvae import GMVAE
from gmvae.weights_and_labels import known_labels

N = 30
SMALL = {
    "hidden_layer_sizes": (8,),
    "latent_dim": 2,
    "style_dim": 1,
    "max_iter": 1,
    "init": "random",
    "random_state": 0,
}
X = np.random.default_rng(0).normal(size=(N, 4))
FRAME = pd.DataFrame(X, columns=list("abcd"))

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize(
    ("likelihood", "frame", "said"),
    [
        ("categorical", FRAME, r"numbers of levels, whole ones from 0 to 9,999, .*; got 0.12573 at X\[0, 0\]: number"),
        ({"d": "categorical"}, FRAME.assign(d=[-1, 2] * 15), r"numbers of levels, .*; got -1 at X\[0, 3\]: number the"),
        (
            {"d": "categorical"},
            FRAME.assign(d=[10**6, 2] * 15),
            r"numbers of levels, .*; got 1e\+06 at X\[0, 3\]: number",
        ),
        (
            {"e": "poisson"},
            FRAME.assign(e=list("xyz") * 10),
            "must be 'categorical' for 'e', a column of categories; got",
        ),
        ({"d": "poisson"}, FRAME.assign(e=list("xyz") * 10), r"for a Poisson likelihood; got .* at X\[0, 3\]: count"),
        ({"d": "hurdle"}, FRAME.assign(d=0.0), "several values; got 0 in nearly all rows of column 3: drop it"),
    ],
)
def test_a_family_that_a_column_cannot_have_is_refused_at_its_place(likelihood: Any, frame: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GMVAE(2, likelihood=likelihood, **SMALL).fit(frame)


def test_minus_one_and_nan_that_became_text_are_unknown_classes() -> None:
    for mark in (-1, np.nan):
        label, classes = known_labels(np.array(["b", "a", mark, "c", mark]), 5)
        assert classes == ["a", "b", "c"]
        np.testing.assert_array_equal(label, [1, 0, -1, 2, -1])


def test_a_column_without_any_value_and_type_is_a_gap_in_later_tables() -> None:
    table = pa.table(dict(zip("abcd", X.T, strict=True)))
    model = GMVAE(2, **SMALL).fit(table)
    empty = table.set_column(1, "b", pa.nulls(N))
    np.testing.assert_array_equal(
        model.predict_proba(empty), model.predict_proba(table.set_column(1, "b", pa.array(np.full(N, np.nan))))
    )
    with pytest.raises(ValueError, match="must hold a value in every column to fit; got none in column 'b': drop it"):
        GMVAE(2, **SMALL).fit(empty)
    with pytest.raises(ValueError, match=r"got pandas.NA: give `X.astype\('Float64'\)`"):
        GMVAE(2, **SMALL).fit(FRAME).predict(FRAME.assign(b=pd.Series([1.5, None, pd.NA] * 10, dtype=object)))


def test_every_form_of_sparse_matrix_is_the_same() -> None:
    dense = np.where(X > 1, X, 0)
    of_csr = GMVAE(2, **SMALL).fit(sparse.csr_matrix(dense)).labels_
    for form in ("csc", "coo", "lil", "dok", "bsr"):
        np.testing.assert_array_equal(GMVAE(2, **SMALL).fit(sparse.csr_matrix(dense).asformat(form)).labels_, of_csr)
