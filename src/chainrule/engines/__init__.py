"""The engines, and the one place where one of them is chosen."""

from __future__ import annotations

from typing import Any

from chainrule.architecture import Architecture
from chainrule.engines.base import (
    Data,
    Engine,
    Epoch,
    EpochLoss,
    Gradients,
    NormalEquations,
    Regularization,
    Trainer,
)
from chainrule.engines.native import (
    NativeEngine,
    PredictFew,
    few_rows,
    instruction_set,
    lacks,
)
from chainrule.engines.randomness import shuffled
from chainrule.engines.reference import NumpyEngine
from chainrule.engines.threads import limited
from chainrule.errors import InputError, require_choice

__all__ = [
    "Data",
    "Engine",
    "Epoch",
    "EpochLoss",
    "Gradients",
    "NativeEngine",
    "NormalEquations",
    "NumpyEngine",
    "PredictFew",
    "Regularization",
    "Trainer",
    "choose",
    "few_rows",
    "instruction_set",
    "limited",
    "shuffled",
]

NUMPY = NumpyEngine()
NATIVE = NativeEngine()


def choose(
    name: str,
    architecture: Architecture,
    optimizer: object = None,
    data: Data | None = None,
) -> tuple[Engine[Any], str]:
    """Return the engine for a name and the reason why it is that one.

    Parameters
    ----------
    name : {"auto", "numpy", "native"}
        ``"auto"`` is native, or NumPy where the native engine lacks something.
    architecture : Architecture
        The network to compute.
    optimizer : Optimizer or FullBatch, optional
        What will train it.
    data : Data, optional
        What it will be trained on, or compared with.

    Raises
    ------
    InputError
        If the name is not known, or the engine asked for lacks something.
    """
    require_choice("engine", name, ["auto", "numpy", "native"])
    if name == "numpy":
        return NUMPY, "asked for"
    missing = lacks(architecture, optimizer, data)
    if name == "native":
        if missing:
            raise InputError(
                f"the native engine cannot be used here, because {missing}: pass "
                "engine='numpy' or engine='auto'"
            )
        return NATIVE, "asked for"
    if missing:
        return NUMPY, f"{missing}, which the native engine does not know"
    return NATIVE, "the fastest"
