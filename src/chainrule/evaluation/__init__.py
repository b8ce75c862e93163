"""How good predictions are, how sure that is, beside what else, and because of which columns."""

from __future__ import annotations
