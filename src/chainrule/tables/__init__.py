"""From a table in a file to arrays for a network, and from its outputs to a table."""

from __future__ import annotations

from chainrule.tables.columns import Column
from chainrule.tables.preparing import (
    Prepared,
    Preprocessing,
    load,
    prepare,
    save,
    with_scores,
)
from chainrule.tables.reading import is_parquet, looks_like_values, parse, read, to_csv, write
from chainrule.tables.targets import TASKS, Target, confusions, describe

__all__ = [
    "TASKS", "Column", "Prepared", "Preprocessing", "Target", "confusions", "describe",
    "is_parquet", "load", "looks_like_values", "parse", "prepare", "read", "save", "to_csv",
    "with_scores", "write",
]  # fmt: skip
