"""The native Gauss-Newton matrix is that of the NumPy engine, for any network, and bounded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import chainrule as cr
from chainrule.engines import NATIVE, NUMPY, Data, native
from tests.test_gauss_newton import WITH_CURVATURE
from tests.test_gradients import ELEMENTWISE, Array
from tests.test_native import network, require_close, samples
from tests.test_native_core import require_refused
from tests.test_native_processes import run
from tests.test_native_threads import use  # noqa: F401

WIDTHS = st.one_of(st.integers(1, 5), st.sampled_from([7, 8, 9, 15, 16, 17, 20]))


@st.composite
def architectures(draw: st.DrawFn) -> cr.Network:
    loss, output = draw(st.sampled_from(WITH_CURVATURE))
    hidden = draw(st.lists(WIDTHS, max_size=3))
    outputs = draw(WIDTHS)
    if output == "softmax" or loss == "gaussian_nll":
        outputs += outputs % 2
    net = network(
        [draw(WIDTHS), *hidden, outputs],
        draw(st.integers(0, 1000)),
        activation=[draw(st.sampled_from(ELEMENTWISE)) for _ in hidden],
        output_activation=output,
        loss=loss,
        bias=output in ("relu", "gaussian") or draw(st.booleans()),
    )
    net.parameters *= 0.5  # so that no exponential of a sum of exponentials runs away
    return net


@given(net=architectures(), n=st.integers(1, 300), weighted=st.booleans())
@settings(max_examples=150)
def test_the_matrix_of_any_network_is_that_of_the_equations(
    net: cr.Network, n: int, weighted: bool
) -> None:
    data = Data(*samples(net, n + 1, weighted=weighted))
    vector = np.random.default_rng(n).normal(size=net.n_parameters)
    found, expected = (
        engine.normal_equations(net.architecture, net.parameters, data)
        for engine in (NATIVE, NUMPY)
    )
    assert np.array_equal(found.matrix, found.matrix.T)
    for a, b in zip(found, expected, strict=True):
        require_close(a, b)
    product, expected_product = (
        engine.curvature_product(net.architecture, net.parameters, data, vector)
        for engine in (NATIVE, NUMPY)
    )
    require_close(product, expected_product)


@pytest.mark.parametrize("sizes", [[2, 3, 1], [70, 9, 4], [6, 20, 20, 2], [784, 2]], ids=str)
@pytest.mark.parametrize("sparse_samples", [False, True])
def test_the_matrix_has_the_same_bits_on_any_number_of_threads(
    use: Callable[[int], None],  # noqa: F811
    sizes: list[int],
    sparse_samples: bool,
) -> None:
    net = cr.Network(sizes, activation="gelu", dtype="float64")
    X, Y, _ = samples(net, 1101)
    data = Data(sparse.csr_matrix(np.where(X > 0.5, X, 0)) if sparse_samples else X, Y)
    vector = np.linspace(-1, 1, net.n_parameters)

    def answers() -> list[Array]:
        loss, *arrays = NATIVE.normal_equations(net.architecture, net.parameters, data)
        product = NATIVE.curvature_product(net.architecture, net.parameters, data, vector)
        return [np.array(loss), *arrays, product]

    use(1)
    expected = answers()
    for n_threads in (2, 3, 5):
        use(n_threads)
        for a, b in zip(answers(), expected, strict=True):
            assert np.array_equal(a, b)


def test_a_float32_network_has_the_matrix_of_its_float64_parameters() -> None:
    single = cr.Network([3, 6, 2], activation="tanh", dtype="float32")
    double = cr.Network([3, 6, 2], activation="tanh", dtype="float64")
    theta = double.parameters
    data = Data(*samples(double, 50)[:2])
    found = NATIVE.normal_equations(single.architecture, theta, data)
    expected = NATIVE.normal_equations(double.architecture, theta, data)
    assert found.loss == expected.loss
    assert np.array_equal(found.gradient, expected.gradient)
    assert np.array_equal(found.matrix, expected.matrix)


def test_memory_that_there_is_not_is_asked_for_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = network([3, 8, 2])
    X, Y, _ = samples(net, 20)
    monkeypatch.setattr(native, "_MUCH_MEMORY", 0)
    monkeypatch.setattr(native, "_free_memory", lambda: 11.9 * net.n_parameters**2)
    sentence = r"not enough memory: the square matrix for 50 parameters takes 0.00 GiB.*'lbfgs'"
    with pytest.raises(cr.InputError, match=sentence):
        NATIVE.normal_equations(net.architecture, net.parameters, Data(X, Y))
    monkeypatch.setattr(native, "_free_memory", lambda: 12.1 * net.n_parameters**2)
    NATIVE.normal_equations(net.architecture, net.parameters, Data(X, Y))


def test_a_matrix_for_millions_of_parameters_is_refused_and_its_products_are_not() -> None:
    net = cr.Network([1000, 1000, 1000], dtype="float64")
    X, Y = np.ones((2, 1000)), np.ones((2, 1000))
    with pytest.raises(cr.InputError, match="the square matrix for 2,002,000 parameters takes"):
        NATIVE.normal_equations(net.architecture, net.parameters, Data(X, Y))
    product = NATIVE.curvature_product(
        net.architecture, net.parameters, Data(X, Y), np.ones_like(net.parameters)
    )
    assert np.isfinite(product).all()


INTERRUPTED = """
import json, signal, time
import numpy as np
import chainrule as cr
from chainrule.engines import NATIVE, Data

net = cr.Network([4, 40, 40, 1], activation="tanh", dtype="float64")
X = np.broadcast_to(1.0, (50_000_000, 4))  # minutes
data = Data(X, X[:, :1])
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    NATIVE.CALL
except KeyboardInterrupt:
    print(json.dumps("interrupted"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no timers that interrupt")
@pytest.mark.parametrize(
    "call",
    [
        "normal_equations(net.architecture, net.parameters, data)",
        "curvature_product(net.architecture, net.parameters, data, net.parameters)",
    ],
)
def test_ctrl_c_ends_it(call: str) -> None:
    assert run(INTERRUPTED.replace("CALL", call)) == "interrupted"


def refused_calls() -> list[str]:
    vectors = ["theta[:12]", "theta.astype(np.float32)", "None", "np.zeros(26)[::2]"]
    matrices = ["G[:12]", "G[::-1]", "G.astype(np.float32)", "None"]
    normal, product = "normal_equations", "curvature_product"
    return [
        *(f"{normal}(net, {v}, X, Y, None, 1, theta, G)" for v in vectors),
        *(f"{normal}(net, theta, X, Y, None, 1, {v}, G)" for v in vectors),
        *(f"{normal}(net, theta, X, Y, None, 1, theta, {m})" for m in matrices),
        f"{normal}(net, theta, X, None, None, 1, theta, G)",
        f"{normal}(net, theta, X, Y[:5], None, 1, theta, G)",
        f"{normal}(cornered, theta, X, Y, None, 1, theta, G)",
        *(f"{product}(net, {v}, theta, X, Y, None, 1, theta)" for v in vectors),
        *(f"{product}(net, theta, {v}, X, Y, None, 1, theta)" for v in vectors),
        *(f"{product}(net, theta, theta, X, Y, None, 1, {v})" for v in vectors),
        f"{product}(cornered, theta, theta, X, Y, None, 1, theta)",
    ]


def test_the_core_refuses_what_does_not_fit() -> None:
    calls = json.dumps(refused_calls())
    require_refused(f"""
import numpy as np
from chainrule import _core

layers = [(2, 3, "tanh", 1.0), (3, 1, "identity", 1.0)]
net = _core.Network(layers, "squared_error", 1.0, True)
cornered = _core.Network(layers, "absolute_error", 1.0, True)
theta, X, Y, G = np.zeros(13), np.zeros((6, 2)), np.zeros((6, 1)), np.zeros((13, 13))
_core.normal_equations(net, theta, X, Y, None, 1, np.zeros(13), G)
for call in {calls}:
    try:
        eval("_core." + call)
    except (ValueError, TypeError, BufferError):
        continue
    print("taken:", call)
print("refused")
""")
