"""What chainrule's own choices cost: each over a float32 step of Adam on squared errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainrule.benchmarks import machine
from chainrule.benchmarks.harness import compare
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table, failures, middles, over
from chainrule.benchmarks.workloads import WORKLOADS

_BASE = "adam, float32"
_OPTIMIZERS = ("gradient_descent", "momentum", "nesterov", "rmsprop", "adagrad", "adamw", "nadam",
               "lion")  # fmt: skip

# Rprop is not among them: its step takes all samples.
VARIANTS: dict[str, dict[str, Any]] = {
    _BASE: {},
    "float64": {"network_options": {"dtype": "float64"}},
    "softmax, cross_entropy": {
        "network_options": {"output_activation": "softmax", "loss": "cross_entropy"}
    },
    "dropout 0.1": {"fit_options": {"dropout": 0.1}},
    "sample weights": {"sample_weight": True},
    "l2": {"fit_options": {"l2": 1e-4}},
    "gradient_clip": {"fit_options": {"gradient_clip": 1.0}},
    **{name: {"fit_options": {"optimizer": name}} for name in _OPTIMIZERS},
}


def run(plan: Plan) -> Iterator[Table]:
    """Yield a table for each of two workloads, on one core."""
    for name in ("w1", "w2")[: 1 if plan.quick else 2]:
        workload = WORKLOADS[name]
        jobs = {
            variant: plan.job("train", "chainrule", workload, **options)
            for variant, options in VARIANTS.items()
        }
        found = compare(jobs, machine.cores(1), plan.rounds, plan.note, f"variants of {name}")
        table = Table(
            f"variants of {name}: {workload}, 1 core",
            ["engine", "us/step", f"time over {_BASE} (range)"],
            notes=failures(found),
            figures={"workload": name, **found.to_dict()},
        )
        for variant, seconds in middles(found).items():
            engine = found.about[variant]["engine"]
            ratio = over(found, variant, _BASE)
            table.rows.append([variant, engine, f"{seconds * 1e6:.1f}", ratio])
        yield table
