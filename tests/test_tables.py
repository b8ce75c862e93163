"""Tables: what a file's columns become, and what is refused with which words."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import files, tables
from chainrule.tables.columns import kind_of, settled
from chainrule.tables.describing import describe_columns
from chainrule.tables.preparing import Preprocessing, split
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
        (b"1.5,1.5,0\n2,3,1\n", "first line of .* is numbers"),
        (b"PK\3\4 excel", "is a zip archive or an office document"),
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


def learned(frame: pl.DataFrame, y: Any, kind: Any = cr.TableRegressor) -> tuple[Any, Any]:
    """Return a fitted estimator, and its preprocessing as it comes back from a file."""
    model = kind(n_estimators=1, max_iter=1, random_state=0, max_one_hot=12).fit(frame, y)
    target = tables.Target("y", "regression", "")
    record = Preprocessing(describe_columns(model.pipeline_), target).to_json()
    return model, Preprocessing.from_json(json.loads(json.dumps(record, allow_nan=False)))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_plain_data_gives_the_very_inputs_of_the_pipeline(classes: int) -> None:
    frame = houses(200).with_columns(street=pl.Series([f"s{i % 50}" for i in range(200)]))
    X, y = frame.drop("price"), frame["price"].to_numpy()
    kind: Any = cr.TableClassifier if classes else cr.TableRegressor
    if classes:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]))
    model, preprocessing = learned(X, y, kind)
    new = X.with_columns(
        area=pl.Series([None, 1e9, *range(198)], dtype=pl.Float64),
        city=pl.Series([None, "elsewhere", *["N", "O", "R"] * 66]),
        street=pl.Series([None, "elsewhere", *[f"s{i}" for i in range(198)]]),
        sold=pl.Series([None, date(1900, 1, 1), *[date(2020, 5, 2)] * 198]),
        garden=pl.Series([None, *[True] * 199]),
    )
    for some in (X, new):
        inputs, _ = preprocessing.encode(some)
        np.testing.assert_array_equal(inputs, model.pipeline_[:2].transform(some))
        assert inputs.dtype == np.float32
    assert len(preprocessing.inputs) == inputs.shape[1] == len(set(preprocessing.inputs))


def test_missing_numbers_that_training_did_not_have_are_filled_and_said() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 4.0, 8.0, 2.0], "z": [1.0, None, 3.0, 4.0, 5.0]})
    _, preprocessing = learned(frame, range(5))
    assert [column.indicator for column in preprocessing.columns] == [False, True]
    X, notes = preprocessing.encode(pl.DataFrame({"x": [None, 2.0], "z": [None, 3.5]}))
    assert X[0, 0] == X[1, 0]
    assert notes == ["1 value of x missing, none in training: filled with the median"]
    assert preprocessing.inputs[:3] == ["x (scaled)", "z (scaled)", "z is missing"]


def test_categories_are_one_hot_and_unseen_ones_all_zeros() -> None:
    _, preprocessing = learned(pl.DataFrame({"c": ["a", "b", "a", None]}), range(4))
    assert preprocessing.inputs == ["c = a", "c = b", "c is missing"]
    X, notes = preprocessing.encode(pl.DataFrame({"c": ["b", "z", None]}))
    assert X.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert len(notes) == 1
    assert "1 of 3 values of c" in notes[0]
    assert "'z'" in notes[0]
    _, preprocessing = learned(pl.DataFrame({"c": ["a", "b"] * 2}), range(4))
    assert preprocessing.encode(pl.DataFrame({"c": [None, "a"]}))[1] == [
        "1 value of c missing, none in training"
    ]


def test_very_many_categories_are_statistics_of_the_target() -> None:
    frame = pl.DataFrame({"c": [f"k{i % 15}" for i in range(400)]})
    _, preprocessing = learned(frame, [float(i % 15) for i in range(400)])
    assert preprocessing.inputs == ["c (target)"]
    X, _ = preprocessing.encode(pl.DataFrame({"c": [f"k{i}" for i in range(15)]}))
    assert (np.diff(X[:, 0]) > 0).all()


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
    kind, why = kind_of(pl.Series("x", values))
    assert kind == ""
    assert words in why


def test_dates_are_days() -> None:
    series = pl.Series("d", [date(1970, 1, 2), date(1970, 1, 4)])
    assert kind_of(series) == ("date", "")
    assert settled(series, "date").to_list() == [1, 3]
    with pytest.raises(cr.InputError, match=r"'d' must hold dates.*row 1 has 'soon'"):
        settled(pl.Series("d", ["soon"]), "date")


def test_values_that_are_no_numbers_name_their_row() -> None:
    with pytest.raises(cr.InputError, match="'x' must hold numbers, but row 2 has 'hello'"):
        settled(pl.Series("x", ["1.5", "hello"]), "number")
    with pytest.raises(cr.InputError, match="finite numbers, but row 2 has inf"):
        settled(pl.Series("x", [1.0, np.inf]), "number")
    with pytest.raises(cr.InputError, match=r"'x' are too large \(1e\+300 in row 2\)"):
        settled(pl.Series("x", [1.0, 1e300]), "number")


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


def test_what_is_tested_on_is_not_learned_from() -> None:
    prepared = tables.prepare(houses(), "price")
    assert set(prepared.left_out) == {"id", "country"}
    np.testing.assert_allclose(prepared.train[1].mean(), 0, atol=1e-12)
    held = houses()[prepared.test_rows]
    assert held.drop("price").equals(prepared.test[0])
    rows = [set(part[0]["id"]) for part in (prepared.train, prepared.validation, prepared.test)]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 60


def test_rows_without_a_target_are_left_out() -> None:
    frame = houses().with_columns(
        price=pl.when(pl.int_range(pl.len()) < 4).then(None).otherwise("price")
    )
    prepared = tables.prepare(frame, "price")
    assert prepared.n_dropped == 4
    assert prepared.test_rows.min() >= 4
    assert prepared.test[0].equals(frame[prepared.test_rows].drop("price"))


def test_columns_are_found_by_name_and_missing_ones_named() -> None:
    X = houses().drop("price")
    _, preprocessing = learned(X, houses()["price"])
    inputs, _ = preprocessing.encode(X)
    again, _ = preprocessing.encode(houses().select(reversed(houses().columns)))
    np.testing.assert_array_equal(inputs, again)
    with pytest.raises(cr.InputError, match="lacks the columns area, city"):
        preprocessing.encode(X.drop("area", "city"))


def test_a_model_file_has_it_all_as_json(tmp_path: Path) -> None:
    X = houses().drop("price")
    _, preprocessing = learned(X, houses()["price"])
    net = cr.Network([len(preprocessing.inputs), 4, 1])
    path = tmp_path / "m.safetensors"
    tables.save(path, net, preprocessing)
    back, again = tables.load(path)
    assert again == preprocessing
    inputs, _ = preprocessing.encode(X)
    np.testing.assert_array_equal(back.predict(inputs), net.predict(inputs))
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
    within = dataclasses.replace(price, low=95.0, high=104.0)
    assert within.decode(np.array([[0.5], [-1]], np.float32))["prediction"].to_list() == [104, 95]
    pets = tables.Target("n", "classification", "", classes=(3, 7))
    found = pets.decode(np.array([[0.25, 0.75]], np.float32))
    assert found.to_dict(as_series=False) == {
        "prediction": [7],
        "probability_3": [0.25],
        "probability_7": [0.75],
    }
    assert pets.decode(np.array([[0.75]], np.float32)).equals(found)


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
    with pytest.raises(cr.InputError, match=r"as \.csv, .*, but out\.xlsx"):
        tables.write(pl.DataFrame({"x": [1]}), tmp_path / "out.xlsx")
