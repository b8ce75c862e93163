"""The command line: it parses and talks; what it does is in the floors below."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from chainrule import __version__
from chainrule.cli import (
    bench,
    check,
    diagnose,
    evaluate,
    explain,
    export,
    info,
    predict,
    studio,
    train,
)
from chainrule.cli.console import INTERRUPTED, Failure, Stopped
from chainrule.errors import (
    DivergenceError,
    FileFormatError,
    InputError,
    MissingExtraError,
    NotWrittenError,
    VerificationError,
)

__all__ = ["app", "main"]


class _Interrupted(Exception):
    """Ctrl-C; typer would end the program without a word."""


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None


app = typer.Typer(
    name="chainrule",
    cls=_Group,
    help="Feed-forward neural networks whose training is exactly the derivation on the page.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train.train)
app.command()(predict.predict)
app.command()(evaluate.evaluate)
app.command()(explain.explain)
app.command()(check.check)
app.command()(export.export)
app.command()(info.info)
app.command()(diagnose.diagnose)
app.command()(info.costs)
app.command()(info.prove)
app.command()(studio.studio)
app.command()(bench.bench)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Feed-forward neural networks whose training is exactly the derivation on the page."""
    if version:
        print(f"chainrule {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        0; 2 for a mistake of the user's, 1 for a failure (divergence, a full disk, a closed
        pipe), 130 after Ctrl-C. A mistake or failure is one sentence on standard error.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(args=given, prog_name="chainrule", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (_Interrupted, KeyboardInterrupt):
        return _say_error("interrupted; nothing was saved", INTERRUPTED)
    except Stopped as stopped:
        return _say_error(str(stopped), INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        return 1
    except NotWrittenError as error:
        return _say_error(str(error), 1)
    except (InputError, FileFormatError) as error:
        return _say_error(str(error), 2)
    except DivergenceError as error:
        return _say_error(f"{error} (nothing was saved)", 1)
    except (MissingExtraError, VerificationError, Failure) as error:
        return _say_error(str(error), 1)
    except MemoryError:
        return _say_error("not enough memory: take fewer rows, or smaller --hidden layers", 1)
    except OSError as error:
        _discard_output()
        return _say_error(f"{error.filename or 'the output'}: {error.strerror or error}", 1)
    except Exception as error:
        # The parser's errors; its package is private in some versions of typer.
        if not hasattr(error, "format_message"):
            raise
        return _say_error(f"{error.format_message()} (chainrule --help tells what there is)", 2)


def _say_error(sentence: str, code: int) -> int:
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _discard_output() -> None:
    """Send what is still to be written nowhere, or Python complains of it on its way out."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
