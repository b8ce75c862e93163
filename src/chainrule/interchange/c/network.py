"""The network in C: constants and a function that predicts one sample."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from chainrule import activations
from chainrule.interchange.c import text
from chainrule.interchange.models import Model
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
    real largest = y[0], sum = 0;
    for (int i = 1; i < {n}; i++) if (y[i] > largest) largest = y[i];
    for (int i = 0; i < {n}; i++) sum += y[i] = exp(y[i] - largest);
    for (int i = 0; i < {n}; i++) y[i] /= sum;
"""

_DENSE = """
static void dense(const real *W, const real *B, const real *x, real *y, int n_out, int n_in) {
    for (int i = 0; i < n_out; i++) {
        real sum = B[i];
        for (int k = 0; k < n_in; k++) sum += W[i * n_in + k] * x[k];
        y[i] = sum;
    }
}
"""

# a weight is a whole number from -127 to 127 times the scale S of its row
_DENSE_INT8 = """
static void dense(const signed char *W, const real *S, const real *B, const real *x, real *y,
                  int n_out, int n_in) {
    for (int i = 0; i < n_out; i++) {
        real sum = 0;
        for (int k = 0; k < n_in; k++) sum += W[i * n_in + k] * x[k];
        y[i] = B[i] + S[i] * sum;
    }
}
"""


@dataclass(frozen=True)
class Quantised:
    """Weights as whole numbers from -127 to 127, with a scale for each row."""

    levels: Array
    """Of shape (n_out, n_in), int8."""
    scales: Array
    """Of shape (n_out,)."""

    @property
    def weights(self) -> Array:
        """What they stand for."""
        return self.levels.astype(self.scales.dtype) * self.scales[:, None]


def quantise(weights: Array) -> Quantised:
    """Return weights rounded to 8 bits, so that the largest of each row is 127.

    Examples
    --------
    >>> rounded = quantise(np.array([[1.0, -0.5, 0.0]]))
    >>> rounded.levels.tolist()
    [[127, -64, 0]]
    """
    scales = np.abs(weights).max(axis=1) / 127
    levels = np.rint(weights / np.where(scales > 0, scales, 1)[:, None])
    return Quantised(levels.astype(np.int8), scales)


def source(name: str, model: Model, int8: bool) -> str:
    """Return the constants and the function ``NAME_predict``."""
    single = model.architecture.dtype == "float32"
    constants, steps, functions = [], [], {}
    last, widths = "x", [1, 1]
    for L, (w, b, activation) in enumerate(model.layers, 1):
        n_out, n_in = w.shape
        bias = np.zeros(n_out, w.dtype) if b is None else b
        if int8:
            rounded = quantise(w)
            constants += [text.array("signed char", f"W{L}", rounded.levels),
                          text.array("real", f"S{L}", rounded.scales)]  # fmt: skip
        else:
            constants.append(text.array("real", f"W{L}", w))
        constants.append(text.array("real", f"B{L}", bias))
        y = "y" if L == model.architecture.n_layers else f"h{L % 2}"
        if y != "y":
            widths[L % 2] = max(widths[L % 2], n_out)
        scales = f"S{L}, " if int8 else ""
        steps.append(f"    dense(&W{L}[0][0], {scales}B{L}, {last}, {y}, {n_out}, {n_in});\n")
        family, value = family_of(activation)
        if family == "softmax":
            steps.append(_SOFTMAX.replace("{n}", str(n_out)))
        elif family != "identity":
            function = family if value is None else f"{family}_{L}"
            functions[function] = _function(function, family, value)
            steps.append(f"    for (int i = 0; i < {n_out}; i++) {y}[i] = {function}_({y}[i]);\n")
        last = y
    code = "".join(functions.values()) + (_DENSE_INT8 if int8 else _DENSE)
    code += f"\n{prototype(name, model)} {{\n{_buffers(name, model, widths)}{''.join(steps)}}}\n"
    if single:
        code = re.sub(rf"\b({'|'.join(_MATHEMATICS)})\(", r"\1f(", code)
    return "\n".join(constants) + "\n" + code


def prototype(name: str, model: Model) -> str:
    """Return the head of the function that predicts."""
    a = model.architecture
    return (
        f"void {name}_predict(const {real(model)} x[{a.n_inputs}], {real(model)} y[{a.n_outputs}])"
    )


def real(model: Model) -> str:
    """Return the type of the numbers."""
    return {"float32": "float", "float64": "double"}[model.architecture.dtype]


def _function(function: str, family: str, value: float | None) -> str:
    a = activations.DEFAULTS.get(family) if value is None else value
    expression = _EXPRESSIONS[family]
    if a is not None:
        expression = re.sub(r"\ba\b", f"(real){a!r}", expression)
    return f"static real {function}_(real x) {{ return {expression}; }}\n"


def _buffers(name: str, model: Model, widths: list[int]) -> str:
    """Return the memory for the hidden layers, which take turns with two buffers."""
    n_hidden = model.architecture.n_layers - 1
    storage = f"{name.upper()}_STORAGE"
    return "".join(
        f"    {storage} real h{parity}[{widths[parity]}];\n" for parity in (1, 0)[:n_hidden]
    )
