"""The native engine on several threads, and beside the threads of others."""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
from chainrule import _core, optimizers
from chainrule.engines import NATIVE, Data, Epoch, Regularization, threads
from tests.test_gradients import Array

# Networks of less than one block for each thread, of several, and of more than a chunk's width.
SHAPES = [[3, 5, 2], [70, 40, 33, 10], [300, 40, 3]]


def processors() -> set[int]:
    """Return those that this process may use, where the system tells."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Set the number of threads that everything takes, however little there is to do."""

    def set_threads(n: int) -> None:
        monkeypatch.setattr(threads, "for_work", lambda step, steps=1: n)

    before = processors()
    yield set_threads
    assert processors() == before  # though threads were given places meanwhile


def samples(sizes: list[int], n: int, dtype: str) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, sizes[0])).astype(dtype), rng.normal(size=(n, sizes[-1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 50},
        {"batch_size": 101, "optimizer": "rprop", "learning_rate": 1e-9},  # below its smallest
        {"batch_size": 7, "dropout": 0.3, "optimizer": "sgd"},
        {"batch_size": 801, "dropout": 0.3, "gradient_clip": 0.01},  # more than a chunk
        {"batch_size": 64, "gradient_clip": 0.01, "l1": 0.01, "l2": 0.1, "optimizer": "nadam"},
        {"batch_size": 1, "shuffle": False, "optimizer": "lion"},
        {"batch_size": 2000, "optimizer": "rprop"},
    ],
    ids=str,
)
def test_training_gives_the_same_bits_on_any_number_of_threads(
    use: Callable[[int], None], sizes: list[int], dtype: str, options: dict[str, Any]
) -> None:
    n = 1601 if options["batch_size"] > 100 else 101
    X, Y = samples(sizes, n, dtype)
    weight = np.arange(n) % 3
    ends = []
    for n_threads in (1, 2, 3, 8):
        use(n_threads)
        net = cr.Network(sizes, activation="gelu", dtype=dtype)
        history = net.fit(X, Y, sample_weight=weight, epochs=2, engine="native", **options)
        ends.append((net.parameters, history.loss))
    for parameters, loss in ends[1:]:
        assert np.array_equal(parameters, ends[0][0])
        assert loss == ends[0][1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("sparse_samples", [False, True])
def test_answers_are_the_same_bits_on_any_number_of_threads(
    use: Callable[[int], None], sizes: list[int], dtype: str, sparse_samples: bool
) -> None:
    X, Y = samples(sizes, 1601, dtype)
    given = sparse.csr_matrix(np.where(X > 0, X, 0)) if sparse_samples else X
    net = cr.Network(sizes, activation="gelu", dtype=dtype)
    few = given[:20]

    def answers() -> list[Array]:
        found = NATIVE.gradients(net.architecture, net.parameters, Data(given, Y))
        assert found.inputs is not None
        losses = np.array([found.loss, net.loss_value(given, Y)])
        asked = [net.predict(given), net.predict(few), net.jacobian(few)]
        return [found.parameters, found.inputs, losses, *asked]

    use(1)
    expected = answers()
    for n_threads in (2, 3, 8) * 4:
        use(n_threads)
        for a, b in zip(answers(), expected, strict=True):
            assert np.array_equal(a, b)


def test_threads_that_get_ahead_do_not_disturb_the_others(use: Callable[[int], None]) -> None:
    # More chunks of samples than one, the last of another size, and nothing but outputs asked.
    net = cr.Network([300, 40, 3], activation="tanh", dtype="float64")
    X, _ = samples([300, 3], 1601, "float64")
    use(1)
    outputs, jacobian = net.predict(X), net.jacobian(X)
    for n_threads in (2, 3, 8) * 10:
        use(n_threads)
        assert np.array_equal(net.predict(X), outputs)
        assert np.array_equal(net.jacobian(X), jacobian)


@pytest.fixture
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it believe that the process may use eight, whatever there are."""
    monkeypatch.setattr(threads, "_processors", lambda: 8)


@pytest.mark.usefixtures("eight_processors")
def test_a_large_network_takes_the_threads_that_it_may_with_the_same_bits() -> None:
    sizes, batch = [256, 300, 10], 256
    X, Y = samples(sizes, 2 * batch + 5, "float32")
    ends = []
    for n_threads in (1, 2, 3):
        net = cr.Network(sizes)
        with threads.limited(n_threads):
            assert threads.for_work(6 * net.n_parameters * batch, 3) == n_threads
        net.fit(X, Y, epochs=2, batch_size=batch, n_threads=n_threads, dropout=0.1)
        ends.append(net.parameters)
    assert np.array_equal(ends[0], ends[1])
    assert np.array_equal(ends[0], ends[2])


def test_work_that_is_too_little_to_share_takes_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "_processors", lambda: 64)
    with threads.limited(64):
        assert threads.for_work(0) == 1
        assert threads.for_work(1e5, 10**9) == 1  # each step is too short
        assert threads.for_work(1e6) == 1  # all of it is too short
        assert threads.for_work(1e12) == 64
        assert 1 < threads.for_work(1e7, 10**6) < 64


@pytest.mark.usefixtures("eight_processors")
def test_a_limit_ends_where_it_was_set() -> None:
    before = threads.available()
    with threads.limited(3):
        assert threads.available() == 3
        with threads.limited(5):
            assert threads.available() == 5
        with threads.limited(None):
            assert threads.available() == 3
    assert threads.available() == before


def test_there_are_no_more_threads_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_processors", lambda: 2)
    with threads.limited(8):
        assert threads.available() == 2
        assert threads.for_work(1e12) == 2
    with threads.limited(1):
        assert threads.available() == 1


@pytest.mark.usefixtures("eight_processors")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [("1", 1), (" 3 ", 3), ("64", 8), ("0", 8), ("", 8), ("2,1", 8), ("-1", 8), ("all", 8)],
)
def test_the_environment_limits_threads_where_no_library_has_read_it(
    monkeypatch: pytest.MonkeyPatch, environment: str, expected: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", environment)
    no_libraries = types.SimpleNamespace(lib_controllers=[])
    with monkeypatch.context() as patched:
        patched.setattr(threads, "_controller", lambda: no_libraries)
        assert threads.available() == expected
    with threads.limited(5):  # what is asked for comes first
        assert threads.available() == 5


def test_other_threads_of_python_go_on_while_the_core_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Python hands its lock from thread to thread by itself once in an hour only, so the other
    # thread runs if the core gives the lock away. It ends the training by a target that is not
    # finite: for the core, which looks at the targets where they are, the end of it.
    steps = 200_000
    X, Y = np.ones((steps, 1)), np.ones((steps, 1))
    net = cr.Network([1, 256, 256, 1])
    trainer = NATIVE.trainer(
        net.architecture, net.parameters, optimizers.GradientDescent(), Data(X, Y), Regularization()
    )
    call: list[Any] = []

    def keep(*arguments: Any) -> list[Any]:
        call.extend(arguments)
        return []

    with monkeypatch.context() as patched:
        patched.setattr(_core, "train", keep)
        NATIVE.train([(trainer, Epoch(0, 0, 1, np.full(steps, 1e-9), shuffle=False, seed=0))])
    begin = threading.Event()

    def spoil() -> None:
        begin.wait()
        Y[:] = np.nan

    other = threading.Thread(target=spoil)
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    try:
        begin.set()
        first = Y.item(0)
        ((loss, _),) = _core.train(*call)
    finally:
        sys.setswitchinterval(interval)
        other.join()
    assert first == 1
    assert np.isnan(loss)


@pytest.mark.parametrize("n_rows", [1, 3, 50, 700])
def test_many_threads_predict_with_one_network(n_rows: int) -> None:
    net = cr.Network([20, 300, 70, 5], activation="tanh", output_activation="softmax")
    X, _ = samples([20, 5], 16 * n_rows, "float32")
    parts = [X[i : i + n_rows] for i in range(0, len(X), n_rows)]
    expected = [net.predict(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for a, b in zip(pool.map(net.predict, parts), expected, strict=True):
                assert np.array_equal(a, b)


def test_many_threads_train_a_network_each(use: Callable[[int], None]) -> None:
    sizes = [20, 40, 5]
    X, Y = samples(sizes, 200, "float32")

    def trained(seed: int) -> Array:
        net = cr.Network(sizes, seed=seed)
        net.fit(X, Y, epochs=5, dropout=0.1)
        net.predict(X)
        return net.gradients(X, Y).weights[0] + net.weights[0]

    use(1)
    expected = [trained(seed) for seed in range(8)]
    use(2)
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(pool.map(trained, range(8)), expected, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_numbers_below_the_normal_range_are_as_before(
    use: Callable[[int], None], n_threads: int
) -> None:
    use(n_threads)
    X, Y = samples([70, 40, 10], 300, "float32")
    net = cr.Network([70, 40, 10])
    # by its bits: where such numbers count as zero, so do they in comparisons
    bits = np.full(3, 71362, np.int32)
    small, one = bits.view(np.float32), np.ones(3, np.float32)
    seen = []
    net.fit(X, Y, epochs=1, callbacks=[lambda _: seen.append(small * one)])
    net.gradients(X, Y)
    seen.append(small * one)
    with pytest.raises(cr.DivergenceError):
        net.copy().fit(X, Y, "sgd", learning_rate=1e30, epochs=3)
    seen.append(small * one)
    # nor are they flushed where nothing trains
    twin = cr.Network([1, 1], bias=False)
    twin.weights[0][:] = 1
    seen += [twin.predict(small[:, None])[:, 0], twin.predict(np.tile(small, 3)[:, None])[:3, 0]]
    for result in seen:
        np.testing.assert_array_equal(result.view(np.int32), bits)


def test_the_pace_tries_both_and_takes_the_faster_one() -> None:
    pace, small = threads.Pace(), 2e6
    seconds = {2: 5.0, 1: 3.0}
    chosen = []
    for epoch in range(80):
        n = pace.choose(2, small)
        pace.took(n, seconds[n])
        chosen.append(n)
        if epoch == 40:  # the machine changes: two are faster from now on
            seconds[2] = 1.0
    assert chosen[:2] == [2, 1]
    assert set(chosen[2:30]) == {1}
    assert chosen[-10:] == [2] * 10


def test_large_steps_and_single_threads_need_no_trial() -> None:
    pace = threads.Pace()
    assert [pace.choose(8, 1e9) for _ in range(3)] == [8, 8, 8]
    assert [pace.choose(1, 2e6) for _ in range(3)] == [1, 1, 1]
