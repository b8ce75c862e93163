"""Tables: what a file's columns become, and what is refused with which words."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import files, tables
from chainrule.tables.columns import Column, learn
from chainrule.tables.preparing import split
from chainrule.tables.targets import decide


def csv(tmp_path: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def houses(n: int = 60) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    area = rng.uniform(20, 200, n)
    return pl.DataFrame(
        {
            "id": [f"house {i}" for i in range(n)],
            "area": [None if i % 7 == 0 else float(a) for i, a in enumerate(area)],
            "city": [None if i % 9 == 0 else "NOR"[i % 3] for i in range(n)],
            "garden": [i % 2 == 0 for i in range(n)],
            "sold": [date(2020, 1 + i % 12, 1) for i in range(n)],
            "country": ["EU"] * n,
            "price": area * 3 + 10,
        }
    )


def test_a_csv_file_is_read_with_its_types(tmp_path: Path) -> None:
    frame = tables.read(
        csv(tmp_path, "n, x ,ok,day,word\n1, 2.5,True,2024-01-31,a b\n2,NaN,false,?,\n")
    )
    assert frame.columns == ["n", "x", "ok", "day", "word"]
    assert frame.rows() == [
        (1, 2.5, True, date(2024, 1, 31), "a b"),
        (2, None, False, None, None),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_quotes_and_blank_lines(tmp_path: Path, separator: str) -> None:
    text = '\n"a",b\r\n1,"x\ny"\r\n\r\n2,"q""q"\r\n\n'.replace(",", separator)
    frame = tables.read(csv(tmp_path, text))
    assert frame.to_dict(as_series=False) == {"a": [1, 2], "b": ["x\ny", 'q"q']}


def test_ambiguous_dates_stay_text_and_named_columns_too(tmp_path: Path) -> None:
    path = csv(tmp_path, "day,code\n01/02/2024,007\n")
    assert tables.read(path, text=["code"]).rows() == [("01/02/2024", "007")]
    assert tables.read(path)["code"].to_list() == [7]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n\n1,2,3\n", "line 4 of .* has 3 fields, but the first line has 2"),
        (b"a,b\n1,2\n3\n", "line 3 of .* has 1 field,"),
        (b"name,b\nx,1\nJos\xe9,2\n", "line 3 has the byte 0xe9, so it is probably Latin-1"),
        (b"a,a\n1,2\n", "more than one column a"),
        (b"a,,c\n1,2,3\n", "column 2 of .* has no name"),
        (b"1.5,1.5,0\n2,3,1\n", "first line of .* is numbers"),
        (b"PK\3\4 excel", "not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(cr.InputError, match=words):
        tables.read(csv(tmp_path, content))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(cr.InputError, match="there is no file"):
        tables.read(tmp_path / "none.csv")
    with pytest.raises(cr.InputError, match="is a folder"):
        tables.read(tmp_path)


def test_parquet_comes_back_and_a_truncated_one_is_refused(tmp_path: Path) -> None:
    frame = houses()
    path = tmp_path / "t.parquet"
    tables.write(frame, path)
    assert tables.read(path).equals(frame)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(cr.FileFormatError, match="truncated"):
        tables.read(path)


def test_numbers_are_standardised_and_missing_ones_get_the_median_and_an_input() -> None:
    column = learn(pl.Series("x", [1.0, 2.0, None, 9.0]))
    assert isinstance(column, Column)
    assert (column.median, column.indicator) == (2.0, True)
    X, note = column.encode(pl.Series("x", [2.0, None]))
    assert X[0, 0] == X[1, 0]
    assert X[:, 1].tolist() == [0, 1]
    assert note == ""
    trained, _ = column.encode(pl.Series("x", [1.0, 2.0, None, 9.0]))
    np.testing.assert_allclose([trained[:, 0].mean(), trained[:, 0].std()], [0, 1], atol=1e-12)


def test_missing_numbers_that_training_did_not_have_are_filled_and_said() -> None:
    column = learn(pl.Series("x", [1.0, 2.0, 4.0]))
    assert isinstance(column, Column)
    X, note = column.encode(pl.Series("x", [None, 2.0]))
    assert X[0] == X[1]
    assert "1 value of x missing" in note


def test_categories_are_one_hot_and_unseen_ones_all_zeros() -> None:
    column = learn(pl.Series("c", ["a", "b", "a", None]))
    assert isinstance(column, Column)
    assert column.inputs == ["c = a", "c = b", "c is missing"]
    X, note = column.encode(pl.Series("c", ["b", "z", None]))
    assert X.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert "1 of 3 values of c" in note
    assert "'z'" in note
    assert learn(pl.Series("c", ["a", "b"])).inputs == ["c = a", "c = b"]  # type: ignore[union-attr]


def test_of_very_many_categories_the_frequent_ones_are_kept() -> None:
    column = learn(pl.Series("c", [f"k{i % 150}" for i in range(400)] + ["often"] * 50))
    assert isinstance(column, Column)
    assert len(column.categories) == 100
    assert "often" in column.categories
    assert column.others


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 1, 1], "always 1"),
        ([None, None], "no values"),
        ([f"id {i}" for i in range(20)], "20 different values in 20 rows"),
        ([[1], [2]], "List"),
    ],
)
def test_columns_that_say_nothing_are_left_out(values: list[object], words: str) -> None:
    found = learn(pl.Series("x", values))
    assert isinstance(found, str)
    assert words in found


def test_dates_are_days() -> None:
    column = learn(pl.Series("d", [date(1970, 1, 2), date(1970, 1, 4)]))
    assert isinstance(column, Column)
    assert (column.kind, column.mean, column.scale) == ("date", 2.0, 1.0)
    with pytest.raises(cr.InputError, match=r"'d' must hold dates.*row 1 has 'soon'"):
        column.encode(pl.Series("d", ["soon"]))


def test_values_that_are_no_numbers_name_their_row() -> None:
    column = Column("x", "number")
    with pytest.raises(cr.InputError, match="'x' must hold numbers, but row 2 has 'hello'"):
        column.encode(pl.Series("x", ["1.5", "hello"]))
    with pytest.raises(cr.InputError, match="finite numbers, but row 2 has inf"):
        column.encode(pl.Series("x", [1.0, np.inf]))
    with pytest.raises(cr.InputError, match=r"a like size as in training, but row 2 has 1e\+300"):
        column.encode(pl.Series("x", [1.0, 1e300]))


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        (["a", "b"] * 10, "classification", "2 different text values"),
        ([True, False] * 10, "classification", "2 different"),
        ([0, 1, 2] * 20, "classification", "3 different whole numbers"),
        ([0.0, 1.0, 1.0], "classification", "2 different whole numbers"),
        ([0.5, 1.0, 0.5, 1.0], "regression", "2 different numbers"),
        (list(range(50)), "regression", "50 different numbers"),
        ([10, 20, 30, 40, 50], "regression", "5 different numbers"),
    ],
)
def test_the_task_follows_from_the_target(values: list[object], task: str, words: str) -> None:
    target = decide(pl.Series("y", values))
    assert target.task == task
    assert words in target.reason


def test_the_task_can_be_asked_for() -> None:
    assert decide(pl.Series("y", [0, 1] * 9), "regression").task == "regression"
    assert decide(pl.Series("y", [1.5, 2.5] * 9), "classification").classes == (1.5, 2.5)
    with pytest.raises(cr.InputError, match="must hold numbers"):
        decide(pl.Series("y", ["a", "b"]), "regression")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a"] * 9, "is 'a' in every row"),
        ([f"name {i}" for i in range(20)], "too many to be classes.*'name 0'"),
        ([date(2024, 1, d) for d in range(1, 20)], "holds Date"),
        ([1.0, 2.5, np.inf], "row 3 has inf"),
    ],
)
def test_targets_that_cannot_be_predicted(values: list[object], words: str) -> None:
    with pytest.raises(cr.InputError, match=words):
        decide(pl.Series("y", values))


def test_a_split_is_stratified_and_keeps_lone_classes_for_training() -> None:
    labels = np.array([0] * 40 + [1] * 10 + [2])
    rest, held = split(51, labels, 0.2, seed=3)
    assert sorted([*rest, *held]) == list(range(51))
    assert np.bincount(labels[held]).tolist() == [8, 2]


@pytest.mark.parametrize("n", [5, 6, 9])
def test_tiny_tables_split_into_three_parts(n: int) -> None:
    prepared = tables.prepare(pl.DataFrame({"x": range(n), "y": list("abababababa"[:n])}), "y")
    sizes = [len(part[1]) for part in (prepared.train, prepared.validation, prepared.test)]
    assert min(sizes) >= 1
    assert sum(sizes) == n


def test_preprocessing_is_learned_from_the_training_part_alone() -> None:
    frame = houses()
    prepared = tables.prepare(frame, "price")
    held = frame["area"].to_numpy().copy()
    held[prepared.test_rows] = 1e6
    changed = tables.prepare(frame.with_columns(pl.Series("area", held)).fill_nan(None), "price")
    assert changed.preprocessing.columns == prepared.preprocessing.columns
    assert set(prepared.preprocessing.left_out) == {"id", "country"}
    np.testing.assert_allclose(prepared.train[1].mean(), 0, atol=1e-12)


def test_rows_without_a_target_are_left_out() -> None:
    frame = houses().with_columns(
        price=pl.when(pl.int_range(pl.len()) < 4).then(None).otherwise("price")
    )
    prepared = tables.prepare(frame, "price")
    assert prepared.n_dropped == 4
    assert prepared.test_rows.min() >= 4
    X, _ = prepared.preprocessing.encode(frame[prepared.test_rows])
    np.testing.assert_array_equal(X, prepared.test[0])


def test_columns_are_found_by_name_and_missing_ones_named() -> None:
    preprocessing = tables.prepare(houses(), "price").preprocessing
    X, _ = preprocessing.encode(houses())
    again, _ = preprocessing.encode(houses().select(reversed(houses().columns)))
    np.testing.assert_array_equal(X, again)
    with pytest.raises(cr.InputError, match="lacks the columns area, city"):
        preprocessing.encode(houses().drop("area", "city"))


def test_a_model_file_has_it_all_as_json(tmp_path: Path) -> None:
    prepared = tables.prepare(houses(), "price")
    preprocessing = prepared.preprocessing
    net = cr.Network([len(preprocessing.inputs), 4, 1])
    path = tmp_path / "m.safetensors"
    tables.save(path, net, preprocessing)
    back, again = tables.load(path)
    assert again == preprocessing
    np.testing.assert_array_equal(back.predict(prepared.test[0]), net.predict(prepared.test[0]))
    json.dumps(files.load(path)[2], allow_nan=False)
    # The network without its preprocessing does not take a raw table for what it is not.
    with pytest.raises(cr.InputError):
        cr.load(path).predict(houses().select("area", "garden", "price"))


def test_a_damaged_description_is_a_format_error(tmp_path: Path) -> None:
    net = cr.Network([2, 1])
    path = tmp_path / "m.safetensors"
    files.save(path, net.architecture, net.parameters, {"table": {"columns": []}})
    with pytest.raises(cr.FileFormatError, match="damaged"):
        tables.load(path)
    files.save(path, net.architecture, net.parameters, {"seed": 0})
    assert tables.load(path)[1] is None


def test_scores_stand_beside_a_naive_prediction() -> None:
    pets = tables.Target("pet", "classification", "", classes=("cat", "dog"))
    scores = pets.scores(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), np.array([0, 0, 1]))
    assert (scores["accuracy"], scores["naive_accuracy"], scores["rows"]) == (1.0, 0.5, 2)
    price = tables.Target("price", "regression", "", mean=100.0, scale=10.0)
    scores = price.scores(np.array([[0.0], [1.0]]), np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    assert scores["rmse"] == pytest.approx(10 / np.sqrt(2))
    assert scores["naive_rmse"] == pytest.approx(10)
    assert scores["r2"] == pytest.approx(0.5)
    assert "r2" not in price.scores(np.array([[0.0]]), np.array([0.0]), np.array([1.0]))


def test_predictions_are_in_the_units_and_classes_of_the_target() -> None:
    price = tables.Target("price", "regression", "", mean=100.0, scale=10.0)
    assert price.decode(np.array([[0.5], [-1]], np.float32))["prediction"].to_list() == [105, 90]
    pets = tables.Target("n", "classification", "", classes=(3, 7))
    found = pets.decode(np.array([[0.25, 0.75]], np.float32))
    assert found.to_dict(as_series=False) == {
        "prediction": [7],
        "probability_3": [0.25],
        "probability_7": [0.75],
    }


def test_an_infinite_number_is_named_by_its_row_in_the_file() -> None:
    """Not by its place among the rows that are left, or in the shuffled training part."""
    x = [float(i) for i in range(60)]
    x[40] = float("inf")
    y: list[float | None] = [None] * 10 + [i * 1.5 for i in range(50)]
    with pytest.raises(cr.InputError, match=r"column 'x' .* row 41 has inf"):
        tables.prepare(pl.DataFrame({"x": x, "y": y}), "y")


def test_decimal_commas_are_read_where_commas_separate_nothing(tmp_path: Path) -> None:
    frame = tables.read(csv(tmp_path, "x;y\n1,5;a\n-0,25;b\n4;c\n1,5e3;d\n"))
    assert frame["x"].to_list() == [1.5, -0.25, 4, 1500]
    thousands = tables.read(csv(tmp_path, 'x,y\n"1,234",a\n"5,678",b\n'))
    assert thousands["x"].dtype == pl.String  # 1234 or 1.234: who knows


def test_a_table_is_not_written_under_the_name_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(cr.InputError, match=r"as \.csv or \.parquet, but out\.xlsx"):
        tables.write(pl.DataFrame({"x": [1]}), tmp_path / "out.xlsx")
