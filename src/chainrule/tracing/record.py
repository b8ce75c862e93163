"""A trace as JSON; `docs/explain.md` describes the schema."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import notation
from chainrule.tracing import statements

if TYPE_CHECKING:
    from chainrule.tracing.traces import Trace
    from chainrule.tracing.weight import Path, WeightPaths

FORMAT, VERSION = "chainrule.trace", 1


def of(trace: Trace, weight: WeightPaths | None = None) -> dict[str, Any]:
    """Return a trace, and what a weight does in it, as plain lists, strings and numbers."""
    record = {
        "format": FORMAT,
        "version": VERSION,
        "form": trace.form,
        "layer_sizes": list(trace.layer_sizes),
        "activations": list(trace.activations),
        "loss_function": trace.loss_name,
        "dtype": trace.phi[0].dtype.name,
        "n_samples": trace.n_samples,
        "loss": _finite(trace.loss),
        "multiplications": trace.multiplications,
        "backward_multiplications": dict(trace.backward_multiplications),
        "forms": dict(notation.FORMS),
        "W": [_numbers(value) for value in trace.W[1:]],
        "B": [_numbers(value) for value in trace.B[1:]],
        "y": _numbers(trace.Y),
        "sigma_prime": [_numbers(value) for value in trace.sigma_prime[1:]],
        "steps": [_step(statement) for statement in statements.statements(trace)],
    }
    return record if weight is None else record | {"weight": _weight(weight)}


def dumps(record: dict[str, Any]) -> str:
    """Return the text of a record."""
    return json.dumps(record, allow_nan=False)


def _step(statement: statements.Statement) -> dict[str, Any]:
    step = statement.step
    return {
        "equation": step.equation,
        "symbol": step.symbol,
        "layer": step.layer,
        "name": statement.name,
        "meaning": statement.meaning,
        "latex": statement.latex,
        "note": statement.note,
        "shape": list(np.shape(step.value)),
        "multiplications": step.multiplications,
        "value": _numbers(step.value),
    }


def _weight(found: WeightPaths) -> dict[str, Any]:
    return {
        "layer": found.L,
        "row": found.j,
        "column": found.k,
        "n_paths": found.n_paths,
        "sum": None if found.total is None else _finite(found.total),
        "gradient": {number: _finite(value) for number, value in found.gradients.items()},
        "paths": None if found.paths is None else [_path(path) for path in found.paths],
    }


def _path(path: Path) -> dict[str, Any]:
    return {
        "units": list(path.units),
        "factors": [
            {
                "derivative": factor.derivative,
                "latex": factor.latex,
                "value": _numbers(np.atleast_1d(factor.value)),
            }
            for factor in path.factors
        ],
        "product": _numbers(np.atleast_1d(path.product)),
    }


def _numbers(value: Any) -> Any:
    """Return an array as nested lists; None for no array, and for what is not finite."""
    if value is None:
        return None
    array = np.asarray(value)
    return array.tolist() if np.isfinite(array).all() else _nested(array.tolist())


def _nested(value: Any) -> Any:
    return [_nested(entry) for entry in value] if isinstance(value, list) else _finite(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
