"""`chainrule diagnose`: from a saved network and a table to what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule.cli.console import say, warn
from chainrule.errors import InputError, closest

if TYPE_CHECKING:
    import polars

    from chainrule.network import Network
    from chainrule.numerics import Array
    from chainrule.tables import Preprocessing


def diagnose(
    model: Annotated[Path, typer.Argument(help="A file that chainrule saved.")],
    data: Annotated[Path, typer.Option(help="A CSV or Parquet file, best that of its training.")],
    target: Annotated[
        str | None, typer.Option(help="The column to predict; by default that of its training.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="With which it is trained, to have it judged.")
    ] = None,
    optimizer: Annotated[str, typer.Option(help="With which it is trained.")] = "adam",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows in a step.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is wrong with a network, with evidence and remedies."""
    from chainrule import tables
    from chainrule.diagnosis import diagnose as diagnosis_of

    net, preprocessing = tables.load(model)
    if preprocessing is None:
        X, Y = _plain(net, tables.read(data), target)
    else:
        X, Y = _prepared(preprocessing, data, target)
    found = diagnosis_of(
        net, X, Y, learning_rate=learning_rate, optimizer=optimizer, batch_size=batch_size
    )
    say(found.to_json() if as_json else str(found))


def _prepared(preprocessing: Preprocessing, data: Path, target: str | None) -> tuple[Array, Array]:
    """Return what the network was given in training, for the rows that have a target."""
    from chainrule import tables

    learned = preprocessing.target
    if target not in (None, learned.name):
        raise InputError(
            f"this network was trained to predict {learned.name!r}, not {target!r}: leave --target "
            "out, or train another"
        )
    frame = preprocessing.read(data)
    _require_column(frame, learned.name)
    rows = frame.drop_nulls(learned.name)
    if not rows.height:
        raise InputError(f"the target {learned.name!r} is missing in every row: fill it")
    X, notes = preprocessing.encode(rows)
    for note in notes:
        warn(note)
    Y = learned.encode(rows[learned.name])
    if learned.is_classification and (Y < 0).any():
        unknown = rows[learned.name].to_list()[int((Y < 0).argmax())]
        raise InputError(
            f"the target {learned.name!r} has {unknown!r}, which is none of the classes of the "
            f"training ({tables.describe(learned.classes)}): drop these rows, or train again"
        )
    return X, Y


def _plain(net: Network, frame: polars.DataFrame, target: str | None) -> tuple[Any, Array]:
    """Return the numeric columns, the target apart."""
    if target is None:
        raise InputError(
            "this network was saved without a table, so that its target is not known: pass "
            "--target COLUMN"
        )
    _require_column(frame, target)
    y = frame[target]
    if not y.dtype.is_numeric():
        raise InputError(
            f"the target {target!r} holds {y.dtype}, but this network was saved without a table "
            "and knows numbers alone: write class numbers from 0"
        )
    from chainrule.tables.predicting import numeric_columns, plain_inputs

    X = frame.drop(target)
    return X.select(plain_inputs(net, X.columns, lambda: numeric_columns(X), warn)), y.to_numpy()


def _require_column(frame: polars.DataFrame, name: str) -> None:
    if name not in frame.columns:
        raise InputError(f"there is no column {name!r} in the table{closest(name, frame.columns)}")
