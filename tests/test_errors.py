"""What every error tells, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import projrun
from projrun.core import errors

PACKAGE = Path(projrun.__file__).parent
ERRORS = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}


def made_in(tree: ast.AST) -> Iterator[ast.Call]:
    """Every place where one of our errors is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ERRORS:
            yield node


def silent(call: ast.Call) -> bool:
    """Whether an error says neither what to type next nor, problem by problem, what is wrong."""
    return not {keyword.arg for keyword in call.keywords} & {"hint", "problems"}


def test_every_error_says_what_to_type_next() -> None:
    made = [
        (path, call) for path in sorted(PACKAGE.rglob("*.py")) for call in made_in(ast.parse(path.read_text()))
    ]
    assert len(made) > 50
    assert [f"{path}:{call.lineno}: {ast.unparse(call)}" for path, call in made if silent(call)] == []


def test_an_error_that_says_nothing_is_found() -> None:
    text = "raise errors.SourceError('a')\nraise UsageError('a', hint='b')\nraise SpecError('a', problems=found)\n"
    assert [silent(call) for call in made_in(ast.parse(text))] == [True, False, False]
