"""Values and derivatives fitted together: fit(X, Y, dY=...)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import chainrule as cr
from chainrule import equations, tangents, training
from chainrule.activations import NAMED, Activation
from chainrule.engines import NUMPY, Data

Array = npt.NDArray[Any]

SMOOTH = ["identity", "sigmoid", "tanh", "elu", "celu", "gelu", "silu", "mish", "softplus",
          "softsign", "sin", "gaussian", "exponential"]  # fmt: skip


def network(activation: Any = "tanh", output: Any = "identity", **more: Any) -> cr.Network:
    return cr.Network([3, 5, 4, 2], activation, output, **{"dtype": "float64", "seed": 1, **more})


def samples(n: int = 7, seed: int = 0) -> tuple[Array, Array, Array]:
    """Return X, Y and a dY with gaps: single entries, and a whole input."""
    rng = np.random.default_rng(seed)
    dY = rng.normal(size=(n, 2, 3))
    dY[0, 1, 2] = dY[2, 0, 0] = np.nan
    dY[:, :, 1] = np.nan
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 2)), dY


def derivatives_part(net: cr.Network, X: Array, dY: Array, weight: Array | None = None) -> float:
    """Return the part of the derivatives from the Jacobian of the backward pass."""
    error = np.nan_to_num(net.jacobian(X) - dY) ** 2
    return float(np.average(error.sum(axis=(1, 2)), weights=weight)) / 2


def as_data(*arrays: Any, weight: Any = None, dY_weight: float = 1.0) -> Data:
    X, Y, dY = arrays
    return Data(X, Y, weight, dY, dY_weight)


# The cost and its gradients.


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_c_plus_the_weighted_d(weighted: bool) -> None:
    net, (X, Y, dY) = network(), samples()
    weight = np.arange(7.0) if weighted else None
    C, D = net.loss_value(X, Y, weight), derivatives_part(net, X, dY, weight)
    found = net.loss_value(X, Y, weight, dY=dY, dY_weight=0.3)
    assert found == pytest.approx(C + 0.3 * D, rel=1e-12)
    assert net.gradients(X, Y, weight, dY=dY, dY_weight=0.3).loss == pytest.approx(found)


@pytest.mark.parametrize("reference", ["complex", "torch", "jax"])
@pytest.mark.parametrize("output", ["identity", "sigmoid", "softplus"])
def test_gradients_are_those_of_independent_ones(reference: str, output: str) -> None:
    if reference == "jax":
        pytest.importorskip("jax")
    X, Y, dY = samples()
    weight = np.random.default_rng(2).uniform(size=7)
    net = network(["silu", "tanh"], output)
    check = cr.check_gradients(net, X, Y, weight, dY=dY, dY_weight=0.3, reference=reference)
    assert check.passed, check
    assert check.parameters[-1].name == "phi^0"


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_right_with_every_smooth_activation(name: str) -> None:
    X, Y, dY = samples()
    check = cr.check_gradients(network(name, name), X, Y, dY=dY, reference="torch")
    assert check.passed, check


@pytest.mark.parametrize("name", [a.name for a in NAMED.values() if a.elementwise])
def test_gradients_are_right_almost_everywhere_with_any_activation(name: str) -> None:
    X, Y, dY = samples()
    check = cr.check_gradients(network(name), X, Y, dY=dY)
    assert check.passed, check


def test_a_check_finds_a_wrong_second_derivative() -> None:
    def prime(x: Any) -> Any:
        return 1 - np.tanh(x) ** 2

    wrong = Activation("mine", np.tanh, prime, sigma_double_prime=np.cos, check=False)
    X, Y, dY = samples()
    assert cr.check_gradients(network(wrong), X, Y).passed
    check = cr.check_gradients(network(wrong), X, Y, dY=dY)
    assert not check.passed
    assert [culprit.layer for culprit in check.culprits] == [1, 2]
    assert "sigma_double_prime is not the derivative of sigma_prime" in str(check.culprits[0])


def test_a_derivative_that_is_not_known_has_no_say() -> None:
    net, (X, Y, dY) = network(), samples()
    gradients = net.gradients(X, Y, dY=dY)
    known = ~np.isnan(dY)
    filled = np.where(known, dY, net.jacobian(X))  # as if each of them were fitted already
    expected = net.gradients(X, Y, dY=filled)
    assert gradients.loss == pytest.approx(expected.loss, rel=1e-12)
    np.testing.assert_allclose(gradients.weights[0], expected.weights[0], rtol=1e-10, atol=1e-13)


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    n=st.integers(1, 5),
    seed=st.integers(0, 2**16),
)
def test_gradients_are_right_for_any_shape_and_any_gaps(
    sizes: list[int], n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    net = cr.Network(sizes, "tanh", dtype="float64", seed=seed)
    dY = rng.normal(size=(n, sizes[-1], sizes[0]))
    dY[rng.uniform(size=dY.shape) < 0.3] = np.nan
    dY[0, 0, 0] = 1.0
    X, Y = rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1]))
    assert cr.check_gradients(net, X, Y, dY=dY).passed


def test_blocks_of_rows_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    net, (X, Y, dY) = network(), samples(300)
    weight = np.random.default_rng(1).uniform(size=300)
    whole = net.gradients(X, Y, weight, dY=dY)
    monkeypatch.setattr("chainrule.engines.blocks.weighted_blocks.__defaults__", (1,))
    parts = net.gradients(X, Y, weight, dY=dY)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12)
    np.testing.assert_allclose(parts.weights[0], whole.weights[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(parts.inputs, whole.inputs, rtol=1e-10, atol=1e-14)


# The forward derivative of a forward derivative, and the Gauss-Newton matrix.


def test_how_a_dot_moves_is_its_complex_step() -> None:
    net, (X, _, _) = network(["silu", "tanh"], "sigmoid"), samples()
    v = np.random.default_rng(3).normal(size=net.n_parameters)
    W, B, sigma = net.architecture.for_equations(net.parameters)
    W_dot, B_dot, _ = net.architecture.for_equations(v)
    q = equations.forward(W, B, sigma, X.T)
    along = tangents.forward(q, W, sigma, W_dot=W_dot, B_dot=B_dot)
    stepped = net.architecture.for_equations(net.parameters + 1e-100j * v)
    q_stepped = equations.forward(*stepped, X.T.astype(complex))
    dots = tangents.along_inputs(q, W, sigma, [0, 2])
    dots_stepped = tangents.along_inputs(q_stepped, stepped[0], sigma, [0, 2])
    for dot, dot_stepped in zip(dots, dots_stepped, strict=True):
        moving = tangents.forward_of_dot(q, dot, along, W, sigma, W_dot)
        for L in (1, 2, 3):
            expected = dot_stepped.phi[L].imag / 1e-100
            np.testing.assert_allclose(moving.phi[L], expected, rtol=1e-11, atol=1e-14)


def expected_matrix(net: cr.Network, data: Data) -> Array:
    """Return J^T J of outputs and derivatives, by complex steps of what the engine gives."""
    columns = []
    assert data.dY is not None
    known = ~np.isnan(data.dY)
    for p in range(net.n_parameters):
        theta = net.parameters.astype(complex)
        theta[p] += 1e-100j
        outputs = NUMPY.predict(net.architecture, theta, data.X).imag
        by_inputs = NUMPY.jacobian(net.architecture, theta, data.X).imag
        by_inputs = np.where(known, by_inputs, 0) * np.sqrt(data.dY_weight)
        columns.append(np.concatenate([outputs[:, :, None], by_inputs], axis=2) / 1e-100)
    J = np.stack(columns, axis=-1)
    weight = np.ones(len(data)) if data.sample_weight is None else data.sample_weight
    return np.einsum("i,ikmp,ikmq->pq", weight / weight.sum(), J, J)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_gauss_newton_matrix_has_rows_for_the_derivatives(weighted: bool, bias: bool) -> None:
    net = network(["silu", "tanh"], "sigmoid", bias=bias)
    weight = np.arange(7.0) if weighted else None
    data = as_data(*samples(), weight=weight, dY_weight=0.3)
    found = NUMPY.normal_equations(net.architecture, net.parameters, data)
    expected = expected_matrix(net, data)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found.matrix, expected, rtol=0, atol=1e-12 * largest)
    gradients = NUMPY.gradients(net.architecture, net.parameters, data, inputs=False)
    assert found.loss == pytest.approx(gradients.loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient, gradients.parameters, rtol=1e-10, atol=1e-14)
    v = np.random.default_rng(4).normal(size=net.n_parameters)
    product = NUMPY.curvature_product(net.architecture, net.parameters, data, v)
    np.testing.assert_allclose(product, expected @ v, rtol=0, atol=1e-11 * largest)


# Training.


def franke(X: Array) -> Array:
    """Franke's surface, the usual test of interpolation; also of complex points in [-1, 1]^2."""
    a, b = 9 * (X.T + 1) / 2
    return np.asarray(
        0.75 * np.exp(-((a - 2) ** 2) / 4 - (b - 2) ** 2 / 4)
        + 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
        + 0.5 * np.exp(-((a - 7) ** 2) / 4 - (b - 3) ** 2 / 4)
        - 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)
    )


def franke_and_gradient(n: int, seed: int) -> tuple[Array, Array, Array]:
    X = np.random.default_rng(seed).uniform(-1, 1, size=(n, 2))
    steps = [franke(X + 1e-100j * np.eye(2)[m]).imag / 1e-100 for m in range(2)]
    return X, franke(X), np.stack(steps, axis=1)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("lm", {"epochs": 60}),
        ("lbfgs", {"epochs": 800}),
        ("adam", {"epochs": 1500, "batch_size": 100, "learning_rate": 5e-3}),
    ],
)
def test_derivatives_at_the_same_points_make_fresh_points_better(
    optimizer: str, options: dict[str, Any]
) -> None:
    X, Y, dY = franke_and_gradient(100, seed=0)
    X_new, Y_new, dY_new = franke_and_gradient(1000, seed=1)
    errors = []
    for known in (None, dY):
        net = cr.Network([2, 12, 12, 1], "tanh", dtype="float64", seed=1)
        net.fit(X, Y, dY=known, optimizer=optimizer, engine="numpy", **options)
        values = net.predict(X_new)[:, 0] - Y_new
        slopes = net.jacobian(X_new)[:, 0] - dY_new
        errors.append([np.sqrt(np.mean(values**2)), np.sqrt(np.mean(slopes**2))])
    (value, slope), (value_with, slope_with) = errors
    assert value_with < value / 2
    assert slope_with < slope / 2


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "lm"])
def test_the_history_has_c_plus_d_and_says_why_it_is_numpy(optimizer: str) -> None:
    net, (X, Y, dY) = network(), samples()
    training._warn_once.cache_clear()
    with pytest.warns(UserWarning, match=r"NumPy engine, .* derivatives \(dY\) are fitted"):
        history = net.fit(X, Y, dY=dY, dY_weight=0.3, optimizer=optimizer, epochs=3)
    assert history.engine == "numpy"
    assert "derivatives (dY) are fitted, which the native engine does not know" in (
        history.engine_reason
    )
    final = net.loss_value(X, Y, dY=dY, dY_weight=0.3)
    assert final < history.loss[0]
    if optimizer != "adam":
        assert history.loss[-1] == pytest.approx(final, rel=1e-10)


def test_a_fit_of_derivatives_is_a_step_along_their_gradient() -> None:
    net, (X, Y, dY) = network(), samples()
    gradients, before = net.gradients(X, Y, dY=dY), net.weights[0].copy()
    net.fit(X, Y, dY=dY, optimizer="sgd", learning_rate=0.1, epochs=1, engine="numpy")
    np.testing.assert_allclose(net.weights[0], before - 0.1 * gradients.weights[0], rtol=1e-12)


def test_with_dropout_it_is_the_gradient_of_the_network_that_is_left() -> None:
    """By differences of the loss that the history has, of networks with the same masks."""
    X, Y, dY = samples()
    options: dict[str, Any] = {"dY": dY, "optimizer": "sgd", "epochs": 1, "dropout": 0.4,
                               "engine": "numpy"}  # fmt: skip
    start, stepped = network("silu"), network("silu")
    stepped.fit(X, Y, learning_rate=1.0, **options)
    gradient = start.parameters - stepped.parameters
    differences = np.empty_like(gradient)
    for p in range(len(gradient)):
        losses = []
        for h in (1e-6, -1e-6):
            net = start.copy()
            net.parameters[p] += h
            losses += net.fit(X, Y, learning_rate=1e-12, **options).loss
        differences[p] = (losses[0] - losses[1]) / 2e-6
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-8)


def test_float32_sparse_inputs_dropout_and_a_held_out_fraction() -> None:
    X, Y, dY = samples(40)
    X[X < 0] = 0
    net = cr.Network([3, 5, 4, 2], "tanh")
    history = net.fit(
        sparse.csr_matrix(X), Y, dY=dY, epochs=5, batch_size=8, dropout=0.2, l2=1e-3,
        validation_data=0.25, engine="numpy",
    )  # fmt: skip
    assert np.isfinite(history.loss).all()
    assert net.parameters.dtype == np.float32
    assert len(history.val_loss) == 5


@pytest.mark.parametrize("with_derivatives", [False, True])
def test_validation_data_may_have_derivatives_or_not(with_derivatives: bool) -> None:
    net, (X, Y, dY), watched = network(), samples(), samples(seed=1)
    validation = (*watched[:2], None, watched[2]) if with_derivatives else watched[:2]
    history = net.fit(
        X, Y, dY=dY, dY_weight=0.3, epochs=2, validation_data=validation, engine="numpy"
    )
    more: dict[str, Any] = {"dY": watched[2], "dY_weight": 0.3} if with_derivatives else {}
    assert history.val_loss[-1] == pytest.approx(net.loss_value(*watched[:2], **more), rel=1e-12)


def test_the_regressor_fits_derivatives_and_slices_them_with_the_samples() -> None:
    X, y, dY = franke_and_gradient(80, seed=0)
    X_new, y_new, _ = franke_and_gradient(500, seed=1)
    options: dict[str, Any] = {
        "hidden_layer_sizes": (12,),
        "activation": "tanh",
        "solver": "lbfgs",
        "max_iter": 3000,
        "tol": 1e-3,
        "random_state": 0,
        "engine": "numpy",
    }
    without = cr.MLPRegressor(**options).fit(X, y)
    model = cr.MLPRegressor(**options).fit(X, y, dY=dY)
    assert 1 - model.score(X_new, y_new) < (1 - without.score(X_new, y_new)) / 2
    search = GridSearchCV(cr.MLPRegressor(**options), {"alpha": [1e-4, 1e-6]}, cv=2)
    assert search.fit(X, y, dY=dY).best_score_ > 0.9


def test_early_stopping_of_the_regressor_holds_derivatives_out_with_the_rest() -> None:
    X, y, dY = franke_and_gradient(80, seed=0)
    model = cr.MLPRegressor(
        hidden_layer_sizes=(12,),
        activation="tanh",
        early_stopping=True,
        max_iter=20,
        random_state=0,
        engine="numpy",
    )
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y, dY=dY[:, None, :], dY_weight=0.1)
    assert len(model.validation_scores_) == 20


def test_the_classifier_has_no_derivatives_to_fit() -> None:
    X, _, dY = samples()
    with pytest.raises(ValueError, match=r"derivatives .* are fitted with loss='squared_error'"):
        cr.MLPClassifier().fit(X, np.arange(7) % 2, dY=dY)


def test_train_many_fits_derivatives_too() -> None:
    X, Y, dY = samples()
    nets = [network(), network("silu")]
    alone = [net.copy() for net in nets]
    _, histories = cr.train_many(nets, X, Y, dY=dY, dY_weight=0.3, epochs=2, engine="numpy")
    for net, twin, history in zip(nets, alone, histories, strict=True):
        expected = twin.fit(X, Y, dY=dY, dY_weight=0.3, epochs=2, engine="numpy")
        assert history.loss == expected.loss
        np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_training_resumes_on_the_same_derivatives_alone(tmp_path: Path) -> None:
    X, Y, dY = samples(40)
    file = tmp_path / "run.checkpoint"
    options: dict[str, Any] = {"batch_size": 8, "engine": "numpy"}
    whole, halves = network(), network()
    whole.fit(X, Y, dY=dY, epochs=6, **options)
    halves.fit(X, Y, dY=dY, epochs=3, checkpoint=file, **options)
    with pytest.raises(cr.InputError, match=r"derivatives of weight 1.* but this one has"):
        halves.fit(X, Y, epochs=6, checkpoint=file, resume=True, **options)
    with pytest.raises(cr.InputError, match=r"derivatives of weight 1.* but this one has"):
        halves.fit(X, Y, dY=dY, dY_weight=2, epochs=6, checkpoint=file, resume=True, **options)
    halves.fit(X, Y, dY=dY, epochs=6, checkpoint=file, resume=True, **options)
    np.testing.assert_array_equal(halves.parameters, whole.parameters)


def test_derivatives_of_two_dimensions_is_one_output() -> None:
    X, _, dY = samples()
    net = cr.Network([3, 4, 1], "tanh", dtype="float64")
    expected = net.loss_value(X, X[:, 0], dY=dY[:, :1])
    assert net.loss_value(X, X[:, 0], dY=dY[:, 0]) == expected
    for same in (dY[:, 0].tolist(), polars.DataFrame(dY[:, 0]), sparse.csr_matrix(dY[:, 0])):
        assert net.loss_value(X, X[:, 0], dY=same) == expected


def test_a_kinked_activation_is_warned_of() -> None:
    X, Y, dY = samples()
    with pytest.warns(UserWarning, match=r"through relu, whose own derivative jumps"):
        network("relu").fit(X, Y, dY=dY, epochs=1, engine="numpy")


NO_SECOND = Activation("mine", np.tanh, lambda x: 1 - np.tanh(x) ** 2)


@pytest.mark.parametrize(
    ("net", "change", "message"),
    [
        (network(), lambda dY: dY[:, :, :2], r"must have shape \(7, 2, 3\), the derivative of each "
         r"output by each input for each row of X, but has \(7, 2, 2\)"),
        (network(), lambda dY: dY[:5], r"but has \(5, 2, 3\)"),
        (network(), lambda dY: dY[:, 0], r"must have shape \(7, 2, 3\).* but has \(7, 3\)"),
        (cr.Network([3, 4, 1], "tanh"), lambda dY: dY[:, 0, :2], r"\(7, 1, 3\) or \(7, 3\)"),
        (network(), lambda dY: dY * np.nan, "dY has no number in it.*pass dY=None"),
        (network(), lambda dY: np.where(np.isnan(dY), np.inf, dY), "dY has inf .*or NaN where it"),
        (network(), lambda dY: dY.astype(str), "dY holds text"),
        (network(loss="huber"), lambda dY: dY, "loss='squared_error', but the network has the los"),
        (network("tanh", "softmax"), lambda dY: dY, "through softmax"),
        (network(NO_SECOND), lambda dY: dY, "'mine' has none: pass sigma_double_prime"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_refused(net: cr.Network, change: Any, message: str) -> None:
    X, Y, dY = samples()
    with pytest.raises(cr.InputError, match=message):
        net.fit(X, Y[:, : net.layer_sizes[-1]], dY=change(dY))


@pytest.mark.parametrize("weight", [0, -1, np.nan, np.inf, "much", True])
def test_a_weight_of_derivatives_that_makes_no_sense_is_refused(weight: Any) -> None:
    X, Y, dY = samples()
    with pytest.raises(cr.InputError, match="dY_weight must be a number above 0, but is"):
        network().fit(X, Y, dY=dY, dY_weight=weight)


def test_the_native_engine_is_refused_with_the_reason() -> None:
    X, Y, dY = samples()
    with pytest.raises(cr.InputError, match=r"native .* because derivatives \(dY\) are fitted"):
        network().fit(X, Y, dY=dY, engine="native")
