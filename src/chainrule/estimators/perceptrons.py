"""scikit-learn's multi-layer perceptrons, trained by a `Network`.

Parameters, attributes and rules for stopping are scikit-learn's. What differs is said under
"Notes" of `MLPClassifier`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from chainrule.activations import Activation
from chainrule.errors import require_choice
from chainrule.estimators.base import Perceptron, solver_has_epochs
from chainrule.numerics import Array

_REGRESSION_LOSSES = {
    **dict.fromkeys(["squared_error", "absolute_error", "huber", "log_cosh"], "identity"),
    **dict.fromkeys(["poisson", "gamma"], "exponential"),
}
"""From the losses of `MLPRegressor` to the output activation that fits."""


class MLPClassifier(ClassifierMixin, Perceptron):
    """Multi-layer perceptron for classification, with scikit-learn's parameters.

    Two classes share one sigmoid output and the binary cross-entropy; more have softmax and
    the cross-entropy; an indicator matrix has one sigmoid output for each label.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        The number of units of each hidden layer; ``()`` for none.
    activation : str, Activation, or one of these per hidden layer, default "relu"
        Any of `chainrule.activations`; ``"logistic"`` is ``"sigmoid"``.
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        ``"sgd"`` has momentum; ``"lbfgs"`` sees all samples in each iteration.
    alpha : float, default 0.0001
        Adds alpha/2 times the squared weights, divided by the samples of a step, to the loss.
    batch_size : int or "auto", default "auto"
        Samples in a step; ``"auto"`` is 200, or all where there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        With ``"sgd"``: as it is; divided by t^power_t after t samples; or divided by 5
        whenever training would end, until it is at most 1e-6.
    learning_rate_init : float, default 0.001
        The learning rate at the start.
    power_t : float, default 0.5
        The exponent of ``"invscaling"``.
    max_iter : int, default 200
        The largest number of epochs, or of iterations of ``"lbfgs"``.
    shuffle : bool, default True
        Whether each epoch visits the samples in a new order.
    random_state : int, RandomState or None, default None
        Draws the initial weights, the order of samples and those to validate on.
    tol : float, default 1e-4
        By how much the loss must fall, or the validation score rise, to have improved.
    verbose : bool or int, default False
        1 prints about twenty lines, 2 one for each epoch.
    warm_start : bool, default False
        Whether `fit` goes on from the weights that it found before.
    momentum, nesterovs_momentum : float and bool, default 0.9 and True
        Of ``"sgd"``.
    early_stopping : bool, default False
        Whether to end by the score of samples that are held out, and restore the best weights.
    validation_fraction : float, default 0.1
        The fraction that is held out; of two classes, each has its share.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Of ``"adam"``.
    n_iter_no_change : int, default 10
        The epochs without improvement that are waited for.
    max_fun : int, default 15000
        Of ``"lbfgs"``; no other value is supported yet.

    Attributes
    ----------
    network_ : Network
        The network that computes. `coefs_` and `intercepts_` are views of its parameters.
    history_ : History
        The record of the last call to `fit` or `partial_fit`.
    classes_ : array of shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.
    coefs_, intercepts_ : lists of arrays of shapes (n_in, n_out) and (n_out,)
        The parameters of each layer.
    loss_curve_, loss_, best_loss_ : list of float, float, float or None
        The loss of each epoch, the last and the lowest; no lowest with early stopping.
    validation_scores_, best_validation_score_ : list of float and float, or None
        The accuracy (in regression R^2) on the samples held out by early stopping.
    n_iter_, t_ : int
        The epochs of the last fit; the samples visited in all fits.
    n_features_in_, n_outputs_, n_layers_ : int
        The inputs, the outputs, and the layers, both of these among them.
    feature_names_in_ : array of shape (n_features,)
        The columns, if X was a data frame.
    out_activation_ : {"softmax", "logistic"}
        The activation of the output layer, by scikit-learn's name.

    Notes
    -----
    What differs from scikit-learn: weights start as those of `Network`, biases at zero. The
    losses that are reported are without the penalty, and for several outputs of a regression
    the sum, not the mean. The penalty of an incomplete last batch is that of a full one.
    Adam adds epsilon after correcting the bias (Kingma and Ba 2015, algorithm 1). ``"lbfgs"``
    has scipy's tolerances. A warm start forgets how long nothing had improved, and
    `partial_fit` the moments of the optimizer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), alpha=1.0, solver="lbfgs", random_state=0)
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.95
    True
    """

    _score = staticmethod(accuracy_score)

    @available_if(solver_has_epochs)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Train for one epoch on these samples, going on from the present weights.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array of shape (n_classes,), optional
            All labels that will ever come; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for `fit`; without `classes` in the first call, or if they change; with
            ``early_stopping`` or ``learning_rate="adaptive"``.
        """
        if classes is not None:
            classes = unique_labels(classes)
        if not hasattr(self, "network_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
        elif classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(f"classes are {classes}, but were {self.classes_} in the first call")
        return self._one_epoch(X, y, sample_weight, classes)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.

        Raises
        ------
        NotFittedError, ValueError
            As for `predict`.
        """
        outputs = self._outputs(X)
        return outputs if self.n_outputs_ > 1 else np.hstack([1 - outputs, outputs])

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`; see there."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _encode(self, y: Any, going_on: bool, classes: Any) -> Array:
        """Return the targets of the network: 0 and 1, a column for each output."""
        check_classification_targets(y)
        if not going_on:
            # an indicator matrix is its own list of classes
            known = y if classes is None or y.ndim == 2 else classes
            self._binarizer = LabelBinarizer().fit(known)
            self.classes_ = self._binarizer.classes_
        labels = unique_labels(y)
        if self.warm_start and going_on and not np.array_equal(labels, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {labels}"
            )
        if unknown := set(labels) - set(self.classes_):
            raise ValueError(f"y has the labels {unknown}, which are not among {self.classes_}")
        return self._binarizer.transform(y).astype(np.uint8)

    def _decode(self, outputs: Array) -> Array:
        return self._binarizer.inverse_transform(outputs)

    def _loss_and_output(self) -> tuple[str, str]:
        if self._binarizer.y_type_ == "multiclass":
            return "cross_entropy", "softmax"
        return "binary_cross_entropy", "sigmoid"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, Perceptron):
    """Multi-layer perceptron for regression, with scikit-learn's parameters.

    Parameters
    ----------
    loss : str, default "squared_error"
        ``"squared_error"``, ``"absolute_error"``, ``"huber"`` or ``"log_cosh"`` of outputs that
        are any number; ``"poisson"`` or ``"gamma"`` of positive ones, an exponential.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, \
learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, \
nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun
        As for `MLPClassifier`, with the same defaults; so are the attributes, but for
        ``classes_``, and what differs from scikit-learn. ``out_activation_`` is ``"identity"``
        or ``"exp"``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=4, alpha=10, max_iter=500, random_state=0)
    >>> model.fit(scale(X), scale(y)).score(scale(X), scale(y)) > 0.5
    True
    """

    _score = staticmethod(r2_score)

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        solver: str = "adam", alpha: float = 0.0001, batch_size: int | str = "auto",
        learning_rate: str = "constant", learning_rate_init: float = 0.001, power_t: float = 0.5,
        max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4,
        verbose: bool | int = False, warm_start: bool = False, momentum: float = 0.9,
        nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999,
        epsilon: float = 1e-8, n_iter_no_change: float = 10, max_fun: int = 15000,
    ) -> None:  # fmt: skip
        self.loss = loss
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size,
            learning_rate=learning_rate, learning_rate_init=learning_rate_init, power_t=power_t,
            max_iter=max_iter, shuffle=shuffle, random_state=random_state, tol=tol,
            verbose=verbose, warm_start=warm_start, momentum=momentum,
            nesterovs_momentum=nesterovs_momentum, early_stopping=early_stopping,
            validation_fraction=validation_fraction, beta_1=beta_1, beta_2=beta_2,
            epsilon=epsilon, n_iter_no_change=n_iter_no_change, max_fun=max_fun,
        )  # fmt: skip

    def _encode(self, y: Any, going_on: bool, classes: Any) -> Array:
        return np.asarray(y if y.ndim == 2 else y[:, None])

    def _decode(self, outputs: Array) -> Array:
        return outputs if self.n_outputs_ > 1 else outputs.ravel()

    def _loss_and_output(self) -> tuple[str, str]:
        loss = require_choice("loss", self.loss, _REGRESSION_LOSSES)
        return loss, _REGRESSION_LOSSES[loss]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
