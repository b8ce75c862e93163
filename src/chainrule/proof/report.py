"""What a proof found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule import equations


@dataclass(frozen=True)
class Difference:
    """SymPy's derivative minus ours, for one weight, bias, input or output and one form."""

    variable: str
    form: str
    derivative: str
    """What SymPy finds, as text."""
    difference: str
    """Simplified; ``"0"`` if the two are the same function."""
    spelled: str
    """The derivative in the derivation's symbols, a term for each path."""


@dataclass(frozen=True)
class Proof:
    """The report of `prove`; prints as a table."""

    layer_sizes: tuple[int, ...]
    differences: tuple[Difference, ...]
    """Of the backward pass: each derivative of C, in each of the three forms."""
    cost: str = ""
    """C in the derivation's symbols."""
    forward: tuple[Difference, ...] = ()
    """Of the forward derivative: each output and C, along a direction; last, that forward and
    backward are each other's transposes."""
    derivatives: tuple[Difference, ...] = ()
    """Of the pass back through both: each derivative of D, if that was asked for."""

    @property
    def passed(self) -> bool:
        """Whether every difference is zero."""
        return _zero((*self.differences, *self.forward, *self.derivatives))

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        variables = list(dict.fromkeys(d.variable for d in self.differences))
        lines = [
            f"network {'-'.join(map(str, self.layer_sizes))}, sigma unknown in every layer, "
            "C = 1/(2n) sum |phi^l - y|^2",
            f"dC/dv by SymPy minus dC/dv by {', '.join(equations.BACKWARD)}:",
        ]
        for variable in variables:
            found = [d.difference for d in self.differences if d.variable == variable]
            lines.append(_row(variable, found))
        verdict = "proven: every difference is zero" if _zero(self.differences) else "NOT PROVEN"
        lines.append(f"{verdict} ({len(variables)} derivatives, {len(equations.BACKWARD)} forms)")
        for title, differences in self._more():
            lines += ["", f"{title}:"]
            lines += [_row(d.variable, [d.difference]) for d in differences]
            lines.append("proven" if _zero(differences) else "NOT PROVEN")
        return "\n".join(lines)

    def _more(self) -> Iterator[tuple[str, Sequence[Difference]]]:
        if self.forward:
            yield "along a direction, by SymPy minus by F1, F2 and F3", self.forward
        if self.derivatives:
            title = "D = 1/(2n) sum |dphi^l/dx - dY|^2, dD/dv by SymPy minus by D1, D2 and D3"
            yield title, self.derivatives

    def as_derivation(self) -> str:
        """Return the proof equation by equation: for each layer one weight, bias and input.

        Each derivative is what SymPy finds, with phi and rho written for what they stand for;
        below it is what the numbered equations give, minus it.
        """
        numbers = {"W": ("A3", "B3"), "B": ("A2", "B2"), "x": ("A1", "B1")}
        first: dict[str, str] = {}
        for found in self.differences:
            first.setdefault(found.variable.partition("_")[0], found.variable)
        lines = [
            f"network {'-'.join(map(str, self.layer_sizes))}, sigma unknown in every layer",
            f"C = {self.cost}",
        ]
        # from the last layer back; the inputs have no layer and come last
        for array in sorted(first, key=lambda array: array.partition("^")[2], reverse=True):
            forms = [d for d in self.differences if d.variable == first[array]]
            ways = zip(("the paths", *numbers[array[0]]), forms, strict=True)
            less = ", ".join(f"by {way}: {d.difference}" for way, d in ways)
            lines += ["", _terms(f"dC/d{first[array]}", forms[0])]
            lines.append(f"    less what equations.py gives, {less}")
        if self.forward:
            output, cost, transposed = self.forward[0], *self.forward[-2:]
            lines += ["", "along a direction, in which everything moves at once:"]
            lines.append(_terms(output.variable, output))
            lines.append(f"    less what tangents.py gives, by F1, F2 and F3: {output.difference}")
            lines.append(f"{cost.variable}, less what tangents.py gives: {cost.difference}")
            lines.append(f"{transposed.variable} = {transposed.difference}")
        if not self.passed:
            return "\n".join([*lines, "", "NOT PROVEN"])
        n = len({d.variable for d in self.differences})
        of = f"each of the {n} weights, biases and inputs"
        if self.forward:
            of += ", and forwards for each output"
        lines += ["", f"proven: so it is for {of}"]
        if self.derivatives:
            lines.append("and for D = 1/(2n) sum |dphi^l/dx - dY|^2, by D1, D2 and D3")
        return "\n".join(lines)


def _zero(differences: Sequence[Difference]) -> bool:
    return all(d.difference == "0" for d in differences)


def _row(variable: str, found: Sequence[str]) -> str:
    return f"  {variable:<14}" + "  ".join(f"{text:>6}" for text in found)


def _terms(left: str, found: Difference) -> str:
    """Return an equation with each path on a line of its own."""
    start = f"{left} = "
    return start + found.spelled.replace(" + ", f"\n{'+ ':>{len(start)}}")
