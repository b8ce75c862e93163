"""Pictures of predictions, of a network or of an estimator of scikit-learn's kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import InputError, listing
from chainrule.numerics import Array
from chainrule.plots.axes import axes


def decision_regions(
    model: Any, X: Any, y: Any = None, ax: Any = None, resolution: int = 200
) -> Any:
    """Draw what a model of two inputs predicts over the plane, and samples.

    Parameters
    ----------
    model : Network or estimator
        Of two inputs; classes where it is a classifier, else a number in shades.
    X : array of shape (n, 2)
        Samples; they set the limits.
    y : array of shape (n,), optional
        Their targets, drawn in the same colours.
    ax : matplotlib Axes, optional
        As for `chainrule.plots.loss`, also what is returned and raised.
    resolution : int, default 200
        Points along each side of the grid.

    Raises
    ------
    InputError
        If there are not two inputs and one output.
    """
    X = np.asarray(X, np.float64)
    if X.ndim != 2 or X.shape[1] != 2:
        raise InputError(
            f"decision regions are drawn over two inputs, but X has shape {X.shape}: choose two "
            "columns and a model of these"
        )
    _require_pairs(X, y)
    if resolution < 2:
        raise InputError(f"resolution must be at least 2 points a side, but is {resolution}")
    ax = axes(ax)
    low, high = X.min(axis=0), X.max(axis=0)
    room = 0.08 * np.maximum(high - low, 1e-9)
    sides = [np.linspace(a, b, resolution) for a, b in zip(low - room, high + room, strict=True)]
    grid = np.stack([side.ravel() for side in np.meshgrid(*sides)], axis=1)
    truth = None if y is None else _labels(model, y)
    found, classes = _predictions(model, grid, truth)
    seen = [found] if truth is None else [found, truth]
    limits: dict[str, Any] = {"cmap": "viridis", "vmin": min(v.min() for v in seen)}
    limits["vmax"] = max(v.max() for v in seen)
    if classes is not None:
        colours = "tab10" if len(classes) <= 10 else "tab20"
        limits = {"cmap": colours, "vmin": -0.5, "vmax": 9.5 if len(classes) <= 10 else 19.5}
    mesh = ax.pcolormesh(
        *sides, found.reshape(resolution, resolution), shading="nearest", rasterized=True,
        alpha=1 if classes is None else 0.35, **limits,
    )  # fmt: skip
    if classes is None:
        ax.figure.colorbar(mesh, ax=ax)
    if truth is not None:
        ax.scatter(*X.T, c=truth, s=16, edgecolors="black", linewidths=0.4, **limits)
    ax.set_xlabel("input 0")
    ax.set_ylabel("input 1")
    return ax


def predicted_against_true(model: Any, X: Any, y: Any, ax: Any = None) -> Any:
    """Draw predictions of a regression against the truth; a perfect one lies on the diagonal.

    Parameters
    ----------
    model : Network or estimator
        Predicts numbers.
    X : array of shape (n, n_0)
        The samples.
    y : array of shape (n,) or (n, n_outputs)
        The truth; each column in its own colour.
    ax : matplotlib Axes, optional
        As for `chainrule.plots.loss`, also what is returned and raised.

    Raises
    ------
    InputError
        If the predictions have another shape than y.
    """
    _require_pairs(X, y)
    truth, found = (_as_columns(v) for v in (np.asarray(y), np.asarray(model.predict(X))))
    if truth.shape != found.shape:
        raise InputError(
            f"predictions have the shape {found.shape}, but y has {truth.shape}: pass numbers, one "
            "column for each output"
        )
    ax = axes(ax)
    ends = [min(truth.min(), found.min()), max(truth.max(), found.max())]
    ax.plot(ends, ends, color="0.6", linewidth=1)
    for k in range(truth.shape[1]):
        ax.scatter(truth[:, k], found[:, k], s=12, alpha=0.6, label=f"output {k}")
    if truth.shape[1] > 1:
        ax.legend()
    ax.set_xlabel("true")
    ax.set_ylabel("predicted")
    return ax


def _as_columns(values: Array) -> Array:
    return values[:, None] if values.ndim == 1 else values


def confusion(model: Any, X: Any, y: Any, ax: Any = None) -> Any:
    """Draw how many samples of each class were predicted to be of which.

    Parameters
    ----------
    model : Network or estimator
        Predicts classes.
    X : array of shape (n, n_0)
        The samples.
    y : array of shape (n,)
        Their classes; for a network, numbers from 0 or one column for each class.
    ax : matplotlib Axes, optional
        As for `chainrule.plots.loss`, also what is returned and raised.

    Raises
    ------
    InputError
        If the model predicts numbers.
    """
    from sklearn.metrics import ConfusionMatrixDisplay

    _require_pairs(X, y)
    if _kind(model) == "numbers":
        raise InputError(
            "a confusion matrix is of classes, but this model predicts numbers: see "
            "predicted_against_true"
        )
    truth = _labels(model, y)
    found, classes = _predictions(model, X, truth)
    assert classes is not None
    ax = axes(ax)
    ConfusionMatrixDisplay.from_predictions(
        truth, found, labels=range(len(classes)), display_labels=classes, ax=ax, colorbar=False,
        cmap="Blues",
    )  # fmt: skip
    return ax


def calibration(model: Any, X: Any, y: Any, ax: Any = None, bins: int = 10) -> Any:
    """Draw how often predictions of each confidence are right.

    Those of a well calibrated model lie on the diagonal.

    Parameters
    ----------
    model : Network or estimator
        Predicts probabilities; for more than two classes the highest is looked at.
    X : array of shape (n, n_0)
        The samples.
    y : array of shape (n,)
        As for `confusion`.
    ax : matplotlib Axes, optional
        As for `chainrule.plots.loss`, also what is returned and raised.
    bins : int, default 10
        Of equally many predictions each.

    Raises
    ------
    InputError
        If the model predicts no probabilities.

    Notes
    -----
    The reliability diagram of Niculescu-Mizil and Caruana 2005 (ICML), for several classes as in
    Guo et al. 2017, arXiv:1706.04599.
    """
    from sklearn.calibration import calibration_curve

    _require_pairs(X, y)
    if bins < 1:
        raise InputError(f"bins must be at least 1, but is {bins}")
    probabilities = _probabilities(model, X)
    truth = _labels(model, y)
    if probabilities.shape[1] == 1:
        confidence, right = probabilities[:, 0], truth == 1
    elif probabilities.shape[1] == 2:
        confidence, right = probabilities[:, 1], truth == 1
    else:
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    ax = axes(ax)
    share, mean = calibration_curve(right, confidence, n_bins=bins, strategy="quantile")
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    ax.plot(mean, share, marker="o")
    several = probabilities.shape[1] > 2
    ax.set_xlabel("confidence" if several else "predicted probability of the second class")
    ax.set_ylabel("share that is right" if several else "share of the second class")
    return ax


def _probabilities(model: Any, X: Any) -> Array:
    """Return the probabilities of the classes, of shape (n, n_classes), or (n, 1) of yes."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X))
    if _kind(model) != "classes":
        raise InputError(
            "calibration is of probabilities, but this model gives none: pass a classifier, or a "
            "network with the output activation softmax or sigmoid"
        )
    return np.asarray(model.predict(X))


def _kind(model: Any) -> str:
    """Return what a network's outputs are: ``"classes"``, ``"sides"`` of 0, or ``"numbers"``."""
    architecture = getattr(model, "architecture", None)
    if architecture is None:
        return "classes" if hasattr(model, "classes_") else "numbers"
    output, n, loss = (
        architecture.activations[-1].name, architecture.n_outputs, architecture.loss.name,
    )  # fmt: skip
    if loss == "hinge" and n == 1:
        return "sides"
    return "classes" if output == "softmax" or (output == "sigmoid" and n == 1) else "numbers"


def _require_pairs(X: Any, y: Any) -> None:
    n = len(X)
    if not n:
        raise InputError("X has no rows: pass at least one sample")
    if y is not None and len(y) != n:
        raise InputError(f"X has {n:,} samples, but y has {len(y):,}: pass one for each")


def _labels(model: Any, y: Any) -> Array:
    """Return class numbers from 0 where the model has classes, else y as it is.

    Raises
    ------
    InputError
        If there are classes that the model does not know, or no numbers where it has no names.
    """
    y, kind = np.asarray(y), _kind(model)
    if hasattr(model, "classes_"):
        known = np.isin(y, model.classes_)
        if not known.all():
            raise InputError(
                f"y has {y[~known].tolist()[0]!r}, which is none of the model's classes: "
                f"{listing([str(name) for name in model.classes_])}"
            )
        return np.searchsorted(model.classes_, y)
    if y.ndim == 2:
        y = y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1) if kind == "classes" else y
    if kind == "sides":
        return (y > 0).astype(int)
    if kind == "numbers":
        return y
    if y.dtype.kind not in "biuf" or not (np.asarray(y) >= 0).all():
        raise InputError("the classes of a network are numbers from 0: pass these as y")
    return y.astype(int)


def _predictions(model: Any, X: Any, truth: Array | None) -> tuple[Array, list[Any] | None]:
    """Return class numbers and the names of the classes, or numbers and None."""
    outputs = np.asarray(model.predict(X))
    if hasattr(model, "classes_"):
        return np.searchsorted(model.classes_, outputs), list(model.classes_)
    kind = _kind(model)
    if kind == "numbers":
        outputs = _as_columns(outputs)
        if outputs.shape[1] != 1:
            raise InputError(
                f"the model has {outputs.shape[1]} outputs that are no classes, but one can be "
                "drawn: pass a model of one output, or with the output activation softmax"
            )
        return outputs[:, 0], None
    if kind == "sides" or outputs.shape[1] == 1:
        threshold = 0.0 if kind == "sides" else 0.5
        return (outputs[:, 0] > threshold).astype(int), [0, 1]
    n = outputs.shape[1] if truth is None else max(outputs.shape[1], int(truth.max()) + 1)
    return outputs.argmax(axis=1), list(range(n))
