"""Train: choose, start, watch."""

from __future__ import annotations

import html
from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nicegui import events, run, ui

from chainrule import architecture, optimizers
from chainrule.network import Network
from chainrule.notebook import curves, drawing
from chainrule.studio import datasets, predictions, uploads, workspace
from chainrule.studio.datasets import TABLE
from chainrule.studio.figures import picture
from chainrule.studio.guard import UPLOAD_LIMIT
from chainrule.studio.session import Snapshot
from chainrule.studio.state import HIDDEN, MOST_LAYERS, MOST_UNITS
from chainrule.studio.workspace import Workspace

if TYPE_CHECKING:
    from chainrule.studio.page import Studio

_BATCHES = (1, 8, 16, 32, 64, 128, 256)
_RATES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)


class TrainRoom:
    """The room in which networks are made and trained.

    Parameters
    ----------
    studio : Studio
        Its tab.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._seen: Snapshot | None = None
        given = studio.space.given
        self._waiting: tuple[Network, str] | None = None
        """A network that was opened, and waits for its table."""
        if given.model is not None and given.table is None and workspace.needs_table(given.model):
            self._waiting = given.model, given.model_name

    def build(self) -> None:
        """Put its elements on the page."""
        with ui.element("div").classes("train"):
            with ui.element("aside"):
                self.choices = ui.element("div").classes("choices")
            with ui.element("section").classes("watch"):
                with ui.element("div").classes("buttons"):
                    self.play = ui.button("Start", icon="play_arrow", on_click=self._play)
                    ui.button("Epoch", on_click=self._epoch).props("outline")
                    ui.button("Step", on_click=self._step).props("outline")
                    ui.button("Restart", on_click=self._restart).props("flat")
                    ui.button("Save", icon="download", on_click=self._save).props("flat")
                self.facts = ui.html("", sanitize=False).classes("facts").props('role="status"')
                with ui.element("div").classes("pictures"):
                    self.network = picture("Weights", "wide")
                    self.says = picture("What it says")
                    self.curve = picture("Loss")

    def refresh(self) -> None:
        """Show the workspace as it is now; its pictures come with the next tick."""
        self._seen = None
        self.choices.clear()
        with self.choices:
            self._choices()

    async def key(self, name: str) -> None:
        """Play with space, make a step with the right arrow."""
        if name == " ":
            self._play()
        elif name == "ArrowRight":
            self._step()

    async def tick(self) -> None:
        """Show where training is, if it has moved."""
        space = self.studio.space
        snapshot = space.session.snapshot
        if snapshot is self._seen:
            return
        self._seen = snapshot
        self.play.text = "Pause" if snapshot.running else "Start"
        self.play.props(f"icon={'pause' if snapshot.running else 'play_arrow'}")
        # nobody wants to hear ten numbers a second
        self.facts.props(f"aria-live={'off' if snapshot.running else 'polite'}")
        look = await run.io_bound(look_at, space, snapshot)
        if look is None or self._seen is not snapshot:  # something newer is to be shown
            return
        self.network.content, self.says.content, self.curve.content, self.facts.content = look
        if not snapshot.running:
            self.studio.changed()

    def _play(self) -> None:
        session = self.studio.space.session
        if session.snapshot.running:
            session.pause()
        else:
            session.run()

    def _epoch(self) -> None:
        self.studio.space.session.epoch()

    def _step(self) -> None:
        self.studio.space.session.step()

    async def _restart(self) -> None:
        await self.studio.work(self.studio.space.restart)

    def _save(self) -> None:
        ui.download(self.studio.space.saved(), f"{self.studio.space.state.data}.safetensors")

    async def _change(self, **changes: Any) -> None:
        await self.studio.work(lambda: self.studio.space.change(**changes))

    def _choices(self) -> None:
        space = self.studio.space
        state, given = space.state, space.given
        with ui.element("fieldset"):
            ui.html("<legend>Data</legend>", sanitize=False)
            names = {name: name for name in datasets.NAMES}
            if given.table is not None:
                names[TABLE] = given.table_name or TABLE
            self._select("data", names, state.data, self._take_data)
            if state.data == TABLE and given.table is not None and not self._knows_target():
                columns = given.table.columns
                target = state.target or columns[-1]
                self._select("target", columns, target, self._take_target)
            self._upload("your table (CSV or Parquet)", self._table, ".csv,.tsv,.txt,.parquet")
        with ui.element("fieldset"):
            ui.html("<legend>Network</legend>", sanitize=False)
            if state.start == "model":
                ui.label(f"from {given.model_name or 'a file'}: {self._sizes()}")
                ui.button("New network", on_click=lambda: self._change(start="seed")).props("flat")
            else:
                self._layers()
            self._upload("open a saved network", self._model, ".safetensors")
        with ui.element("fieldset"):
            ui.html("<legend>Training</legend>", sanitize=False)
            self._select(
                "optimizer",
                list(optimizers.NAMED),
                state.optimizer,
                lambda v: self._change(optimizer=v),
            )
            rates = sorted({*_RATES, state.learning_rate}, reverse=True)
            self._select(
                "learning rate", rates, state.learning_rate,
                lambda v: self._change(learning_rate=v),
            )  # fmt: skip
            batches = sorted({*_BATCHES, state.batch_size})
            self._select(
                "batch size", batches, state.batch_size, lambda v: self._change(batch_size=v)
            )
            if state.start == "seed":
                self._select(
                    "seed", [*range(10), *([state.seed] if state.seed > 9 else [])], state.seed,
                    lambda v: self._change(seed=v),
                )  # fmt: skip
        ui.html(
            '<p class="hint">Every choice starts anew from the seed, so that the address of this '
            "page repeats what you see. Space plays, the right arrow makes a step.</p>",
            sanitize=False,
        )

    def _layers(self) -> None:
        space = self.studio.space
        layers = list(space.state.layers)
        n = space.data.X.shape[1]
        ui.label(_plural(n, "input")).classes("end")
        for i, (units, activation) in enumerate(layers):

            def put(layer: tuple[int, str] | None, i: int = i) -> Awaitable[None]:
                new = [*layers[:i], *([layer] if layer else []), *layers[i + 1 :]]
                return self._change(layers=tuple(new))

            def resize(to: float | None, a: str = activation, p: Any = put) -> Awaitable[None]:
                return p((min(max(int(to or 1), 1), MOST_UNITS), a))

            with ui.element("div").classes("layer"):
                fewer = ui.button("\N{MINUS SIGN}", on_click=lambda u=units, r=resize: r(u - 1))
                fewer.props("dense flat").set_enabled(units > 1)
                fewer.props(f'aria-label="fewer units in layer {i + 1}"')
                field = ui.number(value=units, min=1, max=MOST_UNITS, precision=0)
                field.props(f'dense borderless aria-label="units in layer {i + 1}"')
                field.on("change", lambda f=field, r=resize: r(f.value))  # when it is left
                more = ui.button("+", on_click=lambda u=units, r=resize: r(u + 1))
                more.props("dense flat").set_enabled(units < MOST_UNITS)
                more.props(f'aria-label="more units in layer {i + 1}"')
                self._select(
                    f"layer {i + 1}", list(HIDDEN), activation, lambda v, u=units, p=put: p((u, v))
                )
                gone = ui.button(icon="close", on_click=lambda p=put: p(None))
                gone.props(f'dense flat aria-label="remove layer {i + 1}"')
        last = layers[-1] if layers else (8, "tanh")
        if len(layers) < MOST_LAYERS:
            ui.button(
                "Add a layer", icon="add", on_click=lambda: self._change(layers=(*layers, last))
            ).props("flat dense")
        a, offered = space.session.architecture, space.data.offered
        output = a.activations[-1].name
        self._select(_plural(a.n_outputs, "output"), list(offered), output, self._take_output)
        self._select(
            "loss", offered[output], a.loss.name, lambda v: self._change(output=output, loss=v)
        )

    def _sizes(self) -> str:
        return "-".join(map(str, self.studio.space.session.architecture.layer_sizes))

    def _select(self, label: str, options: Any, value: Any, chosen: Any) -> None:
        field = ui.select(options, value=value, label=label, on_change=lambda e: chosen(e.value))
        field.props("dense outlined options-dense")

    def _upload(self, label: str, handler: Any, accepted: str) -> None:
        field = ui.upload(
            label=label, on_upload=handler, auto_upload=True, max_file_size=UPLOAD_LIMIT,
            max_files=1,
            on_rejected=lambda: ui.notify(
                f"a file may have {UPLOAD_LIMIT // 2**20} MB and must be {accepted}",
                type="negative",
            ),
        )  # fmt: skip
        field.props(f'accept="{accepted}" flat bordered').classes("upload")

    def _knows_target(self) -> bool:
        """Whether the network came with its target."""
        space = self.studio.space
        return space.state.start == "model" and space.data.preprocessing is not None

    def _take_data(self, name: str) -> Awaitable[None]:
        # what suited the data before may not suit these
        return self._change(data=name, target="", output="", loss="", start="seed")

    def _take_target(self, name: str) -> Awaitable[None]:
        return self._change(target=name, output="", loss="")

    def _take_output(self, name: str) -> Awaitable[None]:
        offered = self.studio.space.data.offered[name]
        usual = architecture.usual_loss(name)
        return self._change(output=name, loss="" if usual in offered else offered[0])

    async def _table(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        name = event.file.name
        await self.studio.replace(lambda: self._with_table(content, name))

    def _with_table(self, content: bytes, name: str) -> Workspace:
        space = self.studio.space
        given, waiting = space.given, self._waiting
        frame = uploads.table(content, name)
        given = replace(given, table=frame, table_name=name)
        if waiting is not None:
            self._waiting = None
            given = replace(given, model=waiting[0], model_name=waiting[1])
            return Workspace(workspace.state_of(waiting[0]), given)
        state = space.state.replace(
            data=TABLE, target=frame.columns[-1], output="", loss="", start="seed"
        )
        return Workspace(state, given)

    async def _model(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        name = event.file.name
        await self.studio.replace(lambda: self._with_model(content, name))

    def _with_model(self, content: bytes, name: str) -> Workspace:
        given = self.studio.space.given
        net = uploads.network(content, name)
        if given.table is None and workspace.needs_table(net):
            self._waiting = net, name
        return Workspace(workspace.state_of(net), replace(given, model=net, model_name=name))


def look_at(space: Workspace, snapshot: Snapshot) -> tuple[str, str, str, str]:
    """Return the weights, what the network says, the losses and the facts, as HTML."""
    net, data = space.network(snapshot), space.data
    a = net.architecture
    names = data.inputs if len(data.inputs) <= 10 else ()
    weights = drawing.network(a.layer_sizes, [s.name for s in a.activations], net.weights, names)
    found = {"training": snapshot.losses, "test": snapshot.test_losses}
    losses = (
        curves.losses(found, snapshot.stride)
        if snapshot.losses
        else '<p class="empty">The loss of each epoch will be drawn here.</p>'
    )
    facts = [
        f"epoch {snapshot.steps // space.session.steps_per_epoch:,}",
        f"step {snapshot.steps:,}",
        f"{_plural(len(snapshot.taken), 'step')} by hand" if snapshot.taken else "",
        f"loss {snapshot.losses[-1]:.4g}" if snapshot.losses else "",
        predictions.score(data, net.predict(data.X_test)),
        f"{snapshot.speed:,.0f} steps per second" if snapshot.speed else "",
    ]
    told = "".join(f"<span>{fact}</span>" for fact in facts if fact)
    if snapshot.message:
        told += f'<strong class="wrong">{html.escape(snapshot.message)}</strong>'
    return weights, predictions.picture(data, net.predict), losses, told


def _plural(n: int, what: str) -> str:
    """Return a number of things.

    >>> _plural(1, "input"), _plural(64, "input")
    ('1 input', '64 inputs')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"
