"""Formulas in words, for those who listen to the page."""

from __future__ import annotations

from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Row

_WORDS = {
    "=": "equals", "+": "plus", "-": "minus", r"\circ": "times elementwise", r"\cdot": "times",
    r"\sum": "the sum over", r"\partial": "d", r"\leftarrow": "becomes", r"\ldots": "and so on",
    "T": "transposed", ",": ",",
}  # fmt: skip


def formula(node: Node) -> str:
    r"""Return a formula in words.

    Examples
    --------
    >>> from chainrule.tracing.formulas import parse
    >>> formula(parse(r"\rho^{2} = W^{2} \phi^{1} + B^{2}"))
    'rho 2 equals W 2 phi 1 plus B 2'
    >>> formula(parse(r"\frac{\partial C}{\partial B^{1}}"))
    'd C by d B 1'
    """
    if isinstance(node, Atom):
        return _WORDS.get(node.token, node.token.removeprefix("\\"))
    if isinstance(node, Row):
        return " ".join(map(formula, node.parts))
    if isinstance(node, Group):
        return f"( {formula(node.inside)} )"
    if isinstance(node, Fraction):
        return f"{formula(node.above)} by {formula(node.below)}"
    parts = [formula(node.base) + " prime" * node.prime]
    parts += [formula(part) for part in (node.above, node.below) if part is not None]
    return " ".join(parts)
