"""What is wrong with a network, found by looking at one pass, its data and its training."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from chainrule import batches, training
from chainrule.diagnosis import data_rules, experiments, layer_rules, training_rules
from chainrule.diagnosis.evidence import FLAT, Evidence, settings_of
from chainrule.diagnosis.report import Diagnosis, Finding, LayerRow, distribution
from chainrule.errors import InputError
from chainrule.history import History
from chainrule.network import Network
from chainrule.optimizers import FullBatch, Optimizer

__all__ = ["Diagnosis", "Finding", "LayerRow", "diagnose"]

# The most likely cause first: what is wrong with the data or the start shows in all that follows.
_ABOUT_DATA = (data_rules.inputs, data_rules.targets, data_rules.output)
_ABOUT_LAYERS = (
    layer_rules.symmetry,
    layer_rules.dead,
    layer_rules.saturated,
    layer_rules.lambdas,
    layer_rules.small_weights,
)
_ABOUT_TRAINING = (
    training_rules.too_high,
    training_rules.too_low,
    training_rules.regularization,
    training_rules.overfitting,
    training_rules.capacity,
)
# Shown by a trial from fresh weights, or by a setting, so that the network's own are not the cause.
_TRIED = (
    "learning rate too high",
    "regularization too strong",
    "dropout too high",
    "too few units",
    "no nonlinearity",
)
# A cause and what always comes with it, which is therefore not said again.
_FOLLOWS = {
    "symmetric weights": {"dead relus", "dead units", "vanishing lambda", "weights too small"},
    "dead relus": {"vanishing lambda", "weights too small"},
    "dead units": {"vanishing lambda", "weights too small"},
    "saturated units": {"vanishing lambda", "exploding lambda"},
    "vanishing lambda": {"weights too small"},
    "dropout too high": {"dead relus", "dead units"},
    "regularization too strong": {"vanishing lambda", "weights too small", "too few units"},
}


def diagnose(
    net: Network,
    X: Any,
    Y: Any,
    history: History | None = None,
    learning_rate: float | None = None,
    optimizer: str | Optimizer | FullBatch | None = None,
    batch_size: int | None = None,
) -> Diagnosis:
    """Say what is wrong with a network, its data or its training, with evidence and remedies.

    One forward and one backward pass are looked at, over at most 2,000 samples, and where the
    learning rate or the size is in doubt, copies of the network are trained for some hundred
    steps. The network is not changed.

    Parameters
    ----------
    net : Network
        Trained or not.
    X : array, data frame or CSR matrix of shape (n, n_0)
        The samples that it is trained on.
    Y : array of shape (n, n_targets)
        Their targets.
    history : History, optional
        Of its training; by default that of its last `fit`, if it was in this process.
    learning_rate : float, optional
        With which it is, or will be, trained; by default that of the history. Without either,
        the learning rate is not judged.
    optimizer : str, Optimizer or FullBatch, optional
        By default that of the history, else ``"adam"``.
    batch_size : int, optional
        By default that of the history, else 32.

    Returns
    -------
    Diagnosis
        ``findings``, the most likely cause first and none for a healthy network; ``table``, the
        distributions of rho, phi, omega, lambda and of the next step in each layer.

    Raises
    ------
    InputError
        If X or Y do not fit the network. Numbers that are not finite are a finding.

    Notes
    -----
    Bounds are from the literature, where there is any, and stand with their sources beside the
    rules: `chainrule.diagnosis.data_rules`, ``layer_rules``, ``training_rules``.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> net = cr.Network([2, 16, 1])
    >>> net.biases[0] = np.full(16, -100)
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> cr.diagnose(net, X, X[:, 0] * X[:, 1]).causes
    ('dead relus',)
    """
    if not isinstance(net, Network):
        raise InputError(
            f"diagnose takes a Network, but got a {type(net).__name__}: of an estimator pass its "
            "network_"
        )
    if learning_rate is not None and not (
        isinstance(learning_rate, Real) and 0 < learning_rate < np.inf
    ):
        raise InputError(f"learning_rate must be a number above 0, but is {learning_rate!r}")
    if batch_size is not None:
        batch_size = training.whole_number("batch_size", batch_size, low=1)
    history = net.history if history is None else history
    settings = settings_of(history, optimizer, learning_rate, batch_size)
    if missing := _not_finite(X, Y):
        return Diagnosis((missing,), (), np.nan, np.nan, len(X), "")
    data = batches.data(net.architecture, X, Y, names=net.feature_names)
    evidence = Evidence(net, data, history, settings)
    findings = list(_find(evidence))
    said = {cause for finding in findings for cause in _FOLLOWS.get(finding.cause, ())}
    step = f"{settings.optimizer.name}, learning_rate={settings.learning_rate or 1e-3:g}"
    return Diagnosis(
        tuple(finding for finding in findings if finding.cause not in said),
        tuple(_table(evidence)),
        evidence.trace.loss,
        evidence.naive_loss,
        evidence.n,
        step,
    )


def _find(e: Evidence) -> list[Finding]:
    if found := list(layer_rules.finite(e)):
        return found
    data = [finding for rule in _ABOUT_DATA for finding in rule(e)]
    layers = [finding for rule in _ABOUT_LAYERS for finding in rule(e)]
    training = []
    if not any(finding.severity == "severe" for finding in data):
        symmetric = any(finding.cause == "symmetric weights" for finding in layers)
        training = [finding for rule in _ABOUT_TRAINING if not symmetric for finding in rule(e)]
    ahead = [finding for finding in training if finding.cause in _TRIED]
    behind = [f for f in training if f not in ahead]
    rest = [f for rule in (training_rules.missing_bias, data_rules.balance) for f in rule(e)]
    if not e.trained:  # a rate that was not used yet has done nothing
        return [*data, *layers, *ahead, *behind, *rest]
    found = [*data, *ahead, *layers, *behind, *rest]
    for rule in (training_rules.too_short, training_rules.unrelated):
        found = found or list(rule(e))  # the last that come to mind
    return found


def _table(e: Evidence) -> list[LayerRow]:
    t, norms = e.trace, e.lambda_norms
    steps = experiments.update_ratios(e, e.settings.learning_rate or 1e-3)
    rows = []
    with np.errstate(over="ignore", invalid="ignore"):
        for L, activation in enumerate(e.architecture.activations, 1):
            slopes = e.slopes[L - 1]
            below = norms[L] if L < len(norms) else 0.0
            rows.append(
                LayerRow(
                    layer=L,
                    units=e.architecture.layer_sizes[L],
                    activation=activation.name,
                    rho=distribution(t.rho[L]),
                    phi=distribution(t.phi[L]),
                    omega=distribution(t.omega[L], e.n),
                    lambda_=distribution(t.lambda_[L], e.n),
                    lambda_norm=norms[L - 1],
                    factor=norms[L - 1] / below if below else None,
                    flat=None if slopes is None else float((slopes < FLAT).mean()),
                    dead=None if slopes is None else float((slopes < 0.005).all(axis=1).mean()),
                    update=steps[L - 1],
                )
            )
    return rows


def _not_finite(X: Any, Y: Any) -> Finding | None:
    """Return the finding that X or Y has NaN or infinite numbers, which nothing can learn from."""
    for name, values in (("inputs", X), ("targets", Y)):
        try:
            array = np.asarray(values, np.float64)
        except (TypeError, ValueError):  # no plain numbers: what reads them will say so
            continue
        bad = ~np.isfinite(array)
        if array.ndim and bad.any():
            rows = np.argwhere(bad)[:, 0]
            return Finding(
                f"{name} not finite",
                f"{bad.sum():,} of {bad.size:,} {name} are NaN or infinite, the first in row "
                f"{rows[0]}",
                "fill missing values (with the mean and a column that says so) or drop the rows",
            )
    return None
