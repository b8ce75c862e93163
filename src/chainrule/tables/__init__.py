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
from chainrule.tables.reading import (
    Table,
    Wishes,
    looks_like_values,
    names_in,
    open_table,
    parse,
    read,
)
from chainrule.tables.suspicions import suspicions
from chainrule.tables.targets import TASKS, Target, confusions, describe
from chainrule.tables.writing import format_to_write, to_csv, write, write_all

__all__ = [
    "TASKS", "Column", "Prepared", "Preprocessing", "Table", "Target", "Wishes", "confusions",
    "describe", "format_to_write", "load", "looks_like_values", "names_in", "open_table", "parse",
    "prepare", "preprocessing_of", "read", "save", "suspicions", "to_csv", "write", "write_all",
]  # fmt: skip
