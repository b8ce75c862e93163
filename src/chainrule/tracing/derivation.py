r"""The derivation's equations, in LaTeX: the only place where they are spelled as mathematics.

`chainrule.equations` carries them out; `statements` says which step of a pass is which of them.
Braces around L, L+1, L-1 and l mark what becomes a number for a layer.
"""

from __future__ import annotations

from typing import NamedTuple


class Equation(NamedTuple):
    """An equation, or a chain of them: the left side, then what it equals, line by line."""

    left: str
    right: tuple[str, ...]
    number: str = ""

    @property
    def statement(self) -> str:
        """The left side and the last line."""
        return f"{self.left} = {self.right[-1]}"


class Part(NamedTuple):
    """A few equations under a title."""

    title: str
    text: str
    equations: tuple[Equation, ...]


def _by(variable: str, of: str = "C") -> str:
    return rf"\frac{{\partial {of}}}{{\partial {variable}}}"


SLOPE = r"\sigma_v'\left(\rho^{L}\right)"
PRODUCT = r"\omega^{L} \circ " + SLOPE
_NEXT = PRODUCT.replace("{L}", "{L+1}")
_SLOPE_J = r"\sigma'\left(\rho^{L}_j\right)"
_SLOPE_A = r"\sigma'\left(\rho^{L+1}_a\right)"
_C_BY_PHI_J, _C_BY_PHI_A = _by(r"\phi^{L}_j"), _by(r"\phi^{L+1}_a")
_C_BY_RHO_A = _by(r"\rho^{L+1}_a")
_RHO_A_BY_PHI_J = _by(r"\phi^{L}_j", r"\rho^{L+1}_a")
_PHI_A_BY_RHO_A = _by(r"\rho^{L+1}_a", r"\phi^{L+1}_a")
_W_T = r"\left(W^{L+1}\right)^T"
_COLUMN_T = r"\left(W^{L+1}_{*,j}\right)^T"
_PHI_T = r"\left(\phi^{L-1}\right)^T"

INPUT = Equation(r"\phi^{0}", ("X",))
RHO = Equation(r"\rho^{L}", (r"W^{L} \phi^{L-1} + B^{L}",))
PHI = Equation(r"\phi^{L}", (r"\sigma_v\left(\rho^{L}\right)",))
COST = Equation("C", (r"\frac{1}{2n} \sum_i \left(\phi^{l}\left(x_i\right) - y_i\right)^2",))
OMEGA = Equation(r"\omega^{l}", (_by(r"\phi^{l}"),))
LAMBDA = Equation(r"\lambda^{L}", (PRODUCT,))
DIFFERENCE = r"\phi^{l} - y"
CLOSED_FORM = Equation(r"\lambda^{l}", (_by(r"\rho^{l}"),))

A1 = Equation(_by(r"\phi^{L}"), (rf"{_W_T} \left({_NEXT}\right)",), "A1")
A2 = Equation(
    _by("B^{L}"),
    (PRODUCT,),
    "A2",
)
A3 = Equation(_by("W^{L}"), (rf"\left({PRODUCT}\right) {_PHI_T}",), "A3")
B1 = Equation(r"\omega^{L}", (rf"{_W_T} \lambda^{{L+1}}",), "B1")
B2 = Equation(_by("B^{L}"), (PRODUCT, r"\lambda^{L}"), "B2")
B3 = Equation(_by("W^{L}"), (rf"\left({PRODUCT}\right) {_PHI_T}", rf"\lambda^{{L}} {_PHI_T}"), "B3")

_RHO_DOT, _OMEGA_DOT, _LAMBDA_DOT = r"\dot{\rho}^{L}", r"\dot{\omega}^{L}_m", r"\dot{\lambda}^{L}_m"
_PHI_DOT_T = r"\left(\dot{\phi}^{L-1}_m\right)^T"
_BOTH = r"\left(C + D\right)"
D1 = Equation(r"\omega^{L}", (rf"{_W_T} \lambda^{{L+1}}",), "D1")
D2 = Equation(_by("B^{L}", _BOTH), (r"\lambda^{L}",), "D2")
D3 = Equation(
    _by("W^{L}", _BOTH),
    (rf"\lambda^{{L}} {_PHI_T} + \sum_m {_LAMBDA_DOT} {_PHI_DOT_T}",),
    "D3",
)
NUMBERED = {e.number: e for e in (A1, A2, A3, B1, B2, B3)}

PATHS = Equation(
    _by("W^{L}_{jk}"),
    (
        _C_BY_PHI_J + _by("W^{L}_{jk}", r"\phi^{L}_j"),
        r"\sum_{a,b,\ldots,f} "
        + _by(r"\phi^{l}_a")
        + _by(r"\phi^{l-1}_b", r"\phi^{l}_a")
        + r" \ldots "
        + _by(r"\phi^{L}_j", r"\phi^{L+1}_f")
        + _by("W^{L}_{jk}", r"\phi^{L}_j"),
    ),
)

PARTS = (
    Part(
        "The network",
        "Layer L takes the outputs of the layer before; the input is the output of layer 0. Each "
        "definition stands here for one unit, then for the whole layer.",
        (
            INPUT,
            Equation(r"\rho^{L}_j", (r"\sum_k W^{L}_{jk} \phi^{L-1}_k + B^{L}_j",)),
            RHO,
            Equation(
                r"\phi^{L}_j",
                (r"\sigma\left(\sum_k W^{L}_{jk} \phi^{L-1}_k + B^{L}_j\right)",),
            ),
            PHI,
        ),
    ),
    Part(
        "The cost",
        "The most common one, and the default here. Backpropagation works for any other that can "
        "be differentiated.",
        (COST,),
    ),
    Part(
        "Paths: the chain rule, written out",
        "A weight acts on the cost through every path of units above it. The derivative is the sum "
        "over all of them: correct, and expensive.",
        (PATHS,),
    ),
    Part(
        "The error of a layer, from the layer above it",
        "The derivative of the cost by the outputs of layer L has a name, the error omega. It "
        "follows from the error one layer up, so it is computed from the last layer back.",
        (
            Equation(r"\omega^{L}_j", (_C_BY_PHI_J,)),
            Equation(
                _C_BY_PHI_J,
                (rf"\sum_a {_C_BY_RHO_A} {_RHO_A_BY_PHI_J}",),
            ),
            Equation(
                r"\omega^{L}_j",
                (
                    rf"\sum_a {_C_BY_RHO_A} W^{{L+1}}_{{aj}}",
                    rf"\sum_a {_C_BY_PHI_A} {_PHI_A_BY_RHO_A} "
                    r"W^{L+1}_{aj}",
                    rf"\sum_a {_C_BY_PHI_A} {_SLOPE_A} W^{{L+1}}_{{aj}}",
                    rf"\sum_a \omega^{{L+1}}_a {_SLOPE_A} W^{{L+1}}_{{aj}}",
                    rf"\sum_a \left({_NEXT}\right)_a W^{{L+1}}_{{aj}}",
                    rf"\sum_a \left(W^{{L+1}}_{{*,j}}\right)_a \left({_NEXT}\right)_a",
                    rf"{_COLUMN_T} \left({_NEXT}\right)",
                ),
            ),
            A1,
        ),
    ),
    Part(
        "The biases",
        "",
        (
            Equation(
                _by("B^{L}_j"),
                (
                    _C_BY_PHI_J + _by("B^{L}_j", r"\phi^{L}_j"),
                    rf"\omega^{{L}}_j {_SLOPE_J} \left(1\right)",
                    rf"\omega^{{L}}_j {_SLOPE_J}",
                ),
            ),
            A2,
        ),
    ),
    Part(
        "The weights",
        "",
        (
            Equation(
                _by("W^{L}_{jk}"),
                (
                    _C_BY_PHI_J + _by("W^{L}_{jk}", r"\phi^{L}_j"),
                    rf"\omega^{{L}}_j {_SLOPE_J} \left(\phi^{{L-1}}_k\right)",
                ),
            ),
            A3,
        ),
    ),
    Part(
        "Lambda: the product formed once",
        "A1, A2 and A3 all contain the same product. It is given a name and formed once for each "
        "layer. Had omega been defined as the derivative by rho instead, the first set of "
        "equations would have looked like this one.",
        (
            LAMBDA,
            B1,
            Equation(
                PRODUCT,
                (rf"\left({_W_T} \lambda^{{L+1}}\right) \circ {SLOPE}",),
            ),
            Equation(r"\lambda^{L}", (rf"\left({_W_T} \lambda^{{L+1}}\right) \circ {SLOPE}",)),
            B2,
            B3,
        ),
    ),
    Part(
        "The derivation read forwards",
        "Let everything move: a dot is the derivative along that direction. Where the backward "
        "pass asks what the cost owes to each parameter, this asks how each layer moves. F1, F2 "
        "and F3 are B1, B2 and B3 transposed: the terms for the layer before, the biases and the "
        "weights.",
        (
            Equation(
                _RHO_DOT,
                (r"W^{L} \dot{\phi}^{L-1} + \dot{B}^{L} + \dot{W}^{L} \phi^{L-1}",),
                "F1-F3",
            ),
            Equation(r"\dot{\phi}^{L}", (rf"{_RHO_DOT} \circ {SLOPE}",)),
            Equation(r"\dot{C}", (r"\sum \omega^{l} \circ \dot{\phi}^{l}",)),
        ),
    ),
    Part(
        "Derivatives in the cost",
        "Where only the m-th input moves, with velocity 1, the dots are the derivatives of the "
        "outputs by it. A cost D of them has its gradient from one pass back through both.",
        (
            Equation(
                "D",
                (
                    r"\frac{1}{2n} \sum_i \sum_m \left(\dot{\phi}^{l}_m\left(x_i\right) "
                    r"- \dot{y}_{im}\right)^2",
                ),
            ),
            Equation(_LAMBDA_DOT, (rf"{_OMEGA_DOT} \circ {SLOPE}",)),
            Equation(
                r"\lambda^{L}",
                (
                    rf"{PRODUCT} + \sigma_v''\left(\rho^{{L}}\right) \circ \sum_m {_OMEGA_DOT} "
                    r"\circ \dot{\rho}^{L}_m",
                ),
            ),
            D1,
            Equation(r"\dot{\omega}^{L}_m", (rf"{_W_T} \dot{{\lambda}}^{{L+1}}_m",)),
            D2,
            D3,
        ),
    ),
)
