"""Training that goes on with the optimizer's state of an earlier run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import training
from chainrule.callbacks import Progress
from chainrule.training import OptimizerState
from tests.problems import Array, fit, network, problem

ENGINES = pytest.mark.parametrize("engine", ["native", "numpy"])
OPTIMIZERS = pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "nadam", "rprop"])


def same(state: OptimizerState, other: OptimizerState) -> bool:
    arrays = state.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(array, other.arrays[name]) for name, array in state.arrays.items()
    )
    return arrays and state.steps == other.steps


@ENGINES
@OPTIMIZERS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_five_runs_of_one_epoch_are_one_run_of_five(
    engine: str, optimizer: str, dtype: str
) -> None:
    X, Y = problem(n=50, dtype=dtype)
    options: dict[str, Any] = {
        "optimizer": optimizer, "shuffle": False, "batch_size": 16, "engine": engine, "l2": 0.01,
    }  # fmt: skip
    straight, going_on = network(dtype=dtype), network(dtype=dtype)
    expected, state = OptimizerState(), OptimizerState()
    history = fit(straight, X, Y, start=expected, epochs=5, **options)
    losses = []
    for _ in range(5):
        losses += fit(going_on, X, Y, start=state, epochs=1, **options).loss
    assert losses == history.loss
    assert np.array_equal(going_on.parameters, straight.parameters)
    assert same(state, expected)
    assert state.steps == (5 if optimizer == "rprop" else 5 * 4)
    anew = network(dtype=dtype)
    for _ in range(5):
        anew.fit(X, Y, epochs=1, **options)
    assert (optimizer == "sgd") == np.array_equal(anew.parameters, straight.parameters)


@ENGINES
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "nadam"])
def test_runs_on_data_of_different_sizes_are_one_run_on_all_of_it(
    engine: str, optimizer: str
) -> None:
    X, Y = problem(n=70)
    options: dict[str, Any] = {
        "optimizer": optimizer, "shuffle": False, "batch_size": 10, "engine": engine, "epochs": 1,
    }  # fmt: skip
    straight, going_on = network(), network()
    straight.fit(X, Y, **options)
    state = OptimizerState()
    for rows in (slice(0, 10), slice(10, 40), slice(40, 60), slice(60, 70)):
        fit(going_on, X[rows], Y[rows], start=state, **options)
    assert np.array_equal(going_on.parameters, straight.parameters)
    assert state.steps == 7


def test_networks_trained_together_go_on_each_with_its_own_state() -> None:
    X, Y = problem(n=50)
    data, names = network()._to_train_on(X, Y, None)
    optimizers = ("adam", "nadam", "sgd", "momentum")
    together, alone = ([network(seed=i) for i in range(4)] for _ in range(2))
    states = [OptimizerState() for _ in optimizers]
    for _ in range(2):
        tasks = [
            replace(
                net._task(
                    data, names, optimizer=optimizer, learning_rate=0.01, epochs=1 + i,
                    batch_size=16, shuffle=False, l2=0, l1=0, dropout=0, gradient_clip=None,
                    schedule=None, n_threads=None,
                ),
                start=state,
            )
            for i, (net, optimizer, state) in enumerate(
                zip(together, optimizers, states, strict=True)
            )
        ]  # fmt: skip
        training.fit_many(tasks, None)
    for i, (net, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
        net.fit(X, Y, optimizer, 0.01, epochs=2 * (1 + i), batch_size=16, shuffle=False)
        assert np.array_equal(net.parameters, together[i].parameters)
        assert states[i].steps == 2 * (1 + i) * 4


def stop(progress: Progress) -> None:
    if progress.epoch == 2:
        progress.stop()


def interrupt(progress: Progress) -> None:
    if progress.epoch == 2:
        raise KeyboardInterrupt


def fail(progress: Progress) -> None:
    if progress.epoch == 2:
        raise RuntimeError


def spoil(progress: Progress) -> None:
    if progress.epoch == 2:
        progress.parameters[0] = np.nan


@ENGINES
@pytest.mark.parametrize(
    ("callback", "raised"),
    [(stop, ()), (interrupt, UserWarning), (fail, RuntimeError), (spoil, cr.DivergenceError)],
)
def test_the_state_is_kept_however_training_ends(engine: str, callback: Any, raised: Any) -> None:
    X, Y = problem(n=50)
    options: dict[str, Any] = {"shuffle": False, "batch_size": 16, "engine": engine}
    expected, state = OptimizerState(), OptimizerState()
    fit(network(), X, Y, start=expected, epochs=2, **options)
    if callback is stop:
        fit(network(), X, Y, start=state, epochs=9, callbacks=callback, **options)
    else:
        with pytest.warns(raised) if raised is UserWarning else pytest.raises(raised):
            fit(network(), X, Y, start=state, epochs=9, callbacks=callback, **options)
    if callback is spoil:  # it would lead the next run astray, too
        assert state == OptimizerState()
    else:
        assert same(state, expected)


def test_a_run_without_epochs_keeps_the_state_as_it_is() -> None:
    X, Y = problem(n=50)
    net, state = network(), OptimizerState()
    fit(net, X, Y, start=state, epochs=1)
    kept = OptimizerState({name: array.copy() for name, array in state.arrays.items()}, state.steps)
    fit(net, X, Y, start=state, epochs=0)
    assert same(state, kept)


def refused(message: str, start: OptimizerState, **options: Any) -> None:
    X, Y = problem(n=50)
    net = network()
    before: Array = net.parameters.copy()
    with pytest.raises(cr.InputError, match=message):
        fit(net, X, Y, start=start, epochs=1, **options)
    assert np.array_equal(net.parameters, before)


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    X, Y = problem(n=50)
    of_adam, of_another = OptimizerState(), OptimizerState()
    fit(network(), X, Y, start=of_adam, epochs=1)
    fit(cr.Network([3, 5, 2], dtype="float64"), X, Y, start=of_another, epochs=1)
    wanted = re.escape("of arrays {'v': (98,)}, but start has {'m': (98,), 'v': (98,)} of Adam")
    refused(f"Momentum of this network .* {wanted}: pass", of_adam, optimizer="momentum")
    refused(r"start has {'m': \(32,\), 'v': \(32,\)}", of_another, optimizer="adam")
    of_rmsprop = OptimizerState()
    fit(network(), X, Y, start=of_rmsprop, epochs=1, optimizer="rmsprop")
    refused("of RMSprop: pass the state of the same", of_rmsprop, optimizer="momentum")
    refused("start has {}", OptimizerState(steps=3), optimizer="adam")
    for optimizer in ("lbfgs", "lm"):
        refused(f"{optimizer} keeps nothing .* start=None", OptimizerState(), optimizer=optimizer)
    refused("pass one of them", OptimizerState(), checkpoint=tmp_path / "run.checkpoint")
