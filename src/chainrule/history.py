"""What is recorded of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from chainrule import records
from chainrule.errors import MissingExtraError, require_choice

if TYPE_CHECKING:
    import polars

_ROWS_SHOWN = 5
"""The last epochs, in a notebook."""


@dataclass
class History:
    """The record of one training run; the lists have one entry for each epoch."""

    loss: list[float] = field(default_factory=list)
    """C of each batch before its step, averaged over the samples, without penalties."""
    penalty: list[float] = field(default_factory=list)
    """What l1 and l2 added to C of each batch before its step, averaged as the loss: `loss` +
    `penalty` is what was minimised."""
    val_loss: list[float] = field(default_factory=list)
    """C of the validation data after the epoch; empty without validation data."""
    learning_rate: list[float] = field(default_factory=list)
    """The learning rate of the epoch's last step."""
    epoch_seconds: list[float] = field(default_factory=list)
    """Wall time of each epoch, validation included."""
    engine: str = ""
    """The engine that ran."""
    engine_reason: str = ""
    """Why it was that one."""
    optimizer: str = ""
    batch_size: int = 0
    seed: int = 0
    """The seed of shuffling and dropout."""
    base_learning_rate: float = 0.0
    """The learning rate that was asked for, before any schedule."""
    l2: float = 0.0
    l1: float = 0.0
    dropout: float = 0.0
    best_epoch: int = 0
    """The epoch, counted from 1, with the lowest monitored loss; 0 before the first."""
    stop_reason: str = ""
    """Why training ended: ``"epochs"``, ``"early stopping"``, ``"interrupted"``, ``"callback"``,
    ``"diverged"``; of L-BFGS and Levenberg-Marquardt also ``"converged"`` and
    ``"evaluations"``."""

    @property
    def epochs(self) -> int:
        """The number of epochs that were completed."""
        return len(self.loss)

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(self.epoch_seconds)

    @property
    def monitored(self) -> list[float]:
        """The losses that early stopping looks at: `val_loss` where there is one."""
        return self.val_loss or self.loss

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, strings and numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> History:
        """Return the history that `to_dict` described; ValueError if none can be like that."""
        history = records.make(cls, record)
        lists = (history.penalty, history.val_loss, history.learning_rate, history.epoch_seconds)
        if any(len(values) not in (0, history.epochs) for values in lists):
            raise ValueError("the lists of a history are not of one length")
        if not 0 <= history.best_epoch <= history.epochs:
            raise ValueError(f"the best of {history.epochs} epochs is {history.best_epoch}")
        return history

    def columns(self) -> dict[str, list[float]]:
        """Return the lists by name, epochs first, those without entries left out.

        So is the penalty where it is zero throughout.
        """
        named: dict[str, Sequence[float]] = {
            "epoch": list(range(1, self.epochs + 1)),
            "loss": self.loss,
            "penalty": self.penalty if any(self.penalty) else [],
            "val_loss": self.val_loss,
            "learning_rate": self.learning_rate,
            "seconds": self.epoch_seconds,
        }
        return {name: list(values) for name, values in named.items() if values or name == "loss"}

    def to_frame(self, backend: str = "polars") -> polars.DataFrame | Any:
        """Return one row for each epoch.

        Parameters
        ----------
        backend : {"polars", "pandas"}, default "polars"
            The library whose data frame is returned.

        Raises
        ------
        MissingExtraError
            If pandas is asked for and not installed.

        Examples
        --------
        >>> History(loss=[0.5, 0.25], epoch_seconds=[0.1, 0.1]).to_frame().columns
        ['epoch', 'loss', 'seconds']
        """
        require_choice("backend", backend, ["polars", "pandas"])
        if backend == "polars":
            import polars

            return polars.DataFrame(self.columns())
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("pandas", None, "to_frame(backend='pandas')") from None
        return pandas.DataFrame(self.columns())

    def plot(self, ax: Any = None) -> Any:
        """Draw the loss curves; return the matplotlib axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        from chainrule import plots

        return plots.loss(self, ax=ax)

    def _repr_html_(self) -> str:
        from chainrule.notebook import curves, html

        if not self.loss:
            return html.paragraph("no epochs yet")
        shown = {"training loss": self.loss, "validation loss": self.val_loss}
        columns = self.columns()
        rows = list(zip(*columns.values(), strict=True))[-_ROWS_SHOWN:]
        ending = f", ended by: {self.stop_reason}" if self.stop_reason else ""
        s = "s" if self.epochs > 1 else ""
        best = f", the best was {self.best_epoch}" if self.best_epoch else ""
        return html.block(
            curves.losses({name: curve for name, curve in shown.items() if curve}),
            html.table(list(columns), [[f"{value:.4g}" for value in row] for row in rows]),
            html.paragraph(
                f"{self.epochs} epoch{s} in {self.seconds:.2f} s{ending}{best}; "
                f"{self.optimizer}, batches of {self.batch_size}, {self.engine} engine"
            ),
        )
