"""What may not be a label: a missing one, or one that cannot be put in order with the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils._missing import is_pandas_na, is_scalar_nan

from chainrule.errors import InputError


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
    for i, label in enumerate(labels):
        if label is None or is_pandas_na(label) or is_scalar_nan(label):
            named = "NaN" if is_scalar_nan(label) else str(label)
            raise InputError(
                f"y contains {named} in row {i}, which is no label: drop such rows, or give them "
                "a label of their own"
            )
    texts = [isinstance(label, str) for label in labels]
    if any(texts) and not all(texts):
        types = ", ".join(sorted({type(label).__name__ for label in labels}))
        raise InputError(
            f"y has labels of the types {types}, which have no order: make all of them strings, "
            "such as with numpy.asarray(y).astype(str)"
        )
