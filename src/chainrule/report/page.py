"""The page of a run: its first lines say whether the model is any good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib import resources

from chainrule import __version__
from chainrule.notebook.html import Markup, markup
from chainrule.report import advice, data, depends, predictions, scores, verdict
from chainrule.report.parts import items, paragraph, section
from chainrule.runs.results import Results


def render(results: Results) -> str:
    """Return the report of a run as one HTML page that loads nothing.

    Parameters
    ----------
    results : Results
        Of the run. Names and values of its table may hold anything: all of it is escaped.
    """
    found = verdict.judge(results)
    target = results.prepared.target
    name = f"{target.name}: report of a model"
    steps = advice.next_steps(results)
    body = [
        Markup(f"<h1>{markup(_about(results))}</h1>"),
        Markup(
            f'<div class="verdict {found.grade}"><strong>{markup(found.headline)}</strong>'
            f"{items(found.lines)}</div>"
        ),
        section("Beside other models", *scores.render(results)),
        section(
            "What to try next",
            items(steps) if steps else paragraph("Nothing in particular: use it."),
        ),
        section("The table", *data.render(results)),
        section("Training", *scores.training(results)),
        section("Predictions of held-out rows", *predictions.render(results)),
        section("What it depends on", *depends.render(results)),
        section("Worst errors", *predictions.worst(results)),
        section("How it was made", *_made(results)),
    ]
    style = resources.files("chainrule.report").joinpath("style.css").read_text("utf-8")
    return _document(name, style, body)


def _document(title: str, style: str, body: Iterable[Markup]) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # nothing is loaded and no script runs, whatever a table holds
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _about(r: Results) -> str:
    target = r.prepared.target
    where = " and ".join(path.rpartition("/")[2] for path in r.config.tables) or "the digits"
    if target.is_classification:
        return f"A network that predicts {target.name} ({len(target.classes)} classes) from {where}"
    return f"A network that predicts {target.name} from {where}"


def _made(r: Results) -> list[Markup]:
    net = r.model.net
    sizes = "-".join(map(str, (net.layer_sizes[0], *r.config.hidden, net.layer_sizes[-1])))
    several = f"{r.config.ensemble} networks, averaged, each " if r.config.ensemble > 1 else ""
    facts: Sequence[str] = (
        f"{several}{sizes}: {net.layer_sizes[0]:,} inputs, hidden layers of "
        f"{', '.join(map(str, r.config.hidden)) or 'no'} units, {r.config.activation}; the loss is "
        f"{net.architecture.loss.name}.",
        f"Held out: {len(r.prepared.held.rows):,} rows, {r.prepared.how}; the network neither "
        "learned from them nor were settings chosen by them.",
        "The config below repeats the run, bit for bit, on a machine with the same instruction "
        "set and version.",
    )
    config = r.config.to_toml()
    return [
        items(facts),
        Markup(f"<pre>{escape(config)}</pre>"),
        paragraph(
            f"chainrule {__version__}, {datetime.now():%Y-%m-%d %H:%M}, {r.seconds:.1f} s.", "note"
        ),
    ]
