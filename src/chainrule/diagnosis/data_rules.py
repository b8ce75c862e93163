"""What the samples alone show: inputs, targets, and what the loss and output make of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.diagnosis.evidence import Evidence
from chainrule.diagnosis.report import Finding
from chainrule.errors import listing
from chainrule.numerics import Array

# LeCun et al. 1998, "Efficient BackProp", section 4.3: the mean of each input should be close to
# 0 and their variances about the same. These bounds leave room for what trains well all the same,
# such as pixels from 0 to 16 and centimetres of petals.
_LARGE, _SMALL = 15.0, 0.02
_RATIO = 50.0
_OFFSET = 8.0
_SCALE = "standardise each column (subtract its mean, divide by its standard deviation)"
_TARGETS_LARGE, _TARGETS_SMALL = 20.0, 0.005
_NUMBER_LOSSES = ("squared_error", "absolute_error", "huber", "log_cosh", "quantile")
_MOST_CLASSES = 20


def inputs(e: Evidence) -> Iterator[Finding]:
    """Find inputs that are constant, or whose scales make the steps of training fit no column."""
    X, names = e.X, e.net.feature_names

    def name(k: Any) -> str:
        return f"column {names[k] if names else int(k)}"

    mean, spread = X.mean(axis=0), np.abs(X - X.mean(axis=0)).max(axis=0)
    constant = spread <= 1e-9 * np.maximum(1, np.abs(mean))
    if len(X) > 1 and constant.mean() > 0.5:
        which = listing([name(k) for k in np.flatnonzero(constant)])
        yield Finding(
            "constant inputs",
            f"{constant.sum()} of {X.shape[1]} columns have one value in all {len(X):,} samples "
            f"({which})",
            "leave them out, and look whether the table was read as it should be",
        )
    size = np.sqrt((X**2).mean(axis=0))
    varying = np.flatnonzero(~constant)
    if not len(varying):
        return
    large = np.argmax(size)  # a large constant swamps the others as well
    if size[large] > _LARGE:
        yield Finding(
            "inputs not scaled",
            f"{name(large)} has values of about {size[large]:.3g} (root mean square; the smallest "
            f"has {size[varying].min():.3g}), where about 1 is wanted",
            _SCALE,
        )
        return
    if size.max() < _SMALL:
        yield Finding(
            "inputs not scaled",
            f"all columns have values of at most about {size.max():.2g} (root mean square), where "
            "about 1 is wanted, so that the first layer hardly moves",
            _SCALE,
        )
        return
    wide, narrow = varying[np.argmax(spread[varying])], varying[np.argmin(spread[varying])]
    if spread[wide] > _RATIO * spread[narrow]:
        yield Finding(
            "inputs not scaled",
            f"{name(wide)} varies by up to {spread[wide]:.3g} from its mean and {name(narrow)} by "
            f"{spread[narrow]:.3g}, a ratio of {spread[wide] / spread[narrow]:.0f}",
            _SCALE,
        )
        return
    deviation = np.maximum(X.std(axis=0), 1e-300)
    offset = np.where(constant | (np.abs(mean) < 3), 0, np.abs(mean) / deviation)
    if offset.max() > _OFFSET:
        k = int(np.argmax(offset))
        yield Finding(
            "inputs not scaled",
            f"{name(k)} is {mean[k]:.3g} ± {deviation[k]:.2g}: its offset is {offset[k]:.0f} "
            "times its standard deviation",
            _SCALE,
            severity="moderate",
        )


def targets(e: Evidence) -> Iterator[Finding]:
    """Find targets that are class numbers, constant, or of another scale than the outputs."""
    Y = e.Y
    if len(Y) > 1 and not np.ptp(Y, axis=0).any():
        yield Finding(
            "constant targets",
            f"Y is {listing([f'{y:g}' for y in Y[0]])} in every sample, so there is nothing to "
            "learn",
            "look where Y comes from",
        )
        return
    if e.loss.name.partition("(")[0] not in _NUMBER_LOSSES:
        return
    if classes := class_numbers(Y):
        n = len(classes)
        yield Finding(
            "labels that look like numbers",
            f"the targets take only {n} evenly spaced values "
            f"({listing([f'{c:g}' for c in classes])}), and the loss {e.loss.name} takes their "
            "order and distances at face value",
            f"if they are classes, give the network {n} outputs with "
            "output_activation='softmax' and loss='cross_entropy', and Y as class numbers from 0",
        )
        return
    if e.fits or np.isfinite(e.output.range).all():
        return
    deviation, mean = Y.std(axis=0), Y.mean(axis=0)
    size = np.sqrt((Y**2).mean(axis=0))
    remedy = (
        "standardise Y (subtract its mean, divide by its standard deviation) and undo it after "
        "predict"
    )
    k = int(np.argmax(size))
    if size[k] > _TARGETS_LARGE:
        yield Finding(
            "targets not scaled",
            f"the targets are {mean[k]:.4g} ± {deviation[k]:.3g}, while fresh outputs are about 1",
            remedy,
        )
        return
    if size.max() < _TARGETS_SMALL:
        yield Finding(
            "targets not scaled",
            f"the targets are only about {size.max():.2g}, while fresh outputs are about 1",
            remedy,
        )
        return
    spread = np.abs(Y - mean).max(axis=0)
    low, high = int(np.argmin(np.where(spread > 0, spread, np.inf))), int(np.argmax(spread))
    if spread[high] > _RATIO * spread[low]:
        yield Finding(
            "targets not scaled",
            f"target {high} varies by up to {spread[high]:.3g} from its mean and target {low} by "
            f"{spread[low]:.3g}: the loss sees the first alone",
            remedy,
        )


def class_numbers(Y: Array) -> list[float]:
    """Return the values of targets that look like numbers of three or more classes, or [].

    One column that takes few values, evenly spaced, each many times: whole numbers, or those
    shifted and scaled. Two classes are no problem: 0 and 1 have no order that could be wrong.
    Neither are counts, whose largest values are rare.

    Examples
    --------
    >>> class_numbers(np.repeat([[0.0], [1.0], [2.0]], 20, axis=0))
    [0.0, 1.0, 2.0]
    >>> class_numbers(np.linspace(0, 1, 60)[:, None])
    []
    """
    if Y.shape[1] != 1:
        return []
    values, counts = np.unique(Y[:, 0].round(9), return_counts=True)
    if not 3 <= len(values) <= min(_MOST_CLASSES, len(Y) / 5):
        return []
    if counts.min() < max(3, len(Y) / 100) or np.median(counts) < 5:
        return []
    steps = np.diff(values) / np.diff(values).min()
    evenly = np.abs(steps - steps.round()).max() < 1e-3 and steps.max() <= 3
    return [float(value) for value in values] if evenly else []


def output(e: Evidence) -> Iterator[Finding]:
    """Find outputs that cannot reach the targets, and losses that do not mean them."""
    Y, activation, loss = e.Y, e.output, e.loss
    spelled = f"targets from {Y.min():.4g} to {Y.max():.4g}"
    if loss.name == "hinge" and (np.abs(Y) != 1).any():
        yield Finding(
            "loss does not fit the targets",
            f"hinge takes -1 and 1, but there are {spelled}",
            "pass 2 * Y - 1 for Y of 0 and 1",
        )
        return
    low, high = loss.targets
    outside = float(((Y < low) | (Y > high)).mean())
    if outside:
        yield Finding(
            "loss does not fit the targets",
            f"{loss.name} takes targets in [{low:g}, {high:g}], but {outside:.0%} of them are "
            f"outside ({spelled})",
            "for numbers use loss='squared_error' with output_activation='identity'"
            + (", for classes pass class numbers or one column of 0 and 1 each" * (high == 1)),
        )
        return
    if loss.outputs_per_target == 1 and not activation.own:
        low, high = activation.range
        outside = float(((low > Y) | (high < Y)).mean())
        if outside > 0.01:
            yield Finding(
                "output activation does not fit the targets",
                f"{activation.name} gives values in [{low:g}, {high:g}], but {outside:.0%} of the "
                f"targets are outside ({spelled})",
                "use output_activation='identity' for numbers, or scale the targets into the range",
                e.architecture.n_layers,
            )
            return
    if loss.name != "cross_entropy":
        return
    if activation.name != "softmax" and not activation.own:
        yield Finding(
            "output activation does not fit the loss",
            f"cross_entropy counts only the outputs of true classes, and with {activation.name} "
            "nothing keeps the others down, so that all outputs go to 1",
            "use output_activation='softmax' for one class of several, or "
            "loss='binary_cross_entropy' with 'sigmoid' for yes or no",
            e.architecture.n_layers,
        )
        return
    labels = Y.sum(axis=1)
    wrong = np.abs(labels - 1) > 1e-3
    if wrong.mean() > 0.01:
        yield Finding(
            "output activation does not fit the targets",
            f"softmax shares out one label a sample, but the targets of {wrong.mean():.0%} of the "
            f"samples sum to something else (from {labels.min():.3g} to {labels.max():.3g})",
            "for several labels a sample use output_activation='sigmoid' with "
            "loss='binary_cross_entropy'",
            e.architecture.n_layers,
        )


def balance(e: Evidence) -> Iterator[Finding]:
    """Find a network that says the most frequent class always."""
    Y, outputs = e.Y, e.trace.phi[-1].T
    if e.loss.name not in ("cross_entropy", "binary_cross_entropy", "hinge"):
        return
    if Y.shape[1] == 1:
        threshold = 0.0 if e.loss.name == "hinge" else 0.5
        truth, said = Y[:, 0] > threshold, outputs[:, 0] > threshold
    elif e.loss.name == "cross_entropy":
        truth, said = Y.argmax(axis=1), outputs.argmax(axis=1)
    else:
        return
    classes, counts = np.unique(truth, return_counts=True)
    most, share = classes[np.argmax(counts)], counts.max() / len(Y)
    if share == 1 or (said == most).mean() < 0.995 or share < (0.75 if e.trained else 0.95):
        return
    yield Finding(
        "imbalanced classes",
        f"{share:.1%} of the samples are of one class, and the network predicts that class for "
        f"{(said == most).mean():.1%}",
        "pass sample_weight, inversely proportional to how frequent each class is, or more samples "
        "of the rare ones, and judge it by more than the accuracy",
        severity="moderate",
    )
