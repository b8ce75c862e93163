"""A run from its table to its folder: prepare, tune, train, judge, write."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from chainrule import __version__, tables, tuning
from chainrule.callbacks import Callback
from chainrule.evaluation import metrics
from chainrule.evaluation.metrics import Metric
from chainrule.evaluation.model import Model
from chainrule.history import History
from chainrule.merging import merged
from chainrule.network import Network
from chainrule.runs import folder as files
from chainrule.runs import learning
from chainrule.runs.config import TUNED, Config
from chainrule.runs.folder import Folder
from chainrule.runs.judging import judge
from chainrule.runs.preparing import Prepared, prepare
from chainrule.runs.results import Results

_TUNING_SHARE = 0.7
"""Of a time limit, for trials; the rest is for the training that counts."""


@dataclass
class Listener:
    """Who is told how far a run is."""

    say: Callable[[str], None] = lambda line: None
    """What goes on, in a line."""
    prepared: Callable[[Prepared], None] = lambda prepared: None
    """What the table is."""
    trial: Callable[[tuning.Trial, tuning.Trial, Metric], None] = lambda trial, best, metric: None
    """A trial's end, and the best so far."""
    training: Callable[[Prepared, Network, int], Sequence[Callback]] = lambda prepared, net, n: ()
    """Training begins: returns who is told of its epochs."""


class Experiment:
    """One run.

    Parameters
    ----------
    config : Config
        What to do.
    frame : polars.DataFrame
        The table; it is used up.
    held : polars.DataFrame, optional
        The file of ``--validation``.
    wishes : Wishes, optional
        How the table was read.
    folder : Folder, optional
        Where everything is written; without one, only what `save` is asked for.
    resume : bool, default False
        Whether the folder holds a run to go on with.
    listener : Listener, optional
        Who is told.
    """

    def __init__(
        self,
        config: Config,
        frame: pl.DataFrame,
        held: pl.DataFrame | None = None,
        wishes: tables.Wishes | None = None,
        folder: Folder | None = None,
        resume: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self.folder, self.resume = folder, resume
        self.listener = listener or Listener()
        self.prepared = prepare(frame, held, config, wishes)
        target = self.prepared.target
        self.config = config.with_(batch_size=config.batch_size or self._batch_size)
        self.metric = metrics.find(config.metric, target.task)
        learning.require_loss(config.loss, target)
        self.trials: list[tuning.Trial] = []
        self.listener.prepared(self.prepared)

    @property
    def _batch_size(self) -> int:
        return learning.batch_size_for(len(self.prepared.rows.of(0)[0]))

    def tune(self) -> None:
        """Choose settings by trials, those that are not fixed.

        Each trial is scored on the rows that the first network watches: the held-out rows have
        no part in it.

        Raises
        ------
        MissingExtraError
            If Optuna is not installed.
        KeyboardInterrupt
            On Ctrl-C; the trials are kept in the folder.
        """
        assert self.folder is not None
        config, rows, target = self.config, self.prepared.rows, self.prepared.target
        free = tuple(name for name in TUNED if name not in config.fixed)
        if config.optimizer != "adamw":
            free = tuple(name for name in free if name != "weight_decay")
        X, Y = rows.X[rows.parts[0][1]], rows.Y[rows.parts[0][1]]
        truth = Y if target.is_classification else Y * target.scale + target.mean

        def objective(settings: dict[str, Any], pruning: Callback) -> float:
            own = config.with_(**_tuples(settings), ensemble=1, time_limit=None)
            nets = learning.networks(own, target, rows.X.shape[1])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                (history,) = learning.train(nets, rows, own, callbacks=[pruning])
            if history.stop_reason == "interrupted":
                raise KeyboardInterrupt
            found = self.metric.evaluate(
                truth, Model(nets[0], self.prepared.preprocessing).predict(X)
            )
            return found if self.metric.greater_is_better else -found

        limit = config.time_limit
        self.trials = tuning.search(
            objective, free, _settings(config, TUNED), self.folder.path / files.TUNING, config.tune,
            seed=config.seed,
            deadline=float("inf") if limit is None else time.monotonic() + _TUNING_SHARE * limit,
            told=lambda trial, best: self.listener.trial(trial, best, self.metric),
        )  # fmt: skip
        chosen = _tuples(self.trials[0].settings)
        left = limit if limit is None else limit - (time.perf_counter() - self.started)
        self.config = config.with_(
            **chosen, tune=0, fixed=(), time_limit=None if left is None else max(1.0, left)
        )
        self.folder.note(self.config)

    def train(self) -> list[Network]:
        """Train the networks; each has its best weights then.

        Raises
        ------
        DivergenceError
            If a loss became infinite or NaN.
        KeyboardInterrupt
            On Ctrl-C before the first epoch was complete.
        """
        config, rows, target = self.config, self.prepared.rows, self.prepared.target
        going_on = self.folder is not None and any(self.folder.checkpoints.glob("*.safetensors"))
        if config.time_limit is not None and not going_on:
            n = learning.epochs_within(config, target, rows, config.time_limit)
            self.config = config = config.with_(epochs=n)
            if self.folder:
                self.folder.note(config)
        nets = learning.networks(config, target, rows.X.shape[1])
        told = self.listener.training(self.prepared, nets[0], len(nets))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            histories = learning.train(
                nets, rows, config, callbacks=told,
                checkpoints=self.folder.checkpoints if self.folder else None, resume=self.resume,
            )  # fmt: skip
        self.interrupted = any(h.stop_reason == "interrupted" for h in histories)
        if self.interrupted and not all(h.epochs for h in histories):
            raise KeyboardInterrupt
        for warning in caught:
            if warning.category is UserWarning and not self.interrupted:
                self.listener.say(f"note       {warning.message}")
        if self.interrupted or any(h.stop_reason == learning.TIME_LIMIT for h in histories):
            self.config = config.with_(stop_after=tuple(h.epochs for h in histories))
        self.config = self.config.with_(time_limit=None)
        return nets

    def save(self, path: Path, nets: Sequence[Network]) -> Model:
        """Write the model's file: the networks as one, with the columns of the table.

        Raises
        ------
        InputError
            If it cannot be written; what was there before is unchanged.
        """
        target, held = self.prepared.target, self.prepared.held
        net = merged(nets)
        net.history = nets[0].history
        outputs = net._engine.predict(net.architecture, net.parameters, held.X)
        encoded = target.encode(held.frame[target.name])
        scores = target.scores(outputs, encoded, self.prepared.rows.Y)
        preprocessing = tables.with_scores(self.prepared.preprocessing, scores)
        net.extra["training"] = self._facts([net_.history for net_ in nets])
        tables.save(path, net, preprocessing)
        return Model(net, preprocessing)

    def _facts(self, histories: Sequence[History | None]) -> dict[str, Any]:
        """Return what the model's file says of its training."""
        known = [history for history in histories if history is not None]
        return {
            "chainrule": __version__,
            "networks": len(known),
            "rows": len(self.prepared.rows.Y),
            "epochs": [history.epochs for history in known],
            "best_epochs": [history.best_epoch for history in known],
            "loss": learning.require_loss(self.config.loss, self.prepared.target),
            "optimizer": self.config.optimizer,
        }

    def judge(self, model: Model, nets: Sequence[Network], deep: bool) -> Results:
        """Score the model beside others; see `chainrule.runs.judging.judge`."""
        return judge(
            self.config, self.prepared, model, nets, self.metric, self.started,
            interrupted=self.interrupted, deep=deep, trials=self.trials, say=self.listener.say,
        )  # fmt: skip

    def write(self, results: Results) -> None:
        """Write all but the model into the folder; a run that was interrupted can still go on.

        Raises
        ------
        InputError
            If a file cannot be written; each is whole, or what it was.
        """
        from chainrule.report import page

        folder = self.folder
        assert folder is not None
        folder.write_frame(files.HISTORY, results.history())
        folder.write_frame(files.PREDICTIONS, results.predictions())
        folder.write_json(files.METRICS, results.to_json())
        folder.write_text(files.CONFIG, self.config.to_toml(self._note()))
        folder.write_text(files.REPORT, page.render(results))
        if not results.interrupted:
            folder.finish()

    def _note(self) -> str:
        if not self.trials:
            return ""
        return f"Chosen by {len(self.trials)} trials, which are in {files.TUNING}."


def _settings(config: Config, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with tuples, of which SQLite made lists."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
    }
