"""What the classifier and the regressor share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, check_scalar, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule import batches
from chainrule.activations import Activation
from chainrule.architecture import build
from chainrule.callbacks import Callback
from chainrule.engines import Data
from chainrule.errors import InputError, require_choice
from chainrule.estimators.stopping import Convergence, Scaled
from chainrule.history import History
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import Adam, Momentum, Optimizer
from chainrule.schedules import Schedule

_SKLEARN_NAMES = {"sigmoid": "logistic", "exponential": "exp"}
"""Our activations that scikit-learn calls otherwise."""

_RANGES: dict[tuple[str, ...], tuple[type, float, float | None, str]] = {
    ("alpha", "power_t", "tol"): (Real, 0, None, "left"),
    ("learning_rate_init", "epsilon"): (Real, 0, None, "neither"),
    ("momentum", "beta_1", "beta_2"): (Real, 0, 1, "left"),
    ("validation_fraction",): (Real, 0, 1, "neither"),
    ("max_iter", "max_fun"): (Integral, 1, None, "left"),
    ("n_iter_no_change",): (Real, 1, None, "left"),
}
"""The type of each number, its smallest and largest value, and which of these it may take."""

_NOT_YET_WITH_LBFGS = {"tol": 1e-4, "early_stopping": False, "max_fun": 15000}
"""Parameters that must be left at their defaults."""


def _our_names(activation: Any) -> Any:
    if isinstance(activation, list | tuple):
        return [_our_names(one) for one in activation]
    return "sigmoid" if isinstance(activation, str) and activation == "logistic" else activation


def solver_has_epochs(model: Any) -> bool:
    """Return whether the solver makes epochs, of which `partial_fit` can make one."""
    return bool(model.solver != "lbfgs")


class Perceptron(BaseEstimator):
    """What classifier and regressor share."""

    network_: Network
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None

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
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes, self.activation = hidden_layer_sizes, activation
        self.solver, self.alpha, self.batch_size = solver, alpha, batch_size
        self.max_iter, self.max_fun = max_iter, max_fun
        self.learning_rate, self.learning_rate_init = learning_rate, learning_rate_init
        self.power_t, self.momentum, self.nesterovs_momentum = power_t, momentum, nesterovs_momentum
        self.shuffle, self.random_state, self.verbose = shuffle, random_state, verbose
        self.tol, self.n_iter_no_change, self.warm_start = tol, n_iter_no_change, warm_start
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train until the loss, or the validation score, no longer improves.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples; float32 is kept, anything else becomes float64.
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any type, or an indicator matrix with several labels a sample; for
            regression, numbers.
        sample_weight : array of shape (n_samples,), optional
            Weights of the samples in the loss.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, or a combination of them, is wrong or not supported yet, if X and y
            do not fit each other, or if a warm start asks for another network.
        TypeError
            If a parameter is of the wrong type.
        DivergenceError
            If the loss became infinite or NaN; `network_` has its best weights so far.

        Warns
        -----
        ConvergenceWarning
            If training ended before it had converged.
        """
        going_on = bool(self.warm_start) and hasattr(self, "network_")
        y, data = self._prepare(X, y, sample_weight, going_on)
        data, score = self._hold_out(y, data)
        adaptive = self.solver == "sgd" and self.learning_rate == "adaptive"
        convergence = Convergence(self.n_iter_no_change, self.tol, adaptive, score)
        # scipy decides for lbfgs, whose loss is not to fall by `tol` in every iteration
        callbacks = [] if self.solver == "lbfgs" else [convergence]
        self._train(data, self.max_iter, callbacks, lambda: convergence.scale)
        if self.early_stopping:
            self.best_loss_ = None
            self.validation_scores_ = [*(self.validation_scores_ or []), *convergence.scores]
            self.best_validation_score_ = convergence.best
        if self.history_.stop_reason == "epochs":
            warnings.warn(
                f"training ended after {self.n_iter_} of at most {self.max_iter} iterations "
                "without having converged: take a larger max_iter, or scale the data",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    @available_if(solver_has_epochs)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these samples, going on from the present weights.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As for `fit`, and with ``early_stopping`` or ``learning_rate="adaptive"``.
        """
        return self._one_epoch(X, y, sample_weight)

    def _one_epoch(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        for name, unsupported in {"early_stopping": True, "learning_rate": "adaptive"}.items():
            if getattr(self, name) == unsupported:
                raise InputError(
                    f"partial_fit does not support {name}={unsupported!r}: it looks back over "
                    "several epochs, which fit does"
                )
        data = self._prepare(X, y, sample_weight, hasattr(self, "network_"), classes)[1]
        self._train(data, epochs=1, seen=self.t_)
        return self

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, going_on: bool, classes: Any = None
    ) -> tuple[Any, Data]:
        """Return y and the data for a network, which is set up unless there is one to go on."""
        self._check_parameters()
        X, y = validate_data(
            self, X, y, reset=not going_on, accept_sparse="csr", multi_output=True,
            y_numeric=is_regressor(self),
            dtype=self.network_.dtype if going_on else [np.float64, np.float32],
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        data = Data(X, self._encode(y, going_on, classes), sample_weight)
        self._random = check_random_state(self.random_state)
        self._set_up(data, going_on)
        return y, data

    def _check_parameters(self) -> None:
        for names, (kind, low, high, ends) in _RANGES.items():
            for name in names:
                value = getattr(self, name)
                check_scalar(value, name, kind, min_val=low, max_val=high, include_boundaries=ends)
        require_choice("solver", self.solver, ["adam", "sgd", "lbfgs"])
        require_choice("learning_rate", self.learning_rate, ["constant", "invscaling", "adaptive"])
        if self.batch_size != "auto":
            check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        if self.solver != "lbfgs":
            return
        for name, default in _NOT_YET_WITH_LBFGS.items():
            if getattr(self, name) != default:
                raise InputError(
                    f"{name}={getattr(self, name)!r} is not supported with solver='lbfgs' yet: "
                    f"leave it at {default!r}, or pass solver='adam'"
                )

    def _set_up(self, data: Data, going_on: bool) -> None:
        """Make the network, or check that the one to go on with is what is asked for."""
        loss, output = self._loss_and_output()
        sizes: Any = self.hidden_layer_sizes
        hidden = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        for size in hidden:
            check_scalar(size, "hidden_layer_sizes", Integral, min_val=1)
        asked = {
            "layer_sizes": [data.X.shape[1], *hidden, data.Y.shape[1]],
            "activation": _our_names(self.activation),
            "output_activation": output,
            "loss": loss,
            "dtype": data.X.dtype,
        }
        if going_on:
            if build(bias=True, **asked) != self.network_.architecture:
                raise InputError(
                    f"training cannot go on from {self.network_!r}, because the parameters or y "
                    f"now ask for another network: {asked}; pass warm_start=False"
                )
            return
        self.network_ = Network(**asked, seed=self._draw_seed())
        if hasattr(self, "feature_names_in_"):
            self.network_.feature_names = tuple(self.feature_names_in_)
        self.n_outputs_ = data.Y.shape[1]
        self.n_layers_ = len(asked["layer_sizes"])
        self.out_activation_ = _SKLEARN_NAMES.get(output, output)
        self.loss_curve_ = []
        self.t_ = 0
        self.validation_scores_ = None
        self.best_validation_score_ = None

    def _draw_seed(self) -> int:
        return int(self._random.randint(np.iinfo(np.int32).max))

    def _hold_out(self, y: Any, data: Data) -> tuple[Data, Callable[[], float] | None]:
        """Return the samples to train on and, with early stopping, the score of the others."""
        if not self.early_stopping:
            return data, None
        # train_test_split rounds up as well
        n_held = math.ceil(self.validation_fraction * len(data))
        if not 2 <= n_held < len(data):
            raise InputError(
                f"validation_fraction={self.validation_fraction} holds out {n_held} of "
                f"{len(data)} samples, but must leave some to train on, and 2 to validate on"
            )
        by_class = not is_regressor(self) and data.Y.shape[1] == 1
        trained, held = train_test_split(
            np.arange(len(data)), test_size=n_held, random_state=self._random,
            stratify=y if by_class else None,
        )  # fmt: skip
        watched = data.rows(held)

        def score() -> float:
            predicted = self._decode(self.network_.predict(watched.X))
            return float(self._score(y[held], predicted, sample_weight=watched.sample_weight))

        return data.rows(trained), score

    def _train(
        self,
        data: Data,
        epochs: int,
        callbacks: Sequence[Callback] = (),
        adaptive: Callable[[], float] = lambda: 1.0,
        seen: int = 0,
    ) -> None:
        """Train the network, after `seen` samples by the same schedule, and record it."""
        n, batch_size = len(data), self._batch_size(len(data))
        weight = batches.weights(data.sample_weight, n)
        mean_weight = 1.0 if weight is None else float(weight.mean())
        schedules: dict[str, Schedule] = {
            "invscaling": Scaled(lambda epoch: (seen + epoch * n + 1) ** -self.power_t),
            "adaptive": Scaled(lambda epoch: adaptive()),
        }
        self.history_: History = self.network_.fit(
            data.X, data.Y, sample_weight=weight, epochs=epochs,
            optimizer=self._optimizer(), learning_rate=self.learning_rate_init,
            batch_size=batch_size, shuffle=self.shuffle, seed=self._draw_seed(),
            # scikit-learn divides the penalty by the sum of the batch's weights
            l2=self.alpha / (batch_size * mean_weight),
            schedule=schedules.get(self.learning_rate) if self.solver == "sgd" else None,
            callbacks=callbacks, verbose=int(self.verbose),
        )  # fmt: skip
        losses = self.history_.loss
        self.n_iter_ = len(losses)
        self.t_ += n * self.n_iter_
        self.loss_curve_ += losses
        # lbfgs makes no iteration if it starts at a minimum
        self.loss_ = losses[-1] if losses else self.network_.loss_value(data.X, data.Y, weight)
        self.best_loss_ = min([*self.loss_curve_, self.loss_])

    def _batch_size(self, n: int) -> int:
        """Return the samples in a step."""
        if self.solver == "lbfgs":
            return n
        if self.batch_size == "auto":
            return min(200, n)
        asked = int(self.batch_size)
        if asked > n:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the number of samples, {n}, which "
                "takes its place",
                stacklevel=4,
            )
        return min(asked, n)

    def _optimizer(self) -> Optimizer | str:
        if self.solver == "adam":
            return Adam(
                beta1=float(self.beta_1), beta2=float(self.beta_2), epsilon=float(self.epsilon)
            )
        if self.solver == "sgd":
            return Momentum(momentum=float(self.momentum), nesterov=self.nesterovs_momentum)
        return "lbfgs"

    def _outputs(self, X: Any) -> Array:
        """Return the outputs for checked samples, of shape (n_samples, n_outputs)."""
        check_is_fitted(self, "network_")
        return self.network_.predict(validate_data(self, X, accept_sparse="csr", reset=False))

    def predict(self, X: Any) -> Array:
        """Return the most likely classes, or the predicted numbers.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Two-dimensional where the y of `fit` was.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has other columns than in training, or something that is not a finite number.
        """
        return self._decode(self._outputs(X))

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, of shape (n_in, n_out): views of those of `network_`."""
        return [W.T for W in self.network_.weights]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer, of shape (n_out,): views of those of `network_`."""
        return [b for b in self.network_.biases if b is not None]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
