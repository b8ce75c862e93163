"""Class labels: what may be one, and the way to the targets of a network and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from chainrule.errors import InputError
from chainrule.numerics import Array


class Labels:
    """The classes of y, and its form: two classes, more, or several labels a sample.

    scikit-learn's LabelBinarizer does the same, but looks through all labels five times.

    Parameters
    ----------
    y : array of shape (n_samples,), or indicator matrix of shape (n_samples, n_classes)
        All classes occur in it.

    Raises
    ------
    ValueError
        If y holds no classes, or several columns of them.

    Examples
    --------
    >>> labels = Labels(["no", "yes", "no"])
    >>> labels.encode(["yes", "no"]).ravel().tolist()
    [1, 0]
    >>> labels.decode(np.array([[0.9], [0.2]])).tolist()
    ['yes', 'no']
    """

    def __init__(self, y: Any) -> None:
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise InputError(
                "Multioutput target data is not supported, but y has several columns of "
                "classes: pass one of them, a matrix of 0 and 1 for "
                "several labels a sample, or use sklearn.multioutput.MultiOutputClassifier"
            )
        self.several_a_sample = kind == "multilabel-indicator"
        """Whether y is an indicator matrix."""
        self.classes: Array = np.arange(y.shape[1]) if self.several_a_sample else np.unique(y)
        self._form = type(y) if hasattr(y, "toarray") else np.asarray
        self.exclusive = not self.several_a_sample and len(self.classes) > 2
        """Whether there are more than two classes, of which each sample has one."""

    def encode(self, y: Any) -> Array:
        """Return 0 and 1 of type int8: a column for each class, one for two that exclude others."""
        if self.several_a_sample:
            return np.asarray(y.toarray() if hasattr(y, "toarray") else y).astype(np.int8)
        if not self.exclusive:
            return (self.numbers(y) == 1)[:, None].astype(np.int8)
        return np.eye(len(self.classes), dtype=np.int8)[self.numbers(y)]

    def numbers(self, y: Any) -> Array:
        """Return the places of labels among the classes; not for several labels a sample."""
        return np.searchsorted(self.classes, y)

    def decode(self, outputs: Array, threshold: float = 0.5) -> Array:
        """Return labels, those of the largest output, or of the outputs above the threshold."""
        if self.several_a_sample:
            return self._form((outputs > threshold).astype(int))
        if self.exclusive:
            return self.classes[outputs.argmax(axis=1)]
        above = outputs[:, -1] > threshold
        return self.classes[np.minimum(above, len(self.classes) - 1)]  # there may be one class


def require_labels(y: Any) -> None:
    """Refuse labels that are missing, or of types that cannot be compared.

    NumPy's sort would say of them that ``'<' is not supported``.

    Raises
    ------
    InputError
        Naming the row, or the types.

    Examples
    --------
    >>> require_labels(["no", "yes", "no"])
    >>> require_labels(["no", None, "yes"])
    Traceback (most recent call last):
    ...
    chainrule.errors.InputError: y contains None in row 1, which is no label: drop such rows, or \
give them a label of their own
    """
    labels = np.asarray(y)
    if labels.dtype != object or labels.ndim != 1:
        return
    types = set(map(type, labels))
    if types == {str}:
        return
    for i, label in enumerate(labels):
        if label is None or is_pandas_na(label) or is_scalar_nan(label):
            named = "NaN" if is_scalar_nan(label) else str(label)
            raise InputError(
                f"y contains {named} in row {i}, which is no label: drop such rows, or give them "
                "a label of their own"
            )
    texts = [issubclass(kind, str) for kind in types]
    if any(texts) and not all(texts):
        named = ", ".join(sorted(kind.__name__ for kind in types))
        raise InputError(
            f"y has labels of the types {named}, which have no order: make all of them strings, "
            "such as with numpy.asarray(y).astype(str)"
        )
