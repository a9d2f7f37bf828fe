"""The house's rules about imports, read from the source: who may know whom, and which package lives where."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import projrun
from projrun.core.values import Struct

PACKAGE = Path(projrun.__file__).resolve().parent
STAGES = ("spec", "source", "environment", "data", "execution", "recipe", "store", "verdict")
# Each of these is heavy or strange enough to be known to one module only.
ONE_MODULE_EACH = ("yaml", "jsonschema", "git", "docker", "pandas", "pyarrow", "cyclonedx", "fsspec")
# What `projrun --help` and a run in a ready environment must not pay for.
LATE = (
    *("yaml", "jsonschema", "git", "docker", "pandas", "pyarrow", "rich", "packaging", "platformdirs"),
    *("cyclonedx", "packageurl", "tomli_w", "requests", "fsspec"),
)
SLOW_TO_START = ("difflib", "asyncio", "concurrent.futures", "urllib.request", "http", "email", "ssl")


class Import(Struct, frozen=True):
    """One imported name. ``runtime`` is False below ``if TYPE_CHECKING``; ``late`` means inside a function."""

    importer: str
    name: str
    line: int
    late: bool
    runtime: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


class Reader(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, module: str, is_package: bool, modules: frozenset[str]) -> None:
        self.module, self.is_package, self.modules = module, is_package, modules
        self.found: list[Import] = []
        self._depth = 0
        self._runtime = True

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self.module.split(".")
            parts = parts[: len(parts) - node.level + (1 if self.is_package else 0)]
            base = ".".join([*parts, base] if base else parts)
        for alias in node.names:
            full = f"{base}.{alias.name}"
            self._add(full if full in self.modules else base, node.lineno)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._below(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._below(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._below(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
            return
        before, self._runtime = self._runtime, False
        for statement in node.body:
            self.visit(statement)
        self._runtime = before
        for statement in node.orelse:
            self.visit(statement)

    def visit_Call(self, node: ast.Call) -> None:
        """``import_module("a.b")`` and ``__import__("a.b")`` are imports too."""
        function = ast.unparse(node.func)
        literal = node.args[0] if node.args else None
        if function in ("__import__", "import_module", "importlib.import_module") and isinstance(
            literal, ast.Constant
        ):
            self._add(str(literal.value), node.lineno)
        self.generic_visit(node)

    def _below(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def _add(self, name: str, line: int) -> None:
        self.found.append(Import(self.module, name, line, late=self._depth > 0, runtime=self._runtime))


def modules_below(package: Path) -> dict[str, Path]:
    """Every module by its dotted name; a package by the name of its folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(modules: dict[str, Path]) -> tuple[Import, ...]:
    found: list[Import] = []
    for name, path in modules.items():
        reader = Reader(name, path.name == "__init__.py", frozenset(modules))
        reader.visit(ast.parse(path.read_text(), str(path)))
        found += reader.found
    return tuple(found)


MODULES = modules_below(PACKAGE)
IMPORTS = imports_of(MODULES)


def layer(module: str) -> str:
    """``core``, a stage, ``api``, ``cli``, or ``flow``: the modules beside the folders, runner first."""
    parts = module.split(".")
    if module in ("projrun", "projrun.__main__"):
        return "projrun"
    return parts[1] if f"projrun.{parts[1]}" in MODULES and (PACKAGE / parts[1]).is_dir() else "flow"


def broken_rule(found: Import) -> str:
    """Which rule an import within the package breaks; empty when it breaks none."""
    ours, theirs = layer(found.importer), layer(found.name)
    if theirs == ours or theirs == "core" or found.name == "projrun" or ours == "projrun":
        return ""
    if ours == "core":
        return "core imports no stage"
    if ours in STAGES:
        if theirs not in STAGES:
            return f"a stage knows nothing of {theirs}"
        if STAGES.index(theirs) > STAGES.index(ours):
            return "a stage imports earlier stages only"
        return "" if found.name == f"projrun.{theirs}.model" else "a stage imports another stage's model only"
    if theirs == "cli":
        return "the library knows nothing of the command line"
    if ours == "flow" and theirs == "api":
        return "the flows know nothing of who asks for them"
    return ""


def test_the_package_is_all_there() -> None:
    assert {layer(name) for name in MODULES} >= {"projrun", "core", *STAGES}
    assert len(IMPORTS) > len(MODULES)


def test_data_flows_down_the_house() -> None:
    inside = [found for found in IMPORTS if found.name.split(".")[0] == "projrun"]
    broken = [f"{found}: {rule}" for found in inside if (rule := broken_rule(found))]
    assert not broken, "\n".join(broken)


def test_no_module_imports_itself_in_a_circle() -> None:
    edges: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in IMPORTS:
        if found.runtime and found.name in MODULES and found.name != found.importer:
            edges[found.importer].add(found.name)
    assert not circle(edges)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of circles and between them: what is left when the ends of all chains are taken away."""
    left = dict(edges)
    while True:
        imported = set().union(*left.values())
        kept = {
            name: imports & set(left) for name, imports in left.items() if name in imported and imports & set(left)
        }
        if kept == left:
            return sorted(left)
        left = kept


@pytest.mark.parametrize("name", ONE_MODULE_EACH)
def test_a_heavy_package_is_imported_by_one_module(name: str) -> None:
    importers = {found.importer for found in IMPORTS if found.name.split(".")[0] == name and found.runtime}
    assert len(importers) <= 1, importers


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("click", ("projrun.cli", "projrun.__main__")),
        ("rich", ("projrun.cli",)),
        ("subprocess", ("projrun.core.process",)),
    ],
)
def test_a_package_stays_in_its_place(name: str, allowed: tuple[str, ...]) -> None:
    elsewhere = [
        str(found)
        for found in IMPORTS
        if found.name.split(".")[0] == name
        and not any(f"{found.importer}.".startswith(f"{place}.") for place in allowed)
    ]
    assert not elsewhere


def test_what_is_heavy_is_imported_inside_functions() -> None:
    early = [
        str(found) for found in IMPORTS if found.name.split(".")[0] in LATE and found.runtime and not found.late
    ]
    assert not early, "\n".join(early)


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_asking_for_help_imports_nothing_heavy(words: str) -> None:
    code = f"""
import sys
sys.argv = ["projrun", {words!r}]
from projrun.cli.main import main
try:
    main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stderr.split()) & {*LATE, *SLOW_TO_START}


@pytest.mark.parametrize(
    ("importer", "name", "allowed"),
    [
        ("projrun.core.files", "projrun.spec.model", False),
        ("projrun.source.git", "projrun.spec.model", True),
        ("projrun.source.git", "projrun.spec.load", False),
        ("projrun.spec.load", "projrun.source.model", False),
        ("projrun.spec.load", "projrun.runner", False),
        ("projrun.spec.load", "projrun.cli.run", False),
        ("projrun.spec.load", "projrun.spec.model", True),
        ("projrun.runner", "projrun.spec.load", True),
        ("projrun.runner", "projrun.cli.run", False),
        ("projrun.runner", "projrun.api.run", False),
        ("projrun.store.store", "projrun.api.run", False),
        ("projrun.api.running", "projrun.cli.run", False),
        ("projrun.api.running", "projrun.runner", True),
        ("projrun.cli.runs", "projrun.api.store", True),
        ("projrun.cli.run", "projrun.runner", True),
    ],
)
def test_the_rules_tell_right_from_wrong(importer: str, name: str, allowed: bool) -> None:
    assert (not broken_rule(Import(importer, name, 1, late=False, runtime=True))) is allowed


def test_imports_are_read_in_every_form(tmp_path: Path) -> None:
    package = tmp_path / "house"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "room" / "__init__.py").write_text("from . import chair\n")
    (package / "room" / "chair.py").write_text(
        "import os.path\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import heavy\n"
        "def sit():\n    from ..room import table\n    __import__('late')\n"
        "class Leg:\n    from .lamp import light\n"
    )
    (package / "room" / "table.py").write_text("from house.room.chair import sit\n")
    found = {(one.importer, one.name): (one.late, one.runtime) for one in imports_of(modules_below(package))}
    assert found == {
        ("house.room", "house.room.chair"): (False, True),
        ("house.room.chair", "os.path"): (False, True),
        ("house.room.chair", "typing"): (False, True),
        ("house.room.chair", "heavy"): (False, False),
        ("house.room.chair", "house.room.table"): (True, True),
        ("house.room.chair", "late"): (True, True),
        ("house.room.chair", "house.room.lamp"): (False, True),
        ("house.room.table", "house.room.chair"): (False, True),
    }


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
