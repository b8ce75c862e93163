"""What a diagnosis advises helps: the broken networks are mended as it says, and learn."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import chainrule as cr
from chainrule.diagnosis.evidence import settings_of
from chainrule.errors import DivergenceError
from tests import broken
from tests.broken import Array, Case

Start = tuple[cr.Network, Array, Array, dict[str, Any]]
"""A network to train, on what, and how."""

NOTHING_TO_LEARN = {"constant inputs", "constant targets", "targets unrelated to the inputs"}
SEEN_ELSEWHERE = {"overfitting", "labels that look like numbers"}
"""Overfitting shows on other samples; the labels of `broken.samples` are in order."""
WAYS = [way for way, cause in broken.WAYS.items() if cause not in NOTHING_TO_LEARN | SEEN_ELSEWHERE]
PLAIN = {"optimizer": "gradient_descent", "learning_rate": 0.1}
"""For weights that Adam, whose steps do not depend on how long a gradient is, copes with."""


def fresh(net: cr.Network, **changes: Any) -> cr.Network:
    """Return a network of the same kind with some things changed."""
    a = net.architecture
    kept = {
        "activation": [activation.name for activation in a.activations[:-1]],
        "output_activation": a.activations[-1].name, "loss": a.loss.name, "bias": a.bias,
        "seed": net.seed,
    }  # fmt: skip
    sizes = changes.pop("layer_sizes", a.layer_sizes)
    return cr.Network(sizes, **{**kept, **changes})


def standardised(values: Array) -> Array:
    spread = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)


def mended(found: cr.diagnosis.Finding, net: cr.Network, X: Array, Y: Array) -> Start:
    """Return what the remedy says, done."""
    sizes, said = net.layer_sizes, found.remedy
    wide = [sizes[0], 64, *sizes[2:-1], sizes[-1]]
    match found.cause:
        case "inputs not finite":
            return fresh(net), np.nan_to_num(X, nan=0, posinf=0), Y, {}
        case "inputs not scaled":
            return fresh(net), standardised(X), Y, {}
        case "targets not scaled":
            return fresh(net), X, standardised(Y), {}
        case "labels that look like numbers":
            labels = np.unique(Y, return_inverse=True)[1]
            classes = {"output_activation": "softmax", "loss": "cross_entropy"}
            return fresh(net, layer_sizes=[*sizes[:-1], labels.max() + 1], **classes), X, labels, {}
        case "output activation does not fit the targets" if "identity" in said:
            return fresh(net, output_activation="identity"), X, Y, {}
        case "output activation does not fit the targets":
            binary = {"output_activation": "sigmoid", "loss": "binary_cross_entropy"}
            return fresh(net, **binary), X, Y, {}
        case "output activation does not fit the loss":
            return fresh(net, output_activation="softmax"), X, Y, {}
        case "loss does not fit the targets":
            return fresh(net), X, (Y + 1) // 2, {}
        case "vanishing lambda" if "larger weights" not in said:
            return fresh(net, activation="relu"), X, Y, {}
        case "learning rate too high" | "learning rate too low":
            rate = re.search(r"learning_rate=(\S+),", said)
            assert rate
            return fresh(net), X, Y, {"learning_rate": float(rate[1])}
        case "dropout too high":
            return fresh(net), X, Y, {"dropout": 0.2}
        case "too few epochs":
            epochs = re.search(r"epochs=(\d+)", said)
            assert epochs
            return fresh(net), X, Y, {"epochs": int(epochs[1])}
        case "too few units":
            return fresh(net, layer_sizes=wide), X, Y, {}
        case "no nonlinearity":
            return fresh(net, layer_sizes=wide, activation="relu"), X, Y, {}
        case "missing bias":
            return fresh(net, bias=True), X, Y, {}
        case "imbalanced classes":
            weight = len(Y) / np.bincount(Y)[Y] / 2
            return fresh(net), X, Y, {"sample_weight": weight}
    assert "start" in said or "make the network anew" in said or "divide l2" in said
    return fresh(net), X, Y, {}


def error(net: cr.Network, X: Array, Y: Array) -> float:
    """Return what share of a constant prediction's error is left: of each class, or squared."""
    outputs = net.predict(X)
    if not np.isfinite(outputs).all():
        return np.inf
    if Y.ndim == 2:
        return float(np.mean([_of_classes(out, y) for out, y in zip(outputs.T, Y.T, strict=True)]))
    if len(np.unique(Y)) <= 10:
        return _of_classes(outputs if outputs.shape[1] > 1 else outputs[:, 0], Y)
    return float(((outputs[:, 0] - Y) ** 2).mean() / Y.var())


def _of_classes(outputs: Array, Y: Array) -> float:
    values, labels = np.unique(Y, return_inverse=True)
    if outputs.ndim == 1:
        said = np.abs(outputs[:, None] - values).argmin(axis=1)
    else:
        said = outputs.argmax(axis=1)
    recalls = [(said[labels == k] == k).mean() for k in range(len(values))]
    return float((1 - np.mean(recalls)) / (1 - 1 / len(values)))


def after_training(start: Start) -> float:
    net, X, Y, settings = start
    try:
        net.fit(X, Y, **{"epochs": 10, "learning_rate": 3e-3, **settings})
    except DivergenceError:
        return np.inf
    return error(net, X, Y)


def as_it_was(net: cr.Network, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the training that was diagnosed."""
    h = net.history
    if h is None:
        return given
    known = settings_of(h, None, None, None)
    return {"optimizer": known.optimizer, "learning_rate": known.learning_rate, "l2": h.l2,
            "l1": h.l1, "dropout": h.dropout}  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("i", range(2))
def test_the_remedy_helps(way: Callable[[int], Case], i: int) -> None:
    net, X, Y, given = way(i)
    first = cr.diagnose(net, X, Y, **given).findings[0]
    given.pop("history", None)
    common: dict[str, Any] = {"epochs": (net.history.epochs if net.history else 0) or 10}
    if way in (broken.small_weights, broken.large_weights_in_a_deep_network):
        common |= PLAIN
    cannot_be_trained = (
        not (np.isfinite(X).all() and np.isfinite(net.parameters).all())
        or first.cause == "loss does not fit the targets"
    )
    before = np.inf
    if not cannot_be_trained:
        before = after_training((net.copy(), X, Y, common | as_it_was(net, given)))
    new, X, Y, settings = mended(first, net, X, Y)
    after = after_training((new, X, Y, common | settings))
    assert after < 0.8 * before or after < 0.05


def test_labels_as_classes_are_told_apart_better_than_as_numbers() -> None:
    digits = load_digits()
    X, Y = digits.data / 16, digits.target
    net = cr.Network([64, 32, 1], seed=0)
    (finding,) = cr.diagnose(net, X, Y).findings
    new, X, labels, _ = mended(finding, net, X, Y)
    right = []
    for network in (net, new):
        network.fit(X[:1200], labels[:1200], epochs=20, learning_rate=3e-3)
        outputs = network.predict(X[1200:])
        said = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0].round()
        right.append((said == labels[1200:]).mean())
    assert right[1] > right[0] + 0.2


def test_early_stopping_ends_before_overfitting() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 20))
    Y = (X[:, 0] + rng.normal(size=240) > 0).astype(int)
    held_out = X[40:], Y[40:]
    lost = []
    for stopping in (None, True):
        net = broken.network(X, True, 0, [128])
        net.fit(
            X[:40],
            Y[:40],
            epochs=200,
            learning_rate=3e-3,
            validation_data=held_out,
            early_stopping=stopping,
        )
        lost.append(net.loss_value(*held_out))
    assert lost[1] < 0.5 * lost[0]
