"""What a diagnosis says: findings, and a table of the layers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from chainrule.numerics import Array


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in one sentence.

    Examples
    --------
    >>> print(Finding("dead relus", "30 of 32 units are 0 for every sample", "lower the rate", 2))
    dead relus in layer 2: 30 of 32 units are 0 for every sample; lower the rate
    """

    cause: str
    evidence: str
    """What was seen, with its numbers."""
    remedy: str
    """What is known to help."""
    layer: int | None = None
    """L, counted from 1; None where it is not about one layer."""
    severity: str = "severe"
    """``"severe"`` where training cannot succeed so, ``"moderate"`` where it suffers."""

    def __str__(self) -> str:
        where = "" if self.layer is None else f" in layer {self.layer}"
        return f"{self.cause}{where}: {self.evidence}; {self.remedy}"


class Distribution(NamedTuple):
    """How the values of one quantity are distributed over units and samples."""

    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class LayerRow:
    """The distributions of one layer."""

    layer: int
    """L, counted from 1."""
    units: int
    activation: str
    rho: Distribution
    """Pre-activations."""
    phi: Distribution
    """Outputs."""
    omega: Distribution
    """dC/dphi^L, times the number of samples: each sample's own."""
    lambda_: Distribution
    """dC/drho^L, times the number of samples."""
    lambda_norm: float
    """The root mean square over samples of the length of lambda^L."""
    factor: float | None
    """What `lambda_norm` is multiplied by on the way down from layer L + 1."""
    flat: float | None
    """The share of units and samples on a flat part of the activation."""
    dead: float | None
    """The share of units that are flat for every sample."""
    update: float
    """The length of the next step of W^L relative to that of W^L."""


@dataclass(frozen=True)
class Diagnosis:
    """The report of `diagnose`; prints as a table and one line for each finding."""

    findings: tuple[Finding, ...]
    """The most likely cause first; empty for a healthy network."""
    table: tuple[LayerRow, ...]
    loss: float
    """C of the samples looked at."""
    naive_loss: float
    """C of the best prediction that ignores the inputs."""
    n_rows: int
    """How many samples were looked at."""
    step: str
    """Of which step the table shows the update."""

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def causes(self) -> tuple[str, ...]:
        """The cause of each finding."""
        return tuple(finding.cause for finding in self.findings)

    def __str__(self) -> str:
        cells = [HEADERS, *(row_cells(row) for row in self.table)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        lines += ["", self.summary, ""]
        if self.healthy:
            lines.append("Nothing found.")
        lines += [f"{i}. {finding}" for i, finding in enumerate(self.findings, 1)]
        return "\n".join(lines).rstrip()

    @property
    def summary(self) -> str:
        """What the numbers were taken from, in one sentence."""
        return (
            f"{self.n_rows:,} samples, loss {self.loss:.4g} ({self.naive_loss:.4g} for the best "
            f"constant prediction); mean ± standard deviation; update: {self.step}"
        )

    def _repr_html_(self) -> str:
        from chainrule.notebook import html

        found = html.ordered_list([html.bold_start(str(finding)) for finding in self.findings])
        return html.block(
            html.table(HEADERS, [row_cells(row) for row in self.table]),
            html.paragraph(self.summary),
            found if self.findings else html.paragraph("Nothing found."),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers; None for what is not finite."""
        rows = []
        for row in self.table:
            record = asdict(row)
            for symbol in ("rho", "phi", "omega", "lambda_"):
                record[symbol] = getattr(row, symbol)._asdict()
            rows.append(record)
        return _finite(
            {
                "findings": [asdict(finding) for finding in self.findings],
                "table": rows,
                "loss": self.loss,
                "naive_loss": self.naive_loss,
                "n_rows": self.n_rows,
                "step": self.step,
            }
        )

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict())


HEADERS = ("layer", "units", "activation", "rho", "phi", "omega", "lambda", "factor", "flat",
           "dead", "update/W")  # fmt: skip


def distribution(values: Array, scale: float = 1.0) -> Distribution:
    """Return how values are distributed, each multiplied by `scale`.

    Examples
    --------
    >>> import numpy as np
    >>> distribution(np.array([1.0, 3.0]), 2)
    Distribution(mean=4.0, std=2.0, low=2.0, high=6.0)
    """
    return Distribution(
        *(float(value) * scale for value in (values.mean(), values.std())),
        *(float(value) * scale for value in (values.min(), values.max())),
    )


def row_cells(row: LayerRow) -> tuple[str, ...]:
    """Return the row as text."""
    spread = [f"{d.mean:.2g} ± {d.std:.2g}" for d in (row.rho, row.phi, row.omega, row.lambda_)]
    return (
        str(row.layer), str(row.units), row.activation, *spread,
        "" if row.factor is None else f"{row.factor:.2g}", _share(row.flat), _share(row.dead),
        f"{row.update:.1e}",
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _finite(value: Any) -> Any:
    """Return the value with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
