"""Tables of plain text, and the figures they were made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from chainrule.benchmarks.harness import Comparison, ratio
from chainrule.benchmarks.peers import title


@dataclass
class Table:
    """One table: a title, columns, rows, and lines below it."""

    title: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    """What the rows were made of, for the record."""

    def __str__(self) -> str:
        cells = [["", *self.header], *([*row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header) + 1)]
        lines = [
            "  ".join(
                [cell.ljust(width) for cell, width in zip(row[:1], widths, strict=False)]
                + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)]
            ).rstrip()
            for row in cells
        ]
        return "\n".join([self.title, *lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Return everything, for the record."""
        return dict(vars(self))


def failures(found: Comparison) -> list[str]:
    """Return a line for each peer that has no times."""
    return [f"{title(name)}: {reason}" for name, reason in found.failures.items()]


def middles(found: Comparison) -> Mapping[str, float]:
    """Return the median time of each peer."""
    return {name: median(seconds) for name, seconds in found.seconds.items()}


def over(found: Comparison, name: str, base: str = "chainrule") -> str:
    """Return the ratio of a peer's time to that of the base, with its range."""
    if name == base:
        return "1"
    if base not in found.seconds:
        return "-"
    return str(ratio(found.seconds[name], found.seconds[base]))


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it.

    Examples
    --------
    >>> duration(1.5e-6), duration(0.0123), duration(2.0)
    ('1.50 us', '12.3 ms', '2.00 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size or unit == "us":
            value = seconds / size
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    raise AssertionError
