"""From a table in a file to arrays for a network, and from its outputs to a table."""

from __future__ import annotations

from chainrule.tables.columns import Column
from chainrule.tables.preparing import (
    Prepared,
    Preprocessing,
    load,
    prepare,
    preprocessing_of,
    save,
)
from chainrule.tables.reading import is_parquet, looks_like_values, parse, read, to_csv, write
from chainrule.tables.targets import TASKS, Target, confusions, describe

__all__ = [
    "TASKS", "Column", "Prepared", "Preprocessing", "Target", "confusions", "describe",
    "is_parquet", "load", "looks_like_values", "parse", "prepare", "preprocessing_of", "read",
    "save", "to_csv", "write",
]  # fmt: skip
