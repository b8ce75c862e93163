"""One call of ``fit``: from an estimator's parameters to trained networks, and what they record."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule import training
from chainrule.callbacks import Callback, Progress
from chainrule.engines import Data
from chainrule.errors import DivergenceError, InputError
from chainrule.estimators import convergence, watching
from chainrule.estimators.convergence import Convergence
from chainrule.network import Network
from chainrule.optimizers import FULL_BATCH, LBFGS, Adam, FullBatch, Momentum, Optimizer
from chainrule.training import Task

_ENDED_AS_MEANT = ("converged", "callback", "interrupted", "diverged")
"""Reasons to stop that need no warning, or had one."""


def makes_epochs(model: Any) -> bool:
    """Return whether the optimizer makes epochs, of which `partial_fit` can make one."""
    chosen = model.solver if model.optimizer is None else model.optimizer
    if isinstance(chosen, str):
        return chosen not in FULL_BATCH
    return not issubclass(chosen if isinstance(chosen, type) else type(chosen), FullBatch)


def train(
    model: Any,
    data: Data,
    epochs: int,
    watched: watching.Watched | None = None,
    told: Sequence[Sequence[Callback]] = (),
    partial: bool = False,
) -> None:
    """Train all networks of an estimator, and set the attributes that tell of it.

    Parameters
    ----------
    model : Perceptron
        Its networks are trained in place.
    data : Data
        To train on.
    epochs : int
        The most to make.
    watched : Watched, optional
        To score after each.
    told : sequence of sequences of Callback, optional
        The callbacks of each network.
    partial : bool, default False
        Whether the run before goes on.

    Raises
    ------
    DivergenceError
        Of a single network without early stopping; of others it is a warning.
    """
    offset = model._loss_offset(data)
    batch_size = _batch_size(model, len(data))
    tasks = []
    for i, network in enumerate(model.networks_):
        follower = model._convergences[i]
        if not partial:
            follower.scale = 1.0
        score = watching.score_of(model, network, watched) if watched else None
        follower.begin(
            # scipy decides for lbfgs, whose loss is not to fall by `tol` in every iteration
            patience=model.n_iter_no_change if makes_epochs(model) else np.inf,
            tol=model.tol, score=score, report=_report(network, offset),
            early_stopping=bool(model.early_stopping and score),
            restore_best=model.restore_best, verbose=bool(model.verbose),
            adaptive=_policy(model) == "adaptive",
        )  # fmt: skip
        task = network._task(
            data, network.feature_names, epochs=epochs, optimizer=_optimizer(model),
            learning_rate=model.learning_rate_init, batch_size=batch_size, shuffle=model.shuffle,
            seed=model._draw_seed(), l2=model.alpha, l1=model.l1, dropout=model.dropout,
            gradient_clip=model.gradient_clip,
            schedule=_schedule(model, follower, len(data), partial),
            callbacks=[follower, *(told[i] if told else ())],
            engine=model.engine, n_threads=model.n_threads,
        )  # fmt: skip
        tasks.append(_as_scikit_learn_counts(model, i, task, watched))
    try:
        if len(tasks) == 1:
            model.histories_ = [training.fit(tasks[0])]
        else:
            model.histories_ = training.fit_many(tasks, model.n_threads)
    except DivergenceError as error:
        error.history.stop_reason = "diverged"
        model.histories_ = [error.history]
        _record(model, data)
        if not model.early_stopping:
            raise _in_scikit_learns_words(error) from None
        model.validation_scores_.append(np.nan)
        warnings.warn(str(error), ConvergenceWarning, stacklevel=5)
    else:
        _record(model, data)


def _as_scikit_learn_counts(
    model: Any, i: int, task: Task, watched: watching.Watched | None
) -> Task:
    """Return the task with penalties for each sample, and the optimizer's state of before."""
    regularization = replace(task.settings.regularization, per_sample=True)
    return replace(
        task,
        settings=replace(task.settings, regularization=regularization),
        validation=watched.data if watched else None,
        start=model._optimizer_states[i] if makes_epochs(model) else None,
    )


def _record(model: Any, data: Data) -> None:
    """Set the attributes that tell of training: of the first network."""
    first, follower = model.histories_[0], model._convergences[0]
    model.n_iter_ = first.epochs
    model.loss_curve_ = follower.losses
    if first.epochs:
        model.loss_ = follower.losses[-1]
    else:  # lbfgs makes no iteration if it starts at a minimum
        model.loss_ = model.network_.loss_value(data.X, data.Y, data.sample_weight)
    if makes_epochs(model):
        model.t_ += len(data) * first.epochs
    early = model.early_stopping and makes_epochs(model)
    model.best_loss_ = None if early else min(follower.best_loss, model.loss_)
    model.validation_scores_ = follower.scores if follower.scores or early else None
    model.best_validation_score_ = follower.best_score if follower.scores else None


def warn_if_unfinished(model: Any) -> None:
    """Warn where training ended before it had converged, unless a schedule planned its length."""
    reason = model.histories_[0].stop_reason
    if model.schedule is not None or reason in _ENDED_AS_MEANT:
        return
    if reason == "epochs":
        message = (
            f"Maximum iterations ({model.max_iter}) reached and the optimization hasn't converged "
            "yet: take a larger max_iter, or scale the data"
        )
    else:
        message = (
            f"training ended after {model.n_iter_} iterations without having converged "
            f"({reason}): take a larger max_fun, or scale the data"
        )
    warnings.warn(message, ConvergenceWarning, stacklevel=5)


def _report(network: Network, offset: float) -> Callable[[Progress], float]:
    """Return the function that states the objective of an epoch as scikit-learn does."""
    architecture = network.architecture
    # its squared error is the mean over the outputs, though it descends that of the sum
    share = 1 / architecture.n_targets if architecture.loss.name == "squared_error" else 1.0

    def report(progress: Progress) -> float:
        return share * progress.loss + offset + progress.penalty

    return report


def _batch_size(model: Any, n: int) -> int:
    """Return the samples in a step."""
    if model.batch_size == "auto":
        return min(200, n)
    if model.batch_size > n and makes_epochs(model):
        warnings.warn(
            f"Got batch_size={model.batch_size}, larger than the number of samples, {n}, which "
            "takes its place",
            stacklevel=6,
        )
    return int(min(model.batch_size, n))


def _optimizer(model: Any) -> Optimizer | FullBatch | str:
    if model.optimizer is not None:
        return model.optimizer
    if model.solver == "adam":
        return Adam(
            beta1=float(model.beta_1), beta2=float(model.beta_2), epsilon=float(model.epsilon),
            epsilon_hat=True,
        )  # fmt: skip
    if model.solver == "sgd":
        return Momentum(momentum=float(model.momentum), nesterov=model.nesterovs_momentum)
    return LBFGS(gradient_tolerance=float(model.tol), max_evaluations=int(model.max_fun))


def _policy(model: Any) -> str:
    """Return scikit-learn's rule for the learning rate, which is for its sgd alone."""
    return model.learning_rate if model.solver == "sgd" and model.optimizer is None else "constant"


def _schedule(model: Any, follower: Convergence, n: int, partial: bool) -> Any:
    policy = _policy(model)
    if model.schedule is not None:
        if policy != "constant":
            raise InputError(
                f"schedule={model.schedule!r} and learning_rate={policy!r} both change the "
                "learning rate: pass one of them"
            )
        return model.schedule
    if policy == "invscaling":
        return convergence.inverse_scaling(model.power_t, model.t_, n, goes_on=partial)
    return convergence.adaptive(follower) if policy == "adaptive" else None


def _in_scikit_learns_words(error: DivergenceError) -> DivergenceError:
    said = DivergenceError(
        "Solver produced non-finite parameter weights. The input data may contain large values "
        f"and need to be preprocessed. {error}"
    )
    said.history = error.history
    return said
