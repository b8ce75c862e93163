"""`chainrule info`, `costs` and `prove`: what there is, what it costs, and that it is right."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.console import facts, say
from chainrule.cli.train import parse_sizes, score_facts
from chainrule.errors import InputError, listing

if TYPE_CHECKING:
    from chainrule.tables import Column


def info(
    model: Annotated[
        Path | None, typer.Argument(help="A model file; without one, this installation.")
    ] = None,
) -> None:
    """Describe a saved model, or this installation."""
    if model is None:
        _installation()
    else:
        _model(model)


def costs() -> None:
    """Print what the derivation's three forms cost: multiplications and time."""
    from chainrule.forms import as_table, form_costs

    say(as_table(form_costs()))


def prove(
    sizes: Annotated[str, typer.Argument(help="The layers, inputs first.")] = "2,3,2",
    derivatives: Annotated[
        bool, typer.Option("--derivatives", help="Also that of a cost of the outputs' derivatives.")
    ] = False,
) -> None:
    """Prove with SymPy that the code which trains computes the derivative."""
    from chainrule.proof import prove as prove_layers

    layers = parse_sizes(sizes, "SIZES")
    if len(layers) < 2:
        raise InputError(f"SIZES must name inputs and outputs at least, such as 2,3,2, not {sizes}")
    proof = prove_layers(layers, derivatives=derivatives)
    say(str(proof))
    if not proof:
        raise typer.Exit(1)


def _installation() -> None:
    import numpy as np

    from chainrule import __version__, engines

    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    facts(
        [
            ("chainrule", __version__),
            ("Python", platform.python_version()),
            ("NumPy", np.__version__),
            ("instruction set", engines.instruction_set()),
            ("engines", "native (the default), numpy"),
            ("cores", str(cores)),
        ]
    )


def _model(model: Path) -> None:
    from chainrule import tables

    net, preprocessing = tables.load(model)
    say(net.summary())
    if preprocessing is None:
        if net.feature_names:
            say(f"\ninputs: {listing(net.feature_names, most=20)}")
        say("\nIt was saved without a table: `chainrule predict` gives it numeric columns.")
        return
    target = preprocessing.target
    classes = f", classes {tables.describe(target.classes)}" if target.classes else ""
    say()
    facts(
        [
            ("target", f"{target.name}: {target.task}{classes}"),
            *score_facts(preprocessing),
            ("columns", "\n".join(_grouped(preprocessing.columns))),
            *(("left out", f"{name}: {why}") for name, why in preprocessing.left_out.items()),
        ]
    )


def _grouped(columns: tuple[Column, ...]) -> list[str]:
    """Return a line for each column, for runs of like ones (the pixels of an image) one line."""
    lines: list[str] = []
    run: list[str] = []
    last = ""
    for column in columns:
        line = _spell(column)
        if line == last:
            run.append(column.name)
            lines[-1] = f"{run[0]} ... {run[-1]} ({len(run)}): {line}"
        else:
            run, last = [column.name], line
            lines.append(f"{column.name}: {line}")
    return lines


def _spell(column: Column) -> str:
    if column.kind == "category":
        many = f"{len(column.categories)} categories, by the target: " if column.statistics else ""
        return (
            many
            + listing([c for c in column.categories if c is not None])
            + ("; missing is one, too" if None in column.categories else "")
        )
    missing = "; missing has an input of its own" if column.indicator else ""
    days = "date in days since 1970, " if column.kind == "date" else ""
    return f"{days}median {column.centers[0]:.4g}, scale {column.scales[0]:.4g}{missing}"
