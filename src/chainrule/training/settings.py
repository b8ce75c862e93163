"""What ``fit`` was asked to do, checked once, in the order of its parameters."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

from chainrule import optimizers, schedules
from chainrule.engines import Regularization
from chainrule.errors import InputError
from chainrule.optimizers import FullBatch, Optimizer
from chainrule.schedules import Schedule


@dataclass(frozen=True)
class Settings:
    """The settings of a training run; the parameters are those of `Network.fit`."""

    optimizer: Optimizer | FullBatch
    learning_rate: float
    epochs: int
    batch_size: int
    shuffle: bool
    regularization: Regularization
    schedule: Schedule
    n_threads: int | None
    seed: int

    def describe(self) -> dict[str, Any]:
        """Return what two runs must share for one to continue the other."""
        return {
            "optimizer": str(self.optimizer),
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "regularization": str(self.regularization),
            "schedule": str(self.schedule),
            "seed": self.seed,
        }


def check(
    *,
    optimizer: Any,
    learning_rate: Any,
    epochs: Any,
    batch_size: Any,
    shuffle: Any,
    l2: Any,
    l1: Any,
    dropout: Any,
    gradient_clip: Any,
    schedule: Any,
    n_threads: Any,
    seed: int,
    n_samples: int,
) -> Settings:
    """Return the settings.

    Raises
    ------
    InputError
        Naming the first parameter that is wrong, its value and what it takes.
    """
    chosen = optimizers.get(optimizer)
    if isinstance(chosen, Optimizer) and chosen.learning_rate is not None:
        learning_rate = chosen.learning_rate
    size = whole_number("batch_size", batch_size, low=1)
    if chosen.whole_batch and schedule is not None:
        raise InputError(
            f"{chosen.name} chooses its own steps, "
            "so that a schedule of the learning rate has no effect: pass schedule=None"
        )
    return Settings(
        optimizer=chosen,
        learning_rate=_number("learning_rate", learning_rate, low=0, open_low=True),
        epochs=whole_number("epochs", epochs, low=0),
        # A batch larger than the data is all of the data.
        batch_size=n_samples if chosen.whole_batch else min(size, n_samples),
        shuffle=bool(shuffle),
        regularization=Regularization(
            l2=_number("l2", l2, low=0),
            l1=_number("l1", l1, low=0),
            dropout=_number("dropout", dropout, low=0, high=1),
            gradient_clip=(
                None
                if gradient_clip is None
                else _number("gradient_clip", gradient_clip, low=0, open_low=True)
            ),
        ),
        # a copy, because some schedules have a state that belongs to one run
        schedule=copy.deepcopy(schedules.get(schedule)),
        n_threads=None if n_threads is None else whole_number("n_threads", n_threads, low=1),
        seed=whole_number("seed", seed, low=0),
    )


def _number(
    name: str, value: Any, low: float, high: float = math.inf, open_low: bool = False
) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (low <= number < high) or (open_low and number == low):
        upper = "" if high == math.inf else f" and below {high:g}"
        raise InputError(
            f"{name} must be a number {'above' if open_low else 'of at least'} {low:g}{upper}, "
            f"but is {value!r}"
        )
    return number


def whole_number(name: str, value: Any, low: int) -> int:
    """Return the value as an int.

    Raises
    ------
    InputError
        If it is not whole, below `low`, or needs more than 64 bits.
    """
    upper = ""
    try:
        number = int(value)
        if number == value and number >= 2**64:
            upper = " and below 2^64"
        if number != value or isinstance(value, bool) or upper or number < low:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{name} must be a whole number of at least {low}{upper}, but is {value!r}"
        ) from None
    return number
