"""The estimators for tables beside scikit-learn's, on real data: scores, ranks and times.

``python -m chainrule.benchmarks.tables`` prints a table and, with ``--output``, writes JSON. Every
learner gets the same raw frames and the same splits, has its defaults, and runs on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from chainrule import storage
from chainrule.benchmarks import machine
from chainrule.benchmarks.datasets import DATASETS, Dataset
from chainrule.benchmarks.learners import LEARNERS
from chainrule.numerics import Array

TEST_SHARE = 0.2
_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Result:
    """What one learner made of one split of one data set."""

    dataset: str
    learner: str
    seed: int
    score: float
    """Accuracy or R^2."""
    error: float
    """Log loss, or the root mean squared error over the standard deviation of the target."""
    seconds: float
    """Of processor time, to fit and to predict."""


def measure(dataset: Dataset, learner: str, X: Any, y: Any, seed: int) -> Result:
    """Fit a learner to 80% of a data set and score it on the rest.

    Parameters
    ----------
    dataset : Dataset
        Says which task it is.
    learner : str
        One of `LEARNERS`.
    X, y : data frame and Series
        The data set.
    seed : int
        Of the split, by class where there are classes, and of the learner.
    """
    classes = y if dataset.classification else None
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=TEST_SHARE, random_state=seed, stratify=classes
    )
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.process_time()  # not the clock's: others use the machine, too
        model = LEARNERS[learner](X, dataset.classification, seed).fit(X, y)
        found = model.predict_proba(X_test) if dataset.classification else model.predict(X_test)
        seconds = time.process_time() - started
    scores = _of_classes(model.classes_, found, y_test) if dataset.classification else (
        float(r2_score(y_test, found)),
        float(root_mean_squared_error(y_test, found) / np.std(y_test)),
    )  # fmt: skip
    return Result(dataset.title, learner, seed, *scores, seconds)


def _of_classes(classes: Array, found: Array, truth: Any) -> tuple[float, float]:
    accuracy = accuracy_score(truth, classes[found.argmax(axis=1)])
    found = found.clip(_SMALLEST_PROBABILITY)
    found = found / found.sum(axis=1, keepdims=True)
    return float(accuracy), float(log_loss(truth, found, labels=classes))


def run(
    datasets: Iterable[Dataset], learners: Sequence[str], seeds: Sequence[int],
    note: Callable[[str], None],
) -> list[Result]:  # fmt: skip
    """Return the results of all learners on all splits of all data sets."""
    results = []
    for dataset in datasets:
        X, y = dataset.load()
        note(f"{dataset.title}: {len(X):,} rows, {X.shape[1]} columns")
        results += [measure(dataset, learner, X, y, seed) for seed in seeds for learner in learners]
    return results


def cells(results: Sequence[Result], field: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Return mean and standard error over the seeds, by data set and learner."""
    values: dict[tuple[str, str], list[float]] = {}
    for result in results:
        values.setdefault((result.dataset, result.learner), []).append(getattr(result, field))
    return {
        key: (float(np.mean(v)), float(np.std(v, ddof=1) / len(v) ** 0.5) if len(v) > 1 else 0.0)
        for key, v in values.items()
    }


def mean_ranks(results: Sequence[Result], field: str) -> dict[str, float]:
    """Return each learner's rank by its mean over the seeds, averaged over the data sets.

    Examples
    --------
    >>> found = [Result("d", "a", 0, 0.9, 0.3, 1.0), Result("d", "b", 0, 0.8, 0.2, 1.0)]
    >>> mean_ranks(found, "score"), mean_ranks(found, "error")
    ({'a': 1.0, 'b': 2.0}, {'a': 2.0, 'b': 1.0})
    """
    names = list(dict.fromkeys(result.learner for result in results))
    titles = list(dict.fromkeys(result.dataset for result in results))
    means = cells(results, field)
    sign = -1 if field == "score" else 1
    ranks = [rankdata([sign * means[title, name][0] for name in names]) for title in titles]
    return dict(zip(names, np.mean(ranks, axis=0).tolist(), strict=True))


def report(results: Sequence[Result], datasets: Sequence[Dataset]) -> str:
    """Return the results as a table in Markdown, the best score of each data set in bold."""
    names = list(dict.fromkeys(result.learner for result in results))
    score, seconds = cells(results, "score"), cells(results, "seconds")
    lines = [
        f"| data set | {' | '.join(names)} | seconds |",
        f"| --- |{' ---: |' * (len(names) + 1)}",
    ]
    for dataset in datasets:
        title = dataset.title
        best = max(score[title, name][0] for name in names)
        row = [title + ("" if dataset.classification else " (R²)") + " †" * dataset.chosen_on]
        for name in names:
            mean, error = score[title, name]
            text = f"{mean:.3f} ± {error:.3f}"
            row.append(f"**{text}**" if mean == best else text)
        row.append(" / ".join(f"{seconds[title, name][0]:.2g}" for name in names))
        lines.append(f"| {' | '.join(row)} |")
    halves = {
        "all": results,
        "not †": [
            r for r in results if r.dataset in {d.title for d in datasets if not d.chosen_on}
        ],
    }
    for title, some in halves.items():
        for field, what in (("score", "accuracy or R²"), ("error", "log loss or RMSE")):
            if some:
                ranks = mean_ranks(some, field)
                row = [f"mean rank by {what}, {title}", *(f"{ranks[n]:.2f}" for n in names), ""]
                lines.append(f"| {' | '.join(row)} |")
    total = [f"{sum(seconds[d.title, name][0] for d in datasets):.3g} s" for name in names]
    lines.append(f"| time for all | {' | '.join(total)} | |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="a .json file for all results")
    parser.add_argument("--seeds", type=int, default=5, help="the number of splits")
    parser.add_argument("--only", help="names of data sets, with commas between them")
    chosen = parser.parse_args(arguments)
    only = chosen.only.split(",") if chosen.only else [dataset.title for dataset in DATASETS]
    datasets = [dataset for dataset in DATASETS if dataset.title in only]

    def note(text: str) -> None:
        print(text, flush=True)

    results = run(datasets, list(LEARNERS), range(chosen.seeds), note)
    note(report(results, datasets))
    if chosen.output:
        record = {"machine": machine.description(), "results": [asdict(r) for r in results]}
        storage.write_atomically(chosen.output, json.dumps(record, indent=1).encode())


if __name__ == "__main__":
    main()
