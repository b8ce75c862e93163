"""`chainrule predict`: from a saved network and a table to predictions."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import Failure, require_writable, say, warn, write


def predict(
    model: Annotated[Path, typer.Argument(help="A file that chainrule saved.")],
    table: Annotated[
        list[str],
        typer.Argument(
            help="CSV, Parquet, Arrow, JSON lines or Excel files, packed or not; a pattern such as "
            "'data/*.csv'; or - for standard input."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .csv, .parquet, .jsonl or .arrow file; else standard output, as CSV.",
        ),
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Columns to hand on, such as id,name.")] = None,
    proba: Annotated[
        bool | None,
        typer.Option(
            "--proba/--no-proba", help="Whether to write the probability of each class too: yes."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - it is the option's name
        str | None, typer.Option(help="Of the table: csv, tsv, parquet, arrow, jsonl, excel.")
    ] = None,
) -> None:
    """Predict each row of a table, in order, however many there are."""
    if output is not None:
        require_writable(output, [model, *(Path(name) for name in table)])
    from chainrule import tables
    from chainrule.errors import NotWrittenError
    from chainrule.tables.predicting import Predictor

    if output is not None:
        tables.format_to_write(output)  # refuses other endings before any work is done
    predictor = Predictor(*tables.load(model), proba)
    opened = tables.open_table(table, format)
    for note in opened.notes:
        warn(note)
    frames = predictor.frames(opened, tables.names_in(keep), warn)
    first = next(frames)
    if output is None:
        write(tables.to_csv(first))
        for frame in frames:
            write(tables.to_csv(frame, header=False))
        return
    try:
        n_rows = tables.write_all(itertools.chain([first], frames), output)
    except NotWrittenError as error:
        raise Failure(str(error)) from None
    say(f"{n_rows:,} predictions in {output}")
