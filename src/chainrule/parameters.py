"""The weights or biases of a network as a list that can be assigned to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import InputError
from chainrule.numerics import Array


class ParameterList(list[Any]):
    """The arrays of the layers; assigning to an entry copies into the network's parameters."""

    def __init__(self, views: Iterable[Any], what: str) -> None:
        super().__init__(views)
        self.what = what

    def __setitem__(self, layer: Any, value: Any) -> None:
        self[layer][...] = self.checked(layer, value)

    def assign(self, values: Sequence[Any]) -> None:
        """Copy an array into every layer, or into none if one of them is wrong."""
        if len(values) != len(self):
            raise InputError(f"{self.what} must be {len(self)} arrays, but there are {len(values)}")
        arrays = [self.checked(layer, value) for layer, value in enumerate(values)]
        for view, array in zip(self, arrays, strict=True):
            view[...] = array

    def checked(self, layer: Any, value: Any) -> Array:
        """Return the value as an array that fits the layer."""
        if not isinstance(layer, int):
            raise InputError(f"{self.what} are assigned one layer at a time: {self.what}[0] = ...")
        view = self[layer]
        if view is None:
            raise InputError(f"this network has no {self.what}: it was made with bias=False")
        array = np.asarray(value)
        if array.shape != view.shape or array.dtype.kind not in "biuf":
            raise InputError(
                f"{self.what}[{layer}] must be numbers of shape {view.shape}, but came as "
                f"{array.dtype} of shape {array.shape}"
            )
        return array
