"""Numbers, texts and arrays as C spells them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from chainrule.errors import InputError
from chainrule.numerics import Array


def number(value: float, single: bool = False) -> str:
    """Return a number so that C reads exactly this one.

    Examples
    --------
    >>> number(1.0), number(0.1, single=True), number(float("nan"))
    ('1.0', '0.100000001f', 'NAN')
    """
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "HUGE_VAL" if value > 0 else "-HUGE_VAL"
    text = f"{np.float32(value) if single else float(value):.{9 if single else 17}g}"
    # 1 must be 1. before the f of a float
    return (text if re.search(r"[.e]", text) else text + ".0") + ("f" if single else "")


def string(text: str) -> str:
    r"""Return a text as a C literal, of ASCII characters alone.

    Raises
    ------
    InputError
        If it has a character 0, where a text of C ends.

    Examples
    --------
    >>> string('say "\u00e9"?')
    '"say \\"\\303\\251\\"\\?"'
    """
    if "\0" in text:
        raise InputError(
            f"the text {text!r} has a character 0, with which texts end in C: it cannot be "
            "written; replace it in the table and train again"
        )

    def spell(byte: int) -> str:
        character = chr(byte)
        if character in '"\\?':  # two question marks could begin a trigraph
            return "\\" + character
        return character if 32 <= byte < 127 else f"\\{byte:03o}"

    return '"' + "".join(spell(byte) for byte in text.encode(errors="replace")) + '"'


def comment(text: str) -> str:
    """Return a text that may stand in a comment, in one line of ASCII.

    Examples
    --------
    >>> comment("a*/b")
    'a* /b'
    """
    printed = text.encode("unicode_escape").decode()
    # a backslash at the end of a line would go on in the next
    return re.sub(r"(?<=\*)(?=/)|(?<=/)(?=\*)", " ", printed).replace("??", "? ?").rstrip("\\")


def array(kind: str, name: str, values: Array) -> str:
    """Return the definition of a constant array of one or two dimensions.

    Parameters
    ----------
    kind : {"real", "double", "signed char"}
        The type of its elements; numbers of float32 are those of float.
    name : str
        Its name.
    values : array
        Numbers.
    """
    single = values.dtype == np.float32
    whole = values.dtype.kind == "i"

    def row(numbers: Iterable[float]) -> str:
        return ", ".join(str(n) if whole else number(n, single) for n in numbers)

    shape = "".join(f"[{n}]" for n in values.shape)
    if values.ndim == 1:
        return f"static const {kind} {name}{shape} = {{{row(values)}}};\n"
    rows = ",\n".join(f"    {{{row(numbers)}}}" for numbers in values)
    return f"static const {kind} {name}{shape} = {{\n{rows}}};\n"


def strings(declaration: str, texts: Sequence[str]) -> str:
    """Return the definition of an array of texts, none of them if need be."""
    inside = ", ".join(map(string, texts)) or '""'
    return f"{declaration}[{max(len(texts), 1)}] = {{{inside}}};\n"
