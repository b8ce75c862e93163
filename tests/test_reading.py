"""Files of tables: every format comes back the same, and what is wrong is named."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.tables.reading import Wishes, lines, names_in, open_table, places, read
from chainrule.tables.reading.csv import Csv
from chainrule.tables.reading.dates import found_out

FRAME = pl.DataFrame(
    {
        "n": [1, 2, None],
        "x": [0.5, None, -3e5],
        "class": ["a", 'q"q', "ä, ö"],
        "two\nlines": [True, None, False],
        "day": [date(2024, 1, 31), None, date(1969, 7, 20)],
    }
)


def packed(content: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(content)
    if how == "zstd":
        file = io.BytesIO()
        names = content.split(b"\n", 1)[0].decode()
        frame = pl.read_csv(content, separator="\1", quote_char=None, infer_schema=False)
        frame.write_csv(file, separator="\1", quote_style="never")
        assert file.getvalue() == content, names
        packed = io.BytesIO()
        pl.LazyFrame(frame).sink_csv(
            packed, separator="\1", quote_style="never", compression="zstd"
        )
        return packed.getvalue()
    return content


def written(how: str, folder: Path, frame: pl.DataFrame = FRAME) -> Path:
    path = folder / f"t.{how}"
    match how:
        case "csv" | "csv.gz" | "csv.zst" | "tsv":
            text = frame.write_csv(separator="\t" if how == "tsv" else ",").encode()
            path.write_bytes(packed(text, {"gz": "gzip", "zst": "zstd"}.get(how[4:], "")))
        case "parquet":
            frame.write_parquet(path)
        case "arrow":
            frame.write_ipc(path)
        case "stream.arrow":
            frame.write_ipc_stream(path)
        case "jsonl":
            frame.write_ndjson(path)
        case "json":
            frame.write_json(path)
        case "xlsx":
            frame.write_excel(path)
    return path


FORMATS = (
    "csv", "csv.gz", "csv.zst", "tsv", "parquet", "arrow", "stream.arrow", "jsonl", "json", "xlsx",
)  # fmt: skip


@pytest.mark.parametrize("how", FORMATS)
def test_every_format_gives_the_same_table(how: str, tmp_path: Path) -> None:
    table = open_table(written(how, tmp_path))
    assert table.names == tuple(FRAME.columns)
    found, _ = table.read()
    # Excel has one type for numbers, and one for dates
    assert found.cast({"n": pl.Int64, "day": pl.Date}).rows() == FRAME.rows()
    assert table.read(["day", "n"])[0].columns == ["day", "n"]


@pytest.mark.parametrize("how", FORMATS)
def test_formats_are_known_by_their_content(how: str, tmp_path: Path) -> None:
    path = written(how, tmp_path).rename(tmp_path / "nameless")
    assert open_table(path, "excel" if how == "xlsx" else None).names == tuple(FRAME.columns)


@pytest.mark.parametrize("how", ["parquet", "csv"])
def test_only_the_columns_asked_for_are_read(how: str, tmp_path: Path) -> None:
    part = open_table(written(how, tmp_path)).parts[0]
    plan = part.scan(b"1,2,3,4,5\n", ["x"], {}) if isinstance(part, Csv) else part.scan(["x"])  # type: ignore[union-attr]
    assert "PROJECT 1/5 COLUMNS" in plan.explain()


def test_a_damaged_column_that_is_not_needed_does_no_harm(tmp_path: Path) -> None:
    n = 20_000
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    path = tmp_path / "t.parquet"
    frame.write_parquet(path)
    content = bytearray(path.read_bytes())
    content[1000:60_000] = bytes(59_000)
    path.write_bytes(content)
    assert read_columns(path, ["b"])["b"].equals(frame["b"])
    with pytest.raises(cr.FileFormatError, match="not a whole Parquet file"):
        read(path)


def read_columns(path: Path, columns: list[str], **more: Any) -> pl.DataFrame:
    return open_table(path).read(columns, **more)[0]


def test_files_and_patterns_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("b,a\ny,2.5\n")
    for names in ([tmp_path / "1.csv", tmp_path / "2.csv"], str(tmp_path / "*.csv")):
        assert read(names).rows() == [(1.0, "x"), (2.5, "y")]
    (tmp_path / "3.csv").write_text("a,B\n1,x\n")
    with pytest.raises(cr.InputError, match=r"3\.csv has not .* lacks 'b' and has also 'B'"):
        read(str(tmp_path / "*.csv"))
    with pytest.raises(cr.InputError, match="no file matches"):
        read(str(tmp_path / "*.parquet"))
    written("parquet", tmp_path, pl.DataFrame({"a": [1], "b": ["z"]}))
    with pytest.raises(cr.InputError, match="different formats"):
        read([tmp_path / "1.csv", tmp_path / "t.parquet"])


def test_parquet_files_of_other_types_are_one_table(tmp_path: Path) -> None:
    paths = [tmp_path / "1.parquet", tmp_path / "2.parquet", tmp_path / "3.parquet"]
    for path, values in zip(paths, ([1, 2], [0.5, None], [None, None]), strict=True):
        pl.DataFrame({"a": values}).write_parquet(path)
    assert read(paths)["a"].to_list() == [1, 2, 0.5, None, None, None]
    pl.DataFrame({"a": ["x"]}).write_parquet(paths[1])
    assert read(paths)["a"].to_list() == ["1", "2", "x", None, None]


def test_a_name_with_a_star_in_it_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a[1].csv"
    path.write_text("a\n1\n")
    assert read(path).rows() == [(1,)]


@pytest.mark.parametrize("how", ["csv", "csv.gz", "parquet", "jsonl"])
def test_standard_input_and_pipes(how: str, tmp_path: Path) -> None:
    code = (
        "from chainrule.tables import open_table\n"
        "table = open_table('-')\n"
        "print(table.names[0], table.read()[0].height, table.name)"
    )
    content = written(how, tmp_path).read_bytes()
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True)
    assert done.stdout == b"n 3 standard input\n", done.stderr
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", tmp_path / f"t.{how}", pipe]):
        assert read(pipe).height == 3


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [(1, 2)]),
        ("a,b\nä,2\n".encode("utf-16"), [("ä", 2)]),
        (b"\xfe\xff" + "a,b\nä,2\n".encode("utf-16-be"), [("ä", 2)]),
        (b"a,b\r1,2\r3,4\r", [(1, 2), (3, 4)]),
        (b"a;b\n1,5;x\n-,5;y\n", [(1.5, "x"), (-0.5, "y")]),
        (b"a;b\n1,5;1.000,5\n2;3\n", [(1.5, "1.000,5"), (2.0, "3")]),
        (b'a,b\n5" pipe,1\n6",2\n', [('5" pipe', 1), ('6"', 2)]),
        (b'a,b\n5" pipe,1\n6,2\n', [('5" pipe', 1), ("6", 2)]),
        (b'a,b\n"5"" pipe",1\n', [('5" pipe', 1)]),
        (b'a,b\n"x,y",1\nz,2', [("x,y", 1), ("z", 2)]),
        (b"a,b\n 1 ,2\n NA ,3\n", [(1, 2), (None, 3)]),
        (b"a\n1\n\n2\n", [(1,), (2,)]),
        (b"a\n1e400\n2\n", [(np.inf,), (2.0,)]),
        (b"a,b\n1,2\n3,4\n\n\n", [(1, 2), (3, 4)]),
        (b'"a,1";b\n1;2\n', [(1, 2)]),
        (b",b\n1,2\n", [(1, 2)]),
    ],
)
def test_what_spreadsheets_and_databases_write(
    content: bytes, rows: list[tuple[object, ...]], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert read(path).rows() == rows


def test_a_column_without_a_name_is_called_after_its_place(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",b\n0,5\n1,6\n")
    table = open_table(tmp_path / "t.csv")
    assert table.names == ("column 1", "b")
    assert "it is called 'column 1'" in table.notes[0]
    (tmp_path / "t.csv").write_text("a,b\n0,5\n1,6\n")
    assert open_table(tmp_path / "t.csv").notes == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.parquet", b"PAR1 and no more", "not a whole Parquet file"),
        ("t.parquet", b"a,b\n1,2\n", "does not begin as a whole Parquet file"),
        ("t.arrow", b"ARROW1 and no more", "not a whole Arrow file"),
        ("t.parquet", b"", "is empty"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 9999)[:-20], "cannot be read to its end"),
        ("t.csv", b"\x1f\x8b damaged", "cannot be read to its end"),
        ("t.csv", b"BZh91AY", "compressed by bzip2"),
        ("t.csv", b'a,b\n1,"2\n3,4\n', "line 2 of .*quote that is not closed"),
        ("t.csv", b'a,b\n"x\ny",1\n1,"2\n3,4\n', "line 4 of .*quote that is not closed"),
        ("t.csv", b"a,b\n1,2,3\n4\n", "line 2 of .* has 3 fields"),
        ("t.csv", b'a,b\n"x,y",2\n4\n', "line 3 of .* has 1 field,"),
        ("t.csv", b"\xff\xfea", "not whole text in UTF-16|is empty"),
        ("t.csv", b"a\0b\0", "not text in UTF-8"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', r"line 2 of .*t\.jsonl is no JSON object"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', r"line 2 of .*t\.jsonl is no JSON object"),
        ("t.jsonl", b"a,b\n1,2\n", "does not begin with {"),
        ("t.jsonl", b"", "is empty"),
        ("t.json", b'[{"a": 1}', "cannot be read as JSON"),
        ("t.xlsx", b"PK\3\4 and no more", "cannot be read as an Excel file"),
        ("t.docx", b"PK\3\4 and no more", "an office document"),
    ],
)
def test_a_file_that_is_no_table_says_why(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((cr.InputError, cr.FileFormatError), match=words) as found:
        read(path)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("how", ["csv.zst", "parquet", "arrow"])
def test_a_truncated_file_is_never_taken_for_a_shorter_one(how: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=30_000), "b": rng.normal(size=30_000)})
    path = written(how, tmp_path, frame)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(cr.FileFormatError, match=r"truncated|cut off"):
            read(path)


def test_reading_excel_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("xlsx", tmp_path)
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(cr.MissingExtraError, match=r"pip install 'chainrule\[excel\]'"):
        read(path)


def test_an_unknown_format_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(cr.InputError, match="did you mean 'parquet'"):
        open_table(tmp_path / "t.csv", "parket")
    assert open_table(tmp_path / "t.csv", "TSV").names == ("a",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    path.chmod(0)
    with pytest.raises(cr.InputError, match="no permission to read"):
        read(path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 64)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("early", "late", "found"),
    [
        ("1", "2.5", [1.0, 2.5]),
        ("1", "x", ["1", "x"]),
        ("007", "x", ["007", "x"]),
        ("1.50", "x", ["1.50", "x"]),
        ("true", "false", [True, False]),
        ("true", "1", ["true", "1"]),
        ("2024-01-31", "2024-01-31 12:00", [datetime(2024, 1, 31), datetime(2024, 1, 31, 12)]),
        ("2024-01-31", "soon", ["2024-01-31", "soon"]),
        ("", "x", [None, "x"]),
        ("NA", "1", [None, 1]),
        ("x", "1", ["x", "1"]),
    ],
)
def test_a_column_is_what_all_of_its_rows_are(
    early: str, late: str, found: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + f"{early},y\n" * 400 + f"{late},z\n")
    frame = read(path)
    assert frame["a"].to_list() == [found[0]] * 400 + [found[1]]
    assert frame["b"].to_list() == ["y"] * 400 + ["z"]


@pytest.mark.usefixtures("small_blocks")
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 400)
    frames = open_table(path).batches({"a": "number"})
    next(frames)
    with open(path, "a") as file:
        file.write("3,4\n")
    with pytest.raises(cr.FileFormatError, match="changed while it was read"):
        list(frames)


@pytest.mark.parametrize("how", ["csv", "parquet"])
def test_a_file_whose_name_goes_away_is_read_to_its_end(how: str, tmp_path: Path) -> None:
    table = open_table(written(how, tmp_path))
    (tmp_path / f"t.{how}").unlink()
    assert table.read()[0].height == 3


def test_a_parquet_file_cut_off_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainrule.tables.reading.columnar._VALUES_AT_ONCE", 1)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": np.random.default_rng(0).normal(size=50_000)}).write_parquet(path)
    frames = open_table(path).batches({"a": "number"})
    next(frames)
    os.truncate(path, 1000)
    with pytest.raises(cr.FileFormatError, match="changed while it was read"):
        list(frames)


def test_what_the_user_says_of_columns_comes_first(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n,c,d,id\n1,007,31/12/2024,x\nunknown,8,01/02/2024,y\n")
    wishes = Wishes(numeric=("n",), categorical=("c",), datetime={"d": ""}, drop=("id",))
    said: list[str] = []
    frame, settled = open_table(tmp_path / "t.csv").read(wishes=wishes, tell=said.append)
    assert frame.rows() == [(1.0, "007", datetime(2024, 12, 31)), (None, "8", datetime(2024, 2, 1))]
    assert frame["c"].dtype == pl.Categorical
    assert said == [
        "1 of 2 values of n are no numbers, the first is 'unknown' in row 2: taken as missing"
    ]
    assert settled.datetime == {"d": "%d/%m/%Y"}
    assert Wishes.from_json(json.loads(json.dumps(settled.to_json()))).datetime == settled.datetime
    kinds = {"n": "number", "c": "category", "d": "date"}
    ((batch, kept),) = open_table(tmp_path / "t.csv").batches(kinds, settled, ["c", "id"])
    assert batch.rows() == frame.rows()
    assert kept.rows() == [("007", "x"), ("8", "y")]


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (Wishes(numeric=("agee",)), "--numeric agee: .* did you mean 'age'"),
        (Wishes(numeric=("age",), drop=("age",)), "cannot be both --numeric and --drop"),
        (Wishes(datetime={"age": ""}), "--datetime age: dates such as 'old' are not known"),
        (Wishes(datetime={"day": ""}), "may be read as"),
        (Wishes(drop=("age", "day")), "every column is dropped"),
    ],
)
def test_wishes_that_cannot_be_met(wishes: Wishes, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("age,day\nold,01/02/2024\n")
    with pytest.raises(cr.InputError, match=words):
        open_table(tmp_path / "t.csv").read(wishes=wishes)


@pytest.mark.parametrize(
    ("values", "way"),
    [
        (["2024-01-31", None], "ISO 8601"),
        (["01/31/2024", "02/01/2024"], "%m/%d/%Y"),
        (["31.01.2024 13:45"], "%d.%m.%Y %H:%M"),
        (["20240131"], "%Y%m%d"),
        ([20240131.0, None], "%Y%m%d"),
        ([1706659200, 0], "seconds"),
        ([1706659200123], "milliseconds"),
        (["1706659200"], "seconds"),
        (["Jan 2024"], "%b %Y"),
        (["05/05/2024"], "%d/%m/%Y"),
        ([None], "ISO 8601"),
    ],
)
def test_how_dates_are_written_is_found_out(values: list[Any], way: str) -> None:
    assert found_out(pl.Series("d", values)) == way


def test_names_with_commas_are_quoted() -> None:
    assert names_in('a, "b, c",') == ("a", "b, c")
    assert names_in(None) == ()


TEXT = st.text(st.sampled_from('ab1."\n,;ä '), max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=30), st.integers(8, 200))
def test_any_text_comes_back(rows: list[tuple[str, ...]], size: int) -> None:
    """As Python's own reader has it, wherever the blocks of the file end."""
    content = pl.DataFrame(rows, orient="row", schema=["a", "b", "c"]).write_csv().encode()
    before, lines.BLOCK = lines.BLOCK, size
    try:
        part = Csv.open(places.of_content("t", content))
        found = pl.concat(part.frames(["c", "a"])).rows()
    finally:
        lines.BLOCK = before
    assert [tuple(v or "" for v in row) for row in found] == [(c, a) for a, _, c in rows]


def test_ten_thousand_columns(tmp_path: Path) -> None:
    n = 10_000
    header = ",".join(f"c{i}" for i in range(n))
    row = ",".join(str(i % 7) for i in range(n))
    path = tmp_path / "wide.csv"
    path.write_text("\n".join([header, *[row] * 30]) + "\n")
    assert read(path).shape == (30, n)
    assert read_columns(path, ["c9999", "c5"]).row(29) == (9999 % 7, 5)
