"""The public face of a network: parameters, prediction, and clear errors for bad input."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

import chainrule as cr
from chainrule import activations, initializers


@pytest.fixture
def net() -> cr.Network:
    return cr.Network([3, 4, 2], dtype="float64")


X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.random.default_rng(1).normal(size=(6, 2))


def test_defaults_are_those_of_the_design() -> None:
    net = cr.Network([3, 4, 4, 2])
    assert [a.name for a in net.architecture.activations] == ["relu", "relu", "identity"]
    assert net.architecture.loss.name == "squared_error"
    assert net.dtype == np.float32
    assert net.seed == 0
    assert net.n_parameters == 4 * 4 + 5 * 4 + 5 * 2
    assert [w.shape for w in net.weights] == [(4, 3), (4, 4), (2, 4)]
    assert all(not b.any() for b in net.biases if b is not None)


def test_prediction_is_the_definition(net: cr.Network) -> None:
    hidden = np.maximum(X @ net.weights[0].T + net.biases[0], 0)
    np.testing.assert_allclose(net.predict(X), hidden @ net.weights[1].T + net.biases[1])


def test_weights_can_be_assigned_whole_by_layer_and_by_entry(net: cr.Network) -> None:
    net.weights = [np.ones((4, 3)), np.ones((2, 4))]
    net.biases[1] = [5.0, 6.0]
    net.weights[0][0, 0] = 2.0
    assert net.predict([[1.0, 0.0, 0.0]]).tolist() == [[2 + 3 + 5.0, 2 + 3 + 6.0]]


@pytest.mark.parametrize("value", [np.ones((3, 4)), "text", np.ones(4)])
def test_weights_of_another_shape_are_refused(net: cr.Network, value: Any) -> None:
    with pytest.raises(cr.InputError, match=r"weights\[0\] must be numbers of shape \(4, 3\)"):
        net.weights[0] = value
    with pytest.raises(cr.InputError, match="weights must be 2 arrays"):
        net.weights = [value]


def test_without_bias_there_is_none() -> None:
    net = cr.Network([3, 4, 2], bias=False)
    assert net.biases == [None, None]
    assert net.n_parameters == 4 * 3 + 2 * 4
    assert net.gradients(X, Y).biases == [None, None]
    with pytest.raises(cr.InputError, match="bias=False"):
        net.biases[0] = np.ones(4)


def test_each_hidden_layer_can_have_its_own_activation() -> None:
    net = cr.Network([2, 3, 4, 1], activation=["tanh", activations.sin])
    assert [a.name for a in net.architecture.activations] == ["tanh", "sin", "identity"]
    with pytest.raises(cr.InputError, match="one for each of the 2 hidden layers, but got 1"):
        cr.Network([2, 3, 4, 1], activation=["tanh"])


@pytest.mark.parametrize("name", ["he", "glorot", "lecun", "normal"])
def test_initial_weights_have_the_variance_they_should(name: str) -> None:
    w = cr.Network([400, 300], weight_init=name, dtype="float64").weights[0]
    variance = {"he": 2 / 400, "glorot": 2 / 700, "lecun": 1 / 400, "normal": 1}[name]
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert w.mean() == pytest.approx(0, abs=5 * np.sqrt(variance / w.size))


def test_auto_initialises_by_activation() -> None:
    def spread(activation: str) -> float:
        net = cr.Network([400, 300, 1], activation=activation, dtype="float64")
        return float(net.weights[0].var())

    assert spread("relu") == pytest.approx(2 / 400, rel=0.03)
    assert spread("tanh") == pytest.approx(2 / 700, rel=0.03)
    assert spread("selu") == pytest.approx(1 / 400, rel=0.03)


def test_weights_can_be_initialised_by_a_function() -> None:
    net = cr.Network([3, 2], weight_init=lambda rng, shape: np.full(shape, 0.5))
    assert (net.weights[0] == 0.5).all()
    with pytest.raises(cr.InputError, match=r"shape \(n_out, n_in\) = \(2, 3\)"):
        cr.Network([3, 2], weight_init=lambda rng, shape: np.zeros(shape[::-1]))
    assert initializers.get("he") is initializers.he


def test_a_network_can_be_pickled_and_copied(net: cr.Network) -> None:
    for twin in (pickle.loads(pickle.dumps(net)), net.copy()):
        assert np.array_equal(twin.predict(X), net.predict(X))
        twin.weights[0][:] = 0
        assert net.weights[0].any()


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda a: a[::-1][::-1],
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a.tolist(),
        pd.DataFrame,
        pl.DataFrame,
        lambda a: pd.DataFrame(a).astype(object),
        scipy.sparse.csr_matrix,
        scipy.sparse.csc_array,
    ],
    ids=["fortran", "reversed", "strided", "list", "pandas", "polars", "objects", "csr", "csc"],
)
def test_any_kind_of_table_gives_the_same(net: cr.Network, convert: Any) -> None:
    given = convert(X)
    np.testing.assert_array_equal(net.predict(given), net.predict(X))
    other = net.copy()
    other.feature_names = None
    net.fit(X, Y, epochs=2, batch_size=4)
    other.fit(given, Y, epochs=2, batch_size=4)
    np.testing.assert_allclose(other.parameters, net.parameters, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.bool_])
def test_numbers_of_any_type_are_converted(dtype: Any) -> None:
    net = cr.Network([3, 4, 2])
    table = np.array([[0, 1, 1], [1, 0, 1]])
    assert np.array_equal(net.predict(table.astype(dtype)), net.predict(table.astype(float)))


def test_inputs_are_never_changed(net: cr.Network) -> None:
    given, targets = X.copy(), Y.copy()
    given.flags.writeable = targets.flags.writeable = False
    net.fit(given, targets, epochs=1)
    net.gradients(given, targets)


def test_class_numbers_stand_for_one_column_each() -> None:
    net = cr.Network([3, 3], output_activation="softmax", loss="cross_entropy", dtype="float64")
    classes = np.array([0, 2, 1, 1, 0, 2])
    assert net.loss_value(X, classes) == net.loss_value(X, np.eye(3)[classes])
    with pytest.raises(cr.InputError, match="whole and from 0 to 2 for this network, but has 3"):
        net.fit(X, classes + 1)


def test_no_rows_predict_no_rows_and_do_not_train(net: cr.Network) -> None:
    assert net.predict(np.empty((0, 3))).shape == (0, 2)
    assert net.jacobian(np.empty((0, 3))).shape == (0, 2, 3)
    with pytest.raises(cr.InputError, match="X has no rows"):
        net.fit(np.empty((0, 3)), np.empty((0, 2)))


def test_one_row_trains(net: cr.Network) -> None:
    assert net.fit(X[:1], Y[:1], epochs=2, batch_size=1000).batch_size == 1


def test_many_rows_are_predicted_in_blocks(net: cr.Network) -> None:
    many = np.tile(X, (100_000, 1))
    out = net.predict(many)
    np.testing.assert_allclose(out[-6:], net.predict(X), rtol=1e-12)


def test_extreme_inputs_neither_warn_nor_become_nan() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in activations.NAMED:
            if name == "softmax":
                continue
            net = cr.Network([3, 4, 2], activation=name)
            out = net.predict(1e4 * X)
            assert np.isfinite(out).all(), name


BAD_X = {
    "NaN": (np.where(np.arange(18).reshape(6, 3) == 7, np.nan, X), "X has nan in row 2, column 1"),
    "infinity": (np.where(X == X[0, 0], np.inf, X), "X has inf in row 0, column 0"),
    "text": (np.array([["a", "b", "c"]]), "X holds text, but numbers are needed"),
    "objects": (np.array([[None, 1, 2]]), "X has nan in row 0"),
    "more columns": (np.ones((2, 4)), "X has 4 columns, but this network takes 3"),
    "one dimension": (np.ones(3), r"for one sample pass X\[None, :\]"),
    "three dimensions": (np.ones((2, 3, 1)), "must have two dimensions"),
    "ragged": ([[1, 2, 3], [1, 2]], "rows of different lengths"),
    "too large for float64": (np.full((1, 3), 10**400, dtype=object), r"X holds objects \(int\)"),
    "masked": (np.ma.masked_greater(np.array([[1.0, 5.0, 2.0]]), 4), "X has masked entries"),
    "lazy frame": (pl.LazyFrame({"a": [1.0]}), r"lazy frame.*collect\(\) first"),
    "numbers as text": (np.array([[1, "7", 2]], dtype=object), r"objects \(int, str\)"),
    "numbers as text in a frame": (pd.DataFrame([["1", "2", "3"]]), "column '0' holds String"),
    "nullable": (
        pd.DataFrame({0: pd.array([None], dtype="Int64"), 1: [1.0], 2: [2.0]}),
        "X has nan in row 0",
    ),
    "repeated columns without names": (
        pd.DataFrame(np.ones((1, 3)), columns=[0, 1, 0]),
        "several columns of the name 0",
    ),
    "repeated columns": (
        pd.DataFrame(np.ones((1, 3)), columns=["a", "b", "a"]),
        "several columns of the name a",
    ),
    "complex": (X * 1j, "X holds complex numbers"),
    "text column": (
        pd.DataFrame({"a": [1.0], "b": [2.0], "city": ["Oslo"]}),
        "column 'city' holds String",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_X)
def test_bad_inputs_say_what_is_wrong(net: cr.Network, case: str) -> None:
    bad, message = BAD_X[case]
    before = net.parameters.copy()
    with pytest.raises(cr.InputError, match=message):
        net.predict(bad)
    with pytest.raises(cr.InputError, match=message):
        net.fit(bad, Y[:1])
    assert np.array_equal(net.parameters, before)


BAD_FIT: dict[str, tuple[dict[str, Any], str]] = {
    "NaN in Y": ({"Y": np.full((6, 2), np.nan)}, "Y has nan in row 0, column 0"),
    "Y of another length": ({"Y": Y[:5]}, "X has 6 samples but Y has 5"),
    "Y of another width": ({"Y": Y[:, :1]}, r"Y must have shape \(6, 2\)"),
    "negative weight": ({"sample_weight": -np.ones(6)}, "at least 0 everywhere"),
    "weights all zero": ({"sample_weight": np.zeros(6)}, "above 0 somewhere"),
    "weights of another length": ({"sample_weight": np.ones(5)}, r"must have shape \(6,\)"),
    "optimizer": ({"optimizer": "adm"}, "did you mean 'adam'"),
    "learning rate": ({"learning_rate": -1}, "learning_rate must be a number above 0"),
    "learning rate NaN": ({"learning_rate": float("nan")}, "but is nan"),
    "epochs": ({"epochs": 1.5}, "epochs must be a whole number of at least 0, but is 1.5"),
    "batch size": ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    "dropout": ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1"),
    "schedule": ({"schedule": "cosin"}, "did you mean 'cosine'"),
    "early stopping": ({"early_stopping": "yes"}, "early_stopping must be None, True"),
    "callbacks": ({"callbacks": [3]}, "callbacks must be instances"),
    "engine": ({"engine": "torch"}, "engine 'torch' is not known"),
    "validation": ({"validation_data": X}, "validation_data must be"),
    "validation shape": ({"validation_data": (X[:, :2], Y)}, "validation_data: X has 2 columns"),
    "validation fraction": ({"validation_data": 0.01}, "samples on both sides"),
    "seed": ({"seed": -1}, "seed must be a whole number"),
    "large seed": ({"seed": 2**64}, "seed must be a whole number"),
    "verbose": ({"verbose": "a"}, "verbose must be a whole number"),
    "patience": ({"early_stopping": -1}, "patience must be a whole number"),
    "threads": ({"n_threads": 0}, "n_threads must be a whole number of at least 1"),
    "lbfgs with dropout": ({"optimizer": "lbfgs", "dropout": 0.1}, "pass dropout=0"),
}


@pytest.mark.parametrize("case", BAD_FIT)
def test_bad_settings_say_what_is_wrong(net: cr.Network, case: str) -> None:
    bad, message = BAD_FIT[case]
    before = net.parameters.copy()
    with pytest.raises(cr.InputError, match=message):
        net.fit(**{"X": X, "Y": Y, **bad})
    assert np.array_equal(net.parameters, before)


BAD_NETWORK: dict[str, tuple[dict[str, Any], str]] = {
    "no layers": ({"layer_sizes": [3]}, "at least two positive whole numbers"),
    "zero units": ({"layer_sizes": [3, 0, 1]}, "positive whole numbers"),
    "half a unit": ({"layer_sizes": [3, 1.5, 1]}, "positive whole numbers"),
    "a number": ({"layer_sizes": 3}, "must be a list"),
    "activation": ({"activation": "rleu"}, "did you mean 'relu'"),
    "hidden softmax": ({"activation": "softmax"}, "for the output layer only"),
    "loss": ({"loss": "crossentropy"}, "did you mean 'cross_entropy'"),
    "loss without its output": ({"loss": "cross_entropy"}, "output_activation='softmax'"),
    "one softmax": (
        {"layer_sizes": [3, 1], "loss": "cross_entropy", "output_activation": "softmax"},
        "softmax over a single output is always 1",
    ),
    "odd outputs": ({"layer_sizes": [3, 3], "loss": "gaussian_nll"}, "2 outputs for each target"),
    "initializer": ({"weight_init": "hee"}, "did you mean 'he'"),
    "infinite units": ({"layer_sizes": [3, float("inf"), 1]}, "must be a list such as"),
    "no activation": ({"activation": None}, "activation must be a name"),
    "dtype": ({"dtype": "float16"}, "dtype 'float16' is not known"),
    "seed": ({"seed": 1.5}, "seed must be a whole number"),
    "parameter": ({"activation": "elu(-1)"}, "one positive number in parentheses"),
    "too large": ({"layer_sizes": [10**7, 10**7, 1]}, "GiB, more than there is"),
}


@pytest.mark.parametrize("case", BAD_NETWORK)
def test_bad_architectures_say_what_is_wrong(case: str) -> None:
    bad, message = BAD_NETWORK[case]
    with pytest.raises(cr.InputError, match=message):
        cr.Network(**{"layer_sizes": [3, 4, 2], **bad})


@pytest.mark.parametrize(
    ("loss", "output", "bad"),
    [
        ("hinge", "identity", 0.0),
        ("cross_entropy", "softmax", 1.5),
        ("binary_cross_entropy", "sigmoid", -0.1),
        ("poisson", "exponential", -1.0),
        ("gamma", "softplus", 0.0),
    ],
)
def test_targets_that_make_no_sense_for_the_loss(loss: str, output: str, bad: float) -> None:
    net = cr.Network([3, 2], output_activation=output, loss=loss)
    targets = np.ones((6, 2))
    targets[4, 1] = bad
    with pytest.raises(cr.InputError, match=rf"loss {loss} takes .* row 4, column 1"):
        net.fit(X, targets)


def test_columns_are_matched_by_name() -> None:
    net = cr.Network([2, 1])
    frame = pl.DataFrame({"age": [1.0, 2.0], "height": [3.0, 1.0]})
    net.fit(frame, [1.0, 2.0], epochs=1)
    swapped = frame.select("height", "age")
    np.testing.assert_array_equal(net.predict(swapped), net.predict(frame))
    with pytest.raises(cr.InputError, match="lacks the columns height"):
        net.predict(frame.rename({"height": "weight"}))
    with pytest.raises(cr.InputError, match=r"takes 2 \(age, height\)"):
        net.predict(np.ones((1, 3)))


def test_numbers_beyond_the_dtype_are_refused_not_turned_into_nan() -> None:
    with pytest.raises(cr.InputError, match=r"1e\+300 in row 0.* too large for float32"):
        cr.Network([3, 1]).predict(np.full((1, 3), 1e300))
    assert np.isfinite(cr.Network([3, 1], dtype="float64").predict(np.full((1, 3), 1e300))).all()


def test_a_wrong_array_among_several_changes_nothing(net: cr.Network) -> None:
    before = net.parameters.copy()
    with pytest.raises(cr.InputError, match=r"weights\[1\]"):
        net.weights = [np.ones((4, 3)), np.ones(2)]
    assert np.array_equal(net.parameters, before)
    with pytest.raises(cr.InputError, match="one layer at a time"):
        net.weights[0:1] = [np.ones((4, 3))]


def test_validation_columns_are_matched_by_name_in_the_first_fit() -> None:
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    net = cr.Network([3, 4, 2], dtype="float64")
    history = net.fit(frame, Y, epochs=1, validation_data=(frame.select("c", "a", "b"), Y))
    assert history.val_loss == [net.loss_value(frame, Y)]
    other = cr.Network([3, 4, 2])
    with pytest.raises(cr.InputError, match="validation_data: X lacks the columns a"):
        other.fit(frame, Y, validation_data=(frame.rename({"a": "z"}), Y))
    assert other.feature_names is None


def test_training_again_on_columns_in_another_order_keeps_the_first() -> None:
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    net, twin = cr.Network([3, 2]), cr.Network([3, 2])
    for again in (frame, frame.select("c", "b", "a")):
        net.fit(again, Y, epochs=1)
        twin.fit(frame, Y, epochs=1)
    assert net.feature_names == ("a", "b", "c")
    assert np.array_equal(net.parameters, twin.parameters)


def test_an_error_names_the_column_that_has_it_after_reordering() -> None:
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    net = cr.Network([3, 2])
    net.fit(frame, Y, epochs=1)
    spoiled = frame.with_columns(pl.lit(float("nan")).alias("b")).select("b", "c", "a")
    with pytest.raises(cr.InputError, match="column 'b'"):
        net.predict(spoiled)


def test_validation_targets_must_make_sense_too() -> None:
    net = cr.Network([3, 2], output_activation="exponential", loss="poisson")
    with pytest.raises(
        cr.InputError, match=r"validation_data: the loss poisson takes targets of at least 0"
    ):
        net.fit(X, np.abs(Y), validation_data=(X, -np.abs(Y)))
