"""Both kinds of callbacks through one door: scikit-learn's protocol, and those of a Network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from sklearn.callback import FitCallback

from chainrule import callbacks
from chainrule.callbacks import Callback, EarlyStopping, Progress
from chainrule.network import Network


class Wrapped:
    """A callback of ours where scikit-learn keeps its own, so that `clone` hands it on."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing: it is told of epochs only."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Nothing."""


def wrap(given: Sequence[Any]) -> list[Any]:
    """Return callbacks of either kind, all in the form that scikit-learn keeps.

    Raises
    ------
    InputError
        If one is neither of scikit-learn's protocol, nor a `Callback`, nor a function.
    """
    return [
        one
        if isinstance(one, FitCallback) and not isinstance(one, type)
        else Wrapped(callbacks.get([one])[0])
        for one in given
    ]


def ours(kept: Sequence[Any]) -> list[Callback]:
    """Return the callbacks of ours among those that scikit-learn keeps, for one network.

    Each network, and each clone that a search trains in a thread, waits by itself: of early
    stopping they have copies, as in `chainrule.train_many`.
    """
    return [
        copy.copy(one.callback) if isinstance(one.callback, EarlyStopping) else one.callback
        for one in kept
        if isinstance(one, Wrapped)
    ]


class EpochTasks(Callback):
    """Makes each epoch of one network a task of scikit-learn's callbacks.

    Parameters
    ----------
    estimator : Perceptron
        In training.
    context : sklearn.callback.CallbackContext
        Of the network's whole training.
    samples : dict
        ``X``, ``y`` and ``metadata``, handed on.
    own : bool
        Whether the context is of this network alone, so that it begins and ends here.
    """

    only_looks = True

    def __init__(self, estimator: Any, context: Any, samples: dict[str, Any], own: bool) -> None:
        self.estimator, self.context, self.samples, self.own = estimator, context, samples, own
        self.epoch: Any = None

    def on_train_begin(self, progress: Progress) -> None:
        """Begin the first epoch."""
        if self.own:
            self.context.call_on_fit_task_begin(**self._told(progress))
        self._begin(progress)

    def on_epoch_end(self, progress: Progress) -> None:
        """End this epoch, and begin the next if one follows."""
        self._end(progress)
        if not progress.stop_reason and progress.epoch < progress.epochs:
            self._begin(progress)

    def on_train_end(self, progress: Progress) -> None:
        """End an epoch that was begun but not completed, without results to look at."""
        if self.epoch is not None:
            self.epoch.call_on_fit_task_end(estimator=self.estimator)
        if self.own:
            self.context.call_on_fit_task_end(**self._told(progress))

    def _begin(self, progress: Progress) -> None:
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self._told(progress))

    def _end(self, progress: Progress) -> None:
        epoch, self.epoch = self.epoch, None
        if epoch.call_on_fit_task_end(**self._told(progress)):
            progress.stop("callback")

    def _told(self, progress: Progress) -> dict[str, Any]:
        def as_it_is_now() -> dict[str, Any]:
            return {"networks_": [Network.of(progress.architecture, progress.parameters.copy())]}

        return {
            "estimator": self.estimator,
            "reconstruction_attributes": as_it_is_now,
            **self.samples,
        }
