"""C: a model as one C99 file that needs nothing but the mathematics library."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from chainrule import __version__, storage
from chainrule.errors import InputError
from chainrule.interchange.c import compiling, network, pipeline, testing
from chainrule.interchange.models import MOST_ROWS, Model
from chainrule.interchange.verifying import Verification, compare
from chainrule.numerics import Array


def write(path: str | os.PathLike[str], model: Model, int8: bool = False) -> Verification:
    """Write a C99 source file and, beside it, its header and a test program.

    ``void NAME_predict(const real x[], real y[])``, NAME being that of the file, is the network for
    one sample. With a table there are ``NAME_row``, a struct of raw columns, and
    ``NAME_classify`` or ``NAME_value``, which take one.

    Parameters
    ----------
    path : str or path
        The source file.
    model : Model
        What is written.
    int8 : bool, default False
        Whether weights are rounded to 8 bits, with a scale for each row.

    Raises
    ------
    InputError
        If the network has an activation of the user's own, or the name of the file is not one
        of a C function, or a file cannot be written.
    VerificationError
        If the compiled code predicts something else.
    """
    source = Path(path)
    name = source.stem
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or source.suffix != ".c":
        raise InputError(
            f"functions are named after the file, so this must be a C name with the ending .c, "
            f"such as model.c, but is {source.name}"
        )
    model.require_written("chainrule cannot write it in C")
    files = {f"{name}.c": _source(name, model, int8), f"{name}.h": _header(name, model, int8)}
    written = _rounded(model) if int8 else model
    test = testing.program(name, written, *written.examples(min(100, _rows(model, 2_000))))
    verification = _verify(name, files, model, written)
    for file, text in ({f"{name}_test.c": test} | files).items():
        storage.write_atomically(source.with_name(file), text.encode())
    return verification


def _rounded(model: Model) -> Model:
    """Return the model that weights of 8 bits are."""
    parameters = model.parameters.copy()
    for w in model.architecture.views(parameters)[0]:
        w[...] = network.quantise(w).weights
    return model.with_parameters(parameters)


def _header(name: str, model: Model, int8: bool) -> str:
    guard, real = f"{name.upper()}_H", network.real(model)
    a, table = model.architecture, model.table
    rows = "" if table is None else pipeline.header(name, table, real, a.n_inputs)
    about = f"Network {model.sizes()}{' with weights of 8 bits' if int8 else ''}"
    return f"""/* {about}, written by chainrule {__version__}. */
#ifndef {guard}
#define {guard}

/* Its memory is static, so that one thread at a time may call it. To let several do, compile with
   -D{name.upper()}_STORAGE= which puts the memory on the stack. */
#ifndef {name.upper()}_STORAGE
#define {name.upper()}_STORAGE static
#endif

#ifdef __cplusplus
extern "C" {{
#endif

/* The network alone: {a.n_inputs} inputs x, {a.n_outputs} outputs y. */
{network.prototype(name, model)};
{rows}
#ifdef __cplusplus
}}
#endif

#endif
"""


def _source(name: str, model: Model, int8: bool) -> str:
    real = network.real(model)
    rows = "" if model.table is None else pipeline.source(name, model, model.table, real)
    return (
        f"/* Network {model.sizes()}, written by chainrule {__version__}. C99; link with -lm. */\n"
        f'#include "{name}.h"\n\n#include <math.h>\n\ntypedef {real} real;\n\n'
        f"{network.source(name, model, int8)}{rows}"
    )


def _verify(name: str, files: dict[str, str], model: Model, written: Model) -> Verification:
    compiler = compiling.compiler()
    if compiler is None:
        return Verification("a C compiler", remedy="install one (gcc or clang)")
    # what a program of constants may have without taking long to compile or to run
    n = min(_rows(model, 500_000), 2_000_000_000 // model.architecture.n_parameters)
    examples = given, expected = written.examples(n)
    program = testing.program(name, written, given, expected)
    theirs = compiling.run(compiler, {f"{name}_test.c": program} | files)
    theirs = theirs.reshape(expected.shape)
    note = "" if written is model else _cost(expected, model.predict(given))
    return compare(Path(compiler).name, theirs, written, examples, note=note)


def _rows(model: Model, most_numbers: int) -> int:
    n_columns = len(model.table.columns) if model.table else model.architecture.n_inputs
    return min(MOST_ROWS, most_numbers // n_columns)


def _cost(rounded: Array, exact: Array) -> str:
    """Return in words what rounding the weights to 8 bits costs."""
    apart = np.abs(rounded - exact)
    cost = f"8 bits cost at most {apart.max():.2g}, {apart.mean():.2g} in the mean"
    if exact.shape[1] > 1:
        same = (exact.argmax(axis=1) == rounded.argmax(axis=1)).mean()
        cost += f", and leave the largest output the same in {same:.1%} of the rows"
    return cost
