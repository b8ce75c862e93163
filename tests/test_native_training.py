"""Training on the native engine: random numbers, own functions, checkpoints, callbacks."""

from __future__ import annotations

import itertools
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import InputError, optimizers
from chainrule.callbacks import Progress
from chainrule.engines import NATIVE, Data, Epoch, Regularization, native, randomness
from chainrule.engines.randomness import key_of, random64, shuffled
from tests.problems import Array, network, problem
from tests.test_gradients import ELEMENTWISE

SEEDS = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("seed", "numbers"),
    [
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423]),
    ],
)
def test_the_numbers_are_those_of_splitmix64(seed: int, numbers: list[int]) -> None:
    assert [random64(seed, i) for i in range(len(numbers))] == numbers


def test_a_key_is_for_all_its_names_in_their_order() -> None:
    keys = {key_of(*names) for n in range(4) for names in itertools.product(range(5), repeat=n)}
    assert len(keys) == 1 + 5 + 25 + 125
    assert key_of(3) == random64(3, 0)
    assert key_of(3, 4) == random64(key_of(3) ^ 4, 0)


@given(n=st.integers(0, 70), seed=SEEDS, epoch=SEEDS)
def test_the_order_of_an_epoch_is_the_shuffle_of_fisher_and_yates(
    n: int, seed: int, epoch: int
) -> None:
    order, key = list(range(n)), key_of(seed, epoch)
    for i in range(n - 1, 0, -1):
        j = random64(key, i) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    assert shuffled(n, seed, epoch).tolist() == order


def test_orders_are_permutations_that_differ_by_seed_and_epoch() -> None:
    n = 10_000
    orders = [shuffled(n, seed, epoch) for seed in range(3) for epoch in range(3)]
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(n))
    # two independent orders agree in one place on average
    for a, b in itertools.combinations([*orders, np.arange(n)], 2):
        assert (a == b).sum() < 10


def test_every_sample_comes_to_every_place_as_often() -> None:
    counts = np.zeros((5, 5))
    for epoch in range(5000):
        counts[np.arange(5), shuffled(5, 0, epoch)] += 1
    # binomial: 1000 and a standard deviation of 28
    assert np.abs(counts - 1000).max() < 5 * math.sqrt(5000 * 0.2 * 0.8)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_as_often_as_asked_and_independently(probability: float) -> None:
    n, width = 2000, 50
    mask = randomness.kept((n, width), probability, 7, (0, 1, 1))
    deviation = math.sqrt(probability * (1 - probability))
    assert abs((~mask).mean() - probability) < 5 * deviation / math.sqrt(n * width)
    assert np.abs((~mask).mean(axis=0) - probability).max() < 5 * deviation / math.sqrt(n)
    assert np.abs((~mask).mean(axis=1) - probability).max() < 5 * deviation / math.sqrt(width)
    places = [(0, 1, 1), (0, 1, 2), (0, 2, 1), (1, 1, 1)]
    masks = [randomness.kept((n, width), probability, seed, p) for seed in (7, 8) for p in places]
    centred = [m - m.mean() for m in masks]
    for a, b in itertools.combinations(centred, 2):
        assert abs((a * b).mean()) < 5 * deviation**2 / math.sqrt(n * width)


@pytest.mark.parametrize("probability", [0.1, 0.5])
@pytest.mark.parametrize("n_hidden", [20, 33, 70])
def test_the_core_drops_what_kept_says(n_hidden: int, probability: float) -> None:
    # One sample a step, one step an epoch: the columns of W^(L+1) that change are those of the
    # units of layer L that were kept.
    net = cr.Network([1, n_hidden, n_hidden, 40], activation="sigmoid", dtype="float64")
    before = [w.copy() for w in net.weights]

    def compare(progress: Progress) -> None:
        for L, (w, old) in enumerate(zip(progress.weights[1:], before[1:], strict=True), 1):
            place = (progress.epoch - 1, progress.epoch, L)
            mask = randomness.kept((1, n_hidden), probability, 11, place)[0]
            assert np.array_equal((w != old).any(axis=0), mask)
            old[:] = w

    net.fit(
        [[1.0]], np.ones((1, 40)), "sgd", 0.1, epochs=4, dropout=probability, seed=11,
        callbacks=[compare], engine="native",
    )  # fmt: skip


def own_activation(name: str) -> cr.Activation:
    return cr.Activation(name, lambda x: x * x, lambda x: 2 * x)


def test_an_activation_of_your_own_trains_on_numpy_and_is_told_once() -> None:
    X, Y = problem(20)
    net = network(activation=own_activation("once_squared"))
    with pytest.warns(UserWarning, match="NumPy engine.*'once_squared' is your own") as told:
        history = net.fit(X, Y, epochs=1)
    assert told[0].filename == __file__
    assert history.engine == "numpy"
    assert "'once_squared' is your own" in history.engine_reason
    history = net.fit(X, Y, epochs=1)  # a second warning would be an error here
    assert "'once_squared' is your own" in history.engine_reason
    assert net.fit(X, Y, epochs=1, engine="numpy").engine_reason == "asked for"


def own_loss(name: str) -> cr.Loss:
    return cr.Loss(name, lambda p, y: ((p - y) ** 4).sum(axis=1), lambda p, y: 4 * (p - y) ** 3)


@dataclass(frozen=True)
class SlowerAdam(optimizers.Adam):
    def update(self, theta: Array, g: Array, state: Any, eta: float, t: int) -> None:
        super().update(theta, g, state, eta / 2, t)


@pytest.mark.parametrize(
    ("options", "optimizer", "what"),
    [
        ({"activation": own_activation("own_square")}, "adam", "the activation 'own_square'"),
        ({"output_activation": own_activation("own_out")}, "adam", "the activation 'own_out'"),
        ({"loss": own_loss("own_fourth")}, "adam", "the loss 'own_fourth'"),
        ({}, SlowerAdam(), "the optimizer SlowerAdam"),
        # the names of known functions on a user's own
        ({"activation": own_activation("tanh")}, "adam", "the activation 'tanh'"),
        ({"loss": own_loss("huber")}, "adam", "the loss 'huber'"),
    ],
)
def test_what_is_your_own_is_refused_by_the_native_engine_alone(
    options: dict[str, Any], optimizer: Any, what: str
) -> None:
    X, Y = problem(20)
    net = network(**options)
    start = net.parameters.copy()
    with pytest.raises(InputError, match=f"native engine cannot .*{what} is your own.*'numpy'"):
        net.fit(X, Y, optimizer, epochs=1, engine="native")
    assert np.array_equal(net.parameters, start)
    twin = net.copy()
    with pytest.warns(UserWarning, match=what):
        assert net.fit(X, Y, optimizer, epochs=2).engine == "numpy"
    twin.fit(X, Y, optimizer, epochs=2, engine="numpy")
    assert np.array_equal(net.parameters, twin.parameters)


def test_a_check_of_gradients_is_refused_in_its_own_words() -> None:
    X, Y = problem(4)
    net = network(activation=own_activation("own_checked"))
    with pytest.raises(InputError, match="native engine cannot be used here, because the activ"):
        cr.check_gradients(net, X, Y, engine="native")


def test_an_optimizer_of_your_own_is_refused_by_a_trainer_too() -> None:
    X, Y = problem(4)
    net = network()
    with pytest.raises(InputError, match="optimizer SlowerAdam is your own, which the native"):
        NATIVE.trainer(net.architecture, net.parameters, SlowerAdam(), Data(X, Y), Regularization())


def test_memory_that_there_is_not_is_asked_for_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, Y = problem(4)
    net = network()
    monkeypatch.setattr(native, "_free_memory", lambda: 4.5 * net.parameters.nbytes)
    net.fit(X, Y, epochs=1, gradient_clip=1.0)  # so little is not asked for
    monkeypatch.setattr(native, "_MUCH_MEMORY", 0)
    start = net.parameters.copy()
    with pytest.raises(InputError, match=r"not enough memory: the 98 parameters .* take 0.00 GiB"):
        net.fit(X, Y, epochs=1, gradient_clip=1.0)  # 2, Adam's 2, and the gradient
    assert np.array_equal(net.parameters, start)
    net.fit(X, Y, epochs=1)
    net.fit(X, Y, "sgd", epochs=1, gradient_clip=1.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nothing tells")
def test_the_memory_that_is_free_is_what_the_system_says() -> None:
    assert 2**20 < native._free_memory() < 2**60


def test_everything_built_in_trains_on_the_native_engine() -> None:
    X, Y = problem(4)
    for activation in ELEMENTWISE:
        for optimizer in (*optimizers.NAMED, *optimizers.ALIASES):
            history = network(activation=activation).fit(X, Y, optimizer, epochs=1)
            assert (history.engine, history.engine_reason) == ("native", "the fastest")


def test_an_engine_that_there_is_not() -> None:
    X, Y = problem(4)
    with pytest.raises(InputError, match=r"engine .*'nativ'.*did you mean 'native'"):
        network().fit(X, Y, engine="nativ")


STATEFUL = [
    *(kind() for kind in optimizers.NAMED.values()),
    optimizers.Momentum(nesterov=True),
    optimizers.NAdam(momentum_decay=0.5),
    optimizers.Adam(epsilon_hat=True),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", STATEFUL, ids=str)
def test_a_run_resumed_is_bit_for_bit_one_never_stopped(
    tmp_path: Path, optimizer: optimizers.Optimizer, dtype: str
) -> None:
    X, Y = problem(50, dtype=dtype)
    options: dict[str, Any] = {
        "optimizer": optimizer, "batch_size": 16, "dropout": 0.2, "gradient_clip": 1.0,
        "l2": 0.01, "validation_data": 0.2, "engine": "native",
    }  # fmt: skip
    if not optimizer.whole_batch:
        options["schedule"] = cr.schedules.warmup(epochs=3)
    straight = cr.Network([3, 37, 2], dtype=dtype)
    stopped = straight.copy()
    expected = straight.fit(X, Y, epochs=6, **options)
    stopped.fit(X, Y, epochs=2, checkpoint=tmp_path / "run", **options)
    fresh = cr.Network([3, 37, 2], dtype=dtype, seed=0)
    found = fresh.fit(X, Y, epochs=6, checkpoint=tmp_path / "run", resume=True, **options)
    assert np.array_equal(fresh.parameters, straight.parameters)
    assert found.loss == expected.loss
    assert found.val_loss == expected.val_loss


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "nadam"])
def test_what_a_callback_changes_takes_effect_in_the_next_epoch(optimizer: str) -> None:
    X, Y = problem(40)

    def prune(progress: Progress) -> None:
        progress.weights[0][:, progress.epoch % 3] = 0
        progress.parameters[-1] += 0.5

    native, numpy, untouched = network(), network(), network()
    options: dict[str, Any] = {"optimizer": optimizer, "epochs": 4, "l1": 0.01}
    found = native.fit(X, Y, engine="native", callbacks=[prune], **options)
    expected = numpy.fit(X, Y, engine="numpy", callbacks=[prune], **options)
    untouched.fit(X, Y, engine="native", **options)
    np.testing.assert_allclose(native.parameters, numpy.parameters, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-10)
    assert np.abs(native.parameters - untouched.parameters).max() > 0.1


class Start(cr.Callback):
    """Starts from parameters of its own."""

    def on_train_begin(self, progress: Progress) -> None:
        progress.parameters[:] = np.linspace(-0.5, 0.5, len(progress.parameters))


@pytest.mark.parametrize(
    "options", [{"engine": "native"}, {"engine": "numpy"}, {"optimizer": "lbfgs"},
                {"optimizer": "lm"}], ids=str,
)  # fmt: skip
@pytest.mark.parametrize("together", [False, True])
def test_what_a_callback_changes_at_the_beginning_is_trained_from(
    options: dict[str, Any], together: bool
) -> None:
    X, Y = problem(40)
    net, twin = network(), network()
    if together:
        cr.train_many([net], X, Y, epochs=2, callbacks=Start(), **options)
    else:
        net.fit(X, Y, epochs=2, callbacks=Start(), **options)
    twin.parameters[:] = np.linspace(-0.5, 0.5, twin.n_parameters)
    twin.fit(X, Y, epochs=2, **options)
    assert np.array_equal(net.parameters, twin.parameters)


def test_a_network_can_be_trained_and_used_within_a_callback_of_another() -> None:
    X, Y = problem(40)
    inner, twin = network(seed=1), network(seed=1)

    def train_another(progress: Progress) -> None:
        if progress.epoch == 1:
            inner.fit(X, Y, epochs=2, engine="native")

    outer, alone = network(), network()
    outer.fit(X, Y, epochs=2, engine="native", callbacks=[train_another])
    alone.fit(X, Y, epochs=2, engine="native")
    twin.fit(X, Y, epochs=2, engine="native")
    assert np.array_equal(outer.parameters, alone.parameters)
    assert np.array_equal(inner.parameters, twin.parameters)


def test_several_trainers_in_one_call_do_what_each_does_alone() -> None:
    X, Y = problem(40)
    jobs, twins = [], []
    for seed in range(5):
        pair = []
        for _ in range(2):
            net = network(seed=seed, dtype=("float32", "float64")[seed % 2])
            rule = optimizers.Adam() if seed < 3 else optimizers.Momentum()
            trainer = NATIVE.trainer(
                net.architecture, net.parameters, rule, Data(X, Y), Regularization(dropout=0.1)
            )
            size = 2 + seed % 3
            epoch = Epoch(0, 0, size, np.full(-(-40 // size), 0.01), shuffle=True, seed=seed)
            pair.append((net, (trainer, epoch)))
        jobs.append(pair[0])
        twins.append(pair[1])
    together = NATIVE.train([job for _, job in jobs])
    alone = [NATIVE.train([job])[0] for _, job in twins]
    assert together == alone
    for (a, _), (b, _) in zip(jobs, twins, strict=True):
        assert np.array_equal(a.parameters, b.parameters)
