"""scikit-learn: from its multi-layer perceptrons."""

from __future__ import annotations

from typing import Any

from chainrule.architecture import Architecture, assemble
from chainrule.errors import InputError
from chainrule.numerics import Array

_NAMES = {"logistic": "sigmoid", "exp": "exponential"}
"""scikit-learn's names of activations that we call otherwise."""


def read(estimator: Any) -> tuple[Architecture, Array]:
    """Return the architecture and the parameters of a fitted MLPClassifier or MLPRegressor.

    Raises
    ------
    InputError
        If it is something else, or not fitted.
    """
    if not hasattr(estimator, "hidden_layer_sizes"):
        raise InputError(
            "from_sklearn takes a fitted MLPClassifier or MLPRegressor, but got a "
            f"{type(estimator).__name__}"
        )
    if hasattr(estimator, "networks_"):
        raise InputError(
            f"this {type(estimator).__name__} is chainrule's own: its network is "
            "estimator.network_, and of n_estimators > 1 all are in estimator.networks_"
        )
    if not hasattr(estimator, "coefs_"):
        raise InputError(f"{estimator} is not fitted: call its fit first")
    hidden, output = estimator.activation, estimator.out_activation_
    names = [hidden] * (len(estimator.coefs_) - 1) + [output]
    return assemble(
        [coefficients.T for coefficients in estimator.coefs_],
        estimator.intercepts_,
        [_NAMES.get(name, name) for name in names],
    )
