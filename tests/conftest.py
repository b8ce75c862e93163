"""What all tests share."""

from __future__ import annotations

import os

# Before NumPy is imported: the products here are too small for a second thread, and two that
# wait for each other on a busy machine take a hundred times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis

# The same examples on every run, and no deadline.
hypothesis.settings.register_profile(
    "chainrule", derandomize=True, deadline=None, max_examples=50, database=None
)
hypothesis.settings.load_profile("chainrule")
