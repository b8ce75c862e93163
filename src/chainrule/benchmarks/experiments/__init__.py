"""What is measured: each file has a `run` from a `Plan` to tables, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chainrule.benchmarks.experiments import (
    curves,
    ensemble,
    estimators,
    memory,
    prediction,
    startup,
    steps,
    variants,
)
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table

Experiment = Callable[[Plan], Iterator[Table]]

EXPERIMENTS: dict[str, Experiment] = {
    "steps": steps.run,
    "variants": variants.run,
    "ensemble": ensemble.run,
    "prediction": prediction.run,
    "startup": startup.run,
    "memory": memory.run,
    "curves": curves.run,
    "estimators": estimators.run,
}
