"""A value means what its declared type says, is kept exactly, and is refused with a message that helps."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from projrun.core.errors import UsageError
from projrun.core.files import encode_json
from projrun.spec import document, parameters
from projrun.spec.model import BoundParameter, Command, DataEntry, EntryPoint, Parameter, Value
from tests.spec.children import HOSTILE, LONG_JSON, TEXT


def parameter(kind: str, items: str = "str", **constraints: Any) -> Parameter:
    return Parameter("p", kind, items=items, constraints=constraints)


def entry_point(*declared: Parameter) -> EntryPoint:
    return EntryPoint("train", Command(("true",), "true"), parameters={one.name: one for one in declared})


def bound(
    *given_texts: str,
    declared: tuple[Parameter, ...],
    file: Path | None = None,
    data: dict[str, DataEntry] | None = None,
    root: Path = Path("/nowhere"),
) -> dict[str, BoundParameter]:
    return parameters.bind(entry_point(*declared), given_texts, file, data or {}, root)


def whole_error(error: UsageError) -> str:
    assert error.exit_code == 2
    return "\n".join((error.what, error.why, error.hint))


def from_yaml(declared: Parameter, text: str) -> Value:
    read = document.read(f"p: {text}", "x.yaml")
    texts = {path[1:]: source for path, source in read.texts.items() if path}
    return parameters.read_native(declared, read.value["p"], texts)


# The texts of each type.


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "08", 8),
        ("int", "-0", 0),
        ("int", "+3", 3),
        ("int", "12345678901234567890123", 12345678901234567890123),
        ("int", "9" * 5000, "9" * 5000),
        ("float", "3", 3.0),
        ("float", ".5", 0.5),
        ("float", "5.", 5.0),
        ("float", "-1.5E-3", -0.0015),
        ("float", "1e400", "1e400"),
        ("float", "-1e400", "-1e400"),
        ("float", "1e-400", 0.0),
        ("float", "inf", "inf"),
        ("float", "-.inf", "-.inf"),
        ("float", "nan", "nan"),
        ("float", ".nan", ".nan"),
        ("bool", "true", True),
        ("bool", "false", False),
        ("str", "", ""),
        ("path", "data/x y.csv", "data/x y.csv"),
        ("path", "data:counts", "data:counts"),
        ("uri", "s3://bucket/key?a=%20#f", "s3://bucket/key?a=%20#f"),
        ("uri", "file:///abs", "file:///abs"),
        ("uri", "urn:isbn:0451450523", "urn:isbn:0451450523"),
        ("json", ' {"b": 1, "a": [1e400, 1.50, null]} ', {"b": 1, "a": ["1e400", 1.5, None]}),
        ("json", "null", None),
        ("json", '"\\u0000"', "\0"),
    ],
)
def test_a_text_is_read_by_its_type_and_kept(kind: str, text: str, value: Any) -> None:
    read = parameters.read_text(parameter(kind), text)
    assert read == Value(text, value)
    assert type(read.value) is type(value)
    encode_json(read.value)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("int", "", "not an int"),
        ("int", "1.0", "not an int"),
        ("int", "1e3", "not an int"),
        ("int", "1_000", "not an int"),
        ("int", " 1", "not an int"),
        ("int", "1\n", "not an int"),
        ("int", "0x1F", "not an int"),
        ("int", "٣", "not an int"),
        ("float", "", "not a float"),
        ("float", ".", "not a float"),
        ("float", "1,5", "not a float"),
        ("float", "1_0.0", "not a float"),
        ("float", "infinity", "not a float"),
        ("float", "NaN", "not a float"),
        ("float", "0.5\n", "not a float"),
        ("bool", "True", "write true"),
        ("bool", "yes", "write true"),
        ("bool", "0", "write false"),
        ("bool", "", "write true or false"),
        ("path", "", "not a path"),
        ("uri", "no-scheme", "not a uri"),
        ("uri", "s3:", "not a uri"),
        ("uri", "s3://a b", "not a uri"),
        ("uri", "//host/x", "not a uri"),
        ("json", "", "JSON wants a value"),
        ("json", "{'a': 1}", "line 1, column 2"),
        ("json", "NaN", "JSON wants a value"),
        ("json", '{"a": 1, "a": 2}', "'a' is there twice"),
        ("json", "1 2", "JSON ends before"),
        ("json", "[" * 5000, "levels"),
        ("json", "01", "JSON ends before"),
        ("str", "a\0b", "NUL"),
        ("str", os.fsdecode(b"\xff"), "UTF-8"),
    ],
)
def test_a_text_of_another_type_is_refused(kind: str, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parameters.read_text(parameter(kind), text)


@given(st.integers())
def test_every_integer_is_an_int(number: int) -> None:
    assert parameters.read_text(parameter("int"), str(number)) == Value(str(number), number)


@given(st.floats())
def test_every_float_that_a_program_prints_is_a_float(number: float) -> None:
    read = parameters.read_text(parameter("float"), str(number))
    assert read.raw == str(number)
    assert read.value == (number if math.isfinite(number) else str(number))


@given(TEXT)
def test_a_str_is_any_text(text: str) -> None:
    assert parameters.read_text(parameter("str"), text) == Value(text, text)


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | TEXT, st.lists))
def test_json_means_what_any_reader_says(value: Any) -> None:
    assume("Infinity" not in json.dumps(value))
    text = json.dumps(value)
    assert parameters.read_text(parameter("json"), text) == Value(text, value)


def documented_texts() -> list[tuple[str, str, bool]]:
    """Type, text, and whether it is taken, out of the table of the reference."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "parameters.md"
    table = page.read_text().split("| type | takes | refuses |\n|---|---|---|\n")[1].split("\n\n")[0]
    found = []
    for row in table.splitlines():
        kind, takes, refuses = (re.findall(r"`([^`]*)`", cell) for cell in row.strip("|").split("|"))
        found += [(kind[0], text, True) for text in takes] + [(kind[0], text, False) for text in refuses]
    return found


@pytest.mark.parametrize(("kind", "text", "taken"), documented_texts())
def test_the_reference_tells_the_truth(kind: str, text: str, taken: bool) -> None:
    if taken:
        parameters.read_text(parameter(kind), text)
    else:
        with pytest.raises(ValueError, match=r"not (an?|JSON)|cannot be read|begins with|a quote"):
            parameters.read_text(parameter(kind), text)


# Lists.


@pytest.mark.parametrize(
    ("items", "text", "raws"),
    [
        ("str", "", ()),
        ("str", "[]", ()),
        ("str", '""', ("",)),
        ("str", ",", ("", "")),
        ("str", "a, b", ("a", " b")),
        ("str", '"a,b","say ""hi""",c', ("a,b", 'say "hi"', "c")),
        ("str", '"two\nlines"', ("two\nlines",)),
        ("str", "two\nlines,x", ("two\nlines", "x")),
        ("str", '["a,b", "", "\\u00fc", 1.50, true]', ("a,b", "", "ü", "1.50", "true")),
        ("int", "08,9", ("08", "9")),
        ("float", "[1e400, 0.10]", ("1e400", "0.10")),
        ("bool", "true,false", ("true", "false")),
        ("json", '[{"a": 1.0}, "x", null]', ('{"a":1.0}', '"x"', "null")),
        ("json", "1,null", ("1", "null")),
    ],
)
def test_a_list_is_a_row_or_a_json_array(items: str, text: str, raws: tuple[str, ...]) -> None:
    assert parameters.read_text(parameter("list", items), text).raw == raws


@pytest.mark.parametrize(
    ("items", "text", "says"),
    [
        ("str", "[a]", "begins with ["),
        ("str", 'a"b', "quote in the middle of item 1"),
        ("str", 'x,"a"b', "quote in the middle of item 2"),
        ("str", '"a', "quote in the middle"),
        ("str", "[null]", "null is not a str"),
        ("str", "[[1]]", "a list is not a str"),
        ("int", "1,x,3,y", "item 2: 'x' is not an int"),
        ("int", "1,x,3,y", "item 4: 'y' is not an int"),
        ("int", ",".join("x" * 9), "; and 4 more items"),
        ("path", "a,data:counts", "not for an item of a list"),
        ("str", '["\\u0000"]', "NUL"),
        ("str", '["\\ud800"]', "not a character"),
    ],
)
def test_a_list_that_cannot_be_read_says_which_item(items: str, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parameters.read_text(parameter("list", items), text)


@given(st.lists(TEXT))
def test_any_list_of_texts_can_be_written_as_a_json_array(texts: list[str]) -> None:
    written = json.dumps(texts)
    assert parameters.read_text(parameter("list"), written) == Value(tuple(texts), texts)


@given(st.lists(TEXT, min_size=1))
def test_any_list_of_texts_can_be_written_as_a_quoted_row(texts: list[str]) -> None:
    written = ",".join('"' + text.replace('"', '""') + '"' for text in texts)
    assert parameters.read_text(parameter("list"), written).raw == tuple(texts)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\0",')), min_size=2))
def test_texts_without_quotes_and_commas_are_a_row_as_they_are(texts: list[str]) -> None:
    assume(not texts[0].startswith("["))
    assert parameters.read_text(parameter("list"), ",".join(texts)).raw == tuple(texts)


# Values of YAML and JSON.


@pytest.mark.parametrize("text", ["08", "no", "1e3", "2020-10-10", "12:30", "on", "0x1F", "1e400", ".5", "true"])
def test_a_plain_scalar_is_its_text_where_text_is_declared(text: str) -> None:
    assert from_yaml(parameter("str"), text) == Value(text, text)
    assert from_yaml(parameter("list"), f"[{text}, x]").raw == (text, "x")


@pytest.mark.parametrize(
    ("kind", "text", "raw", "value"),
    [
        ("int", "08", "08", 8),
        ("int", '"3"', "3", 3),
        ("float", "1e400", "1e400", "1e400"),
        ("float", "3", "3", 3.0),
        ("float", "-.INF", "-inf", "-inf"),
        ("float", ".nan", "nan", "nan"),
        ("float", "1.5e400", "1.5e400", "1.5e400"),
        ("bool", "true", "true", True),
        ("str", '""', "", ""),
        ("json", "{a: [1.50, 0x10, no, ~, 1e400]}", '{"a":[1.50,16,"no",null,1e400]}', None),
        ("json", '"{}"', '"{}"', "{}"),
        ("json", "null", "null", None),
        ("json", "~", "null", None),
    ],
)
def test_a_yaml_value_is_read_by_the_declared_type(kind: str, text: str, raw: str, value: Any) -> None:
    read = from_yaml(parameter(kind), text)
    assert read.raw == raw
    if kind != "json":
        assert read.value == value
    else:
        assert read == parameters.read_text(parameter("json"), raw)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("str", "null", "null is not a str: leave the key out to use the default"),
        ("str", "", "null is not a str"),
        ("int", "~", "null is not an int"),
        ("list", "null", "null is not a list"),
        ("list", "a,b", "'a,b' is not a list: write [one, two]"),
        ("list", "[null]", "item 1: null is not a str"),
        ("list", "{a: 1}", "a mapping is not a list"),
        ("int", "3.0", "'3.0' is not an int"),
        ("int", "0x1F", "'0x1F' is not an int"),
        ("int", "true", "'true' is not an int"),
        ("bool", "True", "write true"),
        ("bool", "yes", "write true"),
        ("str", "[a]", "a list is not a str"),
        ("json", ".inf", ".inf is no number that JSON has"),
        ("json", "[.nan]", ".nan is no number that JSON has"),
    ],
)
def test_a_yaml_value_of_another_type_is_refused(kind: str, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        from_yaml(parameter(kind), text)


# Constraints.


@pytest.mark.parametrize(
    ("declared", "good", "bad", "says"),
    [
        (parameter("int", minimum=1), "1", "0", "at least 1"),
        (parameter("int", maximum=30), "30", "31", "at most 30"),
        (parameter("float", exclusiveMinimum=0), "1e-400", "0.0", "more than 0"),
        (parameter("float", exclusiveMaximum=1), "0.99999999999999999999", "1", "less than 1"),
        (parameter("float", minimum=0.1), "0.1", "0.0999999999999999999999", "at least 0.1"),
        (parameter("float", maximum=10), "-inf", "1e400", "at most 10"),
        (parameter("float", maximum=10), "-.inf", ".nan", "at most 10"),
        (parameter("float", multipleOf=0.1), "0.3", "0.35", "a multiple of 0.1"),
        (parameter("float", multipleOf=0.1), "1e1000000000", "1e-1000000000", "a multiple of 0.1"),
        (parameter("float", multipleOf=0.01), "-4.35", "inf", "a multiple of 0.01"),
        (parameter("float", minimum=0), "1e99999999999999999999", "-1e99999999999999999999", "at least 0"),
        (parameter("int", multipleOf=3), "9" * 5000, "1" + "0" * 5000, "a multiple of 3"),
        (parameter("str", minLength=2, maxLength=3), "äöü", "x", "at least 2 characters, not 1"),
        (parameter("str", maxLength=1), "\N{PILE OF POO}", "ab", "at most 1 characters, not 2"),
        (parameter("str", pattern="b+"), "abba", "aa", "match the pattern b+"),
        (parameter("str", pattern="^a$"), "a", "ba", "match the pattern"),
        (parameter("str", enum=["gini", "entropy"]), "gini", "ginni", "did you mean 'gini'?"),
        (parameter("str", enum=["1", "2"]), "1", "1.0", "one of: 1, 2"),
        (parameter("int", enum=[1, 2]), "01", "3", "one of: 1, 2"),
        (parameter("float", enum=[0.5, "1e400"]), "1E+400", "1e401", "one of: 0.5, 1e400"),
        (parameter("json", enum=[{"a": 1}, None]), '{"a": 1.0}', '{"a": true}', "one of"),
        (parameter("list", minItems=1), "a", "", "at least 1 items, not 0"),
        (parameter("list", maxItems=1), "a", "a,b", "at most 1 items, not 2"),
        (parameter("list", uniqueItems=True), "a,A", "a,b,a", "no item twice, as it does 'a'"),
        (parameter("list", "int", uniqueItems=True), "8,9", "8,08", "no item twice, as it does '08'"),
        (parameter("list", "json", uniqueItems=True), "1,true", "1,1.0", "no item twice"),
        (parameter("list", "int", minimum=5), "", "5,4", "item 2: '4' must be at least 5"),
        (parameter("list", enum=["a", "b"]), "b,a,b", "b,c", "item 2: 'c' must be one of: a, b"),
    ],
)
def test_constraints_have_the_meaning_of_json_schema(declared: Parameter, good: str, bad: str, says: str) -> None:
    parameters.read_text(declared, good)
    with pytest.raises(ValueError, match=re.escape(says)):
        parameters.read_text(declared, bad)


def test_all_broken_constraints_are_named() -> None:
    with pytest.raises(ValueError, match=r"at least 5 characters, not 2 and match the pattern \^b"):
        parameters.read_text(parameter("str", minLength=5, pattern="^b"), "aa")


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6),
    st.integers(1, 5000),
)
def test_multiples_are_exact_in_decimal(value: Decimal, thousandths: int) -> None:
    step = Decimal(thousandths) / 1000
    declared = parameter("float", multipleOf=float(step))
    if value % step == 0:
        assert parameters.read_text(declared, str(value)).raw == str(value)
    else:
        with pytest.raises(ValueError, match="a multiple of"):
            parameters.read_text(declared, str(value))


# Binding.


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("a: 2\nb: 08\n")
    declared = tuple(Parameter(name, "str", default=Value("0", "0")) for name in ("c", "b", "a"))
    found = bound("a=3", declared=declared, file=file)
    assert list(found) == ["c", "b", "a"]
    assert {name: (one.value.raw, one.origin) for name, one in found.items()} == {
        "a": ("3", "command line"),
        "b": ("08", f"file: {file}"),
        "c": ("0", "default"),
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_only_the_first_equals_sign_parts_name_and_value(text: str) -> None:
    assert bound(f"p={text}", declared=(parameter("str"),))["p"].value.raw == text


def test_everything_wrong_is_told_at_once() -> None:
    declared = (
        Parameter("depth", "int", constraints={"maximum": 30}, help="Tree depth."),
        Parameter("criterion", "str", constraints={"enum": ["gini", "entropy"]}),
        Parameter("seeds", "list", items="int"),
        Parameter("rate", "float"),
    )
    with pytest.raises(UsageError) as caught:
        bound("depth=31", "criterion=ginni", "detph=1", "2x=1", "rate", declared=declared)
    text = whole_error(caught.value)
    assert "6 things are wrong with the parameters of 'train'" in text
    assert "-P depth: '31' must be at most 30 (depth is declared as int, maximum 30: Tree depth.)" in text
    assert "did you mean 'gini'?" in text
    assert "-P detph: the entry point 'train' has no such parameter (did you mean 'depth'?)" in text
    assert "-P '2x=': '2x' is no name of a parameter" in text
    assert "-P rate: no value is given: write -P rate=FLOAT" in text
    assert "no value for seeds (list of int), and no default (add -P seeds=LIST)" in text


def test_all_that_is_required_is_listed_with_what_to_type() -> None:
    declared = (Parameter("depth", "int"), Parameter("name", "str"))
    with pytest.raises(UsageError) as caught:
        bound(declared=declared)
    assert caught.value.what == "no value for depth (int), name (str), and no default"
    assert caught.value.hint == "add -P depth=INT -P name=STR"


@pytest.mark.parametrize(
    ("given_texts", "says"),
    [
        (("p=1", "p=2"), "p is given 2 times on the command line"),
        (("p=1", "p=1"), "p is given 2 times"),
        (("q=1", "p=x"), "has no such parameter"),
        (("=1", "p=x"), "'' is no name of a parameter"),
        (("ä=1", "p=x"), "'ä' is no name of a parameter"),
        (("-p=1", "p=x"), "'-p' is no name of a parameter"),
        (("p\n=1", "p=x"), "is no name of a parameter"),
        (("p=\0",), "NUL"),
        ((os.fsdecode(b"p=\xff"),), "not valid UTF-8"),
        ((os.fsdecode(b"\xff=1"), "p=x"), "is no name of a parameter"),
    ],
)
def test_what_is_given_wrongly_is_a_usage_error(given_texts: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        bound(*given_texts, declared=(parameter("str"),))
    text = whole_error(caught.value)
    assert says in text
    encode_json(text)


def test_an_entry_point_without_parameters_says_so() -> None:
    with pytest.raises(UsageError) as caught:
        bound("p=1", declared=())
    assert caught.value.hint == "it declares none"


@pytest.mark.parametrize("name", ["p", "_", "P9", "log-target", "_-9"])
def test_a_name_is_letters_digits_underscore_and_hyphen(name: str) -> None:
    assert bound(f"{name}=1", declared=(Parameter(name, "str"),))[name].value.raw == "1"


@pytest.mark.parametrize("name", ["", "9", "-a", "a.b", "a b", "é", "a\n", "{a}"])
def test_no_other_name_is_a_name(name: str) -> None:
    assert not parameters.is_name(name)


# Files of parameters.


def test_a_json_file_keeps_its_numbers(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text('\ufeff{\t"big": 1e400, "whole": 12345678901234567890123, "text": 1.50, "list": [1.0, 2]}')
    declared = (
        Parameter("big", "float"),
        Parameter("whole", "int"),
        Parameter("text", "str"),
        Parameter("list", "list", items="float"),
    )
    found = bound(declared=declared, file=file)
    assert [one.value.raw for one in found.values()] == ["1e400", "12345678901234567890123", "1.50", ("1.0", "2")]


@given(TEXT)
def test_any_text_survives_a_json_value(text: str) -> None:
    read = document.read(json.dumps({"p": text}), "p.json")
    assert parameters.read_native(parameter("str"), read.value["p"], {}) == Value(text, text)


def test_a_wrong_value_of_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("depth: many\nnope: 1\n")
    with pytest.raises(UsageError) as caught:
        bound(declared=(Parameter("depth", "int"),), file=file)
    text = whole_error(caught.value)
    assert f"{file}:1:1: depth: 'many' is not an int" in text
    assert f"{file}:2:1: nope: the entry point 'train' has no such parameter" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"- a\n- b\n", "does not map names to values"),
        (b"a: 1\na: 2\n", "'a' is there twice"),
        (b"a: [1\n", "not YAML"),
        (b"a: \xff\n", "not UTF-8"),
        (b"a: &x 1\n", "anchor"),
        (b"a: !!python/name:os.system x\n", "tag"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        bound(declared=(Parameter("a", "str", default=Value("x", "x")),), file=file)
    assert says in whole_error(caught.value)


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    for file in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError) as caught:
            bound(declared=(), file=file)
        assert str(file) in caught.value.what
        assert caught.value.why


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("# nothing yet\n")
    assert bound(declared=(Parameter("a", "str", default=Value("x", "x")),), file=file)["a"].origin == "default"


# Paths.


def test_data_by_name_becomes_its_path() -> None:
    data = {"counts": DataEntry("counts", "data/counts.csv")}
    declared = (
        Parameter("a", "path", default=Value("data:counts", "data:counts")),
        Parameter("b", "path"),
        Parameter("c", "str"),
    )
    found = bound("b=data:counts", "c=data:counts", declared=declared, data=data)
    assert [(one.value.raw, one.data) for one in found.values()] == [
        ("data/counts.csv", "counts"),
        ("data/counts.csv", "counts"),
        ("data:counts", None),
    ]
    with pytest.raises(UsageError, match=r"no data of that name \(did you mean 'counts'\?\)"):
        bound("b=data:count", "c=", declared=declared, data=data)


def test_a_path_stays_inside_the_project(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root)
    for good in ("x", "./x", "a/../x", "in/x", "."):
        assert bound(f"p={good}", declared=(parameter("path"),), root=root)["p"].value.raw == good
    for bad in ("/etc/passwd", "../x", "a/../../x", "out/x"):
        for declared, text in ((parameter("path"), bad), (parameter("list", "path"), f"x,{bad}")):
            with pytest.raises(UsageError, match="is not a path inside the project"):
                bound(f"p={text}", declared=(declared,), root=root)
            with pytest.raises(UsageError, match=r"the default of p: .* is not a path inside"):
                bound(declared=(Parameter("p", "path", default=Value(bad, bad)),), root=root)


# The record.


@given(
    st.sampled_from(["str", "json", "list"]),
    TEXT,
    st.lists(TEXT),
)
def test_a_record_gives_the_exact_value_back(kind: str, text: str, items: list[str]) -> None:
    given_text = {"str": text, "json": json.dumps(text), "list": json.dumps(items)}[kind]
    before = bound(f"p={given_text}", declared=(parameter(kind),))["p"]
    after = parameters.from_document(json.loads(encode_json(parameters.to_document(before))))
    assert after == before


@pytest.mark.parametrize("text", [*HOSTILE, LONG_JSON])
def test_hostile_texts_come_back_from_the_record(text: str) -> None:
    before = bound(f"p={text}", declared=(parameter("str"),))["p"]
    after = parameters.from_document(json.loads(encode_json(parameters.to_document(before))))
    assert after.value.raw == text


@pytest.mark.parametrize(
    ("kind", "text", "token"),
    [
        ("int", "+08", "8"),
        ("int", "-" + "9" * 400, "-" + "9" * 400),
        ("int", "1" * 5000, f'"{"1" * 5000}"'),
        ("float", "1e-400", "1e-400"),
        ("float", "12345678901234567890.5", "12345678901234567890.5"),
        ("float", "+.50", "0.50"),
        ("float", "-007.", "-7.0"),
        ("float", "3", "3.0"),
        ("float", "1E+05", "1e+05"),
        ("float", "1e400", '"1e400"'),
        ("float", "-inf", '"-inf"'),
        ("float", "nan", '"nan"'),
        ("bool", "true", "true"),
        ("str", 'é"\n', '"é\\"\\n"'),
        ("list", "a,b c", '["a", "b c"]'),
        (
            "json",
            '{"a": [1e-400, 1e400, 12345678901234567890.5]}',
            '{"a":[1e-400,"1e400",12345678901234567890.5]}',
        ),
    ],
)
def test_the_parameters_file_keeps_every_digit(kind: str, text: str, token: str) -> None:
    found = parameters.file_text(bound(f"p={text}", declared=(parameter(kind),)))
    assert found.decode() == f'{{\n  "p": {token}\n}}\n'


def test_the_parameters_file_keeps_the_digits_of_a_list() -> None:
    declared = (Parameter("p", "list", items="float"), Parameter("q", "list", items="int"))
    found = parameters.file_text(bound("p=1e-400,2,inf", "q=", declared=declared))
    assert found.decode() == '{\n  "p": [1e-400, 2.0, "inf"],\n  "q": []\n}\n'
    assert parameters.file_text({}) == b"{}\n"


@given(st.from_regex(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_a_float_in_the_parameters_file_is_that_number_exactly(text: str) -> None:
    found = json.loads(
        parameters.file_text(bound(f"p={text}", declared=(parameter("float"),))), parse_float=Decimal
    )
    assert Decimal(found["p"]) == Decimal(text)


def test_a_record_keeps_what_the_command_needs() -> None:
    declared = (
        Parameter("quiet", "bool", flag="-q"),
        Parameter("ids", "list", items="int"),
        Parameter("x", "path"),
        Parameter("f", "float"),
    )
    found = bound(
        "quiet=true", "ids=08,9", "x=data:d", "f=1e400", declared=declared, data={"d": DataEntry("d", "d.csv")}
    )
    again = {name: parameters.from_document(parameters.to_document(one)) for name, one in found.items()}
    assert again == found
    assert parameters.to_document(found["x"]) == {
        "name": "x",
        "type": "path",
        "raw": "d.csv",
        "value": "d.csv",
        "origin": "command line",
        "data": "d",
    }


def test_binding_without_numbers_to_compare_imports_little() -> None:
    script = (
        "import sys; from pathlib import Path; from projrun.spec import parameters, command;"
        "from projrun.spec.model import *;"
        "e = EntryPoint('e', command.parse('x {p}', shell=False),"
        " parameters={'p': Parameter('p', 'int', constraints={'minimum': 1})});"
        "parameters.bind(e, ['p=3'], None, {}, Path('.'));"
        "print(sorted({'yaml', 'jsonschema', 'difflib', 'csv', 'git'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
