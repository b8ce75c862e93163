"""`chainrule export`: a saved model as other people's tools take it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainrule.cli.console import require_writable, say, warn
from chainrule.errors import InputError, listing

if TYPE_CHECKING:
    from collections.abc import Collection

    from chainrule.interchange.models import Model, Table
    from chainrule.interchange.verifying import Verification
    from chainrule.tables import Preprocessing


def export(
    model: Annotated[Path, typer.Argument(help="A file that chainrule saved.")],
    onnx: Annotated[
        Path | None, typer.Option(help="An ONNX model: m.onnx. Raw columns in, an answer out.")
    ] = None,
    c: Annotated[
        Path | None,
        typer.Option("--c", help="One C99 file: m.c, with its header m.h and a test m_test.c."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="One Python file that needs NumPy only: m.py.")
    ] = None,
    torch: Annotated[
        Path | None,
        typer.Option(help="The state of a torch.nn.Sequential: m.safetensors. The network alone."),
    ] = None,
    sklearn: Annotated[
        Path | None,
        typer.Option(help="A pickled scikit-learn estimator: m.pkl. The network alone."),
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="The network alone, without what reads the table.")
    ] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="With --c: weights of 8 bits, a quarter of the memory.")
    ] = False,
) -> None:
    """Write a model for ONNX Runtime, C, NumPy, PyTorch or scikit-learn, and compare with it."""
    asked = {"onnx": onnx, "c": c, "python": python, "torch": torch, "sklearn": sklearn}
    outputs = {kind: path for kind, path in asked.items() if path is not None}
    if not outputs:
        raise InputError(
            f"name what to write: chainrule export {model} --onnx m.onnx, or --c m.c, --python "
            "m.py, --torch m.safetensors, --sklearn m.pkl"
        )
    if int8 and c is None:
        raise InputError("--int8 goes with --c: chainrule export MODEL --c m.c --int8")
    for path in outputs.values():
        require_writable(path, [model])
    if len({path.resolve() for path in outputs.values()}) < len(outputs):
        raise InputError("two of the files to write have one name: give each its own")
    from chainrule import tables
    from chainrule.tables.exporting import as_model

    net, preprocessing = tables.load(model)
    exported = as_model(net, None if bare else preprocessing)
    for kind, path in outputs.items():
        verification = _write(kind, path, exported, int8, net.feature_names)
        say(f"{path}: {verification}")
        if kind in ("torch", "sklearn") and preprocessing is not None and not bare:
            warn(_network_alone(path, preprocessing))
        if kind == "sklearn":
            warn(f"{path} is a pickle, which runs what is in it: load it only where you trust it")
    if exported.table is not None:
        _say_columns(exported.table, outputs)


def _write(
    kind: str, path: Path, model: Model, int8: bool, names: tuple[str, ...] | None
) -> Verification:
    if kind == "onnx":
        from chainrule.interchange.onnx import writing as onnx

        return onnx.write(path, model)
    if kind == "c":
        from chainrule.interchange.c import writing as c

        return c.write(path, model, int8)
    if kind == "python":
        from chainrule.interchange.python import writing as python

        return python.write(path, model)
    if kind == "torch":
        from chainrule.interchange.torch import writing as torch

        return torch.write(path, model)
    from chainrule.interchange import sklearn

    return sklearn.write(path, model, names)


def _network_alone(path: Path, preprocessing: Preprocessing) -> str:
    target = preprocessing.target
    n = len(preprocessing.inputs)
    said = f"{path} is the network alone: its {n} inputs are what chainrule makes of the columns"
    if target.is_classification:
        return said
    return f"{said}, its output is ({target.name} - {target.mean:.6g}) / {target.scale:.6g}"


def _say_columns(table: Table, outputs: Collection[str]) -> None:
    """Say what a user of the files must know of their columns."""
    from chainrule.interchange.naming import identifiers
    from chainrule.interchange.onnx.pipeline import input_names

    if "onnx" not in outputs and "c" not in outputs:
        return
    names = [column.name for column in table.columns]
    if dates := [column.name for column in table.numbers if column.is_date]:
        say(f"in ONNX and C, dates are days since 1970-01-01: {listing(dates)}")
    for kind, tool, changed in (
        ("onnx", "ONNX", list(input_names(table).values())),
        ("c", "C", identifiers(names)),
    ):
        different = [
            f"{name!r} is {new}" for name, new in zip(names, changed, strict=True) if name != new
        ]
        if kind in outputs and different:
            say(f"in {tool}, columns have other names: {listing(different, most=8)}")
