"""Which rows are held out for the score, and which each network watches to stop early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from chainrule.errors import InputError, closest, listing
from chainrule.numerics import Array
from chainrule.tables.preparing import split

WATCHED_SHARE = 0.15
"""What share of the rows that are not held out is watched to stop early."""


@dataclass(frozen=True)
class Splitter:
    """How rows are split: at random, by groups, or by time."""

    labels: Array | None = None
    """Class numbers of shape (n,), whose shares are kept in a random split."""
    groups: Array | None = None
    """Group numbers of shape (n,); the rows of a group stay together."""
    times: Array | None = None
    """Ranks in time of shape (n,); the last are split off, and equal ones stay together."""

    def split(self, rows: Array, share: float, seed: int) -> tuple[Array, Array]:
        """Return a larger and a smaller part of some rows, each with at least one.

        Raises
        ------
        InputError
            If there are too few rows, only one group, or one point in time.
        """
        if len(rows) < 2 or round(share * len(rows)) >= len(rows):
            raise InputError(
                f"holding out {share:g} of {len(rows)} rows leaves none to train on: take a "
                "smaller --validation, or more rows"
            )
        if self.times is not None:
            return _by_time(rows, self.times[rows], share)
        if self.groups is not None:
            return _by_group(rows, self.groups[rows], share, seed)
        large, small = split(
            len(rows), None if self.labels is None else self.labels[rows], share, seed
        )
        return rows[large], rows[small]

    @property
    def spoken(self) -> str:
        """How rows are held out, for the user."""
        if self.times is not None:
            return "the last in time"
        return "at random" if self.groups is None else "at random, by whole groups"


def _by_time(rows: Array, times: Array, share: float) -> tuple[Array, Array]:
    order = np.sort(times)
    if order[0] == order[-1]:
        raise InputError(
            "the column of --time has one value in all rows that are to be split: name a column "
            "that tells earlier from later"
        )
    first = order[min(len(order) - 1, round((1 - share) * len(order)))]
    late = times >= first if first > order[0] else times > first
    return rows[~late], rows[late]


def _by_group(rows: Array, groups: Array, share: float, seed: int) -> tuple[Array, Array]:
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 2:
        raise InputError(
            "the column of --group has one value in all rows that are to be split: name a column "
            "with three groups or more"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    reached = np.cumsum(sizes[order])
    n_held = int(np.searchsorted(reached, share * len(rows))) + 1
    held = np.isin(groups, names[order[: min(n_held, len(names) - 1)]])
    return rows[~held], rows[held]


def splitter(
    frame: pl.DataFrame, labels: Array | None, group: str | None, time: str | None
) -> Splitter:
    """Return how the rows of a table are split.

    Parameters
    ----------
    frame : polars.DataFrame of n rows
        The table, with the columns that are named.
    labels : array of shape (n,) or None
        Class numbers.
    group, time : str, optional
        The column whose values stay together, or order the rows.

    Raises
    ------
    InputError
        If there is no such column, or a row has no time.
    """
    if group is not None:
        _require_column(frame, group, "--group")
        return Splitter(labels, groups=_ranks(frame[group]))
    if time is not None:
        _require_column(frame, time, "--time")
        series = frame[time]
        if n := series.null_count():
            raise InputError(f"--time {time} is missing in {n} rows: fill it, or drop these rows")
        if not (series.dtype.is_numeric() or series.dtype.is_temporal()):
            raise InputError(
                f"--time {time} holds {series.dtype}, such as {series[0]!r}, but numbers or dates "
                "tell which row is later: write dates as 2024-01-31"
            )
        return Splitter(times=_ranks(series))
    return Splitter(labels)


def _ranks(series: pl.Series) -> Array:
    return series.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _require_column(frame: pl.DataFrame, name: str, option: str) -> None:
    if name not in frame.columns:
        raise InputError(
            f"there is no column {name!r} for {option} in the table{closest(name, frame.columns)} "
            f"(columns: {listing(frame.columns, most=12)})"
        )


def watched_by_each(
    splitter: Splitter, rows: Array, n_networks: int, seed: int, own: bool
) -> list[tuple[Array, Array]]:
    """Return the rows that each network of an ensemble trains on and those it watches.

    Parameters
    ----------
    splitter : Splitter
        How to split.
    rows : array of shape (n,)
        Those that are not held out.
    n_networks : int
        How many networks.
    seed : int
        Of the first split; each network has the next.
    own : bool
        Whether each network watches rows of its own, so that together they learn from all; else
        all watch the same. By time they always watch the last.
    """
    if splitter.times is not None or not own:
        return [splitter.split(rows, WATCHED_SHARE, seed)] * n_networks
    return [splitter.split(rows, WATCHED_SHARE, seed + i) for i in range(n_networks)]
