"""From a raw table to a network's inputs, as transformers of scikit-learn's kind.

`Columns` settles what each column is; `encoder` puts together what scikit-learn has for each
kind, with the two transformers here that it has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, TargetEncoder
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.errors import InputError, listing
from chainrule.numerics import Array
from chainrule.tables import frames
from chainrule.tables.columns import DAY, WEEK, YEAR, cycle_names, kind_of, settled
from chainrule.tables.shapes import cycle, hats, soft, used

BEND_WEIGHT = 0.25
_FOLDS = 5
HARMONICS = {YEAR: 2, WEEK: 3, DAY: 2}
"""How often the inputs of a date go around in each period."""


# scikit-learn, which has no types, takes the keyword
class Columns(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Settles what each column of a table is: a number, a date or a category.

    What says nothing is left out: columns without values, with a single one, or of text that is
    different in nearly every row.

    Attributes
    ----------
    kinds_ : dict
        From the name of each column that is used to ``"number"``, ``"date"`` or ``"category"``.
    left_out_ : dict
        From the name of each other column to the reason.

    Examples
    --------
    >>> X = pl.DataFrame({"age": [31, 40, None], "city": ["Oslo", "Rome", "Oslo"], "of": 1})
    >>> columns = Columns().fit(X)
    >>> columns.kinds_, columns.left_out_
    ({'age': 'number', 'city': 'category'}, {'of': 'it is always 1'})
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Look at the columns of a data frame or array of shape (n, n_columns).

        Raises
        ------
        InputError
            If no column is of use.
        """
        frame = frames.read(X)
        self.names_ = frame.columns
        if len(frame) == 1:
            raise InputError("one row (n_samples = 1) teaches nothing: pass more rows")
        found = {series.name: kind_of(series) for series in frame}
        self.kinds_ = {name: kind for name, (kind, _) in found.items() if kind}
        self.left_out_ = {name: why for name, (kind, why) in found.items() if not kind}
        if not self.kinds_:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.left_out_.items())
            raise InputError(f"there is no column to predict from ({why or 'X has none'})")
        return self

    def transform(self, X: Any) -> pl.DataFrame:
        """Return the columns that are used: numbers and dates (in days) as float64, text.

        Raises
        ------
        InputError
            If a column is not there, holds something else than in training, or a number that is
            infinite or above 1e150.
        """
        check_is_fitted(self, "kinds_")
        frame = frames.read(X)
        if not frames.is_frame(X) and len(self.names_) == frame.width:
            frame.columns = self.names_  # an array has no names: its columns go by their places
        if missing := [name for name in self.kinds_ if name not in frame.columns]:
            raise InputError(
                f"X lacks the columns {listing(missing)}: pass the same columns as in training"
            )
        return pl.DataFrame([settled(frame[name], kind) for name, kind in self.kinds_.items()])

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the columns that are used."""
        return np.array(list(self.kinds_), dtype=object)


class SoftRobustScaler(RobustScaler):
    """RobustScaler, for columns that are mostly one value too, with outliers drawn in.

    z = (x - median) / (q_75 - q_25), with half the range where the quartiles are one value; then
    z / sqrt(1 + (z/3)^2), which stays between -3 and 3 (as Holzmüller et al. 2024,
    arXiv:2407.04491, section 3, found good).

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [1e9]])
    >>> [round(float(z), 1) for z in SoftRobustScaler().fit_transform(X)[:, 0]]
    [-0.9, -0.5, 0.0, 0.5, 3.0]
    """

    scale_: Array

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find median and scale of each column."""
        super().fit(X)
        quartiles = np.nanquantile(X, [0.25, 0.75], axis=0)
        spread = quartiles[1] - quartiles[0]
        half_range = np.ptp(np.asarray(X), axis=0) / 2
        scale = np.where(spread > 0, spread, half_range)  # however small
        self.scale_ = np.where(scale > 0, scale, 1.0)
        return self

    def transform(self, X: Any) -> Array:
        """Return the scaled columns, within -3 and 3."""
        z = super().transform(X)
        return soft(z)


class Bends(TransformerMixin, BaseEstimator):
    """Piecewise linear functions of a number, with which a network can bend where it likes.

    An input for each of some quantiles of the column: 1 there, falling linearly to 0 at the
    neighbours (B-splines of degree 1; Gorishniy et al. 2022, arXiv:2203.05556, found such
    encodings good). SplineTransformer would repeat knots where values repeat.

    Parameters
    ----------
    n_knots : int, default 8
        The number of quantiles; of equal ones, one is kept, and a column with fewer than three
        has no bends.

    Examples
    --------
    >>> Bends(3).fit(np.arange(5.0)[:, None]).transform([[0.0], [1.0], [9.0]]).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(self, n_knots: int = 8) -> None:
        self.n_knots = n_knots

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the knots of each column of an array of shape (n, n_columns)."""
        X = validate_data(self, X, dtype=np.float64)
        levels = np.quantile(X, np.linspace(0, 1, self.n_knots), axis=0)
        self.knots_ = [np.unique(level) for level in levels.T]
        return self

    def transform(self, X: Any) -> Array:
        """Return the functions' values, of shape (n, n_functions)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = [hats(x, knots) for x, knots in zip(X.T, self.knots_, strict=True)]
        return np.hstack([np.empty((len(X), 0), np.float32), *parts])

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the functions, such as ``age near 35``."""
        names = self.feature_names_in_ if input_features is None else input_features
        return np.array(
            [f"{n} near {knot:g}" for n, knots in zip(names, self.knots_, strict=True)
             for knot in used(knots)], dtype=object,
        )  # fmt: skip


class Cycles(TransformerMixin, BaseEstimator):
    """Where in the year, the week and the day dates are: sines and cosines of the angle.

    A cycle that the dates do not go through once is left out, and so is one in which all of them
    are at the same place, as days are that have no times. Three harmonics of a week tell its seven
    days apart, whatever their values; of a year and a day, two do what seasons need.

    Examples
    --------
    >>> days = np.arange(20.0)[:, None]
    >>> Cycles().fit(days).cycles_
    [((7.0, 1), (7.0, 2), (7.0, 3))]
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the cycles of each column of days since 1970, of shape (n, n_columns)."""
        X = validate_data(self, X, dtype=np.float64)
        self.cycles_ = [
            tuple(
                (period, harmonic)
                for period, n_harmonics in HARMONICS.items()
                if np.ptp(days) >= period and np.ptp(days % period) > 0
                for harmonic in range(1, n_harmonics + 1)
            )
            for days in X.T
        ]
        return self

    def transform(self, X: Any) -> Array:
        """Return sines and cosines, of shape (n, twice the number of cycles)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        parts = [
            cycle(days, *which)
            for days, cycles in zip(X.T, self.cycles_, strict=True)
            for which in cycles
        ]
        return np.hstack([np.empty((len(X), 0), np.float32), *parts])

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the inputs, such as ``sold (sin, week)``."""
        names = self.feature_names_in_ if input_features is None else input_features
        return np.array(
            [spoken for name, cycles in zip(names, self.cycles_, strict=True)
             for which in cycles for spoken in cycle_names(name, *which)], dtype=object,
        )  # fmt: skip


def encoder(
    frame: pl.DataFrame,
    max_one_hot: int,
    classes: Array | None,
    seed: int,
    dates: Sequence[str] = (),
) -> ColumnTransformer:
    """Return an unfitted transformer for a table as `Columns` gives it.

    Parameters
    ----------
    frame : polars.DataFrame of n rows
        Numbers and text.
    max_one_hot : int
        Categories of columns with more are encoded by statistics of the target.
    classes : array of shape (n,) or None
        The target, where classes are predicted.
    seed : int
        Of the folds in which these statistics are taken, each for the others.
    dates : sequence of str, optional
        The columns that are days since 1970.
    """
    text = [series.name for series in frame if series.dtype == pl.String]
    numbers = [name for name in frame.columns if name not in text]
    limit = max_one_hot if len(frame) >= 2 * _FOLDS else np.inf
    many = [name for name in text if frame[name].n_unique() > limit]
    few = [name for name in text if name not in many]
    kind = "continuous" if classes is None else "auto"
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    n_knots = int(np.clip(round(len(frame) ** 0.3), 4, 16))
    parts = [
        ("scaled", make_pipeline(SimpleImputer(strategy="median", add_indicator=True),
                                 SoftRobustScaler()), numbers),
        ("bends", make_pipeline(SimpleImputer(strategy="median"), Bends(n_knots)), numbers),
        ("cycles", make_pipeline(SimpleImputer(strategy="median"), Cycles()), list(dates)),
        ("one_hot", OneHotEncoder(handle_unknown="ignore", sparse_output=False,
                                  dtype=np.float32), few),
        ("by_target", make_pipeline(TargetEncoder(target_type=kind, cv=folds),
                                    SoftRobustScaler()), many),
    ]  # fmt: skip
    transformer = ColumnTransformer(
        [part for part in parts if part[2]],
        sparse_threshold=0,
        transformer_weights={"bends": BEND_WEIGHT},
        verbose_feature_names_out=False,
    )
    return transformer.set_output(transform="default")  # whatever sklearn.set_config says
