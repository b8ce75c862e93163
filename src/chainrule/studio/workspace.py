"""What one tab works on: its state, data, network and training. Nothing is shared between tabs."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainrule import architecture, loading, tracing
from chainrule.errors import ChainruleError, InputError
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.studio import datasets, steps
from chainrule.studio.datasets import TABLE, Dataset
from chainrule.studio.session import Session, Settings
from chainrule.studio.state import State

if TYPE_CHECKING:
    import polars

_EXTRA = "studio"
_MOST_PATHS = 2000
"""More than these a click would have to wait for."""


@dataclass(frozen=True)
class Given:
    """What the command line, or an upload, brought."""

    table: polars.DataFrame | None = None
    table_name: str = ""
    model: Network | None = None
    model_name: str = ""


class Workspace:
    """A tab's state, and what follows from it.

    Parameters
    ----------
    state : State
        Of the link.
    given : Given
        A table and a model, if there are any.

    Raises
    ------
    InputError
        If they do not fit each other.
    """

    def __init__(self, state: State, given: Given) -> None:
        self.given = given
        self.state = state
        self._session: Session | None = None
        self._take(state)

    def change(self, **changes: object) -> None:
        """Change the state; on an error everything is as it was.

        Raises
        ------
        InputError
            If the state would not make a network.
        """
        state = self.state.replace(**changes)
        if state.steps == 0 and changes.keys() - {"room", "sample", "form", "at", "steps"}:
            self._take(state)
        else:
            self.state = state

    def restart(self) -> None:
        """Go back to the weights before training."""
        self._take(self.state.replace(steps=0))

    def _take(self, state: State) -> None:
        data = self._dataset(state)
        net = self._network(state, data)
        settings = Settings(state.optimizer, state.learning_rate, state.batch_size, state.seed)
        session = Session(net, data.X, data.Y, data.X_test, data.Y_test, settings)
        self.close()
        self.state, self.data, self.session = state, data, session
        self._session = session
        if state.steps:
            session.run(state.steps)

    def close(self) -> None:
        """Stop training, when the tab is gone."""
        if self._session is not None:
            self._session.pause()

    def _dataset(self, state: State) -> Dataset:
        if state.data != TABLE:
            return datasets.named(state.data)
        if self.given.table is None:
            raise InputError(
                "the samples are a table's, which neither a link nor a model holds: choose its "
                "file under 'your table'"
            )
        target = state.target or self.given.table.columns[-1]
        return datasets.of_table(self.given.table, target)

    def _network(self, state: State, data: Dataset) -> Network:
        if state.start == "model":
            if self.given.model is None:
                raise InputError(
                    "this link is of a model file, which a link does not hold: open it"
                )
            return _fitting(self.given.model.copy(), data)
        output = state.output or data.output
        sizes = [data.X.shape[1], *(units for units, _ in state.layers), data.Y.shape[1]]
        return Network(
            sizes,
            [activation for _, activation in state.layers],
            output,
            state.loss or architecture.usual_loss(output),
            seed=state.seed,
        )

    def network(self) -> Network:
        """Return the network as it is now, a copy."""
        return Network.of(self.session.architecture, self.session.snapshot.parameters.copy())

    def predict(self, X: Array) -> Array:
        """Return the outputs of the network as it is now."""
        return self.network().predict(X)

    def now(self) -> State:
        """Return the state with the steps that have been made: what a link repeats."""
        return self.state.replace(steps=self.session.snapshot.steps)

    def trace(self) -> tuple[tracing.Trace, list[steps.Item]]:
        """Return one sample's pass in the chosen form, and its steps with the update.

        Raises
        ------
        InputError
            If the form has too many paths.
        """
        net, state = self.network(), self.state
        i = state.sample % len(self.data.X)
        x, y = self.data.X[i : i + 1], self.data.Y[i : i + 1]
        trace = tracing.trace(net, x, y, state.form, limit=_MOST_PATHS)
        after = net.copy()
        for L in range(1, len(trace.layer_sizes)):
            after.weights[L - 1] = steps.updated(trace, "W", L, state.learning_rate)
            if after.biases[L - 1] is not None:
                after.biases[L - 1] = steps.updated(trace, "B", L, state.learning_rate)
        return trace, steps.items(trace, state.learning_rate, after.loss_value(x, y))

    def saved(self) -> bytes:
        """Return the network's file, with all that reopens this state."""
        from chainrule import tables

        net = self.network()
        net.extra[_EXTRA] = self.now().link()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            if self.data.preprocessing is None:
                net.save(path)
            else:
                tables.save(path, net, self.data.preprocessing)
            return path.read_bytes()


def opened(content: bytes, name: str) -> Network:
    """Return the network of an uploaded file.

    Raises
    ------
    InputError, FileFormatError
        If it is none, is damaged, or has functions of the user's own.
    """
    handle, path = tempfile.mkstemp(suffix=".safetensors")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        return loading.load(path)
    except ChainruleError as error:
        raise type(error)(str(error).replace(path, name)) from None
    finally:
        os.unlink(path)


def state_of(net: Network) -> State:
    """Return the state to show a loaded network in: the one it was saved in, if that is known."""
    from urllib.parse import parse_qsl, urlsplit

    link = net.extra.get(_EXTRA)
    state = State.of(dict(parse_qsl(urlsplit(link).query))) if isinstance(link, str) else State()
    a = net.architecture
    hidden = zip(a.layer_sizes[1:-1], a.activations[:-1], strict=True)
    return state.replace(
        data=state.data if link else _data_for(net),
        layers=tuple((units, activation.name) for units, activation in hidden),
        output=a.activations[-1].name,
        loss=a.loss.name,
        start="model",
    )


def _data_for(net: Network) -> str:
    """Return the first data set whose samples fit."""
    if "table" in net.extra:
        return TABLE
    for name in datasets.NAMES:
        data = datasets.named(name)
        if (data.X.shape[1], data.Y.shape[1]) == (net.layer_sizes[0], net.architecture.n_targets):
            return name
    return TABLE


def _fitting(net: Network, data: Dataset) -> Network:
    """Return the network if it is of this data's shape."""
    wanted = data.X.shape[1], data.Y.shape[1]
    got = net.layer_sizes[0], net.architecture.n_targets
    if wanted != got:
        raise InputError(
            f"the model takes {got[0]} inputs and {got[1]} targets, but {data.name} has "
            f"{wanted[0]} and {wanted[1]}: choose other data, or a new network"
        )
    net.parameters = np.asarray(net.parameters)
    return net
