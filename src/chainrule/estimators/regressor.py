"""The regressor, which `chainrule.MLPRegressor` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from scipy.special import xlogy
from sklearn import neural_network
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from chainrule import losses
from chainrule.activations import Activation
from chainrule.engines import Data
from chainrule.errors import InputError
from chainrule.estimators.base import OUR_CONSTRAINTS, Perceptron
from chainrule.estimators.running import makes_epochs
from chainrule.losses import Loss
from chainrule.naming import parameter_of
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch, Optimizer
from chainrule.schedules import Schedule

_POSITIVE = ("poisson", "gamma")
"""The losses whose outputs are exponentials."""


def _level(loss: str | Loss) -> float | None:
    """Return the level of a quantile loss, None for any other."""
    found = parameter_of(loss if isinstance(loss, str) else loss.name, ["quantile"])
    return found[1] if found else None


def _finds_quantiles(model: Any) -> bool:
    return model.loss == "quantile" or _level(model.loss) is not None


def _knows_a_spread(model: Any) -> bool:
    return not _finds_quantiles(model) and (model.n_estimators > 1 or _is_gaussian(model.loss))


def _is_gaussian(loss: str | Loss) -> bool:
    return loss in ("gaussian_nll", losses.gaussian_nll)


class MLPRegressor(RegressorMixin, Perceptron):
    """Multi-layer perceptron for regression: scikit-learn's, and more.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        Any of `chainrule.losses`, or your own. ``"poisson"`` and ``"gamma"`` are of positive
        outputs, which are exponentials. ``"gaussian_nll"`` finds a mean and a variance for
        each sample. ``"quantile"`` finds all of `quantiles`, ``"quantile(0.9)"`` one.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, \
learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, \
nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, optimizer, schedule, dropout, l1, gradient_clip, weight_init, \
restore_best, n_estimators, n_threads, engine
        As for `MLPClassifier`, with the same defaults; so are the attributes, but for
        ``classes_``.
    output_activation : str or Activation, optional
        By default identity; an exponential for ``"poisson"`` and ``"gamma"``; a sigmoid for
        ``"binary_cross_entropy"``.
    quantiles : sequence of float, default (0.05, 0.5, 0.95)
        The levels that ``loss="quantile"`` finds, with a network for each.
    scoring : str or callable, optional
        Any scorer of scikit-learn, to be followed by `early_stopping`; ``"loss"`` for the
        loss. By default R^2, and the loss where the outputs are no means: for quantiles and
        ``"gaussian_nll"``.

    Notes
    -----
    As for `MLPClassifier`. Like scikit-learn's, the squared error is reported as the mean over
    the outputs, while the steps descend their sum.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=4, alpha=10, max_iter=500, random_state=0)
    >>> model.fit(scale(X), scale(y)).score(scale(X), scale(y)) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **neural_network.MLPRegressor._parameter_constraints,
        **OUR_CONSTRAINTS,
        "quantiles": ["array-like"],
    }
    _score = staticmethod(r2_score)

    def __init__(
        self,
        loss: str | Loss = "squared_error",
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
        output_activation: str | Activation | None = None,
        quantiles: Sequence[float] = (0.05, 0.5, 0.95),
        optimizer: str | Optimizer | FullBatch | None = None,
        schedule: str | Schedule | None = None, dropout: float = 0.0, l1: float = 0.0,
        gradient_clip: float | None = None, weight_init: Any = None, scoring: Any = None,
        restore_best: bool = True, n_estimators: int = 1, n_threads: int | None = None,
        engine: str = "auto",
    ) -> None:  # fmt: skip
        self._keep(locals())

    @available_if(makes_epochs)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these samples, going on from the present weights.

        The optimizer goes on from its state, too.

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
            As for `fit`, and with ``early_stopping``.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Two-dimensional where the y of `fit` was. Of several quantiles, the one next to the
            median.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has other columns than in training, or something that is not a finite number.
        """
        X = self._checked(X)
        levels = self._by_level()
        if len(levels) == 1:
            return self._decode(self._mean(X, self.networks_))
        middle = int(np.argmin([abs(level - 0.5) for level in levels]))
        return self._sorted_quantiles(X, levels)[..., middle]

    @available_if(_knows_a_spread)
    def predict_std(self, X: Any) -> Array:
        """Return the standard deviation of each prediction.

        It is that of the mixture of the networks (Lakshminarayanan et al. 2017,
        arXiv:1612.01474, section 2.4): how far their means are apart, and, with the loss
        ``"gaussian_nll"``, the variances that they predict.

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Of the shape of `predict`, in the unit of y.

        Raises
        ------
        NotFittedError, ValueError
            As for `predict`.
        """
        X = self._checked(X)
        outputs = np.stack([network.predict(X) for network in self.networks_])
        variance = np.var(self._means(outputs), axis=0)
        if self.network_.architecture.loss.outputs_per_target == 2:
            variance = variance + np.exp(outputs[..., outputs.shape[-1] // 2 :]).mean(axis=0)
        return self._as_y_was(np.sqrt(variance))

    @available_if(_finds_quantiles)
    def predict_quantiles(self, X: Any) -> Array:
        """Return the quantiles of the target for each sample.

        They are sorted, so that they never cross (Chernozhukov et al. 2010, Econometrica 78,
        1093-1125).

        Parameters
        ----------
        X : array, data frame or sparse matrix of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        array of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            In the order of the sorted levels.

        Raises
        ------
        NotFittedError, ValueError
            As for `predict`.
        """
        return self._sorted_quantiles(self._checked(X), self._by_level())

    def _sorted_quantiles(self, X: Any, levels: dict[float, list[Network]]) -> Array:
        found = [self._decode(self._mean(X, networks)) for networks in levels.values()]
        return np.sort(np.stack(found, axis=-1), axis=-1)

    def _by_level(self) -> dict[float, list[Network]]:
        """Return the networks of each quantile, from low to high; those of none as the median."""
        levels: dict[float, list[Network]] = {}
        for network in self.networks_:
            level = _level(network.architecture.loss)
            levels.setdefault(0.5 if level is None else level, []).append(network)
        return dict(sorted(levels.items()))

    def _means(self, outputs: Array) -> Array:
        """Return the means among the outputs, which may have log-variances behind them."""
        n = outputs.shape[-1] // self.network_.architecture.loss.outputs_per_target
        return outputs[..., :n]

    def _valid(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        return super()._valid(X, y.toarray() if issparse(y) else y, reset)

    def _encode(self, y: Any) -> Array:
        return np.asarray(y if y.ndim == 2 else y[:, None])

    def _decode(self, outputs: Array) -> Array:
        return self._as_y_was(self._means(outputs))

    def _as_y_was(self, numbers: Array) -> Array:
        return numbers if numbers.shape[1] > 1 else numbers.ravel()

    def _metric(self) -> Any:
        if self.scoring is None and (_finds_quantiles(self) or _is_gaussian(self.loss)):
            return "loss"
        return self.scoring

    def _loss_offset(self, data: Data) -> float:
        if self.network_.architecture.loss.name != "poisson":
            return 0.0
        deviance = (xlogy(data.Y, data.Y) - data.Y).sum(axis=1)
        return float(np.average(deviance, weights=data.sample_weight))

    def _losses_and_outputs(self) -> list[tuple[Loss, Any]]:
        if self.loss == "quantile":
            levels = np.unique(np.asarray(self.quantiles, float))
            if not len(levels):
                raise InputError("quantiles is empty: pass at least one level, such as (0.5,)")
            chosen = [losses.quantile(level) for level in levels.tolist()]
        else:
            chosen = [losses.get(self.loss)]
        output = self.output_activation
        if output is None:
            name = chosen[0].name
            output = {"binary_cross_entropy": "sigmoid", "cross_entropy": "softmax"}.get(
                name, "exponential" if name in _POSITIVE else "identity"
            )
        return [(loss, output) for loss in chosen]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
