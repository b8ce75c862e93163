"""The symbols of the derivation: spelling, shape and meaning, in one table.

The trace, the reports and the documentation read this table, so that a symbol is
spelled the same wherever it appears. ``L`` counts the layers from 1 to ``l``, as in
the derivation; ``n_L`` is the number of units of layer ``L`` and ``n`` the number of
samples, which are columns here.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple


class Symbol(NamedTuple):
    """One quantity of the derivation."""

    attribute: str
    """The name it has in the code."""
    text: str
    """The name it has in a terminal."""
    latex: str
    shape: str
    meaning: str
    layered: bool = True
    """Whether it belongs to a layer, written as a superscript."""


SYMBOLS = {
    symbol.attribute: symbol
    for symbol in (
        Symbol("W", "W", "W", "(n_L, n_(L-1))", "weights of layer L"),
        Symbol("B", "B", "B", "(n_L,)", "biases of layer L"),
        Symbol("phi", "phi", r"\phi", "(n_L, n)", "outputs of layer L; phi^0 is the input"),
        Symbol("rho", "rho", r"\rho", "(n_L, n)", "pre-activations of layer L"),
        Symbol("omega", "omega", r"\omega", "(n_L, n)", "dC/dphi^L, the error of layer L"),
        Symbol("lambda_", "lambda", r"\lambda", "(n_L, n)", "dC/drho^L"),
        Symbol(
            "grad_W",
            "dC/dW",
            r"\partial C/\partial W",
            "(n_L, n_(L-1))",
            "derivative by the weights of layer L",
        ),
        Symbol(
            "grad_B",
            "dC/dB",
            r"\partial C/\partial B",
            "(n_L,)",
            "derivative by the biases of layer L",
        ),
        Symbol("C", "C", "C", "()", "the cost", layered=False),
        # Along a direction; `chainrule.tangents` has them as quantities of a pass of their own.
        Symbol("dot.rho", "rho_dot", r"\dot{\rho}", "(n_L, n)", "how rho^L moves"),
        Symbol("dot.phi", "phi_dot", r"\dot{\phi}", "(n_L, n)", "how phi^L moves"),
        Symbol("dot.omega", "omega_dot", r"\dot{\omega}", "(n_L, n)", "dD/dphi_dot^L"),
        Symbol("dot.lambda_", "lambda_dot", r"\dot{\lambda}", "(n_L, n)", "dD/drho_dot^L"),
        Symbol("D", "D", "D", "()", "the cost of the derivatives", layered=False),
    )
}

FORMS = {
    "paths": "the product of partial derivatives, summed over every path to the cost",
    "omega": "the error omega^L = dC/dphi^L, from the last layer back",
    "lambda": "lambda^L = omega^L o sigma'(rho^L), formed once",
}

# Where the derivation numbers an equation, by form and symbol. "rho" and "phi" are its two
# definitions of the network; "paths" is the sum over a, b, ..., f that precedes A1.
EQUATIONS = {
    ("paths", "omega"): "paths",
    ("paths", "grad_B"): "paths",
    ("paths", "grad_W"): "paths",
    ("omega", "omega"): "A1",
    ("omega", "grad_B"): "A2",
    ("omega", "grad_W"): "A3",
    ("lambda", "omega"): "B1",
    ("lambda", "grad_B"): "B2",
    ("lambda", "grad_W"): "B3",
}


# The letters of commands that LaTeX has for them.
UNICODE = {
    r"\phi": "\N{GREEK SMALL LETTER PHI}",
    r"\rho": "\N{GREEK SMALL LETTER RHO}",
    r"\omega": "\N{GREEK SMALL LETTER OMEGA}",
    r"\lambda": "\N{GREEK SMALL LETTER LAMDA}",
    r"\sigma": "\N{GREEK SMALL LETTER SIGMA}",
    r"\eta": "\N{GREEK SMALL LETTER ETA}",
    r"\leftarrow": "\N{LEFTWARDS ARROW}",
    r"\partial": "\N{PARTIAL DIFFERENTIAL}",
    r"\sum": "\N{N-ARY SUMMATION}",
    r"\circ": "\N{RING OPERATOR}",
    r"\cdot": "\N{DOT OPERATOR}",
    r"\ldots": "\N{HORIZONTAL ELLIPSIS}",
    "-": "\N{MINUS SIGN}",
}
UNICODE |= {
    rf"\dot{{{letter}}}": unicodedata.normalize(
        "NFC", UNICODE.get(letter, letter) + "\N{COMBINING DOT ABOVE}"
    )
    for letter in (r"\phi", r"\rho", r"\omega", r"\lambda", "W", "B", "C", "y")
}


def label(attribute: str, L: int | None) -> str:
    """Return the symbol as it is written in a terminal.

    >>> label("omega", 2), label("grad_W", 1), label("C", None)
    ('omega^2', 'dC/dW^1', 'C')
    """
    symbol = SYMBOLS[attribute]
    return f"{symbol.text}^{L}" if symbol.layered else symbol.text
