"""Step: one sample, one step of gradient descent, click by click."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from nicegui import run, ui

from chainrule import notation
from chainrule.numerics import Array
from chainrule.studio import pictures, proving, steps
from chainrule.studio.proving import Proof
from chainrule.studio.session import Snapshot
from chainrule.studio.steps import Item
from chainrule.tracing import Trace, cells, follow
from chainrule.tracing import html as shown

if TYPE_CHECKING:
    from chainrule.studio.page import Studio

# tells which weight was clicked
_EDGE = "(event) => { const at = event.target.closest('[data-edge]'); at && emit(at.dataset.edge) }"
_SECONDS = 1.5  # between two steps of a play
_MOST_VALUES, _MOST_PATHS = 10, 20
_TOLERANCE = {"float32": 1e-4, "float64": 1e-6}


class StepRoom:
    """The room in which one step is walked through.

    Parameters
    ----------
    studio : Studio
        Its tab.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.trace: Trace | None = None
        self.items: list[Item] = []
        self.chips: list[ui.button] = []
        self._traced: Snapshot | None = None

    def build(self) -> None:
        """Put its elements on the page."""
        with ui.element("div").classes("step-room"):
            with ui.element("div").classes("buttons"):
                self.sample = ui.number("sample", min=0, precision=0, on_change=self._sample)
                self.sample.props("dense outlined")
                forms = dict.fromkeys(notation.FORMS, "")
                with ui.element("div").classes("which"):
                    self.form = ui.toggle(forms, on_change=self._form).props("no-caps unelevated")
                    self.form.props('toggle-color="primary" aria-label="form of the derivation"')
                    ui.label("form: multiplications of its backward pass")
                back = ui.button(icon="chevron_left", on_click=lambda: self.go(-1))
                back.props('outline aria-label="step back"')
                ahead = ui.button("Next", icon="chevron_right", on_click=lambda: self.go(1))
                ahead.props('aria-label="next step"')
                self.play = ui.button("Play", icon="play_arrow", on_click=self._play)
                self.play.props("outline")
                self.prove = ui.button("Prove it", on_click=self._prove).props("flat")
                take = ui.button("Take this step", on_click=self._take).props("flat")
                take.tooltip("change the network as the update says")
            self.what = ui.html("", sanitize=False).classes("facts")
            self.strip = ui.element("nav").classes("strip").props('aria-label="steps"')
            with ui.element("div").classes("walk"):
                with ui.element("figure"):
                    self.picture = ui.html("", sanitize=False).classes("picture")
                    self.picture.on("click", self._follow, js_handler=_EDGE)
                    ui.html(
                        '<p id="told" role="status">Point at a unit or an edge for its values, '
                        "click an edge for the paths of its weight.</p>",
                        sanitize=False,
                    )
                with ui.element("section").classes("chainrule now"):
                    self.equation = ui.html("", sanitize=False)
                    self.equation.props('aria-live="polite" id="equation"')
                    self.proof = ui.html("", sanitize=False).props('role="status" id="proof"')
                    self.paths = ui.html("", sanitize=False).props('role="status" id="paths-of"')
            ui.html(shown.whole_derivation(), sanitize=False).classes("page")
        self.timer = ui.timer(_SECONDS, lambda: self._played(), active=False)

    def refresh(self) -> None:
        """Trace the sample anew and show the step that the state says."""
        state, data = self.studio.space.state, self.studio.space.data
        self._traced = self.studio.space.session.snapshot
        with self.studio.asking():
            try:
                self.trace, self.items = self.studio.space.trace()
            except Exception:
                if state.form != "paths":
                    raise
                self.studio.space.change(form="lambda", at=0)
                self.trace, self.items = self.studio.space.trace()
                raise
            finally:
                self._show_form()
        i = state.sample % len(data.X)
        self.sample.value = i
        x = ", ".join(cells.number(v) for v in data.X[i][:_MOST_VALUES])
        more = ", …" if data.X.shape[1] > _MOST_VALUES else ""
        target = self._target(i)
        self.what.content = (
            f"<span>sample {i} of {len(data.X)}</span><span>x = ({x}{more})</span>"
            f"<span>y = {html.escape(target)}</span>"
            f"<span>learning rate {state.learning_rate:g}</span>"
        )
        if n := len(self._traced.taken):
            self.what.content += f"<span>{n} step{'s' if n > 1 else ''} taken here</span>"
        self._show_strip()
        self.show(state.at)

    async def tick(self) -> None:
        """Trace anew when the steps that a link repeats have been made."""
        snapshot = self.studio.space.session.snapshot
        if not snapshot.running and snapshot is not self._traced:
            self.refresh()

    async def key(self, name: str) -> None:
        """Step with the left and right arrow, play with space."""
        if name == " ":
            self._play()
        elif name in ("ArrowRight", "ArrowLeft"):
            self.go(1 if name == "ArrowRight" else -1)

    def go(self, by: int) -> None:
        """Show another step, so many further on."""
        self.show(self.studio.space.state.at + by)

    def show(self, k: int) -> None:
        """Show one step."""
        assert self.trace is not None
        k = min(max(k, 0), len(self.items) - 1)
        state = self.studio.space.state
        item = self.items[k]
        if state.at < len(self.chips):
            self.chips[state.at].classes(remove="current").props(remove="aria-current")
        self.chips[k].classes("current").props('aria-current="step"')
        self.studio.space.change(at=k)
        self.equation.content = (
            f'<p class="spoken">{html.escape(item.spoken)}</p>{item.markup}'
            f'<p class="place">{k + 1} of {len(self.items)}</p>'
        )
        self.picture.content = pictures.network(self.trace, self.items[: k + 1], item.lit)
        self.proof.content = self.paths.content = ""
        if self.trace.form == "paths" and item.symbol == "grad_W" and item.L is not None:
            self._show_paths(item.L, 1, 1)
        self.prove.set_enabled(item.symbol in proving.PROVABLE)
        self.studio.changed()

    def _show_strip(self) -> None:
        """Show a button for each step; those that are there stay, or a click on them is lost."""
        if [chip.text for chip in self.chips] == [item.name for item in self.items]:
            return
        self.strip.clear()
        self.chips = []
        with self.strip:
            for k, item in enumerate(self.items):
                chip = ui.button(item.name, on_click=lambda k=k: self.show(k), color=None)
                self.chips.append(chip.props("flat dense").classes("chip"))

    def _target(self, i: int) -> str:
        data = self.studio.space.data
        if data.classes:
            return f"class {data.classes[int(data.labels(data.Y[i : i + 1])[0])]}"
        return ", ".join(cells.number(v) for v in data.Y[i])

    def _show_form(self) -> None:
        assert self.trace is not None
        counts = self.trace.backward_multiplications
        self.form.set_options(
            {form: f"{form}: {cells.count(counts[form])}" for form in notation.FORMS},
            value=self.studio.space.state.form,
        )

    def _form(self, event: Any) -> None:
        if event.value != self.studio.space.state.form:
            self.studio.space.change(form=event.value, at=0)
            self.refresh()

    def _sample(self, event: Any) -> None:
        value = event.value
        if value is not None and int(value) != self.studio.space.state.sample:
            self.studio.space.change(sample=max(int(value), 0))
            self.refresh()

    def _play(self) -> None:
        last = self.studio.space.state.at == len(self.items) - 1
        if not self.timer.active and last:
            self.show(0)
        self._set_playing(not self.timer.active)

    def _played(self) -> None:
        self.go(1)
        if self.studio.space.state.at == len(self.items) - 1:
            self._set_playing(False)

    def _set_playing(self, playing: bool) -> None:
        self.timer.active = playing
        self.play.text = "Pause" if playing else "Play"
        self.play.props(f"icon={'pause' if playing else 'play_arrow'}")

    async def _prove(self) -> None:
        trace, item = self.trace, self.items[self.studio.space.state.at]
        if trace is None or item.symbol not in proving.PROVABLE or item.L is None:
            return
        architecture = self.studio.space.session.architecture
        found = await run.io_bound(proving.prove, architecture, trace, item.symbol, item.L)
        if found is not None and item is self.items[self.studio.space.state.at]:
            self.proof.content = _told(item, found, architecture.dtype)

    def _take(self) -> None:
        with self.studio.asking():
            self.studio.space.take_step()
        self.refresh()

    def _follow(self, event: Any) -> None:
        with self.studio.asking():
            self._show_paths(*(int(part) for part in event.args.split(",")))

    def _show_paths(self, L: int, j: int, k: int) -> None:
        """Show how a weight acts on the cost."""
        assert self.trace is not None
        found = follow(self.trace, L, j, k)
        self.paths.content = "".join(shown.weight_paths(found, _MOST_PATHS))


def _told(item: Item, proof: Proof, dtype: object) -> str:
    right = proof.worst < _TOLERANCE[str(dtype)]
    n = len(proof.shown)
    moved = {"omega": "phi", "lambda_": "rho", "grad_W": "W", "grad_B": "B"}[item.symbol]
    verdict = "They agree" if right else "They differ"
    rest = f" ({proof.n_left_out:,} more were not compared)" if proof.n_left_out else ""

    def column(name: str, values: Array) -> str:
        numbers = "".join(f"<td>{float(v):.6g}</td>" for v in values[:6])
        return f"<tr><th>{name}</th>{numbers}{'<td>…</td>' if n > 6 else ''}</tr>"

    return (
        f'<div class="proof {"right" if right else "wrong"}"><p><b>{verdict}</b>: each entry of '
        f"{steps.name(moved, item.L)} was moved a little, and C computed again by the forward "
        f"pass alone. The largest difference is {proof.worst:.1e} of the largest entry; "
        f"{n} compared{rest}.</p><div class=scroll><table>{column('here', proof.shown)}"
        f"{column('difference', proof.differences)}</table></div></div>"
    )
