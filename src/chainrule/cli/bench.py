"""`chainrule bench`: how fast this is, beside its peers, on the user's machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.console import require_writable, say, terminal, warn
from chainrule.errors import InputError, require_choice

if TYPE_CHECKING:
    from chainrule.benchmarks.suite import Record

# Above this, others use the cores that are measured.
_BUSY = 0.5


def bench(
    workloads: Annotated[
        str | None, typer.Option(help="Of the training steps: w1 to w5, such as w1,w5.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(help="Numbers of cores, such as 1,2; one and all by default.")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns for each peer: 7, with --quick 3.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Four minutes instead of twenty.")] = False,
    only: Annotated[
        str | None,
        typer.Option(
            help="Of steps, variants, ensemble, prediction, startup, memory, curves, estimators; "
            "else all."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder for the raw figures and the picture."),
    ] = None,
    picture: Annotated[
        bool, typer.Option("--picture/--no-picture", help="Draw the curves; needs --output.")
    ] = True,
) -> None:
    """Measure chainrule beside JAX, PyTorch, scikit-learn and ONNX Runtime on this machine."""
    from chainrule.benchmarks import experiments, machine, suite

    names = _names(only) or list(experiments.EXPERIMENTS)
    for name in names:
        require_choice("--only", name, experiments.EXPERIMENTS)
    # A mistake is to be told before the peers are checked, which takes a while.
    options = (_names(workloads), _numbers(threads), rounds, quick)
    suite.make_plan(*options, trainers=(), note=lambda text: None)
    if output is not None:
        _make_folder(output)
    _say_machine(machine.description())
    _say_missing()
    with _status() as note:
        agreement = suite.agreement(note)
        say("same work: after one epoch from the same weights without shuffle, off by")
        for line in agreement.lines:
            say(f"  {line}")
        plan = suite.make_plan(*options, trainers=agreement.trainers, note=note)
        record = suite.Record(plan, agreement)
        for table in record.run(plan, names):
            say(f"\n{table}")
    if output is not None:
        _write(record, output, picture)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _numbers(text: str | None) -> list[int]:
    try:
        numbers = [int(name) for name in _names(text)]
    except ValueError:
        numbers = [0]
    if any(number < 1 for number in numbers):
        raise InputError(f"--threads must be numbers of cores such as 1,2, but is {text}")
    return numbers


def _make_folder(output: Path) -> None:
    from chainrule.benchmarks.suite import JSON_NAME

    try:
        output.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--output {output} cannot be made a folder ({error.strerror}): name another"
        ) from None
    require_writable(output / JSON_NAME)


def _say_machine(description: dict[str, object]) -> None:
    packages = description["packages"]
    assert isinstance(packages, dict)
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())
    say(f"{description['processor']}, {description['cores']} cores; {description['system']}")
    say(f"chainrule {description['chainrule']}, Python {description['python']}, {versions}")
    load = description["load"]
    if isinstance(load, float) and load > _BUSY:
        warn(f"other programs use this machine (load {load:.1f}): only ratios mean something")


def _say_missing() -> None:
    from chainrule.benchmarks.peers import missing_packages

    if missing := missing_packages():
        warn(f"not installed: {', '.join(missing)} (pip install 'chainrule[bench]' adds them)")


@contextlib.contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Show what is being measured, on a terminal."""
    if console := terminal():
        with console.status("") as status:
            yield status.update
    else:
        yield lambda text: None


def _write(record: Record, output: Path, picture: bool) -> None:
    from chainrule.errors import MissingExtraError

    try:
        written = record.write(output, picture)
    except MissingExtraError as error:
        warn(str(error))
        written = record.write(output, picture=False)
    say(f"\nwritten: {', '.join(map(str, written))}")
