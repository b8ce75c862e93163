"""The benchmark of second-order training: its problems, its plain version, its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.benchmarks.surrogates import __main__ as command
from chainrule.benchmarks.surrogates import plain, report
from chainrule.benchmarks.surrogates.measuring import Curve, measure, median_time_to, middle
from chainrule.benchmarks.surrogates.problems import N_TEST, PROBLEMS, Problem, pendulum
from chainrule.benchmarks.surrogates.speed import multiplications
from chainrule.numerics import Array

LAYERS = (3, 5, 4, 2)


def some_network() -> tuple[cr.Network, Array]:
    net = cr.Network(LAYERS, activation="tanh", dtype="float64", seed=1)
    return net, np.random.default_rng(0).normal(size=(6, 3))


def test_plain_outputs_are_the_networks() -> None:
    net, X = some_network()
    found = plain.outputs(net.parameters, LAYERS, X)[-1]
    np.testing.assert_allclose(found, net.predict(X), rtol=1e-13)


def test_plain_jacobian_is_that_of_complex_steps() -> None:
    net, X = some_network()
    _, J = plain.outputs_and_jacobian(net.parameters, LAYERS, X)
    for p in range(net.n_parameters):
        theta = net.parameters.astype(complex)
        theta[p] += 1e-30j
        step = plain.outputs(theta, LAYERS, X)[-1].imag / 1e-30
        np.testing.assert_allclose(J[:, :, p], step, rtol=1e-11, atol=1e-14)


def test_plain_levenberg_marquardt_and_the_packages_reach_the_same_optimum() -> None:
    _, X = some_network()
    X = np.concatenate([X, -X, X / 2, 2 * X])
    small = cr.Network([3, 3, 2], activation="tanh", dtype="float64", seed=2)
    Y = cr.Network([3, 3, 2], activation="tanh", dtype="float64", seed=3).predict(X)
    theta = plain.train(small.parameters.copy(), (3, 3, 2), X, Y, 500, lambda _: False)
    small.fit(X, Y, optimizer="lm", epochs=500)
    for parameters in (theta, small.parameters):
        assert np.abs(plain.outputs(parameters, (3, 3, 2), X)[-1] - Y).max() < 1e-6


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=lambda problem: problem.name)
def test_problems_have_finite_samples_of_the_shape_of_their_network(problem: Problem) -> None:
    sample = problem.sample(0)
    assert sample.X.shape == (problem.n, problem.layers[0])
    assert sample.Y_test.shape == (N_TEST, problem.layers[-1])
    for array in (sample.X, sample.Y, sample.X_test, sample.Y_test):
        assert np.isfinite(array).all()
    assert np.abs(sample.X).max() <= 1
    assert 0.1 < sample.Y.std() < 3
    assert np.array_equal(problem.sample(0).X, sample.X)
    assert not np.array_equal(problem.sample(1).X, sample.X)


def test_only_the_training_targets_have_noise() -> None:
    problem = PROBLEMS["calibration"]
    sample = problem.sample(0)
    assert np.array_equal(sample.Y_test, problem.function(sample.X_test))
    residual = sample.Y - problem.function(sample.X)
    assert residual.std() == pytest.approx(problem.noise, rel=0.2)


def test_the_pendulum_swings_as_scipy_has_it() -> None:
    from scipy.integrate import solve_ivp

    start = np.array([1.2, -0.4])
    exact = solve_ivp(
        lambda _, s: (s[1], -100 * np.sin(s[0]) - s[1]), (0, 0.5), (start[0], 10 * start[1]),
        rtol=1e-11, atol=1e-11,
    ).y[:, -1]  # fmt: skip
    np.testing.assert_allclose(pendulum(start[None])[0], (exact[0], exact[1] / 10), atol=1e-6)


def test_multiplications_are_those_of_the_pairs() -> None:
    assert multiplications((1, 1)) == 3  # w w, w b, b b
    assert multiplications((1, 1, 1)) == 3 + 3 + 4


def test_measures_a_method_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main([
        "--only", "curves", "--seconds", "0.05", "--seeds", "1", "--problems", "calibration",
        "--methods", "chainrule lm,plain NumPy lm,scipy least_squares", "--output", str(tmp_path),
    ])  # fmt: skip
    said = capsys.readouterr().out
    assert "failed" not in said
    assert "| calibration |" in said
    assert {path.name for path in tmp_path.iterdir()} == {"surrogates.json", "surrogates.png"}


@pytest.mark.parametrize("method", ["chainrule lbfgs", "sklearn lbfgs"])
def test_the_last_parameters_are_the_best_of_a_method_that_descends(method: str) -> None:
    curve = measure("calibration", method, 0, 0.3)
    assert curve.train[-1] == pytest.approx(min(curve.train), rel=0.5)
    assert curve.train[-1] < curve.train[0]


def curve(method: str, seed: int, seconds: list[float], test: list[float]) -> Curve:
    return Curve("franke", method, seed, len(test), seconds, test, test)


def test_tables_have_medians_over_the_seeds_and_ratios_at_equal_errors() -> None:
    curves = [
        curve("chainrule lm", 0, [0.1, 0.2], [0.5, 1e-4]),
        curve("chainrule lm", 1, [0.1, 0.4], [0.5, 1e-3]),
        curve("chainrule lm", 2, [0.1, 0.3], [0.5, 2e-3]),
        curve("slow", 0, [1.0, 3.0], [0.6, 0.5]),
    ]
    found = middle(curves, "franke", "chainrule lm")
    assert found is not None
    assert found.seed == 1
    assert median_time_to(curves, "franke", "chainrule lm", 1e-3) == 0.4
    assert report.times(curves)[-1] == "| franke | 30 |"
    assert report.to_a_thousandth(curves)[-1] == "| franke | 0.4 | - |"
    assert report.errors(curves)[-1] == "| franke | 1.0e-03 (0.4 s) | 5.0e-01 (3 s) |"
