"""`TableClassifier` and `TableRegressor`: from a raw table to predictions, as in scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, compute_sample_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from chainrule.activations import Activation
from chainrule.errors import InputError, listing, require_choice
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.numerics import Array
from chainrule.optimizers import AdamW
from chainrule.tables import frames
from chainrule.tables.columns import LARGEST
from chainrule.tables.encoding import Columns, encoder
from chainrule.tables.skewness import ScaledTarget, straight_predicts_better

_FEWEST_TO_HOLD_OUT = 20
"""Rows; of fewer, none is spared to stop early."""


class _Table(BaseEstimator):
    """What classifier and regressor share."""

    pipeline_: Pipeline

    # the perceptron checks the parameters that are handed on to it
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_one_hot": [Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "target_transform": [StrOptions({"auto", "asinh", "scale"})],
    }

    def _keep(self, given: dict[str, Any]) -> None:
        """Store the arguments of ``__init__``, as they came."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set who is told of the training of each network; see `MLPClassifier.set_callbacks`."""
        self._callbacks = callbacks
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:
        """Learn the preprocessing, and train the networks.

        Parameters
        ----------
        X : data frame or array of shape (n_samples, n_features)
            Numbers, booleans, dates, text or categories; what is missing may be missing.
        y : array of shape (n_samples,)
            Class labels, or numbers; none missing.
        sample_weight : array of shape (n_samples,), optional
            Weights of the samples in the loss.
        validation_data : tuple (X, y), optional
            Rows that take the place of those that are held out to stop early.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is wrong, y has gaps, X and y do not fit each other, two columns have
            one name, none is of use, or one holds an infinite number.
        """
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        X = self._checked(X, reset=True)
        y = self._target(y)
        check_consistent_length(X, y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, np.empty((len(y), 1)))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        columns = Columns().fit(X)
        frame = columns.transform(X)
        dates = [name for name, kind in columns.kinds_.items() if kind == "date"]
        classes = y if self._predicts_classes else None
        encode = encoder(frame, self.max_one_hot, classes, seed, dates)
        inputs = encode.fit_transform(frame, y)
        network = self._model(inputs, y, seed)
        steps = [("columns", columns), ("encode", encode), ("network", network)]
        self.pipeline_ = Pipeline(steps)  # before it is trained: callbacks may look at it
        watched = None if validation_data is None else self._watched(validation_data)
        if watched is not None:
            getattr(network, "regressor", network).set_params(early_stopping=self.early_stopping)
        self._train(network, inputs, y, sample_weight, watched)
        perceptron = getattr(network, "regressor_", network)
        self.n_iter_ = max(history.epochs for history in perceptron.histories_)
        return self

    def _watched(self, validation_data: Any) -> tuple[Array, Array]:
        """Return rows to stop early by, as the network takes them."""
        if not (isinstance(validation_data, tuple | list) and len(validation_data) == 2):
            raise InputError(
                f"validation_data must be (X, y), but is a {type(validation_data).__name__}"
            )
        X, y = validation_data
        return self.pipeline_[:2].transform(self._checked(X, reset=False)), frames.without_gaps(y)

    def _told(self, network: Any) -> Any:
        """Return the network, with the callbacks set."""
        callbacks = getattr(self, "_callbacks", ())
        return network.set_callbacks(*callbacks) if callbacks else network

    def _checked(self, X: Any, reset: bool) -> Any:
        """Return X with its columns looked at, and all else where it is no data frame."""
        if not frames.is_frame(X):
            return validate_data(self, X, dtype=None, ensure_all_finite=False, reset=reset)
        if 0 in (len(X), len(X.columns)):
            raise InputError(
                f"Found data frame with {len(X)} sample(s) and {len(X.columns)} feature(s) "
                f"(shape={tuple(X.shape)}) while a minimum of 1 is required: fill it"
            )
        return validate_data(self, X, skip_check_array=True, reset=reset)

    def _settings(self, y: Array, seed: int) -> dict[str, Any]:
        """Return the parameters of the perceptron."""
        n, batch_size = len(y), self.batch_size
        if batch_size == "auto":
            batch_size = int(np.clip(2 ** round(np.log2(n / 20)), 16, 128))
        return {
            "hidden_layer_sizes": self.hidden_layer_sizes, "activation": self.activation,
            "optimizer": AdamW(weight_decay=self.weight_decay), "alpha": 0.0,
            "learning_rate_init": self.learning_rate_init, "schedule": self.schedule,
            "batch_size": min(batch_size, n), "max_iter": self.max_iter, "dropout": self.dropout,
            "weight_init": "auto", "n_estimators": self.n_estimators,
            "early_stopping": self.early_stopping and self._can_hold_out(y),
            "validation_fraction": self.validation_fraction, "scoring": self.scoring,
            "n_iter_no_change": self.n_iter_no_change, "tol": 0.0,
            "random_state": seed, "n_threads": self.n_threads, "verbose": self.verbose,
        }  # fmt: skip

    def _can_hold_out(self, y: Array) -> bool:
        """Return whether there are rows to spare for early stopping."""
        return len(y) >= _FEWEST_TO_HOLD_OUT

    def predict(self, X: Any) -> Array:
        """Return the most likely classes, or the predicted numbers.

        Parameters
        ----------
        X : data frame or array of shape (n_samples, n_features)
            The columns of training, in their order. Of categories that training did not have,
            nothing is assumed.

        Returns
        -------
        array of shape (n_samples,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the columns are others, or in another order, or hold something else.
        """
        return self._through("predict", X)

    def _through(self, method: str, X: Any) -> Array:
        check_is_fitted(self, "pipeline_")
        return getattr(self.pipeline_, method)(self._checked(X, reset=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags


class TableClassifier(ClassifierMixin, _Table):
    """Classifier for a raw table: prepares the columns, and averages a few networks.

    Numbers are scaled robustly, with outliers drawn in, and also given as piecewise linear
    functions; categories are one-hot, or where there are many, statistics of the target, taken
    from other rows than those they stand in; what is missing is filled with the median and has
    an input of its own. Each network holds out rows of its own to stop early.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default (128, 128)
        The number of units of each hidden layer.
    activation : str or Activation, default "relu"
        Any of `chainrule.activations`.
    n_estimators : int, default 5
        The number of networks, which differ in the weights that they start from and in the rows
        that they hold out.
    dropout : float, default 0.15
        The probability with which an output of a hidden layer is set to zero in a step.
    weight_decay : float, default 0.1
        Of AdamW.
    learning_rate_init : float, default 0.005
        The largest learning rate.
    schedule : str or Schedule, default "one_cycle"
        See `chainrule.schedules`.
    batch_size : int or "auto", default "auto"
        Samples in a step; ``"auto"`` makes about 20 steps an epoch, of 16 to 128 samples.
    max_iter : int, default 50
        The most epochs.
    early_stopping : bool, default True
        Whether to hold out rows, from 20 on, and keep the weights that suit them best.
    validation_fraction : float, default 0.1
        The fraction of rows that is held out.
    scoring : str, callable or None, default "loss"
        What early stopping follows on these rows: any scorer of scikit-learn, None for accuracy
        or R^2. The loss is smoother, and measured better, for accuracy too.
    n_iter_no_change : int, default 8
        The epochs without improvement after which training ends.
    max_one_hot : int, default 40
        Columns with more categories are encoded by statistics of the target.
    class_weight : dict, "balanced" or None, default None
        Weights of the classes in the loss.
    random_state : int, RandomState or None, default None
        Draws weights, held out rows and the folds for the statistics of the target.
    n_threads : int, optional
        The most threads to use; by default, and at most, what the process may use.
    verbose : int, default 0
        1 prints about twenty lines a network, 2 one for each epoch.

    Attributes
    ----------
    pipeline_ : sklearn.pipeline.Pipeline
        All of it, fitted: ``columns``, ``encode`` and ``network``.
    classes_ : array of shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.
    n_features_in_ : int
        The number of columns of X.
    feature_names_in_ : array of shape (n_features,)
        Their names, if X was a data frame with text for names.

    Examples
    --------
    >>> import polars as pl
    >>> X = pl.DataFrame({"size": range(60), "colour": ["red", "blue", None] * 20})
    >>> y = ["big" if size > 30 else "small" for size in X["size"]]
    >>> model = TableClassifier(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> model.pipeline_["columns"].kinds_
    {'size': 'number', 'colour': 'category'}
    """

    _predicts_classes = True

    def __init__(
        self, *, hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: str | Activation = "relu", n_estimators: int = 5, dropout: float = 0.15,
        weight_decay: float = 0.1, learning_rate_init: float = 5e-3, schedule: Any = "one_cycle",
        batch_size: int | str = "auto", max_iter: int = 50, early_stopping: bool = True,
        validation_fraction: float = 0.1, scoring: Any = "loss", n_iter_no_change: int = 8,
        max_one_hot: int = 40,
        class_weight: Any = None, random_state: Any = None, n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:  # fmt: skip
        self._keep(locals())

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class.

        Parameters
        ----------
        X : data frame or array of shape (n_samples, n_features)
            As for `predict`.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Columns in the order of `classes_`.

        Raises
        ------
        NotFittedError, ValueError
            As for `predict`.
        """
        found = self._through("predict_proba", X)
        return found if len(self.classes_) > 1 else np.ones((len(found), 1))

    def _target(self, y: Any) -> Array:
        y = frames.without_gaps(y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if isinstance(self.class_weight, dict):
            known = self.classes_.tolist()
            if unknown := [str(c) for c in self.class_weight if c not in known]:
                raise InputError(
                    f"class_weight has the classes {listing(unknown)}, which y has not: its "
                    f"classes are {listing([str(c) for c in known])}"
                )
        elif self.class_weight is not None:
            require_choice("class_weight", self.class_weight, ["balanced"])
        return y

    def _model(self, inputs: Array, y: Array, seed: int) -> Any:
        return self._told(MLPClassifier(**self._settings(y, seed)))

    def _train(self, model: Any, inputs: Array, y: Array, weight: Any, watched: Any) -> None:
        if self.class_weight is not None:  # for the rows that are held out, too
            of_class = compute_sample_weight(self.class_weight, y)
            weight = of_class if weight is None else of_class * weight
        model.fit(inputs, y, sample_weight=weight, validation_data=watched)

    def _can_hold_out(self, y: Array) -> bool:
        # of two classes, both are held out
        counts = np.unique(y, return_counts=True)[1]
        return super()._can_hold_out(y) and not (len(counts) == 2 and counts.min() < 2)


class TableRegressor(RegressorMixin, _Table):
    """Regressor for a raw table: prepares the columns, and averages a few networks.

    Inputs and networks are those of `TableClassifier`. The target is scaled; where it is skewed
    and a ridge regression predicts it better so, it is straightened first: its tail is
    drawn in as by a logarithm. Predictions lie in the range of the target in training.

    Parameters
    ----------
    target_transform : {"auto", "asinh", "scale"}, default "auto"
        Whether the target is straightened, or only scaled.
    hidden_layer_sizes, activation, n_estimators, dropout, weight_decay, learning_rate_init, \
schedule, batch_size, max_iter, early_stopping, validation_fraction, n_iter_no_change, \
max_one_hot, random_state, n_threads, verbose
        As for `TableClassifier`, with the same defaults; so are the attributes, but for
        ``classes_``.

    Examples
    --------
    >>> import polars as pl
    >>> X = pl.DataFrame({"size": range(100), "colour": ["red", "blue"] * 50})
    >>> y = [3 * size + 50 * (colour == "red") for size, colour in X.rows()]
    >>> TableRegressor(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _predicts_classes = False

    def __init__(
        self, *, target_transform: str = "auto", hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: str | Activation = "relu", n_estimators: int = 5, dropout: float = 0.15,
        weight_decay: float = 0.1, learning_rate_init: float = 5e-3, schedule: Any = "one_cycle",
        batch_size: int | str = "auto", max_iter: int = 50, early_stopping: bool = True,
        validation_fraction: float = 0.1, scoring: Any = "loss", n_iter_no_change: int = 8,
        max_one_hot: int = 40,
        random_state: Any = None, n_threads: int | None = None, verbose: int = 0,
    ) -> None:  # fmt: skip
        self._keep(locals())

    def _target(self, y: Any) -> Array:
        y = frames.without_gaps(y)
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"y must hold numbers, but has {y.tolist()[0]!r}: TableClassifier predicts classes"
            ) from None
        if np.abs(y).max() > LARGEST:
            raise InputError(
                f"the numbers of y are too large ({np.abs(y).max():g}): divide them, or take "
                "their logarithm"
            )
        return y

    def _model(self, inputs: Array, y: Array, seed: int) -> Any:
        straightened = self.target_transform == "asinh"
        if self.target_transform == "auto":
            straightened = straight_predicts_better(inputs, y, seed)
        return TransformedTargetRegressor(
            self._told(MLPRegressor(**self._settings(y, seed))),
            transformer=ScaledTarget(straightened), check_inverse=False,
        )  # fmt: skip

    def _train(self, model: Any, inputs: Array, y: Array, weight: Any, watched: Any) -> None:
        if watched is not None:
            scaled = clone(model.transformer).fit(y[:, None])
            watched = watched[0], scaled.transform(watched[1][:, None])[:, 0]
        model.fit(inputs, y, sample_weight=weight, validation_data=watched)
