"""Training many networks at once."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from chainrule import training
from chainrule.engines import Data
from chainrule.errors import InputError
from chainrule.history import History
from chainrule.network import Network

_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(Network.fit).parameters.items()
    if parameter.default is not parameter.empty
    and name not in ("sample_weight", "n_threads", "dY", "dY_weight")
}


def train_many(
    networks: Sequence[Network],
    X: Any,
    Y: Any,
    *,
    sample_weight: Any = None,
    dY: Any = None,
    dY_weight: float = 1.0,
    n_threads: int | None = None,
    **options: Any,
) -> tuple[list[Network], list[History]]:
    """Train many networks on the same data: each epoch of all of them in one native call.

    The networks may differ in layers, activations, losses and seeds. Threads share out the
    networks, each of which is trained by one thread, with the very bits that its own `fit`
    would give it.

    Parameters
    ----------
    networks : sequence of Network
        Trained in place.
    X, Y, sample_weight, dY, dY_weight
        As for `Network.fit`.
    n_threads : int, optional
        The most threads to use; by default, and at most, what the process may use.
    **options
        What `Network.fit` takes. A list or an array has one entry for each network, such as
        ``seed=[0, 1, 2]`` or ``learning_rate=[1e-2, 1e-3, 1e-4]``; anything else is for all,
        such as a tuple ``validation_data=(X, Y)``. Of callbacks, a list of lists has one list
        for each network; any other is told of all. A checkpoint file is of one network.

    Returns
    -------
    networks : list of Network
        The same objects, trained.
    histories : list of History
        One for each.

    Raises
    ------
    InputError
        If an argument is wrong; no network has then been trained.

    Warns
    -----
    UserWarning
        For a network whose loss became infinite or NaN: it has its best weights so far, its
        history says ``"diverged"``, and the others go on. On Ctrl-C, which ends all of them.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> networks = [cr.Network([1, 8, 1], "tanh", seed=seed) for seed in range(4)]
    >>> networks, histories = cr.train_many(networks, X, X**2, epochs=3)
    >>> [history.epochs for history in histories]
    [3, 3, 3, 3]
    """
    networks = list(networks)
    if not all(isinstance(net, Network) for net in networks):
        raise InputError("train_many takes a list of Network objects, then X and Y")
    if len({id(net) for net in networks}) < len(networks):
        raise InputError("a network stands twice in the list: pass net.copy() for a second one")
    each = [dict(_DEFAULTS) for _ in networks]
    for name, value in options.items():
        if name not in _DEFAULTS:
            raise InputError(f"train_many has no option {name!r}: it takes those of Network.fit")
        for chosen, own in zip(each, _for_each(name, value, len(networks)), strict=True):
            chosen[name] = own
    files = [os.path.abspath(c["checkpoint"]) for c in each if c["checkpoint"] is not None]
    if len(set(files)) < len(files):
        raise InputError(
            "checkpoint names one file for several networks, which would overwrite each other's: "
            "pass a list with a file for each"
        )
    for chosen in each:  # one that counts the epochs of its own network
        chosen["early_stopping"] = copy.copy(chosen["early_stopping"])
    checked: dict[Any, tuple[Data, tuple[str, ...] | None]] = {}
    tasks = []
    for net, chosen in zip(networks, each, strict=True):
        a = net.architecture
        # The samples are looked through once for all networks that want the same of them.
        fitted_through = None if dY is None else a.activations
        kind = (a.n_inputs, a.n_targets, a.dtype, a.loss, net.feature_names, fitted_through)
        if kind not in checked or a.loss.own:
            checked[kind] = net._to_train_on(X, Y, sample_weight, dY, dY_weight)
        tasks.append(net._task(*checked[kind], n_threads=n_threads, **chosen))
    histories, diverged = training.fit_many(tasks, n_threads)
    for i, error in diverged.items():
        training.warn(f"network {i} of {len(tasks)}: {error}")
    for net, history in zip(networks, histories, strict=True):
        net.history = history
    return networks, histories


def _for_each(name: str, value: Any, n: int) -> list[Any]:
    """Return an option of each of n networks, from a list or from one value for all."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, list):
        return [value] * n
    if name == "callbacks":
        lists = [isinstance(entry, list | tuple) for entry in value]
        if not any(lists):
            return [value] * n
        if not all(lists):
            raise InputError(
                "callbacks has both lists and callbacks: pass a list of callbacks, which are told "
                "of all networks, or a list with one list for each network"
            )
    if name == "validation_data":
        for entry in value:
            if not (entry is None or isinstance(entry, tuple | Real)):
                raise InputError(
                    "validation_data in a list has one tuple (X, Y) or fraction for each network, "
                    f"but this one has a {type(entry).__name__}: pass a tuple (X, Y) for all"
                )
    if len(value) != n:
        raise InputError(
            f"{name} has {len(value)} entries for {n} networks: pass one for each, or a single "
            "value for all"
        )
    return value
