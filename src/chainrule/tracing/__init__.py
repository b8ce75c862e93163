"""One forward and one backward pass laid open: computed, and shown in several ways."""

from __future__ import annotations

from chainrule.tracing.traces import Step, Trace, trace
from chainrule.tracing.weight import WeightPaths, follow

__all__ = ["Step", "Trace", "WeightPaths", "follow", "trace"]
