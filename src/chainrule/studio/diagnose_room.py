"""Diagnose: what is wrong with the network of this tab."""

from __future__ import annotations

import asyncio
import html
import math
from typing import TYPE_CHECKING

from nicegui import run, ui

from chainrule import diagnosis
from chainrule.diagnosis import Diagnosis, Finding
from chainrule.history import History
from chainrule.notebook import curves, drawing
from chainrule.notebook.html import svg, text
from chainrule.studio.figures import picture
from chainrule.studio.workspace import Workspace

if TYPE_CHECKING:
    from chainrule.studio.page import Studio

_ROW, _LEFT, _RIGHT = 34.0, 90.0, 330.0


class DiagnoseRoom:
    """The room in which findings are shown.

    Parameters
    ----------
    studio : Studio
        Its tab.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build(self) -> None:
        """Put its elements on the page."""
        with ui.element("div").classes("diagnose"):
            with ui.element("div").classes("buttons"):
                self.button = ui.button("Diagnose again", on_click=self._look)
            self.findings = ui.html("", sanitize=False).props('role="status" id="findings"')
            with ui.element("div").classes("pictures"):
                self.lambdas = picture("How long lambda is in each layer")
                self.curve = picture("Loss")
                self.network = picture("Weights", "wide")
            self.table = ui.html("", sanitize=False)

    def refresh(self) -> None:
        """Look at the network as it is now."""
        with self.studio.client:
            ui.timer(0, self._look, once=True)

    async def tick(self) -> None:
        """Nothing moves by itself here."""

    async def key(self, name: str) -> None:
        """No keys."""

    async def _look(self) -> None:
        space = self.studio.space
        self.button.disable()
        try:
            while space.session.snapshot.running:  # the steps that the link asks for
                done = space.session.snapshot.steps
                self.findings.content = f"<p>Training, now at step {done:,} …</p>"
                await asyncio.sleep(0.1)
            self.findings.content = "<p>Looking at one pass, the data and the training …</p>"
            with self.studio.asking():
                found = await run.io_bound(look, space)
                if found is not None and space is self.studio.space:
                    self._show(found, space)
        finally:
            self.button.enable()

    def _show(self, found: Diagnosis, space: Workspace) -> None:
        self.findings.content = findings(found)
        self.table.content = found._repr_html_().split("<ol>")[0]
        lit = {finding.layer for finding in found.findings if finding.layer}
        self.lambdas.content = lambdas(found, lit)
        snapshot = space.session.snapshot
        losses = {"training": snapshot.losses, "test": snapshot.test_losses}
        self.curve.content = (
            curves.losses(losses, snapshot.stride)
            if snapshot.losses
            else '<p class="empty">Not trained yet.</p>'
        )
        net = space.network()
        a = net.architecture
        names = [activation.name for activation in a.activations]
        self.network.content = drawing.network(a.layer_sizes, names, net.weights)


def look(space: Workspace) -> Diagnosis:
    """Return the diagnosis of a workspace's network, with what is known of its training."""
    state, snapshot = space.state, space.session.snapshot
    history = None
    if snapshot.losses and snapshot.stride == 1:
        losses = list(snapshot.losses)
        history = History(
            loss=losses,
            val_loss=list(snapshot.test_losses),
            learning_rate=[state.learning_rate] * len(losses),
            batch_size=state.batch_size,
            base_learning_rate=state.learning_rate,
            best_epoch=min(range(len(losses)), key=snapshot.test_losses.__getitem__) + 1,
        )
    return diagnosis.diagnose(
        space.network(), space.data.X, space.data.Y, history, state.learning_rate,
        state.optimizer, space.session.batch_size,
    )  # fmt: skip


def findings(found: Diagnosis) -> str:
    """Return the findings as cards, the most likely cause first."""
    if found.healthy:
        return '<p class="healthy"><b>Nothing found.</b> This network is healthy.</p>'
    return "".join(map(_card, found.findings))


def _card(finding: Finding) -> str:
    where = "" if finding.layer is None else f" in layer {finding.layer}"
    return (
        f'<article class="finding {finding.severity}"><h3>{_sentence(finding.cause)}{where}</h3>'
        f"<p>{_sentence(finding.evidence)}.</p>"
        f"<p><b>Remedy:</b> {html.escape(finding.remedy)}.</p></article>"
    )


def _sentence(text: str) -> str:
    return html.escape(text[:1].upper() + text[1:])


def lambdas(found: Diagnosis, lit: set[int]) -> str:
    """Return a bar for each layer, on a logarithmic scale; those with findings stand out."""
    if not found.table:
        return '<p class="empty">There are no numbers to draw.</p>'
    norms = [row.lambda_norm for row in found.table]
    powers = [math.log10(v) if 0 < v < math.inf else None for v in norms]
    known = [p for p in powers if p is not None] or [0.0]
    low, high = math.floor(min(known)) - 1, math.ceil(max(known))
    parts = []
    for i, (row, power) in enumerate(zip(found.table, powers, strict=True)):
        y = 10 + i * _ROW
        share = 0.0 if power is None else (power - low) / ((high - low) or 1)
        colour = drawing.NEGATIVE if row.layer in lit else drawing.POSITIVE
        parts += [
            text(_LEFT - 8, y + 16, f"layer {row.layer}", "end"),
            f'<rect x="{_LEFT:g}" y="{y:g}" width="{share * (_RIGHT - _LEFT):.1f}" height="22" '
            f'rx="3" fill="{colour}"/>',
            text(_RIGHT + 8, y + 16, f"{row.lambda_norm:.2g}", "start"),
        ]
    height = 20 + len(norms) * _ROW
    parts.append(text(_LEFT, height, f"1e{low}", "start"))
    parts.append(text(_RIGHT, height, f"1e{high}", "end"))
    return svg(_RIGHT + 70, height + 8, "length of lambda by layer", parts)
