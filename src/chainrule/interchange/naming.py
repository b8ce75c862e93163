"""Names of columns as the names that a format allows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence

# Of C99, of C++ for those who compile the file as that, and the macros of the headers used.
_WORDS = (
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t "
    "char16_t char32_t class co_await co_return co_yield compl concept const const_cast "
    "consteval constexpr constinit continue decltype default delete do double dynamic_cast else "
    "enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
    "register reinterpret_cast requires restrict return short signed sizeof static "
    "static_assert static_cast struct switch template this thread_local throw true try typedef "
    "typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq "
    "BUFSIZ EOF HUGE_VAL HUGE_VALF HUGE_VALL INFINITY NAN NULL errno linux stderr stdin stdout unix"
)
_RESERVED_IN_C = frozenset(_WORDS.split())


def identifiers(names: Sequence[str]) -> list[str]:
    """Return different C identifiers for the names, each as like its name as can be.

    Examples
    --------
    >>> identifiers(["age", "int", "2nd street", "age", "gr\u00f6\u00dfe", "\u4f60"])
    ['age', 'int_', 'c2nd_street', 'age_2', 'grosse', 'c']
    """

    def spell(name: str) -> str:
        # letters without their accents, and what has no ASCII letter as _
        plain = unicodedata.normalize("NFKD", name.replace("\u00df", "ss"))
        text = re.sub(r"\W+", "_", plain.encode("ascii", "ignore").decode()).strip("_")
        text = text if text[:1].isalpha() else f"c{text}"
        macro = text.startswith(("FP_", "M_", "MATH_"))
        return f"{text}_" if macro or text in _RESERVED_IN_C else text

    return _different(names, spell, ())


def printable(names: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    r"""Return different names without line breaks and other characters that are not printed.

    Parameters
    ----------
    names : sequence of str
        The names.
    taken : collection of str
        Names that the result may not have.

    Examples
    --------
    >>> printable(["age", "in\nyears", "", "label"], taken=["label"])
    ['age', 'in years', 'column', 'label_2']
    """

    def spell(name: str) -> str:
        text = "".join(c if c.isprintable() else " " for c in name)
        return " ".join(text.split()) or "column"

    return _different(names, spell, taken)


def _different(
    names: Sequence[str], spell: Callable[[str], str], taken: Collection[str]
) -> list[str]:
    used = set(taken)
    # a name that needs no change keeps it, whatever stands before it
    kept = {name for name in names if spell(name) == name and name not in used}
    found = []
    for name in names:
        text = base = spell(name)
        n = 1
        while text in used or (text in kept and text != name):
            n += 1
            text = f"{base}_{n}"
        used.add(text)
        found.append(text)
    return found
