"""Feed-forward neural networks whose training is exactly the derivation on the page.

The public names are imported when they are first used, so that ``import chainrule`` costs
little more than NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule import (
        activations,
        callbacks,
        initializers,
        losses,
        optimizers,
        plots,
        schedules,
    )
    from chainrule.activations import Activation
    from chainrule.callbacks import Callback, EarlyStopping, Progress
    from chainrule.checks import check_gradients
    from chainrule.diagnosis import diagnose
    from chainrule.errors import (
        ChainruleError,
        DivergenceError,
        FileFormatError,
        InputError,
        MissingExtraError,
        VerificationError,
    )
    from chainrule.estimators import MLPClassifier, MLPRegressor
    from chainrule.forms import form_costs
    from chainrule.history import History
    from chainrule.loading import from_keras, from_onnx, from_sklearn, from_torch, load
    from chainrule.losses import Loss
    from chainrule.network import Network
    from chainrule.optimizers import Optimizer
    from chainrule.proof import prove
    from chainrule.schedules import Schedule
    from chainrule.tables.estimators import TableClassifier, TableRegressor
    from chainrule.together import train_many
    from chainrule.tracing import trace

__version__ = "0.1.0"

_MODULES = (
    "activations",
    "callbacks",
    "initializers",
    "losses",
    "optimizers",
    "plots",
    "schedules",
)
_NAMES = {
    "Activation": "activations",
    "Callback": "callbacks",
    "ChainruleError": "errors",
    "DivergenceError": "errors",
    "EarlyStopping": "callbacks",
    "FileFormatError": "errors",
    "History": "history",
    "InputError": "errors",
    "Loss": "losses",
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "MissingExtraError": "errors",
    "Network": "network",
    "Optimizer": "optimizers",
    "Progress": "callbacks",
    "Schedule": "schedules",
    "TableClassifier": "tables.estimators",
    "TableRegressor": "tables.estimators",
    "VerificationError": "errors",
    "check_gradients": "checks",
    "diagnose": "diagnosis",
    "form_costs": "forms",
    "from_keras": "loading",
    "from_onnx": "loading",
    "from_sklearn": "loading",
    "from_torch": "loading",
    "load": "loading",
    "prove": "proof",
    "trace": "tracing",
    "train_many": "together",
}

__all__ = [
    "Activation", "Callback", "ChainruleError", "DivergenceError", "EarlyStopping",
    "FileFormatError", "History", "InputError", "Loss", "MLPClassifier", "MLPRegressor",
    "MissingExtraError", "Network", "Optimizer", "Progress", "Schedule", "TableClassifier",
    "TableRegressor", "VerificationError", "activations", "callbacks", "check_gradients",
    "diagnose", "form_costs", "from_keras", "from_onnx", "from_sklearn", "from_torch",
    "initializers", "load", "losses", "optimizers", "plots", "prove", "schedules", "trace",
    "train_many",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"chainrule.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"chainrule.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
