"""The user's table as samples: as new, or as the network wants it that comes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.errors import InputError, closest, listing
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.studio.datasets import TABLE, Dataset

if TYPE_CHECKING:
    import polars

    from chainrule.tables import Preprocessing

_MOST_ONE_HOT = 40
_MOST_TARGETS = 50_000_000
"""Of classes, each of which takes a number of every row."""


def of_table(frame: polars.DataFrame, target: str) -> Dataset:
    """Return a table's samples, prepared as `chainrule train` does.

    Raises
    ------
    InputError
        If the target is not there or cannot be predicted, or there are too few rows.
    """
    from sklearn.pipeline import Pipeline

    from chainrule import tables
    from chainrule.tables.encoding import Columns, encoder

    prepared = tables.prepare(frame, target)
    task = prepared.target
    rows, y = prepared.train
    columns = Columns().fit(rows)
    settled = columns.transform(rows)
    encode = encoder(settled, _MOST_ONE_HOT, y if task.is_classification else None, seed=0)
    encode.fit(settled, y)
    found = prepared.described(Pipeline([("columns", columns), ("encode", encode)]))
    return _of_parts(found, [prepared.train, prepared.validation], prepared.test)


def of_known_table(frame: polars.DataFrame, known: Preprocessing) -> Dataset:
    """Return a table's samples as a network that was trained on such a table takes them.

    Raises
    ------
    InputError
        If the table is another.
    """
    from chainrule import tables

    target = known.target
    tables.prepare(frame, target.name, target.task)  # or it is said what is wrong
    rows = frame.drop_nulls(target.name)
    y = target.encode(rows[target.name])
    if target.is_classification:
        rows, y = rows[np.flatnonzero(y >= 0)], y[y >= 0]
    train, test = ((rows[i], y[i]) for i in _split(y, target.is_classification))
    return _of_parts(known, [train], test)


def of_numbers(frame: polars.DataFrame, target: str, net: Network) -> Dataset:
    """Return a table's numbers as they are, for a network that was saved without a table.

    Raises
    ------
    InputError
        If they are not what the network takes.
    """
    import polars as pl
    import polars.selectors as cs

    from chainrule.tables.columns import as_numbers

    if target not in frame.columns:
        raise InputError(f"there is no column {target!r}{closest(target, frame.columns)}")
    a = net.architecture
    rest = frame.drop(target)
    own = net.feature_names
    names = own if own and set(own) <= set(rest.columns) else rest.select(
        cs.numeric() | cs.boolean()).columns  # fmt: skip
    if len(names) != a.n_inputs:
        raise InputError(
            f"the model takes {a.n_inputs} numbers, but the table has {len(names)} numeric columns "
            f"beside {target!r} ({listing(names)})"
        )
    columns = [as_numbers(frame[name], "number") for name in (*names, target)]
    if missing := [column.name for column in columns if column.null_count()]:
        raise InputError(
            f"values are missing in {listing(missing)}, and the model was saved without what "
            "could fill them: train on a table that has them all"
        )
    X = pl.DataFrame(columns[:-1]).to_numpy().astype(np.float32)
    y = columns[-1].to_numpy()
    n = a.n_targets
    of_classes = a.loss.name == "cross_entropy" and n > 1
    if of_classes and not np.isin(y, np.arange(n)).all():
        raise InputError(f"{target!r} must be class numbers from 0 to {n - 1} for this model")
    Y = np.eye(n)[y.astype(int)] if of_classes else y[:, None]
    classes = range(n) if of_classes else range(2 * (a.loss.name == "binary_cross_entropy"))
    train, test = _split(y, bool(classes))
    Y = Y.astype(np.float32)
    return Dataset(
        TABLE, X[train], Y[train], X[test], Y[test], tuple(names), tuple(map(str, classes))
    )


def _split(y: Array, of_classes: bool) -> tuple[Array, Array]:
    """Return the rows to train on and those that `chainrule train` holds out."""
    from chainrule.tables.preparing import TEST_SHARE, split

    return split(len(y), y.astype(int) if of_classes else None, TEST_SHARE, seed=0)


def _of_parts(
    found: Preprocessing,
    train: list[tuple[polars.DataFrame, Array]],
    test: tuple[polars.DataFrame, Array],
) -> Dataset:
    target = found.target
    classes = tuple(map(str, target.classes)) if target.is_classification else ()
    n = sum(len(y) for _, y in train)
    if len(classes) * n > _MOST_TARGETS:
        raise InputError(
            f"the target {target.name!r} has {len(classes):,} classes in {n:,} rows, too many to "
            "be learned here: choose another target"
        )

    def part(*parts: tuple[polars.DataFrame, Array]) -> tuple[Array, Array]:
        # a class that only held-out rows have is none that can be learned
        known = [(X[np.flatnonzero(y >= 0)], y[y >= 0]) if classes else (X, y) for X, y in parts]
        X = np.concatenate([found.encode(X)[0] for X, _ in known])
        Y = np.concatenate([y for _, y in known])
        # one output is enough for two classes, as for `chainrule train`
        Y = np.eye(len(classes), dtype=np.float32)[Y] if len(classes) > 2 else Y[:, None]
        return X.astype(np.float32), Y.astype(np.float32)

    return Dataset(TABLE, *part(*train), *part(test), tuple(found.inputs), classes, found)
