"""The characters for a terminal: letters and brackets, or ASCII where it has no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule import notation

_LOW_LETTERS = "aehijklmnoprstuvx"


@dataclass(frozen=True)
class Spelling:
    """How formulas and matrices are drawn."""

    letters: Mapping[str, str]
    """Of LaTeX's commands."""
    high: Mapping[str, str]
    """Characters that have a raised form; where one has none, all follow a ``^``."""
    low: Mapping[str, str]
    """Likewise lowered, after a ``_``."""
    brackets: tuple[str, str]
    """Left and right, from the top: the first piece, what goes on, the last piece."""
    parentheses: tuple[str, str]
    """Likewise."""
    dots: tuple[str, str, str]
    """For what is left out: rows, columns, both."""

    def fits(self, encoding: str) -> bool:
        """Return whether text in this encoding can hold all of it."""
        pieces = (
            *self.letters.values(), *self.high.values(), *self.low.values(),
            *self.brackets, *self.parentheses, *self.dots,
        )  # fmt: skip
        try:
            "".join(pieces).encode(encoding)
        except UnicodeEncodeError:
            return False
        return True

    def letter(self, token: str) -> str:
        """Return a token of a formula as it is drawn."""
        return self.letters.get(token, token)

    def above(self, text: str) -> str:
        """Return what stands above a letter."""
        return _marks("^", text, self.high)

    def below(self, text: str) -> str:
        """Return what stands below a letter: its indices, a comma between those of two digits.

        Examples
        --------
        >>> UNICODE.below("1,2"), UNICODE.below("12,3"), ASCII.below("1,2")
        ('₁₂', '₁₂,₃', '_1,2')
        """
        indices = text.split(",")
        if self.low and max(map(len, indices)) == 1:
            text = "".join(indices)
        return _marks("_", text, self.low)


def _marks(sign: str, text: str, letters: Mapping[str, str]) -> str:
    if all(letter in letters for letter in text):
        return "".join(letters[letter] for letter in text)
    return sign + text


UNICODE = Spelling(
    letters=notation.UNICODE,
    high=dict(
        zip(
            "0123456789T",
            "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u1d40",
            strict=True,
        )
    ),
    low=dict(
        zip(
            "0123456789" + _LOW_LETTERS + ",",
            "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089"
            "\u2090\u2091\u2095\u1d62\u2c7c\u2096\u2097\u2098\u2099\u2092\u209a\u1d63\u209b\u209c"
            "\u1d64\u1d65\u2093,",
            strict=True,
        )
    ),
    brackets=("\u23a1\u23a2\u23a3", "\u23a4\u23a5\u23a6"),
    parentheses=("\u239b\u239c\u239d", "\u239e\u239f\u23a0"),
    dots=(
        "\N{VERTICAL ELLIPSIS}",
        "\N{MIDLINE HORIZONTAL ELLIPSIS}",
        "\N{DOWN RIGHT DIAGONAL ELLIPSIS}",
    ),
)

ASCII = Spelling(
    letters={
        **{command: command.removeprefix("\\") for command in notation.UNICODE},
        r"\leftarrow": "<-",
        r"\partial": "d",
        r"\circ": "o",
        r"\cdot": "*",
        r"\ldots": "...",
    },
    high={},
    low={},
    brackets=("[|[", "]|]"),
    parentheses=("/|\\", "\\|/"),
    dots=(":", "...", "..."),
)
