"""What stands in the table."""

from __future__ import annotations

from chainrule.notebook.html import Markup
from chainrule.report import charts
from chainrule.report.parts import details, items, paragraph, table
from chainrule.runs.results import Results
from chainrule.runs.summary import MOST_ROWS, Summary

_MOST = 40


def render(r: Results) -> list[Markup]:
    """Return the section about the table and its columns."""
    prepared, n_held = r.prepared, len(r.prepared.held.rows)
    n = len(prepared.rows.Y)
    part = prepared.rows.parts[0]
    watched = len(prepared.rows.Y[part[1]])
    words = (
        f"{n - watched:,} rows to train on, {watched:,} watched to stop early, {n_held:,} held out "
        f"({prepared.how})"
    )
    if prepared.n_dropped:
        words += f"; {prepared.n_dropped:,} left out because {prepared.target.name} is missing"
    used = sum(bool(summary.kind) for summary in prepared.summaries) - 1
    first = paragraph(f"{words}. {used} of {len(prepared.summaries) - 1} columns are used.")
    parts = [first]
    if prepared.warnings or prepared.held.notes:
        parts.append(items([*prepared.warnings, *(f"{n}." for n in prepared.held.notes)]))
    target_first = sorted(prepared.summaries, key=lambda summary: summary.kind != "target")
    shown = [_row(summary) for summary in target_first]
    headers = ["column", "kind", "missing", "different", "distribution", "values"]
    parts.append(table(headers, shown[:_MOST], [2, 3]))
    if len(shown) > _MOST:
        parts.append(
            details(
                f"{len(shown) - _MOST:,} more columns",
                table(headers, shown[_MOST : 10 * _MOST], [2, 3]),
            )
        )
    if n > MOST_ROWS:
        parts.append(paragraph(f"Values and their number are of {MOST_ROWS:,} rows.", "note"))
    return parts


def _row(s: Summary) -> list[str]:
    kind = s.kind or f"left out: {s.why}"
    bars = charts.tiny(s.bars) if s.bars else ""
    missing = "" if not s.missing else "<0.1%" if s.missing < 0.001 else f"{s.missing:.1%}"
    return [charts.short(s.name, 40), kind, missing, f"{s.n_different:,}", bars, s.words]
