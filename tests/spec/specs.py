"""Specifications for tests."""

from __future__ import annotations

from pathlib import Path

from projrun.core.paths import cache_directory
from projrun.spec import load as loading
from projrun.spec.model import ProjectSpec

_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "project-spec.md"
_PIN = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"


def _example() -> str:
    """The example of the reference page without its first line, which is for editors."""
    block = _PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    return block.partition("\n")[2]


# With a pin of 64 digits.
BIKES = _example().replace("hourly_counts.csv}", f"hourly_counts.csv, sha256: {_PIN}}}")

HEAD = "version: 1\nname: p\nenvironment: {system: true}\n"


def load(root: Path) -> ProjectSpec:
    """The specification in ``root``, by way of the test's own cache."""
    return loading.load(root, cache_directory())


def write(root: Path, text: str) -> Path:
    """Writes a specification to a new project and gives the project."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "ProjectSpec.yaml").write_text(text, encoding="utf-8")
    return root


def with_files(root: Path, *names: str) -> Path:
    """Puts empty files into a project."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def entry(parameters: str = "", command: str = "run {params}", rest: str = "") -> str:
    """A specification with one entry point; its parameters begin in line 7, column 7, one to a line."""
    lines = "".join(f"      {line}\n" for line in parameters.splitlines())
    block = f"    parameters:\n{lines}" if lines else ""
    return f"{HEAD}entry_points:\n  main:\n{block}    command: {command}\n{rest}"
