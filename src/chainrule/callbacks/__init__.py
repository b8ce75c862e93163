"""Who is told of training, and who may end it."""

from __future__ import annotations

from chainrule.callbacks.base import (
    Callback,
    EarlyStopping,
    PrintProgress,
    Progress,
    early_stopping,
    get,
)
from chainrule.callbacks.logs import MLflow, TensorBoard

__all__ = [
    "Callback", "EarlyStopping", "MLflow", "PrintProgress", "Progress", "TensorBoard",
    "early_stopping", "get",
]  # fmt: skip
