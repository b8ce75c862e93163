"""The blocks that a report is built of; every string from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from chainrule.notebook.html import Markup, markup


def section(title: str, *parts: Markup) -> Markup:
    """Return parts under a title."""
    return Markup(f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>")


def paragraph(words: str, style: str = "") -> Markup:
    """Return a paragraph."""
    return Markup(f'<p class="{style}">{markup(words)}</p>' if style else f"<p>{markup(words)}</p>")


def items(lines: Iterable[str]) -> Markup:
    """Return a list."""
    return Markup(f"<ul>{''.join(f'<li>{markup(line)}</li>' for line in lines)}</ul>")


def figure(caption: str, picture: Markup, note: str = "") -> Markup:
    """Return a picture with what it is above it."""
    below = f'<div class="note">{markup(note)}</div>' if note else ""
    return Markup(f"<figure><figcaption>{markup(caption)}</figcaption>{picture}{below}</figure>")


def pictures(figures: Iterable[Markup]) -> Markup:
    """Return figures side by side where there is room."""
    return Markup(f'<div class="pictures">{"".join(figures)}</div>')


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int]) -> Markup:
    """Return a table.

    Parameters
    ----------
    headers : sequence of str
        The names of the columns.
    rows : iterable of sequence of str
        The cells.
    numbers : iterable of int
        The columns that are aligned to the right.
    """
    right = set(numbers)

    def cells(row: Sequence[str], tag: str) -> str:
        styles = ["number" if i in right else "words" for i in range(len(row))]
        return "".join(
            f'<{tag} class="{style}">{markup(cell)}</{tag}>'
            for style, cell in zip(styles, row, strict=True)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return Markup(
        f'<div class="wide"><table><thead><tr>{cells(headers, "th")}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def details(summary: str, *parts: Markup) -> Markup:
    """Return parts that are shown on a click."""
    return Markup(f"<details><summary>{markup(summary)}</summary>{''.join(parts)}</details>")
