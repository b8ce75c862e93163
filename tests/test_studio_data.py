"""The studio's samples: its own, tables, files that are opened and saved; and their pictures."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule import losses
from chainrule.errors import InputError
from chainrule.studio import datasets, pictures, predictions, uploads, workspace
from chainrule.studio.state import OUTPUTS, State
from chainrule.studio.workspace import Given, Workspace
from tests.studio.spaces import opened


@pytest.mark.parametrize("name", datasets.NAMES)
def test_each_data_set_can_be_trained_drawn_and_stepped_through(name: str) -> None:
    space = Workspace(State(data=name, steps=30), Given())
    before = space.network().loss_value(space.data.X, space.data.Y)
    space.catch_up()
    assert space.session.wait().steps == 30
    assert space.network().loss_value(space.data.X, space.data.Y) < before
    assert "<svg" in predictions.picture(space.data, space.predict)
    assert "test samples" in predictions.score(space.data, space.predict(space.data.X_test))
    trace, items = space.trace()
    assert "<svg" in pictures.network(trace, items, items[0].lit)


TABLE = pl.DataFrame(
    {
        "width": np.linspace(0, 1, 60).round(3),
        "colour": ["red", "green", "blue"] * 20,
        "kind": ["a", "b"] * 30,
    }
)


def test_a_saved_network_opens_where_it_was_and_for_predict(tmp_path: Any) -> None:
    given = Given(TABLE, "t.csv")
    space = Workspace(State(data="table", target="kind"), given)
    space.session.run(10)
    space.session.wait()
    content = space.saved()
    net = uploads.network(content, "t.safetensors")
    np.testing.assert_array_equal(net.parameters, space.session.snapshot.parameters)
    state = workspace.state_of(net)
    assert (state.data, state.target, state.start) == ("table", "kind", "model")
    again = Workspace(state, Given(TABLE, "t.csv", net, "t.safetensors"))
    np.testing.assert_array_equal(
        again.predict(space.data.X_test), space.predict(space.data.X_test)
    )
    (tmp_path / "t.safetensors").write_bytes(content)
    from chainrule import tables

    _, preprocessing = tables.load(tmp_path / "t.safetensors")
    assert preprocessing is not None
    assert preprocessing.target.classes == ("a", "b")


@pytest.mark.parametrize("target", ["kind", "colour", "width"])
def test_a_model_of_chainrule_train_says_the_same_of_its_table(tmp_path: Any, target: str) -> None:
    from chainrule import tables
    from chainrule.cli import main

    table, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    table.write_text(tables.to_csv(TABLE))
    assert main(["train", str(table), "--target", target, "-o", str(model), "--epochs", "2"]) == 0
    net, preprocessing = tables.load(model)
    assert preprocessing is not None
    space = Workspace(workspace.state_of(net), Given(TABLE, "t.csv", net))
    test = tables.prepare(TABLE, target).test[0]
    wanted = net.predict(preprocessing.encode(test)[0])
    np.testing.assert_allclose(space.predict(space.data.X_test), wanted, rtol=1e-6)
    assert (space.data.output == "sigmoid") == (target == "kind")


def test_a_network_from_elsewhere_opens_with_data_of_its_shape() -> None:
    net = cr.Network([64, 16, 10], output_activation="softmax", loss="cross_entropy")
    state = workspace.state_of(net)
    assert state.data == "digits"
    assert Workspace(state, Given(model=net)).session.snapshot.steps == 0
    with pytest.raises(InputError, match="takes 64 inputs"):
        Workspace(state.replace(data="xor"), Given(model=net))


def test_a_damaged_upload_is_named_by_its_own_name() -> None:
    with pytest.raises(cr.ChainruleError, match=r"mine\.safetensors") as caught:
        uploads.network(b"not a network", "mine.safetensors")
    assert "/tmp" not in str(caught.value)


def test_names_of_a_table_cannot_write_html() -> None:
    frame = TABLE.rename({"kind": "<b>kind</b>", "width": "<i>w</i>"})
    frame = frame.with_columns(pl.Series("<b>kind</b>", ["<u>a</u>", "b"] * 30))
    space = Workspace(State(data="table", target="<b>kind</b>"), Given(frame, "t"))
    picture = predictions.picture(space.data, space.predict)
    assert "<u>" not in picture
    assert "&lt;u&gt;" in picture


def test_a_model_keeps_its_preprocessing_with_another_table() -> None:
    given = Given(TABLE, "t.csv")
    space = Workspace(State(data="table", target="kind"), given)
    net = uploads.network(space.saved(), "t.safetensors")
    new = TABLE.with_columns(width=TABLE["width"] * 3 + 1)[::-1]
    again = Workspace(workspace.state_of(net), Given(new, "new.csv", net, "t.safetensors"))
    known = space.data.preprocessing
    assert known is not None
    rows = new.with_columns(kind=None)
    wanted = set(map(tuple, known.encode(rows)[0].round(5).tolist()))
    assert set(map(tuple, again.data.X.round(5).tolist())) <= wanted


def test_a_model_with_a_table_that_is_not_its_own_says_what_is_missing() -> None:
    space = Workspace(State(data="table", target="kind"), Given(TABLE, "t.csv"))
    net = uploads.network(space.saved(), "t.safetensors")
    for table, said in ((TABLE.drop("kind"), "'kind'"), (TABLE.drop("width"), "width")):
        with pytest.raises(InputError, match=said):
            Workspace(workspace.state_of(net), Given(table, "t.csv", net, "m"))


def numbers_table(n: int = 50) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    X = 100 + rng.normal(size=(n, 3))
    y = pl.Series("y", np.arange(n) % 3)
    return pl.DataFrame(X, schema=["a", "b", "c"]).with_columns(y, note=pl.lit("x"))


def test_a_model_without_preprocessing_gets_the_numbers_as_they_are() -> None:
    net = cr.Network([3, 4, 3], output_activation="softmax", loss="cross_entropy")
    state = workspace.state_of(net)
    assert state.data == "table"
    space = Workspace(state.replace(target="y", start="model"), Given(numbers_table(), "t", net))
    assert 90 < space.data.X.min()
    assert space.data.X.max() < 110
    assert space.data.classes == ("0", "1", "2")
    assert space.data.Y.sum(axis=1).tolist() == [1] * len(space.data.Y)
    assert len(space.data.X) + len(space.data.X_test) == 50


@pytest.mark.parametrize(
    ("table", "target", "said"),
    [
        (numbers_table(), "z", "there is no column 'z'"),
        (numbers_table(), "a", "class numbers from 0 to 2"),
        (numbers_table().drop("a"), "y", "takes 3 numbers, but the table has 2"),
        (numbers_table().with_columns(a=pl.lit(None, pl.Float64)), "y", "missing in a"),
    ],
)
def test_numbers_that_do_not_fit_the_model_are_refused(
    table: pl.DataFrame, target: str, said: str
) -> None:
    net = cr.Network([3, 4, 3], output_activation="softmax", loss="cross_entropy")
    state = workspace.state_of(net).replace(target=target, start="model")
    with pytest.raises(InputError, match=re.escape(said)):
        Workspace(state, Given(table, "t", net))


def test_a_network_larger_than_a_link_can_say_opens_all_the_same() -> None:
    net = cr.Network([64, 1024, 10], output_activation="softmax", loss="cross_entropy")
    state = workspace.state_of(net)
    assert state.layers == State().layers
    space = Workspace(state, Given(model=net))
    assert space.network().layer_sizes == (64, 1024, 10)
    assert State.of({"start": "model", "data": "digits"}) == State(data="digits", start="model")
    space.change(start="seed", output="", loss="")  # a new network


def test_a_damaged_link_in_a_file_does_not_keep_it_shut() -> None:
    net = cr.Network([2, 3, 1], "tanh", "sigmoid", "binary_cross_entropy")
    net.extra["studio"] = "/?layers=nonsense"
    assert workspace.state_of(net).data == "xor"


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def test_tables_that_unfold_to_too_much_are_refused_before_they_are_read() -> None:
    bomb = parquet(pl.select(a=pl.zeros(6_000_000, pl.Int8), b=pl.zeros(6_000_000, pl.Int8)))
    assert len(bomb) < 100_000
    with pytest.raises(InputError, match="2 columns and 6,000,000 rows"):
        uploads.table(bomb, "t.parquet")
    wide = ",".join(f"c{i}" for i in range(1001)) + "\n" + ",".join(["1"] * 1001)
    with pytest.raises(InputError, match="1,001 columns"):
        uploads.table(wide.encode(), "t.csv")
    assert uploads.table(parquet(TABLE), "t.parquet").equals(TABLE)
    assert uploads.table(b"\n\na;b\n1;2\n", "t.csv").columns == ["a", "b"]
    with pytest.raises(cr.FileFormatError, match="not a whole Parquet file"):
        uploads.table(b"PAR1 and so on", "t.parquet")


def test_a_target_of_too_many_classes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.studio.tabular._MOST_TARGETS", 100)
    with pytest.raises(InputError, match="too many to be learned here"):
        Workspace(State(data="table", target="colour"), Given(TABLE, "t.csv"))


@pytest.mark.parametrize("name", datasets.NAMES)
def test_what_is_offered_fits_and_what_is_not_does_not(name: str) -> None:
    space = Workspace(State(data=name), Given())
    offered = space.data.offered
    for output in OUTPUTS:
        for loss in losses.NAMED:
            state = State(data=name, output=output, loss=loss)
            if loss in offered.get(output, []):
                Workspace(state, Given())
            else:
                with pytest.raises(InputError):
                    Workspace(state, Given())


def points(picture: str) -> list[tuple[float, float]]:
    found = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', picture)
    return [(float(x), float(y)) for x, y in found]


def test_the_curve_and_its_samples_are_in_one_scale() -> None:
    def truth(X: Any) -> Any:
        return np.sin(5 * X)

    data = datasets.named("wave")
    data = dataclasses.replace(data, Y_test=truth(data.X_test))
    picture = predictions.picture(data, truth)
    (line,) = re.findall(r'<polyline points="([^"]+)"', picture)
    curve = np.array([[float(v) for v in point.split(",")] for point in line.split()])
    places = np.array(points(picture))
    assert len(places) == len(data.X_test)
    np.testing.assert_allclose(np.interp(places[:, 0], *curve.T), places[:, 1], atol=0.5)
    assert places[data.Y_test[:, 0].argmax(), 1] == places[:, 1].min()  # up is more
    assert places[data.X_test[:, 0].argmax(), 0] == places[:, 0].max()


def test_predicted_against_true_in_the_units_of_the_table() -> None:
    space = Workspace(State(data="table", target="width"), Given(TABLE, "t.csv"))
    data = space.data
    right = predictions._against_truth(data, data.Y_test)
    assert all(abs(x + y - 300) < 0.2 for x, y in points(right))  # on the diagonal
    assert ">1<" in right  # of the target's own unit


def pixels(picture: str) -> Any:
    from PIL import Image

    (data,) = re.findall(r'href="data:image/png;base64,([^"]+)"', picture)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), float)


def test_a_region_has_its_points_and_its_colours_in_the_same_places() -> None:
    data = datasets.named("moons")

    def upper_right(X: Any) -> Any:
        return ((X[:, :1] > 0.3) & (X[:, 1:] > 0.2)).astype(float)

    data = dataclasses.replace(data, Y_test=upper_right(data.X_test))
    picture = predictions.picture(data, upper_right)
    image = pixels(picture)
    blue = image[..., 2] > image[..., 0]
    places = (np.array(points(picture)) / 300 * len(image)).astype(int)
    colours = re.findall(r'fill="(#[0-9a-f]{6})" stroke="#fff"', picture)
    agree = [
        blue[y, x] == (colour == predictions.COLOURS[1])
        for (x, y), colour in zip(places, colours, strict=True)
    ]
    assert np.mean(agree) > 0.95  # but at the border
    assert blue[0, -1]
    assert not blue[-1, -1]
    assert not blue[0, 0]


def test_the_score_is_that_of_the_test_samples() -> None:
    data = datasets.named("blobs")
    outputs = data.Y_test.copy()
    outputs[:10] = outputs[:10][:, [1, 2, 0]]  # ten wrong
    assert predictions.score(data, outputs) == "90.0% of 100 test samples right"
    wave = datasets.named("wave")
    assert "error 0.5 on 100" in predictions.score(wave, wave.Y_test + 0.5)


def test_a_confusion_has_true_classes_in_rows() -> None:
    data = datasets.named("digits")
    outputs = data.Y_test.copy()
    threes = np.flatnonzero(data.labels(data.Y_test) == 3)
    outputs[threes] = np.eye(10)[8]  # all taken for an eight
    picture = predictions.picture(data, lambda X: outputs)
    side = 25.0
    x, y = 40 + 8.5 * side, 10 + 3.5 * side + 4
    assert f'x="{x:g}" y="{y:g}"' in picture
    assert re.search(rf'x="{x:g}" y="{y:g}"[^>]*>{len(threes)}<', picture)


def test_another_target_is_another_data_set() -> None:
    space = Workspace(State(data="table", target="kind"), Given(TABLE, "t.csv"))
    space.change(target="width")
    assert not space.data.classes
    space.change(target="colour")
    assert space.data.classes == ("blue", "green", "red")


def test_an_upload_leaves_no_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = opened(State(data="xor")).saved()
    uploads.network(content, "m")
    with pytest.raises(cr.ChainruleError):
        uploads.network(content[:50], "m")
    assert list(tmp_path.iterdir()) == []
