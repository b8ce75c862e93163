"""How samples reach the training loop: checked arrays, and the order of each epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from chainrule import arraylike
from chainrule.architecture import Architecture
from chainrule.engines import Data, shuffled
from chainrule.errors import InputError, listing
from chainrule.numerics import Array

# The number of an epoch that never comes, so that this shuffle is none that trains.
_NO_EPOCH = 2**64 - 1


def inputs(
    X: Any, n_inputs: int, names: Sequence[str] | None = None, dtype: str = "float64"
) -> Any:
    """Return X as an array or CSR matrix of shape (n, n_inputs), without a copy if it is one.

    Parameters
    ----------
    X : array, data frame or sparse matrix
        The samples, a row each; every number finite.
    n_inputs : int
        The number of columns wanted.
    names : sequence of str, optional
        The names of the columns in training, for the message.
    dtype : str, default "float64"
        The type in which the network computes; X must be finite in it.

    Raises
    ------
    InputError
        Saying what was wanted, what came and what to do.
    """
    frame_names = arraylike.column_names(X)
    if arraylike.is_frame(X):
        X = arraylike.from_frame(X)
    elif hasattr(X, "tocsr"):
        X = arraylike.valid_csr(X.tocsr())
    X = arraylike.numeric("X", X)
    if X.ndim != 2:
        hint = f"for one sample pass X[None, :] ({n_inputs} numbers)" if X.ndim == 1 else ""
        raise InputError(
            f"X must have two dimensions, (n_samples, {n_inputs}), but has shape {X.shape}"
            + (f": {hint}" if hint else "")
        )
    if X.shape[1] != n_inputs:
        known = f" ({listing(names)})" if names else ""
        raise InputError(
            f"X has {X.shape[1]} columns, but this network takes {n_inputs}{known}: pass the "
            "same columns as in training"
        )
    if names and frame_names and tuple(names) != frame_names:
        if set(names) != set(frame_names):
            missing = [name for name in names if name not in frame_names]
            raise InputError(
                f"X lacks the columns {listing(missing)}: pass the same columns as in training"
            )
        X = X[:, [frame_names.index(name) for name in names]]
        frame_names = tuple(names)
    arraylike.require_finite("X", X, dtype, frame_names)
    return X


def targets(Y: Any, architecture: Architecture, n: int) -> Array:
    """Return Y as an array of shape (n, n_targets).

    One dimension is taken as one column; for cross-entropy, as class numbers from 0.

    Raises
    ------
    InputError
        Saying what was wanted, what came and what to do.
    """
    wanted = architecture.n_targets
    if arraylike.is_frame(Y):
        Y = arraylike.from_frame(Y)
    elif hasattr(Y, "tocsr"):
        Y = Y.toarray()
    Y = arraylike.numeric("Y", Y)
    if len(Y.shape) == 0 or Y.shape[0] != n:
        raise InputError(
            f"X has {n} samples but Y has {Y.shape[0] if Y.shape else 'no dimension'}: pass one "
            "row of Y for each row of X"
        )
    arraylike.require_finite("Y", Y, architecture.dtype, None)
    if Y.ndim == 1 and architecture.loss.name == "cross_entropy" and wanted > 1:
        return _one_hot(Y, wanted)
    if Y.ndim == 1:
        Y = Y[:, None]
    if Y.shape != (n, wanted):
        raise InputError(
            f"Y must have shape ({n}, {wanted}) for this network, but has {Y.shape}: "
            "the number of columns is that of the outputs"
            + (
                f" divided by {architecture.loss.outputs_per_target}"
                if architecture.loss.outputs_per_target > 1
                else ""
            )
        )
    return Y


def require_targets_in_range(Y: Array, architecture: Architecture) -> None:
    """Refuse targets that make no sense for the loss.

    Raises
    ------
    InputError
        Naming the first such target and what the loss takes.
    """
    loss = architecture.loss
    low, high = loss.targets
    for rows in arraylike.row_blocks(Y):
        if loss.name == "hinge":
            bad = np.abs(Y[rows]) != 1
        elif loss.name == "gamma":
            bad = Y[rows] <= 0
        else:
            bad = (Y[rows] < low) | (Y[rows] > high)
        if not bad.any():
            continue
        row, column = (int(i) for i in np.argwhere(bad)[0])
        takes = {
            "hinge": "targets -1 and 1 (from 0 and 1: 2 * Y - 1)",
            "gamma": "targets above 0",
            "poisson": "targets of at least 0",
        }.get(loss.name, f"targets in [{low:g}, {high:g}]")
        raise InputError(
            f"the loss {loss.name} takes {takes}, but Y has {Y[rows][row, column]} in row "
            f"{rows.start + row}, column {column}"
        )


def weights(sample_weight: Any, n: int) -> Array | None:
    """Return sample weights as an array of shape (n,).

    Raises
    ------
    InputError
        If they are not n finite numbers of at least 0 with a positive sum.
    """
    if sample_weight is None:
        return None
    w = arraylike.numeric("sample_weight", sample_weight)
    if w.shape != (n,):
        raise InputError(
            f"sample_weight must have shape ({n},), one for each row of X, but has {w.shape}"
        )
    arraylike.require_finite("sample_weight", w, "float64", None)
    if (w < 0).any() or (n and not w.sum() > 0):
        raise InputError("sample_weight must be at least 0 everywhere, and above 0 somewhere")
    return w


def derivatives(dY: Any, architecture: Architecture, n: int) -> Array | None:
    """Return dY as an array of shape (n, n_outputs, n_inputs), NaN where it is not known.

    For one output, shape (n, n_inputs) will do.

    Raises
    ------
    InputError
        Saying what was wanted, what came and what to do; also if the network is not one whose
        derivatives can be fitted.
    """
    if dY is None:
        return None
    _require_derivatives_fit(architecture)
    if arraylike.is_frame(dY):
        dY = arraylike.from_frame(dY)
    elif hasattr(dY, "tocsr"):
        dY = dY.toarray()
    dY = arraylike.numeric("dY", dY)
    shape = (n, architecture.n_outputs, architecture.n_inputs)
    if shape[1] == 1 and dY.shape == (n, shape[2]):
        dY = dY[:, None, :]
    if dY.shape != shape:
        either = f" or ({n}, {shape[2]})" if shape[1] == 1 else ""
        raise InputError(
            f"dY must have shape {shape}{either}, the derivative of each output by each input for "
            f"each row of X, but has {dY.shape}"
        )
    arraylike.require_finite("dY", dY, architecture.dtype, None, nan_is_unknown=True)
    if all(np.isnan(dY[rows]).all() for rows in arraylike.row_blocks(dY)):
        raise InputError(
            "dY has no number in it, and NaN stands for a derivative that is not known: pass "
            "dY=None to fit Y alone"
        )
    return dY


def _require_derivatives_fit(architecture: Architecture) -> None:
    if architecture.loss.name != "squared_error" or architecture.loss.own:
        raise InputError(
            f"derivatives (dY) are fitted with loss='squared_error', but the network has the loss "
            f"{architecture.loss.name}: make it with squared_error, or pass dY=None"
        )
    for activation in architecture.activations:
        if not activation.elementwise:
            raise InputError(
                f"derivatives (dY) are not fitted through {activation.name}, whose outputs depend "
                "on each other: pass another output_activation, or dY=None"
            )
        if activation.sigma_double_prime is None:
            raise InputError(
                f"fitting derivatives (dY) takes the second derivative of every activation, but "
                f"{activation.name!r} has none: pass sigma_double_prime to Activation"
            )


def _derivative_weight(value: Any) -> float:
    if isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf:
        return float(value)
    raise InputError(f"dY_weight must be a number above 0, but is {value!r}")


def data(
    architecture: Architecture,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    names: Sequence[str] | None = None,
    dY: Any = None,
    dY_weight: Any = 1.0,
) -> Data:
    """Return checked samples; see `inputs`, `targets`, `weights` and `derivatives`.

    Raises
    ------
    InputError
        If anything is wrong with them, or there are none.
    """
    X = inputs(X, architecture.n_inputs, names, architecture.dtype)
    n = X.shape[0]
    if n == 0:
        raise InputError("X has no rows: pass at least one sample")
    Y, sample_weight = targets(Y, architecture, n), weights(sample_weight, n)
    dY = derivatives(dY, architecture, n)
    return Data(X, Y, sample_weight, dY, _derivative_weight(dY_weight))


def hold_out(data: Data, fraction: float, seed: int) -> tuple[Data, Data]:
    """Return the samples to train on, and a fraction of them, chosen at random, to watch.

    Raises
    ------
    InputError
        If either part would be empty.
    """
    n, n_held = len(data), round(fraction * len(data))
    if not (0 < fraction < 1 and 0 < n_held < n):
        raise InputError(
            "validation_data as a fraction must leave samples on both sides, but "
            f"{fraction} of {n} samples does not"
        )
    order = shuffled(n, seed, _NO_EPOCH)
    return data.rows(order[:-n_held]), data.rows(order[-n_held:])


def _one_hot(classes: Array, n_classes: int) -> Array:
    wrong = (classes != np.floor(classes)) | (classes < 0) | (classes >= n_classes)
    if wrong.any():
        raise InputError(
            f"Y of one dimension holds class numbers, whole and from 0 to {n_classes - 1} for "
            f"this network, but has {classes[wrong][0]}: number the classes from 0, or pass one "
            "column for each class"
        )
    encoded = np.zeros((len(classes), n_classes), np.uint8)
    encoded[np.arange(len(classes)), classes.astype(np.int64)] = 1
    return encoded
