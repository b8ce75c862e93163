"""Train: choose, start, watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import events, ui

from chainrule import activations, losses, optimizers, tables
from chainrule.notebook import curves, drawing
from chainrule.studio import datasets, predictions, workspace
from chainrule.studio.datasets import TABLE
from chainrule.studio.figures import picture
from chainrule.studio.guard import UPLOAD_LIMIT
from chainrule.studio.state import MOST_LAYERS, MOST_UNITS, OUTPUTS
from chainrule.studio.workspace import Given, Workspace

if TYPE_CHECKING:
    from chainrule.studio.page import Studio

_ACTIVATIONS = [name for name in activations.NAMED if name != "softmax"]
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
        self._seen: Any = None

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
        """Show the workspace as it is now."""
        self._seen = None
        self.choices.clear()
        with self.choices:
            self._choices()
        self.tick()

    def key(self, name: str) -> None:
        """Play with space, make a step with the right arrow."""
        if name == " ":
            self._play()
        elif name == "ArrowRight":
            self._step()

    def tick(self) -> None:
        """Show where training is, if it has moved."""
        space = self.studio.space
        snapshot = space.session.snapshot
        if snapshot is self._seen:
            return
        self._seen = snapshot
        net = space.network()
        a = net.architecture
        names = space.data.inputs if len(space.data.inputs) <= 10 else ()
        self.network.content = drawing.network(
            a.layer_sizes, [s.name for s in a.activations], net.weights, names
        )
        self.says.content = predictions.picture(space.data, net.predict)
        found = {"training": snapshot.losses, "test": snapshot.test_losses}
        self.curve.content = (
            curves.losses(found, snapshot.stride)
            if snapshot.losses
            else '<p class="empty">The loss of each epoch will be drawn here.</p>'
        )
        loss = f"loss {snapshot.losses[-1]:.4g}" if snapshot.losses else ""
        speed = f"{snapshot.speed:,.0f} steps per second" if snapshot.speed else ""
        facts = [
            f"epoch {snapshot.steps // space.session.steps_per_epoch:,}",
            f"step {snapshot.steps:,}",
            loss,
            predictions.score(space.data, net.predict(space.data.X_test)),
            speed,
        ]
        text = "".join(f"<span>{fact}</span>" for fact in facts if fact)
        wrong = f'<strong class="wrong">{snapshot.message}</strong>' if snapshot.message else ""
        self.facts.content = text + wrong
        self.play.text = "Pause" if snapshot.running else "Start"
        self.play.props(f"icon={'pause' if snapshot.running else 'play_arrow'}")
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

    def _restart(self) -> None:
        self.studio.space.restart()
        self.refresh()

    def _save(self) -> None:
        ui.download(self.studio.space.saved(), f"{self.studio.space.state.data}.safetensors")

    def _change(self, **changes: Any) -> None:
        with self.studio.asking():
            self.studio.space.change(**changes)
        self.refresh()
        self.studio.changed()

    def _choices(self) -> None:
        space = self.studio.space
        state, given = space.state, space.given
        with ui.element("fieldset"):
            ui.html("<legend>Data</legend>", sanitize=False)
            names = {name: name for name in datasets.NAMES}
            if given.table is not None:
                names[TABLE] = given.table_name or TABLE
            self._select("data", names, state.data, self._take_data)
            if state.data == TABLE and given.table is not None:
                columns = given.table.columns
                target = state.target or columns[-1]
                self._select("target", columns, target, lambda v: self._change(target=v))
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
        state = space.state
        layers = list(state.layers)
        ui.label(f"{space.data.X.shape[1]} inputs").classes("end")
        for i, (units, activation) in enumerate(layers):

            def put(layer: tuple[int, str] | None, i: int = i) -> None:
                new = [*layers[:i], *([layer] if layer else []), *layers[i + 1 :]]
                self._change(layers=tuple(new))

            with ui.element("div").classes("layer"):
                fewer = ui.button(
                    "\N{MINUS SIGN}", on_click=lambda u=units, a=activation, p=put: p((u - 1, a))
                )
                fewer.props("dense flat").set_enabled(units > 1)
                fewer.props(f'aria-label="fewer units in layer {i + 1}"')
                ui.label(str(units)).props(f'aria-label="{units} units in layer {i + 1}"')
                more = ui.button("+", on_click=lambda u=units, a=activation, p=put: p((u + 1, a)))
                more.props("dense flat").set_enabled(units < MOST_UNITS)
                more.props(f'aria-label="more units in layer {i + 1}"')
                self._select(
                    f"layer {i + 1}", _ACTIVATIONS, activation,
                    lambda v, u=units, p=put: p((u, v)),
                )  # fmt: skip
                gone = ui.button(icon="close", on_click=lambda p=put: p(None))
                gone.props(f'dense flat aria-label="remove layer {i + 1}"')
        last = layers[-1] if layers else (8, "tanh")
        if len(layers) < MOST_LAYERS:
            ui.button(
                "Add a layer", icon="add", on_click=lambda: self._change(layers=(*layers, last))
            ).props("flat dense")
        a = space.session.architecture
        label = f"{a.layer_sizes[-1]} output{'s' if a.layer_sizes[-1] > 1 else ''}"
        output = a.activations[-1].name
        self._select(label, list(OUTPUTS), output, lambda v: self._change(output=v, loss=""))
        self._select(
            "loss", list(losses.NAMED), a.loss.name, lambda v: self._change(output=output, loss=v)
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

    def _take_data(self, name: str) -> None:
        # what suited the data before may not suit these
        self._change(data=name, target="", output="", loss="", start="seed")

    async def _table(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        name = event.file.name
        await self.studio.replace(lambda: self._with_table(content, name))

    def _with_table(self, content: bytes, name: str) -> Workspace:
        space = self.studio.space
        frame = tables.parse(content, name)
        given = Given(frame, name, space.given.model, space.given.model_name)
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
        net = workspace.opened(content, name)
        state = workspace.state_of(net)
        return Workspace(state, Given(given.table, given.table_name, net, name))
