"""Training: what is learned, recorded, stopped, interrupted, resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import chainrule as cr
from chainrule.callbacks import Progress

Array = npt.NDArray[Any]


def problem(n: int = 200, seed: int = 0, dtype: str = "float64") -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(dtype)
    return X, np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 1] * X[:, 2]], axis=1)


def network(**options: Any) -> cr.Network:
    return cr.Network([3, 16, 2], **{"activation": "tanh", "dtype": "float64", **options})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_falls_and_is_recorded(dtype: str) -> None:
    X, Y = problem(dtype=dtype)
    net = network(dtype=dtype)
    before = net.loss_value(X, Y)
    history = net.fit(X, Y, epochs=50, learning_rate=0.01, validation_data=(X, Y))
    assert net.loss_value(X, Y) < before / 10
    assert len(history.loss) == len(history.val_loss) == history.epochs == 50
    assert history.val_loss[-1] == net.loss_value(X, Y)
    assert history.engine == "numpy"
    assert history.engine_reason
    assert history.stop_reason == "epochs"
    assert net.predict(X).dtype == dtype


def test_one_step_is_one_step_of_gradient_descent() -> None:
    X, Y = problem()
    net = network()
    g, before = net.gradients(X, Y), [w.copy() for w in net.weights]
    net.fit(X, Y, optimizer="gradient_descent", learning_rate=0.1, epochs=1, batch_size=len(X))
    for w, w0, dw in zip(net.weights, before, g.weights, strict=True):
        np.testing.assert_allclose(w, w0 - 0.1 * dw, rtol=1e-12)


def test_recorded_loss_is_the_mean_over_the_samples_before_each_step() -> None:
    X, Y = problem(n=10)
    net, twin = network(), network()
    history = net.fit(X, Y, learning_rate=1e-300, epochs=1, batch_size=4)  # the last has 2
    assert history.loss[0] == pytest.approx(twin.loss_value(X, Y), rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 200, 1000])
def test_any_batch_size_visits_every_sample_once(batch_size: int) -> None:
    X, Y = problem()
    weight = np.zeros(200)
    weight[17] = 1.0  # only this sample moves the weights
    net = network()
    before = net.parameters.copy()
    net.fit(
        X, Y, optimizer="sgd", learning_rate=0.1, epochs=1, batch_size=batch_size,
        sample_weight=weight,
    )  # fmt: skip
    alone = network()
    alone.fit(X[17:18], Y[17:18], optimizer="sgd", learning_rate=0.1, epochs=1)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-10)
    assert not np.array_equal(net.parameters, before)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    X, Y = problem()

    def trained(seed: int) -> Array:
        net = network()
        net.fit(X, Y, epochs=3, dropout=0.2, seed=seed)
        return net.parameters

    assert np.array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


def test_shuffle_can_be_switched_off() -> None:
    X, Y = problem()
    first, second = network(), network()
    first.fit(X, Y, epochs=2, shuffle=False, seed=1)
    second.fit(X, Y, epochs=2, shuffle=False, seed=2)
    assert np.array_equal(first.parameters, second.parameters)


def test_l2_and_l1_change_the_step_by_their_gradients_and_leave_biases_alone() -> None:
    X, Y = problem()
    plain, penalised = network(), network()
    options: dict[str, Any] = {"optimizer": "sgd", "epochs": 1, "batch_size": 200}
    start = [w.copy() for w in plain.weights]
    plain.fit(X, Y, learning_rate=0.1, **options)
    penalised.fit(X, Y, learning_rate=0.1, l2=0.3, l1=0.02, **options)
    for w, v, w0 in zip(penalised.weights, plain.weights, start, strict=True):
        np.testing.assert_allclose(w, v - 0.1 * (0.3 * w0 + 0.02 * np.sign(w0)), rtol=1e-9)
    for b, c in zip(penalised.biases, plain.biases, strict=True):
        assert b is not None
        assert c is not None
        np.testing.assert_array_equal(b, c)


def test_gradient_clip_bounds_the_length_of_the_step() -> None:
    X, Y = problem()
    net = network()
    before = net.parameters.copy()
    net.fit(X, 100 * Y, optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=200,
            gradient_clip=0.5)  # fmt: skip
    assert np.linalg.norm(net.parameters - before) == pytest.approx(0.5)


def test_dropout_is_inverted_and_off_when_predicting() -> None:
    # A linear hidden layer with dropout: the gradient of the output bias, averaged over many
    # masks, is that without dropout only if the kept units are scaled up.
    X, Y = np.ones((20_000, 1)), np.zeros((20_000, 1))
    net = cr.Network([1, 8, 1], activation="identity", dtype="float64")
    outputs = net.predict(X[:1])[0, 0]
    net.fit(X, Y, optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=len(X), dropout=0.5)
    bias = net.biases[-1]
    assert bias is not None
    assert -bias[0] == pytest.approx(outputs, rel=0.05)
    assert np.ptp(net.predict(X)) == 0


def test_early_stopping_restores_the_best_weights() -> None:
    X, Y = problem(n=40)
    rng = np.random.default_rng(1)
    noise = (rng.normal(size=(40, 3)), rng.normal(size=(40, 2)))  # nothing to generalise to
    net = network()
    history = net.fit(X, Y, learning_rate=0.02, epochs=500, validation_data=noise,
                      early_stopping=5)  # fmt: skip
    assert history.stop_reason == "early stopping"
    assert history.epochs == history.best_epoch + 5
    assert net.loss_value(*noise) == min(history.val_loss)


def test_a_fraction_holds_out_samples_for_validation() -> None:
    X, Y = problem()
    history = network().fit(X, Y, epochs=2, validation_data=0.25)
    assert len(history.val_loss) == 2


def test_a_schedule_multiplies_the_learning_rate_in_every_step() -> None:
    X, Y = problem()
    net, by_hand = network(), network()
    options: dict[str, Any] = {"optimizer": "sgd", "shuffle": False, "batch_size": 200}
    net.fit(X, Y, epochs=2, learning_rate=0.1, schedule=cr.schedules.exponential(0.5), **options)
    by_hand.fit(X, Y, epochs=1, learning_rate=0.1, **options)
    by_hand.fit(X, Y, epochs=1, learning_rate=0.05, **options)
    np.testing.assert_allclose(net.parameters, by_hand.parameters, rtol=1e-12)


def test_callbacks_are_told_and_can_stop() -> None:
    X, Y = problem()
    seen: list[str] = []

    class Recorder(cr.Callback):
        def on_train_begin(self, progress: Progress) -> None:
            seen.append("begin")

        def on_epoch_end(self, progress: Progress) -> None:
            seen.append(f"epoch {progress.epoch}")
            if progress.epoch == 3:
                progress.stop("enough")

        def on_train_end(self, progress: Progress) -> None:
            seen.append("end")

    losses: list[float] = []
    history = network().fit(
        X, Y, epochs=10, callbacks=[Recorder(), lambda progress: losses.append(progress.loss)]
    )
    assert seen == ["begin", "epoch 1", "epoch 2", "epoch 3", "end"]
    assert losses == history.loss
    assert history.stop_reason == "enough"


@pytest.mark.parametrize("interrupted_at", [1, 4])
def test_ctrl_c_keeps_the_best_weights_so_far(interrupted_at: int) -> None:
    X, Y = problem()
    net = network()
    snapshots: list[Array] = []

    def interrupt(progress: Progress) -> None:
        snapshots.append(progress.parameters.copy())
        if progress.epoch == interrupted_at:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=f"interrupted after {interrupted_at} of 50 epochs"):
        history = net.fit(X, Y, epochs=50, callbacks=interrupt)
    assert history.stop_reason == "interrupted"
    assert np.array_equal(net.parameters, snapshots[history.best_epoch - 1])


def test_a_real_interrupt_signal_ends_training_cleanly(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, signal, threading, warnings
        import numpy as np, chainrule as cr
        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(2000, 3))
        net = cr.Network([3, 8, 1])
        def once(progress):
            if progress.epoch == 2:  # from another thread, so that it lands anywhere in a step
                threading.Timer(0.05, os.kill, (os.getpid(), {int(signal.SIGINT)})).start()
        history = net.fit(X, X[:, :1], epochs=100_000, callbacks=once)
        net.save({str(tmp_path / "net.safetensors")!r})
        print(history.stop_reason, np.isfinite(net.parameters).all())
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["interrupted", "True"], done.stderr
    assert cr.load(tmp_path / "net.safetensors").layer_sizes == (3, 8, 1)


def test_divergence_says_when_what_and_what_to_try_and_keeps_the_weights() -> None:
    X, Y = problem()
    net = network(activation="relu")
    before = net.parameters.copy()
    with pytest.raises(cr.DivergenceError, match=r"epoch \d+ of 100.*learning_rate \(it was 1e\+"):
        net.fit(X, Y, optimizer="sgd", learning_rate=1e6, epochs=100)
    assert np.array_equal(net.parameters, before)


def test_divergence_later_keeps_the_best_epoch() -> None:
    X, Y = problem()
    net = network()
    good: list[Array] = []

    def spoil(progress: Progress) -> None:
        good.append(progress.parameters.copy())
        if progress.epoch == 3:
            progress.parameters[0] = np.nan

    with pytest.raises(cr.DivergenceError, match="epoch 4 of 10"):
        net.fit(X, Y, epochs=10, callbacks=spoil)
    assert any(np.array_equal(net.parameters, kept) for kept in good)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "nadam", "adagrad"])
@pytest.mark.parametrize("schedule", [None, "cosine", cr.schedules.plateau(patience=0)])
def test_resuming_continues_bit_for_bit(tmp_path: Path, optimizer: str, schedule: Any) -> None:
    X, Y = problem(dtype="float32")
    options: dict[str, Any] = {
        "optimizer": optimizer, "schedule": schedule, "learning_rate": 0.02, "epochs": 8,
        "dropout": 0.1, "batch_size": 64, "validation_data": (X[:50], Y[:50]),
        "early_stopping": cr.EarlyStopping(patience=20),
    }  # fmt: skip
    straight = network(dtype="float32")
    expected = straight.fit(X, Y, **options)

    def stop(progress: Progress) -> None:
        if progress.epoch == 3:
            raise RuntimeError("killed")

    path = tmp_path / "run.checkpoint"
    killed = network(dtype="float32")
    with pytest.raises(RuntimeError, match="killed"):
        killed.fit(X, Y, **options, checkpoint=path, callbacks=stop)
    resumed = network(dtype="float32")
    resumed.parameters[:] = 0  # nothing of the network in memory is needed
    history = resumed.fit(X, Y, **options, checkpoint=path, resume=True)
    assert np.array_equal(resumed.parameters, straight.parameters)
    assert history.loss == expected.loss
    assert history.val_loss == expected.val_loss
    # and a run that had finished has nothing left to do
    again = network(dtype="float32")
    assert again.fit(X, Y, **options, checkpoint=path, resume=True).loss == expected.loss
    assert np.array_equal(again.parameters, straight.parameters)


def test_a_killed_process_resumes_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    code = textwrap.dedent(f"""
        import os, sys
        import numpy as np, chainrule as cr
        from chainrule.training import checkpoint
        checkpoint.SECONDS_BETWEEN = 0.0
        X = np.random.default_rng(0).normal(size=(100, 3))
        kill_at = int(sys.argv[1])
        def kill(progress):
            if progress.epoch == kill_at:
                os.kill(os.getpid(), {int(signal.SIGKILL)})
        net = cr.Network([3, 8, 1])
        net.fit(X, X[:, :1], epochs=6, callbacks=kill, checkpoint={str(path)!r}, resume=True)
        print(net.parameters.tobytes().hex())
    """)

    def run(kill_at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run(kill_at=3).returncode == -signal.SIGKILL
    resumed = run(kill_at=0)
    os.remove(path)
    straight = run(kill_at=0)
    assert resumed.stdout == straight.stdout != ""


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    X, Y = problem()
    path = tmp_path / "run.checkpoint"
    network().fit(X, Y, epochs=2, checkpoint=path)
    with pytest.raises(cr.InputError, match="batch_size 32, but this one has 16"):
        network().fit(X, Y, epochs=4, batch_size=16, checkpoint=path, resume=True)
    with pytest.raises(cr.InputError, match="architecture"):
        network(activation="relu").fit(X, Y, epochs=4, checkpoint=path, resume=True)


def test_lbfgs_reaches_what_adam_does_not() -> None:
    X, Y = problem()
    adam, lbfgs = network(), network()
    adam.fit(X, Y, epochs=200, learning_rate=0.01)
    history = lbfgs.fit(X, Y, optimizer="lbfgs", epochs=300)
    assert lbfgs.loss_value(X, Y) < adam.loss_value(X, Y)
    assert history.loss[-1] == pytest.approx(lbfgs.loss_value(X, Y), rel=1e-12)
    assert history.stop_reason in ("epochs", "converged")
    assert all(b <= a for a, b in zip(history.loss, history.loss[1:], strict=False))


def test_lbfgs_early_stopping_and_l2() -> None:
    X, Y = problem(n=30)
    rng = np.random.default_rng(1)
    noise = (rng.normal(size=(30, 3)), rng.normal(size=(30, 2)))
    net = network()
    history = net.fit(X, Y, optimizer="lbfgs", epochs=500, validation_data=noise, early_stopping=3)
    assert history.stop_reason == "early stopping"
    assert net.loss_value(*noise) == min(history.val_loss)
    small = network()
    small.fit(X, Y, optimizer="lbfgs", epochs=100, l2=1.0)
    assert sum((w**2).sum() for w in small.weights) < sum((w**2).sum() for w in net.weights) / 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_textbook_run(dtype: str) -> None:
    """One hidden layer of 30 sigmoids, squared error, plain gradient descent, eta 3, batch 10.

    The textbook reports about 95% on 784-pixel digits after 30 epochs (Nielsen, chapter 1);
    here on the 64-pixel digits that scikit-learn ships.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.25, stratify=y, random_state=0
    )
    net = cr.Network([64, 30, 10], activation="sigmoid", output_activation="sigmoid", dtype=dtype)
    net.fit(X_train, np.eye(10)[y_train], optimizer="gradient_descent", learning_rate=3.0,
            batch_size=10, epochs=30)  # fmt: skip
    assert (net.predict(X_test).argmax(axis=1) == y_test).mean() >= 0.95


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_history_becomes_a_frame(backend: str) -> None:
    X, Y = problem()
    history = network().fit(X, Y, epochs=3, validation_data=(X, Y))
    frame = history.to_frame(backend)
    assert list(frame.columns) == ["epoch", "loss", "val_loss", "learning_rate", "seconds"]
    assert list(frame["loss"]) == history.loss


def test_history_plots() -> None:
    import matplotlib

    matplotlib.use("Agg")
    X, Y = problem()
    axes = network().fit(X, Y, epochs=3, validation_data=(X, Y)).plot()
    assert [line.get_label() for line in axes.lines][:2] == ["training", "validation"]
    matplotlib.pyplot.close(axes.figure)


def test_verbose_prints_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    X, Y = problem()
    network().fit(X, Y, epochs=100, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert 20 <= len(lines) <= 22
    assert lines[0].startswith("epoch 1/100  loss ")
    assert lines[-1].startswith("epoch 100/100")


def franke(n: int = 500) -> tuple[Array, Array]:
    """Franke's surface, the usual test of interpolation."""
    x, y = np.random.default_rng(0).uniform(size=(2, n))
    a, b = 9 * x, 9 * y
    surface = (
        0.75 * np.exp(-((a - 2) ** 2) / 4 - (b - 2) ** 2 / 4)
        + 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
        + 0.5 * np.exp(-((a - 7) ** 2) / 4 - (b - 3) ** 2 / 4)
        - 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)
    )
    return np.stack([2 * x - 1, 2 * y - 1], axis=1), surface


def test_levenberg_marquardt_fits_a_smooth_function_to_many_digits() -> None:
    X, Y = franke()
    net = cr.Network([2, 12, 12, 1], activation="tanh", dtype="float64")
    history = net.fit(X, Y, optimizer="lm", epochs=150)
    assert np.sqrt(2 * history.loss[-1]) < 1e-3
    assert all(b < a for a, b in zip(history.loss, history.loss[1:], strict=False))


def test_levenberg_marquardt_normal_equations_are_those_of_the_jacobian() -> None:
    from chainrule.engines import Data
    from chainrule.training.levenberg import normal_equations

    X, Y = problem(n=7)
    net = network()
    weight = np.random.default_rng(2).uniform(size=7)
    JJ, Jr = normal_equations(net.architecture, net.parameters, Data(X, Y, weight))
    g = net.gradients(X, Y, sample_weight=weight)
    flat = [
        part.ravel()
        for pair in zip(g.weights, g.biases, strict=True)
        for part in pair
        if part is not None
    ]
    np.testing.assert_allclose(Jr, np.concatenate(flat), rtol=1e-10, atol=1e-14)
    # along any direction, J^T J is the second derivative of C if the outputs were linear
    direction = np.random.default_rng(3).normal(size=JJ.shape[0])
    h = 1e-6
    up, down = net.copy(), net.copy()
    up.parameters += h * direction
    down.parameters -= h * direction
    along = (up.predict(X) - down.predict(X)) / (2 * h)
    expected = (weight @ (along**2).sum(axis=1)) / weight.sum()
    assert direction @ JJ @ direction == pytest.approx(expected, rel=1e-7)


def test_levenberg_marquardt_refuses_what_it_cannot_do() -> None:
    X, Y = problem()
    with pytest.raises(cr.InputError, match=r"lm minimises squared_error.*'lbfgs'"):
        network(loss="absolute_error").fit(X, Y, optimizer="lm")
    with pytest.raises(cr.InputError, match="at most 5,000"):
        cr.Network([3, 80, 80, 2]).fit(X, Y, optimizer="lm")


def test_levenberg_marquardt_survives_dead_units_and_constant_targets() -> None:
    X, _ = problem()
    net = network(activation="relu")
    net.biases[0] = np.full(16, -1e3)  # nothing in the hidden layer has any influence
    history = net.fit(X, np.zeros((200, 2)), optimizer="lm", epochs=20)
    assert history.stop_reason in ("epochs", "converged")
    assert np.isfinite(net.parameters).all()


def test_a_checkpoint_is_not_continued_on_other_data_or_other_validation(tmp_path: Path) -> None:
    X, Y = problem()
    path = tmp_path / "run.checkpoint"
    network().fit(X, Y, epochs=2, checkpoint=path)
    with pytest.raises(cr.InputError, match=r"checkpoint of a run with data .* checksum"):
        network().fit(X, Y + 1, epochs=4, checkpoint=path, resume=True)
    with pytest.raises(cr.InputError, match="with validation data none, but this one has"):
        network().fit(X, Y, epochs=4, checkpoint=path, resume=True, validation_data=(X[:9], Y[:9]))


def test_an_interrupt_within_the_first_epoch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = problem()
    net = network()

    def interrupted(_: Any, theta: Array, *__: Any) -> None:
        theta += 1
        raise KeyboardInterrupt

    monkeypatch.setattr(cr.optimizers.Adam, "update", interrupted)
    with pytest.warns(UserWarning, match="after 0 of 9 epochs; .* weights of its last step"):
        history = net.fit(X, Y, epochs=9)
    assert history.epochs == history.best_epoch == 0


@pytest.mark.parametrize("optimizer", ["lm", "lbfgs"])
def test_methods_that_see_all_data_say_when_the_loss_is_not_finite(optimizer: str) -> None:
    X, Y = problem()
    net = network(activation="identity")
    net.parameters[:] = 1e200
    with pytest.raises(cr.DivergenceError, match=r"epoch 1 of 5: the loss became (inf|nan)"):
        net.fit(X, Y, optimizer=optimizer, epochs=5)
    assert (net.parameters == 1e200).all()


def test_the_end_is_told_and_the_history_kept_when_training_diverges() -> None:
    X, Y = problem()
    ended: list[int] = []

    class Ending(cr.Callback):
        def on_train_end(self, progress: Progress) -> None:
            ended.append(progress.epoch)

    def spoil(progress: Progress) -> None:
        if progress.epoch == 2:
            progress.parameters[0] = np.nan

    with pytest.raises(cr.DivergenceError) as caught:
        network().fit(X, Y, epochs=10, callbacks=[Ending(), spoil])
    assert ended == [2]
    assert caught.value.history.epochs == 2


@pytest.mark.parametrize("optimizer", ["rprop", "lbfgs", "lm"])
def test_methods_that_need_all_data_take_all_data(optimizer: str) -> None:
    X, Y = problem()
    assert network().fit(X, Y, optimizer=optimizer, epochs=2, batch_size=16).batch_size == 200
    with pytest.raises(cr.InputError, match="chooses its own steps"):
        network().fit(X, Y, optimizer=optimizer, schedule="cosine")


def test_an_optimizer_of_your_own() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class SignDescent(cr.Optimizer):
        def update(self, theta: Array, g: Array, state: Any, eta: float, t: int) -> None:
            theta -= eta * np.sign(g)

    X, Y = problem()
    net = network()
    before = net.loss_value(X, Y)
    assert net.fit(X, Y, optimizer=SignDescent(), epochs=5).optimizer == "SignDescent"
    assert net.loss_value(X, Y) < before


def test_a_checkpoint_does_not_replace_a_saved_network(tmp_path: Path) -> None:
    X, Y = problem()
    path = tmp_path / "net.safetensors"
    net = network()
    net.save(path)
    with pytest.raises(cr.InputError, match=r"holds a network.*name another file"):
        net.fit(X, Y, epochs=1, checkpoint=path)
    assert cr.load(path).layer_sizes == net.layer_sizes


def test_more_epochs_than_before_are_refused_only_where_the_schedule_depends_on_them(
    tmp_path: Path,
) -> None:
    X, Y = problem()
    path = tmp_path / "run.checkpoint"
    straight = network()
    straight.fit(X, Y, epochs=4)
    longer = network()
    longer.fit(X, Y, epochs=2, checkpoint=path)
    longer.fit(X, Y, epochs=4, checkpoint=path, resume=True)
    assert np.array_equal(longer.parameters, straight.parameters)
    network().fit(X, Y, epochs=2, schedule="cosine", checkpoint=path)
    with pytest.raises(cr.InputError, match="with epochs 2, but this one has 4"):
        network().fit(X, Y, epochs=4, schedule="cosine", checkpoint=path, resume=True)


def test_training_does_not_start_from_weights_that_are_not_finite() -> None:
    X, Y = problem()
    net = network()
    net.weights[0][0, 0] = np.nan
    with pytest.raises(cr.InputError, match="weights that are not finite"):
        net.fit(X, Y)
