"""What to try next, by what was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.evaluation.baselines import BOOSTING, LINEAR
from chainrule.runs.learning import TIME_LIMIT
from chainrule.runs.results import Results

_FEW_ROWS, _MOST, _RARE = 200, 6, 0.1
_MOST_FINDINGS, _MOST_WARNINGS = 2, 3


def next_steps(r: Results) -> list[str]:
    """Return a few sentences, the most promising first, each with its evidence."""
    return [line for rule in _RULES for line in rule(r)][:_MOST]


def _warnings(r: Results) -> Iterator[str]:
    for warning in r.prepared.warnings[:_MOST_WARNINGS]:
        yield f"{warning[:1].upper()}{warning[1:]}."


def _nothing_to_learn(r: Results) -> Iterator[str]:
    if not r.naive.gain.low > 0 and not any(rival.is_better for rival in r.rivals[1:]):
        yield (
            f"No model found anything: the columns may say nothing about "
            f"{r.prepared.target.name}. Add columns that could, or more rows."
        )


def _rivals(r: Results) -> Iterator[str]:
    for rival in r.rivals[1:]:
        if rival.name == BOOSTING and rival.is_better:
            yield (
                "Gradient boosting predicts these rows better: let --tune 50 look for better "
                "settings, or use it."
            )
        if rival.name == LINEAR and not rival.is_worse and r.naive.gain.low > 0:
            yield (
                "The linear model is about as good, and simpler: prefer it where you must explain "
                "predictions, or look for columns and rows that show what it cannot follow."
            )


def _cut_short(r: Results) -> Iterator[str]:
    reasons = {history.stop_reason for history in r.histories}
    first = r.histories[0]
    if r.interrupted:
        yield "Training was interrupted: --resume goes on where it stopped."
    elif TIME_LIMIT in reasons:
        yield f"Time was up after {first.epochs} epochs: allow a longer --time-limit."
    elif "epochs" in reasons and first.best_epoch == first.epochs:
        yield (
            f"The last of {first.epochs} epochs was the best: --epochs {2 * first.epochs} may "
            "give better ones."
        )


def _overfitting(r: Results) -> Iterator[str]:
    h = r.histories[0]
    if not h.val_loss or h.best_epoch < 1:
        return
    loss, watched = h.loss[h.best_epoch - 1], h.val_loss[h.best_epoch - 1]
    early = h.best_epoch < 0.3 * h.epochs and h.epochs >= 10
    if early or (watched > 1.5 * loss > 0 and h.best_epoch < h.epochs):
        yield (
            f"From epoch {h.best_epoch} on it learned the rows by heart (loss {loss:.3g} on them, "
            f"{watched:.3g} on rows it only watched): more rows help most, then --ensemble 5, or a "
            "smaller --hidden."
        )


def _ensemble(r: Results) -> Iterator[str]:
    if r.config.ensemble == 1 and r.naive.gain.low > 0:
        yield "--ensemble 5 averages five networks: often a little better, for five times the time."


def _tuning(r: Results) -> Iterator[str]:
    if not r.trials and not (r.rivals[1:] and any(rival.is_better for rival in r.rivals[1:])):
        yield "--tune 30 looks for a better size, learning rate and dropout."


def _few_rows(r: Results) -> Iterator[str]:
    n = len(r.prepared.held.rows)
    if n < _FEW_ROWS and math.isfinite(r.score.low):
        spell = r.metric.spell
        yield (
            f"The score is of {n} rows and so uncertain ({spell(r.score.low)} to "
            f"{spell(r.score.high)}): before you rely on it, test on more rows."
        )


def _imbalance(r: Results) -> Iterator[str]:
    target = r.prepared.target
    if not target.is_classification or r.metric.name != "accuracy":
        return
    counts = np.bincount(r.prepared.rows.Y, minlength=len(target.classes))
    rarest = int(counts.argmin())
    if counts[rarest] < _RARE * counts.sum() and len(target.classes) <= 10:
        yield (
            f"{target.spelled[rarest]} is rare ({counts[rarest] / counts.sum():.1%} of the rows), "
            "so that accuracy says little of it: --metric balanced_accuracy or roc_auc."
        )


def _time(r: Results) -> Iterator[str]:
    dates = [s.name for s in r.prepared.summaries if s.kind == "date"]
    if dates and r.config.time is None and r.config.group is None and (
        not isinstance(r.config.validation, str)
    ):  # fmt: skip
        yield (
            f"The rows have dates: if the model is to predict later ones, --time {dates[0]} gives "
            "a more honest score."
        )


def _idle_columns(r: Results) -> Iterator[str]:
    idle = [i.column for i in r.importances if i.fall <= 0]
    if len(r.importances) >= 5 and len(idle) > len(r.importances) / 2:
        yield (
            f"{len(idle)} of {len(r.importances)} columns have no measurable use: without them the "
            "model may be better, and is simpler."
        )


def _findings(r: Results) -> Iterator[str]:
    if r.diagnosis is not None:
        for finding in r.diagnosis.findings[:_MOST_FINDINGS]:
            where = "" if finding.layer is None else f" in layer {finding.layer}"
            yield f"Diagnosis, {finding.cause}{where}: {finding.evidence}; {finding.remedy}."


_RULES = (
    _warnings, _nothing_to_learn, _cut_short, _rivals, _few_rows, _overfitting, _imbalance,
    _time, _findings, _ensemble, _tuning, _idle_columns,
)  # fmt: skip
