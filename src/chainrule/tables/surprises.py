"""What new rows have that training had not, counted over a whole table."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Surprises:
    """Counts unseen categories and unexpected gaps, block by block.

    Examples
    --------
    >>> found = Surprises()
    >>> found.unseen("city", 1, "Bergen")
    >>> found.n_rows += 3
    >>> found.notes
    ["1 of 3 values of city in categories that training did not have, such as 'Bergen'"]
    """

    n_rows: int = 0
    _unseen: dict[str, tuple[int, str]] = field(default_factory=dict)
    _missing: dict[str, tuple[int, str]] = field(default_factory=dict)

    def unseen(self, column: str, n: int, example: str) -> None:
        """Count values of categories that training did not have."""
        before, first = self._unseen.get(column, (0, example))
        self._unseen[column] = before + n, first

    def missing(self, column: str, n: int, consequence: str = "") -> None:
        """Count missing values of a column that had none in training."""
        before, _ = self._missing.get(column, (0, ""))
        self._missing[column] = before + n, consequence

    @property
    def notes(self) -> list[str]:
        """A sentence for each column in which there were some."""
        unseen = [
            f"{n:,} of {self.n_rows:,} values of {column} in categories that training did not "
            f"have, such as {example!r}"
            for column, (n, example) in self._unseen.items()
        ]
        missing = [
            f"{n:,} value{'s' if n > 1 else ''} of {column} missing, none in training{consequence}"
            for column, (n, consequence) in self._missing.items()
        ]
        return unseen + missing
