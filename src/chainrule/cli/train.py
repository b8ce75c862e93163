"""`chainrule train`: from a table, or the handwritten digits, to a saved network."""

from __future__ import annotations

import dataclasses
import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule.cli.console import (
    INTERRUPTED,
    Display,
    Failure,
    facts,
    program,
    require_writable,
    say,
)
from chainrule.errors import InputError

if TYPE_CHECKING:
    import polars

    from chainrule.callbacks import Progress
    from chainrule.numerics import Array
    from chainrule.tables import Prepared, Preprocessing, Target

_DIGIT = "digit"
_OF_DIGITS = {
    "hidden_layer_sizes": (256,), "dropout": 0.5, "max_iter": 60, "n_iter_no_change": 60,
}  # fmt: skip


def train(
    table: Annotated[
        Path | None,
        typer.Argument(help="A CSV or Parquet file; without one, scikit-learn's digits."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where the model is saved: model.safetensors, or digits.safetensors.",
        ),
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Units of the hidden layers, such as 64,64; or none.")
    ] = None,
    activation: Annotated[str, typer.Option(help="Of the hidden layers.")] = "relu",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="The most passes over the data: 50, digits 60.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The largest: 0.005.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows in a step: 16, more for large tables.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and the weights.")] = 0,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; else the target decides.")
    ] = None,
) -> None:
    """Train a network on a table, or on handwritten digits, and save it."""
    sizes = None if hidden is None else parse_sizes(hidden, "--hidden", none_allowed=True)
    if table is None and target is not None:
        raise InputError(
            f"--target {target} needs a table: chainrule train TABLE --target {target}"
        )
    if table is not None and target is None:
        raise InputError(f"name the column to predict: {_command('train', table)} --target COLUMN")
    if table is None and task == "regression":
        raise InputError("the digits are classes: leave --task out, or name a table")
    if learning_rate is not None and not 0 < learning_rate < float("inf"):
        raise InputError(
            f"learning_rate must be a number above 0, but is {learning_rate}: --learning-rate 0.001"
        )
    output = output or Path("model.safetensors" if table else "digits.safetensors")
    require_writable(output, [table])
    from chainrule import activations

    activations.get(activation)
    if table is None:
        frame = _digits()
        target = _DIGIT
        say(f"data       scikit-learn's handwritten digits: {frame.height:,} of 8 x 8 pixels")
    else:
        frame = _read(table, task)
        say(f"data       {table}: {frame.height:,} rows, {frame.width} columns")
    assert target is not None
    from chainrule import tables

    prepared = tables.prepare(frame, target, task, seed)
    _say_prepared(prepared)
    given = {
        "hidden_layer_sizes": sizes, "max_iter": epochs, "learning_rate_init": learning_rate,
        "batch_size": batch_size,
    }  # fmt: skip
    chosen = {name: value for name, value in given.items() if value is not None}
    settings: dict[str, Any] = {"activation": activation, "random_state": seed % 2**32}
    if table is None:
        settings |= _OF_DIGITS
    perceptron, preprocessing = _fit(prepared, settings | chosen)
    net, history = perceptron.network_, perceptron.history_
    interrupted = history.stop_reason == "interrupted"
    if interrupted and not history.epochs:
        raise KeyboardInterrupt
    if interrupted:
        say(f"interrupted after {history.epochs} epochs: keeping the best weights so far")
    outputs = net.predict(preprocessing.encode(prepared.test[0])[0])
    scores = prepared.target.scores(outputs, prepared.test[1], prepared.train[1])
    preprocessing = dataclasses.replace(preprocessing, scores=scores)
    try:
        tables.save(output, net, preprocessing)
    except InputError as error:
        # The place was checked before, so this is the disk's doing and not the user's.
        raise Failure(str(error)) from None
    test_table = _save_test_digits(frame[prepared.test_rows], output) if table is None else None
    say()
    facts(
        [
            *score_facts(preprocessing),
            *_mistakes(prepared, outputs),
            (
                "training",
                f"{history.seconds:.1f} s, {history.epochs} of {perceptron.max_iter} epochs, the "
                f"best was {history.best_epoch}; {history.engine} engine",
            ),
            ("saved", f"{output}" + (f", the test digits in {test_table}" if test_table else "")),
        ]
    )
    say()
    say("Try next:")
    if table is not None:
        say(f"  {_command('predict', output, table)}")
    elif test_table is not None:
        say(f"  {_command('predict', output, test_table)}")
    say(f"  {_command('info', output)}")
    if table is None and test_table is not None:
        say(f"  {_command('train', test_table)} --target {_DIGIT}")
        say(f"  {_command('train')} YOUR.csv --target COLUMN")
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def parse_sizes(text: str, option: str, none_allowed: bool = False) -> tuple[int, ...]:
    """Return the sizes of layers that an option names.

    Raises
    ------
    InputError
        If it is not whole numbers above 0 with commas between them.

    Examples
    --------
    >>> parse_sizes("64,32", "--hidden")
    (64, 32)
    """
    if none_allowed and text.strip().lower() in ("none", ""):
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(
            f"{option} must be whole numbers above 0 with commas between them, such as 64,32, but "
            f"is {text!r}"
        )
    return tuple(map(int, parts))


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


def _read(table: Path, task: str | None) -> polars.DataFrame:
    from chainrule import tables
    from chainrule.errors import require_choice

    if task is not None:
        require_choice("--task", task, tables.TASKS)
    return tables.read(table)


def _digits() -> polars.DataFrame:
    """Return the digits as a table."""
    import polars as pl
    from sklearn.datasets import load_digits

    digits = load_digits()
    names = [name.removesuffix(".0") for name in digits.feature_names]
    frame = pl.DataFrame(digits.data.astype("uint8"), schema=names)
    return frame.with_columns(pl.Series(_DIGIT, digits.target))


def _say_prepared(prepared: Prepared) -> None:
    target = prepared.target
    if prepared.n_dropped:
        s = "" if prepared.n_dropped == 1 else "s"
        say(f"left out   {prepared.n_dropped:,} row{s} in which {target.name} is missing")
    for name, reason in prepared.left_out.items():
        say(f"left out   column {name}: {reason}")
    say(f"task       {target.task}: {target.reason}" + _other_task(target))
    parts = " / ".join(
        f"{len(Y):,} {part}"
        for part, (_, Y) in (
            ("rows to train", prepared.train),
            ("to stop early", prepared.validation),
            ("to test", prepared.test),
        )
    )
    say(f"split      {parts}")


def _other_task(target: Target) -> str:
    whole = target.is_classification and all(isinstance(c, int | float) for c in target.classes)
    if not whole or target.name == _DIGIT or target.reason.startswith("asked for"):
        return ""
    return " (--task regression to predict a number)"


def _fit(prepared: Prepared, settings: dict[str, Any]) -> tuple[Any, Preprocessing]:
    """Return a fitted perceptron, and the preprocessing of its inputs."""
    from chainrule.errors import DivergenceError
    from chainrule.network import Network
    from chainrule.tables.estimators import TableClassifier, TableRegressor

    target = prepared.target
    X, Y = prepared.validation
    naive = prepared.train[1]
    # a file holds one network, and a target that is only scaled
    model: Any = TableClassifier(n_estimators=1, **settings)
    if not target.is_classification:
        model = TableRegressor(n_estimators=1, target_transform="scale", **settings)

    def score(progress: Progress) -> str:
        net = Network.of(progress.architecture, progress.parameters)
        outputs = net.predict(model.pipeline_[:2].transform(X))
        scores = target.scores(outputs, Y, naive)
        if target.is_classification:
            return f"accuracy {scores['accuracy']:.1%}"
        return f"R^2 {scores['r2']:.3f}" if "r2" in scores else f"error {scores['rmse']:.4g}"

    watched = {"validation_data": prepared.validation} if len(Y) else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_callbacks(Display(score)).fit(*prepared.train, **watched)
    network = model.pipeline_["network"]
    perceptron = getattr(network, "regressor_", network)
    reason = perceptron.history_.stop_reason
    for warning in caught:
        if reason == "diverged":
            raise DivergenceError(str(warning.message))
        if warning.category is UserWarning and reason != "interrupted":
            say(f"note       {warning.message}")
    return perceptron, prepared.described(model.pipeline_)


def _mistakes(prepared: Prepared, outputs: Array) -> list[tuple[str, str]]:
    from chainrule.tables import confusions

    target = prepared.target
    if not target.is_classification:
        return []
    chosen = target.probabilities(outputs).argmax(axis=1)
    pairs = confusions(prepared.test[1], chosen, target.classes)
    worst = [f"{true} taken for {mistaken}: {n}" for true, mistaken, n in pairs[:4]]
    if len(pairs) > len(worst):
        worst.append(f"others: {sum(n for *_, n in pairs[len(worst) :])}")
    return [("mistakes", ", ".join(worst) or "none")]


def _save_test_digits(frame: polars.DataFrame, output: Path) -> Path | None:
    """Write the held-out digits beside the model, so that there is a table to predict.

    None if there is a file of that name which is something else: it was not named by the user.
    """
    from chainrule import tables

    path = output.with_name(f"{output.stem}-test.csv")
    text = tables.to_csv(frame)
    header = text.splitlines()[0].encode()
    try:
        if path.exists():
            with open(path, "rb") as file:
                if file.readline().rstrip() != header:
                    return None
        tables.write(frame, path)
    except (OSError, InputError):
        return None
    return path


def _command(name: str, *arguments: Path) -> str:
    return shlex.join([program(), name, *map(str, arguments)])
