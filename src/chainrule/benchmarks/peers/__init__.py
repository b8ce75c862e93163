"""The peers: for each library one file, which says how that library does each task.

A file has what its library can do of

- ``Trainer(workload, X, Y, shuffle=True, ...)``, a `Trainer`, and ``WAYS``, the keyword
  arguments of the ways in which it can be written: the quickest is measured;
- ``predictor(workload)``, which returns a function from X to outputs, both NumPy arrays;
- ``ensemble(workload, X, Y, n)``, which returns a function that trains `n` networks on the same
  data for a number of epochs, each with a shuffle of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from chainrule.benchmarks.workloads import Workload

if TYPE_CHECKING:
    from chainrule.numerics import Array


class NotAvailable(Exception):
    """Something is not there to be measured; the text says what."""


class Trainer(Protocol):
    """Trains one network: gather of shuffled rows, forward, backward, Adam, running loss."""

    def run(self, epochs: int) -> float:
        """Train for so many epochs; return the loss of the last."""

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_out, n_in) and biases."""

    def about(self) -> dict[str, str]:
        """Return what is to be known of it, once it has run."""


@dataclass(frozen=True)
class Peer:
    """A library that is measured."""

    title: str
    module: str
    """Its file here."""
    needs: tuple[str, ...] = ()
    """The packages that it imports and chainrule does not need."""
    tasks: tuple[str, ...] = ("train", "predict")
    one_core: bool = False
    """Whether it is kept to one core where the others have several."""


PEERS = {
    "chainrule": Peer(
        "chainrule", "ours", tasks=("train", "predict", "ensemble", "start", "estimate")
    ),
    "chainrule-numpy": Peer("chainrule (numpy)", "ours_numpy", tasks=("train",)),
    "jax": Peer("JAX", "jax", ("jax",), tasks=("train", "predict", "ensemble", "start")),
    # quicker than itself on several cores where the network is small
    "jax-one-core": Peer("JAX on one of them", "jax", ("jax",), tasks=(), one_core=True),
    "torch": Peer("PyTorch eager", "torch", ("torch",), tasks=("train", "predict", "start")),
    "sklearn": Peer("scikit-learn", "sklearn", tasks=("train", "predict", "start", "estimate")),
    "onnxruntime": Peer("ONNX Runtime", "onnxruntime", ("onnxruntime", "onnx"), ("predict",)),
    "numpy": Peer("NumPy by hand", "numpy", tasks=("predict",)),
    "loop": Peer("chainrule, one by one", "ours_in_turn", tasks=("ensemble",)),
}


def load(name: str) -> Any:
    """Return the module of a peer."""
    return importlib.import_module(f"{__name__}.{PEERS[name].module}")


def missing_packages() -> list[str]:
    """Return the packages that peers need and that are not installed."""
    needed = dict.fromkeys(package for peer in PEERS.values() for package in peer.needs)
    return [package for package in needed if not importlib.util.find_spec(package)]


def installed(task: str) -> list[str]:
    """Return the names of the peers that can do the task and are installed, chainrule first."""
    missing = set(missing_packages())
    return [
        name
        for name, peer in PEERS.items()
        if task in peer.tasks and missing.isdisjoint(peer.needs)
    ]


def title(name: str, about: dict[str, str] | None = None) -> str:
    """Return what tables call a peer; ours with the engine that it says it ran."""
    if name not in PEERS:
        return name
    engine = (about or {}).get("engine")
    return f"{name.partition('-')[0]} ({engine})" if engine else PEERS[name].title


def require_same_outputs(
    workload: Workload, predict: Callable[[Array], Array], X: Array, tolerance: float = 1e-4
) -> None:
    """Compare a peer's outputs with those of NumPy by hand.

    Raises
    ------
    ValueError
        If they differ: the peer does not do the same work.
    """
    import numpy as np

    wanted = load("numpy").predictor(workload)(X)
    error = np.abs(predict(X) - wanted).max() / np.abs(wanted).max()
    if not error <= tolerance:
        raise ValueError(f"its outputs are wrong by {error:.1e} of the largest")


def batch_bounds(workload: Workload) -> Iterable[tuple[int, int]]:
    """Return where each batch of an epoch starts and ends; the last may be shorter."""
    n, size = workload.n_samples, workload.batch_size
    return ((start, min(start + size, n)) for start in range(0, n, size))
