"""Which columns the predictions depend on, and how."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from chainrule.evaluation.importance import Dependence
from chainrule.notebook.html import Markup
from chainrule.report import charts
from chainrule.report.parts import figure, paragraph, pictures
from chainrule.runs.results import Results

_MOST = 15


def render(r: Results) -> list[Markup]:
    """Return the section with importances and partial dependences."""
    if not r.importances:
        return [paragraph("The held-out rows do not tell.")]
    shown = r.importances[:_MOST]
    metric = r.metric
    picture = charts.bars(
        [i.column for i in shown], [i.fall for i in shown],
        [metric.spell_difference(i.fall) if i.fall >= 0 else f"-{metric.spell_difference(i.fall)}"
         for i in shown],
        "importance of each column", [i.spread for i in shown],
    )  # fmt: skip
    left = []
    if len(r.importances) > _MOST:
        left.append(f"{len(r.importances) - _MOST:,} less important columns are not shown")
    if r.n_not_tried:
        left.append(f"{r.n_not_tried:,} with small weights were not tried")
    note = (
        f"By how much {metric.spoken} gets worse when the values of a column are shuffled among "
        "the held-out rows. Columns that say the same share their importance, or hide it."
        + (f" {'; '.join(left)}." if left else "")
    )
    parts = [pictures([figure("Importance of columns", picture, note)])]
    if r.dependences:
        target = r.prepared.target
        what = "probability" if target.is_classification else target.name
        parts.append(
            paragraph(
                f"The mean predicted {what} for each value of one column, all other columns as "
                "they are:"
            )
        )
        ends = _ends(r)
        parts.append(pictures(_curve(r, d, ends) for d in r.dependences))
    return parts


def _ends(r: Results) -> tuple[float, float]:
    """Return what the scales of all curves reach, so that columns can be compared."""
    values = [v for d in r.dependences for curve in d.curves.values() for v in curve]
    low = 0.0 if r.prepared.target.is_classification else min(values)
    return low, max(values)


def _curve(r: Results, d: Dependence, ends: tuple[float, float]) -> Markup:
    target = r.prepared.target
    shares = target.is_classification
    what = f"mean {'probability' if shares else target.name}"
    caption = d.column
    if len(d.curves) == 1 and shares:
        caption = f"{d.column}, probability of {next(iter(d.curves))}"
    title = f"mean prediction by {d.column}"
    if d.kind == "category" or isinstance(d.values[0], bool):
        first = next(iter(d.curves.values()))
        names = ["missing" if v is None else str(v) for v in d.values]
        labels = [f"{v:.0%}" if shares else charts.number(v) for v in first]
        return figure(charts.short(caption, 60), charts.bars(names, first, labels, title))
    picture = charts.lines(
        _numbers(d.values), d.curves, d.column, what, title, y_from=ends[0], y_to=ends[1]
    )
    dates = isinstance(d.values[0], date)
    note = f"From {d.values[0]} to {d.values[-1]}, in years." if dates else ""
    return figure(charts.short(caption, 60), picture, note)


def _numbers(values: Sequence[object]) -> list[float]:
    """Return numbers as they are, and dates in years."""
    found = []
    for value in values:
        if isinstance(value, datetime):
            value = value.toordinal() / 365.2425 + value.hour / 8766
        elif isinstance(value, date):
            value = value.toordinal() / 365.2425
        found.append(float(value))  # type: ignore[arg-type]
    return found
