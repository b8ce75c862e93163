"""`chainrule train`: from a table, or the handwritten digits, to a trained model."""

from __future__ import annotations

import shlex
from datetime import datetime as clock
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule.cli import digits, training
from chainrule.cli.console import program, require_writable
from chainrule.errors import InputError

if TYPE_CHECKING:
    from chainrule.runs.config import Config
    from chainrule.runs.folder import Folder

_COLUMNS = ("drop", "numeric", "categorical", "datetime")
_ABOUT_TABLE, _ABOUT_NETWORK, _ABOUT_RUN = "The table", "The network", "The run"


def train(
    table: Annotated[
        list[str] | None,
        typer.Argument(help="Files with a table; without one, scikit-learn's digits."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="The column to predict.", rich_help_panel=_ABOUT_TABLE),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="classification or regression; else the target decides.",
            rich_help_panel=_ABOUT_TABLE,
        ),
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option(help="Columns to leave out: id,name.", rich_help_panel=_ABOUT_TABLE),
    ] = None,
    numeric: Annotated[
        str | None,
        typer.Option(
            help="Columns that are numbers, whatever else is in them.", rich_help_panel=_ABOUT_TABLE
        ),
    ] = None,
    categorical: Annotated[
        str | None,
        typer.Option(
            help="Columns that are categories, even of numbers.", rich_help_panel=_ABOUT_TABLE
        ),
    ] = None,
    datetime: Annotated[
        str | None,
        typer.Option(
            help="Columns that are dates: when, or when=%d.%m.%Y.", rich_help_panel=_ABOUT_TABLE
        ),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(
            help="The rows that the score is of: a share, 0.2, or a file.",
            rich_help_panel=_ABOUT_TABLE,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="A column whose rows are held out together.", rich_help_panel=_ABOUT_TABLE
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="A column that tells the later rows, which are held out.",
            rich_help_panel=_ABOUT_TABLE,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="accuracy, balanced_accuracy, f1, roc_auc or log_loss; rmse, mae, median_error "
            "or r2.",
            rich_help_panel=_ABOUT_TABLE,
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            help="Units of the hidden layers, such as 64,64; or none.",
            rich_help_panel=_ABOUT_NETWORK,
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(help="Of the hidden layers: relu.", rich_help_panel=_ABOUT_NETWORK),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="What training minimises.", rich_help_panel=_ABOUT_NETWORK),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="How it does: adamw.", rich_help_panel=_ABOUT_NETWORK),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="The largest: 0.005.", rich_help_panel=_ABOUT_NETWORK)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Rows in a step: 16, more for large tables.", rich_help_panel=_ABOUT_NETWORK
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The most passes over the data: 50, digits 60.",
            rich_help_panel=_ABOUT_NETWORK,
        ),
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many networks are averaged: 1.", rich_help_panel=_ABOUT_NETWORK
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder for the run, named after the table and the time; or "
            "NAME.safetensors, for the model alone.",
            rich_help_panel=_ABOUT_RUN,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the split and the weights: 0.", rich_help_panel=_ABOUT_RUN),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(help="For training, such as 60s, 5m or 1h.", rich_help_panel=_ABOUT_RUN),
    ] = None,
    tune: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many trials look for better settings.", rich_help_panel=_ABOUT_RUN
        ),
    ] = None,
    no_baselines: Annotated[
        bool,
        typer.Option(
            "--no-baselines",
            help="Without a linear model and gradient boosting to compare with.",
            rich_help_panel=_ABOUT_RUN,
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file with these settings, such as that of an earlier run.",
            rich_help_panel=_ABOUT_RUN,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in the folder -o.", rich_help_panel=_ABOUT_RUN
        ),
    ] = False,
) -> None:
    """Train a network on a table, or on handwritten digits, and say how good it is."""
    options = _options(locals())
    if resume:
        training.run(*_resumed(options, config, output), resume=True)
    else:
        settings = _settings(options, config)
        training.run(settings, *_place(settings, output), resume=False)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given as options, by the names of the settings."""
    from chainrule.runs import config as reading
    from chainrule.tables import names_in

    hidden, limit = given.pop("hidden"), given.pop("time_limit")
    found = {
        name: names_in(value) if name in _COLUMNS else value
        for name, value in given.items()
        if name not in ("config", "output", "resume", "no_baselines", "table")
    }
    found["tables"] = tuple(given["table"] or ())
    if hidden is not None:
        found["hidden"] = parse_sizes(hidden, "--hidden", none_allowed=True)
    if limit is not None:
        found["time_limit"] = reading.seconds(limit)
    if given["validation"] is not None:
        found["validation"] = reading.share_or_file(given["validation"])
    if given["no_baselines"]:
        found["baselines"] = False
    return {
        name: value
        for name, value in found.items()
        if value is not None and (value != () or (name == "hidden" and hidden is not None))
    }


def _settings(options: dict[str, Any], file: Path | None) -> Config:
    """Return the settings of a new run, from options and a file."""
    from chainrule.runs.config import TUNED, Config, read

    settings = (read(file) if file else {}) | options
    if not settings.get("tables"):
        name = settings.get("target", digits.TARGET)
        if name != digits.TARGET:
            raise InputError(
                f"--target {name} needs a table: chainrule train TABLE --target {name}"
            )
        if settings.get("task") == "regression":
            raise InputError("the digits are classes: leave --task out, or name a table")
        settings = {**digits.SETTINGS, **settings, "target": digits.TARGET}
    elif "target" not in settings:
        command = shlex.join([program(), "train", *settings["tables"]])
        raise InputError(f"name the column to predict: {command} --target COLUMN")
    if settings.get("tune") and "fixed" not in settings:
        settings["fixed"] = tuple(name for name in TUNED if name in settings)
    return Config(**settings)


def _place(config: Config, output: Path | None) -> tuple[Folder | None, Path]:
    """Return the folder of a run, None for a model alone, and where the model is saved."""
    from chainrule.loading import MODEL
    from chainrule.runs import folder as folders

    if output is None and not config.tables:
        output = Path("digits.safetensors")
    if output is None:
        now = clock.now().strftime("%Y%m%d-%H%M%S")
        output = folders.default_path(Path(config.tables[0]), now)
    if output.suffix == ".safetensors" or output.is_file():
        inputs = [Path(table) for table in config.tables if table != "-"]
        require_writable(output, inputs)
        if config.tune:
            raise InputError(
                f"--tune keeps its trials in a folder, but -o {output} is a file: name a folder"
            )
        return None, output
    if not output.parent.is_dir():
        raise InputError(
            f"cannot make {output}: there is no folder {output.parent}; create it first"
        )
    folder = folders.Folder(output)
    folder.require_free()
    require_writable(output / MODEL if output.is_dir() else output)
    return folder, output / MODEL


def _resumed(
    options: dict[str, Any], file: Path | None, output: Path | None
) -> tuple[Config, Folder, Path]:
    """Return the settings, the folder and the model of a run to go on with."""
    from chainrule.loading import MODEL
    from chainrule.runs import folder as folders
    from chainrule.runs import toml
    from chainrule.runs.config import Config, read

    if output is None:
        raise InputError("--resume needs the folder of the run: chainrule train --resume -o FOLDER")
    if file is not None:
        raise InputError("--resume goes on with the settings of the run: leave --config out")
    folder = folders.Folder(output)
    settings = read(folder.require_unfinished())
    for name, value in options.items():
        if settings.get(name, getattr(Config(), name)) != value:
            was = toml.dumps({name: settings.get(name, getattr(Config(), name))}) or "without it"
            raise InputError(
                f"the run in {output} was begun with {was}, which --resume cannot change: leave "
                f"--{name.replace('_', '-')} out, or begin another run"
            )
    return Config(**settings), folder, output / MODEL


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
