"""Pins are written into specifications of any style, and nothing else of them changes."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from projrun.core.errors import SpecError
from projrun.spec import document, schema
from projrun.spec.pins import with_pins

PIN = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
OLD = "0" * 63 + "A"
NUMBER = "1" * 64


def value(text: str) -> Any:
    return schema.with_texts(document.read(text, "a.yaml"), schema.definition())


CASES = {
    "short": ("data:\n  a: x.csv  # why\n", f"data:\n  a: {{path: x.csv, sha256: {PIN}}}  # why\n"),
    "short in quotes": ("data:\n  a: 'x, y'\n", f"data:\n  a: {{path: 'x, y', sha256: {PIN}}}\n"),
    "short that braces would break": (
        "data:\n  a: x, y[1]\n",
        f'data:\n  a: {{path: "x, y[1]", sha256: {PIN}}}\n',
    ),
    "short in a line below": ("data:\n  a:\n    x.csv\n", f"data:\n  a:\n    {{path: x.csv, sha256: {PIN}}}\n"),
    "lines": (
        "data:\n  a:\n    # about it\n    path: x.csv # here\n  b: y\n",
        f"data:\n  a:\n    # about it\n    path: x.csv # here\n    sha256: {PIN}\n  b: y\n",
    ),
    "lines with CRLF": (
        "data:\r\n  a:\r\n    path: x.csv\r\n",
        f"data:\r\n  a:\r\n    path: x.csv\r\n    sha256: {PIN}\r\n",
    ),
    "lines without a last break": ("data:\n  a:\n    path: x", f"data:\n  a:\n    path: x\n    sha256: {PIN}"),
    "lines with a folded path": (
        "data:\n  a:\n    path: >-\n      x.csv\n\nname: n\n",
        f"data:\n  a:\n    sha256: {PIN}\n    path: >-\n      x.csv\n\nname: n\n",
    ),
    "braces": ("data: {a: {path: x.csv, }, b: y}\n", f"data: {{a: {{path: x.csv, sha256: {PIN}, }}, b: y}}\n"),
    "braces over lines": (
        "data:\n  a: {\n    path: x, # it\n  }\n",
        f"data:\n  a: {{\n    path: x, sha256: {PIN}, # it\n  }}\n",
    ),
    "a pin before": ("data: {a: {sha256: " + OLD + ", path: x}}", f"data: {{a: {{sha256: {PIN}, path: x}}}}"),
    "a pin in quotes": (
        f"data:\n  a:\n    sha256: '{OLD}' # old\n    path: x\n",
        f"data:\n  a:\n    sha256: '{PIN}' # old\n    path: x\n",
    ),
    "a key in quotes": ("data:\n  'a': x\n", f"data:\n  'a': {{path: x, sha256: {PIN}}}\n"),
    "JSON": ('{\n\t"data": {"a": "x"}\n}', f'{{\n\t"data": {{"a": {{"path": "x", "sha256": "{PIN}"}}}}\n}}'),
    "JSON, long": (
        '{"data": {"a": {"path": "\\u00e4"}}}',
        f'{{"data": {{"a": {{"path": "\\u00e4", "sha256": "{PIN}"}}}}}}',
    ),
    "nothing else": ("data: {a: ä.csv}\n", f"data: {{a: {{path: ä.csv, sha256: {PIN}}}}}\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pin_is_written_and_all_else_stays(case: str) -> None:
    before, after = CASES[case]
    assert with_pins(before, "a.yaml", {"a": PIN}) == after


def test_a_digest_that_looks_like_a_number_stays_a_text() -> None:
    written = with_pins("data: {a: x}", "a.yaml", {"a": NUMBER})
    assert value(written)["data"]["a"]["sha256"] == NUMBER


def test_several_are_written_at_once() -> None:
    text = "data:\n  a: x\n  # between\n  b: {path: y}\n  c:\n    path: z\n"
    written = with_pins(text, "a.yaml", {"c": PIN, "a": OLD, "b": PIN})
    assert {name: entry["sha256"] for name, entry in value(written)["data"].items()} == {
        "a": OLD,
        "b": PIN,
        "c": PIN,
    }
    assert "  # between\n" in written


def test_what_cannot_be_written_says_what_to_write() -> None:
    with pytest.raises(SpecError) as caught:
        with_pins("data:\n  a:\n    ? path\n    : x\n", "a.yaml", {"a": PIN})
    assert f"data.a.sha256: {PIN}" in caught.value.hint


PATHS = st.text(
    string.ascii_letters + string.digits + " ,:#[]{}'\"/.-_&*!|>%@`ä€\U0001f600", min_size=1, max_size=12
)
STYLES = st.sampled_from(["plain", "single", "double"])
LAYOUTS = st.sampled_from(["short", "lines", "braces"])


def written_in(style: str, path: str) -> str:
    if style == "single":
        return "'" + path.replace("'", "''") + "'"
    return '"' + path.replace('"', '\\"') + '"' if style == "double" else path


@given(PATHS, STYLES, LAYOUTS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from(["", OLD]))
@example("- x", "plain", "short", "\n", False, "")
@example("|", "plain", "short", "\n", False, "")
@example("x #y", "plain", "lines", "\n", True, "")
@example(">", "plain", "short", "\n", True, "")
def test_parsing_before_and_after_differs_in_the_pin_alone(
    path: str, style: str, layout: str, ending: str, comment: bool, old: str
) -> None:
    note = " # a note" if comment else ""
    shown = written_in(style, path)
    entries = {
        "short": f"  a: {shown}{note}{ending}",
        "lines": f"  a:{note}{ending}    path: {shown}{note}{ending}"
        + (f"    sha256: {old}{ending}" if old else ""),
        "braces": "  a: {path: " + shown + (f", sha256: {old}" if old else "") + "}" + note + ending,
    }
    text = f"name: n{ending}data:{ending}{entries[layout]}  b: y{note}{ending}# end{ending}"
    try:
        before = value(text)
    except SpecError:
        assume(False)
    entry = before.get("data", {}).get("a")
    assume(isinstance(entry, str) or (isinstance(entry, dict) and isinstance(entry.get("path"), str)))
    after = with_pins(text, "a.yaml", {"a": PIN})
    before["data"]["a"] = {**(entry if isinstance(entry, dict) else {"path": entry}), "sha256": PIN}
    assert value(after) == before
    assert with_pins(after, "a.yaml", {"a": PIN}) == after
    assert after.count("# a note") == text.count("# a note")


def test_what_only_one_reader_takes_is_written_by_hand() -> None:
    with pytest.raises(SpecError) as caught:
        with_pins("data:\n  a:\tx.csv\n", "a.yaml", {"a": PIN})
    assert f"data.a.sha256: {PIN}" in caught.value.hint
