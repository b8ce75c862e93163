"""A model file that somebody changed: no crash, no hang, no execution, one clear sentence."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import tables
from chainrule.cli import main
from tests import saved_tables

CASES = int(os.environ.get("CHAINRULE_FUZZ", "300"))
"""How many files each test of chance tries; a day's worth is tried by hand."""


NAMES = ("network", "number", "two classes", "three classes", "checkpoint")


class Files(dict[str, bytes]):
    """Contents by name; hypothesis prints what it is given."""

    def __repr__(self) -> str:
        return "<files>"


@pytest.fixture(scope="module")
def originals() -> Files:
    """The bytes of a plain network, of models of tables, and of a checkpoint."""
    found = Files()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        cr.Network([4, 3, 2], ["leaky_relu(0.2)"], loss="huber(2)").save(path)
        found["network"] = path.read_bytes()
        for kind in ("number", "two classes", "three classes"):
            net, preprocessing = saved_tables.trained(kind)
            tables.save(path, net, preprocessing)
            found[kind] = path.read_bytes()
        path.unlink()
        train(path)
        found["checkpoint"] = path.read_bytes()
    return found


def train(path: Path, resume: bool = False) -> None:
    net = cr.Network([3, 4, 1])
    X = np.eye(3, dtype=np.float32)
    net.fit(X, X[:, :1], epochs=3, checkpoint=path, resume=resume, early_stopping=3)


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the data of a safetensors file."""
    (n,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + n]), content[8 + n :]


def joined(header: Any, data: bytes) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode(errors="replace")
    return struct.pack("<Q", len(text)) + text + data


def described(content: bytes, change: Callable[[Any], Any]) -> bytes:
    """Return the file with its description changed."""
    header, data = parts(content)
    description = change(json.loads(header["__metadata__"]["chainrule"]))
    text = description if isinstance(description, str) else json.dumps(description)
    header["__metadata__"]["chainrule"] = text
    return joined(header, data)


def use(content: bytes, name: str) -> str:
    """Do with a file what one does; return what was wrong with it, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        path.write_bytes(content)
        try:
            if name == "checkpoint":
                train(path, resume=True)
                return ""
            net, preprocessing = tables.load(path)
            assert np.isfinite(net.parameters).all()
            if preprocessing is None:
                net.predict(np.ones((2, net.layer_sizes[0]), np.float32))
            else:
                rows = saved_tables.frame("number", 20)
                outputs = net.predict(preprocessing.encode(rows)[0])
                preprocessing.target.decode(outputs)
        except cr.ChainruleError as error:
            return str(error) or "nothing was said"
    return ""


# What may stand anywhere in a description instead of what is there.
JUNK: list[Any] = [
    None, True, -1, 0, 1.5, 10**30, 1e308, -1e-320, math.nan, math.inf, "", "x", "9" * 5000, "\0",
    [], {}, [[]], [None], ["x"], {"x": 1}, [1] * 100, "category", "number", "__import__('os')",
    "relu(1)", "\ud800",
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Return every place in nested lists and dicts, as a container and a key."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield value, key
        yield from places(value[key])


def spoil(value: Any, chance: random.Random) -> None:
    """Change one place of nested lists and dicts."""
    everywhere = list(places(value))
    container, key = chance.choice(everywhere)
    what = chance.randrange(5)
    if what == 0:
        del container[key]
    elif what == 1 and isinstance(container, list):
        container.append(copy.deepcopy(container[key]))
    elif what == 2:
        other, place = chance.choice(everywhere)
        container[key] = copy.deepcopy(other[place]) if other is not container else None
    else:
        container[key] = copy.deepcopy(chance.choice(JUNK))


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), name=st.sampled_from(NAMES))
def test_changed_descriptions(originals: Files, seed: int, name: str) -> None:
    chance = random.Random(seed)

    def change(description: Any) -> Any:
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            if list(places(description)):
                spoil(description, chance)
        return description

    use(described(originals[name], change), name)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), name=st.sampled_from(NAMES))
def test_changed_headers(originals: Files, seed: int, name: str) -> None:
    chance = random.Random(seed)
    header, rest = parts(originals[name])
    spoil(header, chance)
    use(joined(header, rest), name)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), name=st.sampled_from(NAMES))
def test_changed_bytes(originals: Files, seed: int, name: str) -> None:
    chance = random.Random(seed)
    content = bytearray(originals[name])
    (n,) = struct.unpack("<Q", content[:8])
    for _ in range(chance.choice([1, 1, 3, 20])):
        # as often in the header as in the numbers
        place = chance.randrange(chance.choice([8, 8 + n, len(content)]))
        what = chance.randrange(4)
        if what == 0:
            content[place] ^= 1 << chance.randrange(8)
        elif what == 1:
            content[place] = chance.randrange(256)
        elif what == 2:
            content[place : place + chance.randrange(9)] = b""
        else:
            content[place:place] = chance.randbytes(chance.randrange(9))
        if len(content) < 9:
            break
    use(bytes(content), name)


def test_what_is_not_changed_is_read(originals: Files) -> None:
    for name, content in originals.items():
        assert use(described(content, lambda description: description), name) == ""


def test_truncated_anywhere(originals: Files) -> None:
    for name in ("network", "three classes"):
        content = originals[name]
        for length in range(0, len(content), max(1, len(content) // 60)):
            assert "not a whole safetensors file" in use(content[:length], name)
        assert "not a whole safetensors file" in use(content + b"\0", name)


def header_with(content: bytes, entry: str, **changes: Any) -> bytes:
    header, data = parts(content)
    header[entry].update(changes)
    return joined(header, data)


def test_headers_that_claim_too_much(originals: Files) -> None:
    content = originals["network"]
    header, data = parts(content)
    same = header["0.weight"]["data_offsets"]
    deep = json.dumps(header)[:-1] + ',"deep":' + "[" * 100_000 + "]" * 100_000 + "}"
    twice = json.dumps(header)[:-1] + ',"0.weight":' + json.dumps(header["2.weight"]) + "}"
    for damaged in (
        struct.pack("<Q", 2**62) + content[8:],
        struct.pack("<Q", 10**8 - 1) + content[8:],
        header_with(content, "0.weight", shape=[2**40, 2**40]),
        header_with(content, "0.weight", shape=[2**63, 4]),
        header_with(content, "2.weight", data_offsets=same),
        header_with(content, "0.weight", dtype="F64"),
        joined(deep, data),
        joined(twice, data),
    ):
        assert "m.safetensors" in use(damaged, "network")


@pytest.mark.parametrize(
    "dtype", ["BF16", "F16", "F8_E4M3", "F8_E8M0", "I32", "C64", "U16", "BOOL"]
)
def test_numbers_of_another_type(dtype: str) -> None:
    size = {"C64": 8, "I32": 4, "BF16": 2, "F16": 2, "U16": 2}.get(dtype, 1)
    net = cr.Network([4, 3], bias=False)
    with tempfile.TemporaryDirectory() as folder:
        net.save(path := Path(folder) / "m.safetensors")
        header, _ = parts(path.read_bytes())
    header["0.weight"].update(dtype=dtype, data_offsets=[0, 12 * size])
    assert "m.safetensors" in use(joined(header, bytes(12 * size)), "network")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(originals: Files, value: float, tmp_path: Path) -> None:
    header, data = parts(originals["network"])
    numbers = np.frombuffer(data, np.float32).copy()
    numbers[3] = value
    damaged = joined(header, numbers.tobytes())
    assert "weights that are not finite" in use(damaged, "network")
    net = cr.Network([2, 1])
    net.weights[0][...] = value
    with pytest.raises(cr.InputError, match="not finite"):
        net.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_architectures_that_claim_too_much(originals: Files) -> None:
    def of(**changes: Any) -> bytes:
        def change(description: Any) -> Any:
            description["architecture"].update(changes)
            return description

        return described(originals["network"], change)

    for damaged in (
        of(layer_sizes=[10**9, 10**9, 10**9]),
        of(layer_sizes=[4] * 10**6, activations=["relu"] * (10**6 - 1)),
        of(layer_sizes=[]),
        of(loss="huber(1e999)"),
        of(activations=["leaky_relu(" + "9" * 5000 + ")", "identity"]),
        described(originals["network"], lambda _: "[" * 200_000 + "]" * 200_000),
        described(originals["network"], lambda _: "9" * 10_000),
    ):
        assert "m.safetensors" in use(damaged, "network")


def test_a_newer_version_says_so(originals: Files) -> None:
    def change(description: Any) -> Any:
        return {**description, "format_version": 99, "kind": "something new"}

    for name in ("network", "three classes", "checkpoint"):
        assert "written by a newer chainrule" in use(described(originals[name], change), name)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("columns", 0, "scales"), [0.0]),
        (("columns", 0, "median"), "x"),
        (("columns", 0, "kind"), "picture"),
        (("columns", 0, "knots"), [3, 2, 1]),
        (("columns", 0, "name"), "label"),
        (("columns", 2, "categories"), ["a", "a"]),
        (("target", "scale"), -1.0),
        (("target", "task"), "ranking"),
        (("target", "low"), "x"),
        (("target", "classes"), [1, 2, 3]),
        (("scores",), {"rows": 3}),
        (("left_out",), 3),
    ],
    ids=str,
)
def test_a_changed_preprocessing_is_refused_on_the_command_line(
    originals: Files, place: tuple[Any, ...], value: Any, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def change(description: Any) -> Any:
        at = description["extra"]["table"]
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = value
        return description

    path = tmp_path / "m.safetensors"
    path.write_bytes(described(originals["number"], change))
    for command in (["info", str(path)], ["export", str(path), "--python", str(tmp_path / "m.py")]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said.startswith("error:")
        assert said.count("\n") == 1
    assert not (tmp_path / "m.py").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of Unix")
def test_memory_is_bounded_by_the_file(originals: Files) -> None:
    """A header of 50 MB, and a file that is mostly a hole."""
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    blank = struct.pack("<Q", 50_000_000) + b"{" + b" " * 49_999_998 + b"}"
    before = peak()
    assert "not" in use(blank, "network")
    assert "m.safetensors" in use(
        header_with(originals["network"], "0.weight", shape=[10**6, 10**6]), "network"
    )
    assert peak() - before < 300_000  # kilobytes
