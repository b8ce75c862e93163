"""Dates that are not written as ISO 8601 has them, where the user says that they are dates."""

from __future__ import annotations

import polars as pl

from chainrule.errors import InputError

ISO = "ISO 8601"
# Seconds, milliseconds, ... since 1970 are told apart by their size: until the year 5138.
_SINCE_1970 = {"seconds": 1e11, "milliseconds": 1e14, "microseconds": 1e17}
_PER_SECOND = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y",
    "%m-%d-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d/%m/%y",
    "%m/%d/%y", "%d.%m.%y", "%Y-%m", "%b %Y", "%B %Y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")


def found_out(values: pl.Series) -> str:
    """Return how dates are written, if one way fits every value that is there.

    Parameters
    ----------
    values : polars.Series
        Dates, text, or whole numbers.

    Raises
    ------
    InputError
        If no way fits, or two do that give other days.

    Examples
    --------
    >>> found_out(pl.Series(["31/01/2024", "02/01/2024"]))
    '%d/%m/%Y'
    """
    if values.dtype.is_temporal():
        return ISO
    if values.dtype.is_numeric():
        return _of_numbers(values)
    different = values.drop_nulls().unique(maintain_order=True)
    number = different.cast(pl.Float64, strict=False)
    if not len(different):
        return ISO
    if not number.null_count() and number.min() >= 1e8:  # type: ignore[operator]
        return _of_numbers(number)
    fits = {way: read for way in _ways() if (read := _parsed(different, way)) is not None}
    if not fits:
        raise InputError(
            f"--datetime {values.name}: dates such as {different[0]!r} are not known: write them "
            "like 2024-01-31 or 2024-01-31 13:45:00"
        )
    way, first = next(iter(fits.items()))
    for other, read in fits.items():
        if not read.equals(first):
            raise InputError(
                f"--datetime {values.name}: {different[0]!r} and all others may be read as {way} "
                f"and as {other}: write them like 2024-01-31"
            )
    return way


def read(values: pl.Series, written: str, n_rows_before: int = 0) -> pl.Series:
    """Return dates with times of day for values that are written in one way.

    Parameters
    ----------
    values : polars.Series
        Text or numbers; or dates, which stay what they are.
    written : str
        As `found_out` gives it.
    n_rows_before : int, default 0
        Of the whole table, for the message.

    Raises
    ------
    InputError
        If a value is written in another way; the row is named.
    """
    if values.dtype.is_temporal():
        return values
    if written in _SINCE_1970:
        numbers = values.cast(pl.Float64, strict=False)
        found = (numbers * (1_000_000 / _PER_SECOND[written])).cast(pl.Int64)
        found = found.cast(pl.Datetime("us"))
    else:
        whole = values.cast(pl.Int64) if values.dtype.is_float() else values  # 20240131.0
        found = _tried(whole.cast(pl.String), written)
    wrong = found.is_null() & values.is_not_null()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise InputError(
            f"column {values.name!r} must hold dates written as {written}, but row "
            f"{n_rows_before + row + 1} has {values[row]!r}: correct it, or leave it empty"
        )
    return found


def iso(text: pl.Series) -> pl.Series:
    """Return times for text like 2024-01-31 13:45:00, in UTC; null for what is written otherwise.

    Examples
    --------
    >>> iso(pl.Series(["2024-01-31", "2024-01-31T13:45Z", "31.1."])).to_list()
    [datetime.datetime(2024, 1, 31, 0, 0), datetime.datetime(2024, 1, 31, 13, 45), None]
    """
    days = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    if days.null_count() == text.null_count():
        return days
    # polars would read other orders of year, month and day, too
    stamps = text.str.extract(r"^(\d{4}-\d\d-\d\d[T ]\d.*)$")
    try:
        times = stamps.str.to_datetime(strict=False, time_unit="us", time_zone="UTC")
    except pl.exceptions.PolarsError:
        return days
    return days.fill_null(times.dt.replace_time_zone(None))


def _of_numbers(numbers: pl.Series) -> str:
    there = numbers.drop_nulls().cast(pl.Float64).to_list()
    if not there:
        return ISO
    low, high = min(there), max(there, key=abs)
    if 19_000_000 <= low and high < 21_000_000:
        return "%Y%m%d"
    for unit, limit in _SINCE_1970.items():
        if abs(high) < limit:
            return unit
    raise InputError(
        f"--datetime {numbers.name}: numbers such as {high:g} are no seconds since 1970: write "
        "dates like 2024-01-31"
    )


def _ways() -> list[str]:
    return [ISO, *(day + time for time in _TIMES for day in _DAYS)]


def _parsed(different: pl.Series, way: str) -> pl.Series | None:
    # most ways fail at the first values
    if _tried(different.head(20), way).null_count():
        return None
    found = _tried(different, way)
    return None if found.null_count() else found


def _tried(text: pl.Series, way: str) -> pl.Series:
    nothing = text.clear(len(text)).cast(pl.Datetime("us"))
    try:
        if way == ISO:
            return iso(text)
        if "%H" in way or "%I" in way:
            return text.str.to_datetime(way, strict=False, time_unit="us")
        if "%d" not in way:
            way, text = way + " %d", text + " 1"
        return text.str.to_date(way, strict=False).cast(pl.Datetime("us"))
    except pl.exceptions.PolarsError:
        return nothing
