"""What a check of gradients found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Culprit:
    """A function whose derivative is wrong."""

    layer: int | None
    """L, counted from 1; None for the loss."""
    name: str
    """Of the activation or loss."""
    detail: str
    """What is wrong with it, or how it was found."""

    def __str__(self) -> str:
        where = "the loss" if self.layer is None else f"layer {self.layer}, activation"
        return f"{where} {self.name!r}: {self.detail}"


@dataclass(frozen=True)
class ParameterCheck:
    """The comparison for one parameter array."""

    name: str
    """``W^1``, ``B^1``, ... and ``phi^0`` for the inputs, as in the derivation."""
    size: int
    checked: int
    """How many of the entries were compared."""
    kinks: int
    """How many of these lie on a kink, where left and right derivative differ: not counted."""
    error: float
    """The largest relative error."""
    index: tuple[int, ...]
    """The entry that has it, counted from 0; the table counts from 1, as the derivation does."""
    gradient: float
    """Our derivative there."""
    expected: float
    """The independent one."""


@dataclass(frozen=True)
class GradientCheck:
    """The report of `check_gradients`; prints as a table."""

    reference: str
    """What they were compared with, such as ``"complex step"``."""
    tolerance: float
    parameters: tuple[ParameterCheck, ...]
    culprits: tuple[Culprit, ...] = ()
    """Where the mistake is, if there is one."""

    @property
    def passed(self) -> bool:
        """Whether every error is within the tolerance."""
        return all(check.error <= self.tolerance for check in self.parameters)

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return self.worst_parameter.error

    @property
    def worst_parameter(self) -> ParameterCheck:
        """The row of the parameter that has it."""
        return max(self.parameters, key=lambda check: check.error)

    def __str__(self) -> str:
        lines = [
            f"gradients against {self.reference}, in float64",
            f"{'':<8}{'entries':>10}{'checked':>10}{'on kinks':>10}{'largest error':>16}   "
            f"{'at':<10}{'gradient':>14}{'reference':>14}",
        ]
        for check in self.parameters:
            place = ",".join(str(i + 1) for i in check.index)
            mark = "" if check.error <= self.tolerance else "   WRONG"
            lines.append(
                f"{check.name:<8}{check.size:>10,}{check.checked:>10,}{check.kinks:>10,}"
                f"{check.error:>16.1e}   {place:<10}{check.gradient:>14.6g}"
                f"{check.expected:>14.6g}{mark}"
            )
        lines += [str(culprit) for culprit in self.culprits]
        verdict = "passed" if self.passed else "FAILED"
        lines.append(f"{verdict}: tolerance {self.tolerance:.0e} relative")
        return "\n".join(lines)
