"""The search for good settings, by Optuna, in an SQLite file that a later search goes on from."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.callbacks import Callback, Progress
from chainrule.errors import DivergenceError, MissingExtraError, NotWrittenError

_WIDTHS = (16, 512)
_STARTUP = 5
"""Trials at random, and those that must be known before one is cut short."""
_WARM_UP = 5
"""Epochs before a trial is cut short."""


@dataclass(frozen=True)
class Trial:
    """One set of settings that was tried."""

    number: int
    settings: dict[str, Any]
    value: float | None
    """The score, greater is better; None where it was cut short."""

    @property
    def spoken(self) -> str:
        """The settings in a line."""
        return ", ".join(f"{name} {_spell(value)}" for name, value in self.settings.items())


def require_optuna() -> None:
    """Refuse to tune without Optuna, before anything is done for it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import optuna  # noqa: F401 - is it there?
    except ImportError:
        raise MissingExtraError("optuna", "tune", "--tune") from None


Objective = Callable[[dict[str, Any], Callback], float]


def search(
    objective: Objective,
    free: tuple[str, ...],
    defaults: Mapping[str, Any],
    storage: Path,
    n_trials: int,
    *,
    seed: int = 0,
    deadline: float = math.inf,
    told: Callable[[Trial, Trial], None] = lambda trial, best: None,
) -> list[Trial]:
    """Try settings until there are enough trials; return them, the best first.

    The defaults are the first trial, so that nothing worse is chosen. The following are drawn by
    a tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24), and cut short where
    they are behind the median of the others. A trial depends on those before it and the seed
    alone: a search that was interrupted goes on as if it had not been.

    Parameters
    ----------
    objective : callable
        Takes settings and a callback for its training; returns a score, greater is better.
    free : tuple of str
        The settings to choose: among those of `chainrule.runs.config.TUNED`.
    defaults : mapping
        The first trial.
    storage : path
        The SQLite file.
    n_trials : int
        How many there shall be, those of an interrupted search included.
    seed : int, default 0
        Of the draws.
    deadline : float, default inf
        By ``time.monotonic``: no trial begins after it.
    told : callable
        Is told of each trial at its end, and of the best so far.

    Raises
    ------
    MissingExtraError
        If Optuna is not installed.
    NotWrittenError
        If the file cannot be read or written.
    """
    require_optuna()
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    states = optuna.trial.TrialState
    try:
        file = optuna.storages.RDBStorage(
            # whatever letters the path has, which an address would have to escape
            "sqlite://", engine_kwargs={"creator": lambda: sqlite3.connect(storage)},
        )  # fmt: skip
        study = optuna.create_study(
            storage=file, study_name="chainrule", direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARM_UP),
        )  # fmt: skip
        for cut in study.get_trials(states=(states.RUNNING,)):
            study.tell(cut.number, state=states.FAIL)  # its process was ended

        def done() -> list[Any]:
            return study.get_trials(states=(states.COMPLETE, states.PRUNED))

        while (n := len(done())) < n_trials and (n == 0 or time.monotonic() < deadline):
            study.sampler = optuna.samplers.TPESampler(seed=seed + n, n_startup_trials=_STARTUP)
            if n == 0:
                study.enqueue_trial(_suggested(defaults, free))
            trial = study.ask()
            settings = _draw(trial, free, defaults)
            trial.set_user_attr("settings", settings)
            pruning = _Pruning(trial)
            try:
                value = objective(settings, pruning)
            except DivergenceError:
                pruning.pruned = True
            except BaseException:
                study.tell(trial, state=states.FAIL)
                raise
            if pruning.pruned:
                study.tell(trial, state=states.PRUNED)
            else:
                study.tell(trial, value)
            ranked = _ranked(done())
            told(next(t for t in ranked if t.number == trial.number), ranked[0])
        return _ranked(done())
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise NotWrittenError(f"cannot keep the trials in {storage}: {reason}") from None


class _Pruning(Callback):
    """Reports each epoch of a trial to Optuna, which may end it."""

    only_looks = True

    def __init__(self, trial: Any) -> None:
        self.trial = trial
        self.pruned = False

    def on_epoch_end(self, progress: Progress) -> None:
        """Report the loss, of which less is better."""
        self.trial.report(-progress.monitored, progress.epoch)
        if self.trial.should_prune():
            self.pruned = True
            progress.stop("pruned")


def _draw(trial: Any, free: tuple[str, ...], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for a trial; those that are not free are not among them."""
    found: dict[str, Any] = {}
    if "hidden" in free:
        layers = trial.suggest_int("layers", 1, 3)
        width = trial.suggest_int("width", *_WIDTHS, log=True)
        found["hidden"] = (width,) * layers
    if "activation" in free:
        found["activation"] = trial.suggest_categorical(
            "activation", ["relu", "gelu", "silu", "tanh"]
        )
    if "learning_rate" in free:
        found["learning_rate"] = trial.suggest_float("learning_rate", 3e-4, 3e-2, log=True)
    if "batch_size" in free:
        factor = trial.suggest_categorical("batch_factor", [0.5, 1.0, 2.0, 4.0])
        found["batch_size"] = max(1, round(factor * defaults["batch_size"]))
    if "dropout" in free:
        found["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
    if "weight_decay" in free:
        found["weight_decay"] = trial.suggest_float("weight_decay", 1e-3, 1.0, log=True)
    return found


def _suggested(defaults: Mapping[str, Any], free: tuple[str, ...]) -> dict[str, Any]:
    """Return the defaults by the names of what is suggested."""
    found: dict[str, Any] = {
        name: defaults[name] for name in free if name not in ("hidden", "batch_size")
    }
    if "hidden" in free:
        found |= {"layers": len(defaults["hidden"]), "width": defaults["hidden"][0]}
    if "batch_size" in free:
        found["batch_factor"] = 1.0
    return found


def _ranked(trials: list[Any]) -> list[Trial]:
    def value_of(trial: Any) -> float:
        return -math.inf if trial.value is None or trial.state.name != "COMPLETE" else trial.value

    ordered = sorted(trials, key=lambda trial: (-value_of(trial), trial.number))
    return [
        Trial(t.number, t.user_attrs["settings"], None if value_of(t) == -math.inf
              else float(t.value))
        for t in ordered
    ]  # fmt: skip


def _spell(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
