"""A module imports only from floors below its own; design.md's table, enforced."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "chainrule"

FLOORS = [
    {"errors"},
    {"notation", "numerics", "naming"},
    {"notebook"},
    {
        "activations",
        "losses",
        "initializers",
        "optimizers",
        "schedules",
        "counting",
        "parameters",
        "storage",
        "arraylike",
    },
    {"architecture", "cost", "equations", "_core"},
    {"tangents"},
    {"engines"},
    {"batches"},
    {"tracing"},
    {"plots"},  # a history hands on to it
    {"history", "callbacks"},
    {"training", "proof", "files", "interchange"},
    {"network", "checks"},
    {"loading", "together", "diagnosis"},
    {"estimators", "forms"},
    {"tables"},
    {"benchmarks", "studio"},
    {"cli"},
    {"__init__"},
]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py").removesuffix(".pyi")


def floor_of(room: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def imported_rooms(path: Path) -> set[str]:
    """Every room of chainrule that a file imports anything from, wherever the import stands."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute here"
            if node.module == "chainrule":
                names = [f"chainrule.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("chainrule.")}
    # the package's own version is no room
    return rooms - {"__version__"}


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_come_from_lower_floors(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for imported in imported_rooms(path) - {room}:
        assert floor_of(imported) < floor_of(room), f"{room} must not import {imported}"


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in FILES}
    assert rooms <= set().union(*FLOORS)


def test_the_check_sees_an_import_from_above(tmp_path: Path) -> None:
    file = tmp_path / "losses.py"
    file.write_text(
        "def f():\n    from chainrule.network import Network\n    import chainrule.cli\n"
    )
    assert imported_rooms(file) == {"network", "cli"}


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_chainrule_imports_nothing_heavy() -> None:
    heavy = ("sklearn", "polars", "typer", "rich", "scipy", "sympy", "pandas", "matplotlib")
    code = (
        "import sys, chainrule; net = chainrule.Network([2, 1]); chainrule.trace\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_every_public_name_exists() -> None:
    code = "import chainrule\nfor name in chainrule.__all__: getattr(chainrule, name)"
    assert run(code) == ""
