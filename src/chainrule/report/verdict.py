"""Whether a model is any good, in plain words that its numbers decide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chainrule.evaluation.baselines import BOOSTING
from chainrule.evaluation.metrics import Score
from chainrule.runs.results import Results, Rival

_FEW_ROWS = 50


@dataclass(frozen=True)
class Verdict:
    """The first lines of a report."""

    grade: str
    """``"bad"``, ``"weak"``, ``"fair"``, ``"good"`` or ``"odd"``."""
    headline: str
    lines: tuple[str, ...]
    """What it follows from."""


def judge(r: Results) -> Verdict:
    """Return the verdict on a model.

    It is no better than a guess where the interval of the difference holds zero; otherwise the
    share of the guess's error that it does away with decides: weak below 20%, fair below 50%,
    good from there on, and too good to be believed above 99.5%, if the rows are many enough to
    say so.
    """
    target, naive = r.prepared.target, r.naive
    gain, skill = naive.gain, r.skill
    if not gain.low > 0:
        grade = "bad"
        headline = f"Not usable: nothing shows that it predicts {target.name} better than a guess."
        if gain.high < 0:
            headline = f"Not usable: it predicts {target.name} worse than a guess."
    elif not math.isfinite(skill) or skill < 0.2:
        grade = "weak"
        headline = f"Weak: it predicts {target.name} a little better than a guess."
    elif skill < 0.5:
        grade, headline = "fair", f"Fair: it predicts {target.name} clearly better than a guess."
    elif skill < 0.995 or r.surest_skill < 0.98:
        grade, headline = "good", f"Good: it predicts {target.name} much better than a guess."
    else:
        grade = "odd"
        headline = f"Almost perfect, which is rare: look whether a column gives {target.name} away."
    return Verdict(grade, headline, tuple(_lines(r)))


def _lines(r: Results) -> list[str]:
    metric, target = r.metric, r.prepared.target
    n = len(r.prepared.held.rows)
    unit = f", in units of {target.name}" if metric.in_unit else ""
    guess = (
        "always guessing the most frequent class" if target.is_classification
        else "always guessing the mean"
    )  # fmt: skip
    s = "" if n == 1 else "s"
    first = (
        f"On {n:,} row{s} that it never saw: {metric.spoken} {metric.spell(r.score.value)}"
        f"{_interval(r, r.score)}{unit}; {guess} gives {metric.spell(r.naive.score.value)}."
    )
    lines = [first]
    if math.isfinite(r.skill) and r.skill > 0:
        lines.append(f"It does away with {r.skill:.0%} of the error of that guess.")
    lines += [_beside(r, rival) for rival in r.rivals[1:]]
    if n < _FEW_ROWS:
        lines.append(f"{n} row{s} are few to judge by: the true score may well be another.")
    if r.interrupted:
        lines.append("Training was interrupted: this is the best of the epochs so far.")
    return lines


def _interval(r: Results, score: Score) -> str:
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return ""
    spell = r.metric.spell
    return f" (95% interval {spell(score.low)} to {spell(score.high)})"


def _beside(r: Results, rival: Rival) -> str:
    article = "" if rival.name == BOOSTING else "a "
    its = f"{article}{rival.name} ({r.metric.spell(rival.score.value)})"
    apart = r.metric.spell_difference(rival.gain.value)
    if rival.is_better:
        return f"Worse than {its} by {apart}, which is more than chance explains."
    if rival.is_worse:
        return f"Better than {its} by {apart}, which is more than chance explains."
    return f"About as good as {its}: a difference of {apart} may be chance."
