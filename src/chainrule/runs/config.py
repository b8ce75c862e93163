"""All that a run is asked to do, from options, from a file, and back into one."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule import __version__, activations, losses, optimizers
from chainrule.errors import InputError, require_choice
from chainrule.optimizers import FULL_BATCH
from chainrule.runs import toml
from chainrule.tables import TASKS, Wishes

TUNED = ("hidden", "activation", "learning_rate", "batch_size", "dropout", "weight_decay")
"""What `tune` chooses, unless it was given."""


@dataclass(frozen=True)
class Config:
    """The settings of a run; None is for what the table decides."""

    tables: tuple[str, ...] = ()
    """The files; empty for the handwritten digits."""
    target: str | None = None
    task: str | None = None
    metric: str | None = None
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    """Names of columns, each alone or with how its dates are written: ``day=%d.%m.%Y``."""
    drop: tuple[str, ...] = ()
    validation: float | str = 0.2
    """The share of rows, or the file, that the score is of."""
    group: str | None = None
    time: str | None = None
    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    loss: str | None = None
    optimizer: str = "adamw"
    learning_rate: float = 0.005
    batch_size: int | None = None
    epochs: int = 50
    patience: int = 16
    """The epochs without a lower loss after which training ends."""
    dropout: float = 0.15
    weight_decay: float = 0.1
    """Of adamw."""
    ensemble: int = 1
    time_limit: float | None = None
    """In seconds."""
    stop_after: tuple[int, ...] = ()
    """The epoch at which each network was cut short by a time limit, or by Ctrl-C."""
    tune: int = 0
    """How many trials choose settings."""
    fixed: tuple[str, ...] = ()
    """The settings that trials leave as they are."""
    baselines: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check each setting, and those that exclude each other."""
        if self.task is not None:
            require_choice("--task", self.task, TASKS)
        activations.get(self.activation)
        if self.optimizer in FULL_BATCH:
            raise InputError(
                f"--optimizer {self.optimizer} sees all rows in each step, but training here stops "
                "early by epochs: choose one that makes epochs, such as adamw or momentum"
            )
        optimizers.get(self.optimizer)
        if self.loss is not None:
            losses.get(self.loss)
        _at_least("--hidden", min(self.hidden, default=1), 1)
        for name in ("batch_size", "epochs", "patience", "ensemble"):
            if getattr(self, name) is not None:
                _at_least(_option(name), getattr(self, name), 1)
        for name in ("tune", "seed"):
            _at_least(_option(name), getattr(self, name), 0)
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(
                f"learning_rate must be a number above 0, but is {self.learning_rate}: "
                "--learning-rate 0.001"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, but is {self.dropout}")
        if not 0 <= self.weight_decay < float("inf"):
            raise InputError(f"weight_decay must be at least 0, but is {self.weight_decay}")
        if isinstance(self.validation, float | int) and not 0 < self.validation < 1:
            raise InputError(
                f"--validation must be a share of the rows between 0 and 1, such as 0.2, or a "
                f"file, but is {self.validation:g}"
            )
        if self.group is not None and self.time is not None:
            raise InputError(
                "--group and --time are two ways to split the rows: leave one of them out"
            )
        if isinstance(self.validation, str) and self.time is not None:
            raise InputError(
                "--time chooses the rows to hold out, and so does --validation with a file: leave "
                "one of them out"
            )
        if self.stop_after and len(self.stop_after) != self.ensemble:
            raise InputError(
                f"stop_after has {len(self.stop_after)} epochs for {self.ensemble} networks: "
                "leave it out, or give one for each"
            )
        for name in self.fixed:
            require_choice("the setting in fixed", name, TUNED)
        for name in ("target", "group", "time"):
            column = getattr(self, name)
            if column is not None and column in self.drop:
                raise InputError(f"--drop {column} leaves out the column of --{name}")
        if self.target is not None and self.target in (self.group, self.time):
            raise InputError(f"the target {self.target!r} cannot also be that of --group or --time")
        if self.time_limit is not None and not 0 < self.time_limit < float("inf"):
            raise InputError(f"--time-limit must be above 0, but is {self.time_limit:g}")

    @property
    def wishes(self) -> Wishes:
        """What is said of columns.

        >>> Config(datetime=("when", "day=%d.%m.%Y")).wishes.datetime
        {'when': '', 'day': '%d.%m.%Y'}
        """
        written: dict[str, str] = {}
        for text in self.datetime:
            name, _, way = text.rpartition("=")
            written |= {name: way} if name and way.startswith("%") else {text: ""}
        return Wishes(self.numeric, self.categorical, written, self.drop)

    def with_(self, **changes: Any) -> Config:
        """Return a copy with other settings."""
        return dataclasses.replace(self, **changes)

    def to_toml(self, note: str = "") -> str:
        """Return a file that `read` reads back, with what it is for in its first lines."""
        lines = [
            f"# Written by chainrule {__version__}.",
            "# `chainrule train --config` with this file repeats the run, bit for bit.",
            *(f"# {line}" for line in note.splitlines()),
        ]
        empty = {(): None}
        settings = {
            name: empty.get(value, value)
            if name != "hidden" and isinstance(value, tuple)
            else value
            for name, value in dataclasses.asdict(self).items()
        }
        return "\n".join([*lines, toml.dumps(settings), ""])


def read(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file.

    Raises
    ------
    InputError
        If it is not there or no TOML, or a setting is not known or of another type.
    """
    try:
        record = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    found = {}
    for name, value in record.items():
        require_choice(f"the setting in {path}", name, FIELDS)
        wanted = FIELDS[name]
        if isinstance(value, list):
            value = tuple(value)
        if not _fits(value, wanted):
            raise InputError(
                f"{path}: {name} must be {_WORDS[wanted]}, but is {toml.dumps({name: value})}"
            )
        found[name] = value if wanted != "number" else float(value)
    return found


def seconds(text: str) -> float:
    """Return a time such as ``90``, ``60s``, ``5m`` or ``1.5h`` in seconds.

    Raises
    ------
    InputError
        If it is none, or not above 0.

    Examples
    --------
    >>> seconds("60s"), seconds("1.5h"), seconds("2")
    (60.0, 5400.0, 2.0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(s|m|min|h)?\s*", text)
    if not match or float(match[1]) == 0:
        raise InputError(f"--time-limit must be a time such as 60s, 5m or 1h, but is {text!r}")
    return float(match[1]) * {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}[match[2]]


def share_or_file(text: str) -> float | str:
    """Return what ``--validation`` names: a share of the rows, or a file.

    >>> share_or_file("0.3"), share_or_file("new.csv")
    (0.3, 'new.csv')
    """
    try:
        return float(text)
    except ValueError:
        return text


_WORDS = {
    "text": "text in quotes", "whole": "a whole number", "number": "a number",
    "truth": "true or false", "texts": "a list of texts", "wholes": "a list of whole numbers",
    "share": "a number, or a file in quotes",
}  # fmt: skip
_KINDS = {
    "tuple[str, ...]": "texts", "tuple[int, ...]": "wholes", "str": "text", "int": "whole",
    "float": "number", "bool": "truth", "float | str": "share",
}  # fmt: skip
FIELDS = {
    field.name: _KINDS[str(field.type).removesuffix(" | None")]
    for field in dataclasses.fields(Config)
}
"""The kind of each setting."""


def _fits(value: Any, kind: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return {
        "text": isinstance(value, str), "whole": whole, "number": number,
        "truth": isinstance(value, bool), "share": number or isinstance(value, str),
        "texts": isinstance(value, tuple) and all(isinstance(v, str) for v in value),
        "wholes": isinstance(value, tuple) and all(_fits(v, "whole") for v in value),
    }[kind]  # fmt: skip


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise InputError(f"{name} must be a whole number of at least {low}, but is {value}")
