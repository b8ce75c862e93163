"""Keras: from a ``.keras`` file, which is a zip of JSON and HDF5, without Keras.

The format is that of Keras 3 (``keras.src.saving.saving_lib``): `config.json` has the layers,
`model.weights.h5` their arrays, in groups named after the layers' classes.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.architecture import Architecture
from chainrule.errors import FileFormatError, InputError, MissingExtraError
from chainrule.interchange.layers import Layers, folded
from chainrule.numerics import Array

_LARGEST_CONFIG = 2**26
_DEEPEST = 20  # models within models
_TRANSPARENT = {"InputLayer", "Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout",
                "ActivityRegularization", "Flatten", "Identity"}  # fmt: skip
_MODELS = {"Sequential", "Functional", "Model"}

# Keras' name of an activation to ours.
_ACTIVATIONS = {
    name: name for name in ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "mish",
                            "celu", "softplus", "softsign", "hard_tanh", "exponential", "softmax")
} | {"linear": "identity", "swish": "silu", "leaky_relu": "leaky_relu(0.2)"}  # fmt: skip

# Layers that are an activation; None where their settings do not fit.
_LAYERS: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "Activation": lambda c: _activation(c["activation"]),
    "ReLU": lambda c: "relu" if (c.get("max_value"), c.get("negative_slope", 0),
                                 c.get("threshold", 0)) == (None, 0, 0) else None,
    "LeakyReLU": lambda c: f"leaky_relu({float(c['negative_slope'])})",
    "ELU": lambda c: f"elu({float(c['alpha'])})",
    "Softmax": lambda c: "softmax" if c.get("axis", -1) in (-1, 1) else None,
}  # fmt: skip


def read(path: str | os.PathLike[str]) -> tuple[Architecture, Array]:
    """Return the architecture and the parameters of a model of dense layers.

    Parameters
    ----------
    path : str or path
        A ``.keras`` file with a sequence of Dense layers and activations, dropout, batch
        normalisation, normalisation and rescaling. Models may be nested.

    Raises
    ------
    MissingExtraError
        If h5py is not installed.
    InputError
        Naming the first layer that has no counterpart here.
    FileFormatError
        If the file is damaged, or no ``.keras`` file.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "keras", "from_keras") from None
    config, weights = _contents(path)
    layers = Layers()
    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            _model(config, _Weights(file, "", len(weights)), layers)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError,
            RuntimeError, MemoryError) as error:  # fmt: skip
        raise FileFormatError(
            f"{path} is damaged, or not a model of Keras 3 ({error!r}): save it again with "
            "model.save('model.keras')"
        ) from None
    return layers.finish()


def _contents(path: str | os.PathLike[str]) -> tuple[Any, bytes]:
    """Return the description and the weights' file."""
    if not Path(path).exists():
        raise InputError(f"there is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            size = os.path.getsize(path)
            infos = [archive.getinfo(name) for name in ("config.json", "model.weights.h5")]
            # Keras compresses nothing: what is much larger inside than outside is no model
            if infos[0].file_size > _LARGEST_CONFIG or infos[1].file_size > 100 * size:
                raise FileFormatError(f"{path} claims to have {infos[1].file_size:,} bytes inside")
            return json.loads(archive.read(infos[0])), archive.read(infos[1])
    except FileFormatError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, NotImplementedError, RuntimeError,
            EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]  # fmt: skip
        raise FileFormatError(
            f"{path} is not a .keras file of Keras 3 ({error}): save the model with "
            "model.save('model.keras')"
        ) from None


class _Weights:
    """The arrays of one layer or model."""

    def __init__(self, file: Any, place: str, most_bytes: int) -> None:
        self.file, self.place, self.most_bytes = file, place, most_bytes

    def within(self, name: str) -> _Weights:
        """Return those of a layer of a model."""
        return _Weights(self.file, f"{self.place}layers/{name}/", self.most_bytes)

    def arrays(self) -> list[Array]:
        """Return the arrays in order."""
        names = self._at(f"{self.place}vars")
        return [self._array(f"{self.place}vars/{i}") for i in range(len(names))]

    def _at(self, place: str) -> Any:
        """Return what is at a place, without following links to other places or files."""
        import h5py

        found = self.file
        for name in place.split("/"):
            if not isinstance(found.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{place} is not in the file")
            found = found[name]
        return found

    def _array(self, place: str) -> Array:
        dataset = self._at(place)
        # sizes may be claimed, and other files named, of which there is nothing here
        if dataset.external or dataset.is_virtual or dataset.nbytes > self.most_bytes:
            raise ValueError(f"the numbers of {place} are not in the file")
        array = dataset[()]
        return array if array.dtype == np.float64 else array.astype(np.float32)


def _model(description: Any, weights: _Weights, layers: Layers, depth: int = 0) -> None:
    """Add the layers of a model."""
    if depth > _DEEPEST:
        raise ValueError("models are nested too deeply")
    config = description["config"]
    if description["class_name"] not in _MODELS:
        raise InputError(
            f"the file has a {description['class_name']}, but a Sequential or Functional model of "
            "Dense layers is needed"
        )
    parts = config["layers"]
    if description["class_name"] != "Sequential":
        _require_chain(parts, config)
    counts: Counter[str] = Counter()
    for part in parts:
        kind = part["class_name"]
        base = _snake(kind)
        name = f"{base}_{counts[base]}" if counts[base] else base
        counts[base] += 1
        if kind in _MODELS:
            _model(part, weights.within(name), layers, depth + 1)
        else:
            _layer(part, weights.within(name), layers)


def _require_chain(parts: list[Any], config: dict[str, Any]) -> None:
    """Refuse layers that do not follow each other, each once."""
    previous = None
    for part in parts:
        sources = _sources(part["inbound_nodes"])
        if len(part["inbound_nodes"]) > 1 or sources != ([] if previous is None else [previous]):
            raise InputError(
                f"the layer {part['name']!r} of the model follows "
                f"{', '.join(sources) or 'nothing'}, not {previous!r}: in a chainrule network "
                "each layer follows the one before"
            )
        previous = part["name"]
    outputs = config["output_layers"]
    if previous not in (outputs[0], outputs[0][0]) or (outputs[0] != previous and len(outputs) > 1):
        raise InputError("the model has other outputs than its last layer, as no network here does")


def _sources(nodes: Any) -> list[str]:
    """Return the layers whose outputs are handed to a layer."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            return [str(nodes["keras_history"][0])]
        nodes = list(nodes.values())
    return [found for node in nodes for found in _sources(node)] if isinstance(nodes, list) else []


def _layer(part: dict[str, Any], weights: _Weights, layers: Layers) -> None:
    kind, config = part["class_name"], part["config"]
    name = config["name"]
    shape = (part.get("build_config") or {}).get("input_shape")
    if kind in ("Dense", "BatchNormalization") and shape and len(shape) != 2:
        raise InputError(
            f"the layer {name!r} takes inputs of shape {tuple(shape)}, but a chainrule network has "
            "a row for each sample: put a Flatten before it"
        )
    if kind == "Dense":
        if config.get("lora_rank") or config.get("quantization_config"):
            raise InputError(
                f"the layer {name!r} is quantised or has LoRA weights: merge them first"
            )
        arrays = weights.arrays()
        layers.dense(arrays[0].T, arrays[1] if config["use_bias"] else None)
        _activate(kind, name, _activation(config["activation"]), layers)
    elif kind == "BatchNormalization":
        arrays = weights.arrays()
        gamma = arrays.pop(0) if config["scale"] else None
        beta = arrays.pop(0) if config["center"] else None
        layers.scale(*folded(gamma, beta, arrays[0], arrays[1], config["epsilon"]))
    elif kind == "Normalization" and not config.get("invert"):
        given = config.get("mean"), config.get("variance")
        mean, variance = weights.arrays()[:2] if None in given else map(np.asarray, given)
        scale = 1 / np.maximum(np.sqrt(np.ravel(variance)), 1e-7)
        layers.scale(scale, -np.ravel(mean) * scale)
    elif kind == "Rescaling":
        layers.scale(np.ravel(config["scale"]), np.ravel(config["offset"]))
    elif kind in _LAYERS:
        _activate(kind, name, _LAYERS[kind](config), layers)
    elif kind not in _TRANSPARENT:
        _refuse(kind, name)


def _activate(kind: str, name: str, activation: str | None, layers: Layers) -> None:
    if activation == "identity":
        return
    if activation is None or not layers.takes_activation:
        _refuse(kind, name)
    layers.activation(str(activation))


def _refuse(kind: str, name: str) -> None:
    known = ", ".join(["Dense", "BatchNormalization", "Normalization", "Rescaling", *_LAYERS])
    raise InputError(
        f"the model has the layer {name!r}, a {kind} that no chainrule network has: it may have "
        f"{known}, with the activations {', '.join(_ACTIVATIONS)}"
    )


def _activation(value: Any) -> str | None:
    """Return our name of an activation, None if there is none."""
    if isinstance(value, dict):
        value = value.get("config")
    return _ACTIVATIONS.get(value) if isinstance(value, str) else None


def _snake(name: str) -> str:
    """Return the name of a layer's group.

    Examples
    --------
    >>> _snake("BatchNormalization"), _snake("LeakyReLU"), _snake("ELU")
    ('batch_normalization', 'leaky_re_lu', 'elu')
    """
    # a word begins at a capital after a small letter, and at one before a small letter
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", name).lower()
