"""`chainrule explain`: every number of one forward and one backward pass."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.console import (
    Failure,
    require_writable,
    say,
    sayable,
    stdout_encoding,
    terminal,
    write,
)
from chainrule.errors import InputError, require_choice

if TYPE_CHECKING:
    from chainrule.tracing import Trace, WeightPaths
    from chainrule.tracing.layout import Line

MODEL_HELP = "A model file; or layers such as 2-3-1, inputs first, for a new network."
_BY_ENDING = {".json": "json", ".tex": "latex", ".html": "html", ".htm": "html", ".txt": "text"}
_STYLES = {
    "W": "cyan", "B": "cyan", "phi": "green", "rho": "green", "sigma_prime": "green",
    "omega": "magenta", "lambda_": "magenta", "C": "magenta", "grad_W": "yellow",
    "grad_B": "yellow", "title": "bold", "dim": "dim", "note": "italic", "number": "bold",
}  # fmt: skip


def explain(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)] = "2-3-1",
    data: Annotated[Path | None, typer.Option(help="A CSV or Parquet file with samples.")] = None,
    row: Annotated[
        str | None, typer.Option(help="Rows of it, counted from 0: 0, or 0,4, or 0:3.")
    ] = None,
    x: Annotated[
        list[str] | None, typer.Option(help="A sample, such as 1.0,2.0; may come again.")
    ] = None,
    y: Annotated[list[str] | None, typer.Option(help="Its target; may come again.")] = None,
    form: Annotated[str, typer.Option(help="paths, omega or lambda.")] = "lambda",
    weight: Annotated[
        str | None,
        typer.Option(help="L,j,k: the paths of one weight to the cost, all counted from 1."),
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="Of a new network's hidden layers: tanh.")
    ] = None,
    output_activation: Annotated[
        str | None, typer.Option(help="Of a new network's outputs: identity.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Of a new network; the output activation decides.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and samples at random.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="As a LaTeX document.")] = False,
    html: Annotated[bool, typer.Option("--html", help="As a page for a browser.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file: .html, .tex, .json or .txt decides too."),
    ] = None,
) -> None:
    """Show every number of one forward and one backward pass."""
    kind = _kind({"json": json, "latex": latex, "html": html}, output)
    from chainrule import notation, tracing
    from chainrule.cli.samples import subject

    require_choice("--form", form, notation.FORMS)
    place = None if weight is None else _place(weight)
    if output is not None:
        require_writable(output, [Path(model), data])
    chosen = subject(
        model,
        new={"activation": activation, "output_activation": output_activation, "loss": loss},
        data=data,
        rows=row,
        x=x or (),
        y=y or (),
        seed=seed,
        n=1,
    )
    trace = tracing.trace(chosen.net, chosen.X, chosen.Y, form)
    found = None if place is None else tracing.follow(trace, *place)
    if kind == "text" and output is None:
        _print(_lines(trace, found, chosen.told, stdout_encoding()))
        return
    content = _rendered(kind, trace, found, chosen.told)
    if output is None:
        write(content)
    else:
        _write(output, content)


def _kind(flags: dict[str, bool], output: Path | None) -> str:
    asked = [name for name, flag in flags.items() if flag]
    if len(asked) > 1:
        raise InputError(f"--{asked[0]} and --{asked[1]} are two forms of output: leave one out")
    if asked or output is None:
        return asked[0] if asked else "text"
    if output.suffix.lower() not in _BY_ENDING:
        raise InputError(
            f"the ending of {output} says nothing of its form: .html, .tex, .json or .txt, or add "
            "--html, --latex or --json"
        )
    return _BY_ENDING[output.suffix.lower()]


def _place(weight: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", weight)
    if not match:
        raise InputError(
            f"--weight must be L,j,k, such as 1,3,2 for the weight from unit 2 of layer 0 to unit "
            f"3 of layer 1, but is {weight!r}"
        )
    return int(match[1]), int(match[2]), int(match[3])


def _lines(
    trace: Trace, found: WeightPaths | None, told: str, encoding: str = "utf-8"
) -> Iterable[Line]:
    from chainrule.tracing import spelling, text

    letters = spelling.UNICODE if spelling.UNICODE.fits(encoding) else spelling.ASCII
    printer = text.Printer(shutil.get_terminal_size((100, 24)).columns, letters)
    yield from text.wrapped(told, printer.width, "dim")
    if found is None:
        yield from printer.trace(trace)
    else:
        yield from text.wrapped(text.headline(trace), printer.width)
        yield []
        yield from printer.weight(found)


def _rendered(kind: str, trace: Trace, found: WeightPaths | None, told: str) -> str:
    from chainrule.tracing import html, latex, record, text

    match kind:
        case "json":
            return record.dumps(record.of(trace, found)) + "\n"
        case "latex":
            return latex.document(trace, found, told)
        case "html":
            return html.page(trace, found, told)
    return text.plain(_lines(trace, found, told)) + "\n"


def _print(lines: Iterable[Line]) -> None:
    """Print lines as they are made, in colour on a terminal."""
    console = terminal()
    if console is None:
        for line in lines:
            say("".join(part for part, _ in line).rstrip())
        return
    from rich.text import Text

    for line in lines:
        parts = ((sayable(part), _STYLES.get(style, "")) for part, style in line)
        console.print(Text.assemble(*parts), soft_wrap=True)


def _write(output: Path, content: str) -> None:
    from chainrule import storage

    try:
        storage.write_atomically(output, content.encode())
    except InputError as error:
        # The place was checked before, so this is the disk's doing and not the user's.
        raise Failure(str(error)) from None
    say(f"written to {output}")
