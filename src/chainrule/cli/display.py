"""What training looks like on a terminal and in a file."""

from __future__ import annotations

import time
from collections.abc import Callable

from chainrule.callbacks import Callback, Progress
from chainrule.cli.console import say, terminal


class Display(Callback):
    """Shows training: one live line on a terminal, else about twenty plain lines.

    Parameters
    ----------
    score : callable
        Returns the validation score of the current weights as text. It costs a pass over the
        validation data, so it is called only for what is shown.
    n_networks : int, default 1
        How many are trained side by side, of which this shows the first.
    """

    only_looks = True

    def __init__(self, score: Callable[[Progress], str], n_networks: int = 1) -> None:
        self.score, self.n_networks = score, n_networks
        self.console = terminal()
        self.shown = self.shown_epoch = 0.0

    def on_train_begin(self, progress: Progress) -> None:
        """Say which network it is, and start."""
        from chainrule.network import Network

        net = Network.of(progress.architecture, progress.parameters)
        several = f"; the first of {self.n_networks}" if self.n_networks > 1 else ""
        say(f"network    {net!r}, {net.n_parameters:,} parameters{several}\n")
        if self.console:
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("at most"),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=self.console,
            )
            self.task = self.bar.add_task("epoch 0", total=progress.epochs)
            self.bar.start()

    def on_epoch_end(self, progress: Progress) -> None:
        """Show the epoch when it is time for it."""
        if self.console:
            due = time.monotonic() - self.shown > 0.1
        else:
            due = progress.epoch == 1 or progress.epoch % max(1, progress.epochs // 20) == 0
        if due:
            self._show(progress)

    def on_train_end(self, progress: Progress) -> None:
        """Show the last epoch."""
        if progress.epoch and progress.epoch != self.shown_epoch:
            self._show(progress)
        if self.console:
            self.bar.stop()

    def _show(self, progress: Progress) -> None:
        self.shown, self.shown_epoch = time.monotonic(), progress.epoch
        width = len(str(progress.epochs))
        line = (
            f"epoch {progress.epoch:>{width}}/{progress.epochs}  loss {progress.loss:<8.4g}  "
            f"validation {self.score(progress)}"
        )
        if self.console:
            self.bar.update(self.task, description=line, completed=progress.epoch)
        else:
            say(f"{line}  {progress.seconds:.1f} s")
