"""How good a trained model is on the held-out rows, beside others, and what it depends on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from chainrule.diagnosis import Diagnosis, diagnose
from chainrule.errors import InputError
from chainrule.evaluation import baselines, importance
from chainrule.evaluation.baselines import Baseline
from chainrule.evaluation.metrics import Metric, bootstrap
from chainrule.evaluation.model import Model
from chainrule.history import History
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.runs.config import Config
from chainrule.runs.preparing import Prepared
from chainrule.runs.results import Results, Rival, all_scores
from chainrule.tuning import Trial

_CURVES = 6
"""Columns whose partial dependence is shown."""
_DIAGNOSED_ROWS = 10_000


def judge(
    config: Config,
    prepared: Prepared,
    model: Model,
    nets: Sequence[Network],
    metric: Metric,
    started: float,
    *,
    interrupted: bool = False,
    deep: bool = True,
    trials: Sequence[Trial] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Results:
    """Score a model and its rivals, and look into it.

    Parameters
    ----------
    config : Config
        Of the run.
    prepared : Prepared
        The table.
    model : Model
        The network that was saved, with its columns.
    nets : sequence of Network
        Those that it is made of, trained.
    metric : Metric
        The score that counts.
    started : float
        When the run began, by ``time.perf_counter``.
    interrupted : bool, default False
        Whether training was.
    deep : bool, default True
        Whether importances, curves and a diagnosis are wanted too, which a report shows.
    trials : sequence of Trial, default ()
        Of tuning, the best first.
    say : callable
        Is told what is going on.
    """
    held, target = prepared.held, prepared.target
    predicted = model.predict(held.X)
    seed = config.seed
    others = list(_rivals(config, prepared, say))
    rivals = [
        Rival(
            other.name, other.what,
            bootstrap(metric, held.truth, other.predicted, seed=seed),
            bootstrap(metric, held.truth, predicted, other.predicted, seed=seed),
            all_scores(target.task, held.truth, other.predicted), other.n_rows, other.seconds,
        )
        for other in others
    ]  # fmt: skip
    importances: list[importance.Importance] = []
    dependences: list[importance.Dependence] = []
    n_not_tried = 0
    diagnosis = None
    if deep:
        say("looking into the model")
        importances, n_not_tried = importance.permutation(model, metric, held.X, held.truth, seed)
        telling = [i.column for i in importances if i.fall > 0][:_CURVES]
        dependences = importance.partial_dependence(model, held.X, held.frame, telling, seed)
        diagnosis = _diagnosis(config, prepared, nets[0])
    return Results(
        config, prepared, model, [_history(net) for net in nets], metric,
        bootstrap(metric, held.truth, predicted, seed=seed),
        all_scores(target.task, held.truth, predicted), rivals, predicted, importances,
        n_not_tried, dependences, diagnosis, time.perf_counter() - started, interrupted, trials,
    )  # fmt: skip


def _history(net: Network) -> History:
    assert net.history is not None
    return net.history


def _rivals(config: Config, prepared: Prepared, say: Callable[[str], None]) -> list[Baseline]:
    """Return what others predict for the held-out rows, in the unit of the target."""
    rows, held, target = prepared.rows, prepared.held, prepared.target
    n_classes = len(target.classes)
    found = [baselines.naive(rows.Y, n_classes, len(held.rows))]
    if config.baselines:
        say("training a linear model and gradient boosting on the same rows")
        found += baselines.learned(
            rows.X, rows.Y, held.X, _without_bends(prepared), n_classes, config.seed
        )
    if n_classes:
        return found
    return [
        replace(b, predicted=b.predicted.astype(np.float64) * target.scale + target.mean)
        for b in found
    ]


def _without_bends(prepared: Prepared) -> Array:
    """Return the inputs that are no bends, which were made for networks."""
    bends, n = [], 0
    blocks = zip(*(column.names for column in prepared.preprocessing.columns), strict=True)
    for number, block in enumerate(blocks):
        for names in block:
            bends += [number == 2] * len(names)
            n += len(names)
    return np.flatnonzero(~np.array(bends))


def _diagnosis(config: Config, prepared: Prepared, net: Network) -> Diagnosis | None:
    """Return what is wrong with the training of the first network, by some of its rows."""
    trained = prepared.rows.parts[0][0]
    X, Y = prepared.rows.X[trained], prepared.rows.Y[trained]
    rows = np.random.default_rng(config.seed).permutation(len(X))[:_DIAGNOSED_ROWS]
    try:
        return diagnose(net, X[rows], Y[rows])
    except InputError:  # a loss that it does not know
        return None
