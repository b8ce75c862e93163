"""What runs in a peer's process: ``python -m chainrule.benchmarks.child JOB``.

Answers are lines of JSON on standard output. A task that is measured says when it is ready and
then, for every line that it reads, takes one measurement.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from chainrule.benchmarks import estimating, peers
from chainrule.benchmarks.job import Job, Task

Answer = Callable[[dict[str, Any]], None]


def main() -> None:
    """Do the job that is the first argument."""
    answer = _private_answers()
    job = Job.from_json(sys.argv[1])
    try:
        if job.task in _ONCE:
            answer({"result": _ONCE[job.task](job)})
        else:
            _serve(_MEASURED[job.task](job), job.seconds, answer)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        named = (
            reason if isinstance(error, peers.NotAvailable) else f"{type(error).__name__}: {reason}"
        )
        answer({"error": named, "traceback": traceback.format_exc()})
        sys.exit(1)


def _private_answers() -> Answer:
    """Keep standard output for answers: what libraries print goes to standard error."""
    stream: TextIO = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return lambda content: print(json.dumps(content), file=stream)


def _serve(task: Task, seconds: float, answer: Answer) -> None:
    task.run(1)  # compiles, and touches its memory
    repeats = _repeats_lasting(task, seconds)
    answer({"about": task.about(), "repeats": repeats})
    for _ in sys.stdin:
        if repeats >= 8:
            task.run(repeats // 8)  # untimed: others had the caches meanwhile
        answer({"seconds": _time(task, repeats) / (repeats * task.units)})


def _repeats_lasting(task: Task, seconds: float) -> int:
    """Return how often to repeat the task for a measurement to last that long."""
    repeats = 1
    while (elapsed := _time(task, repeats)) < seconds / 4:
        repeats *= 2
    return max(task.least, math.ceil(repeats * seconds / elapsed))


def _time(task: Task, repeats: int) -> float:
    start = time.perf_counter()
    task.run(repeats)
    return time.perf_counter() - start


def _train(job: Job) -> Task:
    """Train by the quickest of the ways in which the peer can be written."""
    module = peers.load(job.peer)
    data = job.workload.data()
    trainers = [module.Trainer(job.workload, *data, **way, **job.options) for way in module.WAYS]
    if len(trainers) > 1:
        for trainer in trainers:
            trainer.run(1)  # compiles
        trainers.sort(key=lambda trainer: _time(Task(trainer.run), 1))
    best = trainers[0]
    # Several epochs, as in use: what a call sets up counts, but not as if each epoch needed it.
    return Task(best.run, job.workload.n_steps, best.about, least=5)


def _predict(job: Job) -> Task:
    X, _ = job.workload.data()
    predict = peers.load(job.peer).predictor(job.workload)
    peers.require_same_outputs(job.workload, predict, X[:100])

    def run(calls: int) -> None:
        for _ in range(calls):
            predict(X)

    return Task(run)


def _ensemble(job: Job) -> Task:
    n: int = job.options["n_networks"]
    options = {name: value for name, value in job.options.items() if name != "n_networks"}
    data = job.workload.data()
    run = peers.load(job.peer).ensemble(job.workload, *data, n, **options)
    return Task(run, n * job.workload.n_steps)


def _limit(job: Job) -> Task:
    """A square matrix product, which is what this machine can do."""
    import numpy as np

    n: int = job.options["n"]
    a = np.ones((n, n), np.float32)

    def run(products: int) -> None:
        for _ in range(products):
            _ = a @ a

    return Task(run)


def _start(job: Job) -> dict[str, Any]:
    """Train the first epoch of a process."""
    module = peers.load(job.peer)
    module.Trainer(job.workload, *job.workload.data(), **module.WAYS[0]).run(1)
    return {}


def _memory(job: Job) -> dict[str, Any]:
    from chainrule.benchmarks.memory import peak_of_training

    return peak_of_training(job)


def _check(job: Job) -> dict[str, Any]:
    from chainrule.benchmarks.same_work import deviation

    return vars(deviation(job.peer, job.workload))


_MEASURED: dict[str, Callable[[Job], Task]] = {
    "train": _train,
    "predict": _predict,
    "ensemble": _ensemble,
    "limit": _limit,
    "fit": estimating.fit,
}
_ONCE: dict[str, Callable[[Job], dict[str, Any]]] = {
    "start": _start,
    "memory": _memory,
    "check": _check,
    "search": estimating.search,
    "scores": estimating.scores,
}

if __name__ == "__main__":
    main()
