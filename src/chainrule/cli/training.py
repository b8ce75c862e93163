"""A run of `chainrule train`, and what is said of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chainrule.cli import digits
from chainrule.cli.console import INTERRUPTED, Stopped, facts, program, say
from chainrule.errors import DivergenceError, InputError

if TYPE_CHECKING:
    import polars

    from chainrule.callbacks import Callback, Progress
    from chainrule.evaluation.metrics import Metric
    from chainrule.experiment import Experiment
    from chainrule.network import Network
    from chainrule.numerics import Array
    from chainrule.runs.config import Config
    from chainrule.runs.folder import Folder
    from chainrule.runs.preparing import Prepared
    from chainrule.runs.results import Results
    from chainrule.tables import Preprocessing, Target, Wishes
    from chainrule.tuning import Trial

_MOST_NOTES = 12


def run(config: Config, folder: Folder | None, model: Path, resume: bool) -> None:
    """Read the table, train, judge and save, and say what happens.

    Parameters
    ----------
    config : Config
        What to do.
    folder : Folder or None
        Where all of it goes; None if the model alone is wanted.
    model : path
        Where the model is saved.
    resume : bool
        Whether the folder has a run to go on with.
    """
    from chainrule.experiment import Experiment, Listener
    from chainrule.tuning import require_optuna

    if config.tune:
        require_optuna()
    if folder is None:  # nothing would show them
        config = config.with_(baselines=False)
    listener = Listener(say, _say_prepared, _say_trial, _display)
    experiment = Experiment(config, *_tables(config), folder, resume, listener)
    if folder is not None and not resume:
        folder.begin(experiment.config)
    nets = _trained(experiment, folder)
    trained = experiment.save(model, nets)
    goes_on = f"; {_resumption(folder)}" if folder else ""
    try:
        results = experiment.judge(trained, nets, deep=folder is not None)
        if folder is not None:
            experiment.write(results)
    except KeyboardInterrupt:
        raise Stopped(f"interrupted; the model is saved in {model}{goes_on}") from None
    beside = None
    if not config.tables:
        beside = digits.save_held_out(experiment.prepared.held.rows, model)
    _say_results(results, trained.preprocessing, folder, model, beside)
    if experiment.interrupted:
        raise typer.Exit(INTERRUPTED)


def _trained(experiment: Experiment, folder: Folder | None) -> list[Network]:
    """Return the trained networks."""
    try:
        if experiment.config.tune:
            experiment.tune()
        nets = experiment.train()
    except KeyboardInterrupt:
        if folder is None:
            raise
        raise Stopped(f"interrupted before there was a model; {_resumption(folder)}") from None
    except DivergenceError:
        if folder is not None:
            folder.abandon()
        raise
    if experiment.interrupted:
        epochs = max(net.history.epochs for net in nets if net.history)
        say(f"interrupted after {epochs} epochs: keeping the best weights so far")
    return nets


def _tables(config: Config) -> tuple[polars.DataFrame, polars.DataFrame | None, Wishes]:
    """Return the table, that of the held-out rows if there is one, and how both were read."""
    import polars as pl

    from chainrule import tables

    if not config.tables:
        frame = digits.table()
        say(f"data       scikit-learn's handwritten digits: {frame.height:,} of 8 x 8 pixels")
        return frame, None, config.wishes
    table = tables.open_table(config.tables)
    for note in table.notes:
        say(f"note       {note}")
    _require_columns(table.names, config)
    frame, wishes = table.read(wishes=config.wishes, tell=lambda note: say(f"note       {note}"))
    say(f"data       {table.name}: {frame.height:,} rows, {len(table.names)} columns")
    if not isinstance(config.validation, str):
        return frame, None, wishes
    words = [series.name for series in frame.iter_columns() if series.dtype == pl.String]
    held, _ = tables.open_table(config.validation).read(frame.columns, words, wishes)
    say(f"held out   {config.validation}: {held.height:,} rows")
    return frame, held, wishes


def _require_columns(names: Sequence[str], config: Config) -> None:
    """Refuse, before the table is read, a target or a split by a column that it has not."""
    from chainrule.tables.preparing import no_such_column

    assert config.target is not None
    for name, option in ((config.target, ""), (config.group, "group"), (config.time, "time")):
        if name is not None and name not in names:
            raise InputError(
                (f"--{option}: " if option else "") + no_such_column(name, list(names))
            )


def _say_prepared(prepared: Prepared) -> None:
    target, rows = prepared.target, prepared.rows
    if prepared.n_dropped:
        s = "" if prepared.n_dropped == 1 else "s"
        say(f"left out   {prepared.n_dropped:,} row{s} in which {target.name} is missing")
    left_out = list(prepared.preprocessing.left_out.items())
    for name, reason in left_out[:_MOST_NOTES]:
        say(f"left out   column {name}: {reason}")
    if len(left_out) > _MOST_NOTES:
        say(f"left out   {len(left_out) - _MOST_NOTES:,} more columns")
    for warning in prepared.warnings[:_MOST_NOTES]:
        say(f"look at    {warning}")
    say(f"task       {target.task}: {target.reason}{_other_task(target)}")
    n_watched = len(rows.Y[rows.parts[0][1]])
    say(
        f"split      {len(rows.Y) - n_watched:,} rows to train / {n_watched:,} to stop early / "
        f"{len(prepared.held.rows):,} to test, {prepared.how}"
    )


def _other_task(target: Target) -> str:
    whole = target.is_classification and all(isinstance(c, int | float) for c in target.classes)
    if not whole or target.name == digits.TARGET or target.reason.startswith("asked for"):
        return ""
    return " (--task regression to predict a number)"


def _say_trial(trial: Trial, best: Trial, metric: Metric) -> None:
    def score(one: Trial) -> str:
        return "cut short" if one.value is None else metric.spell(abs(one.value))

    mark = " (the best so far)" if trial.number == best.number else f"; best {score(best)}"
    say(f"trial {trial.number + 1:>3}  {metric.name} {score(trial)}{mark}: {trial.spoken}")


def _display(prepared: Prepared, net: Network, n_networks: int) -> Sequence[Callback]:
    """Return what shows the epochs of the first network."""
    from chainrule.cli.display import Display
    from chainrule.evaluation.metrics import METRICS
    from chainrule.evaluation.model import Model

    model, target = Model(net, prepared.preprocessing), prepared.target
    watched = prepared.rows.parts[0][1]
    metric = METRICS["accuracy" if target.is_classification else "r2"]

    def score(progress: Progress) -> str:
        del progress  # the network itself is trained in place
        X: Array = prepared.rows.X[watched]
        truth = prepared.rows.Y[watched]
        if not target.is_classification:
            truth = truth * target.scale + target.mean
        return f"{metric.spoken} {metric.spell(metric.evaluate(truth, model.predict(X)))}"

    return [Display(score, n_networks)]


def score_facts(preprocessing: Preprocessing) -> list[tuple[str, str]]:
    """Return the scores of the held-out rows, each beside that of a naive prediction."""
    scores, target = preprocessing.scores, preprocessing.target
    if not scores:
        return []
    n = int(scores["rows"])
    rows = f"on {n:,} held-out row{'s' if n > 1 else ''}"
    if target.is_classification:
        naive = f"{scores['naive_accuracy']:.1%} by always saying the most frequent"
        return [("accuracy", f"{scores['accuracy']:.1%} {rows} ({naive})")]
    error = (
        "error",
        f"{scores['rmse']:.4g} root mean squared, in units of {target.name} "
        f"({scores['naive_rmse']:.4g} by always saying the mean)",
    )
    r2 = f"{scores['r2']:.3f} {rows}" if "r2" in scores else f"not defined {rows}"
    return [("R^2", r2), error]


def _say_results(
    results: Results,
    preprocessing: Preprocessing,
    folder: Folder | None,
    model: Path,
    beside: Path | None,
) -> None:
    from chainrule.report import advice, verdict

    first = results.histories[0]
    several = f"{len(results.histories)} networks, " if len(results.histories) > 1 else ""
    saved = f"{model}" + (f", the test digits in {beside}" if beside else "")
    if folder is not None:
        saved = f"{folder.path}: the model, its report, predictions, metrics and config"
    say()
    facts(
        [
            *_own_metric(results),
            *score_facts(preprocessing),
            *_mistakes(results),
            *_others(results),
            (
                "training",
                f"{several}{first.seconds:.1f} s, {first.epochs} of {results.config.epochs} "
                f"epochs, the best was {first.best_epoch}; {first.engine} engine",
            ),
            ("saved", saved),
        ]
    )
    if folder is not None:
        say()
        say(verdict.judge(results).headline)
    say()
    say("Try next:")
    for line in _commands(results, folder, model, beside):
        say(f"  {line}")
    if folder is not None:
        for step in advice.next_steps(results)[:2]:
            say(f"  {step}")


def _own_metric(results: Results) -> list[tuple[str, str]]:
    metric, score = results.metric, results.score
    if metric.name in ("accuracy", "rmse"):
        return []
    naive = metric.spell(results.naive.score.value)
    return [
        (metric.name, f"{metric.spell(score.value)} (95% interval {metric.spell(score.low)} to "
         f"{metric.spell(score.high)}; {naive} by a naive guess)")
    ]  # fmt: skip


def _others(results: Results) -> list[tuple[str, str]]:
    metric = results.metric
    named = [f"{rival.name} {metric.spell(rival.score.value)}" for rival in results.rivals[1:]]
    if not named:
        return []
    own = f"this network {metric.spell(results.score.value)}"
    return [("beside", f"{metric.spoken}: {', '.join([own, *named])}")]


def _mistakes(results: Results) -> list[tuple[str, str]]:
    from chainrule.tables import confusions

    target, truth = results.prepared.target, results.prepared.held.truth
    if not target.is_classification:
        return []
    chosen = results.predicted.argmax(axis=1)
    pairs = confusions(truth, chosen, target.classes)
    worst = [f"{true} taken for {mistaken}: {n}" for true, mistaken, n in pairs[:4]]
    if len(pairs) > len(worst):
        worst.append(f"others: {sum(n for *_, n in pairs[len(worst) :])}")
    return [("mistakes", ", ".join(worst) or "none")]


def _commands(
    results: Results, folder: Folder | None, model: Path, beside: Path | None
) -> list[str]:
    from chainrule.runs import folder as folders

    found = []
    if folder is not None:
        found.append(f"open {folder.path / folders.REPORT}")
    table = beside or (results.config.tables[0] if results.config.tables else None)
    if table is not None and str(table) != "-":
        found.append(_command("predict", model, Path(table)))
    found.append(_command("info", model))
    if beside is not None:
        found.append(f"{_command('train', beside)} --target {digits.TARGET}")
        found.append(f"{_command('train')} YOUR.csv --target COLUMN")
    return found


def _resumption(folder: Folder) -> str:
    return f"to go on: {_command('train')} --resume -o {shlex.quote(str(folder.path))}"


def _command(name: str, *arguments: Path) -> str:
    return shlex.join([program(), name, *map(str, arguments)])
