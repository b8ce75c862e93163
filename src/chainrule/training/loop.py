"""The loop over epochs, for optimizers that make many steps an epoch."""

from __future__ import annotations

import os

import numpy as np

from chainrule import batches
from chainrule.engines import Data, Epoch
from chainrule.optimizers import Optimizer
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.monitor import Monitor
from chainrule.training.settings import Settings


def train(
    monitor: Monitor,
    data: Data,
    settings: Settings,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> None:
    """Train the monitor's parameters in place.

    Raises
    ------
    DivergenceError
        If the loss became infinite or NaN; the parameters are then the best so far.
    InputError
        If the checkpoint to resume is of another run.
    """
    optimizer = settings.optimizer
    assert isinstance(optimizer, Optimizer)
    history = monitor.history
    state = optimizer.init(monitor.parameters)
    monitor.advice = (
        f"a smaller learning_rate (it was {settings.learning_rate:g}), gradient_clip=1.0, or "
        "inputs and targets scaled to about 1"
    )
    saved = None
    if checkpoint is not None:
        saved = Checkpoint(checkpoint, settings, monitor, state, data)
        if resume:
            saved.resume()
    n, n_steps = len(data), -(-len(data) // settings.batch_size)
    in_order = np.arange(n)
    with monitor:
        finished = bool(monitor.progress.stop_reason)
        for e in range(history.epochs, 0 if finished else settings.epochs):
            rates = [
                settings.learning_rate
                * settings.schedule.factor(e + step / n_steps, settings.epochs)
                for step in range(n_steps)
            ]
            epoch = Epoch(
                order=batches.shuffled(n, settings.seed, e) if settings.shuffle else in_order,
                batch_size=settings.batch_size,
                learning_rates=np.array(rates),
                first_step=e * n_steps + 1,
                # another key than the shuffle's: the seed with its bits inverted
                dropout_seed=(settings.seed ^ (2**64 - 1), e),
            )
            loss = monitor.engine.train_epoch(
                monitor.architecture,
                monitor.parameters,
                optimizer,
                state,
                data,
                epoch,
                settings.regularization,
            )
            finished = monitor.epoch_done(loss, rates[-1])
            settings.schedule.observe(history.monitored[-1])
            if saved:
                saved.save(last=finished or e + 1 == settings.epochs)
            if finished:
                break
