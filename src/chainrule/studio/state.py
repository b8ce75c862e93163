"""What a tab shows, as a link: whoever opens the link sees the same numbers.

The weights are not in it, but all that they follow from: the data, the layers, the seed and the
number of steps made. Training is the same bit for bit wherever it is repeated.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from chainrule import activations, losses, notation, optimizers
from chainrule.errors import InputError, require_choice

ROOMS = ("train", "step", "diagnose")
MOST_UNITS, MOST_LAYERS = 512, 8
OUTPUTS = ("identity", "sigmoid", "tanh", "softmax", "softplus", "exponential")


@dataclass(frozen=True)
class State:
    """What is chosen in one tab, and how far it has come.

    Examples
    --------
    >>> State(data="xor", layers=((3, "tanh"),), steps=20).link()
    '/?data=xor&layers=3.tanh&steps=20'
    >>> State.of({"layers": "4.relu-4.relu", "form": "omega"}).layers
    ((4, 'relu'), (4, 'relu'))
    """

    room: str = "train"
    data: str = "moons"
    """A name of `chainrule.studio.datasets`, or ``"table"`` for one of the user's."""
    target: str = ""
    """The column of the table that is predicted."""
    layers: tuple[tuple[int, str], ...] = ((8, "tanh"), (8, "tanh"))
    """Units and activation of each hidden layer."""
    output: str = ""
    """The activation of the outputs; ``""`` for the one that suits the data."""
    loss: str = ""
    """``""`` for the one that goes with the output activation."""
    optimizer: str = "adam"
    learning_rate: float = 0.01
    batch_size: int = 32
    seed: int = 0
    start: str = "seed"
    """Where the weights come from: ``"seed"``, or ``"model"`` for a file."""
    steps: int = 0
    """How many steps of training have been made."""
    sample: int = 0
    """Which sample is stepped through."""
    form: str = "lambda"
    at: int = 0
    """At which of its steps."""

    def replace(self, **changes: Any) -> State:
        """Return the state with some things changed.

        What the weights follow from starts training anew.
        """
        anew = {"data", "target", "layers", "output", "loss", "optimizer", "learning_rate",
                "batch_size", "seed", "start"}  # fmt: skip
        if anew & changes.keys():
            changes = {"steps": 0, **changes}
        return dataclasses.replace(self, **changes)

    def link(self) -> str:
        """Return the path and query; what is as at the start is left out."""
        query = {
            name: _spell(getattr(self, name))
            for name in _READ
            if getattr(self, name) != getattr(State(), name)
        }
        return "/" + (f"?{urlencode(query)}" if query else "")

    @classmethod
    def of(cls, query: Mapping[str, str]) -> State:
        """Return the state of a link's query; names that it does not know are left alone.

        Raises
        ------
        InputError
            If a value is none that the page could have written.
        """
        return cls(
            **{name: read(name, query[name]) for name, read in _READ.items() if name in query}
        )


def _spell(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(f"{units}.{activation}" for units, activation in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choice(known: Callable[[], Any]) -> Callable[[str, str], str]:
    return lambda name, text: require_choice(name, text, known())


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not (re.fullmatch(r"[0-9]{1,12}", text) and low <= int(text) <= high):
            raise InputError(f"{name} must be a whole number from {low} to {high}, but is {text!r}")
        return int(text)

    return read


def _rate(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(f"{name} must be a number above 0, such as 0.01, but is {text!r}")
    return value


def _name(name: str, text: str) -> str:
    if len(text) > 200:
        raise InputError(f"{name} must be a name of at most 200 letters, but has {len(text)}")
    return text


def _layers(name: str, text: str) -> tuple[tuple[int, str], ...]:
    layers = []
    for part in [] if text == "none" else text.split("-"):
        units, _, activation = part.partition(".")
        require_choice("activation", activation, activations.NAMED)
        layers.append((_whole(1, MOST_UNITS)(name, units), activation))
    if len(layers) > MOST_LAYERS:
        raise InputError(f"{name} may have {MOST_LAYERS} hidden layers, but has {len(layers)}")
    return tuple(layers)


_READ: dict[str, Callable[[str, str], Any]] = {
    "room": _choice(lambda: ROOMS),
    "data": _name,
    "target": _name,
    "layers": _layers,
    "output": _choice(lambda: ("", *OUTPUTS)),
    "loss": _choice(lambda: ("", *losses.NAMED)),
    "optimizer": _choice(lambda: optimizers.NAMED),
    "learning_rate": _rate,
    "batch_size": _whole(1, 10**6),
    "seed": _whole(0, 2**31),
    "start": _choice(lambda: ("seed", "model")),
    "steps": _whole(0, 10**9),
    "sample": _whole(0, 10**9),
    "form": _choice(lambda: notation.FORMS),
    "at": _whole(0, 10**4),
}
