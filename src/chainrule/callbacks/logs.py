"""Callbacks for those who have a place for it: TensorBoard and MLflow."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from numbers import Integral
from pathlib import Path
from typing import Any

from chainrule import files
from chainrule.callbacks.base import Callback, Progress
from chainrule.errors import InputError, MissingExtraError


def _numbers(progress: Progress) -> dict[str, float]:
    """Return what there is to record of an epoch, by the names of a `History`."""
    found = {"loss": progress.loss, "learning_rate": progress.learning_rate}
    if progress.val_loss is not None:
        found["val_loss"] = progress.val_loss
    if progress.penalty:
        found["penalty"] = progress.penalty
    return found


def _require(package: str, extra: str, purpose: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, extra, purpose)


class TensorBoard(Callback):
    """Writes the losses and the learning rate of each epoch where TensorBoard shows them.

    Parameters
    ----------
    folder : str or path
        The run's own; ``tensorboard --logdir`` of the folder around it shows several runs
        together. A run that is resumed goes on in its folder.
    histograms_every : int, default 0
        The number of epochs between histograms of the weights and biases of each layer; 0 for
        none.

    Raises
    ------
    MissingExtraError
        If tensorboardX is not installed: ``pip install 'chainrule[tensorboard]'``.
    InputError
        If `histograms_every` is no whole number, or, when training starts, if the folder cannot
        be written to.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 4, 1])
    >>> _ = net.fit(X, Y, callbacks=[cr.callbacks.TensorBoard("runs/first")])  # doctest: +SKIP
    """

    only_looks = True

    def __init__(self, folder: str | os.PathLike[str], histograms_every: int = 0) -> None:
        _require("tensorboardX", "tensorboard", "the callback TensorBoard")
        if not isinstance(histograms_every, Integral) or histograms_every < 0:
            raise InputError(
                f"histograms_every must be a whole number of epochs, or 0, not {histograms_every!r}"
            )
        self.folder: Path = Path(folder)
        self.histograms_every: int = int(histograms_every)
        self._writer: Any = None

    def on_train_begin(self, progress: Progress) -> None:
        """Open the run's file, and say in it which network is trained."""
        from tensorboardX import SummaryWriter

        try:
            self._writer = SummaryWriter(
                str(self.folder),
                # epochs that an interrupted run had after its checkpoint are shown once
                purge_step=progress.epoch + 1 if progress.epoch else None,
                # a file of its own even for a run that goes on within the second
                filename_suffix=f".{time.time_ns()}",
            )
        except OSError as error:
            raise InputError(
                f"cannot write in {self.folder} ({error.strerror or error}): choose another folder"
            ) from None
        if progress.epoch == 0:
            summary = progress.architecture.summary()
            self._writer.add_text("network", f"```\n{summary}\n```", 0)

    def on_epoch_end(self, progress: Progress) -> None:
        """Write the epoch's numbers."""
        for name, value in _numbers(progress).items():
            self._writer.add_scalar(name, value, progress.epoch)
        if self.histograms_every and progress.epoch % self.histograms_every == 0:
            for L, (w, b) in enumerate(zip(progress.weights, progress.biases, strict=True), 1):
                self._writer.add_histogram(f"weights/{L}", w, progress.epoch)
                if b is not None:
                    self._writer.add_histogram(f"biases/{L}", b, progress.epoch)

    def on_train_end(self, progress: Progress) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class MLflow(Callback):
    """Records training in MLflow: the network, the numbers of each epoch, and the model.

    It goes to the run that is active (``with mlflow.start_run():``), else to a new one, in the
    place that MLflow is set to (``mlflow.set_tracking_uri``, ``mlflow.set_experiment``, or the
    environment).

    Parameters
    ----------
    run_name : str, optional
        Of a new run.
    save_model : bool, default True
        Whether the trained network becomes an artifact, ``model.safetensors``.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed: ``pip install 'chainrule[mlflow]'``.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 4, 1])
    >>> _ = net.fit(X, Y, callbacks=[cr.callbacks.MLflow("first")])  # doctest: +SKIP
    """

    only_looks = True

    def __init__(self, run_name: str | None = None, save_model: bool = True) -> None:
        _require("mlflow", "mlflow", "the callback MLflow")
        self.run_name, self.save_model = run_name, save_model
        self.run_id = ""
        """The run that the last training is recorded in."""
        self._is_ours = False

    def on_train_begin(self, progress: Progress) -> None:
        """Start a run unless there is one, and record what the network is."""
        import mlflow

        active = mlflow.active_run()
        self._is_ours = active is None
        self.run_id = (active or mlflow.start_run(run_name=self.run_name)).info.run_id
        a = progress.architecture
        mlflow.log_params(
            {
                "layer_sizes": "-".join(map(str, a.layer_sizes)),
                "activations": ", ".join(activation.name for activation in a.activations),
                "loss": a.loss.name,
                "dtype": a.dtype,
                "n_parameters": a.n_parameters,
                "epochs": progress.epochs,
            }
        )

    def on_epoch_end(self, progress: Progress) -> None:
        """Record the epoch's numbers."""
        import mlflow

        mlflow.log_metrics(_numbers(progress), step=progress.epoch)

    def on_train_end(self, progress: Progress) -> None:
        """Record why training ended, and the model; end the run if it was started here."""
        import mlflow

        if not self.run_id:
            return
        mlflow.set_tag("stop_reason", progress.ended)
        if self.save_model and progress.epoch:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                files.save(path, progress.architecture, progress.parameters, {"seed": 0})
                mlflow.log_artifact(str(path))
        if self._is_ours:
            status = {"interrupted": "KILLED", "diverged": "FAILED", "": "FAILED"}
            mlflow.end_run(status.get(progress.ended, "FINISHED"))
