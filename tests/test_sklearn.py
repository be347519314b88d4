"""scikit-learn's own conformance checks, and its tools around the estimator."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gmvae import GMVAE

CONFORMANCE = GMVAE(
    n_components=3,
    latent_dim=2,
    style_dim=1,
    hidden_layer_sizes=(16,),
    max_iter=20,
    precision="64-true",
)


@pytest.mark.filterwarnings("ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([CONFORMANCE])
def test_conformance(estimator, check):
    check(estimator)
