"""Training that is interrupted, killed, resumed, or diverges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.callbacks import Progress
from tests.problems import Array, network, problem


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
        history = net.fit(X, Y, epochs=9, engine="numpy")
    assert history.epochs == history.best_epoch == 0


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


def test_a_checkpoint_knows_sparse_matrices_apart(tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    path, rows = tmp_path / "run.checkpoint", np.arange(40)
    first, second = (csr_matrix((np.ones(40), (rows, (rows + k) % 2))) for k in (0, 1))
    y = rows / 40
    cr.Network([2, 1]).fit(first, y, epochs=2, checkpoint=path)
    with pytest.raises(cr.InputError, match="checksum"):
        cr.Network([2, 1]).fit(second, y, epochs=4, checkpoint=path, resume=True)


def test_resuming_needs_a_file() -> None:
    X, Y = problem()
    with pytest.raises(cr.InputError, match=r"resume=True needs the file.*checkpoint="):
        network().fit(X, Y, resume=True)


def test_the_warning_of_an_interrupt_points_at_the_caller() -> None:
    X, Y = problem()

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted") as caught:
        network().fit(X, Y, callbacks=interrupt)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("part", ["run", "progress"])
def test_a_damaged_checkpoint(tmp_path: Path, part: str) -> None:
    from chainrule import storage

    X, Y = problem()
    path = tmp_path / "run.checkpoint"
    network().fit(X, Y, epochs=2, checkpoint=path)
    arrays, description = storage.read(path, "checkpoint")
    del description[part]
    storage.write(path, arrays, description)
    with pytest.raises(cr.FileFormatError, match="is damaged"):
        network().fit(X, Y, epochs=4, checkpoint=path, resume=True)
