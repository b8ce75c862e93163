"""`chainrule check`: gradients against independent ones, and the proof that they are right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import say
from chainrule.cli.explain import MODEL_HELP

_N = 4
_WIDTHS = (2, 2, 2, 2)
"""Of the small network of the same depth; deeper ones have one unit a layer."""


def check(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)] = "2-3-1",
    data: Annotated[Path | None, typer.Option(help="A CSV or Parquet file with samples.")] = None,
    row: Annotated[
        str | None, typer.Option(help="Rows of it, counted from 0: 0, or 0,4, or 0:3.")
    ] = None,
    x: Annotated[
        list[str] | None, typer.Option(help="A sample, such as 1.0,2.0; may come again.")
    ] = None,
    y: Annotated[list[str] | None, typer.Option(help="Its target; may come again.")] = None,
    reference: Annotated[str, typer.Option(help="auto, complex, central, torch or jax.")] = "auto",
    tolerance: Annotated[
        float | None, typer.Option(help="The largest relative error: 1e-8, central 1e-5.")
    ] = None,
    max_entries: Annotated[int, typer.Option(min=1, help="Of each array, chosen at random.")] = 200,
    engine: Annotated[str, typer.Option(help="Whose gradients: auto, numpy or native.")] = "auto",
    symbolic: Annotated[
        bool, typer.Option("--symbolic", help="Also prove it, for a small network as deep.")
    ] = False,
    activation: Annotated[
        str | None, typer.Option(help="Of a new network's hidden layers: tanh.")
    ] = None,
    output_activation: Annotated[
        str | None, typer.Option(help="Of a new network's outputs: identity.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Of a new network; the output activation decides.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random.")] = 0,
) -> None:
    """Check a network's gradients; the exit code is 1 if one is wrong."""
    from chainrule.checks import check_gradients
    from chainrule.cli.samples import subject

    chosen = subject(
        model,
        new={"activation": activation, "output_activation": output_activation, "loss": loss},
        data=data,
        rows=row,
        x=x or (),
        y=y or (),
        seed=seed,
        n=_N,
    )
    say(repr(chosen.net))
    say(chosen.told)
    report = check_gradients(
        chosen.net,
        chosen.X,
        chosen.Y,
        reference=reference,
        tolerance=tolerance,
        max_entries=max_entries,
        seed=seed,
        engine=engine,
    )
    say(str(report))
    passed = report.passed
    if symbolic:
        say()
        passed = _prove(len(chosen.net.layer_sizes)) and passed
    if not passed:
        raise typer.Exit(1)


def _prove(n_sizes: int) -> bool:
    """Print the proof for a small network of as many layers, and return whether it holds."""
    from chainrule.proof import prove

    sizes = _WIDTHS[:n_sizes] if n_sizes <= len(_WIDTHS) else [1] * n_sizes
    proof = prove(sizes, derivatives=True)
    say(proof.as_derivation())
    return proof.passed
