"""What is known of a fit, as attributes with scikit-learn's underscore."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gmvae.fitted.fitted import Fitted

T = TypeVar("T")


class _Fact(property, Generic[T]):
    """A fact of the fit, as a property of the estimator that holds it."""

    def __init__(self, ask: Callable[[Fitted], T]) -> None:
        super().__init__(lambda estimator: ask(estimator.fitted_))

    def __get__(self, estimator: Any, owner: type | None = None, /) -> T:  # type: ignore[override]
        return super().__get__(estimator, owner)


class FittedAttributes(BaseEstimator, ABC):
    """The attributes of a fitted `GMVAE`, whose docstring says what they are."""

    random_state: Any
    labels_: np.ndarray
    _fitted: Fitted
    _template: Any = None
    """No rows of the fit's table, by whose library answers become frames."""

    @property
    def fitted_(self) -> Fitted:
        """The record of the fit, which answers and is written to files without scikit-learn."""
        check_is_fitted(self)
        return self._fitted

    @fitted_.setter
    def fitted_(self, fitted: Fitted) -> None:
        self._fitted = fitted

    likelihood_ = _Fact(lambda fitted: fitted.likelihood)
    column_likelihoods_ = _Fact(lambda fitted: fitted.column_likelihoods)
    categories_ = _Fact(lambda fitted: fitted.categories)
    event_shape_ = _Fact(lambda fitted: fitted.event_shape)
    n_components_ = _Fact(lambda fitted: fitted.config.K)
    style_dim_ = _Fact(lambda fitted: fitted.config.D_w)
    classes_ = _Fact(lambda fitted: np.array(fitted.classes, dtype=object))
    history_ = _Fact(lambda fitted: fitted.history)
    n_iter_ = _Fact(lambda fitted: len(fitted.history.epochs))
    converged_ = _Fact(lambda fitted: fitted.converged)
    lower_bound_ = _Fact(lambda fitted: fitted.lower_bound)
    lower_bounds_ = _Fact(lambda fitted: [float(bound) for bound in fitted.history["lower_bound_held_out"]])
    restart_bounds_ = _Fact(lambda fitted: fitted.restart_bounds)
    stability_ = _Fact(lambda fitted: fitted.stability)
    weights_ = _Fact(lambda fitted: fitted.weights)
    n_components_effective_ = _Fact(lambda fitted: fitted.n_components_effective)
    held_out_log_likelihoods_ = _Fact(lambda fitted: fitted.held_out_log_likelihoods)

    def __getattr__(self, name: str) -> Any:
        if name == "labels_" and self.__sklearn_is_fitted__():
            raise AttributeError(
                "`labels_` are kept by a fit to rows in memory, not in files and not of a Dataset: ask `predict`, of a "
                "Dataset batch by batch."
            )
        if hasattr(type(self), name) and not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # a property of a fit has raised its error, which is an AttributeError, too
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_is_fitted__(self) -> bool:
        return "_fitted" in vars(self)
