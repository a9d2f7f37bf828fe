"""The reader of YAML 1.2 and JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import SpecError
from projrun.spec import document
from projrun.spec.text import LARGEST, decode
from projrun.spec.tree import DEEPEST, Malformed, assemble

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)
NUMBER = st.from_regex(
    r"[-+]?[0-9]{1,30}(\.[0-9]{0,5})?([eE][-+]?[0-9]{1,4})?|0x[0-9a-fA-F]{1,20}|0o[0-7]{1,20}", fullmatch=True
)

SAMPLES = [
    "a: 1\nb: [x, 'y', \"z\\n\", 0x1F]\nc:\n  - {d: ~, e: }\n",
    "a:\n  - |\n    two\n    lines\n  - >-\n    one\n    line\nb:\nc: ''\n",
    "# only a comment\n",
    "---\n'a b': {x: [], y: {}}\n...\n",
    "- - - deep\n- ? key\n  : value\n",
    "a: {b: 1, 'b': 2}\n",
    "a: &x 1\nb: *x\nc: !!str 1\nd: !own {e: 1}\n1: f\n[g]: h\n{i: j}: {k: l}\n",
    'café: ☃ 😀\r\nnext: "\\u263A \\U0001F600"\r\n',
]


def value_of(text: str) -> Any:
    return document.read(text, "a.yaml").value


def problems_of(text: str, file: str = "a.yaml") -> list[str]:
    with pytest.raises(SpecError) as caught:
        document.read(text, file)
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("08", 8),
        ("+12", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("3.", 3.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e400", math.inf),
    ],
)
def test_a_plain_scalar_has_its_value_by_yaml_1_2_and_keeps_its_text(text: str, value: Any) -> None:
    read = document.read(f"a: [{text}, x]" if text else "a: [ ~ , x]\nb:", "a.yaml")
    assert read.value["a"][0] == value
    assert type(read.value["a"][0]) is type(value)
    assert read.texts[("a", 0)] == (text or "~")


@pytest.mark.parametrize(
    "text",
    ["no", "on", "Yes", "y", "2020-10-10", "12:30", "1_000", "0b11", "017e", "0o8", "1.2.3", "+", ".", "<<", "=",
     "nan", "inf", "TRue", "1e", "0x", "190:20:30"],
)  # fmt: skip
def test_what_yaml_1_2_does_not_name_is_text(text: str) -> None:
    read = document.read(f"a: {text}", "a.yaml")
    assert read.value == {"a": text}
    assert read.texts == {}


def test_not_a_number_is_read() -> None:
    assert math.isnan(value_of("a: .nan")["a"])


def test_quoted_scalars_are_text() -> None:
    assert value_of("""a: ["1", 'true', "null", '']""") == {"a": ["1", "true", "null", ""]}


def test_every_value_and_key_has_its_place() -> None:
    read = document.read("a:\n  b: [1, x]\n", "a.yaml")
    assert read.marks == {
        (): (1, 1),
        ("a",): (2, 3),
        ("a", "b"): (2, 6),
        ("a", "b", 0): (2, 7),
        ("a", "b", 1): (2, 10),
    }
    assert read.key_marks == {("a",): (1, 1), ("a", "b"): (2, 3)}


@given(JSON)
def test_json_reads_back_whoever_wrote_it(value: Any) -> None:
    for indent, ascii_only in ((None, True), (2, False), ("\t", True)):
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        assert document.read(text, "a.json").value == value


@given(TEXT)
def test_a_text_written_as_json_inside_yaml_reads_back(text: str) -> None:
    # Escaped surrogate pairs are JSON's alone, so characters beyond the first plane are written as they are.
    written = "".join(
        character if ord(character) > 0xFFFF else json.dumps(character)[1:-1] for character in text
    ).replace("\x7f", "\\x7f")
    assert value_of(f'a: "{written}"') == {"a": text}


@given(st.lists(NUMBER, min_size=1))
def test_the_source_text_of_a_number_is_never_lost(numbers: list[str]) -> None:
    for text in ("a:\n" + "".join(f"- {number}\n" for number in numbers), f"a: [{', '.join(numbers)}]"):
        read = document.read(text, "a.yaml")
        assert all(isinstance(value, int | float) for value in read.value["a"])
        assert read.texts == {("a", index): number for index, number in enumerate(numbers)}


@given(JSON)
def test_the_compiled_reader_and_the_pure_one_agree(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=False)
    pure = assemble(document.yaml_events(text, pure=True), "a.yaml")
    assert assemble(document.yaml_events(text), "a.yaml") == pure


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("help: Train: fast\n", "put quotes around the text, if the ': ' belongs to one"),
        ("a: @x\n", "put quotes around the text"),
        ("a: 'x\n", "close the quote"),
        ("a: [1, 2\nb: 3\n", "close the bracket"),
        ("a: 'it's'\n", "put quotes around a text"),
        ("a: {b} c\n", "put quotes around a text"),
    ],
)
@pytest.mark.parametrize("pure", [True, False])
def test_a_broken_document_says_what_mends_it(text: str, hint: str, pure: bool) -> None:
    with pytest.raises(Malformed) as caught:
        list(document.yaml_events(text, pure=pure))
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize("text", SAMPLES)
def test_both_readers_give_the_same_places_and_problems(text: str) -> None:
    pure = assemble(document.yaml_events(text, pure=True), "a.yaml")
    assert assemble(document.yaml_events(text), "a.yaml") == pure


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: b: c", (1, 5)), ("a:\n\t- b", (2, 1)), ("a: 'x", (1, 6)), ("a: @x", (1, 4)), ("--- a\n--- b", (2, 1)),
     ("%YAML 1.1\n---\na: 1", (1, 1)), ("%TAG ! tag:x,2000:\n---\na: 1", (1, 1)), ("a: \x07", (1, 4)),
     ("a: x\u2028b", (1, 5)), ("[" * 5000, (1, DEEPEST + 1))],
)  # fmt: skip
def test_both_readers_break_off_at_the_same_place(text: str, place: tuple[int, int]) -> None:
    for pure in (False, True):
        with pytest.raises(Malformed) as caught:
            assemble(document.yaml_events(text, pure=pure), "a.yaml")
        assert caught.value.mark == place


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3", ["3:1 'a' is there twice"]),
        ('{"a": 1, "a": {"b": [1]}}', ["1:10 'a' is there twice"]),
        ("a: !!python/object/apply:os.system [ls]", ["1:4 the tag !!python/object/apply:os.system is not read"]),
        ("a: !own 1", ["1:4 the tag !own is not read"]),
        ("a: ! 1", ["1:4 the tag ! is not read"]),
        ("a: &x [1]\nb: *x", ["1:4 the anchor &x is not read", "2:4 the alias *x is not read"]),
        ("a: 1\n--- \nb: 1", ["2:1 a second document begins here"]),
        ("1: a", ["1:1 a key must be text, and 1 is not"]),
        (
            "a: 1\n~: a\n? \n: b",
            ["2:1 a key must be text, and ~ is not", "3:2 a key must be text, and an empty key is not"],
        ),
        ("[a]: b", ["1:1 a key must be text, and this is a list or a mapping"]),
        ("a: " + "9" * 5000, ["1:4 a number of 5000 characters is too long"]),
        ('{"a": ' + "9" * 5000 + "}", ["1:7 a number of 5000 characters is too long"]),
        ('{"a": "\\ud800"}', ["1:7 \\ud800 alone is not a character"]),
        ("a:\n\tb: 1", ["2:1 a tab cannot stand here in YAML"]),
        ("a: x\0", ["1:5 the character U+0000 cannot stand in a YAML file"]),
    ],
)
def test_what_cannot_be_taken_at_its_word_is_refused_with_its_place(text: str, told: list[str]) -> None:
    found = problems_of(text)
    assert len(found) == len(told)
    assert all(message.startswith(start) for message, start in zip(found, told, strict=True)), found


@pytest.mark.parametrize(
    ("text", "place"),
    [("{", "1:2"), ('{"a" 1}', "1:6"), ('{"a": 1,}', "1:9"), ("[1, 02]", "1:6"), ("[1]\n x", "2:2"),
     ('["a\nb"]', "1:2"), ("[NaN]", "1:2"), ("", "1:1"), ("[" * 100000, f"1:{DEEPEST + 1}")],
)  # fmt: skip
def test_a_json_file_is_held_to_json(text: str, place: str) -> None:
    assert [message.partition(" ")[0] for message in problems_of(text, "a.json")] == [place]


def test_an_alias_bomb_is_not_expanded() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20))]
    read, problems = document.examine("\n".join(lines), "a.yaml")
    assert read is not None
    assert len(problems) == 20 + 19 * 9


def test_a_file_that_is_not_utf_8_is_refused_with_its_place() -> None:
    with pytest.raises(SpecError) as caught:
        decode(b"a: \xc3\xa9\nb: \xe9\n", "a.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (2, 4)


def test_a_byte_order_mark_is_not_content() -> None:
    assert value_of(decode(b"\xef\xbb\xbfa: 1", "a.yaml")) == {"a": 1}


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        decode(b" " * (LARGEST + 1), "a.yaml")
