"""A run as one page that needs no network: whether the model is any good, and why."""

from __future__ import annotations
