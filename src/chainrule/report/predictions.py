"""Predictions of held-out rows beside the truth."""

from __future__ import annotations

import numpy as np

from chainrule.notebook.html import Markup
from chainrule.numerics import Array
from chainrule.report import charts
from chainrule.report.parts import details, figure, paragraph, pictures, table
from chainrule.runs.results import Results
from chainrule.tables import confusions

_MOST_POINTS, _MOST_CLASSES, _WORST, _BINS = 2_000, 12, 10, 10
_FEWEST_TO_CALIBRATE = 40
_COLUMNS = 6


def render(r: Results) -> list[Markup]:
    """Return the section with the predictions: confusions or a scatter, and the calibration."""
    if r.prepared.target.is_classification:
        return _classes(r)
    return _numbers(r)


def _classes(r: Results) -> list[Markup]:
    target, truth = r.prepared.target, r.prepared.held.truth
    chosen = r.predicted.argmax(axis=1)
    known = truth >= 0
    n = len(target.classes)
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (truth[known], chosen[known]), 1)
    note = "Rows are the truth; the colour is the share of a row."
    shown = np.arange(n)
    if n > _MOST_CLASSES:
        shown = np.sort(counts.sum(axis=1).argsort()[::-1][:_MOST_CLASSES])
        note = f"The {_MOST_CLASSES} most frequent of {n} classes. {note}"
    names = [target.spelled[i] for i in shown]
    picture = charts.matrix(counts[np.ix_(shown, shown)], names, "confusion matrix")
    figures = [figure("How often each class is taken for each", picture, note)]
    if n == 2:
        figures.append(
            _calibrated(r.predicted[known, 1], truth[known] == 1,
                        f"predicted probability of {target.spelled[1]}", "share that it was")
        )  # fmt: skip
    else:
        sure = r.predicted[known].max(axis=1)
        figures.append(
            _calibrated(sure, chosen[known] == truth[known],
                        "probability of the predicted class", "share that was right")
        )  # fmt: skip
    parts = [pictures(figures)]
    pairs = confusions(truth[known], chosen[known], target.classes)
    if pairs:
        rows = [[charts.short(a), charts.short(b), f"{k:,}"] for a, b, k in pairs[:20]]
        parts.append(details("the most frequent mistakes",
                             table(["true", "predicted", "rows"], rows, [2])))  # fmt: skip
    if not known.all():
        parts.append(
            paragraph(f"{(~known).sum()} rows are of classes that training did not have.", "note")
        )
    return parts


def _numbers(r: Results) -> list[Markup]:
    truth, predicted, name = r.prepared.held.truth, r.predicted, r.prepared.target.name
    rows = np.arange(len(truth))
    note = "On the dashed line, prediction and truth are equal."
    if len(rows) > _MOST_POINTS:
        rows = np.random.default_rng(r.config.seed).choice(len(rows), _MOST_POINTS, replace=False)
        note = f"{_MOST_POINTS:,} rows at random. {note}"
    x, y = truth[rows], predicted[rows]
    figures = [
        figure("Predicted against true",
               charts.scatter(x, y, f"true {name}", f"predicted {name}", "predictions"), note),
        figure("Errors by prediction",
               charts.residuals(y, y - x, f"predicted {name}", "predicted - true", "errors"),
               "A trend or a funnel says that errors depend on what is predicted."),
    ]  # fmt: skip
    if len(truth) >= _FEWEST_TO_CALIBRATE:
        means = _binned(predicted, truth)
        figures.append(
            figure(
                "Calibration",
                charts.lines(means[0], {"mean": means[1]}, f"predicted {name}",
                             f"mean true {name}", "calibration", diagonal=True, marks=True),
                "Each point is a tenth of the rows: above the line, predictions are too low.",
            )
        )  # fmt: skip
    return [pictures(figures)]


def _calibrated(probability: Array, happened: Array, x_name: str, y_name: str) -> Markup:
    if len(probability) < _FEWEST_TO_CALIBRATE:
        return Markup("")  # too few rows to tell
    x, y = _binned(probability, happened.astype(float))
    picture = charts.lines(
        x, {"share": y}, x_name, y_name, "calibration", diagonal=True, marks=True, y_from=0, y_to=1
    )
    gap = float(np.abs(np.array(x) - np.array(y)).mean())
    return figure(
        "Calibration: can its probabilities be believed?", picture,
        f"Each point is a tenth of the rows; on the dashed line they can. Mean gap {gap:.1%}.",
    )  # fmt: skip


def _binned(x: Array, y: Array) -> tuple[list[float], list[float]]:
    """Return the means of both in bins of as many rows each, where x differs."""
    order = np.argsort(x, kind="stable")
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    means = sorted((float(x[part].mean()), float(y[part].mean())) for part in bins)
    return [a for a, _ in means], [b for _, b in means]


def worst(r: Results) -> list[Markup]:
    """Return the section with the rows whose predictions are worst."""
    held, target = r.prepared.held, r.prepared.target
    if target.is_classification:
        known = held.truth >= 0
        given = np.ones(len(held.truth))
        given[known] = r.predicted[known, held.truth[known]]
        wrong = r.predicted.argmax(axis=1) != held.truth
        order = np.argsort(np.where(wrong & known, given, 2.0), kind="stable")[:_WORST]
        order = order[(wrong & known)[order]]
        extra = "probability of the truth"
    else:
        order = np.argsort(-np.abs(r.predicted - held.truth), kind="stable")[:_WORST]
        extra = "error"
    if not len(order):
        return [paragraph("No held-out row was predicted wrongly.")]
    columns = [i.column for i in r.importances[:_COLUMNS]]
    predictions = r.predictions()
    rows = []
    for i in order.tolist():
        truth, predicted = held.frame[target.name][i], predictions["prediction"][i]
        last = f"{given[i]:.1%}" if target.is_classification else _cell(predicted - truth)
        rows.append(
            [f"{held.rows[i]:,}", _cell(truth), _cell(predicted), last,
             *(_cell(held.frame[name][i]) for name in columns)]
        )  # fmt: skip
    headers = ["row", f"true {charts.short(target.name)}", "predicted", extra,
               *(charts.short(name) for name in columns)]  # fmt: skip
    where = "the file of --validation" if isinstance(r.config.validation, str) else "the table"
    return [
        paragraph(
            f"The rows on which it is furthest off, with their most important columns: look there "
            f"for wrong values, or for what the columns do not say. Rows of {where} count from 0."
        ),
        table(headers, rows, [0, 3] if target.is_classification else [0, 1, 2, 3]),
    ]


def _cell(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else charts.short(str(value), 60)
