"""From a data frame to the arrays of training, and from a saved model to predictions."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from chainrule import loading
from chainrule.errors import FileFormatError, InputError, closest, listing
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.tables.columns import Column, as_numbers, kind_of
from chainrule.tables.inputs import encode
from chainrule.tables.reading import Files, Wishes, looks_like_values, open_table
from chainrule.tables.surprises import Surprises
from chainrule.tables.targets import Target, decide

TEST_SHARE = 0.2
"""What share of the rows is held out for the score."""
VALIDATION_SHARE = 0.15
"""What share of the rest is watched for early stopping."""
FEWEST_ROWS = 5
_KEY = "table"


@dataclass(frozen=True)
class Preprocessing:
    """All that a network needs to read a table: stored in its file, as JSON."""

    columns: tuple[Column, ...]
    target: Target
    left_out: Mapping[str, str] = field(default_factory=dict)
    """The columns that are not used, with the reason."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Of the held-out rows; see `Target.scores`."""
    wishes: Wishes = field(default_factory=Wishes)
    """What the user said of the columns, which says how to read them."""

    @property
    def inputs(self) -> list[str]:
        """The names of the network's inputs."""
        blocks = zip(*(column.names for column in self.columns), strict=True)
        return [name for block in blocks for names in block for name in names]

    @property
    def text_columns(self) -> list[str]:
        """The columns to read as text."""
        return [column.name for column in self.columns if column.kind == "category"]

    def read(self, files: Files) -> pl.DataFrame:
        """Return the table of some files, read as that of training was.

        Raises
        ------
        InputError, FileFormatError
            As `open_table` and `Table.read`.
        """
        table = open_table(files)
        self.require_columns(table.names)
        return table.read(text=self.text_columns, wishes=self.wishes.among(table.names))[0]

    def encode(
        self, frame: pl.DataFrame, surprises: Surprises | None = None
    ) -> tuple[Array, list[str]]:
        """Return the network's inputs for the rows of a table.

        Parameters
        ----------
        frame : polars.DataFrame of n rows
            Has the columns of training, in any order; more do no harm.
        surprises : Surprises, optional
            What the rows before these had, where they are a part of a table.

        Returns
        -------
        array of shape (n, len(inputs)), float32
        list of str
            What a user should know of it.

        Raises
        ------
        InputError
            If columns are missing, or hold something else than in training.
        """
        self.require_columns(frame.columns)
        return encode(self.columns, frame, surprises)

    def require_columns(self, names: Sequence[str]) -> None:
        """Refuse a table that lacks a column.

        Raises
        ------
        InputError
            Naming what is missing.
        """
        there = set(names)
        missing = [column.name for column in self.columns if column.name not in there]
        if missing:
            hint = closest(missing[0], names)
            if looks_like_values(names):
                hint = "; its first line is numbers: add a line with the column names above it"
            s = "s" if len(missing) > 1 else ""
            raise InputError(f"the table lacks the column{s} {listing(missing)}{hint}")

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "target": self.target.to_json(),
            "left_out": dict(self.left_out),
            "scores": dict(self.scores),
            "wishes": self.wishes.to_json(),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Preprocessing:
        """Return what `to_json` described."""
        return cls(
            tuple(Column.from_json(column) for column in record["columns"]),
            Target.from_json(record["target"]),
            dict(record["left_out"]),
            dict(record["scores"]),
            Wishes.from_json(record.get("wishes", {})),
        )


@dataclass(frozen=True)
class Prepared:
    """A table ready for training, in three parts: columns and encoded targets."""

    target: Target
    train: tuple[pl.DataFrame, Array]
    validation: tuple[pl.DataFrame, Array]
    test: tuple[pl.DataFrame, Array]
    test_rows: Array
    """The rows of the table that are the test part."""
    n_dropped: int
    """Rows left out because their target is missing."""
    left_out: Mapping[str, str]
    """The columns that are not used, with the reason."""

    def described(self, pipeline: Any) -> Preprocessing:
        """Return the preprocessing of a fitted estimator for tables, as plain data."""
        from chainrule.tables.describing import describe_columns

        return Preprocessing(describe_columns(pipeline), self.target, self.left_out)


def prepare(frame: pl.DataFrame, target: str, task: str | None = None, seed: int = 0) -> Prepared:
    """Split a table, and settle its target.

    Parameters
    ----------
    frame : polars.DataFrame
        The table, as from `read`.
    target : str
        The column to predict.
    task : {"classification", "regression"}, optional
        Decided by the values of the target by default.
    seed : int, default 0
        Of the split.

    Raises
    ------
    InputError
        If the target is not there or cannot be predicted, or there are too few rows.
    """
    if target not in frame.columns:
        raise InputError(_no_such_column(target, frame.columns))
    for series in frame.iter_columns():
        if series.dtype.is_float():
            as_numbers(series, "number")  # finite, or the row of the file is named
    rows = frame.drop_nulls(target)
    if rows.height == 0:
        raise InputError(f"the target {target!r} is missing in every row: fill it, or name another")
    if rows.height < FEWEST_ROWS:
        s = "s" if rows.height > 1 else ""
        raise InputError(
            f"the table has {rows.height} row{s} with a target, but at least {FEWEST_ROWS} are "
            "needed to train and test: add rows"
        )
    y = rows[target]
    chosen = decide(y, task)
    labels = chosen.encode(y) if chosen.is_classification else None
    rest, test = split(rows.height, labels, TEST_SHARE, seed)
    inner = split(len(rest), None if labels is None else labels[rest], VALIDATION_SHARE, seed)
    train, validation = (rest[part] for part in inner)
    if chosen.is_classification:
        known = set(y[train].to_list())
        chosen = dataclasses.replace(chosen, classes=tuple(c for c in chosen.classes if c in known))
    else:
        chosen = _scaled(chosen, y[train])
    X, Y = rows.drop(target), chosen.encode(y)
    left_out = {name: why for name, (kind, why) in _kinds(X[train]).items() if not kind}
    if len(left_out) == X.width:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(
            f"there is no column to predict {target!r} from ({why or 'only the target'})"
        )
    validation = validation[Y[validation] >= 0] if chosen.is_classification else validation
    kept = np.flatnonzero(frame[target].is_not_null().to_numpy())
    return Prepared(
        chosen,
        train=(X[train], Y[train]),
        validation=(X[validation], Y[validation]),
        test=(X[test], Y[test]),
        test_rows=kept[test],
        n_dropped=frame.height - rows.height,
        left_out=left_out,
    )


def _kinds(frame: pl.DataFrame) -> dict[str, tuple[str, str]]:
    return {series.name: kind_of(series) for series in frame}


def _scaled(target: Target, y: pl.Series) -> Target:
    numbers = y.cast(pl.Float64).to_numpy()
    with np.errstate(over="ignore"):
        mean, scale = float(numbers.mean()), float(numbers.std())
    if not np.isfinite(mean + scale):
        raise InputError(f"the numbers of the target {target.name!r} are too large: divide them")
    low, high = float(numbers.min()), float(numbers.max())
    return dataclasses.replace(target, mean=mean, scale=scale or 1.0, low=low, high=high)


def split(n: int, labels: Array | None, share: float, seed: int) -> tuple[Array, Array]:
    """Return the rows of a larger and a smaller part, each class in both as far as it can be.

    Parameters
    ----------
    n : int
        The number of rows.
    labels : array of shape (n,) or None
        Class numbers to stratify by. Classes with a single row go to the larger part.
    share : float
        The size of the smaller part, which has at least one row.
    seed : int
        Of the shuffle.

    Examples
    --------
    >>> [part.tolist() for part in split(5, None, 0.2, seed=0)]
    [[0, 1, 3, 4], [2]]
    """
    from sklearn.model_selection import train_test_split

    rows, alone = np.arange(n), np.empty(0, np.int64)
    n_held = max(1, round(share * n))
    if labels is not None:
        counts = np.bincount(labels)
        n_classes = int((counts > 1).sum())
        if n_classes <= n_held and n_classes <= (counts > 1)[labels].sum() - n_held:
            alone, rows = rows[counts[labels] == 1], rows[counts[labels] > 1]
        else:
            labels = None
    large, small = train_test_split(
        rows,
        test_size=n_held,
        stratify=None if labels is None else labels[rows],
        random_state=seed % 2**32,
    )
    return np.sort(np.concatenate([large, alone])), np.sort(small)


def save(path: str | os.PathLike[str], net: Network, preprocessing: Preprocessing) -> None:
    """Write a network with its preprocessing; `chainrule.load` reads it too.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is unchanged.
    """
    net.feature_names = tuple(preprocessing.inputs)
    net.extra[_KEY] = preprocessing.to_json()
    net.save(path)


def load(path: str | os.PathLike[str]) -> tuple[Network, Preprocessing | None]:
    """Return a network and its preprocessing, None if it was saved without a table.

    Raises
    ------
    InputError
        If there is no such file.
    FileFormatError
        If it is not a network, damaged, or of a newer version.
    """
    net = loading.load(path)
    return net, preprocessing_of(net, str(path))


def preprocessing_of(net: Network, name: str) -> Preprocessing | None:
    """Return the preprocessing that a loaded network brought; `name` is its file, for errors.

    Raises
    ------
    FileFormatError
        If it is damaged.
    """
    record = net.extra.get(_KEY)
    if record is None:
        return None
    try:
        preprocessing = Preprocessing.from_json(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"{name} has a damaged description of its table ({error!r}): train again"
        ) from None
    if len(preprocessing.inputs) != net.layer_sizes[0]:
        raise FileFormatError(
            f"{name} describes a table of {len(preprocessing.inputs)} inputs, but its network has "
            f"{net.layer_sizes[0]}: train again"
        )
    return preprocessing


def _no_such_column(target: str, names: list[str]) -> str:
    if looks_like_values(names):
        return (
            f"there is no column {target!r}: the first line is numbers ({listing(names)}), so the "
            "column names seem to be missing; add a line with them above it"
        )
    # difflib finds nothing alike in Y and y
    same = [name for name in names if name.lower() == target.lower()]
    hint = f"; did you mean {same[0]!r}?" if same else closest(target, names)
    return f"there is no column {target!r} in the table{hint} (columns: {listing(names, most=12)})"
