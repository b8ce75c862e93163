"""What the classifier and the regressor share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, is_regressor
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state, check_scalar, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule.activations import Activation
from chainrule.architecture import Architecture, build
from chainrule.engines import Data
from chainrule.errors import InputError
from chainrule.estimators import running, telling, watching
from chainrule.estimators.convergence import Convergence
from chainrule.estimators.start import initial_parameters
from chainrule.history import History
from chainrule.losses import Loss
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch, Optimizer
from chainrule.parameters import ParameterList
from chainrule.schedules import Schedule
from chainrule.training import OptimizerState

_SKLEARN_NAMES = {"sigmoid": "logistic", "exponential": "exp"}
"""Our activations that scikit-learn calls otherwise."""

OUR_CONSTRAINTS: dict[str, list[Any]] = {
    "activation": [str, Activation, "array-like"],
    "loss": [str, Loss],
    "output_activation": [str, Activation, None],
    "weight_init": [str, callable, None],
    "optimizer": [str, Optimizer, FullBatch, callable, None],
    "schedule": [str, Schedule, callable, None],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "l1": [Interval(Real, 0, None, closed="left")],
    "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
    "scoring": [str, callable, None],
    "restore_best": ["boolean"],
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "engine": [StrOptions({"auto", "native", "numpy"})],
}
"""What the parameters that scikit-learn's perceptrons lack, or that take more here, may be.

A name that is not known is refused by the part of the network that it is for, with a hint.
"""


def our_names(activation: Any) -> Any:
    """Return activations by our names for them."""
    if isinstance(activation, list | tuple):
        return [our_names(one) for one in activation]
    return "sigmoid" if isinstance(activation, str) and activation == "logistic" else activation


class Perceptron(CallbackSupportMixin, BaseEstimator):
    """What classifier and regressor share; each of them says how to encode and decode y."""

    networks_: list[Network]
    histories_: list[History]

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None,
        X_val: Any = None, y_val: Any = None, sample_weight_val: Any = None,
        dY: Any = None, dY_weight: float = 1.0,
    ) -> Self:  # fmt: skip
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
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Samples to score after each epoch; with ``early_stopping`` they take the place of
            those that are held out otherwise.
        X_val, y_val, sample_weight_val : arrays, optional
            The same one by one, so that a Pipeline can transform `X_val` alone
            (``transform_input=["X_val"]``).
        dY : array of shape (n_samples, n_outputs, n_features), optional
            For regression with the squared error: the derivatives of each output by each feature,
            fitted too, NaN where they are not known; see `chainrule.Network.fit`. They are by the
            features as they come here: a scaler before this one changes them.
        dY_weight : float, default 1.0
            What they count beside y.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, or a combination of them, is wrong, if X and y do not fit each
            other, or if a warm start asks for another network.
        DivergenceError
            If the loss became infinite or NaN, which is a ValueError; the networks have their
            best weights so far. With early stopping it is a warning.

        Warns
        -----
        ConvergenceWarning
            If training ended before it had converged, unless a schedule planned its length.
        """
        if X_val is not None and validation_data is None:
            validation_data = (X_val, y_val, sample_weight_val)
        elif not (X_val is y_val is sample_weight_val is None):
            raise InputError("pass validation_data, or X_val with y_val, but not both")
        going_on = bool(self.warm_start) and hasattr(self, "networks_")
        raw = {"X": X, "y": y, "metadata": None}
        if sample_weight is not None:
            raw["metadata"] = {"sample_weight": sample_weight}
        with _unchanged_if_it_fails(self):
            watching.require_scorer(self)
            y, data = self._prepare(X, y, sample_weight, going_on, None, dY, dY_weight)
            splits = self._watch(y, data, sample_weight, validation_data)
            self._optimizer_states = [OptimizerState() for _ in self.networks_]
            tasks = running.tasks(self, splits, self.max_iter)
        root = self._init_callback_context(
            max_subtasks=self.max_iter if len(self.networks_) == 1 else len(self.networks_)
        )
        root.call_on_fit_task_begin(estimator=self, **raw)
        running.train(self, tasks, self._told(root, raw))
        running.warn_if_unfinished(self)
        root.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **raw)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """Make one epoch; see `MLPRegressor.partial_fit`."""
        if self.early_stopping:
            raise InputError(
                "partial_fit does not support early_stopping=True, which looks back over several "
                "epochs: call fit, or pass early_stopping=False"
            )
        with _unchanged_if_it_fails(self):
            _, data = self._prepare(X, y, sample_weight, hasattr(self, "networks_"), classes)
            splits = [(data, None)] * len(self.networks_)
            tasks = running.tasks(self, splits, 1, partial=True)
        running.train(self, tasks, [((), ())] * len(tasks))
        return self

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set who is told of training, and may end it.

        Parameters
        ----------
        *callbacks
            Of scikit-learn's protocol (``sklearn.callback``), for which an epoch is a task;
            or `chainrule.Callback` objects or functions, which are told of epochs by `fit`.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If one is neither.
        """
        super().set_callbacks(*telling.wrap(callbacks))
        return self

    def _keep(self, given: dict[str, Any]) -> None:
        """Store the arguments of ``__init__``, as they came."""
        for name, value in given.items():
            if name != "self":
                setattr(self, name, value)

    # Data.

    def _learn_targets(self, y: Any, classes: Any) -> None:
        """Learn from y what `_encode` needs."""

    def _require_known(self, y: Any) -> None:
        """Refuse targets that the networks do not know."""

    def _require_same(self, y: Any) -> None:
        """Refuse targets that are not quite those of before."""

    def _prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        going_on: bool,
        classes: Any = None,
        dY: Any = None,
        dY_weight: Any = 1.0,
    ) -> tuple[Any, Data]:
        """Return y and the data for the networks, made unless there are some to go on with."""
        X, y = self._valid(X, y, reset=not going_on)
        if going_on:
            if self.warm_start:
                self._require_same(y)
            self._require_known(y)
        else:
            self._learn_targets(y, classes)
            if classes is not None:
                self._require_known(y)
        Y = self._encode(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        weight = self._weighted_by_class(y, sample_weight)
        self._random = check_random_state(self.random_state)
        self._set_up(X.shape[1], Y.shape[1], X.dtype, going_on)
        return y, self.network_._to_train_on(X, Y, weight, dY, dY_weight)[0]

    def _valid(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self, X, y, reset=reset, accept_sparse="csr", multi_output=True,
            y_numeric=is_regressor(self),
            dtype=[np.float64, np.float32] if reset else self.network_.dtype,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _watch(
        self, y: Any, data: Data, sample_weight: Any, validation_data: Any
    ) -> list[tuple[Data, watching.Watched | None]]:
        """Return the samples to train on and those to score, of each network."""
        n = len(self.networks_)
        if validation_data is not None:
            if not (isinstance(validation_data, tuple | list) and len(validation_data) in (2, 3)):
                raise InputError(
                    "validation_data must be (X, y) or (X, y, sample_weight), but is "
                    f"{type(validation_data).__name__}"
                )
            X, y, weight = (*validation_data, None)[:3]
            try:
                X, y = self._valid(X, y, reset=False)
                self._require_known(y)
                if weight is not None:
                    weight = _check_sample_weight(weight, X)
                watched = self.network_._to_train_on(X, self._encode(y), weight)[0]
            except ValueError as error:
                raise InputError(f"validation_data: {error}") from None
            return [(data, watching.Watched(watched, y, weight))] * n
        if not (self.early_stopping and running.makes_epochs(self)):
            return [(data, None)] * n
        labels = self._in_proportion(data.Y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, data.X)
        splits: list[tuple[Data, watching.Watched | None]] = []
        for _ in range(self.n_estimators):  # each holds out others: together they learn from all
            trained, held = watching.split(
                len(data), self.validation_fraction, labels, self._random
            )
            own = None if weight is None else weight[held]
            held_out = watching.Watched(replace(data.rows(held), sample_weight=own), y[held], own)
            splits.append((data.rows(trained), held_out))
        return splits * (n // self.n_estimators)

    def _in_proportion(self, Y: Array) -> Array | None:
        """Return the classes, of shape (n, 1), whose proportion a split keeps."""
        del Y
        return None

    def _weighted_by_class(self, y: Any, sample_weight: Any) -> Any:
        """Return the weights of the samples times those of their classes, where there are any."""
        del y
        return sample_weight

    # The networks.

    def _set_up(self, n_inputs: int, n_targets: int, dtype: Any, going_on: bool) -> None:
        """Make the networks, or check that those to go on with are what is asked for."""
        sizes: Any = self.hidden_layer_sizes
        hidden = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        for size in hidden:
            check_scalar(size, "hidden_layer_sizes", Integral)
        if any(size <= 0 for size in hidden):
            raise InputError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        asked = [
            build(
                [n_inputs, *hidden, n_targets * loss.outputs_per_target],
                our_names(self.activation), our_names(output), loss, True, dtype,
            )
            for loss, output in self._losses_and_outputs()
            for _ in range(self.n_estimators)
        ]  # fmt: skip
        if going_on:
            present = [network.architecture for network in self.networks_]
            if asked != present:
                raise InputError(
                    "training cannot go on, because the parameters or y now ask for other "
                    f"networks, {_listed(asked)}, than those there are, {_listed(present)}: pass "
                    "warm_start=False, or the same parameters"
                )
            return
        self.networks_ = [self._start(architecture) for architecture in asked]
        self._convergences = [
            Convergence(f"Network {i}: " if len(asked) > 1 else "") for i in range(len(asked))
        ]
        self._optimizer_states = [OptimizerState() for _ in asked]
        self.n_outputs_ = n_targets
        self.n_layers_ = len(asked[0].layer_sizes)
        output = asked[0].activations[-1].name
        self.out_activation_ = _SKLEARN_NAMES.get(output, output)
        self.t_ = 0

    def _start(self, architecture: Architecture) -> Network:
        if self.weight_init is None:
            parameters = initial_parameters(architecture, self._random)
        else:
            rng = np.random.default_rng(self._draw_seed())
            parameters = architecture.initial_parameters(self.weight_init, rng)
        names = tuple(getattr(self, "feature_names_in_", ()))
        return Network.of(architecture, parameters, {"feature_names": names})

    def _draw_seed(self) -> int:
        return int(self._random.randint(np.iinfo(np.int32).max))

    def _told(self, root: Any, raw: dict[str, Any]) -> list[tuple[Sequence[Any], Sequence[Any]]]:
        """Return the callbacks of each network: those of ours, and scikit-learn's."""
        kept = getattr(self, "_skl_callbacks", [])
        if not kept:
            return [((), ())] * len(self.networks_)
        contexts = [root]
        if len(self.networks_) > 1:
            contexts = [
                root.subcontext(task_name="network", max_subtasks=self.max_iter)
                for _ in self.networks_
            ]
        return [
            (telling.ours(kept), [telling.EpochTasks(self, context, raw, context is not root)])
            for context in contexts
        ]

    def _loss_offset(self, data: Data) -> float:
        """Return what scikit-learn's loss has besides ours, which no parameter changes."""
        del data
        return 0.0

    def _metric(self) -> Any:
        """Return what early stopping looks at; None for scikit-learn's choice."""
        return self.scoring

    # What it found.

    @property
    def network_(self) -> Network:
        """The network, or the first of several."""
        return self.networks_[0]

    @property
    def history_(self) -> History:
        """The record of the last call to `fit` or `partial_fit`; of the first network."""
        return self.histories_[0]

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, of shape (n_in, n_out): views of those of `network_`."""
        return ParameterList((W.T for W in self.network_.weights), "coefs_")

    @coefs_.setter
    def coefs_(self, values: Sequence[Array]) -> None:
        self._require_fitted("coefs_")
        ParameterList((W.T for W in self.network_.weights), "coefs_").assign(values)

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer, of shape (n_out,): views of those of `network_`."""
        return ParameterList(self.network_.biases, "intercepts_")

    @intercepts_.setter
    def intercepts_(self, values: Sequence[Array]) -> None:
        self._require_fitted("intercepts_")
        ParameterList(self.network_.biases, "intercepts_").assign(values)

    def _require_fitted(self, what: str) -> None:
        if not hasattr(self, "networks_"):
            raise InputError(
                f"{what} cannot be set before fit, which makes the network: call fit or "
                "partial_fit first, or make a chainrule.Network of these weights"
            )

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self, "networks_")
        return validate_data(self, X, accept_sparse="csr", reset=False)

    def _mean(self, X: Any, networks: Sequence[Network]) -> Array:
        """Return the mean of the networks' outputs, of shape (n_samples, n_outputs)."""
        # X is checked already; and not by Network.predict, for which few rows are another case:
        # here a row has the same bits in any company
        total, *others = (
            network._engine.predict(network.architecture, network.parameters, X)
            for network in networks
        )
        for outputs in others:
            total += outputs
        return total / len(networks) if len(networks) > 1 else total

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@contextmanager
def _unchanged_if_it_fails(model: Any) -> Iterator[None]:
    """Within it, an error leaves an estimator as it was: a fitted one stays fitted."""
    before = dict(vars(model))
    try:
        yield
    except BaseException:
        vars(model).clear()
        vars(model).update(before)
        raise


def _listed(architectures: Sequence[Architecture]) -> str:
    first = architectures[0]
    number = f"{len(architectures)} of " if len(architectures) > 1 else ""
    names = ", ".join(activation.name for activation in first.activations)
    return f"{number}{'-'.join(map(str, first.layer_sizes))} ({names}), {first.dtype}"
