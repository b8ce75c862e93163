"""Pictures of training, and of what is inside a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from chainrule.architecture import Parametrized
from chainrule.numerics import Array
from chainrule.plots.axes import axes
from chainrule.tracing import trace


class Recorded(Protocol):
    """What is drawn of a `History`."""

    @property
    def loss(self) -> Sequence[float]:
        """Of each epoch."""

    @property
    def val_loss(self) -> Sequence[float]:
        """Likewise, of the validation data, if there are any."""

    @property
    def best_epoch(self) -> int:
        """Counted from 1, 0 for none."""


def loss(history: Recorded, ax: Any = None) -> Any:
    """Draw the loss of training and validation by epoch, logarithmic where all are above 0.

    Parameters
    ----------
    history : History
        Of a training run.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    ax = axes(ax)
    epochs = range(1, len(history.loss) + 1)
    ax.plot(epochs, history.loss, label="training")
    if history.val_loss:
        ax.plot(epochs, history.val_loss, label="validation")
    if history.best_epoch and history.val_loss:
        ax.axvline(history.best_epoch, color="0.7", linewidth=1, label="best epoch")
    if all(value > 0 for value in (*history.loss, *history.val_loss)):
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.legend()
    return ax


def weights(net: Parametrized, ax: Any = None) -> Any:
    """Draw how the weights of each layer are distributed.

    Parameters
    ----------
    net : Network
        The network.
    ax : matplotlib Axes, optional
        As for `loss`, also what is returned and raised.
    """
    matrices, _ = net.architecture.views(net.parameters)
    return _violins(ax, [W.ravel() for W in matrices], "weights")


def activations(net: Parametrized, X: Any, ax: Any = None) -> Any:
    """Draw how the outputs of each layer are distributed over units and samples.

    Parameters
    ----------
    net : Network
        The network.
    X : array of shape (n, n_0)
        The samples.
    ax : matplotlib Axes, optional
        As for `loss`, also what is returned and raised.

    Raises
    ------
    InputError
        If X does not fit the network.
    """
    targets = np.zeros((len(X), net.architecture.n_targets))
    t = trace(net, X, targets)
    return _violins(ax, [phi.ravel() for phi in t.phi[1:]], "outputs (phi)")


def lambdas(net: Parametrized, X: Any, Y: Any, ax: Any = None) -> Any:
    """Draw how large lambda = dC/drho is in each layer, as powers of ten.

    Parameters
    ----------
    net : Network
        The network.
    X, Y : arrays
        Samples and targets, as for `chainrule.trace`.
    ax : matplotlib Axes, optional
        As for `loss`, also what is returned and raised.

    Raises
    ------
    InputError
        If X or Y do not fit the network.

    Notes
    -----
    Where it falls by a constant factor from each layer to the one before, gradients vanish; where
    it grows, they explode (`chainrule.diagnose` says by how much). Entries that are 0, as below a
    relu at 0, are left out.
    """
    ax = axes(ax)
    from matplotlib.ticker import MaxNLocator

    t = trace(net, X, Y)
    sizes = [np.abs(lam[lam != 0]).ravel() for lam in t.lambda_[1:]]
    ax = _violins(ax, [np.log10(size) for size in sizes], "|lambda|")
    ax.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def _violins(ax: Any, values: list[Array], label: str) -> Any:
    """Draw a distribution for each layer, those without a value left free."""
    ax = axes(ax)
    wide: dict[int, Array] = {}
    for L, value in enumerate(values, 1):
        v = value[np.isfinite(value)].astype(np.float64)
        if len(v) and np.ptp(v) > 0:  # a density needs two different values
            wide[L] = _few(v)
        elif len(v):
            ax.plot([L - 0.2, L + 0.2], [v[0], v[0]], color="C0")
    if wide:
        ax.violinplot(list(wide.values()), list(wide), widths=0.8, showmedians=True)
    ax.set_xticks(range(1, len(values) + 1))
    ax.set_xlabel("layer")
    ax.set_ylabel(label)
    return ax


def _few(values: Array, most: int = 5000) -> Array:
    """Return evenly chosen values, the ends among them: more do not change the picture."""
    if len(values) <= most:
        return values
    return np.sort(values)[np.linspace(0, len(values) - 1, most).round().astype(int)]
