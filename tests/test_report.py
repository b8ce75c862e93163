"""The report of a run: what its first lines say, and that it is safe and whole."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chainrule.evaluation.metrics import METRICS, Score
from chainrule.experiment import Experiment
from chainrule.report import advice, charts, page, verdict
from chainrule.runs.config import Config
from chainrule.runs.results import Results, Rival

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "<script>alert('x')</script>\"&\n' onload=x"


class Reader(HTMLParser):
    """Reads a page as a browser would, as far as tags are concerned."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def results(frame: pl.DataFrame, target: str, **settings: object) -> Results:
    config = Config(
        tables=("dir/t.csv",), target=target, **{"hidden": (16,), "epochs": 20, **settings}  # type: ignore[arg-type]
    )  # fmt: skip
    experiment = Experiment(config, frame)
    nets = experiment.train()
    model = experiment.save(Path("/dev/null"), nets)
    return experiment.judge(model, nets, deep=True)


def numbers(n: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": ["u", "v", None] * (n // 3)})
    return frame.with_columns(y=3 * pl.col("a") + rng.normal(size=n) / 4)


@pytest.fixture(scope="module")
def regression() -> Results:
    return results(numbers(), "y")


@pytest.fixture(scope="module")
def classification() -> Results:
    low = pl.when(pl.col("y") < -1).then(pl.lit("low"))
    kind = low.when(pl.col("y") < 1).then(pl.lit("mid")).otherwise(pl.lit("high"))
    return results(numbers().with_columns(kind=kind).drop("y"), "kind")


@pytest.fixture(scope="module")
def hostile() -> str:
    names = {"a": f"a{HOSTILE}", "b": "javascript:alert(1)", "c": "</style></svg>", "y": HOSTILE}
    frame = numbers().with_columns(c=pl.lit(HOSTILE) + pl.col("c"), y=pl.lit(HOSTILE) + (
        pl.col("y") > 0).cast(pl.String))  # fmt: skip
    return page.render(results(frame.rename(names), HOSTILE))


def test_the_page_needs_nothing_and_runs_nothing(
    regression: Results, classification: Results, hostile: str
) -> None:
    for text in (page.render(regression), page.render(classification), hostile):
        read = Reader(text)
        assert read.open == []
        assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
        names = {name for name, _ in read.attributes}
        assert not any(name.startswith("on") for name in names)
        assert not names & {"href", "src", "xlink:href", "action"}
        assert "http" not in re.sub(r'http-equiv="[^"]*"', "", text)
        assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


def test_hostile_names_and_values_are_text(hostile: str) -> None:
    words = " ".join(Reader(hostile).words.split())
    assert "<script>alert('x')</script>" in words
    assert words.count("javascript:alert(1)") >= 2
    assert "<script" not in hostile


def test_the_page_has_what_was_found(regression: Results, classification: Results) -> None:
    for found, special in ((regression, "Predicted against true"), (classification, "confusion")):
        text = page.render(found)
        assert text.lstrip().startswith("<!doctype html>")
        for words in (special, "Calibration", "Importance of columns", "loss by epoch",
                      "gradient boosting", "naive guess", "What to try next",
                      "prefers-color-scheme: dark"):  # fmt: skip
            assert words in text
    curves = page.render(regression)
    assert "mean prediction by a" in curves
    assert "errors" in curves


def test_first_lines_say_that_a_good_model_is_good(regression: Results) -> None:
    found = verdict.judge(regression)
    assert found.grade == "good"
    assert found.headline == "Good: it predicts y much better than a guess."
    assert re.match(
        r"On 60 rows that it never saw: root mean squared error [\d.]+ \(95% interval [\d.]+ to "
        r"[\d.]+\), in units of y; always guessing the mean gives [\d.]+\.", found.lines[0],
    )  # fmt: skip
    text = page.render(regression)
    assert text.index(found.headline) < text.index("Beside other models")


def test_first_lines_say_that_a_useless_model_is_useless() -> None:
    frame = numbers().with_columns(y=pl.Series(np.random.default_rng(5).normal(size=300)))
    found = results(frame, "y")
    assert verdict.judge(found).grade == "bad"
    assert verdict.judge(found).headline.startswith("Not usable")
    assert any("No model found anything" in step for step in advice.next_steps(found))


def changed(found: Results, score: float, naive: float, gain: Score, **more: object) -> Results:
    metric = METRICS["rmse"]
    first = replace(found.rivals[0], score=Score(naive, naive, naive), gain=gain)
    return replace(
        found, metric=metric, score=Score(score, score, score), rivals=[first, *found.rivals[1:]],
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("score", "gain", "grade"),
    [
        (0.9, Score(0.1, -0.1, 0.3), "bad"),
        (1.2, Score(-0.2, -0.3, -0.1), "bad"),
        (0.9, Score(0.1, 0.05, 0.15), "weak"),
        (0.6, Score(0.4, 0.3, 0.5), "fair"),
        (0.4, Score(0.6, 0.5, 0.7), "good"),
        (0.001, Score(0.999, 0.99, 1.0), "odd"),
    ],
)
def test_grades_follow_the_numbers(
    regression: Results, score: float, gain: Score, grade: str
) -> None:
    assert verdict.judge(changed(regression, score, 1.0, gain)).grade == grade


def rival(found: Results, name: str, gain: Score) -> Rival:
    (old,) = (r for r in found.rivals if r.name == name)
    return replace(old, gain=gain)


def test_a_better_rival_is_named_and_so_is_chance(regression: Results) -> None:
    first = regression.rivals[0]
    better = rival(regression, "gradient boosting", Score(-0.3, -0.4, -0.2))
    equal = rival(regression, "linear model", Score(0.01, -0.1, 0.1))
    found = replace(regression, rivals=[first, equal, better])
    lines = verdict.judge(found).lines
    assert any(line.startswith("Worse than gradient boosting") for line in lines)
    assert any("linear model" in line and "may be chance" in line for line in lines)
    steps = advice.next_steps(found)
    assert any("--tune 50" in step for step in steps)
    assert any("The linear model is about as good" in step for step in steps)


def history(found: Results, **changes: object) -> Results:
    return replace(found, histories=[replace(found.histories[0], **changes)])  # type: ignore[arg-type]


def test_advice_follows_training(regression: Results) -> None:
    loss = [1.0 / i for i in range(1, 21)]
    went_on = history(regression, loss=loss, val_loss=loss, best_epoch=20, stop_reason="epochs")
    assert any("--epochs 40" in step for step in advice.next_steps(went_on))
    val_loss = [0.5, 0.4, *np.linspace(0.5, 2, 18)]
    by_heart = history(regression, loss=loss, val_loss=val_loss, best_epoch=2, stop_reason="x")
    assert any("learned the rows by heart" in step for step in advice.next_steps(by_heart))
    cut = history(regression, stop_reason="time limit")
    assert any("longer --time-limit" in step for step in advice.next_steps(cut))
    warned = replace(regression, prepared=replace(regression.prepared, warnings=["column q leaks"]))
    assert advice.next_steps(warned)[0] == "Column q leaks."


def test_suspicious_columns_are_in_the_report() -> None:
    frame = numbers(3000).with_row_index("id").with_columns(copy=pl.col("y") * 2 + 1)
    text = page.render(results(frame, "y", baselines=False))
    assert "column id numbers the rows" in text
    assert "column copy alone predicts y nearly perfectly" in text


@pytest.mark.parametrize("values", [[0.0], [1e300, -1e300], [5.0, 5.0], [1e-300, 2e-300], [3, 1e9]])
def test_scales_have_round_ticks_within(values: list[float]) -> None:
    scale = charts.scale(np.array(values), 0, 100)
    assert 2 <= len(scale.ticks) <= 8
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
    assert 0 <= scale(values[0]) <= 100


def test_constant_and_extreme_predictions_can_be_drawn() -> None:
    frame = numbers(60).with_columns(y=pl.Series([1e120 * (i % 7) for i in range(60)]))
    Reader(page.render(results(frame, "y", epochs=1, learning_rate=1e-9)))
