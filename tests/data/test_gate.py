"""Data that does not keep to its schema never reaches a program."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from projrun.core.errors import DataError
from projrun.core.report import Silent
from projrun.data import gate
from projrun.data.fingerprint import inputs
from projrun.data.model import Fingerprint
from projrun.spec.model import DataEntry

TABLE: dict[str, Any] = {
    "required": ["hour", "count"],
    "additionalProperties": False,
    "properties": {
        "hour": {"type": "integer", "minimum": 0, "maximum": 23},
        "count": {"$ref": "#/$defs/amount"},
        "kind": {"enum": ["a", "b", 3]},
        "fine": {"type": ["boolean", "null"]},
        "code": {"type": "string", "pattern": "^[0-9]{2}$"},
    },
    "$defs": {"amount": {"type": "number", "exclusiveMinimum": 0}},
}
HEADER = "hour,count,kind,fine,code\n"


def check(root: Path, name: str, content: str | bytes, schema: Any = TABLE) -> Fingerprint:
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (root / "schema.json").write_text(json.dumps(schema))
    entries = [DataEntry("d", name, schema="schema.json")]
    return gate.checked(entries, inputs(entries, root), root, root / "cache", Silent())[0]


def told(root: Path, name: str, content: str | bytes, schema: Any = TABLE) -> list[str]:
    with pytest.raises(DataError) as caught:
        check(root, name, content, schema)
    assert caught.value.exit_code == 114
    return [line.removeprefix(f"{name}: ") for line in caught.value.why.splitlines()]


def test_a_table_that_keeps_to_its_schema_passes(tmp_path: Path) -> None:
    rows = '7,1.5,a,true,08\n8,2,3,,99\n\n+9,1e3,,False,"10"\n'
    found = check(tmp_path, "t.csv", "\ufeff" + HEADER + rows)
    assert found.schema is not None
    assert found.schema.path == "schema.json"
    assert check(tmp_path, "t.tsv", (HEADER + rows).replace(",", "\t")).schema == found.schema


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("24,1,a,,08", "row 2: column 'hour': 24 is above 23"),
        ("-1,1,a,,08", "row 2: column 'hour': -1 is below 0"),
        ("x,1,a,,08", "row 2: column 'hour': \"x\" is not a whole number"),
        ("1.5,1,a,,08", "row 2: column 'hour': 1.5 is not a whole number"),
        (",1,a,,08", "row 2: 'hour' is missing"),
        ("1,0,a,,08", "row 2: column 'count': 0 is not above 0"),
        ("1,nan,a,,08", "row 2: column 'count': \"nan\" is not a number"),
        ("1,1,c,,08", 'row 2: column \'kind\': "c" is none of ["a", "b", 3]'),
        ("1,1,a,yes,08", "row 2: column 'fine': \"yes\" is not true or false or empty"),
        ("1,1,a,,8", "row 2: column 'code': \"8\" does not match ^[0-9]{2}$"),
        ("1,1,a", "row 2: it has 3 cells, and the header 5"),
        ('1,1,a,,"8', "row 2: it is not CSV: unexpected end of data"),
    ],
)
def test_what_is_wrong_in_a_row_is_told_with_its_number(tmp_path: Path, row: str, words: str) -> None:
    assert told(tmp_path, "t.csv", f"{HEADER}{row}\n") == [words]


def test_columns_are_checked_once_and_not_in_every_row(tmp_path: Path) -> None:
    lines = told(tmp_path, "t.csv", "hour,hour,more\n1,1,1\n2,2,2\n")
    assert lines[:3] == [
        "row 1: there is no column 'count'",
        "row 1: there are two columns 'hour'",
        "row 1: the schema has no column 'more'",
    ]
    assert told(tmp_path, "empty.csv", "")[0] == "row 1: there is no column 'hour'"


def test_the_first_violations_are_told_and_how_many_more(tmp_path: Path) -> None:
    lines = told(tmp_path, "t.csv", HEADER + "99,1,a,,08\n" * 1500)
    assert lines[0] == "row 2: column 'hour': 99 is above 23"
    assert lines[-2:] == ["row 11: column 'hour': 99 is above 23", "and 1,490 more"]


def test_a_row_counts_as_one_however_many_lines_it_has(tmp_path: Path) -> None:
    text = 'note,hour\n"two\nlines",1\nx,99\n'
    schema = {"properties": {"hour": {"type": "integer", "maximum": 23}}}
    assert told(tmp_path, "t.csv", text, schema) == ["row 3: column 'hour': 99 is above 23"]


def test_json_lines_are_checked_one_by_one(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}
    check(tmp_path, "t.jsonl", '{"a": [1]}\n\n{"b": 2}', schema)
    lines = told(tmp_path, "t.ndjson", b'{"a": [1, "x"]}\n[]\nnope\n{"a": NaN}\n"\xff"\n', schema)
    assert lines[0] == 'line 1: $.a[1]: "x" is not a whole number'
    assert lines[1] == "line 2: [] is not an object"
    assert lines[2].startswith("line 3: it is not JSON: ")
    assert lines[3] == "line 4: it is not JSON: NaN is no number of JSON"
    assert lines[4] == "line 5: it is not UTF-8"


def test_a_json_file_is_one_document(tmp_path: Path) -> None:
    schema = {"items": {"required": ["x"]}}
    check(tmp_path, "t.json", '[{"x": 1}]', schema)
    assert told(tmp_path, "t.json", '[{"x": 1}, {}]', schema) == ["$[1]: 'x' is missing"]
    assert told(tmp_path, "t.json", "[" * 100_000, schema)[0].startswith("it is")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting"),
        ("[]", "a schema is a JSON object"),
        ('{"type": "integre"}', "$.type"),
        ('{"properties": {"a": {"pattern": "["}}}', "pattern"),
        ('{"$ref": "https://example.org/x.json"}', "nothing is fetched"),
        ('{"$ref": "#/$defs/none"}', "leads to nothing"),
        ('{"$ref": "#"}', "leads to itself"),
        ('{"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"$ref": "#/$defs/b"}}}', "leads to itself"),
    ],
)
def test_a_schema_that_is_none_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "schema.json").write_text(content)
    entries = [DataEntry("d", "t.csv", schema="schema.json")]
    with pytest.raises(DataError) as caught:
        gate.checked(entries, inputs(entries, tmp_path), tmp_path, tmp_path / "cache", Silent())
    assert "schema.json" in caught.value.what
    assert words in caught.value.why


def test_what_no_schema_can_check_is_told(tmp_path: Path) -> None:
    assert "end in" in told(tmp_path, "t.parquet", "x")[0]


def test_unchanged_data_is_not_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, "t.csv", HEADER)
    monkeypatch.setattr(gate, "_check", None)
    check(tmp_path, "t.csv", HEADER)
    for content, schema in ((HEADER + "1,1,a,,08", TABLE), (HEADER, {**TABLE, "title": "other"})):
        with pytest.raises(TypeError):
            check(tmp_path, "t.csv", content, schema)


def test_numbers_that_no_double_can_hold_are_told(tmp_path: Path) -> None:
    by_tenths = {"properties": {"a": {"type": "number", "multipleOf": 0.1}}}
    assert "is not a multiple" in told(tmp_path, "t.json", '{"a": 1e999}', by_tenths)[0]
    assert "is not a multiple" in told(tmp_path, "t.csv", "a\n0.35\n", by_tenths)[0]
    check(tmp_path, "t.csv", f"a\n0.3\n{'9' * 400}\n", by_tenths)


def test_columns_may_be_named_by_a_pattern(tmp_path: Path) -> None:
    schema = {"patternProperties": {"^x": {"type": "number"}}, "additionalProperties": False}
    check(tmp_path, "t.csv", "x1,x2\n1,2\n", schema)
    assert told(tmp_path, "t.csv", "x1,x2,y\n1,b,3\n", schema) == [
        "row 1: the schema has no column 'y'",
        "row 2: column 'x2': \"b\" is not a number",
    ]
    of_any = {"additionalProperties": {"type": "integer"}}
    assert told(tmp_path, "t.csv", "x\n1\nb\n", of_any) == ["row 3: column 'x': \"b\" is not a whole number"]


def test_reading_large_cells_changes_nothing_for_others(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    schema = {"properties": {"x": {"type": "string"}}}
    check(tmp_path, "a.csv", "x\n" + "a" * 200_000 + "\n", schema)
    assert csv.field_size_limit() == before
