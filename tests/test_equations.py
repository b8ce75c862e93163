"""The derivation itself: its definitions, its statements, its proof and what each form costs."""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule import activations, equations, forms, losses
from chainrule.cost import BatchCost, UnitCost

Array = npt.NDArray[Any]

SIZES = [2, 3, 4, 2]


def problem() -> tuple[Any, Any, Any, Any, Any]:
    """Return W, B, sigma, X as columns and the cost of five samples."""
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(SIZES)
    W = [None, *(rng.normal(size=(n_out, n_in)) for n_in, n_out in pairs)]
    B = [None, *(rng.normal(size=n) for n in SIZES[1:])]
    sigma = [None, *(activations.get(name) for name in ("sigmoid", "silu", "tanh"))]
    Y = rng.uniform(size=(5, 2))
    cost = BatchCost(losses.squared_error, activations.tanh, Y)
    return W, B, sigma, rng.normal(size=(2, 5)), cost


def run(form: str) -> equations.Quantities:
    W, B, sigma, X, cost = problem()
    return equations.BACKWARD[form](equations.forward(W, B, sigma, X), W, sigma, cost)


def test_the_forward_pass_is_the_definition_unit_by_unit() -> None:
    W, B, sigma, X, _ = problem()
    q = equations.forward(W, B, sigma, X)
    phi = X
    for L in (1, 2, 3):
        rho = np.empty((SIZES[L], 5))
        for j, i in np.ndindex(*rho.shape):
            rho[j, i] = sum(W[L][j, k] * phi[k, i] for k in range(SIZES[L - 1])) + B[L][j]
        phi = sigma[L].sigma(rho)
        np.testing.assert_allclose(q.rho[L], rho, rtol=1e-13)
        np.testing.assert_allclose(q.phi[L], phi, rtol=1e-13)
    assert q.phi[0] is X
    assert q.rho[0] is None


@pytest.mark.parametrize("form", equations.BACKWARD)
def test_every_derivative_is_a_difference_quotient_of_the_cost(form: str) -> None:
    W, B, sigma, X, cost = problem()
    q = run(form)

    def difference(array: Array, index: tuple[int, ...]) -> float:
        h, kept, values = 1e-6, array[index], []
        for array[index] in (kept + h, kept - h):
            p = equations.forward(W, B, sigma, X)
            values.append(cost.value(p.rho[-1], p.phi[-1]))
        array[index] = kept
        return float(values[0] - values[1]) / (2 * h)

    pairs = [(X, q.omega[0])]
    for L in (1, 2, 3):
        pairs += [(W[L], q.grad_W[L]), (B[L], q.grad_B[L])]
    for array, gradient in pairs:
        expected = [difference(array, index) for index in np.ndindex(*array.shape)]
        np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-6, atol=1e-9)


def test_the_numbered_equations_hold_between_the_quantities() -> None:
    W, _, sigma, _, _ = problem()
    q, omega = run("lambda"), run("omega").omega
    for L in (1, 2, 3):
        slope = sigma[L].sigma_prime(q.rho[L])
        np.testing.assert_allclose(q.lambda_[L], q.omega[L] * slope, rtol=1e-13)
        np.testing.assert_allclose(q.omega[L - 1], W[L].T @ q.lambda_[L], rtol=1e-13)  # B1
        np.testing.assert_allclose(q.grad_B[L], q.lambda_[L].sum(axis=1), rtol=1e-13)  # B2
        np.testing.assert_allclose(q.grad_W[L], q.lambda_[L] @ q.phi[L - 1].T, rtol=1e-13)  # B3
        np.testing.assert_allclose(omega[L - 1], W[L].T @ (omega[L] * slope), rtol=1e-13)  # A1


@pytest.mark.parametrize(
    ("output", "loss"), [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")]
)
def test_the_pair_that_cancels_has_lambda_phi_minus_y(output: str, loss: str) -> None:
    rng, activation = np.random.default_rng(0), activations.get(output)
    rho, Y = rng.normal(size=(2, 5)), rng.dirichlet(np.ones(2), 5)
    phi = activation.sigma(rho.T).T
    cost = BatchCost(losses.get(loss), activation, Y)
    found = np.asarray(cost.lambda_(rho, phi))
    np.testing.assert_allclose(found, (phi - Y.T) / 5, rtol=1e-12, atol=1e-15)


def test_softmax_has_no_elementwise_slope_in_columns_either() -> None:
    net = cr.Network([2, 2], output_activation="softmax")
    softmax = net.architecture.for_equations(net.parameters)[2][-1]
    with pytest.raises(cr.InputError, match="pull_back"):
        softmax.slope(np.zeros((2, 1)), np.zeros((2, 1)))


def test_inputs_false_leaves_out_omega_0_alone() -> None:
    W, B, sigma, X, cost = problem()
    part = equations.lambda_form(equations.forward(W, B, sigma, X), W, sigma, cost, inputs=False)
    whole = run("lambda")
    assert part.omega[0] is None
    np.testing.assert_array_equal(part.omega[1], whole.omega[1])
    np.testing.assert_array_equal(part.grad_W[1], whole.grad_W[1])


def test_all_weights_zero_give_no_cost_and_no_gradient() -> None:
    W, B, sigma, X, cost = problem()
    cost = BatchCost(cost.loss, cost.activation, cost.Y, np.zeros(5))
    q = equations.lambda_form(equations.forward(W, B, sigma, X), W, sigma, cost)
    assert cost.value(q.rho[-1], q.phi[-1]) == 0
    assert not any(grad.any() for grad in (*q.grad_W[1:], *q.grad_B[1:], q.omega[0]))


def test_the_cost_of_one_output_selects_it() -> None:
    omega = UnitCost(activations.get("tanh"), 1).omega(np.zeros((3, 2)))
    assert omega.tolist() == [[0, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize("sizes", [[1, 1], [2, 2], [2, 3, 2], [3, 1, 4, 2], [2, 2, 2, 2, 2]])
def test_paths_are_counted_one_by_one(sizes: list[int]) -> None:
    l = len(sizes) - 1

    def paths(L: int) -> int:
        """Return the number of choices of one unit in each of the layers L + 1..l."""
        return sum(1 for _ in itertools.product(*(range(n) for n in sizes[L + 1 :])))

    count = sizes[0] * paths(0)
    for L in range(1, l + 1):
        count += sizes[L] * sizes[L - 1] * paths(L) + sizes[L] * paths(L)
    assert equations.count_paths(sizes) == count


def test_too_many_paths_are_refused_with_their_number() -> None:
    W, B, sigma, X, cost = problem()
    q = equations.forward(W, B, sigma, X)
    n = equations.count_paths(SIZES)
    with pytest.raises(cr.InputError, match=f"2-3-4-2 has {n} paths .* limit of {n - 1}"):
        equations.paths_form(q, W, sigma, cost, limit=n - 1)
    assert equations.paths_form(q, W, sigma, cost, limit=n).grad_W[1].shape == (3, 2)


def test_the_file_stays_short_enough_to_read_beside_the_derivation() -> None:
    source = inspect.getsource(equations)
    assert len(source.splitlines()) < 200
    assert all(f"# {number}\n" in source for number in ("A1", "A2", "A3", "B1", "B2", "B3"))


# The proof.


@pytest.mark.parametrize(
    ("sizes", "n_samples"), [([1, 1], 1), ([2, 3, 2], 1), ([1, 2, 1], 2), ([1, 1, 1, 1, 1], 1)]
)
def test_prove_passes(sizes: list[int], n_samples: int) -> None:
    proof = cr.prove(sizes, n_samples)
    n = sum((a + 1) * b for a, b in itertools.pairwise(sizes)) + sizes[0] * n_samples
    assert proof.passed
    assert bool(proof)
    assert len(proof.differences) == 3 * n
    assert {d.form for d in proof.differences} == {"paths", "omega", "lambda"}
    assert f"proven: every difference is zero ({n} derivatives, 3 forms)" in str(proof)
    assert all(d.derivative != "0" for d in proof.differences)


def negated_b1(q: Any, W: Any, sigma: Any, cost: Any, inputs: bool = True) -> Any:
    return equations.lambda_form(q, [None, *(-w for w in W[1:])], sigma, cost, inputs=inputs)


def halved_a2(q: Any, W: Any, sigma: Any, cost: Any) -> Any:
    q = equations.omega_form(q, W, sigma, cost)
    q.grad_B[1] = q.grad_B[1] / 2
    return q


@pytest.mark.parametrize(
    ("form", "broken", "wrong"),
    [
        # omega^0 passes it twice, and is right again
        ("lambda", negated_b1, {"W^1_11", "W^1_21", "B^1_1", "B^1_2"}),
        ("omega", halved_a2, {"B^1_1", "B^1_2"}),
    ],
)
def test_prove_finds_the_statement_that_broke(
    form: str, broken: Any, wrong: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(equations.BACKWARD, form, broken)
    proof = cr.prove([1, 2, 1])
    assert not proof.passed
    assert "NOT PROVEN" in str(proof)
    found = {(d.variable, d.form) for d in proof.differences if d.difference != "0"}
    assert found == {(variable, form) for variable in wrong}


def test_prove_refuses_what_would_take_too_long() -> None:
    with pytest.raises(cr.InputError, match=r"9-9-9-9 .* 14,751 paths, more than .* 1,000"):
        cr.prove([9, 9, 9, 9])


@pytest.mark.parametrize(
    ("sizes", "n_samples", "message"),
    [([2], 1, "at least two"), ([2, 0], 1, "positive"), ([1, 1], 0, "n_samples must be a whole")],
)
def test_prove_refuses_what_makes_no_sense(sizes: list[int], n_samples: int, message: str) -> None:
    with pytest.raises(cr.InputError, match=message):
        cr.prove(sizes, n_samples)


# What the forms cost.


def test_a_proof_of_ten_units_and_more_tells_their_weights_apart() -> None:
    proof = cr.prove([11, 11])
    assert len({d.variable for d in proof.differences}) == 11 * 11 + 11 + 11
    assert proof.passed


def test_a_proof_counts_units_first_and_samples_second() -> None:
    proof = cr.prove([2, 2], n_samples=2)
    assert proof.passed
    terms = {f"(phi^1_{j},{i} - y_{j}{i})**2/4" for j in (1, 2) for i in (1, 2)}
    assert set(proof.cost.split(" + ")) == terms
    (found,) = {d.spelled for d in proof.differences if d.variable == "x_21"}
    assert "y_12" not in found  # the other sample's
    assert "y_21" in found


def test_form_costs_fall_from_form_to_form() -> None:
    costs = cr.form_costs()
    assert [cost.layer_sizes for cost in costs] == [
        (n,) * (depth + 1) for depth in (1, 2, 3, 4) for n in (2, 4, 8)
    ]
    for cost in costs:
        counts, depth = cost.multiplications, len(cost.layer_sizes) - 1
        assert counts["lambda"] is not None
        assert counts["omega"] is not None
        assert counts["lambda"] < counts["omega"]
        if depth >= 2 and counts["paths"] is not None:
            assert counts["omega"] <= counts["paths"]
        assert (counts["paths"] is None) == (cost.n_paths > 20_000)
        assert all((cost.seconds[form] is None) == (counts[form] is None) for form in counts)


def test_form_costs_of_square_networks_worked_out_by_hand() -> None:
    """Per layer n (2 n + 1) for lambda; omega forms n products twice more."""
    for cost in cr.form_costs([1, 2, 3], [2, 3]):
        n, l = cost.layer_sizes[0], len(cost.layer_sizes) - 1
        assert cost.multiplications["lambda"] == l * n * (2 * n + 1)
        assert cost.multiplications["omega"] == l * n * (2 * n + 3)


def test_the_costs_in_the_documentation_are_those_that_are_counted() -> None:
    page = Path(__file__).parent.parent / "docs" / "derivation.md"
    row = r"^(\d+(?:-\d+)+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$"
    written = {sizes: counts for sizes, *counts in re.findall(row, page.read_text(), re.M)}
    assert len(written) == 5
    for cost in cr.form_costs([2, 3], [2, 4, 8], limit=100_000):
        sizes = "-".join(map(str, cost.layer_sizes))
        counted = [cost.n_paths, *cost.multiplications.values()]
        assert written.get(sizes, [f"{n:,}" for n in counted]) == [f"{n:,}" for n in counted]


def test_the_table_of_costs_leaves_out_what_was_not_run() -> None:
    table = forms.as_table(cr.form_costs([3], [2, 4], limit=100))
    assert [line.split()[0] for line in table.splitlines()[2:]] == ["2-2-2-2", "4-4-4-4"]
    assert table.splitlines()[3].split()[2] == "-"
