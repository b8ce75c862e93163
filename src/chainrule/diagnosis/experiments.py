"""Short trainings of copies: what would happen if one thing were different."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from chainrule import batches
from chainrule.diagnosis.evidence import Evidence
from chainrule.errors import DivergenceError, InputError
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch

# Multiplications that one trial may take, some seconds at most.
_BUDGET = 2e10
_FEWEST, _MOST = 8, 300


def can_train(e: Evidence) -> bool:
    """Whether a trial is possible: step by step, and with targets that the loss takes."""
    try:
        batches.require_targets_in_range(e.Y, e.architecture)
    except InputError:
        return False
    return not isinstance(e.settings.optimizer, FullBatch)


def steps_to_try(e: Evidence, most: int = _MOST) -> int:
    """Return how many steps a trial makes: as many as were made before, within bounds."""
    per_epoch = -(-e.n_rows // e.settings.batch_size)
    made = per_epoch * e.history.epochs if e.history is not None and e.trained else 150
    affordable = _BUDGET / (3 * e.net.n_parameters * min(e.settings.batch_size, e.n))
    return max(_FEWEST, int(min(max(made, 100), most, affordable)))


def trained_loss(e: Evidence, learning_rate: float, steps: int, **options: Any) -> float:
    """Return the loss of a fresh network after some steps, infinite if it diverged."""
    net = e.fresh()
    _train(e, net, e.X, e.Y, learning_rate, steps, **options)
    if not np.isfinite(net.parameters).all():
        return float("inf")
    return float(net.loss_value(e.X, e.Y)) if net.history else float("inf")


def _train(
    e: Evidence, net: Network, X: Array, Y: Array, learning_rate: float, steps: int, **options: Any
) -> None:
    """Train for about that many steps; ``net.history`` is None if it diverged."""
    batch_size = min(e.settings.batch_size, len(X))
    epochs = max(1, round(steps * batch_size / len(X)))
    given = {"optimizer": e.settings.optimizer, "batch_size": batch_size, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            net.fit(X, Y, learning_rate=learning_rate, epochs=epochs, n_threads=1, **given)
        except DivergenceError:
            net.history = None


def update_ratios(e: Evidence, learning_rate: float, start: Network | None = None) -> list[float]:
    """Return the length of one step of each W^L relative to that of W^L.

    From the present weights, or from those of `start`.
    """
    net = (start or e.net).copy()
    before = [W.astype(np.float64) for W in net.weights]
    if not np.isfinite(net.parameters).all() or not can_train(e):
        return [float("nan")] * len(before)
    net.history = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            net.fit(
                e.X, e.Y, optimizer=e.settings.optimizer, learning_rate=learning_rate, epochs=1,
                batch_size=e.n, n_threads=1,
            )  # fmt: skip
        except DivergenceError:
            return [float("inf")] * len(before)
    tiny = 1e-300
    return [
        float(np.linalg.norm(after - W)) / max(float(np.linalg.norm(W)), tiny)
        for after, W in zip(net.weights, before, strict=True)
    ]


def _halves(e: Evidence) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return samples to train on, and samples to hold out."""
    order = np.random.default_rng(0).permutation(e.n)
    train, held = order[: e.n // 2], order[e.n // 2 :]
    return (e.X[train], e.Y[train]), (e.X[held], e.Y[held])


def longer(e: Evidence, steps: int, times: int, **options: Any) -> tuple[float, float]:
    """Return the lowest loss on held-out samples within some steps, and within so many times them.

    Of a fresh network, trained as this one was on half of the samples.
    """
    train, held_out = _halves(e)
    net = e.fresh()
    _train(
        e, net, *train, e.settings.learning_rate or 1e-3, times * steps,
        validation_data=held_out, **options,
    )  # fmt: skip
    losses = net.history.val_loss if net.history else []
    if len(losses) < times:
        return float("inf"), float("inf")
    return min(losses[: len(losses) // times]), min(losses)


class Held(NamedTuple):
    """The lowest losses on samples that were held out, relative to a constant prediction's."""

    present: float
    """Of the network as it is, which may have seen these samples."""
    anew: float
    """Of the same architecture, trained on the other samples."""
    wide: float
    """Of a wider one, trained so."""


def wider(e: Evidence) -> Held:
    """Train anew on half of the samples, this architecture and a wider one.

    The wider one has at least 64 units in a layer and one hidden layer at least, and relus in the
    place of no activation.
    """
    train, held_out = _halves(e)
    sizes, activations = e.architecture.layer_sizes, e.architecture.activations
    wide = Network(
        [sizes[0], *([max(64, 4 * n) for n in sizes[1:-1]] or [64]), sizes[-1]],
        ["relu" if a.name == "identity" else a for a in activations[:-1]] or "relu",
        output_activation=e.output,
        loss=e.loss,
        dtype=e.architecture.dtype,
    )
    steps = int(np.clip(_BUDGET / (3 * wide.n_parameters * 32), 100, 1500))
    lowest = []
    for net in (e.fresh(), wide):
        _train(
            e, net, *train, 3e-3, steps, optimizer="adam", batch_size=32, validation_data=held_out
        )
        losses = net.history.val_loss if net.history else []
        lowest.append(min(losses, default=float("inf")))
    return Held(*map(e.share, (float(e.net.loss_value(*held_out)), *lowest)))
