"""A saved model in use: `chainrule predict`, `evaluate` and `info`, in words, files and codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import tables
from chainrule.cli import main
from chainrule.tables import inputs as inputs_of
from chainrule.tables.describing import describe_columns
from chainrule.tables.predicting import Predictor
from chainrule.tables.preparing import Preprocessing, prepare
from chainrule.tables.reading import Wishes, columnar, lines, open_table

Run = Callable[..., tuple[int, str, str]]
N = 400


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in an empty folder; return exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return call


def flats() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    area, floor = rng.uniform(20, 200, N).round(2), rng.integers(0, 9, N)
    city = np.array(["Oslo", "Rome", "Bern"])[rng.integers(0, 3, N)]
    start = np.datetime64("2022-01-01") + rng.integers(0, 900, N)
    price = 3 * area + 20 * floor + 90 * (city == "Bern") + rng.normal(0, 5, N)
    return pl.DataFrame({
        "code": [f"{i:04}" for i in range(N)], "area": [None if i % 11 == 0 else float(a)
        for i, a in enumerate(area)], "floor": floor, "city": city, "sold": start,
        "price": price.round(1), "dear": np.where(price > 400, "yes", "no"),
    })  # fmt: skip


def saved(
    path: Path, target: str, wishes: Wishes | None = None
) -> tuple[cr.Network, Preprocessing]:
    """Train a network on the flats, and save it."""
    frame = flats().drop("dear" if target == "price" else "price")
    prepared = prepare(frame, target)
    kind: Any = cr.TableRegressor if target == "price" else cr.TableClassifier
    model = kind(n_estimators=1, max_iter=8, hidden_layer_sizes=(16,), random_state=0)
    if target == "price":
        model.set_params(target_transform="scale")
    model.fit(*prepared.train)
    network = model.pipeline_["network"]
    net = getattr(network, "regressor_", network).network_
    preprocessing = Preprocessing(
        describe_columns(model.pipeline_), prepared.target, prepared.left_out,
        wishes=wishes or Wishes(),
    )  # fmt: skip
    tables.save(path, net, preprocessing)
    return net, preprocessing


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a block be a few rows, as it is some millions of rows elsewhere."""
    monkeypatch.setattr(lines, "BLOCK", 600)
    monkeypatch.setattr(columnar, "_VALUES_AT_ONCE", 1)
    monkeypatch.setattr("chainrule.tables.predicting._INPUTS_AT_ONCE", 300)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("target", ["price", "dear"])
@pytest.mark.parametrize("source", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "arrow", "tsv"])
def test_blocks_give_what_the_whole_table_gives(
    run: Run, tmp_path: Path, target: str, source: str, ending: str
) -> None:
    net, preprocessing = saved(tmp_path / "m", target)
    frame = flats()
    tables.write(frame, tmp_path / f"t.{source}")
    code, out, err = run(
        "predict", "m", f"t.{source}", "-o", f"out.{ending}", "--keep", "code,area"
    )
    assert (code, err) == (0, "")
    assert out == f"{N} predictions in out.{ending}\n"
    whole = preprocessing.target.decode(net.predict(preprocessing.encode(frame)[0]))
    found = open_table(tmp_path / f"out.{ending}").read(text=["code"])[0]
    assert found.columns == ["code", "area", *whole.columns]
    if "parquet" in (source, ending) or source == "csv":
        assert found["code"].to_list() == frame["code"].to_list()
    assert found["area"].cast(pl.Float64).equals(frame["area"])  # text, if it came as text
    for name in whole.columns:
        if whole[name].dtype == pl.String:
            assert found[name].to_list() == whole[name].to_list()
        else:
            np.testing.assert_allclose(found[name], whole[name], rtol=2e-5, atol=1e-6)


def test_standard_input_and_output(tmp_path: Path) -> None:
    saved(tmp_path / "m", "dear")
    content = flats().write_csv().encode()
    program = "import sys; from chainrule.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "predict", "m", "-", "--keep", "code", "--no-proba"],
        input=content, capture_output=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    found = pl.read_csv(io.BytesIO(done.stdout), infer_schema=False)
    assert found.columns == ["code", "prediction"]
    assert found["code"].to_list() == flats()["code"].to_list()
    assert set(found["prediction"]) == {"yes", "no"}


def test_a_network_with_a_variance_gives_its_standard_deviation() -> None:
    net = cr.Network([1, 2], loss="gaussian_nll")
    target = tables.Target("y", "regression", "", mean=10.0, scale=4.0)
    predictor = Predictor(net, Preprocessing((tables.Column("x", "number"),), target))
    found = predictor.decode(np.array([[0.5, 0.0], [1.0, 2 * np.log(3)]]))
    assert found.columns == ["prediction", "standard_deviation"]
    np.testing.assert_allclose(found.to_numpy(), [[12, 4], [14, 12]])


@pytest.mark.usefixtures("small_blocks")
def test_what_training_had_not_is_counted_over_all_blocks(run: Run, tmp_path: Path) -> None:
    saved(tmp_path / "m", "price")
    cities = pl.Series("city", ["Oslo", "Bergen"] * (N // 2))
    floors = pl.Series("floor", [None, 1, 2, 3] * (N // 4))
    tables.write(flats().with_columns(cities, floors), tmp_path / "new.csv")
    code, out, err = run("predict", "m", "new.csv")
    assert code == 0
    assert out.count("\n") == N + 1
    assert err.splitlines() == [
        "note: 200 of 400 values of city in categories that training did not have, such as "
        "'Bergen'",
        "note: 100 values of floor missing, none in training: filled with the median",
    ]


@pytest.mark.usefixtures("small_blocks")
def test_what_the_user_said_of_columns_goes_with_the_model(run: Run, tmp_path: Path) -> None:
    wishes = Wishes(numeric=("area", "other"), datetime={"sold": "%d/%m/%Y"})
    net, preprocessing = saved(tmp_path / "m", "price", wishes)
    again = tables.load(tmp_path / "m")[1]
    assert again == preprocessing
    spelled = flats().with_columns(
        pl.col("sold").dt.strftime("%d/%m/%Y"),
        pl.col("area").cast(pl.String).fill_null("unknown"),
    )
    tables.write(spelled, tmp_path / "new.csv")
    code, _, err = run("predict", "m", "new.csv", "-o", "out.parquet")
    assert code == 0
    assert "37 of 400 values of area are no numbers, the first is 'unknown' in row 1" in err
    expected = preprocessing.target.decode(net.predict(preprocessing.encode(flats())[0]))
    found = pl.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(found["prediction"], expected["prediction"], rtol=1e-6)
    assert preprocessing.read(tmp_path / "new.csv")["area"].null_count() == 37


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("predict m word.csv -o out.csv", "'area' must hold numbers, but row 301 has 'wide'"),
        ("predict m late.csv -o out.csv", "line 302 of late.csv has 2 fields"),
        ("predict m infinite.csv -o out.csv", "'area' must hold finite numbers, but row 301"),
        ("predict m lacks.csv -o out.csv", "lacks the columns floor, city"),
        ("predict m header.csv -o out.csv", "has column names but no rows"),
        ("predict m t.csv -o out.csv --keep cod", "--keep cod: .* did you mean 'code'"),
        ("predict m p.csv -o out.csv --keep prediction", "a column of the predictions has this"),
        ("predict m t.csv -o out.csv --proba", "leave --proba out"),
        ("predict m t.csv -o out.xlsx", "out.xlsx ends in .xlsx"),
        ("predict m t.csv -o t.csv", "is what is read"),
        ("predict m *.parquet -o out.csv", "no file matches"),
        ("predict m t.csv --format cvs -o out.csv", "did you mean 'csv'"),
        ("evaluate m lacks.csv", "lacks the columns"),
        ("evaluate m new.csv", "has no column 'price' to compare with"),
        ("evaluate m t.csv --target Price", "did you mean 'price'"),
        ("evaluate m gone.csv", "missing in every row"),
        ("evaluate plain t.csv", "name the column with --target"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, tmp_path: Path, arguments: str, words: str) -> None:
    import re

    frame = flats()
    saved(tmp_path / "m", "price")
    cr.Network([3, 1]).save(tmp_path / "plain")
    text = frame.write_csv().splitlines()
    fields = text[301].split(",")
    for name, content in {
        "t": text,
        "word": [*text[:301], ",".join([fields[0], "wide", *fields[2:]]), *text[302:]],
        "infinite": [*text[:301], ",".join([fields[0], "inf", *fields[2:]]), *text[302:]],
        "late": [*text[:301], "1,2", *text[301:]],
        "header": text[:1],
        "lacks": frame.drop("floor", "city").write_csv().splitlines(),
        "new": frame.drop("price").write_csv().splitlines(),
        "gone": frame.with_columns(price=pl.lit(None)).write_csv().splitlines(),
        "p": frame.rename({"code": "prediction"}).write_csv().splitlines(),
    }.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(content) + "\n")
    (tmp_path / "out.csv").write_text("old")
    before = sorted(path.name for path in tmp_path.iterdir())
    code, out, err = run(*arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(words, err), err
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_failure_of_one_sentence(run: Run, tmp_path: Path) -> None:
    saved(tmp_path / "m", "price")
    tables.write(flats(), tmp_path / "t.csv")
    os.symlink("/dev/full", tmp_path / "full.parquet")
    code, _, err = run("predict", "m", "t.csv", "-o", "full.parquet")
    assert code == 1
    assert err.count("\n") == 1
    assert "No space left" in err


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    """However many there are, only a few blocks are in memory at once."""
    alive: list[int] = []
    known: list[weakref.ref[pl.DataFrame]] = []

    def frames() -> Iterator[pl.DataFrame]:
        for i in range(300):
            frame = pl.DataFrame({"x": np.full(1000, i)})
            known.append(weakref.ref(frame))
            yield frame
            del frame
            alive.append(sum(one() is not None for one in known))

    for name in ("t.parquet", "t.csv"):
        known.clear()
        assert tables.write_all(frames(), tmp_path / name) == 300_000
        assert tables.read(tmp_path / name)["x"].to_list() == [i // 1000 for i in range(300_000)]
    assert max(alive) <= 3


@pytest.mark.parametrize("target", ["price", "dear"])
def test_scores_stand_beside_a_naive_guess(run: Run, tmp_path: Path, target: str) -> None:
    net, preprocessing = saved(tmp_path / "m", target)
    frame = flats().with_columns(
        pl.when(pl.int_range(N) < 7).then(None).otherwise(target).alias(target)
    )
    tables.write(frame, tmp_path / "t.csv")
    code, out, err = run("evaluate", "m", "t.csv", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["rows"], found["rows_without_target"], found["target"]) == (N - 7, 7, target)
    truth = flats()[target][7:]
    whole = preprocessing.target.decode(net.predict(preprocessing.encode(flats()[7:])[0]))
    scores, naive = found["scores"], found["naive_scores"]
    if target == "price":
        error = whole["prediction"].to_numpy() - truth.to_numpy()
        assert scores["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
        assert scores["mae"] == pytest.approx(np.abs(error).mean())
        assert naive["rmse"] == pytest.approx(truth.to_numpy().std())
        assert naive["r2"] == pytest.approx(0, abs=1e-12)
        assert "confusion" not in found
    else:
        right = whole["prediction"] == truth
        assert scores["accuracy"] == pytest.approx(right.mean())
        assert naive["roc_auc"] == 0.5
        confusion = np.array(found["confusion"])
        assert confusion.sum() == N - 7
        assert np.trace(confusion) == right.sum()
        assert confusion.sum(axis=1).tolist() == [(truth == c).sum() for c in found["classes"]]
    code, out, _ = run("evaluate", "m", "t.csv")
    assert code == 0
    assert "393 rows of t.csv" in out
    assert "7 more have no" in out
    assert "naive guess" in out


def test_classes_that_training_had_not_are_mistakes(run: Run, tmp_path: Path) -> None:
    saved(tmp_path / "m", "dear")
    frame = flats().with_columns(
        pl.when(pl.int_range(N) < 100).then(pl.lit("perhaps")).otherwise("dear").alias("truth")
    )
    tables.write(frame, tmp_path / "t.csv")
    code, out, _ = run("evaluate", "m", "t.csv", "--target", "truth", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["unknown_classes"] == 100
    assert found["scores"]["accuracy"] <= 0.75
    assert "100 rows are of classes that training did not have" in run(
        "evaluate", "m", "t.csv", "--target", "truth"
    )[1]  # fmt: skip


def test_a_network_saved_without_a_table_is_evaluated_too(run: Run, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(50, 2))
    net = cr.Network([2, 3], output_activation="softmax", loss="cross_entropy")
    net.save(tmp_path / "plain")
    y = net.predict(X).argmax(axis=1)
    pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y}).write_parquet(tmp_path / "t.parquet")
    code, out, _ = run("evaluate", "plain", "t.parquet", "--target", "y", "--json")
    assert code == 0
    assert json.loads(out)["scores"]["accuracy"] == 1.0
    cr.Network([2, 2]).save(tmp_path / "two")
    code, _, err = run("evaluate", "two", "t.parquet", "--target", "y")
    assert code == 2
    assert "has 2 outputs" in err


def test_info_tells_what_the_file_holds(run: Run, tmp_path: Path) -> None:
    net, preprocessing = saved(tmp_path / "m", "price", Wishes(datetime={"sold": "%d/%m/%Y"}))
    net.extra["training"] = {"chainrule": "1.2.3", "rows": 12_000, "epochs": [5, 7], "odd": {}}
    tables.save(tmp_path / "m", net, preprocessing)
    code, out, err = run("info", "m")
    assert (code, err) == (0, "")
    for words in (
        "price: regression", "format 1", "chainrule 1.2.3", "rows 12,000", "epochs 5, 7",
        "missing has an input of its own", "cycles of the year and the week", "dates written as",
        "left out",
    ):  # fmt: skip
        assert words in out
    assert "odd" not in out


def test_the_core_and_numpy_make_the_same_inputs_of_numbers() -> None:
    """Whatever the numbers: at knots, beyond them, missing, far away."""
    from chainrule.tables.shapes import hats, soft

    rng = np.random.default_rng(0)
    knots = np.sort(rng.normal(size=9))
    x = np.concatenate([rng.normal(size=3000) * 3, knots, [1e149, -1e149, 0.0, 1e-300]])
    column = tables.Column(
        "x", "number", median=0.25, centers=(0.1, 0.0), scales=(1e-3, 0.3), indicator=True,
        knots=tuple(knots), bend_weight=0.25,
    )  # fmt: skip
    values = pl.Series("x", [*x, None])
    found = inputs_of.encode([column], values.to_frame())[0]
    filled = np.append(x, 0.25)
    gone = np.append(np.zeros(len(x)), 1.0)
    expected = np.column_stack([
        soft((filled - 0.1) / 1e-3), soft(gone / 0.3), hats(filled, knots) * np.float32(0.25)
    ])  # fmt: skip
    np.testing.assert_array_equal(found, expected)
