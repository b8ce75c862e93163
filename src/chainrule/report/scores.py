"""The score beside those of other models, and how it came to be."""

from __future__ import annotations

from chainrule.evaluation.metrics import METRICS
from chainrule.notebook.html import Markup
from chainrule.report import charts
from chainrule.report.parts import details, figure, paragraph, pictures, table
from chainrule.runs.results import Results

_MOST_TRIALS = 10


def render(r: Results) -> list[Markup]:
    """Return the section with the scores of the network and its rivals."""
    metric = r.metric
    names = ["this network", *(rival.name for rival in r.rivals)]
    scores = [r.score, *(rival.score for rival in r.rivals)]
    better = "more is better" if metric.greater_is_better else "less is better"
    unit = f", in units of {r.prepared.target.name}" if metric.in_unit else ""
    picture = charts.intervals(
        names, scores, (lambda tick: f"{tick:.0%}") if metric.is_share else charts.number, better,
        f"{metric.spoken} of each model with its interval",
    )  # fmt: skip
    shown = [m for m in METRICS.values() if m.task == metric.task]
    rows = [["this network", *(m.spell(r.scores[m.name]) for m in shown)]] + [
        [rival.name, *(m.spell(rival.scores[m.name]) for m in shown)] for rival in r.rivals
    ]
    parts = [
        pictures([figure(f"{metric.spoken}{unit}, with 95% intervals", picture)]),
        details(
            "all scores",
            table(["", *(m.spoken for m in shown)], rows, range(1, len(shown) + 1)),
        ),
    ]
    whats = "; ".join(
        f"{rival.name}: {rival.what}"
        + (f", {rival.seconds:.1f} s" if rival.seconds else "")
        + (f", on {rival.n_rows:,} rows at random" if rival.n_rows < len(r.prepared.rows.Y) else "")
        for rival in r.rivals
    )  # fmt: skip
    return [*parts, paragraph(f"{whats[:1].upper()}{whats[1:]}.", "note")]


def training(r: Results) -> list[Markup]:
    """Return the section with the learning curves."""
    parts = []
    for i, history in enumerate(r.histories[:4]):
        curves = {"rows trained on": history.loss}
        if history.val_loss:
            curves["rows only watched"] = history.val_loss
        name = f"network {i + 1}" if len(r.histories) > 1 else "loss by epoch"
        parts.append(
            figure(
                name,
                charts.lines(
                    list(range(1, history.epochs + 1)), curves, "epoch", "loss",
                    "loss of each epoch",
                ),
                f"{history.epochs} epochs in {history.seconds:.1f} s, ended by: "
                f"{history.stop_reason}; the weights are those of epoch {history.best_epoch}.",
            )
        )  # fmt: skip
    found = [pictures(parts)]
    if r.config.dropout and r.config.hidden:
        found.append(
            paragraph(
                "The loss on the rows trained on is taken while a share of the units is switched "
                "off (dropout), so it may lie above the other.", "note",
            )
        )  # fmt: skip
    if r.trials:
        rows = [
            [str(trial.number), "cut short" if trial.value is None else
             r.metric.spell(abs(trial.value)), trial.spoken]
            for trial in r.trials[:_MOST_TRIALS]
        ]  # fmt: skip
        found.append(
            details(
                f"the best of {len(r.trials)} trials, scored on the watched rows",
                table(["trial", r.metric.spoken, "settings"], rows, [0, 1]),
            )
        )
    return found
