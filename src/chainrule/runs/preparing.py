"""From the rows of a table to all that a run trains on and is judged by."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.runs import inputs
from chainrule.runs.config import Config
from chainrule.runs.learning import POSITIVE, Rows, kind_of_loss, require_loss
from chainrule.runs.splitting import Splitter, splitter, watched_by_each
from chainrule.runs.summary import Summary, summarize
from chainrule.tables import Preprocessing, Target, Wishes, suspicions
from chainrule.tables.columns import kind_of
from chainrule.tables.preparing import no_such_column, require_finite, require_rows, scaled
from chainrule.tables.targets import decide


@dataclass(frozen=True)
class HeldOut:
    """The rows that the score is of, never trained on and never chosen by."""

    X: Array
    """Inputs of shape (n, n_inputs)."""
    truth: Array
    """Class numbers, -1 for classes that training did not have; or numbers in their unit."""
    frame: pl.DataFrame
    """The columns as they came."""
    rows: Array
    """Their places in the table, or in the file of ``--validation``, counted from 0."""
    notes: Sequence[str]
    """What is to be known of them, such as unseen categories."""


@dataclass(frozen=True)
class Prepared:
    """A table ready for training."""

    preprocessing: Preprocessing
    rows: Rows
    held: HeldOut
    how: str
    """How the held-out rows were chosen."""
    n_dropped: int
    """Rows left out because their target is missing."""
    summaries: Sequence[Summary]
    """Of all columns, in the order of the table."""
    warnings: Sequence[str] = ()
    """What looks wrong with the table."""

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.preprocessing.target


def prepare(
    frame: pl.DataFrame, held: pl.DataFrame | None, config: Config, wishes: Wishes | None = None
) -> Prepared:
    """Settle the target, split the rows and encode the columns.

    Parameters
    ----------
    frame : polars.DataFrame
        The table; it loses its columns as they are encoded, so that they are not in memory twice.
    held : polars.DataFrame or None
        The file of ``--validation``.
    config : Config
        With the target and the split.
    wishes : Wishes, optional
        How the table was read, which the model's file says too.

    Raises
    ------
    InputError
        If the target or another column is not there or cannot be used, or there are too few rows.
    """
    name = config.target
    assert name is not None
    frame, n_dropped, kept = _rows_with_target(frame, name)
    require_rows(frame, name)
    order = frame.columns
    chosen = decide(frame[name], config.task)
    labels = chosen.encode(frame[name]) if chosen.is_classification else None
    by = splitter(frame, labels, config.group, config.time)
    if held is None:
        assert isinstance(config.validation, float)
        rest, test = by.split(np.arange(frame.height), config.validation, config.seed)
        held_frame, held_rows, how = frame[test], kept[test], by.spoken
    else:
        rest, how = np.arange(frame.height), f"those of {config.validation}"
        held_frame, _, held_rows = _rows_with_target(held, name)
        if not len(held_rows):
            raise InputError(f"{config.validation} has no row with a target {name!r}: fill it")
    chosen = _learned(chosen, frame[name][rest], config)
    encoded = chosen.encode(frame[name])
    splits = [column for column in (config.group, config.time) if column is not None]
    warnings = suspicions(frame.drop(splits), chosen)
    parts = _parts(by, rest, config, frame.width)
    order_of_rows = np.concatenate(parts[0])
    Y = encoded[order_of_rows]
    kinds, left_out, summaries = _kinds(frame, rest, config)
    columns, X = inputs.learn(frame, kinds, order_of_rows, Y, chosen, config.seed)
    preprocessing = Preprocessing(columns, chosen, left_out, wishes=wishes or config.wishes)
    X_held, notes = preprocessing.encode(held_frame)
    truth = chosen.encode(held_frame[name])
    if not chosen.is_classification:
        truth = held_frame[name].cast(pl.Float64).to_numpy()
    return Prepared(
        preprocessing,
        Rows(X, Y, _as_places(parts, order_of_rows)),
        HeldOut(X_held, truth, held_frame, held_rows, notes),
        how,
        n_dropped,
        sorted(summaries, key=lambda summary: order.index(summary.name)),
        warnings,
    )


def _rows_with_target(frame: pl.DataFrame, name: str) -> tuple[pl.DataFrame, int, Array]:
    """Return the rows that have a target, how many have none, and the places of the first."""
    if name not in frame.columns:
        raise InputError(no_such_column(name, frame.columns))
    require_finite(frame)
    present = frame[name].is_not_null()
    kept = present.arg_true().to_numpy()
    if len(kept) < frame.height:
        return frame.filter(present), frame.height - len(kept), kept
    return frame, 0, kept


def _learned(target: Target, y: pl.Series, config: Config) -> Target:
    """Return the target with what is known of it from the rows that are not held out."""
    if target.is_classification:
        known = set(y.unique().to_list())
        classes = tuple(c for c in target.classes if c in known)
        if len(classes) < 2:
            raise InputError(
                f"the rows to train on have one class of {target.name!r} alone, {classes[0]!r}: "
                "add rows, or choose another split"
            )
        return dataclasses.replace(target, classes=classes)
    learned = scaled(target, y)
    loss = require_loss(config.loss, learned)
    if kind_of_loss(loss) in POSITIVE:  # whose outputs are exponentials
        return dataclasses.replace(learned, mean=0.0, scale=learned.mean)
    return learned


def _parts(by: Splitter, rest: Array, config: Config, n_columns: int) -> list[tuple[Array, Array]]:
    copies = len(rest) * n_columns * config.ensemble
    own = config.ensemble > 1 and copies <= inputs.BUDGET
    return watched_by_each(by, rest, config.ensemble, config.seed, own)


def _as_places(
    parts: Sequence[tuple[Array, Array]], order: Array
) -> list[tuple[slice | Array, slice | Array]]:
    """Return the parts as places among the encoded rows, slices where they can be."""
    n = len(parts[0][0])
    first = slice(0, n), slice(n, None)
    at = np.empty(order.max() + 1, np.intp)
    at[order] = np.arange(len(order))
    return [
        first if part[0] is parts[0][0] else (np.sort(at[part[0]]), np.sort(at[part[1]]))
        for part in parts
    ]


def _kinds(
    frame: pl.DataFrame, rest: Array, config: Config
) -> tuple[dict[str, str], dict[str, str], list[Summary]]:
    """Return the kind of each column to use, why others are left out, and what stands in all.

    A column that is left out is dropped from the frame.
    """
    kinds: dict[str, str] = {}
    left_out = dict.fromkeys(config.drop, "asked for")
    summaries = []
    for name in frame.columns:
        series = frame[name][rest]
        if name == config.target:
            summaries.append(summarize(series, "target"))
            continue
        if name == config.group:
            kind, why = "", "it groups the rows"
        else:
            kind, why = kind_of(series)
        summaries.append(summarize(series, kind, why))
        if kind:
            kinds[name] = kind
        else:
            left_out[name] = why
            frame.drop_in_place(name)
    if not kinds:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(
            f"there is no column to predict {config.target!r} from ({why or 'only the target'})"
        )
    return kinds, left_out, summaries
