# ruff: noqa: RUF001 - Greek letters are meant
"""The formulas that are shown: the derivation's, and they give the numbers that are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule.tracing import derivation, latex, layout, statements, text
from chainrule.tracing.formulas import Atom, Fraction, Group, Node, Row, Script, known, parse, sides

Array = npt.NDArray[Any]

CASES = [
    ("identity", "squared_error"),
    ("sigmoid", "squared_error"),
    ("softmax", "cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
    ("exponential", "poisson"),
]


def trace(output: str, loss: str, form: str, n: int, **more: Any) -> Any:
    net = cr.Network([2, 3, 4, 2], "tanh", output, loss, dtype="float64", **more)
    net.parameters[:] = np.random.default_rng(1).normal(size=net.n_parameters)
    rng = np.random.default_rng(0)
    return cr.trace(net, rng.normal(size=(n, 2)), rng.dirichlet(np.ones(2), n), form), net


def worked_out(node: Node, values: Any, sigma: Callable[[Array], Array] | None = None) -> Any:
    """Compute a formula from the numbers in it, as a reader would."""
    if isinstance(node, Atom):
        return float(node.token)
    if isinstance(node, Group):
        return worked_out(node.inside, values)
    if isinstance(node, Fraction):
        return worked_out(node.above, values) / worked_out(node.below, values)
    if isinstance(node, Script):
        base = worked_out(node.base, values)
        if node.above == Atom("T"):
            return base.T
        assert node.below is not None
        return base.sum(axis=1)  # the sum over i of columns i
    for sign in ("+", "-"):
        if Atom(sign) in node.parts:
            i = node.parts.index(Atom(sign))
            left, right = (
                worked_out(Row(part), values) for part in (node.parts[:i], node.parts[i + 1 :])
            )
            return left + right if sign == "+" else left - right
    if Atom(r"\circ") in node.parts:
        i = node.parts.index(Atom(r"\circ"))
        return worked_out(Row(node.parts[:i]), values) * worked_out(
            Row(node.parts[i + 1 :]), values
        )
    result: Any = None
    i = 0
    while i < len(node.parts):
        part = node.parts[i]
        size, value = known(node, i, values)
        i += size
        if isinstance(part, Script) and part.base == Atom(r"\sum"):
            continue
        if value is None and isinstance(part, Script) and part.base == Atom(r"\sigma"):
            assert sigma is not None
            assert isinstance(node.parts[i], Group)
            return sigma(worked_out(node.parts[i], values))
        factor = worked_out(part, values) if value is None else value
        if result is None:
            result = factor
        else:
            result = result * factor if np.ndim(result) == 0 else result @ factor
    return result


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("form", ["omega", "lambda"])
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_a_formula_worked_out_by_hand_gives_its_step(
    output: str, loss: str, form: str, n: int
) -> None:
    t, net = trace(output, loss, form, n)
    values = statements.values(t)
    _, _, sigma = net.architecture.for_equations(net.parameters)
    checked = 0
    for statement in statements.statements(t):
        step = statement.step
        right = statement.right
        if step.symbol == "C" or "partial" in repr(right):
            continue
        activation = sigma[step.layer].sigma if step.layer else None
        found = np.asarray(worked_out(right, values, activation))
        np.testing.assert_allclose(found.reshape(step.value.shape), step.value, rtol=1e-12)
        checked += 1
    # all but C, and the last omega of some losses
    assert checked >= len(t.steps) - 2


def test_a_sign_in_a_formula_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = derivation.RHO._replace(right=(r"W^{L} \phi^{L-1} - B^{L}",))
    monkeypatch.setattr(derivation, "RHO", wrong)
    with pytest.raises(AssertionError):
        test_a_formula_worked_out_by_hand_gives_its_step("identity", "squared_error", "lambda", 1)


def test_the_derivation_has_every_equation_in_its_order() -> None:
    equations = [equation for part in derivation.PARTS for equation in part.equations]
    numbers = [equation.number for equation in equations if equation.number]
    assert numbers == ["A1", "A2", "A3", "B1", "B2", "B3", "F1-F3", "D1", "D2", "D3"]
    lines = [
        text.plain([layout.formula(parse(f"{e.left} = {right}")).lines[0]])
        for e in equations
        for right in e.right
    ]
    assert lines == [
        "φ⁰ = X",
        "ρ^Lⱼ = ∑ₖ W^Lⱼₖ φ^L−1ₖ + B^Lⱼ",
        "ρ^L = W^L φ^L−1 + B^L",
        "φ^Lⱼ = σ(∑ₖ W^Lⱼₖ φ^L−1ₖ + B^Lⱼ)",
        "φ^L = σᵥ(ρ^L)",
        "C = 1/(2n) ∑ᵢ (φ^l(xᵢ) − yᵢ)²",
        "∂C/∂W^Lⱼₖ = ∂C/∂φ^Lⱼ ∂φ^Lⱼ/∂W^Lⱼₖ",
        "∂C/∂W^Lⱼₖ = ∑_ab…f ∂C/∂φ^lₐ ∂φ^lₐ/∂φ^l−1_b … ∂φ^L+1_f/∂φ^Lⱼ ∂φ^Lⱼ/∂W^Lⱼₖ",
        "ω^Lⱼ = ∂C/∂φ^Lⱼ",
        "∂C/∂φ^Lⱼ = ∑ₐ ∂C/∂ρ^L+1ₐ ∂ρ^L+1ₐ/∂φ^Lⱼ",
        "ω^Lⱼ = ∑ₐ ∂C/∂ρ^L+1ₐ W^L+1ₐⱼ",
        "ω^Lⱼ = ∑ₐ ∂C/∂φ^L+1ₐ ∂φ^L+1ₐ/∂ρ^L+1ₐ W^L+1ₐⱼ",
        "ω^Lⱼ = ∑ₐ ∂C/∂φ^L+1ₐ σ'(ρ^L+1ₐ) W^L+1ₐⱼ",
        "ω^Lⱼ = ∑ₐ ω^L+1ₐ σ'(ρ^L+1ₐ) W^L+1ₐⱼ",
        "ω^Lⱼ = ∑ₐ (ω^L+1 ∘ σᵥ'(ρ^L+1))ₐ W^L+1ₐⱼ",
        "ω^Lⱼ = ∑ₐ (W^L+1_*j)ₐ (ω^L+1 ∘ σᵥ'(ρ^L+1))ₐ",
        "ω^Lⱼ = (W^L+1_*j)ᵀ (ω^L+1 ∘ σᵥ'(ρ^L+1))",
        "∂C/∂φ^L = (W^L+1)ᵀ (ω^L+1 ∘ σᵥ'(ρ^L+1))",
        "∂C/∂B^Lⱼ = ∂C/∂φ^Lⱼ ∂φ^Lⱼ/∂B^Lⱼ",
        "∂C/∂B^Lⱼ = ω^Lⱼ σ'(ρ^Lⱼ) (1)",
        "∂C/∂B^Lⱼ = ω^Lⱼ σ'(ρ^Lⱼ)",
        "∂C/∂B^L = ω^L ∘ σᵥ'(ρ^L)",
        "∂C/∂W^Lⱼₖ = ∂C/∂φ^Lⱼ ∂φ^Lⱼ/∂W^Lⱼₖ",
        "∂C/∂W^Lⱼₖ = ω^Lⱼ σ'(ρ^Lⱼ) (φ^L−1ₖ)",
        "∂C/∂W^L = (ω^L ∘ σᵥ'(ρ^L)) (φ^L−1)ᵀ",
        "λ^L = ω^L ∘ σᵥ'(ρ^L)",
        "ω^L = (W^L+1)ᵀ λ^L+1",
        "ω^L ∘ σᵥ'(ρ^L) = ((W^L+1)ᵀ λ^L+1) ∘ σᵥ'(ρ^L)",
        "λ^L = ((W^L+1)ᵀ λ^L+1) ∘ σᵥ'(ρ^L)",
        "∂C/∂B^L = ω^L ∘ σᵥ'(ρ^L)",
        "∂C/∂B^L = λ^L",
        "∂C/∂W^L = (ω^L ∘ σᵥ'(ρ^L)) (φ^L−1)ᵀ",
        "∂C/∂W^L = λ^L (φ^L−1)ᵀ",
        "ρ̇^L = W^L φ̇^L−1 + Ḃ^L + Ẇ^L φ^L−1",
        "φ̇^L = ρ̇^L ∘ σᵥ'(ρ^L)",
        "Ċ = ∑ ω^l ∘ φ̇^l",
        "D = 1/(2n) ∑ᵢ ∑ₘ (φ̇^lₘ(xᵢ) − ẏᵢₘ)²",
        "λ̇^Lₘ = ω̇^Lₘ ∘ σᵥ'(ρ^L)",
        "λ^L = ω^L ∘ σᵥ'(ρ^L) + σᵥ''(ρ^L) ∘ ∑ₘ ω̇^Lₘ ∘ ρ̇^Lₘ",
        "ω^L = (W^L+1)ᵀ λ^L+1",
        "ω̇^Lₘ = (W^L+1)ᵀ λ̇^L+1ₘ",
        "∂(C + D)/∂B^L = λ^L",
        "∂(C + D)/∂W^L = λ^L (φ^L−1)ᵀ + ∑ₘ λ̇^Lₘ (φ̇^L−1ₘ)ᵀ",
    ]


@pytest.mark.parametrize("equation", [e for part in derivation.PARTS for e in part.equations])
def test_latex_of_a_tree_parses_to_the_same_tree(equation: derivation.Equation) -> None:
    for right in equation.right:
        tree = parse(f"{equation.left} = {right}")
        assert parse(latex.spelled(tree)) == tree


def test_sums_over_samples_are_written_where_there_are_several() -> None:
    for n, wanted in ((1, "∂C/∂B³ = λ³"), (3, "∂C/∂B³ = ∑ᵢ (λ³)_*i")):
        t, _ = trace("identity", "squared_error", "lambda", n)
        (found,) = (s.latex for s in statements.statements(t) if s.step[1:3] == ("grad_B", 3))
        assert text.plain([layout.formula(parse(found)).lines[0]]) == wanted


def test_deep_sums_over_paths_leave_out_what_the_derivation_leaves_out() -> None:
    t = cr.trace(cr.Network([1] * 11), [[1.0]], [[1.0]], "paths")
    found = {s.step[1:3]: s.latex for s in statements.statements(t)}
    lines = [
        text.plain([layout.formula(parse(found[place])).lines[0]])
        for place in (("grad_B", 1), ("grad_W", 1), ("omega", 0), ("grad_B", 2))
    ]
    assert lines == [
        "∂C/∂B¹ⱼ = ∑_ab…f ∂C/∂φ¹⁰ₐ ∂φ¹⁰ₐ/∂φ⁹_b … ∂φ²_f/∂φ¹ⱼ ∂φ¹ⱼ/∂B¹ⱼ",
        "∂C/∂W¹ⱼₖ = ∑_ab…f ∂C/∂φ¹⁰ₐ ∂φ¹⁰ₐ/∂φ⁹_b … ∂φ²_f/∂φ¹ⱼ ∂φ¹ⱼ/∂W¹ⱼₖ",
        "∂C/∂φ⁰ⱼ = ∑_ab…f ∂C/∂φ¹⁰ₐ ∂φ¹⁰ₐ/∂φ⁹_b … ∂φ¹_f/∂φ⁰ⱼ",
        "∂C/∂B²ⱼ = ∑_abcdefgh ∂C/∂φ¹⁰ₐ ∂φ¹⁰ₐ/∂φ⁹_b ∂φ⁹_b/∂φ⁸_c ∂φ⁸_c/∂φ⁷_d ∂φ⁷_d/∂φ⁶ₑ "
        "∂φ⁶ₑ/∂φ⁵_f ∂φ⁵_f/∂φ⁴_g ∂φ⁴_g/∂φ³ₕ ∂φ³ₕ/∂φ²ⱼ ∂φ²ⱼ/∂B²ⱼ",
    ]


def test_a_network_without_biases_says_so_once() -> None:
    for bias in (True, False):
        t = cr.trace(cr.Network([2, 3, 3, 1], bias=bias), [[1.0, 2.0]], [[1.0]])
        notes = [s.step[1:3] for s in statements.statements(t) if "no biases" in s.note]
        assert notes == ([] if bias else [("rho", 1)])


def test_where_sigma_and_the_loss_cancel_is_said_once_in_each_form() -> None:
    for form in ("paths", "omega", "lambda"):
        t, _ = trace("softmax", "cross_entropy", form, 1)
        notes = [s for s in statements.statements(t) if "assumption" in s.note]
        assert len(notes) == 1
        assert notes[0].step.layer == 3
    t, _ = trace("identity", "squared_error", "lambda", 1)
    assert not any("assumption" in s.note for s in statements.statements(t))


def test_a_sum_of_targets_other_than_one_is_not_said_to_cancel() -> None:
    net = cr.Network([2, 2], output_activation="softmax", loss="cross_entropy")
    t = cr.trace(net, [[1.0, 2.0]], [[1.0, 1.0]])
    (formula,) = (s.latex for s in statements.statements(t) if s.step.symbol == "lambda_")
    assert formula == r"\lambda^{1} = \frac{\partial C}{\partial \rho^{1}}"
    assert sides(parse(formula))[0] == parse(r"\lambda^{1}")
