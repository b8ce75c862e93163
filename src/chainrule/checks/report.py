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
    uncertain: int
    """How many change with the last digits of weights and inputs by more than the tolerance, so
    that nothing can be said of them: not counted either."""
    error: float
    """The largest relative error."""
    index: tuple[int, ...]
    """The entry that has it, counted from 0; the table counts from 1, as the derivation does."""
    gradient: float
    """Our derivative there."""
    expected: float
    """The independent one."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return (
            self.name, f"{self.size:,}", f"{self.checked:,}", f"{self.kinks:,}",
            f"{self.error:.1e}", ",".join(str(i + 1) for i in self.index),
            f"{self.gradient:.6g}", f"{self.expected:.6g}",
        )  # fmt: skip


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
        return not any(map(self._is_wrong, self.parameters))

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return self.worst_parameter.error

    @property
    def worst_parameter(self) -> ParameterCheck:
        """The row of the parameter that has it."""
        return max(self.parameters, key=lambda check: check.error)

    def __str__(self) -> str:
        table = [_HEADERS, *(check.cells for check in self.parameters)]
        widths = (8, 10, 10, 10, 16, 10, 14, 14)
        lines = [self._title]
        for (name, *numbers, at, gradient, expected), wrong in zip(
            table, [False, *map(self._is_wrong, self.parameters)], strict=True
        ):
            padded = [f"{name:<{widths[0]}}"]
            padded += (f"{text:>{n}}" for text, n in zip(numbers, widths[1:5], strict=True))
            padded += [f"   {at:<{widths[5]}}", f"{gradient:>14}", f"{expected:>14}"]
            lines.append("".join(padded) + ("   WRONG" if wrong else ""))
        return "\n".join([*lines, *self._remarks, self._verdict])

    def _repr_html_(self) -> str:
        from chainrule.notebook import html

        rows = [
            [*check.cells, "WRONG" if self._is_wrong(check) else ""] for check in self.parameters
        ]
        return html.block(
            html.paragraph(self._title),
            html.table([*_HEADERS, ""], rows),
            *map(html.paragraph, [*self._remarks, self._verdict]),
        )

    def _is_wrong(self, check: ParameterCheck) -> bool:
        return not check.error <= self.tolerance

    @property
    def _title(self) -> str:
        return f"gradients against {self.reference}, in float64"

    @property
    def _remarks(self) -> list[str]:
        uncertain = sum(check.uncertain for check in self.parameters)
        doubt = f"nothing can be said of {uncertain:,}: rounding changes them too much"
        return [*([doubt] if uncertain else []), *map(str, self.culprits)]

    @property
    def _verdict(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'}: tolerance {self.tolerance:.0e} relative"


_HEADERS = (
    "", "entries", "checked", "on kinks", "largest error", "at", "gradient", "reference",
)  # fmt: skip
