"""TensorBoard and MLflow, asked by their own readers what they were told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import chainrule as cr

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = X[:, :1] - X[:, 1:2]


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    everything = {"scalars": 0, "histograms": 0, "tensors": 0}
    return EventAccumulator(str(folder), everything).Reload()


def test_tensorboard_reads_every_epoch(tmp_path: Path) -> None:
    net = cr.Network([3, 5, 1])
    log = cr.callbacks.TensorBoard(tmp_path / "run", histograms_every=2)
    history = net.fit(
        X, Y, epochs=6, l2=0.01, validation_data=0.2, schedule="cosine", callbacks=[log]
    )
    found = events(tmp_path / "run")
    for name in ("loss", "val_loss", "penalty", "learning_rate"):
        entries = found.Scalars(name)
        assert [entry.step for entry in entries] == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose([e.value for e in entries], getattr(history, name), rtol=1e-6)
    assert [entry.step for entry in found.Histograms("weights/2")] == [2, 4, 6]
    last = found.Histograms("weights/2")[-1].histogram_value
    assert last.num == net.weights[1].size
    assert last.max == pytest.approx(net.weights[1].max())
    assert sorted(found.Tags()["histograms"]) == ["biases/1", "biases/2", "weights/1", "weights/2"]
    (text,) = found.Tensors("network/text_summary")
    assert "squared_error" in text.tensor_proto.string_val[0].decode()


def test_a_resumed_run_goes_on_in_its_folder(tmp_path: Path) -> None:
    class Interrupt(cr.Callback):
        def on_epoch_end(self, progress: cr.Progress) -> None:
            if progress.epoch == 3:
                raise KeyboardInterrupt

    def train(*more: cr.Callback) -> None:
        log = cr.callbacks.TensorBoard(tmp_path / "run")
        settings: dict[str, Any] = {"checkpoint": tmp_path / "c", "resume": True}
        cr.Network([3, 5, 1]).fit(X, Y, epochs=5, callbacks=[log, *more], **settings)

    with pytest.warns(UserWarning, match="interrupted"):
        train(Interrupt())
    train()
    assert [e.step for e in events(tmp_path / "run").Scalars("loss")] == [1, 2, 3, 4, 5]


def test_the_estimators_tell_it_too(tmp_path: Path) -> None:
    log = cr.callbacks.TensorBoard(tmp_path)
    model = cr.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0, tol=0.0)
    with pytest.warns(ConvergenceWarning):
        model.set_callbacks(log).fit(X, Y[:, 0])
    assert len(events(tmp_path).Scalars("loss")) == 3


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = cr.callbacks.TensorBoard(tmp_path / "file" / "run")
    with pytest.raises(cr.InputError, match=r"cannot write in .*choose another folder"):
        cr.Network([3, 1]).fit(X, Y, callbacks=[log])
    with pytest.raises(cr.InputError, match="histograms_every must be a whole number"):
        cr.callbacks.TensorBoard(tmp_path, histograms_every=-1)


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(cr.MissingExtraError, match=r"pip install 'chainrule\[tensorboard\]'"):
        cr.callbacks.TensorBoard(tmp_path)
    with pytest.raises(cr.MissingExtraError, match=r"pip install 'chainrule\[mlflow\]'"):
        cr.callbacks.MLflow()


_MLFLOW = """
import json, sys
import numpy as np, mlflow, chainrule as cr
from mlflow import MlflowClient

mlflow.set_tracking_uri("file:store")
X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = X[:, :1] - X[:, 1:2]
log = cr.callbacks.MLflow("first")
net = cr.Network([3, 5, 1])
history = net.fit(X, Y, epochs=4, validation_data=0.2, callbacks=[log])
client, first = MlflowClient(), log.run_id
assert mlflow.active_run() is None

def told(run_id):
    run = client.get_run(run_id)
    return {"params": run.data.params, "status": run.info.status, "name": run.info.run_name,
            "stop_reason": run.data.tags["stop_reason"],
            "loss": [[m.step, m.value] for m in client.get_metric_history(run_id, "loss")],
            "val_loss": [m.value for m in client.get_metric_history(run_id, "val_loss")],
            "artifacts": [a.path for a in client.list_artifacts(run_id)]}

path = client.download_artifacts(first, "model.safetensors", ".")
same = np.array_equal(cr.load(path).parameters, net.parameters)
with mlflow.start_run(run_name="mine") as run:  # a run of the user's stays open
    cr.Network([3, 1]).fit(X, Y, epochs=2, callbacks=[cr.callbacks.MLflow(save_model=False)])
    assert mlflow.active_run().info.run_id == run.info.run_id
try:
    cr.Network([3, 5, 1]).fit(1e10 * X, 1e10 * Y, optimizer="gradient_descent",
                              learning_rate=1e10, epochs=5, callbacks=[log])
except cr.DivergenceError:
    pass
print(json.dumps([history.loss, history.val_loss, same, told(first), told(run.info.run_id),
                  told(log.run_id)]))
"""


def test_mlflow_is_told(tmp_path: Path) -> None:
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run(
        [sys.executable, "-c", _MLFLOW], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loss, val_loss, same, first, mine, diverged = json.loads(done.stdout.splitlines()[-1])
    assert same
    assert first["loss"] == [[step, value] for step, value in enumerate(loss, 1)]
    assert first["val_loss"] == val_loss
    assert first["params"] == {
        "layer_sizes": "3-5-1", "activations": "relu, identity", "loss": "squared_error",
        "dtype": "float32", "n_parameters": "26", "epochs": "4",
    }  # fmt: skip
    assert (first["name"], first["status"], first["stop_reason"]) == ("first", "FINISHED", "epochs")
    assert first["artifacts"] == ["model.safetensors"]
    assert (mine["name"], len(mine["loss"]), mine["artifacts"]) == ("mine", 2, [])
    assert (diverged["status"], diverged["stop_reason"]) == ("FAILED", "diverged")
