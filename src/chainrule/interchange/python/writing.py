"""Python: a model as one file that needs NumPy and nothing else."""

from __future__ import annotations

import base64
import dataclasses
import inspect
import os
import re
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import __version__, activations, numerics, storage
from chainrule.activations import Activation
from chainrule.errors import InputError
from chainrule.interchange.models import Category, Model, Number
from chainrule.interchange.python import runtime
from chainrule.interchange.verifying import Verification, compare
from chainrule.naming import family_of
from chainrule.numerics import EXP_LIMIT, Array

# Each activation of x; `a` is the parameter of a family. Functions of `numerics` are copied.
_EXPRESSIONS = {
    "identity": "x",
    "relu": "np.maximum(x, 0)",
    "tanh": "np.tanh(x)",
    "sigmoid": "sigmoid(x)",
    "leaky_relu": "np.maximum(x, 0) + a * np.minimum(x, 0)",
    "elu": "np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0))",
    "celu": "np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0) / a)",
    "selu": "1.0507009873554805 * (np.maximum(x, 0)"
            " + 1.6732632423543772 * np.expm1(np.minimum(x, 0)))",
    "gelu": "x * 0.5 * erfc(-np.sqrt(0.5).astype(x.dtype) * x)",
    "silu": "x * sigmoid(x)",
    "mish": "x * np.tanh(softplus(x))",
    "softplus": "softplus(x)",
    "softsign": "x / (1 + np.abs(x))",
    "hard_tanh": "np.clip(x, -1, 1)",
    "sin": "np.sin(x)",
    "gaussian": "np.exp(-x * x)",
    "exponential": "exp(x)",
    "softmax": "softmax(x)",
}  # fmt: skip
_NUMERICS = (numerics.magnitude, numerics.log1p, numerics.exp, numerics.sigmoid,
             numerics.softplus, numerics.softmax)  # fmt: skip
_OF_TABLES = (runtime.by_column, runtime.require, runtime.is_missing, runtime.to_number,
              runtime.to_text, runtime.encode, runtime.read_csv)  # fmt: skip

_OF_TABLES_TOO = """from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any
"""

_NETWORK = '''
def predict(X):
    """Return the network's outputs (n, {n_outputs}) for inputs of shape (n, {n_inputs})."""
    X = np.asarray(X, dtype={dtype!r})
    if X.ndim != 2 or X.shape[1] != {n_inputs}:
        raise ValueError(f"X must have the shape (n, {n_inputs}), but has {{X.shape}}")
    return outputs(X, LAYERS)


if __name__ == "__main__":  # a line of numbers in, a line of numbers out
    with open(sys.argv[1]) if sys.argv[1:] else sys.stdin as file:
        X = [[float(x) for x in line.replace(",", " ").split()] for line in file if line.strip()]
    for row in predict(X):
        print(*row, sep=",")
'''

_TABLE = """
def _outputs(rows):
    table = by_column(rows, COLUMNS)
    return outputs(encode(table, COLUMNS, {n_inputs}, {dtype!r}), LAYERS)

"""

_CLASSES = '''
CLASSES = {classes!r}


def predict_proba(rows):
    """Return the probability of each of CLASSES, of shape (n, {n_classes})."""
    p = _outputs(rows)
    return np.hstack([1 - p, p]) if p.shape[1] == 1 else p


def predict(rows):
    """Return the most probable class of each row: of a list of dicts, or a dict of lists."""
    return [CLASSES[i] for i in predict_proba(rows).argmax(axis=1)]


if __name__ == "__main__":  # a CSV file in, a CSV file out
    with open(sys.argv[1], newline="", encoding="utf-8-sig") if sys.argv[1:] else sys.stdin as file:
        found = predict_proba(read_csv(file))
    writer = csv.writer(sys.stdout)
    writer.writerow(["prediction", *(f"probability_{{name}}" for name in {spelled!r})])
    for p in found:
        writer.writerow([{spelled!r}[p.argmax()], *p])
'''

_NUMBERS = '''
def predict(rows):
    """Return a number for each row, of shape (n,): of a list of dicts, or a dict of lists."""
    values = _outputs(rows)[:, 0].astype(np.float64) * {scale!r} + {mean!r}
    return np.clip(values, {low}, {high})


if __name__ == "__main__":  # a CSV file in, a CSV file out
    with open(sys.argv[1], newline="", encoding="utf-8-sig") if sys.argv[1:] else sys.stdin as file:
        found = predict(read_csv(file))
    print("prediction", *found, sep="\\n")
'''


def write(path: str | os.PathLike[str], model: Model) -> Verification:
    """Write a Python file with ``predict``, for inputs or for the rows of a table.

    Raises
    ------
    InputError
        If the network has an activation of the user's own, or the file cannot be written.
    VerificationError
        If the file predicts something else; it is not left behind.
    """
    if os.path.splitext(path)[1] != ".py":
        raise InputError(f"a Python file ends in .py, but {os.fspath(path)} does not: name another")
    model.require_written("chainrule cannot write it in Python")
    text = source(model)
    verification = _verify(text, model)
    storage.write_atomically(path, text.encode())
    return verification


def source(model: Model) -> str:
    """Return the text of the file."""
    a, table = model.architecture, model.table
    layers, used = [], ""
    for w, b, activation in model.layers:
        function = _function(activation)
        used += function
        bias = "None" if b is None else _array(b)
        layers.append(f"    ({_array(w)},\n     {bias},\n     {function}),\n")
    name = "" if table is None else table.answer.name.encode("unicode_escape").decode()
    about = name and f" that predicts {name}".replace("\\", "/").replace('"', "'")
    functions: list[Callable[..., Any]] = [runtime.array, runtime.outputs]
    if "erfc" in used:
        functions.append(runtime.erfc)
    # softplus and sigmoid take the magnitude, softplus log1p too
    wanted = [f for f in _NUMERICS if f"{f.__name__}(x)" in used.replace("np.", "~")]
    if any(f in wanted for f in (numerics.sigmoid, numerics.softplus)):
        wanted.append(numerics.magnitude)
    if numerics.softplus in wanted:
        wanted.append(numerics.log1p)
    functions += [f for f in _NUMERICS if f in wanted]
    functions += _OF_TABLES if table else ()
    copied = "\n\n".join(map(_copy, functions))
    dtype = a.dtype
    parts = [
        _HEAD.format(
            sizes=model.sizes(),
            about=about,
            version=__version__,
            imports="import csv\nimport math\n" if table else "import math\n" * ("erfc" in used),
            more=_OF_TABLES_TOO if table else "from typing import Any\n",
        ),
        f"EXP_LIMIT = {EXP_LIMIT!r}\n" if numerics.exp in wanted else "",
        f"\n\n{copied}\n\nLAYERS = [\n{''.join(layers)}]\n",
    ]
    shape = {"n_inputs": a.n_inputs, "n_outputs": a.n_outputs, "dtype": dtype}
    if table is None:
        return "".join(parts) + "\n" + _NETWORK.format(**shape)
    parts.append(f"\nCOLUMNS = [\n{''.join(map(_column, table.columns))}]\n\n")
    parts.append(_TABLE.format(**shape))
    answer = table.answer
    if answer.classes:
        classes, spelled = answer.labels.tolist(), list(answer.spelled)
        parts.append(_CLASSES.format(classes=classes, spelled=spelled, n_classes=len(classes)))
    else:
        low, high = (f'float("{x}")' if np.isinf(x) else repr(x) for x in (answer.low, answer.high))
        parts.append(_NUMBERS.format(scale=answer.scale, mean=answer.mean, low=low, high=high))
    return "".join(parts)


_HEAD = '''"""Network {sizes}{about}, written by chainrule {version}.

It needs Python 3.9 or newer, and NumPy. `predict` predicts; `python FILE.py TABLE.csv` does so for
the lines of a file or of standard input.
"""

from __future__ import annotations

import base64
{imports}import sys
{more}
import numpy as np
'''


def _copy(function: Callable[..., Any]) -> str:
    """Return the source of a function, in which arrays are of any type."""
    text = re.sub(r"\bArray\b", "Any", inspect.getsource(function))
    return re.sub(r"  # noqa.*", "", text)


def _function(activation: Activation) -> str:
    family, value = family_of(activation)
    a = activations.DEFAULTS.get(family) if value is None else value
    parameter = "" if a is None else f", a={a!r}"
    return f"lambda x{parameter}: {_EXPRESSIONS[family]}"


def _array(values: Array) -> str:
    kind = values.dtype.newbyteorder("<")
    text = base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()
    lines = "\n".join(f'        "{line}"' for line in textwrap.wrap(text, 96) or [""])
    return f"array(\n{lines}, {kind.str!r}, {', '.join(map(str, values.shape))})"


def _column(column: Number | Category) -> str:
    if isinstance(column, Number):
        return f"    {dataclasses.asdict(column)!r},\n"
    known: dict[str | None, int] = {c: i for i, c in enumerate((*column.categories, None))}
    return (
        f"    {{'name': {column.name!r}, 'place': {column.place}, 'categories': {known!r},\n"
        f"     'values': {_array(column.values)}}},\n"
    )


def _verify(text: str, model: Model) -> Verification:
    examples = given, _ = model.examples()
    found: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), found)
    if model.table is None:
        theirs = found["predict"](given)
    elif model.table.answer.classes:
        theirs = found["predict_proba"](given)
    else:
        theirs = found["predict"](given)[:, None]
    return compare(f"NumPy {np.__version__}", theirs, model, examples)
