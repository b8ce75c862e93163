"""What a tab shows, as a link: whoever opens the link sees the same numbers.

The weights are not in it, but all that they follow from: the data, the layers, the seed and the
number of steps made. Training is the same bit for bit wherever it is repeated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from chainrule import activations, losses, notation, optimizers
from chainrule.errors import InputError, require_choice

ANEW = frozenset({"data", "target", "layers", "output", "loss", "optimizer", "learning_rate",
                  "batch_size", "seed", "start"})  # fmt: skip
"""What the weights follow from: a change of it starts training anew."""
ROOMS = ("train", "step", "diagnose")
MOST_UNITS, MOST_LAYERS = 512, 8
MOST_TAKEN = 200
"""Steps taken by hand: more would make an address too long for some programs."""
_SLOWEST, _FASTEST = 1e-9, 1e6
HIDDEN = tuple(name for name in activations.NAMED if name != "softmax")
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
    taken: tuple[tuple[int, int], ...] = ()
    """Steps that were taken by hand: after how many of training, and on which sample."""
    sample: int = 0
    """Which sample is stepped through."""
    form: str = "lambda"
    at: int = 0
    """At which of its steps."""

    def replace(self, **changes: Any) -> State:
        """Return the state with some things changed; those of `ANEW` undo the training."""
        if ANEW & changes.keys():
            changes = {"steps": 0, "taken": (), **changes}
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

    def where_said(self, **changes: Any) -> State:
        """Return the state with those changes that a link can say."""
        said = {}
        for name, value in changes.items():
            with contextlib.suppress(InputError):
                said[name] = _READ[name](name, _spell(value))
        return self.replace(**said)


def _spell(value: Any) -> str:
    if isinstance(value, tuple):
        return "-".join(f"{first}.{second}" for first, second in value) or "none"
    return str(value)


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
    if not _SLOWEST <= value <= _FASTEST:
        raise InputError(
            f"{name} must be a number from {_SLOWEST:g} to {_FASTEST:g}, such as 0.01, but is "
            f"{text!r}"
        )
    return value


def _name(name: str, text: str) -> str:
    if len(text) > 200:
        raise InputError(f"{name} must be a name of at most 200 letters, but has {len(text)}")
    return text


def _pairs(name: str, text: str, most: int, what: str) -> list[tuple[str, str]]:
    """Return the two parts of each of ``8.tanh-3.relu``."""
    parts = [] if text == "none" else text.split("-")
    if len(parts) > most:
        raise InputError(f"{name} may have {most} {what}, but has {len(parts)}")
    return [(first, second) for first, _, second in (part.partition(".") for part in parts)]


def _layers(name: str, text: str) -> tuple[tuple[int, str], ...]:
    layers = []
    for units, activation in _pairs(name, text, MOST_LAYERS, "hidden layers"):
        require_choice("activation", activation, HIDDEN)
        layers.append((_whole(1, MOST_UNITS)(name, units), activation))
    return tuple(layers)


def _taken(name: str, text: str) -> tuple[tuple[int, int], ...]:
    number = _whole(0, 10**9)
    pairs = _pairs(name, text, MOST_TAKEN, "steps")
    taken = [(number(name, after), number(name, sample)) for after, sample in pairs]
    if taken != sorted(taken, key=lambda step: step[0]):
        raise InputError(f"{name} must be in the order in which the steps were made")
    return tuple(taken)


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
    "taken": _taken,
    "sample": _whole(0, 10**9),
    "form": _choice(lambda: notation.FORMS),
    "at": _whole(0, 10**4),
}
