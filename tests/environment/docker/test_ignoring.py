"""Which files .dockerignore leaves out of a build context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import EnvironmentFailure
from projrun.environment.docker.ignoring import Patterns


@pytest.mark.parametrize(
    ("text", "left_out", "kept"),
    [
        ("", [], ["a"]),
        ("# a\n\n", [], ["a", "# a"]),
        ("a", ["a", "a/b"], ["b/a", "ab"]),
        ("/a/", ["a", "a/b/c"], ["b/a"]),
        ("./a/../b", ["b/c"], ["a"]),
        ("*.pyc", ["x.pyc"], ["a/x.pyc", "xpyc"]),
        ("*/*.pyc", ["a/x.pyc"], ["x.pyc", "a/b/x.pyc"]),
        ("**/*.pyc", ["x.pyc", "a/b/x.pyc"], ["x.py"]),
        ("**/__pycache__", ["__pycache__/x", "a/b/__pycache__/c/x"], ["a__pycache__/x"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b"]),
        ("a/**/z", ["a/z", "a/b/c/z", "a/b/z/y"], ["az", "b/z"]),
        ("temp?", ["temp1", "tempa/x"], ["temp", "temp/1", "temp12"]),
        ("[a-c]x", ["ax", "cx/y"], ["dx"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("a.b", ["a.b"], ["axb"]),
        ("*\n!README*\n", ["a", "a/README"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["x.md", "README-secret.md"], ["README.md"]),
        ("data\n!data/small\n", ["data/big"], ["data/small", "data/small/x"]),
        ("data\n ! data/small \n", ["data/big"], ["data/small"]),
        ("\ufeffa", ["a"], ["b"]),
        ("../a", [], ["a"]),
        (".", [], ["a"]),
    ],
)
def test_the_last_pattern_that_fits_decides(text: str, left_out: list[str], kept: list[str]) -> None:
    patterns = Patterns(text, ".dockerignore")
    assert [path for path in (*left_out, *kept) if patterns.leaves_out(path)] == left_out


@pytest.mark.parametrize("line", ["!", "[a", "a\\", "[z-a]"])
def test_what_is_no_pattern_is_told_with_its_line(line: str) -> None:
    with pytest.raises(EnvironmentFailure, match=r"\.dockerignore:2: .* is no pattern"):
        Patterns(f"a\n{line}\n", ".dockerignore")


@given(st.text(alphabet="ab*?[]^!\\/.#-\n ", max_size=30), st.text(alphabet="ab/.", min_size=1, max_size=9))
def test_any_pattern_is_read_or_refused(text: str, path: str) -> None:
    try:
        patterns = Patterns(text, ".dockerignore")
    except EnvironmentFailure as failure:
        assert failure.hint
    else:
        assert patterns.leaves_out(path) in (True, False)
