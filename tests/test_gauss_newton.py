"""The Gauss-Newton matrix against PyTorch's Jacobian, and its products against the matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

import chainrule as cr
from chainrule import losses
from chainrule.engines import NATIVE, NUMPY, Data
from chainrule.losses import Loss
from tests import torch_reference
from tests.test_gradients import PAIRS, Array
from tests.test_native import network, samples

ENGINES = [NUMPY, NATIVE]
WITH_CURVATURE = [pair for pair in PAIRS if losses.get(pair[0]).curvature is not None]

# The curvature of each loss by the outputs p, written out.
CURVATURES: dict[str, Callable[[Array, Array], Array]] = {
    "squared_error": lambda p, y: np.ones_like(p),
    "huber": lambda p, y: np.minimum(1, 1 / np.abs(p - y)),
    "huber(2.0)": lambda p, y: np.minimum(1, 2 / np.abs(p - y)),
    "log_cosh": lambda p, y: np.tanh(p - y) / (p - y),
    "cross_entropy": lambda p, y: y / p**2,
    "binary_cross_entropy": lambda p, y: 1 / (p * (1 - p)),
    "poisson": lambda p, y: 1 / np.maximum(p, 1e-70),
    "gamma": lambda p, y: 1 / np.maximum(p, 1e-70) ** 2,
    "gaussian_nll": lambda p, y: np.where(
        np.arange(p.shape[1]) < y.shape[1], np.exp(-np.roll(p, y.shape[1], axis=1)), 0.5
    ),
}


def jacobian_by_parameters(net: cr.Network, X: Array) -> Array:
    """Return d outputs / d parameters, of shape (n, n_outputs, P), by torch.func."""
    shapes = net.architecture.shapes
    names = [activation.name for activation in net.architecture.activations]

    def outputs(flat: torch.Tensor) -> torch.Tensor:
        weights: list[torch.Tensor] = []
        biases: list[torch.Tensor] = []
        start = 0
        for w, b in shapes:
            for kind, shape in ((weights, w), (biases, b)):
                if shape:
                    size = int(np.prod(shape))
                    kind.append(flat[start : start + size].reshape(shape))
                    start += size
        return torch_reference.outputs(torch_reference.tensor(X), weights, biases, names)

    found = torch.func.jacrev(outputs)(torch_reference.tensor(net.parameters))
    return np.asarray(found.numpy())


def expected_matrix(net: cr.Network, X: Array, Y: Array, weight: Array | None) -> Array:
    loss, p = net.architecture.loss.name, net.predict(X)
    if loss == "cross_entropy" and net.architecture.activations[-1].name == "softmax":
        h = 1 / p  # by rho: diag(p) - p p^T
    else:
        h = CURVATURES[loss](p, Y)
    share = np.ones(len(X)) if weight is None else weight
    J = jacobian_by_parameters(net, X)
    return np.einsum("i,ik,ikp,ikq->pq", share / share.sum(), h, J, J, optimize=True)


def require_right(engine: Any, net: cr.Network, data: Data) -> None:
    """Require the matrix of PyTorch's Jacobian, products like it, and the engine's gradient."""
    found = engine.normal_equations(net.architecture, net.parameters, data)
    expected = expected_matrix(net, data.X, data.Y, data.sample_weight)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=1e-11 * largest)
    gradients = engine.gradients(net.architecture, net.parameters, data, inputs=False)
    assert found.loss == pytest.approx(gradients.loss, rel=1e-13)
    np.testing.assert_allclose(found.gradient, gradients.parameters, rtol=1e-10, atol=1e-13)
    v = np.random.default_rng(1).normal(size=net.n_parameters)
    product = engine.curvature_product(net.architecture, net.parameters, data, v)
    scale = 1e-11 * largest * np.abs(v).sum()
    np.testing.assert_allclose(product, expected @ v, rtol=0, atol=scale)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("loss", "output"), WITH_CURVATURE)
def test_the_matrix_is_that_of_the_jacobian(
    engine: Any, loss: str, output: str, bias: bool
) -> None:
    net = network([3, 4, 4], loss=loss, output_activation=output, bias=bias)
    X, Y, weight = samples(net, n=9, weighted=bias)
    require_right(engine, net, Data(X, Y, weight))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize(
    "sizes", [[1, 1], [5, 1], [2, 6, 5, 1], [1, 3, 1, 2, 3], [4, 3, 10]], ids=str
)
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_the_matrix_of_many_shapes(engine: Any, sizes: list[int], loss: str) -> None:
    if loss == "cross_entropy":
        sizes = [*sizes[:-1], sizes[-1] + 1]
    output = "softmax" if loss == "cross_entropy" else "tanh"
    net = network(sizes, loss=loss, output_activation=output)
    X, Y, weight = samples(net, n=300, weighted=True)
    require_right(engine, net, Data(X, Y, weight))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_an_outlier_of_a_robust_loss_counts_little(engine: Any) -> None:
    net = network([2, 1], loss="huber")
    X, _, _ = samples(net, n=1)
    near = engine.normal_equations(net.architecture, net.parameters, Data(X, net.predict(X) + 0.5))
    far = engine.normal_equations(net.architecture, net.parameters, Data(X, net.predict(X) + 100))
    np.testing.assert_allclose(far.matrix, near.matrix / 100, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_samples_may_be_sparse_and_of_any_number_type(engine: Any) -> None:
    net = network([6, 5, 2])
    rng = np.random.default_rng(0)
    X = rng.integers(-2, 3, (40, 6)) * (rng.uniform(size=(40, 6)) < 0.4)
    Y = rng.integers(0, 5, (40, 2))
    weight = rng.integers(0, 3, 40)
    v = rng.normal(size=net.n_parameters)
    dense = Data(X.astype(float), Y.astype(float), weight.astype(float))
    expected = engine.normal_equations(net.architecture, net.parameters, dense)
    product = engine.curvature_product(net.architecture, net.parameters, dense, v)
    for other in (X.astype(np.int8), np.asfortranarray(X), sparse.csr_matrix(X, dtype=np.float32)):
        data = Data(other, Y.astype(np.int16), weight.astype(np.float32))
        found = engine.normal_equations(net.architecture, net.parameters, data)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        again = engine.curvature_product(net.architecture, net.parameters, data, v)
        np.testing.assert_array_equal(again, product)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_what_is_not_finite_comes_out_and_nothing_warns(engine: Any) -> None:
    net = network([2, 3, 1])
    X, Y, _ = samples(net, n=5)
    X[2, 0] = np.nan
    loss, gradient, matrix = engine.normal_equations(net.architecture, net.parameters, Data(X, Y))
    assert np.isnan(loss)
    assert np.isnan(gradient).any()
    assert np.isnan(matrix).any()
    big = np.full(net.n_parameters, 1e200)
    engine.normal_equations(net.architecture, big, Data(X, Y))
    engine.curvature_product(net.architecture, big, Data(X, Y), big)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("n", [0, 4])
def test_without_samples_or_weights_all_is_zero(engine: Any, n: int) -> None:
    net = network([2, 3, 1])
    X, Y, _ = samples(net, n=n)
    data = Data(X, Y, np.zeros(n))
    for part in engine.normal_equations(net.architecture, net.parameters, data):
        assert np.all(part == 0)
    v = np.ones(net.n_parameters)
    assert np.all(engine.curvature_product(net.architecture, net.parameters, data, v) == 0)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("loss", ["absolute_error", "hinge", "quantile(0.2)"])
def test_a_loss_without_curvature_is_refused(engine: Any, loss: str) -> None:
    net = network([2, 1], loss=loss, output_activation="tanh")
    X, Y, _ = samples(net, n=3)
    with pytest.raises(cr.InputError, match=rf"the loss {loss.split('(')[0]}.*no curvature.*lbfgs"):
        engine.normal_equations(net.architecture, net.parameters, Data(X, Y))
    with pytest.raises(cr.InputError, match="no curvature"):
        engine.curvature_product(net.architecture, net.parameters, Data(X, Y), net.parameters)


def test_a_loss_of_your_own_may_have_a_curvature() -> None:
    own = Loss(
        "half_square", lambda p, y: (p - y) ** 2 / 2, lambda p, y: p - y,
        curvature=lambda p, y: np.ones_like(p),
    )  # fmt: skip
    net, same = network([2, 3, 2], loss=own), network([2, 3, 2])
    X, Y, _ = samples(net, n=9)
    found = NUMPY.normal_equations(net.architecture, net.parameters, Data(X, Y))
    expected = NUMPY.normal_equations(same.architecture, same.parameters, Data(X, Y))
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    flat = Loss("flat", own.value, own.derivative, curvature=lambda p, y: np.ones(len(p)))
    wrong = network([2, 3, 2], loss=flat)
    with pytest.raises(cr.InputError, match=r"curvature of loss 'flat'.*\(9, 2\).*has \(9,\)"):
        NUMPY.normal_equations(wrong.architecture, wrong.parameters, Data(X, Y))
