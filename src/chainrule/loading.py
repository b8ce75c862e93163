"""Networks from elsewhere: from our files, from PyTorch, from scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from chainrule import files
from chainrule.activations import Activation
from chainrule.errors import FileFormatError, InputError
from chainrule.interchange import sklearn, torch
from chainrule.losses import Loss
from chainrule.network import Network

MODEL = "model.safetensors"
"""The model in the folder of a run."""


def load(path: str | os.PathLike[str], own: Iterable[Activation | Loss] = ()) -> Network:
    """Return the network of a file that `Network.save` wrote.

    Parameters
    ----------
    path : str or path
        The file, or the folder of a run that `chainrule train` made.
    own : iterable of Activation and Loss, optional
        Functions that you defined yourself and the network uses; a file holds their names.

    Raises
    ------
    InputError
        If there is no such file, or functions are missing from `own`.
    FileFormatError
        If it is truncated, not a chainrule network, or of a newer version.
    """
    inside = os.path.join(path, MODEL)
    if os.path.isfile(inside):
        path = inside
    architecture, parameters, extra = files.load(path, own)
    try:
        return Network.of(architecture, parameters, extra)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):  # an activation of the user's own that is wrong
            raise
        raise FileFormatError(f"{path} has a damaged description ({error})") from None


def from_torch(module: Any) -> Network:
    """Return the network of a ``torch.nn.Sequential`` of linear layers and activations.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        Sequences may be nested; dropout is passed over.

    Returns
    -------
    Network
        With a copy of the parameters, and the loss that goes with the output activation.

    Raises
    ------
    InputError
        Naming the first module that has no counterpart.
    """
    return Network.of(*torch.read(module))


def from_sklearn(mlp: Any) -> Network:
    """Return the network of a fitted MLPClassifier or MLPRegressor of scikit-learn.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        For two classes the network has one output, the probability of the second.

    Returns
    -------
    Network
        With a copy of the parameters, and the loss that goes with the output activation.

    Raises
    ------
    InputError
        If it is something else, or not fitted.
    """
    return Network.of(*sklearn.read(mlp))
