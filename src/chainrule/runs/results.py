"""What is known of a model when a run is complete: all that its report shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from chainrule import __version__
from chainrule.diagnosis import Diagnosis
from chainrule.engines import instruction_set
from chainrule.evaluation.importance import Dependence, Importance
from chainrule.evaluation.metrics import METRICS, Metric, Score
from chainrule.evaluation.model import Model
from chainrule.history import History
from chainrule.numerics import Array
from chainrule.runs.config import Config
from chainrule.runs.preparing import Prepared
from chainrule.tuning import Trial


@dataclass(frozen=True)
class Rival:
    """Another model on the same held-out rows."""

    name: str
    what: str
    score: Score
    gain: Score
    """By how much the network is better; below 0 where it is worse."""
    scores: dict[str, float]
    """By all metrics of the task."""
    n_rows: int
    """How many rows it learned from."""
    seconds: float

    @property
    def is_better(self) -> bool:
        """Whether it beats the network by more than chance explains."""
        return self.gain.high < 0

    @property
    def is_worse(self) -> bool:
        """Whether the network beats it by more than chance explains."""
        return self.gain.low > 0


@dataclass(frozen=True)
class Results:
    """A run, complete but for its files."""

    config: Config
    prepared: Prepared
    model: Model
    histories: Sequence[History]
    """Of each network."""
    metric: Metric
    score: Score
    scores: dict[str, float]
    """By all metrics of the task."""
    rivals: Sequence[Rival]
    """The naive guess first; the others unless they were not asked for."""
    predicted: Array
    """Of the held-out rows: probabilities of shape (n, n_classes), or numbers of shape (n,)."""
    importances: Sequence[Importance]
    n_not_tried: int
    """Columns whose importance was not looked at."""
    dependences: Sequence[Dependence]
    diagnosis: Diagnosis | None
    seconds: float
    """From reading the table on."""
    interrupted: bool = False
    trials: Sequence[Trial] = ()
    """Of tuning, the best first."""

    @property
    def naive(self) -> Rival:
        """The guess that ignores all columns."""
        return self.rivals[0]

    @property
    def skill(self) -> float:
        """What share of the naive guess's error the network does away with; 1 is perfect.

        Murphy 1988, Monthly Weather Review 116, 2417-2424, equation 4, for any score that has a
        best value.
        """
        return self.skill_of(self.score.value)

    @property
    def surest_skill(self) -> float:
        """The skill at the worse end of the score's interval."""
        score = self.score
        return self.skill_of(score.low if self.metric.greater_is_better else score.high)

    def skill_of(self, score: float) -> float:
        """Return what share of the naive guess's error a score does away with."""
        best = 1.0 if self.metric.greater_is_better else 0.0
        naive = abs(best - self.naive.score.value)
        return 1 - abs(best - score) / naive if naive else math.nan

    def history(self) -> pl.DataFrame:
        """Return a row for each epoch of each network."""
        parts = [
            history.to_frame().select(pl.lit(i).alias("network"), pl.all())
            for i, history in enumerate(self.histories)
        ]
        return pl.concat(parts, how="diagonal")

    def predictions(self) -> pl.DataFrame:
        """Return a row for each held-out row: its place in the table, the truth, the prediction."""
        held, target = self.prepared.held, self.prepared.target
        truth = held.frame[target.name].rename(f"true {target.name}")
        if target.is_classification:
            chosen = self.predicted.argmax(axis=1)
            found = pl.DataFrame({"prediction": [target.classes[i] for i in chosen.tolist()]})
            named = {f"probability_{c}": self.predicted[:, i]
                     for i, c in enumerate(target.spelled)}  # fmt: skip
            found = found.with_columns(**{name: pl.Series(p) for name, p in named.items()})
        else:
            found = pl.DataFrame({"prediction": self.predicted})
        return pl.DataFrame([pl.Series("row", held.rows), truth]).hstack(found)

    def to_json(self) -> dict[str, Any]:
        """Return the scores and what training was, as plain lists, strings and numbers."""
        target, rows = self.prepared.target, self.prepared.rows
        record = {
            "target": target.name,
            "task": target.task,
            "metric": self.metric.name,
            "greater_is_better": self.metric.greater_is_better,
            "score": self.score._asdict(),
            "skill": self.skill,
            "scores": {"network": self.scores, **{r.name: r.scores for r in self.rivals}},
            "better_than": {
                rival.name: {**rival.gain._asdict(), "rows": rival.n_rows, "seconds": rival.seconds}
                for rival in self.rivals
            },
            "rows": {
                "trained": [_length(part[0], len(rows.Y)) for part in rows.parts],
                "watched": [_length(part[1], len(rows.Y)) for part in rows.parts],
                "held_out": len(self.prepared.held.rows),
                "without_target": self.prepared.n_dropped,
            },
            "importance": {i.column: i.fall for i in self.importances},
            "training": [
                {
                    "epochs": history.epochs, "best_epoch": history.best_epoch,
                    "stop_reason": history.stop_reason, "seconds": history.seconds,
                    "engine": history.engine,
                }
                for history in self.histories
            ],
            "seconds": self.seconds,
            "interrupted": self.interrupted,
            "warnings": list(self.prepared.warnings),
            "chainrule": __version__,
            "instruction_set": instruction_set(),
        }  # fmt: skip
        return _plain(record)


def all_scores(task: str, truth: Array, predicted: Array) -> dict[str, float]:
    """Return the scores by all metrics of a task."""
    return {
        metric.name: metric.evaluate(truth, predicted)
        for metric in METRICS.values()
        if metric.task == task
    }


def _length(part: Any, n: int) -> int:
    return len(range(*part.indices(n))) if isinstance(part, slice) else len(part)


def _plain(value: Any) -> Any:
    """Return the value with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
