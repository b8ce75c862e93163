"""scikit-learn: to and from its multi-layer perceptrons."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import storage
from chainrule.architecture import Architecture, assemble
from chainrule.errors import InputError
from chainrule.interchange.models import Model
from chainrule.interchange.verifying import Verification, compare
from chainrule.numerics import Array

_NAMES = {"logistic": "sigmoid", "exp": "exponential"}
"""scikit-learn's names of activations that we call otherwise."""
_THEIRS = {ours: theirs for theirs, ours in _NAMES.items()}
_HIDDEN = ("identity", "sigmoid", "tanh", "relu")


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


def write(
    path: str | os.PathLike[str], model: Model, names: Sequence[str] | None = None
) -> Verification:
    """Write a fitted estimator as a pickle, which joblib and pickle load.

    Whoever loads a pickle runs what is in it: it is for those who trust where it comes from.

    Raises
    ------
    InputError
        If scikit-learn cannot express the network, or the file cannot be written.
    VerificationError
        If the estimator predicts something else.
    """
    content = pickle.dumps(estimator(model, names)[0])
    verification = _verify(pickle.loads(content), model)
    storage.write_atomically(path, content)
    return verification


def estimator(model: Model, names: Sequence[str] | None = None) -> tuple[Any, Verification]:
    """Return a fitted MLPClassifier or MLPRegressor that predicts the same, and how nearly.

    For a model of a table it is the network alone, but for the names of the classes.

    Parameters
    ----------
    model : Model
        With softmax, or sigmoid outputs, it becomes a classifier, else a regressor.
    names : sequence of str, optional
        Of the inputs.

    Raises
    ------
    InputError
        Saying what scikit-learn cannot express.
    VerificationError
        If the estimator predicts something else.
    """
    model.require_written("scikit-learn has no such activation")
    *hidden, output = (activation.name for activation in model.architecture.activations)
    if different := sorted({name for name in hidden if name not in _HIDDEN}):
        raise InputError(
            f"scikit-learn's perceptrons have no activation {different[0]} (they have "
            f"{', '.join(_HIDDEN)}): export to another format"
        )
    if len(set(hidden)) > 1:
        raise InputError(
            f"scikit-learn's perceptrons have one activation for all hidden layers, not "
            f"{', '.join(hidden)}: export to another format"
        )
    made = _classifier(model) if output in ("softmax", "sigmoid") else _regressor(output)
    made.set_params(activation=_THEIRS.get(hidden[0], hidden[0]) if hidden else "identity")
    _fit(made, model, output)
    if names is not None:
        made.feature_names_in_ = np.array(names, dtype=object)
    return made, _verify(made, model)


def _classifier(model: Model) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import LabelBinarizer

    a = model.architecture
    made = MLPClassifier()
    several = a.activations[-1].name == "sigmoid" and a.n_outputs > 1  # yes or no for each
    classes = np.arange(max(a.n_outputs, 2))
    if model.table is not None and model.table.answer.classes:
        classes = model.table.answer.labels
        classes = classes.astype(str) if classes.dtype.kind == "O" else classes
    targets = np.eye(len(classes), dtype=int) if several else classes
    made._label_binarizer = LabelBinarizer().fit(targets)
    made.classes_ = made._label_binarizer.classes_
    if not several and made.classes_.tolist() != classes.tolist():
        raise InputError(
            f"scikit-learn sorts classes, and {', '.join(map(str, classes))} are not sorted: "
            "export to another format"
        )
    return made


def _regressor(output: str) -> Any:
    from sklearn.neural_network import MLPRegressor

    if output not in ("identity", "exponential"):
        raise InputError(
            f"scikit-learn's MLPRegressor has no output activation {output} (it has identity and "
            "exponential; its MLPClassifier softmax and sigmoid): export to another format"
        )
    return MLPRegressor(loss="poisson" if output == "exponential" else "squared_error")


def _fit(made: Any, model: Model, output: str) -> None:
    """Set what training would have set."""
    sizes = model.architecture.layer_sizes
    made.set_params(hidden_layer_sizes=tuple(sizes[1:-1]))
    made.coefs_ = [np.ascontiguousarray(w.T) for w, _, _ in model.layers]
    made.intercepts_ = [
        np.zeros(len(w), w.dtype) if b is None else np.array(b) for w, b, _ in model.layers
    ]
    made.n_layers_, made.n_outputs_, made.n_features_in_ = len(sizes), sizes[-1], sizes[0]
    made.out_activation_ = _THEIRS.get(output, output)
    made.n_iter_, made.t_, made.loss_curve_ = 0, 0, []
    made.loss_ = made.best_loss_ = np.inf
    made.best_validation_score_ = made.validation_scores_ = None


def _verify(made: Any, model: Model) -> Verification:
    import sklearn

    network = model.network
    X, ours = network.examples()
    if hasattr(made, "feature_names_in_"):
        import polars as pl

        given: Any = pl.DataFrame(X, schema=list(made.feature_names_in_))
    else:
        given = X
    theirs = made.predict_proba(given) if hasattr(made, "predict_proba") else made.predict(given)
    if hasattr(made, "predict_proba") and ours.shape[1] == 1:
        ours = np.hstack([1 - ours, ours])
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs
    return compare(f"scikit-learn {sklearn.__version__}", theirs, network, (X, ours))
