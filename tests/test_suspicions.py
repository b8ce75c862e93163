"""What looks wrong with a table is pointed out, with what to do; what is right is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.tables import suspicions
from chainrule.tables.columns import kind_of
from chainrule.tables.targets import Target

N = 2000
RNG = np.random.default_rng(0)
Y = RNG.normal(size=N)
CLASSES = np.where(Y > 1, "rare", "usual")


def of(column: Any, y: Any = Y, name: str = "x") -> list[str]:
    task = "classification" if y is CLASSES else "regression"
    return suspicions(pl.DataFrame({name: column, "y": y}), Target("y", task, ""))


@pytest.mark.parametrize("y", [Y, CLASSES])
def test_what_is_right_is_not_pointed_out(y: Any) -> None:
    assert of(Y + RNG.normal(size=N) / 3, y) == []
    assert of(RNG.normal(size=N), y) == []
    assert of(RNG.integers(100, 999_999, N), y) == []
    assert of([f"shop {i % 30}" for i in range(N)], y) == []
    assert of([None] * N, y) == []


@pytest.mark.parametrize(
    ("column", "y", "words"),
    [
        (Y**3, Y, "R^2 0.99"),
        ([None if y < 0 else y for y in Y], np.maximum(Y, -1e-9), "R^2 "),
        ([f"k{y:.0f}" for y in Y], np.round(Y), "R^2 1.000"),
        (Y, CLASSES, "% right, each class counted alike"),
        ([None if c == "rare" else 1.0 for c in CLASSES], CLASSES, "100.0% right"),
        (CLASSES == "rare", CLASSES, "100.0% right"),
    ],
)
def test_a_column_that_predicts_the_target_alone(column: Any, y: Any, words: str) -> None:
    (found,) = of(pl.Series(column, strict=False), y)
    assert "column x alone predicts y nearly perfectly" in found
    assert "--drop x" in found
    assert words in found


def test_a_majority_is_no_leak() -> None:
    y = np.where(np.arange(N) % 300 == 0, "rare", "usual")
    frame = pl.DataFrame({"x": RNG.normal(size=N), "y": y})
    assert suspicions(frame, Target("y", "classification", "")) == []


@pytest.mark.parametrize(
    ("name", "column", "points"),
    [
        ("x", range(N), True),
        ("x", range(5 * N, 4 * N, -1), True),
        ("customer_id", RNG.permutation(N) * 3, True),
        ("customerId", RNG.permutation(N) * 3, True),
        ("paid", RNG.permutation(N) * 3, False),
        ("area", RNG.permutation(N) * 3, False),
        ("id", RNG.integers(0, 50, N), False),
    ],
)
def test_columns_that_number_the_rows(name: str, column: Any, points: bool) -> None:
    assert [f"--drop {name}" in one for one in of(pl.Series(column), name=name)] == [True] * points


def test_numbers_and_dates_that_are_text() -> None:
    words = [str(i % 50) if i % 100 != 7 else "unknown" for i in range(N)]
    assert of(words) == [
        "column x is read as text because 20 of 2,000 values are no numbers, the first is "
        "'unknown' in row 8: --numeric x takes them as missing"
    ]
    assert "--numeric x" in of([str(i % 50) for i in range(N)])[0]
    assert of([str(i) if i % 2 else "word" for i in range(N)]) == []
    assert "--datetime x" in of([f"{1 + i % 28:02}/{1 + i % 12:02}/2024" for i in range(N)])[0]
    assert "may be read as" in of([f"{1 + i % 5:02}/{1 + i % 7:02}/2024" for i in range(N)])[0]


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a story of which there is no other like {}", "such as its length"),
        ("u{}", "--categorical x"),
        ("{}/{}/2024", "--datetime x"),
    ],
)
def test_text_is_refused_with_a_remedy(text: str, remedy: str) -> None:
    kind, why = kind_of(pl.Series("x", [text.format(i, i) for i in range(50)]))
    assert kind == ""
    assert "50 different values in 50 rows" in why
    assert remedy in why


def test_what_the_user_calls_categories_is_not_refused() -> None:
    series = pl.Series("x", [f"u{i}" for i in range(50)], pl.Categorical)
    assert kind_of(series) == ("category", "")
