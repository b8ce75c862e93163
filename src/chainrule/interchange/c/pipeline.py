"""What stands before and after the network of a table, in C: a row of raw columns in."""

from __future__ import annotations

import numpy as np

from chainrule.interchange.c import text
from chainrule.interchange.models import FARTHEST, Answer, Category, Model, Number, Table
from chainrule.interchange.naming import identifiers

_NUMBER_TYPE = """
/* How a number becomes inputs; places are indices of x. */
typedef struct {
    double median, center, scale;
    int place, missing_place; /* -1: none says whether the number is missing */
    real if_missing, if_present;
    int n_knots, first_knot, knots_place;
    double knot_weight;
    int n_cycles, first_cycle, cycles_place;
} number;
"""

_ENCODE_NUMBER = f"""
static void encode_number(double raw, const number *c, real *x) {{
    double value = isnan(raw) ? c->median : raw;
    double z = (value - c->center) / c->scale;
    const double *k = knots + c->first_knot;
    z = z < -{FARTHEST:g} ? -{FARTHEST:g} : z > {FARTHEST:g} ? {FARTHEST:g} : z;
    x[c->place] = (real)(z / sqrt(1 + z / 3 * (z / 3)));
    if (c->missing_place >= 0) x[c->missing_place] = isnan(raw) ? c->if_missing : c->if_present;
    /* piecewise linear functions: 1 at a knot, 0 at its neighbours, constant beyond the ends */
    for (int j = 0; j < c->n_knots; j++) {{
        double height = 1;
        if (j > 0 && value < k[j]) height = 1 - (k[j] - value) / (k[j] - k[j - 1]);
        if (j < c->n_knots - 1 && value > k[j]) height = 1 - (value - k[j]) / (k[j + 1] - k[j]);
        x[c->knots_place + j] = (real)(height > 0 ? c->knot_weight * height : 0);
    }}
    /* where in a week, a year, ... a date is: the sine and the cosine of an angle */
    for (int j = 0; j < c->n_cycles; j++) {{
        const double *cycle = cycles[c->first_cycle + j];
        double share = value / cycle[0];
        double angle = cycle[1] * (share - floor(share));
        x[c->cycles_place + 2 * j] = (real)sin(angle);
        x[c->cycles_place + 2 * j + 1] = (real)cos(angle);
    }}
}}
"""

_CATEGORY = """
/* Returns the place of a text among n sorted ones, n if it is missing, n + 1 if it is new. */
static int find(const char *raw, const char *const *known, int n) {
    int low = 0, high = n;
    if (!raw) return n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const unsigned char *a = (const unsigned char *)raw;
        const unsigned char *b = (const unsigned char *)known[middle];
        while (*a && *a == *b) a++, b++;
        if (*a == *b) return middle;
        if (*a < *b) high = middle;
        else low = middle + 1;
    }
    return n + 1;
}
"""


def fields(table: Table) -> dict[str, str]:
    """Return the member of the row's struct for each column."""
    names = [column.name for column in table.columns]
    return dict(zip(names, identifiers(names), strict=True))


def header(name: str, table: Table, real: str, n_inputs: int) -> str:
    """Return the declarations of a row and of what takes one."""
    members = []
    for column, member in zip(table.columns, fields(table).values(), strict=True):
        if isinstance(column, Category):
            kind, what = "const char *", "text in UTF-8; NULL if missing"
        else:
            days = "days since 1970-01-01; NAN if missing"
            kind, what = "double ", days if column.is_date else "NAN if missing"
        members.append(f"    {kind}{member}; /* {text.comment(column.name)}: {what} */\n")
    parts = [
        f"\n/* One row of the table. */\ntypedef struct {{\n{''.join(members)}}} {name}_row;\n",
        f"\n/* Gives the network's inputs for a row. */\n"
        f"void {name}_encode(const {name}_row *row, {real} x[{n_inputs}]);\n",
    ]
    what, n = text.comment(table.answer.name), len(table.answer.classes)
    if n:
        parts.append(
            f"\n/* The classes of {what}. */\nextern const char *const {name}_classes[{n}];\n"
            "\n/* Gives the probability of each class, and returns the most probable, from 0. */\n"
            f"{_answer_prototype(name, table.answer, real)};\n"
        )
    else:
        parts.append(f"\n/* Predicts {what}, in its own unit. */\n"
                     f"{_answer_prototype(name, table.answer, real)};\n")  # fmt: skip
    return "".join(parts)


def _answer_prototype(name: str, answer: Answer, real: str) -> str:
    if answer.classes:
        n = len(answer.classes)
        return f"int {name}_classify(const {name}_row *row, {real} probabilities[{n}])"
    return f"double {name}_value(const {name}_row *row)"


def source(name: str, model: Model, table: Table, real: str) -> str:
    """Return the definitions of what the header declares."""
    member = fields(table)
    a = model.architecture
    parts, steps = [], []
    if table.numbers:
        parts += [_NUMBER_TYPE, _numbers(table.numbers), _ENCODE_NUMBER]
        raw = ", ".join(f"row->{member[column.name]}" for column in table.numbers)
        steps.append(
            f"    const double raw[{len(table.numbers)}] = {{{raw}}};\n"
            f"    for (int i = 0; i < {len(table.numbers)}; i++)\n"
            "        encode_number(raw[i], &numbers[i], x);\n"
        )
    if table.categories:
        parts.append(_CATEGORY)
    for i, column in enumerate(table.categories):
        constants, step = _category(i, column, member[column.name], a.dtype)
        parts.append(constants)
        steps.append(step)
    storage = f"{name.upper()}_STORAGE"
    parts.append(
        f"\nvoid {name}_encode(const {name}_row *row, {real} x[{a.n_inputs}]) {{\n"
        f"{''.join(steps)}}}\n"
    )
    work = (
        f"    {storage} real x[{a.n_inputs}];\n"
        f"    {storage} real y[{a.n_outputs}];\n"
        f"    {name}_encode(row, x);\n    {name}_predict(x, y);\n"
    )
    head = _answer_prototype(name, table.answer, real)
    if not table.answer.classes:
        parts.append(f"\n{head} {{\n{work}{_value(table.answer)}}}\n")
        return "".join(parts)
    n = len(table.answer.classes)
    texts = text.strings(f"const char *const {name}_classes", table.answer.spelled)
    parts.append("\n" + texts)
    if a.n_outputs == 1:
        given = "    probabilities[0] = 1 - y[0];\n    probabilities[1] = y[0];\n"
    else:
        given = f"    for (int i = 0; i < {n}; i++) probabilities[i] = y[i];\n"
    parts.append(
        f"\n{head} {{\n    int best = 0;\n{work}{given}"
        f"    for (int i = 1; i < {n}; i++) if (probabilities[i] > probabilities[best]) best = i;\n"
        "    return best;\n}\n"
    )
    return "".join(parts)


def _value(answer: Answer) -> str:
    lines = [
        f"    double value = y[0] * {text.number(answer.scale)} + {text.number(answer.mean)};\n"
    ]
    for limit, sign in ((answer.low, "<"), (answer.high, ">")):
        if np.isfinite(limit):
            bound = text.number(limit)
            lines.append(f"    if (value {sign} {bound}) value = {bound};\n")
    return "".join(lines) + "    return value;\n"


def _numbers(columns: list[Number]) -> str:
    """Return the constants of columns of numbers and dates."""
    knots = [knot for column in columns for knot in column.knots]
    cycles = [(period, 2 * np.pi * n) for column in columns for period, n in column.cycles]
    lines, first_knot, first_cycle = [], 0, 0
    for c in columns:
        missing = -1 if c.missing_place is None else c.missing_place
        members = [
            *map(text.number, (c.median, c.center, c.scale)), c.place, missing,
            *(f"(real){text.number(value)}" for value in (c.if_missing, c.if_present)),
            len(c.knots), first_knot, c.knots_place, text.number(c.knot_weight),
            len(c.cycles), first_cycle, c.cycles_place,
        ]  # fmt: skip
        lines.append(f"    {{{', '.join(map(str, members))}}}")
        first_knot += len(c.knots)
        first_cycle += len(c.cycles)
    return (
        "\n" + text.array("double", "knots", np.array(knots or [0.0]))
        + text.array("double", "cycles", np.array(cycles or [(1.0, 0.0)]))
        + f"static const number numbers[{len(columns)}] = {{\n" + ",\n".join(lines) + "};\n"
    )  # fmt: skip


def _category(i: int, column: Category, member: str, dtype: str) -> tuple[str, str]:
    """Return the constants of a column of text, and what gives its inputs."""
    n, width = len(column.categories), column.values.shape[1]
    order = sorted(range(n), key=lambda j: column.categories[j].encode(errors="replace"))
    known = [column.categories[j] for j in order]
    values = column.values[[*order, n, n + 1]].astype(dtype)
    constants = (
        f"\n/* {text.comment(column.name)} */\n"
        + text.strings(f"static const char *const known{i}", known)
        + text.array("real", f"inputs{i}", values)
    )
    step = (
        f"    for (int i = find(row->{member}, known{i}, {n}), k = 0; k < {width}; k++)\n"
        f"        x[{column.place} + k] = inputs{i}[i][k];\n"
    )
    return constants, step
