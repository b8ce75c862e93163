"""`chainrule train`: from a table, or the handwritten digits, to a saved network."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import dataclass
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

    from chainrule.history import History
    from chainrule.network import Network
    from chainrule.numerics import Array
    from chainrule.tables import Prepared, Preprocessing, Target

_DIGIT, _PIXEL_MAX = "digit", 16.0


@dataclass(frozen=True)
class Settings:
    """What a training run is to use."""

    hidden: tuple[int, ...]
    activation: str
    epochs: int
    learning_rate: float
    batch_size: int
    patience: int
    dropout: float
    l2: float
    seed: int


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
        int | None, typer.Option(min=1, help="The most passes over the data: 200, digits 60.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="0.001, digits 0.003.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows in a step: 32, more for large tables.")
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
        frame, columns = _digits()
        target = _DIGIT
        say(f"data       scikit-learn's handwritten digits: {frame.height:,} of 8 x 8 pixels")
    else:
        frame, columns = _read(table, task), None
        say(f"data       {table}: {frame.height:,} rows, {frame.width} columns")
    assert target is not None
    from chainrule import tables

    prepared = tables.prepare(frame, target, task, seed, columns)
    _say_prepared(prepared)
    n_train = len(prepared.train[1])
    default = (256,) if table is None else (64, 64)
    settings = Settings(
        hidden=default if sizes is None else sizes,
        activation=activation,
        epochs=epochs or (60 if table is None else 200),
        learning_rate=(3e-3 if table is None else 1e-3) if learning_rate is None else learning_rate,
        # About 500 steps in an epoch are enough; longer batches make them cheaper.
        batch_size=batch_size or min(max(32, n_train // 500), 512),
        patience=20,
        dropout=0.4 if table is None else 0.0,
        # Measured on small tables of several kinds; what is a prior counts less with more rows.
        l2=0.0 if table is None else min(0.01, 10 / n_train),
        seed=seed,
    )
    net, history = _fit(prepared, settings)
    interrupted = history.stop_reason == "interrupted"
    if interrupted and not history.epochs:
        raise KeyboardInterrupt
    if interrupted:
        say(f"interrupted after {history.epochs} epochs: keeping the best weights so far")
    outputs = net.predict(prepared.test[0])
    preprocessing = _scored(prepared, outputs)
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
                f"{history.seconds:.1f} s, {history.epochs} of {settings.epochs} epochs, the best "
                f"was {history.best_epoch}; {history.engine} engine",
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


def _digits() -> tuple[polars.DataFrame, tuple[Any, ...]]:
    """Return the digits as a table, and their pixels' preprocessing: the same for all."""
    import polars as pl
    from sklearn.datasets import load_digits

    from chainrule.tables import Column

    digits = load_digits()
    names = [name.removesuffix(".0") for name in digits.feature_names]
    frame = pl.DataFrame(digits.data.astype("uint8"), schema=names)
    columns = tuple(Column(name, "number", scale=_PIXEL_MAX) for name in names)
    return frame.with_columns(pl.Series(_DIGIT, digits.target)), columns


def _say_prepared(prepared: Prepared) -> None:
    preprocessing = prepared.preprocessing
    target = preprocessing.target
    if prepared.n_dropped:
        s = "" if prepared.n_dropped == 1 else "s"
        say(f"left out   {prepared.n_dropped:,} row{s} in which {target.name} is missing")
    for name, reason in preprocessing.left_out.items():
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


def _fit(prepared: Prepared, settings: Settings) -> tuple[Network, History]:
    from chainrule.network import Network

    target = prepared.preprocessing.target
    classification = target.is_classification
    net = Network(
        [prepared.train[0].shape[1], *settings.hidden, target.n_outputs],
        activation=settings.activation,
        output_activation="softmax" if classification else "identity",
        loss="cross_entropy" if classification else "squared_error",
        seed=settings.seed,
    )
    say(f"network    {net!r}, {net.n_parameters:,} parameters")
    say()
    X, Y = prepared.validation
    naive = prepared.train[1]

    def score() -> str:
        scores = target.scores(net.predict(X), Y, naive)
        if classification:
            return f"accuracy {scores['accuracy']:.1%}"
        return f"R^2 {scores['r2']:.3f}" if "r2" in scores else f"error {scores['rmse']:.4g}"

    with warnings.catch_warnings(record=True) as caught, Display(score) as display:
        warnings.simplefilter("always")
        history = net.fit(
            *prepared.train,
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            batch_size=settings.batch_size,
            dropout=settings.dropout,
            l2=settings.l2,
            schedule="cosine",
            validation_data=prepared.validation,
            early_stopping=settings.patience,
            callbacks=[display],
        )
    for warning in caught:
        if warning.category is UserWarning and history.stop_reason != "interrupted":
            say(f"note       {warning.message}")
    return net, history


def _scored(prepared: Prepared, outputs: Array) -> Preprocessing:
    import dataclasses

    preprocessing = prepared.preprocessing
    scores = preprocessing.target.scores(outputs, prepared.test[1], prepared.train[1])
    return dataclasses.replace(preprocessing, scores=scores)


def _mistakes(prepared: Prepared, outputs: Array) -> list[tuple[str, str]]:
    from chainrule.tables import confusions

    target = prepared.preprocessing.target
    if not target.is_classification:
        return []
    pairs = confusions(prepared.test[1], outputs.argmax(axis=1), target.classes)
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
