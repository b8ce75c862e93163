"""Which equation of the derivation each step of a trace carries out, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainrule import notation
from chainrule.tracing import derivation
from chainrule.tracing.formulas import Row, Values, all_known, at, parse, quantity, sides

if TYPE_CHECKING:
    from chainrule.tracing.traces import Step, Trace

_LETTERS = "abcdefgh"
_LOSSES = {
    "cross_entropy": ": minus the sum over j of y_j log phi_j",
    "binary_cross_entropy": ": minus the sum over j of y_j log phi_j + (1 - y_j) log(1 - phi_j)",
}
_NO_BIASES = (
    "This network has no biases: B is 0 in every layer and stays so, whatever the derivative by it."
)


class Statement(NamedTuple):
    """A step with its formula."""

    step: Step
    latex: str
    """Of this layer: ``\\rho^{2} = W^{2} \\phi^{1} + B^{2}``."""
    note: str

    @property
    def number(self) -> str:
        """Where the derivation numbers the equation; ``""`` where it does not."""
        return "" if self.step.equation == "definition" else self.step.equation

    @property
    def meaning(self) -> str:
        """What the quantity is."""
        if self.step.layer is None:
            return notation.SYMBOLS[self.step.symbol].meaning
        if (self.step.symbol, self.step.layer) == ("phi", 0):
            return "the input"
        meaning = notation.SYMBOLS[self.step.symbol].meaning.split(";")[0]
        layer = str(self.step.layer)
        return meaning.replace("layer L", f"layer {layer}").replace("^L", f"^{layer}")

    @property
    def name(self) -> str:
        """The quantity as it is written in a terminal without other letters."""
        return notation.label(self.step.symbol, self.step.layer)

    @property
    def shape(self) -> str:
        """As in ``3 x 2``."""
        return " x ".join(map(str, np.shape(self.step.value))) or "a number"

    @property
    def right(self) -> Row:
        """The right side."""
        return sides(parse(self.latex))[1]

    def says_more(self, known: Values) -> bool:
        """Return whether the numbers on the right side say more than the result does."""
        if self.step.symbol == "C" or quantity(self.right) in known:
            return False
        return bool(all_known(self.right, known))


def statements(trace: Trace) -> list[Statement]:
    """Return a statement for each step, in order."""
    return [Statement(step, *_formula(trace, step)) for step in trace.steps]


def passes(trace: Trace) -> list[tuple[str, list[Statement]]]:
    """Return the statements of the forward and of the backward pass, each with its title."""
    found = statements(trace)
    return [
        ("Forward pass", [statement for statement in found if statement.step.forward]),
        ("Backward pass", [statement for statement in found if not statement.step.forward]),
    ]


def samples(trace: Trace) -> str:
    """Return how many samples there are, and where they stand."""
    n = trace.n_samples
    return f"{n} samples, the columns of the matrices" if n > 1 else "1 sample"


def values(trace: Trace) -> Values:
    """Return all that can stand in a formula, biases as columns."""
    found = {("Y", 0): trace.Y}
    for symbol in ("W", "B", "phi", "rho", "sigma_prime", "omega", "lambda_"):
        for L, value in enumerate(getattr(trace, symbol)):
            if value is not None:
                found[symbol, L] = value[:, None] if symbol == "B" else value
    return found


def _formula(trace: Trace, step: Step) -> tuple[str, str]:
    l = len(trace.layer_sizes) - 1
    L = l if step.layer is None else step.layer
    latex, note = _statement(trace, step, L, l)
    return at(latex, L, l), note


def _statement(trace: Trace, step: Step, L: int, l: int) -> tuple[str, str]:
    match step.symbol:
        case "phi" if L == 0:
            return derivation.INPUT.statement, ""
        case "phi":
            return derivation.PHI.statement, f"sigma is {trace.activations[L - 1]}"
        case "rho":
            return derivation.RHO.statement, "" if trace.has_biases or L > 1 else _NO_BIASES
        case "C":
            return _cost(trace)
        case "omega" if L == l:
            return _last_omega(trace), ""
        case "lambda_" if L == l and closed(trace):
            return f"{derivation.CLOSED_FORM.left} = {_closed_form(trace)}", _closed_note(trace)
        case "lambda_":
            return derivation.LAMBDA.statement, ""
    if trace.form == "paths":
        formula = _paths(trace, step.symbol, L, l)
    else:
        formula = _numbered(trace, step, L, l)
    last = L == l and step.symbol == "grad_B" and closed(trace)
    return formula, _closed_note(trace) if last and trace.form != "lambda" else ""


def _numbered(trace: Trace, step: Step, L: int, l: int) -> str:
    equation = derivation.NUMBERED[step.equation]
    right = equation.right[-1]
    above = L + 1 if step.symbol == "omega" else L
    if above == l and closed(trace):  # what takes the place of the product of both
        name = "{L+1}" if step.symbol == "omega" else "{L}"
        right = right.replace(derivation.PRODUCT.replace("{L}", name), _closed_form(trace))
    if step.symbol == "grad_B" and trace.n_samples > 1:
        right = rf"\sum_i \left({right}\right)_{{*,i}}"
    left = derivation.OMEGA.left.replace("{l}", "{L}") if step.symbol == "omega" else equation.left
    return f"{left} = {right}"


def _cost(trace: Trace) -> tuple[str, str]:
    if trace.weighted:
        over, share = r"\frac{1}{\sum_i w_i}", "w_i "
    else:
        over, share = r"\frac{1}{n}", ""
        if trace.loss_name == "squared_error":
            return derivation.COST.statement, ""
    sample = r"c\left(\phi^{l}\left(x_i\right), y_i\right)"
    note = f"c is the loss {trace.loss_name}{_LOSSES.get(trace.loss_name, '')}"
    return rf"C = {over} \sum_i {share}{sample}", note


def _last_omega(trace: Trace) -> str:
    if trace.loss_name == "squared_error" and not trace.weighted:
        return f"{derivation.OMEGA.left} = {_mean(trace, derivation.DIFFERENCE)}"
    return derivation.OMEGA.statement


def _mean(trace: Trace, latex: str) -> str:
    return (
        latex if trace.n_samples == 1 else rf"\frac{{1}}{{{trace.n_samples}}} \left({latex}\right)"
    )


def closed(trace: Trace) -> bool:
    """Return whether the last lambda is a closed form, not a product of omega and sigma'."""
    return trace.sigma_prime[-1] is None


def _cancels(trace: Trace) -> bool:
    """Return whether sigma and C cancel to phi^l - y."""
    pair = trace.loss_name, trace.activations[-1]
    if pair == ("cross_entropy", "softmax"):
        return not trace.weighted and bool(np.allclose(trace.Y.sum(axis=0), 1))
    return not trace.weighted and pair in (
        ("binary_cross_entropy", "sigmoid"),
        ("poisson", "exponential"),
    )


def _closed_form(trace: Trace) -> str:
    if _cancels(trace):
        return _mean(trace, derivation.DIFFERENCE)
    return derivation.CLOSED_FORM.right[0]


def _closed_note(trace: Trace) -> str:
    sigma, loss = trace.activations[-1], trace.loss_name
    why = (
        "Here the derivation's assumption ends: it takes each output of a layer to depend on its "
        f"own pre-activation alone, but each output of {sigma} depends on all of them."
        if sigma == "softmax"
        else f"{sigma} and {loss} are differentiated together, which neither overflows nor "
        "divides zero by zero."
    )
    if _cancels(trace):
        how = f" The derivatives of {sigma} and {loss} cancel to this;"
    else:
        how = " What takes the place of the elementwise product is the derivative of C by rho;"
    return f"{why}{how} every other equation is as it was."


def _paths(trace: Trace, symbol: str, L: int, l: int) -> str:
    """Return the sum over paths, one partial derivative for each step down a path."""
    by = {
        "omega": r"\phi^{L}_{j}",
        "grad_B": r"B^{L}_{j}",
        "grad_W": r"W^{L}_{jk}",
    }[symbol]
    few = l - L <= len(_LETTERS)
    letters = _LETTERS[: l - L] if few else "ab" + "f" * (l - L - 2)
    units = dict(zip(range(l, L, -1), letters, strict=True)) | {L: "j"}
    # through rho, of which C is a function whatever the last sigma is
    last = r"\rho" if closed(trace) else r"\phi"
    phi = r"\phi"
    steps = [
        rf"\frac{{\partial {last if M == l else phi}^{{{M}}}_{units[M]}}}"
        rf"{{\partial \phi^{{{M - 1}}}_{units[M - 1]}}}"
        for M in range(l, L, -1)
    ]
    above = list(letters)
    if not few:  # as the derivation leaves them out
        above[2:-1] = steps[1:-1] = [r"\ldots"]
    factors = [rf"\frac{{\partial C}}{{\partial {last}^{{{l}}}_{units[l]}}}", *steps]
    if symbol != "omega":
        factors.append(rf"\frac{{\partial {last if l == L else phi}^{{{L}}}_j}}{{\partial {by}}}")
    total = rf"\sum_{{{','.join(above)}}} " if above else ""
    if trace.n_samples > 1:
        total = r"\sum_i " + total if symbol != "omega" else total
    return rf"\frac{{\partial C}}{{\partial {by}}} = {total}{' '.join(factors)}"
