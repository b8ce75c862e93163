"""Networks in safetensors files.

The keys are those of a ``torch.nn.Sequential`` of linear layers with activations between
them (``0.weight``, ``0.bias``, ``2.weight``, ...), the architecture is JSON in the metadata.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule import storage
from chainrule.activations import Activation
from chainrule.architecture import Architecture
from chainrule.errors import ChainruleError, FileFormatError, InputError
from chainrule.losses import Loss
from chainrule.numerics import Array


def save(
    path: str | os.PathLike[str],
    architecture: Architecture,
    parameters: Array,
    extra: dict[str, Any],
) -> None:
    """Write a network.

    Parameters
    ----------
    path : str or path
        The file, by convention with the ending ``.safetensors``.
    architecture, parameters
        The network.
    extra : dict
        Whatever else must come back with it, as plain lists, strings and numbers.

    Raises
    ------
    InputError
        If a parameter is not finite, or the file cannot be written; what was there before is
        unchanged.
    """
    if not np.isfinite(parameters).all():
        raise InputError(
            "the network has weights that are not finite, with which nobody can do anything: "
            "nothing was written; train it again"
        )
    description = {"kind": "network", "architecture": architecture.to_json(), "extra": extra}
    storage.write(path, dict(named(architecture, parameters)), description)


def load(
    path: str | os.PathLike[str], own: Iterable[Activation | Loss] = ()
) -> tuple[Architecture, Array, dict[str, Any]]:
    """Return the architecture, the parameters and what else was saved.

    Raises
    ------
    InputError
        If there is no such file, or it needs functions of the user's that `own` lacks.
    FileFormatError
        If the file is damaged, or is not a network of this version.
    """
    arrays, description = storage.read(path, "network")
    try:
        # before anything is made for each layer: a file claims what it likes
        n_layers = len(description["architecture"]["layer_sizes"]) - 1
        if not n_layers <= len(arrays) <= 2 * n_layers:
            raise ValueError(f"{n_layers} layers, but {len(arrays)} arrays")
        architecture = Architecture.from_json(description["architecture"], own)
        extra = dict(description["extra"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ChainruleError):
            raise
        raise FileFormatError(f"{path} has a damaged architecture ({error!r})") from None
    wanted = {
        key: (shape, architecture.dtype)
        for L, shapes in enumerate(architecture.shapes)
        for key, shape in zip(_keys(L), shapes, strict=True)
        if shape
    }
    came = {key: (array.shape, array.dtype.name) for key, array in arrays.items()}
    if came != wanted:
        key = next(k for k in [*wanted, *came] if came.get(k) != wanted.get(k))
        raise FileFormatError(
            f"{path} does not hold what its architecture says: {key} should be "
            f"{_spell(wanted.get(key))}, but is {_spell(came.get(key))}"
        )
    parameters = np.empty(architecture.n_parameters, architecture.dtype)
    for key, view in named(architecture, parameters):
        np.copyto(view, arrays[key])
        if not np.isfinite(view).all():
            raise FileFormatError(
                f"{path} has weights that are not finite, in {key}: it is damaged; take a backup, "
                "or train again"
            )
    return architecture, parameters, extra


def _keys(layer: int) -> tuple[str, str]:
    """Return the names of the weights and biases of a layer, counted from 0."""
    return f"{2 * layer}.weight", f"{2 * layer}.bias"


def named(architecture: Architecture, parameters: Array) -> Iterable[tuple[str, Array]]:
    """Return a view of each weight and bias by the name it has in files."""
    for layer, (w, b) in enumerate(zip(*architecture.views(parameters), strict=True)):
        weight, bias = _keys(layer)
        yield weight, w
        if b is not None:
            yield bias, b


def _spell(entry: tuple[tuple[int, ...], str] | None) -> str:
    return "absent" if entry is None else f"{entry[1]} of shape {entry[0]}"
