"""`chainrule predict`: from a saved network and a table to predictions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.console import Failure, require_writable, say, warn
from chainrule.errors import InputError, listing

if TYPE_CHECKING:
    import polars

    from chainrule.network import Network
    from chainrule.numerics import Array


def predict(
    model: Annotated[Path, typer.Argument(help="A file that chainrule saved.")],
    table: Annotated[Path, typer.Argument(help="A CSV or Parquet file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .parquet file; else standard output."),
    ] = None,
) -> None:
    """Predict each row of a table, in order."""
    if output is not None:
        require_writable(output, [model, table])
    from chainrule import tables

    if output is not None:
        tables.format_to_write(output)  # refuses other endings before any work is done
    net, preprocessing = tables.load(model)
    if preprocessing is None:
        found = _plain(net, tables.read(table))
    else:
        frame = tables.read(table, text=preprocessing.text_columns)
        X, notes = preprocessing.encode(frame)
        for note in notes:
            warn(note)
        found = preprocessing.target.decode(net.predict(X))
    if output is None:
        sys.stdout.write(tables.to_csv(found))
        return
    try:
        tables.write(found, output)
    except InputError as error:
        raise Failure(str(error)) from None
    say(f"{found.height:,} predictions in {output}")


def _plain(net: Network, frame: polars.DataFrame) -> polars.DataFrame:
    """Predict with a network that was saved without a table: from the numeric columns."""
    import polars as pl

    outputs: Array = net.predict(plain_inputs(net, frame))
    columns: dict[str, Array] = {}
    if net.architecture.activations[-1].name == "softmax":
        columns["prediction"] = outputs.argmax(axis=1)
        columns |= {f"probability_{i}": outputs[:, i] for i in range(outputs.shape[1])}
    elif outputs.shape[1] == 1:
        columns["prediction"] = outputs[:, 0]
    else:
        columns = {f"prediction_{i}": outputs[:, i] for i in range(outputs.shape[1])}
    return pl.DataFrame(columns)


def plain_inputs(net: Network, frame: polars.DataFrame) -> polars.DataFrame:
    """Return the inputs of a network that was saved without a table: the numeric columns.

    Raises
    ------
    InputError
        If they are not as many as the network takes.
    """
    import polars.selectors as cs

    from chainrule.tables import looks_like_values

    names = frame.columns
    if looks_like_values(names) and names != [str(i) for i in range(len(names))]:
        raise InputError(
            f"the first line of the table is numbers ({listing(names)}), but column names are "
            "needed: add a line with names above it"
        )
    numeric = frame.select(cs.numeric() | cs.boolean())
    if net.feature_names and set(net.feature_names) <= set(names):
        numeric = frame.select(net.feature_names)
    ignored = [name for name in names if name not in numeric.columns]
    if numeric.width != net.layer_sizes[0]:
        raise InputError(
            f"the network takes {net.layer_sizes[0]} numbers, but the table has {numeric.width} "
            f"numeric columns ({listing(numeric.columns)}): keep those of its training, in order"
        )
    if ignored:
        warn(f"not used: {listing(ignored)}")
    return numeric
