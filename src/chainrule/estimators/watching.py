"""What a perceptron is scored on while it trains."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from chainrule.callbacks import Progress
from chainrule.engines import Data
from chainrule.errors import InputError
from chainrule.network import Network
from chainrule.numerics import Array


@dataclass(frozen=True)
class Watched:
    """Samples that are not trained on."""

    data: Data
    y: Array
    """As the user gave it."""
    sample_weight: Array | None
    """As the user gave it, without the weights of classes."""


def split(
    n: int, fraction: float, labels: Array | None, random: np.random.RandomState
) -> tuple[Array, Array]:
    """Return the rows to train on and those to watch, which are scikit-learn's.

    Parameters
    ----------
    n : int
        The number of samples.
    fraction : float
        How many are watched.
    labels : array of shape (n, 1), bool, or None
        Of two classes, to have both on both sides.
    random : RandomState
        Moves on.

    Raises
    ------
    InputError
        If there are too few samples, of all or of a class.
    """
    try:
        trained, held = train_test_split(
            np.arange(n), test_size=fraction, random_state=random, stratify=labels
        )
    except ValueError as error:
        each = "" if labels is None else " and of each of two classes"
        raise InputError(
            f"{error} early_stopping=True holds out {fraction:g} of the {n} samples{each}: pass "
            "early_stopping=False, validation_data, or more samples"
        ) from None
    if len(held) < 2:
        raise InputError(
            f"The validation set is too small: validation_fraction={fraction:g} of {n} samples is "
            f"{len(held)}, but 2 are needed. Increase validation_fraction, pass validation_data, "
            "or more samples"
        )
    return trained, held


def score_of(estimator: Any, network: Network, watched: Watched) -> Callable[[Progress], float]:
    """Return the function that scores one network of an estimator after an epoch; more is better.

    It is NaN, as scikit-learn's, where a prediction is not finite.
    """
    metric = estimator._metric()
    if metric == "loss":
        return lambda progress: math.nan if progress.val_loss is None else -progress.val_loss
    weight = {} if watched.sample_weight is None else {"sample_weight": watched.sample_weight}
    if metric is not None:
        alone = alone_with(estimator, network)
        scorer = check_scoring(alone, metric)
        try:  # now, and not after an epoch
            first = scorer(alone, watched.data.X, watched.y, **weight)
        except Exception as error:
            raise InputError(
                f"scoring={metric!r} fails on the samples to validate on"
                f"{' with their weights' if weight else ''}: {error}"
            ) from error
        _one_number(metric, first)

        def scored(progress: Progress) -> float:
            del progress  # the network itself is trained in place
            return _one_number(metric, scorer(alone, watched.data.X, watched.y, **weight))

        return scored

    def score(progress: Progress) -> float:
        del progress
        predicted = estimator._decode(network.predict(watched.data.X))
        if predicted.dtype.kind == "f" and not np.isfinite(predicted).all():
            return math.nan
        return float(estimator._score(watched.y, predicted, **weight))

    return score


def _one_number(metric: Any, found: Any) -> float:
    if np.ndim(found) or not np.issubdtype(np.asarray(found).dtype, np.number):
        raise InputError(f"scoring={metric!r} must return one number, but returned {found!r}")
    return float(found)


def require_scorer(estimator: Any) -> None:
    """Refuse a metric that scikit-learn does not know, used or not.

    Raises
    ------
    ValueError
        Naming it.
    """
    metric = estimator._metric()
    if metric not in (None, "loss"):
        check_scoring(estimator, metric)


def alone_with(estimator: Any, network: Network) -> Any:
    """Return the estimator with this one network, for arrays that were checked already."""
    alone = copy.copy(estimator)
    alone.networks_ = [network]
    alone.__dict__.pop("feature_names_in_", None)  # arrays have none, which would be warned of
    return alone
