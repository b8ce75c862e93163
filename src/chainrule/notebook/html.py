"""HTML of text that may hold anything: every string from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from chainrule.numerics import Array

_CELL = "padding:0.1em 0.7em;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
_RULE = "border-bottom:1px solid currentColor;"


class Markup(str):
    """Text that is HTML already; any other string is escaped."""

    __slots__ = ()


def markup(text: str) -> Markup:
    """Return the text as HTML.

    >>> markup("a < b")
    'a &lt; b'
    """
    return text if isinstance(text, Markup) else Markup(escape(text))


def block(*parts: Markup) -> Markup:
    """Return the parts one below the other."""
    return Markup(f"<div>{''.join(parts)}</div>")


def paragraph(text: str) -> Markup:
    """Return a paragraph."""
    return Markup(f'<p style="margin:0.5em 0">{markup(text)}</p>')


def preformatted(text: str) -> Markup:
    """Return lines of text that keep their spaces."""
    return Markup(f'<pre style="background:none;color:inherit;margin:0.5em 0">{markup(text)}</pre>')


def ordered_list(items: Iterable[str]) -> Markup:
    """Return a numbered list."""
    return Markup(f"<ol>{''.join(f'<li>{markup(item)}</li>' for item in items)}</ol>")


def bold_start(text: str) -> Markup:
    """Return the text, bold up to its first colon.

    >>> bold_start("cause: a < b")
    '<b>cause</b>: a &lt; b'
    """
    start, colon, rest = text.partition(":")
    return Markup(f"<b>{escape(start)}</b>{colon}{escape(rest)}")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Return a table of cells aligned to the right."""
    head = "".join(f'<th style="{_RULE}{_CELL}">{markup(cell)}</th>' for cell in headers)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return Markup(
        '<div style="overflow-x:auto">'
        '<table style="border-collapse:collapse;margin:0.5em 0;color:inherit">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def arrays(named: Iterable[tuple[str, Array]]) -> Markup:
    """Return a table of arrays: their shapes, and how large their entries are."""
    rows = []
    for name, array in named:
        values = np.abs(array, dtype=np.float64)
        largest = values.max()
        with np.errstate(invalid="ignore"):
            # of the quotients, which do not overflow when they are squared
            mean = np.sqrt(np.mean((values / (largest or 1)) ** 2)) * largest
        rows.append([name, " x ".join(map(str, array.shape)), f"{mean:.4g}", f"{largest:.4g}"])
    return table(["", "shape", "root mean square", "largest"], rows)


def _cell(content: str) -> str:
    return f'<td style="{_CELL}">{markup(content)}</td>'


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> Markup:
    """Return a picture of that size, no wider than the page, with a title for screen readers."""
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        'style="max-width:100%;height:auto;display:block" font-family="sans-serif" '
        f'font-size="11" fill="currentColor"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: str, anchor: str = "middle", more: str = "") -> str:
    """Return words in a picture."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'
