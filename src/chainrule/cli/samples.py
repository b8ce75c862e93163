"""What `explain` and `check` look at: a network, and a few samples with their targets."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule import batches, loading
from chainrule.architecture import Architecture, usual_loss
from chainrule.cli.console import warn
from chainrule.errors import InputError, listing
from chainrule.network import Network
from chainrule.numerics import Array

if TYPE_CHECKING:
    import polars

    from chainrule.tables import Preprocessing


@dataclass(frozen=True)
class Subject:
    """A network with samples: X of shape (n, n_0), Y as `Network.loss_value` takes it."""

    net: Network
    X: Any
    Y: Any
    told: str
    """Where they come from."""


def subject(
    model: str,
    *,
    new: dict[str, str | None],
    data: Path | None,
    rows: str | None,
    x: Sequence[str],
    y: Sequence[str],
    seed: int,
    n: int,
) -> Subject:
    """Return the network and the samples that the options name.

    Parameters
    ----------
    model : str
        A file, or the layers of a new network.
    new : dict
        The options that describe a new network: activation, output_activation, loss.
    data, rows : path and str, optional
        A table and which of its rows, counted from 0: ``"0"``, ``"0,4"``, ``"0:3"``.
    x, y : sequences of str
        Samples and targets as numbers (for a model of a table: values) with commas between.
    seed : int
        Of a new network's weights and of random samples.
    n : int
        The number of samples where the options do not say.

    Raises
    ------
    InputError
        Saying which option is wrong.
    """
    net, preprocessing = _network(model, new, seed)
    if data is None and rows is not None:
        raise InputError("--row is a row of a table: name it with --data TABLE")
    if data is not None and x:
        raise InputError("--data and --x are two ways to give samples: leave one out")
    if data is not None:
        X, Y, told = _from_table(net, preprocessing, data, rows, n, with_targets=not y)
    elif x:
        X, Y = _given(net, preprocessing, x), None
        told = "the sample given" if len(x) == 1 else f"the {len(x)} samples given"
    else:
        rng = np.random.default_rng(seed)
        n = len(y) or n
        X = rng.normal(size=(n, net.layer_sizes[0])).round(2)
        Y = _random_targets(net.architecture, n, rng)
        s = "s" if n > 1 else ""
        told = (
            f"{n} random sample{s}, seed {seed} (--data TABLE --row 0, or --x and --y, for yours)"
        )
    if y:
        Y = _targets(net, preprocessing, y)
    if Y is None:
        raise InputError(f"there is no target for {told}: give it with --y")
    batches.require_targets_in_range(batches.data(net.architecture, X, Y).Y, net.architecture)
    return Subject(net, X, Y, told)


def _network(
    model: str, new: dict[str, str | None], seed: int
) -> tuple[Network, Preprocessing | None]:
    if re.fullmatch(r"\d+([-,]\d+)+", model) and not Path(model).exists():
        output = new["output_activation"] or "identity"
        return Network(
            [int(size) for size in re.split("[-,]", model)],
            activation=new["activation"] or "tanh",
            output_activation=output,
            loss=new["loss"] or usual_loss(output),
            dtype="float64",
            seed=seed,
        ), None
    if given := [name for name, value in new.items() if value is not None]:
        option = "--" + given[0].replace("_", "-")
        raise InputError(f"{option} is for a new network, such as 2-3-1: {model} is a file")
    if not Path(model).exists() and not model.endswith(".safetensors"):
        raise InputError(
            f"there is no file {model}: name a model file, or the layers of a new network, such "
            "as 2-3-1"
        )
    net = loading.load(model)
    if "table" not in net.extra:
        return net, None  # and what reads tables need not be imported
    from chainrule import tables

    return tables.load(model)


def _from_table(
    net: Network,
    preprocessing: Preprocessing | None,
    data: Path,
    rows: str | None,
    n: int,
    with_targets: bool,
) -> tuple[Any, Any, str]:
    from chainrule import tables

    frame = preprocessing.read(data) if preprocessing else tables.read(data)
    chosen = _rows(rows, frame.height, n)
    frame = frame[chosen]
    s = "s" if len(chosen) > 1 else ""
    told = f"row{s} {listing([str(i) for i in chosen])} of {data}"
    if preprocessing is None:
        names = _inputs(net, frame, data)
        X = _finite(frame.select(names), chosen, data)
        return (
            X,
            _plain_targets(net, frame.drop(names), chosen, data) if with_targets else None,
            told,
        )
    X = _encoded(preprocessing, frame)
    target = preprocessing.target
    if not with_targets or target.name not in frame.columns:
        return X, None, told
    if frame[target.name].null_count():
        raise InputError(f"{target.name} is missing in these rows of {data}: give it with --y")
    return X, _encoded_target(preprocessing, frame[target.name]), told


def _rows(rows: str | None, height: int, n: int) -> list[int]:
    """Return the rows that an option names."""
    if rows is None:
        return list(range(min(n, height)))
    chosen: list[int] = []
    for part in rows.split(","):
        match = re.fullmatch(r"\s*(\d+)(?::(\d+))?\s*", part)
        if not match:
            raise InputError(
                f"--row takes rows counted from 0, such as 0 or 0,4 or 0:3, but got {rows!r}"
            )
        first = int(match[1])
        end = first + 1 if match[2] is None else int(match[2])
        if not first < end <= height:
            raise InputError(
                f"there is no row {part.strip() if end <= first else max(first, height)}: the "
                f"table has {height:,} rows, counted from 0"
            )
        chosen += range(first, end)
    return chosen


def _inputs(net: Network, frame: polars.DataFrame, data: Path) -> list[str]:
    """Return the inputs of a network that was saved without a table: by name, or the first."""
    numeric = _numeric(frame)
    n_in = net.layer_sizes[0]
    names = list(net.feature_names or numeric.columns[:n_in])
    if not set(names) <= set(numeric.columns) or len(names) != n_in:
        raise InputError(
            f"the network takes {n_in} numbers, but {data} has {numeric.width} numeric columns "
            f"({listing(numeric.columns)})"
        )
    return names


def _plain_targets(net: Network, rest: polars.DataFrame, chosen: Sequence[int], data: Path) -> Any:
    """Return what stands beside the inputs as targets, None where nothing does."""
    numeric, n_targets = _numeric(rest), net.architecture.n_targets
    if numeric.width == 0:
        return None
    if numeric.width == 1 and net.architecture.loss.name == "cross_entropy":
        return _finite(numeric, chosen, data)[:, 0]
    if numeric.width != n_targets:
        s = "s" if numeric.width > 1 else ""
        raise InputError(
            f"{data} has {numeric.width} numeric column{s} beside the inputs, but the target has "
            f"{n_targets}: keep those, or give the target with --y"
        )
    return _finite(numeric, chosen, data)


def _numeric(frame: polars.DataFrame) -> polars.DataFrame:
    import polars.selectors as cs

    return frame.select(cs.numeric() | cs.boolean())


def _finite(frame: polars.DataFrame, chosen: Sequence[int], data: Path) -> Array:
    """Return columns as an array, or say which of the chosen rows lacks a number."""
    values = frame.to_numpy().astype(np.float64)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        i, k = wrong[0]
        raise InputError(
            f"row {chosen[i]} of {data} has {values[i, k]} in the column {frame.columns[k]}, but "
            "every number must be finite: choose other rows"
        )
    return values


def _given(net: Network, preprocessing: Preprocessing | None, x: Sequence[str]) -> Any:
    if preprocessing is None:
        return _numbers("--x", x, net.layer_sizes[0], "inputs")
    from chainrule import tables

    names = [column.name for column in preprocessing.columns]
    lines = [next(csv.reader([line])) for line in x]
    for fields in lines:
        if len(fields) != len(names):
            raise InputError(
                f"--x must have {len(names)} values with commas between them "
                f"({listing(names, most=12)}), but has {len(fields)}"
            )
    buffer = io.StringIO()
    csv.writer(buffer).writerows([names, *lines])
    frame = tables.parse(buffer.getvalue(), "--x", text=preprocessing.text_columns)
    return _encoded(preprocessing, frame)


def _encoded(preprocessing: Preprocessing, frame: polars.DataFrame) -> Array:
    X, notes = preprocessing.encode(frame)
    for note in notes:
        warn(note)
    return X


def _encoded_target(preprocessing: Preprocessing, series: polars.Series) -> Array:
    from chainrule import tables

    target = preprocessing.target
    encoded = target.encode(series)
    if target.is_classification and (encoded < 0).any():
        unknown = series[int(np.argmax(encoded < 0))]
        raise InputError(
            f"{unknown!r} is none of the classes of {target.name}: "
            f"{tables.describe(target.classes)}"
        )
    return encoded


def _targets(net: Network, preprocessing: Preprocessing | None, y: Sequence[str]) -> Any:
    if preprocessing is not None:
        import polars

        return _encoded_target(preprocessing, polars.Series(preprocessing.target.name, list(y)))
    architecture = net.architecture
    if architecture.loss.name == "cross_entropy" and all("," not in line for line in y):
        return _numbers("--y", y, 1, "class number")[:, 0]
    return _numbers("--y", y, architecture.n_targets, "targets")


def _numbers(option: str, lines: Sequence[str], wanted: int, what: str) -> Array:
    rows = []
    for line in lines:
        try:
            row = [float(part) for part in line.split(",")]
        except ValueError:
            raise InputError(
                f"{option} must be numbers with commas between them, such as 1.0,2.0, but is "
                f"{line!r}"
            ) from None
        if len(row) != wanted:
            raise InputError(f"{option} must have {wanted} {what}, but {line!r} has {len(row)}")
        if not all(map(math.isfinite, row)):
            raise InputError(f"{option} must be finite numbers, but is {line!r}")
        rows.append(row)
    return np.array(rows)


def _random_targets(architecture: Architecture, n: int, rng: np.random.Generator) -> Array:
    """Return targets that make sense for the loss."""
    shape = n, architecture.n_targets
    match architecture.loss.name:
        case "cross_entropy" if shape[1] > 1:
            return rng.integers(shape[1], size=n)
        case "binary_cross_entropy" | "cross_entropy":
            return rng.integers(2, size=shape)
        case "hinge":
            return 2 * rng.integers(2, size=shape) - 1
        case "poisson":
            return rng.poisson(2, size=shape)
        case "gamma":
            return rng.gamma(2, size=shape).round(2) + 0.01
    return rng.normal(size=shape).round(2)
