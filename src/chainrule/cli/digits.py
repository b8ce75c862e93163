"""The handwritten digits that scikit-learn ships, for those who have no table yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.errors import InputError

if TYPE_CHECKING:
    import polars

    from chainrule.numerics import Array

TARGET = "digit"
SETTINGS = {"hidden": (256,), "dropout": 0.5, "epochs": 60, "patience": 60}
"""What is better for them than what is for tables."""


def table() -> polars.DataFrame:
    """Return the digits as a table."""
    import polars as pl
    from sklearn.datasets import load_digits

    digits = load_digits()
    names = [name.removesuffix(".0") for name in digits.feature_names]
    frame = pl.DataFrame(digits.data.astype("uint8"), schema=names)
    return frame.with_columns(pl.Series(TARGET, digits.target))


def save_held_out(rows: Array, output: Path) -> Path | None:
    """Write the held-out digits beside the model, so that there is a table to predict.

    None if there is a file of that name which is something else: it was not named by the user.
    """
    from chainrule import tables

    path = output.with_name(f"{output.stem}-test.csv")
    frame = table()[rows]
    header = tables.to_csv(frame).splitlines()[0].encode()
    try:
        if path.exists():
            with open(path, "rb") as file:
                if file.readline().rstrip() != header:
                    return None
        tables.write(frame, path)
    except (OSError, InputError):
        return None
    return path
