"""The test program in C: some samples with our predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.interchange.c import network, text
from chainrule.interchange.models import Category, Model, Table
from chainrule.numerics import Array

_PROGRAM = """/* Compares {name}.c with predictions of chainrule:
   cc -std=c99 {name}_test.c {name}.c -lm && ./a.out
   prints the largest difference; with any argument, all predictions too. */
#include "{name}.h"

#include <math.h>
#include <stdio.h>

{constants}
int main(int argc, char **argv) {{
    double worst = 0;
    int n = {n};
    (void)argv;
    for (int i = 0; i < n; i++) {{
        {real} y[{width}];
        {call}
        for (int j = 0; j < {width}; j++) {{
            double apart = fabs((double)y[j] - (double)expected[i][j]);
            if (!(apart <= worst)) worst = apart;
            if (argc > 1) printf("%.17g ", (double)y[j]);
        }}
        if (argc > 1) printf("\\n");
    }}
    printf("max difference %g over %d rows\\n", worst, n);
    return argc > 1 || worst <= {tolerance} ? 0 : 1;
}}
"""


def program(name: str, model: Model, samples: Any, expected: Array) -> str:
    """Return the text of the program for samples as `Model.examples` gives them."""
    real, table = network.real(model), model.table
    n, width = expected.shape
    if table is None:
        given = text.array(real, "given", samples)
        call = f"{name}_predict(given[i], y);"
    else:
        given = _rows(name, table, samples, n)
        call = f"y[0] = {name}_value(&given[i]);"
        if table.answer.classes:
            call = f"{name}_classify(&given[i], y);"
        else:
            real = "double"
    kind = "float" if expected.dtype == np.float32 else "double"
    return _PROGRAM.format(
        name=name, n=n, real=real, width=width, call=call,
        tolerance=f"{model.tolerances(samples).max():.3g}",
        constants=given + text.array(kind, "expected", expected),
    )  # fmt: skip


def _rows(name: str, table: Table, rows: Any, n: int) -> str:
    columns = []
    for column in table.columns:
        values = rows[column.name]
        if isinstance(column, Category):
            columns.append(["NULL" if value is None else text.string(value) for value in values])
        else:
            columns.append([text.number(np.nan if v is None else v) for v in values])
    lines = [f"    {{{', '.join(row)}}}" for row in zip(*columns, strict=True)]
    return f"static const {name}_row given[{n}] = {{\n" + ",\n".join(lines) + "};\n"
