"""One call of ``fit``: from an estimator's parameters to trained networks, and what they record."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from chainrule import optimizers, schedules, training
from chainrule.callbacks import Callback, Progress
from chainrule.engines import Data
from chainrule.errors import DivergenceError, InputError
from chainrule.estimators import convergence, watching
from chainrule.estimators.convergence import Convergence
from chainrule.estimators.watching import Watched
from chainrule.network import Network
from chainrule.optimizers import FULL_BATCH, LBFGS, Adam, FullBatch, Momentum, Optimizer
from chainrule.training import OptimizerState, Task

_ENDED_AS_MEANT = ("converged", "interrupted", "diverged")
"""Reasons to stop that need no warning, or had one; being asked to by a callback is another."""


def makes_epochs(model: Any) -> bool:
    """Return whether the optimizer makes epochs, of which `partial_fit` can make one."""
    chosen = model.solver if model.optimizer is None else model.optimizer
    if isinstance(chosen, str):
        return chosen not in FULL_BATCH
    return not issubclass(chosen if isinstance(chosen, type) else type(chosen), FullBatch)


def tasks(
    model: Any,
    splits: Sequence[tuple[Data, Watched | None]],
    epochs: int,
    partial: bool = False,
) -> list[Task]:
    """Return what each network of an estimator is to do; nothing has happened yet.

    Parameters
    ----------
    model : Perceptron
        Its networks are to be trained in place.
    splits : sequence of (Data, Watched or None)
        What each network is trained on, and scored on after each epoch.
    epochs : int
        The most to make.
    partial : bool, default False
        Whether the run before goes on.

    Raises
    ------
    InputError
        If a parameter is wrong, or does not go with another.
    """
    epochwise, planned = makes_epochs(model), _plans_its_length(model)
    if partial and model.schedule is not None:
        raise InputError(
            f"partial_fit makes one epoch at a time, of which schedule={model.schedule!r} knows no "
            "end: pass schedule=None, and change learning_rate_init by set_params between calls"
        )
    batch_size = _batch_size(model, len(splits[0][0]))
    optimizer = optimizers.get(_optimizer(model))
    found, states = [], []
    for i, (network, (data, watched)) in enumerate(zip(model.networks_, splits, strict=True)):
        follower, state = model._convergences[i], model._optimizer_states[i]
        early = bool(model.early_stopping and watched and epochwise)
        # scipy decides for lbfgs, whose loss is not to fall by `tol` in every iteration
        patience = model.n_iter_no_change if epochwise and (early or not planned) else math.inf
        follower.begin(
            patience=patience, tol=model.tol, report=_report(model, network, data),
            score=watching.score_of(model, network, watched) if watched else None,
            early_stopping=early, restore_best=model.restore_best, verbose=bool(model.verbose),
            adaptive=_policy(model) == "adaptive",
        )  # fmt: skip
        task = network._task(
            data, network.feature_names, epochs=epochs, optimizer=optimizer,
            learning_rate=model.learning_rate_init, batch_size=batch_size, shuffle=model.shuffle,
            # of a warm start, too, the order of samples and the dropout are new
            seed=(model._draw_seed() + model.t_) % 2**32, l2=model.alpha, l1=model.l1,
            dropout=model.dropout, gradient_clip=model.gradient_clip,
            schedule=_schedule(model, follower, len(data), partial), callbacks=[follower],
            engine=model.engine, n_threads=model.n_threads,
        )  # fmt: skip
        if state.optimizer != optimizer.name:
            state = OptimizerState()
        regularization = replace(task.settings.regularization, per_sample=True)
        task = replace(
            task,
            settings=replace(task.settings, regularization=regularization),
            validation=watched.data if watched else None,
            start=state if epochwise else None,
        )
        training.choose_engine(task)  # refuses now what would be refused when training begins
        found.append(task)
        states.append(state)
    # nothing is refused from here on: what earlier calls left may change
    model._optimizer_states = states
    for follower in model._convergences if not partial else ():
        follower.scale = 1.0
    return found


def train(model: Any, given: Sequence[Task], told: Sequence[Sequence[Sequence[Callback]]]) -> None:
    """Train all networks of an estimator, and set the attributes that tell of it.

    Parameters
    ----------
    model : Perceptron
        Its networks are trained in place.
    given : sequence of Task
        From `tasks`.
    told : sequence of pairs of sequences of Callback
        For each network, who is told of an epoch before it is judged, and after it.

    Raises
    ------
    DivergenceError
        If a network diverged, without early stopping; with it, that is a warning.
    """
    following = [
        replace(task, callbacks=[*before, *task.callbacks, *after])
        for task, (before, after) in zip(given, told, strict=True)
    ]
    model.histories_, diverged = training.fit_many(following, model.n_threads)
    for network, history in zip(model.networks_, model.histories_, strict=True):
        network.history = history
    for i in diverged if model.early_stopping else ():
        model._convergences[i].scores.append(math.nan)
    _record(model, given[0])
    for error in diverged.values():
        if not model.early_stopping:
            raise _in_scikit_learns_words(error)
        training.warn(str(error), ConvergenceWarning)


def _record(model: Any, task: Task) -> None:
    """Set the attributes that tell of training: of the first network."""
    first, follower = model.histories_[0], model._convergences[0]
    model.n_iter_ = first.epochs
    model.loss_curve_ = follower.losses
    if first.epochs and follower.losses:
        model.loss_ = follower.losses[-1]
    else:  # lbfgs makes no iteration where it starts at a minimum; Ctrl-C may come at any line
        network, data, penalties = model.network_, task.data, task.settings.regularization
        progress = Progress(
            network.architecture, network.parameters, epochs=0,
            loss=network.loss_value(
                data.X, data.Y, data.sample_weight, dY=data.dY, dY_weight=data.dY_weight
            ),
            penalty=penalties.penalty(network.weights, data.total_weight()),
        )  # fmt: skip
        model.loss_ = _report(model, network, data)(progress)
    if makes_epochs(model):
        model.t_ += len(task.data) * first.epochs
    early = model.early_stopping and makes_epochs(model)
    model.best_loss_ = None if early else min(follower.best_loss, model.loss_)
    model.validation_scores_ = follower.scores if follower.scores or early else None
    model.best_validation_score_ = follower.best_score if follower.scores else None


def warn_if_unfinished(model: Any) -> None:
    """Warn where training ended before it had converged, unless a schedule planned its length."""
    unfinished = [
        history.stop_reason
        for history, follower in zip(model.histories_, model._convergences, strict=True)
        if not (follower.asked_to_stop or history.stop_reason in _ENDED_AS_MEANT)
        and not (history.stop_reason == "epochs" and _plans_its_length(model))
    ]
    if not unfinished:
        return
    n, reason = len(model.networks_), unfinished[0]
    which = f"{len(unfinished)} of {n} networks: " if n > 1 else ""
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
    training.warn(which + message, ConvergenceWarning)


def _plans_its_length(model: Any) -> bool:
    """Return whether the learning rate follows a plan over all of `max_iter` epochs."""
    return model.schedule is not None and schedules.get(model.schedule).uses_epochs


def _report(model: Any, network: Network, data: Data) -> Callable[[Progress], float]:
    """Return the function that states the objective of an epoch as scikit-learn does."""
    architecture = network.architecture
    # its squared error is the mean over the outputs, though it descends that of the sum
    share = 1 / architecture.n_targets if architecture.loss.name == "squared_error" else 1.0
    offset = model._loss_offset(data)

    def report(progress: Progress) -> float:
        return share * progress.loss + offset + progress.penalty

    return report


def _batch_size(model: Any, n: int) -> int:
    """Return the samples in a step."""
    if model.batch_size == "auto":
        return min(200, n)
    if model.batch_size > n and makes_epochs(model):
        training.warn(
            f"Got batch_size={model.batch_size}, larger than the number of samples, {n}, which "
            "takes its place"
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
