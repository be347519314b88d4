"""Warnings name the line of the user's code, whatever lies between it and them."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from gmvae import GMVAE, TableWarning
from gmvae.user_warnings import warn_user

X = np.random.default_rng(0).normal(size=(60, 3))


def test_a_warning_names_the_line_that_called():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        warn_user("Something is odd.", TableWarning)
    (warning,) = caught
    assert (warning.filename, warning.lineno, str(warning.message)) == (__file__, line, "Something is odd.")


@pytest.mark.parametrize("wrapped", [lambda model: model, make_pipeline], ids=["alone", "in a pipeline"])
def test_wrappers_of_other_libraries_are_passed_through(wrapped):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = wrapped(GMVAE(2, max_iter=1, hidden_layer_sizes=(8,), random_state=0))
        fit_line = inspect.currentframe().f_lineno + 1
        model.fit(X)
        rows = np.concatenate([X, np.full((1, 3), np.nan)])
        transform_line = inspect.currentframe().f_lineno + 1
        model.transform(rows)
    found = {each.category: (each.filename, each.lineno) for each in caught}
    assert found[ConvergenceWarning] == (__file__, fit_line)
    assert found[TableWarning] == (__file__, transform_line)
