"""The classifier, which `chainrule.MLPClassifier` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn import neural_network
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from chainrule import activations, losses
from chainrule.activations import Activation
from chainrule.errors import InputError
from chainrule.estimators.base import OUR_CONSTRAINTS, Perceptron, our_names
from chainrule.estimators.labels import Labels, require_labels
from chainrule.estimators.running import makes_epochs
from chainrule.losses import Loss
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch, Optimizer
from chainrule.schedules import Schedule


def _knows_probabilities(model: Any) -> bool:
    return model._output_activation() in ("sigmoid", "softmax")


def _knows_no_probabilities(model: Any) -> bool:
    return not _knows_probabilities(model)


class MLPClassifier(ClassifierMixin, Perceptron):
    """Multi-layer perceptron for classification: scikit-learn's, and more.

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
        Draws the initial weights, the samples to validate on (both as scikit-learn does) and
        the order of samples.
    tol : float, default 1e-4
        By how much the loss must fall, or the validation score rise, to have improved; for
        ``"lbfgs"`` the largest entry of the gradient at which it ends.
    verbose : bool or int, default False
        Whether to print a line for each epoch.
    warm_start : bool, default False
        Whether `fit` goes on from the weights that it found before.
    momentum, nesterovs_momentum : float and bool, default 0.9 and True
        Of ``"sgd"``.
    early_stopping : bool, default False
        Whether to end by the score of samples that are held out, by each network other ones, and
        restore the best weights; without effect for ``"lbfgs"``.
    validation_fraction : float, default 0.1
        The fraction that is held out; of two classes, each has its share.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Of ``"adam"``.
    n_iter_no_change : int or infinity, default 10
        The epochs without improvement that are waited for.
    max_fun : int, default 15000
        The largest number of evaluations of the loss by ``"lbfgs"``.
    loss : str or Loss, default "log_loss"
        ``"log_loss"`` is the cross-entropy of scikit-learn; else any of `chainrule.losses` or
        your own, of targets 0 and 1 (``"hinge"``: -1 and 1), a column for each class (one for
        two classes).
    output_activation : str or Activation, optional
        By default softmax for the cross-entropy of several classes, identity for ``"hinge"``,
        else sigmoid. There are probabilities with softmax and sigmoid only.
    class_weight : dict, list of dict or "balanced", optional
        What the samples of each class count, as scikit-learn's classifiers take it: by
        default 1.
    optimizer : str, Optimizer or FullBatch, optional
        Any of `chainrule.optimizers`, in the place of `solver`.
    schedule : str or Schedule, optional
        Any of `chainrule.schedules`, which the learning rate follows over `max_iter` epochs. One
        that follows a plan, such as ``"cosine"``, is not ended by `tol` before.
    dropout : float, default 0.0
        The probability that an output of a hidden layer is set to zero in a step.
    l1 : float, default 0.0
        As `alpha`, with l1 times the absolute weights.
    gradient_clip : float, optional
        The largest norm of the gradient in a step; a longer one is scaled down.
    weight_init : str or callable, optional
        As for `chainrule.Network`; by default scikit-learn's uniform weights and biases.
    scoring : str or callable, optional
        Any scorer of scikit-learn, to be followed by `early_stopping`; ``"loss"`` for the
        loss, by default the accuracy.
    restore_best : bool, default True
        Whether `early_stopping` restores the weights of the best score.
    n_estimators : int, default 1
        The number of networks, trained at once from different weights; the mean of their
        outputs is what is predicted.
    n_threads : int, optional
        The most threads to use; by default, and at most, what the process may use.
    engine : {"auto", "native", "numpy"}, default "auto"
        As for `chainrule.Network.fit`.

    Attributes
    ----------
    networks_, histories_ : list of Network and list of History
        Each network with the record of its last training.
    network_, history_ : Network and History
        The first of them, which the attributes below describe.
    classes_ : array of shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.
    coefs_, intercepts_ : lists of arrays of shapes (n_in, n_out) and (n_out,)
        The parameters of each layer: views, and assignable.
    loss_curve_, loss_, best_loss_ : list of float, float, float or None
        The objective of each epoch, penalty included; the last and the lowest; no lowest with
        early stopping.
    validation_scores_, best_validation_score_ : list of float and float, or None
        The accuracy, or what `scoring` says, on the samples that are not trained on.
    n_iter_, t_ : int
        The epochs of the last fit; the samples visited in all fits.
    n_features_in_, n_outputs_, n_layers_ : int
        The inputs, the outputs, and the layers, both of these among them.
    feature_names_in_ : array of shape (n_features,)
        The columns, if X was a data frame.
    out_activation_ : str
        The activation of the output layer, by scikit-learn's name: ``"softmax"`` or
        ``"logistic"``, unless chosen otherwise.

    Notes
    -----
    Weights, held-out samples, losses, updates and the rule when to stop are scikit-learn's;
    only the order of the samples, which another generator shuffles, is not. So ``"lbfgs"``,
    and ``shuffle=False``, give scikit-learn's numbers up to rounding.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), alpha=1.0, solver="lbfgs", random_state=0)
    >>> model.fit(scale(X), y).score(scale(X), y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **neural_network.MLPClassifier._parameter_constraints,
        **OUR_CONSTRAINTS,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }
    _score = staticmethod(accuracy_score)

    def __init__(
        self,
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
        loss: str | Loss = "log_loss", output_activation: str | Activation | None = None,
        class_weight: Any = None, optimizer: str | Optimizer | FullBatch | None = None,
        schedule: str | Schedule | None = None, dropout: float = 0.0, l1: float = 0.0,
        gradient_clip: float | None = None, weight_init: Any = None, scoring: Any = None,
        restore_best: bool = True, n_estimators: int = 1, n_threads: int | None = None,
        engine: str = "auto",
    ) -> None:  # fmt: skip
        self._keep(locals())

    @available_if(makes_epochs)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on these samples, going on from the present weights.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array of shape (n_classes,)
            All labels that will ever come; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for `fit`; without `classes` in the first call, or if they change; with
            ``early_stopping`` or ``class_weight="balanced"``.
        """
        if isinstance(self.class_weight, str):
            raise InputError(
                f"class_weight={self.class_weight!r} needs all samples at once, which partial_fit "
                "never sees: pass a dict of weights"
            )
        if classes is not None:
            classes = unique_labels(classes)
        if not hasattr(self, "networks_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
        elif classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(f"classes are {classes}, but were {self.classes_} in the first call")
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X: Any) -> Array:
        """Return the most likely class of each sample.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_labels)
            Labels, or an indicator matrix where the y of `fit` was one.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has other columns than in training, or something that is not a finite number.
        """
        return self._decode(self._outputs(X))

    @available_if(_knows_probabilities)
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`. Sigmoids of several classes that exclude each
            other are divided by their sum.

        Raises
        ------
        NotFittedError, ValueError
            As for `predict`.
        """
        outputs = self._outputs(X)
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        if self._labels.exclusive and self._output_activation() == "sigmoid":
            total = outputs.sum(axis=1, keepdims=True)
            even = np.full_like(outputs, 1 / outputs.shape[1])
            outputs = np.divide(outputs, total, out=even, where=total > 0)
        return outputs

    @available_if(_knows_probabilities)
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`; see there."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(_knows_no_probabilities)
    def decision_function(self, X: Any) -> Array:
        """Return the outputs: the larger, the more likely the class; not probabilities.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples,) for two classes, else (n_samples, n_classes)

        Raises
        ------
        NotFittedError, ValueError
            As for `predict`.
        """
        outputs = self._outputs(X) - self._threshold()
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _outputs(self, X: Any) -> Array:
        return self._mean(self._checked(X), self.networks_)

    def _valid(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        require_labels(y)
        return super()._valid(X, y, reset)

    def _learn_targets(self, y: Any, classes: Any) -> None:
        # an indicator matrix is its own list of classes
        self._labels = Labels(y if classes is None or y.ndim == 2 else classes)
        self.classes_ = self._labels.classes

    def _require_known(self, y: Any) -> None:
        check_classification_targets(y)
        if unknown := set(unique_labels(y)) - set(self.classes_):
            named = ", ".join(map(str, sorted(unknown)))
            raise ValueError(f"y has the labels {named}, which are not among {self.classes_}")

    def _require_same(self, y: Any) -> None:
        labels = unique_labels(y)
        if not np.array_equal(labels, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {labels}"
            )

    def _encode(self, y: Any) -> Array:
        """Return the targets of the networks, a column for each output."""
        encoded = self._labels.encode(y)
        if encoded.shape[1] == 1 and self._output_activation() == "softmax":
            encoded = np.hstack([1 - encoded, encoded])
        return 2 * encoded - 1 if self._loss().name == "hinge" else encoded

    def _decode(self, outputs: Array) -> Array:
        return self._labels.decode(outputs, self._threshold())

    def _threshold(self) -> float:
        """Return the output between the targets of a sample in a class and not in it."""
        return 0.0 if self.network_.architecture.loss.name == "hinge" else 0.5

    def _in_proportion(self, Y: Array) -> Array | None:
        # of two classes, and only of two, as scikit-learn
        return None if self._labels.exclusive or self._labels.several_a_sample else Y[:, -1:] > 0

    def _weighted_by_class(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        if self._labels.several_a_sample:
            by_class = compute_sample_weight(self.class_weight, y)
        else:  # of all classes, which the samples of a partial_fit need not have
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            by_class = weights[self._labels.numbers(y)]
        if not (np.isfinite(by_class) & (by_class >= 0)).all():
            raise InputError(
                f"class_weight must be finite numbers of at least 0, but is {self.class_weight}"
            )
        return by_class if sample_weight is None else by_class * sample_weight

    def _loss(self) -> Loss:
        if isinstance(self.loss, str) and self.loss == "log_loss":
            several = self._labels.exclusive
            return losses.cross_entropy if several else losses.binary_cross_entropy
        return losses.get(self.loss)

    def _output_activation(self) -> str:
        """Return the name of the output activation."""
        if self.output_activation is not None:
            return activations.get(our_names(self.output_activation)).name
        if isinstance(self.loss, str) and self.loss == "log_loss":
            several = hasattr(self, "_labels") and self._labels.exclusive
            return "softmax" if several else "sigmoid"
        by_loss = {"cross_entropy": "softmax", "hinge": "identity"}
        return by_loss.get(losses.get(self.loss).name, "sigmoid")

    def _losses_and_outputs(self) -> list[tuple[Loss, Any]]:
        output = self.output_activation
        if self._output_activation() == "softmax" and self._labels.several_a_sample:
            raise InputError(
                "softmax is for classes that exclude each other, but y is an indicator matrix, "
                "with several labels a sample: pass loss='log_loss' and output_activation=None"
            )
        return [(self._loss(), self._output_activation() if output is None else output)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
