"""How numbers and matrices are written: the same digits wherever they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from chainrule.numerics import Array

MOST = 6
"""The most rows and columns shown; of more, the first and the last few."""


class Cell(NamedTuple):
    """A shown entry."""

    row: int
    column: int
    text: str


def number(value: float) -> str:
    """Return a number with four significant digits.

    Examples
    --------
    >>> number(0.123456), number(-0.0), number(-1e-9)
    ('0.1235', '0', '-1e-09')
    """
    return format(float(value) + 0.0, ".4g")  # which makes 0 of -0


def count(n: int) -> str:
    """Return a whole number, in full where that can be read.

    Examples
    --------
    >>> count(12345), count(3 * 10**400)
    ('12,345', '3.0e+400')
    """
    return f"{n:,}" if n < 10**8 else f"{Decimal(n):.1e}"


def shown(n: int, most: int = MOST) -> list[int | None]:
    """Return the indices that are shown of n; None stands for those left out.

    Examples
    --------
    >>> shown(3), shown(100, 4)
    ([0, 1, 2], [0, 1, 2, None, 99])
    """
    if n <= most:
        return list(range(n))
    last = most // 3
    return [*range(most - last), None, *range(n - last, n)]


def as_matrix(value: Array) -> Array:
    """Return a value as a matrix: a vector as a column, a number as 1 x 1."""
    value = np.asarray(value)
    return value[:, None] if value.ndim == 1 else np.atleast_2d(value)


def cells(value: Array, most: int = MOST, most_rows: int = MOST) -> list[list[Cell | None]]:
    """Return the rows of a matrix as they are shown; None where entries are left out."""
    matrix = as_matrix(value)
    columns = shown(matrix.shape[1], most)
    return [
        [None if i is None or j is None else Cell(i, j, number(matrix[i, j])) for j in columns]
        for i in shown(matrix.shape[0], most_rows)
    ]


def aligned(texts: Sequence[str]) -> list[str]:
    """Return the texts of one column with their decimal points below each other.

    Examples
    --------
    >>> aligned(["-1.5", "20", "0.25"])
    ['-1.5 ', '20   ', ' 0.25']
    """
    before = [len(text.partition(".")[0].partition("e")[0]) for text in texts]
    padded = [" " * (max(before) - n) + text for n, text in zip(before, texts, strict=True)]
    width = max(map(len, padded))
    return [text.ljust(width) for text in padded]
