"""`chainrule evaluate`: how good a saved model is on a table that has the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import say, warn


def evaluate(
    model: Annotated[Path, typer.Argument(help="A file that chainrule saved.")],
    table: Annotated[
        list[str],
        typer.Argument(help="Files with rows that the model did not learn from, as for predict."),
    ],
    target: Annotated[
        str | None, typer.Option(help="The column with the truth; by default that of the training.")
    ] = None,
    format: Annotated[  # noqa: A002 - it is the option's name
        str | None, typer.Option(help="Of the table: csv, tsv, parquet, arrow, jsonl, excel.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model on a table, beside a guess that looks at nothing."""
    from chainrule import tables
    from chainrule.evaluation.scores import evaluate as evaluated
    from chainrule.tables.predicting import Predictor

    opened = tables.open_table(table, format)
    for note in opened.notes:
        warn(note)
    scores = evaluated(Predictor(*tables.load(model)), opened, target, warn)
    if as_json:
        say(json.dumps(scores.to_json(), allow_nan=False))
        return
    missing = scores.n_without_target
    left = f"; {missing:,} more have no {scores.target}" if missing else ""
    say(f"{scores.n_rows:,} rows of {opened.name}, {scores.target}: {scores.task}{left}\n")
    say(str(scores))
