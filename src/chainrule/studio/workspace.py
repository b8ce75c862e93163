"""What one tab works on: its state, data, network and training. Nothing is shared between tabs."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from chainrule import architecture, tracing
from chainrule.errors import InputError
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.studio import datasets, steps, tabular
from chainrule.studio.datasets import TABLE, Dataset
from chainrule.studio.session import Session, Settings, Snapshot
from chainrule.studio.state import ANEW, State

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
        self.given, self.state = given, state
        self._data_of: tuple[str, str, str] | None = None
        self._set_up(state)

    def catch_up(self) -> None:
        """Make the steps that the link says were made."""
        if self.state.steps or self.state.taken:
            self.session.run(self.state.steps)

    def change(self, **changes: object) -> None:
        """Change the state; on an error everything is as it was.

        Raises
        ------
        InputError
            If the state would not make a network.
        """
        state = self.state.replace(**changes)
        if ANEW & changes.keys():
            session = self.session
            self._set_up(state)
            session.pause()
        else:
            self.state = state

    def restart(self) -> None:
        """Go back to the weights before training."""
        self.change(seed=self.state.seed)

    def close(self) -> None:
        """Stop training, when the tab is gone."""
        self.session.pause()

    def take_step(self) -> None:
        """Make the step that the room Step shows.

        Raises
        ------
        InputError
            If training goes on meanwhile, or a link could not hold one more.
        """
        self.session.take(self.state.sample % len(self.data.X))

    def _set_up(self, state: State) -> None:
        data = self._dataset(state)
        net = self._network(state, data)
        settings = Settings(state.optimizer, state.learning_rate, state.batch_size, state.seed)
        self.session = Session(net, data.X, data.Y, data.X_test, data.Y_test, settings, state.taken)
        self.state, self.data = state, data
        self._data_of = state.data, state.target, state.start

    def _dataset(self, state: State) -> Dataset:
        if self._data_of == (state.data, state.target, state.start):
            return self.data
        if state.data != TABLE:
            return datasets.named(state.data)
        table, model = self.given.table, self.given.model
        if table is None:
            raise InputError(
                "the samples are a table's, which neither a link nor a model holds: choose its "
                "file under 'your table'"
            )
        target = state.target or table.columns[-1]
        if state.start == "seed" or model is None:
            return tabular.of_table(table, target)
        from chainrule.tables import preprocessing_of

        known = preprocessing_of(model, self.given.model_name)
        if known is not None:  # which was fitted to the table of its training
            return tabular.of_known_table(table, known)
        return tabular.of_numbers(table, target, model)

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

    def network(self, at: Snapshot | None = None) -> Network:
        """Return the network as it is now, or was at a snapshot: a copy."""
        names = self.data.inputs if self.data.name == TABLE else None
        return Network.of(
            self.session.architecture,
            (at or self.session.snapshot).parameters.copy(),
            {"seed": self.state.seed, "feature_names": names},
        )

    def predict(self, X: Array) -> Array:
        """Return the outputs of the network as it is now."""
        return self.network().predict(X)

    def now(self) -> State:
        """Return the state with the steps that have been made: what a link repeats."""
        snapshot = self.session.snapshot
        return self.state.replace(steps=snapshot.steps, taken=snapshot.taken)

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
        steps.downhill(after, trace, state.learning_rate)
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


def state_of(net: Network) -> State:
    """Return the state to show a loaded network in: the one it was saved in, if that is known."""
    state = State(data=_data_for(net))
    link = net.extra.get(_EXTRA)
    if isinstance(link, str):
        with contextlib.suppress(InputError):  # it may be of another version
            state = State.of(dict(parse_qsl(urlsplit(link).query)))
    a = net.architecture
    hidden = zip(a.layer_sizes[1:-1], a.activations[:-1], strict=True)
    return state.replace(start="model").where_said(
        layers=tuple((units, activation.name) for units, activation in hidden),
        output=a.activations[-1].name,
        loss=a.loss.name,
    )


def needs_table(net: Network) -> bool:
    """Whether a loaded network's samples are those of a table."""
    return state_of(net).data == TABLE


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
    return net
