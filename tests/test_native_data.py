"""What the native engine takes as it comes: any layout, any numeric dtype, sparse or not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
from chainrule import InputError, callbacks
from chainrule.engines import NATIVE, NUMPY, Data, Epoch, Regularization
from tests.test_gradients import Array

N, N_INPUTS, N_OUTPUTS = 37, 35, 2


def strided(x: Array) -> Array:
    wide = np.zeros((3 * len(x), 2 * x.shape[1] + 1), x.dtype)
    wide[1::3, 1::2] = x
    return wide[1::3, 1::2]


def unaligned(x: Array) -> Array:
    """Return it at an odd address, as the fields of a packed record are."""
    view: Array = np.ndarray(x.shape, x.dtype, bytearray(x.nbytes + 1), offset=1)
    view[...] = x
    assert x.itemsize == 1 or not view.flags.aligned
    return view


def read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "reversed rows": lambda x: x[::-1].copy()[::-1],
    "reversed columns": lambda x: x[:, ::-1].copy()[:, ::-1],
    "both reversed, strided": lambda x: strided(x[::-1, ::-1])[::-1, ::-1],
    "read-only": read_only,
}
DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "float32", "float64", "longdouble", "longlong", "ulonglong", "intc", ">f4", ">f8", ">i4", ">u2",
]  # fmt: skip


def network(dtype: str = "float64", n_inputs: int = N_INPUTS) -> cr.Network:
    return cr.Network([n_inputs, 18, N_OUTPUTS], activation="tanh", dtype=dtype)


def whole_numbers(dtype: str, n_columns: int = N_INPUTS) -> Array:
    """Return samples that every dtype holds, as that dtype; bool holds them as 0 and 1."""
    rng = np.random.default_rng(3)
    return rng.integers(0, 3, (N, n_columns)).astype(dtype)


def answers(net: cr.Network, X: Any, Y: Any, weight: Any = None) -> list[Array]:
    """Return everything that can be asked of a network, after some training."""
    trained = net.copy()
    history = trained.fit(
        X, Y, sample_weight=weight, epochs=2, batch_size=10, dropout=0.1, engine="native"
    )
    g = trained.gradients(X, Y, weight)
    return [
        trained.parameters, np.array(history.loss), trained.predict(X),
        trained.jacobian(X), g.inputs, *g.weights, np.array(trained.loss_value(X, Y, weight)),
    ]  # fmt: skip


def require_equal(found: list[Array], expected: list[Array]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_dtype_in_every_layout_gives_the_same_bits(dtype: str, stored: str) -> None:
    X, Y = whole_numbers(stored), whole_numbers(stored, N_OUTPUTS)
    net, weight = network(dtype), X[:, 0]
    as_they_are = (a.astype(dtype) for a in (X, Y, weight))
    expected = answers(net, *as_they_are)
    for name, layout in LAYOUTS.items():
        given = [layout(a) for a in (X, Y)]
        before = [a.copy() for a in given]
        assert [a.dtype for a in given] == [stored, stored], name
        require_equal(answers(net, given[0], given[1], weight), expected)
        require_equal(given, before)


@pytest.mark.parametrize("stored", DTYPES)
def test_rows_may_lie_at_any_address(stored: str) -> None:
    X, Y = whole_numbers(stored), whole_numbers(stored, N_OUTPUTS)
    net, weight = network("float32"), X[:, 0]
    found = answers(net, unaligned(X), unaligned(Y), unaligned(X)[:, 0])
    require_equal(found, answers(net, X, Y, weight))
    np.testing.assert_array_equal(net.predict(unaligned(X)[:3]), net.predict(X[:3]))


@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_of_a_few_rows_of_every_dtype_in_every_layout(dtype: str, stored: str) -> None:
    X, net = whole_numbers(stored), network(dtype)
    expected, tolerance = net.predict(X.astype(dtype)), 100 * float(np.finfo(dtype).eps)
    for layout in LAYOUTS.values():
        given = layout(X)
        for n in range(5):
            found = net.predict(given[:n])
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected[:n], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("stored", ["bool", "int8", "int16", "float64"])
@pytest.mark.parametrize("n_inputs", [1, 2])
def test_few_columns_between_others_and_from_right_to_left(n_inputs: int, stored: str) -> None:
    # their rows lie -1, -2, ... bytes apart
    X = whole_numbers(stored, 5)[:, 1 : 1 + n_inputs][:, ::-1]
    net, Y = network(n_inputs=n_inputs), whole_numbers(stored, N_OUTPUTS)[:, ::-1]
    require_equal(answers(net, X, Y), answers(net, X.astype(float), Y.astype(float)))


@pytest.mark.parametrize("stored", [d for d in DTYPES if d not in ("bool", "longdouble")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [2, 64])  # the way of few rows, and of many
def test_numbers_are_converted_as_numpy_converts_them(rows: int, dtype: str, stored: str) -> None:
    rng = np.random.default_rng(0)
    if np.dtype(stored).kind == "f":
        info = np.finfo(stored)
        largest = min(float(info.max), float(np.finfo(np.float32).max))
        special = [0.0, info.tiny, info.smallest_subnormal, -info.smallest_subnormal, largest, 1.5]
        values = np.array([*special, *(rng.normal(size=58) * 10.0 ** rng.integers(-4, 4, 58))])
    else:
        limits = np.iinfo(stored)
        extremes = [int(limits.min), int(limits.max), 0, 2**24 + 1, 2**24 + 3, 2**31 - 1]
        held = [value for value in extremes if value <= limits.max]
        native = np.dtype(stored).newbyteorder("=")
        drawn = rng.integers(0, limits.max, 64 - len(held), native)
        values = np.concatenate([np.array(held, native), drawn])
    X = values.astype(stored)[:, None][:rows]
    net = cr.Network([1, 1], dtype=dtype, bias=False)
    net.weights[0][:] = 1
    np.testing.assert_array_equal(net.predict(X), X.astype(dtype))


def test_weights_and_targets_of_one_dimension_may_be_strided() -> None:
    net = cr.Network([N_INPUTS, 1], dtype="float64")
    X, Y = whole_numbers("float64"), whole_numbers("float64", 1)[:, 0]
    wide = np.stack([Y, np.full(N, np.nan)], axis=1)
    found = answers(net, X, wide[:, 0], wide[::-1, 0][::-1])
    require_equal(found, answers(net, X, Y, Y))


def test_memory_mapped_data(tmp_path: Path) -> None:
    X, Y = whole_numbers("float32"), whole_numbers("float32", N_OUTPUTS)
    mapped = []
    for name, array in {"X": X, "Y": Y}.items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    net = network()
    require_equal(answers(net, *mapped), answers(net, X, Y))
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), X)


@pytest.mark.parametrize("stored", ["float32", "float16", "int16", "uint8"])
def test_no_copy_of_the_samples_is_made(stored: str) -> None:
    X, Y = whole_numbers(stored), whole_numbers(stored, N_OUTPUTS)
    other = X[:, ::-1].copy()
    changed = X.copy()

    def change(_: callbacks.Progress) -> None:
        changed[...] = other  # a copy would not notice

    net, twin = network(), network()
    options: dict[str, Any] = {"optimizer": "sgd", "shuffle": False}
    net.fit(changed, Y, epochs=2, callbacks=[change], **options)
    twin.fit(X, Y, epochs=1, **options)
    twin.fit(other, Y, epochs=1, **options)
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_the_same_row_many_times_takes_no_memory() -> None:
    X = np.broadcast_to(whole_numbers("int16")[:1], (500, N_INPUTS))
    Y = np.broadcast_to(np.float32(1), (500, N_OUTPUTS))
    assert X.strides[0] == 0
    net = network()
    require_equal(answers(net, X, Y), answers(net, X.copy(), Y.copy()))


def csr(dense: Array, index: str = "int32") -> Any:
    matrix = sparse.csr_matrix(dense)
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    return matrix


def unsorted(dense: Array) -> Any:
    matrix = csr(dense)
    for row in range(len(dense)):
        entries = slice(*matrix.indptr[row : row + 2])
        matrix.indices[entries] = matrix.indices[entries][::-1].copy()
        matrix.data[entries] = matrix.data[entries][::-1].copy()
    matrix.has_sorted_indices = False
    return matrix


def duplicated(dense: Array) -> Any:
    half = csr(dense)
    parts = [np.concatenate([half.data[s], half.data[s]]) / 2 for s in _rows_of(half)]
    indices = [np.concatenate([half.indices[s], half.indices[s]]) for s in _rows_of(half)]
    stored = (np.concatenate(parts), np.concatenate(indices), half.indptr * 2)
    matrix = sparse.csr_matrix(stored, dense.shape)
    assert not matrix.has_canonical_format
    return matrix


def _rows_of(matrix: Any) -> list[slice]:
    return [slice(a, b) for a, b in itertools.pairwise(matrix.indptr.tolist())]


def strided_entries(dense: Array) -> Any:
    matrix = csr(dense)
    matrix.data = np.repeat(matrix.data, 2)[::2]
    matrix.indices = np.repeat(matrix.indices, 3)[::3]
    return matrix


SPARSE: dict[str, Callable[[Array], Any]] = {
    "int32 indices": csr,
    "int64 indices": lambda x: csr(x, "int64"),
    "array": sparse.csr_array,
    "unsorted": unsorted,
    "duplicates": duplicated,
    "strided entries": strided_entries,
    "stored zeros": lambda x: sparse.csr_matrix(
        (x.ravel(), np.tile(np.arange(x.shape[1]), len(x)), np.arange(len(x) + 1) * x.shape[1]),
        x.shape,
    ),
    "CSC": sparse.csc_matrix,
    "COO": sparse.coo_matrix,
}


def half_empty(stored: str = "float64") -> Array:
    X = whole_numbers(stored)
    X[::3] = 0  # whole rows
    X[:, 20:] = 0  # whole columns
    return X


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_samples_give_the_bits_of_dense_ones(dtype: str, kind: str) -> None:
    X, Y = half_empty(), whole_numbers("uint8", N_OUTPUTS)
    given = SPARSE[kind](X)
    net = network(dtype)
    if kind != "COO":  # has no rows to take
        require_equal(answers(net, given.tocsr(), Y), answers(net, X, Y))
    require_equal([net.predict(given)], [net.predict(X)])


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("stored", ["float16", "uint8", "int32", "float32", "bool", "longdouble"])
def test_sparse_samples_of_every_dtype(stored: str, index: str) -> None:
    X, Y = half_empty(stored), whole_numbers("float64", N_OUTPUTS)
    matrix = csr(X.astype("float64"), index)
    matrix.data = matrix.data.astype(stored)
    before = [part.copy() for part in (matrix.data, matrix.indices, matrix.indptr)]
    require_equal(answers(network(), matrix, Y), answers(network(), X.astype("float64"), Y))
    require_equal([matrix.data, matrix.indices, matrix.indptr], before)


def test_sparse_samples_without_any_entry() -> None:
    X, Y = sparse.csr_matrix((N, N_INPUTS)), whole_numbers("float64", N_OUTPUTS)
    require_equal(answers(network(), X, Y), answers(network(), X.toarray(), Y))


@pytest.mark.parametrize("X", [np.zeros((0, N_INPUTS)), sparse.csr_matrix((0, N_INPUTS))])
def test_no_rows_give_no_outputs(X: Any) -> None:
    net = network("float32")
    assert net.predict(X).shape == (0, N_OUTPUTS)
    assert net.predict(X).dtype == np.float32
    assert net.jacobian(X).shape == (0, N_OUTPUTS, N_INPUTS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_at_the_door(bad: float) -> None:
    X, Y = half_empty(), whole_numbers("float64", N_OUTPUTS)
    for given, what in ((X, "X"), (Y, "Y")):
        damaged = given.copy()
        damaged[5, 1] = bad
        arguments = (damaged, Y) if what == "X" else (X, damaged)
        net = network()
        with pytest.raises(InputError, match=rf"{what} has .* in row 5, column 1"):
            net.fit(*arguments, engine="native")
        assert np.array_equal(net.parameters, network().parameters)
    with pytest.raises(InputError, match="X has"):
        network().predict(csr(X * np.where(X, bad, 0)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_divergence_keeps_the_best_weights(dtype: str, n_threads: int) -> None:
    X, Y = half_empty(), whole_numbers("float64", N_OUTPUTS)
    net = network(dtype)
    start = net.parameters.copy()
    with pytest.raises(cr.DivergenceError, match="smaller learning_rate"):
        net.fit(X, Y, "sgd", learning_rate=1e200, epochs=5, engine="native", n_threads=n_threads)
    np.testing.assert_array_equal(net.parameters, start)
    ends = []

    def explode(progress: callbacks.Progress) -> None:
        ends.append(progress.parameters.copy())
        if progress.epoch == 3:
            progress.parameters *= float(np.finfo(dtype).max) ** 0.7

    with pytest.raises(cr.DivergenceError, match="in epoch 4 of 9") as caught:
        net.fit(X, Y, epochs=9, callbacks=[explode], engine="native", n_threads=n_threads)
    np.testing.assert_array_equal(net.parameters, ends[caught.value.history.best_epoch - 1])


def test_a_loss_that_is_not_finite_leaves_the_parameters_before_that_batch() -> None:
    # Both engines stop at the same step, here in the second of three batches.
    net = cr.Network([1, 1], dtype="float64")
    X, Y = np.ones((6, 1)), np.array([1.0, 1, 1e200, 1, 1, 1])
    ends = []
    engine: Any
    for engine in (NATIVE, NUMPY):
        theta = net.parameters.copy()
        regularization = Regularization()
        trainer = engine.trainer(
            net.architecture,
            theta,
            cr.optimizers.GradientDescent(),
            Data(X, Y[:, None]),
            regularization,
        )
        epoch = Epoch(0, 0, 2, np.full(3, 0.1), shuffle=False, seed=0)
        (losses,) = engine.train([(trainer, epoch)])
        assert losses.loss == np.inf
        ends.append(theta)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)
    assert not np.array_equal(ends[0], net.parameters)
