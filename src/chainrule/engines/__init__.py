"""The engines, and the one place where one of them is chosen."""

from __future__ import annotations

from chainrule.engines.base import Data, Engine, Epoch, Gradients, Regularization
from chainrule.engines.reference import NumpyEngine
from chainrule.errors import InputError, require_choice

__all__ = ["Data", "Engine", "Epoch", "Gradients", "NumpyEngine", "Regularization", "choose"]

NUMPY = NumpyEngine()


def choose(name: str) -> tuple[Engine, str]:
    """Return the engine for a name and the reason why it is that one.

    Parameters
    ----------
    name : {"auto", "numpy", "native"}
        ``"auto"`` is the fastest that can do the work.

    Raises
    ------
    InputError
        If the name is not known, or the engine asked for is not part of this version.
    """
    require_choice("engine", name, ["auto", "numpy", "native"])
    if name == "native":
        raise InputError(
            "this version has no native engine yet: pass engine='numpy' or engine='auto'"
        )
    if name == "auto":
        return NUMPY, "this version has no native engine yet"
    return NUMPY, "asked for"
