"""Networks from elsewhere: from our files, and from other tools and theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from chainrule import files
from chainrule.activations import Activation
from chainrule.errors import FileFormatError, InputError
from chainrule.interchange import sklearn
from chainrule.interchange.torch import reading as torch
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
        names = extra.get("feature_names")
        if names and not (isinstance(names, list) and all(isinstance(n, str) for n in names)):
            raise ValueError("the names of the inputs are no list of texts")
        if names and len(names) != architecture.n_inputs:
            raise ValueError(f"{len(names)} names for {architecture.n_inputs} inputs")
        return Network.of(architecture, parameters, extra)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):  # an activation of the user's own that is wrong
            raise
        raise FileFormatError(f"{path} has a damaged description ({error})") from None


def from_torch(module: Any) -> Network:
    """Return the network of a ``torch.nn.Sequential`` of linear layers and activations.

    Parameters
    ----------
    module : torch.nn.Sequential or torch.nn.Linear
        Sequences may be nested; dropout is passed over, batch
        normalisation becomes part of the layer beside it.

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


def from_onnx(path: str | os.PathLike[str]) -> Network:
    """Return the network of an ONNX model of dense layers.

    Parameters
    ----------
    path : str or path
        A model with one input: Gemm, or MatMul with Add, each with an activation after it,
        however that is spelled. Dropout is passed over; batch normalisation and scaling by
        constants become part of the layer beside them.

    Returns
    -------
    Network
        With the loss that goes with the output activation.

    Raises
    ------
    MissingExtraError
        If onnx is not installed: ``pip install 'chainrule[onnx]'``.
    InputError
        Naming the first operator that has no counterpart.
    FileFormatError
        If the file is damaged.
    """
    from chainrule.interchange.onnx import reading

    return Network.of(*reading.read(path))


def from_keras(path: str | os.PathLike[str]) -> Network:
    """Return the network of a ``.keras`` file of dense layers; Keras itself is not needed.

    Parameters
    ----------
    path : str or path
        As written by ``model.save("model.keras")`` of Keras 3: Dense layers with activations.
        Dropout is passed over; batch normalisation, normalisation and rescaling become part of
        the layer beside them.

    Returns
    -------
    Network
        With the loss that goes with the output activation.

    Raises
    ------
    MissingExtraError
        If h5py is not installed: ``pip install 'chainrule[keras]'``.
    InputError
        Naming the first layer that has no counterpart.
    FileFormatError
        If the file is damaged, or of an older format.
    """
    from chainrule.interchange import keras

    return Network.of(*keras.read(path))
