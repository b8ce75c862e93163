"""Learning rate schedules: the factor by which the learning rate is multiplied.

A schedule maps progress to a factor. Progress is measured in epochs and may be fractional:
step b of the B steps of epoch e (counted from 0) is at e + b / B, out of ``epochs``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar

from chainrule.errors import InputError, require_choice

# The smallest and the largest value of each parameter of the schedules.
_RANGES = {
    "every": (1, math.inf),
    "gamma": (0, 1),
    "final": (0, 1),
    "initial": (0, 1),
    "warm": (0, 1),
    "epochs": (1e-9, math.inf),
    "patience": (0, math.inf),
    "min_delta": (0, math.inf),
    "smallest": (0, 1),
}


@dataclass
class Schedule:
    """Base class, and the schedule that changes nothing."""

    uses_epochs: ClassVar[bool] = False
    """Whether the factor depends on the number of epochs asked for."""
    changes_within_epochs: ClassVar[bool] = True
    """Whether the factor may differ from step to step of one epoch."""

    def __post_init__(self) -> None:
        """Check that every number is in its range."""
        for item in fields(self):
            if item.name not in _RANGES:
                continue
            (low, high), value = _RANGES[item.name], getattr(self, item.name)
            if not (isinstance(value, Real) and low <= float(value) <= high):
                raise InputError(
                    f"{item.name} of the schedule {type(self).__name__} must be a number from "
                    f"{low:g} to {high:g}, but is {value!r}"
                )

    def factor(self, progress: float, epochs: int) -> float:
        """Return what the learning rate is multiplied with at `progress` of `epochs`."""
        del progress, epochs
        return 1.0

    def observe(self, value: float) -> None:
        """Be told the monitored loss at the end of an epoch."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        for name, current in self.state().items():
            if current is not None and not isinstance(state[name], type(current)):
                raise TypeError(f"{name} of a schedule is {state[name]!r:.80}")
            setattr(self, name, state[name])


@dataclass
class constant(Schedule):
    """The learning rate as given."""

    changes_within_epochs = False


@dataclass
class step(Schedule):
    """Multiply by `gamma` after every `every` epochs."""

    changes_within_epochs = False

    every: int = 10
    gamma: float = 0.1

    def factor(self, progress: float, epochs: int) -> float:
        """Return gamma^floor(progress / every)."""
        del epochs
        return float(self.gamma ** (int(progress) // self.every))


@dataclass
class exponential(Schedule):
    """Multiply by `gamma` after every epoch."""

    changes_within_epochs = False

    gamma: float = 0.95

    def factor(self, progress: float, epochs: int) -> float:
        """Return gamma^floor(progress)."""
        del epochs
        return float(self.gamma ** int(progress))


@dataclass
class cosine(Schedule):
    """Half a cosine from 1 to `final` (Loshchilov and Hutter 2017, arXiv:1608.03983)."""

    uses_epochs = True

    final: float = 0.0

    def factor(self, progress: float, epochs: int) -> float:
        """Return final + (1 - final) (1 + cos(pi progress / epochs)) / 2."""
        wave = (1 + math.cos(math.pi * min(1.0, progress / epochs))) / 2
        return self.final + (1 - self.final) * wave


@dataclass
class one_cycle(Schedule):
    """Rise from `initial` to 1 over the first part, then fall to `final`, both by cosines.

    Smith and Topin 2018, arXiv:1708.07120. The learning rate given to ``fit`` is the peak.
    """

    uses_epochs = True

    warm: float = 0.3
    initial: float = 0.04
    final: float = 4e-6

    def factor(self, progress: float, epochs: int) -> float:
        """Return the factor at `progress` of `epochs`."""
        part = min(1.0, progress / epochs)
        if part < self.warm:
            start, end, x = self.initial, 1.0, part / self.warm
        else:
            start, end, x = 1.0, self.final, (part - self.warm) / max(1 - self.warm, 1e-12)
        return end + (start - end) * (1 + math.cos(math.pi * x)) / 2


@dataclass
class warmup(Schedule):
    """Rise linearly over the first `epochs` epochs, then stay (Goyal et al. 2017)."""

    epochs: float = 5

    def factor(self, progress: float, epochs: int) -> float:
        """Return progress / epochs of the warm-up, at least 1% and at most 1."""
        del epochs
        return min(1.0, max(0.01, progress / self.epochs))


@dataclass
class plateau(Schedule):
    """Multiply by `gamma` when the monitored loss has not fallen for `patience` epochs.

    The monitored loss is the validation loss where there is one, else the training loss.
    """

    changes_within_epochs = False

    patience: int = 10
    gamma: float = 0.1
    min_delta: float = 0.0
    smallest: float = 1e-6

    def __post_init__(self) -> None:
        """Start at 1."""
        super().__post_init__()
        self.scale, self.best, self.waited = 1.0, math.inf, 0

    def factor(self, progress: float, epochs: int) -> float:
        """Return the product of the reductions so far."""
        del progress, epochs
        return self.scale

    def observe(self, value: float) -> None:
        """Count the epochs without improvement; reduce when there were too many."""
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.scale, self.waited = max(self.smallest, self.scale * self.gamma), 0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {"scale": self.scale, "best": self.best, "waited": self.waited}


NAMED: dict[str, type[Schedule]] = {
    kind.__name__: kind
    for kind in (constant, step, exponential, cosine, one_cycle, warmup, plateau)
}


def get(schedule: str | Schedule | type[Schedule] | None) -> Schedule:
    """Return the schedule of that name, or `schedule` itself if it is one; None is constant.

    Raises
    ------
    InputError
        If there is none of that name; the closest is named.

    Examples
    --------
    >>> get("cosine").factor(5, 10)
    0.5
    """
    if schedule is None:
        return constant()
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, type) and issubclass(schedule, Schedule):
        return schedule()
    if callable(schedule):
        raise InputError(
            "a schedule of your own is a subclass of chainrule.schedules.Schedule with a "
            "method factor(progress, epochs)"
        )
    return NAMED[require_choice("schedule", schedule, NAMED)]()
