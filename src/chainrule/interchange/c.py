"""C: the network as one C99 file that needs nothing but the mathematics library."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from chainrule import __version__, activations, storage
from chainrule.architecture import Architecture
from chainrule.errors import InputError
from chainrule.naming import family_of
from chainrule.numerics import EXP_LIMIT, Array

# The expression of each activation of a number x. ``real`` is float or double, ``exp`` and
# the like are expf in the first case, and ``a`` is the parameter of a family.
_EXPRESSIONS = {
    "relu": "x < 0 ? 0 : x",
    "tanh": "tanh(x)",
    "sigmoid": "x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))",
    "leaky_relu": "x < 0 ? a * x : x",
    "elu": "x < 0 ? a * expm1(x) : x",
    "celu": "x < 0 ? a * expm1(x / a) : x",
    "selu": "(real)1.0507009873554805 * (x < 0 ? (real)1.6732632423543772 * expm1(x) : x)",
    "gelu": "x * (real)0.5 * erfc(-x * (real)0.70710678118654752)",
    "silu": "x < 0 ? x * exp(x) / (1 + exp(x)) : x / (1 + exp(-x))",
    "mish": "x * tanh((x < 0 ? 0 : x) + log1p(exp(-fabs(x))))",
    "softplus": "(x < 0 ? 0 : x) + log1p(exp(-fabs(x)))",
    "softsign": "x / (1 + fabs(x))",
    "hard_tanh": "x < -1 ? -1 : x > 1 ? 1 : x",
    "sin": "sin(x)",
    "gaussian": "exp(-x * x)",
    "exponential": f"x > {EXP_LIMIT:g} ? exp({EXP_LIMIT:g}) * (x - {EXP_LIMIT - 1:g}) : exp(x)",
}
_MATHEMATICS = ("exp", "expm1", "tanh", "erfc", "log1p", "fabs", "sin")

_SOFTMAX = """
    /* softmax; the largest is subtracted so that exp cannot overflow */
    real largest = {y}[0], sum = 0;
    for (int i = 1; i < {n}; i++) if ({y}[i] > largest) largest = {y}[i];
    for (int i = 0; i < {n}; i++) sum += {y}[i] = exp({y}[i] - largest);
    for (int i = 0; i < {n}; i++) {y}[i] /= sum;
"""


def write(path: str | os.PathLike[str], architecture: Architecture, parameters: Array) -> None:
    """Write a C99 source file and, beside it, its header.

    The function ``void NAME_predict(const real x[], real y[])``, NAME being that of the file,
    predicts one sample. It allocates nothing, and may be called from several threads.

    Raises
    ------
    InputError
        If the network has an activation of the user's own, or the name of the file is not one
        of a C function, or a file cannot be written.
    """
    source = Path(path)
    name = source.stem
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or source.suffix != ".c":
        raise InputError(
            f"to_c names its function after the file, so this must be a C name with the ending "
            f".c, such as model.c, but is {source.name}"
        )
    header = source.with_suffix(".h")
    text, prototype = (
        _source(name, header.name, architecture, parameters),
        _prototype(name, architecture),
    )
    storage.write_atomically(header, prototype.encode())
    storage.write_atomically(source, text.encode())


def _prototype(name: str, architecture: Architecture) -> str:
    guard = f"{name.upper()}_H"
    real = _real(architecture)
    return f"""/* Network {_sizes(architecture)}, written by chainrule {__version__}. */
#ifndef {guard}
#define {guard}

/* Predicts one sample: {architecture.n_inputs} inputs x, {architecture.n_outputs} outputs y. */
void {name}_predict(const {real} x[{architecture.n_inputs}], {real} y[{architecture.n_outputs}]);

#endif
"""


def _source(name: str, header: str, architecture: Architecture, parameters: Array) -> str:
    single = architecture.dtype == "float32"
    parts = [
        f"/* Network {_sizes(architecture)}, written by chainrule {__version__}. C99; link with "
        f'-lm. */\n#include "{header}"\n\n#include <math.h>\n\ntypedef {_real(architecture)} '
        "real;\n"
    ]
    steps = []
    functions: dict[str, str] = {}
    last = "x"
    layers = zip(*architecture.views(parameters), architecture.activations, strict=True)
    for L, (w, b, activation) in enumerate(layers, 1):
        if activation.own:
            raise InputError(f"{activation!r} is your own, and chainrule cannot write it in C")
        n_out, n_in = w.shape
        parts.append(_array(f"W{L}", w, single))
        parts.append(_array(f"B{L}", np.zeros(n_out) if b is None else b, single))
        y = "y" if L == architecture.n_layers else f"h{L}"
        if y != "y":
            steps.append(f"    real {y}[{n_out}];\n")
        steps.append(f"    dense(&W{L}[0][0], B{L}, {last}, {y}, {n_out}, {n_in});\n")
        family, value = family_of(activation)
        if family == "softmax":
            steps.append(_SOFTMAX.format(y=y, n=n_out))
        elif family != "identity":
            a = activations.DEFAULTS.get(family) if value is None else value
            function = family if value is None else f"{family}_{L}"
            expression = _EXPRESSIONS[family]
            if a is not None:
                expression = re.sub(r"\ba\b", f"(real){a!r}", expression)
            functions[function] = f"static real {function}_(real x) {{ return {expression}; }}\n"
            steps.append(f"    for (int i = 0; i < {n_out}; i++) {y}[i] = {function}_({y}[i]);\n")
        last = y
    body = "".join(functions.values())
    body += """
static void dense(const real *W, const real *B, const real *x, real *y, int n_out, int n_in) {
    for (int i = 0; i < n_out; i++) {
        real sum = B[i];
        for (int k = 0; k < n_in; k++) sum += W[i * n_in + k] * x[k];
        y[i] = sum;
    }
}
"""
    real = _real(architecture)
    body += (
        f"\nvoid {name}_predict(const {real} x[{architecture.n_inputs}], "
        f"{real} y[{architecture.n_outputs}]) {{\n{''.join(steps)}}}\n"
    )
    if single:
        body = re.sub(rf"\b({'|'.join(_MATHEMATICS)})\(", r"\1f(", body)
    return "\n".join(parts) + "\n" + body


def _array(name: str, values: Array, single: bool) -> str:
    """Return the definition of a constant array, every number exact."""
    suffix, digits = ("f", 9) if single else ("", 17)

    def row(numbers: Array) -> str:
        spelled = (f"{float(number):.{digits}g}" for number in numbers)
        # 1 must be 1. before the f of a float
        return ", ".join(
            (text if re.search(r"[.e]", text) else text + ".0") + suffix for text in spelled
        )

    if values.ndim == 1:
        return f"static const real {name}[{len(values)}] = {{{row(values)}}};\n"
    rows = ",\n".join(f"    {{{row(numbers)}}}" for numbers in values)
    return f"static const real {name}[{len(values)}][{values.shape[1]}] = {{\n{rows}}};\n"


def _real(architecture: Architecture) -> str:
    return {"float32": "float", "float64": "double"}[architecture.dtype]


def _sizes(architecture: Architecture) -> str:
    return "-".join(map(str, architecture.layer_sizes))
