"""Optimizers by name: those of many steps an epoch, and those that see all the data at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.errors import require_choice
from chainrule.optimizers.first_order import (
    Adagrad,
    Adam,
    AdamW,
    GradientDescent,
    Lion,
    Momentum,
    NAdam,
    Optimizer,
    RMSprop,
    Rprop,
    State,
)
from chainrule.optimizers.full_batch import LBFGS, FullBatch, LevenbergMarquardt

__all__ = [
    "LBFGS",
    "Adagrad",
    "Adam",
    "AdamW",
    "FullBatch",
    "GradientDescent",
    "LevenbergMarquardt",
    "Lion",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "State",
    "get",
]

NAMED: dict[str, type[Optimizer]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "lion": Lion,
    "rprop": Rprop,
}
ALIASES: dict[str, Callable[..., Optimizer]] = {
    "sgd": GradientDescent,
    "nesterov": lambda: Momentum(nesterov=True),
}
FULL_BATCH: dict[str, type[FullBatch]] = {kind.name: kind for kind in (LBFGS, LevenbergMarquardt)}


def get(
    optimizer: str | Optimizer | FullBatch | type[Optimizer] | type[FullBatch],
) -> Optimizer | FullBatch:
    """Return the optimizer of that name with its defaults, or `optimizer` itself if it is one.

    Raises
    ------
    InputError
        If there is none of that name; the closest is named.

    Examples
    --------
    >>> get("momentum")
    Momentum(learning_rate=None, momentum=0.9, nesterov=False)
    """
    if isinstance(optimizer, Optimizer | FullBatch):
        return optimizer
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer | FullBatch):
        return optimizer()
    makers: dict[Any, Callable[..., Optimizer | FullBatch]] = {**NAMED, **ALIASES, **FULL_BATCH}
    return makers[require_choice("optimizer", optimizer, list(makers))]()
