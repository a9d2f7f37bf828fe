"""The JSON Schema itself."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from projrun.spec import document, schema, validate
from projrun.spec.model import EnvironmentSpec, Parameter
from tests.spec.specs import BIKES, HEAD

SCHEMA = schema.definition()
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def sections(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for below in node.values():
            yield from sections(below)
    elif isinstance(node, list):
        for below in node:
            yield from sections(below)


def faults(text: str) -> list[str]:
    read = document.read(text, "a.yaml")
    return [fault.message for fault in validate.faults(schema.with_texts(read, SCHEMA), SCHEMA)]


def test_it_is_a_schema_of_2020_12() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_is_described() -> None:
    for section in (SCHEMA, *SCHEMA["$defs"].values()):
        for key, below in section.get("properties", {}).items():
            target = SCHEMA["$defs"].get(below.get("$ref", "").rpartition("/")[2], {})
            assert "description" in below or "description" in target, key


def test_every_mapping_refuses_keys_it_does_not_know() -> None:
    for section in (SCHEMA, *SCHEMA["$defs"].values()):
        if "properties" in section:
            assert section["additionalProperties"] is False


def test_every_example_is_valid() -> None:
    for section in sections(SCHEMA):
        if not isinstance(section.get("examples"), list):
            continue
        one = Draft202012Validator({**section, "$defs": SCHEMA["$defs"], "$id": "urn:projrun:test"})
        for example in section["examples"]:
            one.validate(example)


def test_the_types_are_named_alike_in_every_place() -> None:
    types = SCHEMA["$defs"]["type"]["enum"]
    parameter = SCHEMA["$defs"]["parameter"]
    assert parameter["allOf"][0]["then"]["enum"] == types
    assert set(parameter["properties"]["items"]["enum"]) == set(types) - {"list"}


def test_each_type_of_parameter_says_which_keys_go_with_it() -> None:
    branches = [branch["then"]["propertyNames"]["enum"] for branch in SCHEMA["$defs"]["parameter"]["allOf"][2:]]
    known = set(SCHEMA["$defs"]["parameter"]["properties"])
    assert all(set(keys) <= known for keys in branches)
    assert {key for keys in branches for key in keys} == known


def test_the_environment_has_the_keys_of_the_model() -> None:
    assert {"name", *SCHEMA["$defs"]["environment"]["properties"]} == set(EnvironmentSpec.__struct_fields__)
    assert {"type", "items", "flag", "help", "default"} <= set(Parameter.__struct_fields__)


def test_the_design_s_example_is_valid_for_any_validator() -> None:
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(BIKES))
    assert faults(BIKES) == []


@pytest.mark.parametrize(
    "environment",
    [
        "{python: 3.10, lock: a.lock}",
        "{python: 3.11.7, requirements: a.in}",
        '{python: ">=3.10, <3.14", lock: pylock.toml, requirements: a.in, builder: pip}',
        "{python: '~=3.11', lock: a, source_distributions: [a, b.c-d_e], variables: {A: 1, B: true, C: ''}}",
        "{python: ==3.12.*, lock: a}",
        "{python: 3.13.0rc1, lock: a}",
        "{system: true, inherit: [A], secrets: [B]}",
        "{docker: {file: Dockerfile, context: ., target: t, args: {A: 1}, secrets: [S]}, variables: {A: x}}",
        "{docker: {image: 'name@sha256:" + "0" * 64 + "'}}",
        "{docker: {image: 'host:5000/name:1.2', platform: linux/arm64, user: 1000:1000}}",
        "{docker: {file: a, build_network: host, network: none, memory: 512m, shm_size: 1073741824, cpus: 0.5}}",
        "{docker: {file: a, gpus: all, mounts: [{source: /a, target: /b}, {source: ~/c, target: /d}]}}",
        "{docker: {file: a, gpus: 2, mounts: [{source: a, target: /d, writable: true}]}}",
        "{docker: {file: a, gpus: ['0', GPU-1a2b]}}",
    ],
)
def test_every_form_of_an_environment_is_valid(environment: str) -> None:
    assert faults(HEAD.replace("{system: true}", environment) + "entry_points: {main: ls}") == []


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ("{}", "the environment is not said"),
        ("{python: 3.11}", "the environment is not said"),
        ("{lock: a}", "an environment with a lock or requirements needs 'python'"),
        ("{system: false}", "'system' is true or left out"),
        ("{system: true, lock: a, python: 3.11}", "'lock': this key does not go with 'system: true'"),
        ("{docker: {file: a}, lock: a, python: 3.11}", "'lock': this key does not go with 'docker'"),
        ("{docker: {}}", "the docker environment needs 'file'"),
        ("{docker: {image: 'a@sha256:1'}}", "an image is name@sha256: and 64 hexadecimal digits"),
        ("{docker: {image: a, args: {A: 1}}}", "'args': this key does not go with 'image'"),
        ("{docker: {file: a, memory: 0}}", "an amount of memory is"),
        ("{docker: {file: a, memory: 4 gigs}}", "an amount of memory is"),
        ("{docker: {file: a, cpus: 0}}", "'cpus' is a number of processors"),
        ("{docker: {file: a, gpus: some}}", "'gpus' is all, how many"),
        ("{docker: {file: a, gpus: 0}}", "'gpus' is all, how many"),
        ("{docker: {file: a, network: 'container:x'}}", "a network is none, bridge, host"),
        ("{docker: {file: a, mounts: [{source: /a, target: b}]}}", "a mount's target is an absolute path"),
        (
            "{docker: {file: a, mounts: [{source: /a, target: //project/x}]}}",
            "a mount's target is an absolute path",
        ),
        ("{docker: {file: a, mounts: [{source: /a, target: /b/../project}]}}", "a mount's target is an absolute"),
        ("{docker: {file: a, mounts: [{source: /a, target: /./project/x}]}}", "a mount's target is an absolute"),
        ("{docker: {image: a//b}}", "an image is name@sha256:"),
        ("{docker: {image: ../a}}", "an image is name@sha256:"),
        ("{docker: {file: a, platform: amd64}}", "a platform is a system and an architecture"),
        ("{docker: {file: a, user: '-x'}}", "a user is uid, uid:gid"),
        ("{python: 3, lock: a}", "'python' is a series"),
        ("{python: latest, lock: a}", "'python' is a series"),
        ("{python: 3.11, lock: ''}", "this must not be empty"),
        ("{python: 3.11, lock: a, builder: poetry}", "'poetry' is not a builder"),
        ("{python: 3.11, lock: a, inherit: [PYTHONPATH]}", "the name of a variable is"),
        ("{python: 3.11, lock: a, variables: {A-B: 1}}", "'A-B': the name of a variable is"),
        ("{python: 3.11, lock: a, variables: {A: ~}}", "text is wanted here, found nothing (null)"),
    ],
)
def test_an_environment_is_exactly_one_thing(environment: str, told: str) -> None:
    found = faults(HEAD.replace("{system: true}", environment) + "entry_points: {main: ls}")
    assert any(message.startswith(told) for message in found), found


@pytest.mark.parametrize(
    ("docker", "hint"),
    [
        ("base:1", "{file: Dockerfile} or {image: NAME}"),
        ("{}", "or 'image', to run in one that exists"),
        ("{file: a, mounts: ['/a:/b']}", "{source: PATH, target: PATH}"),
        ("{file: a, mounts: [{source: /a}]}", "{source: PATH, target: PATH}"),
    ],
)
def test_an_image_that_is_said_wrongly_is_told_the_right_form(docker: str, hint: str) -> None:
    text = HEAD.replace("system: true", f"docker: {docker}") + "entry_points: {main: ls}"
    read = document.read(text, "a.yaml")
    assert [fault.hint for fault in validate.faults(schema.with_texts(read, SCHEMA), SCHEMA)] == [hint]


def test_an_unquoted_scalar_is_its_text_where_text_is_wanted() -> None:
    text = HEAD.replace("{system: true}", "{python: 3.10, lock: 08, variables: {A: 1e3, B: true, C: 0x1F, D: no}}")
    read = document.read(text + "entry_points: {main: [echo, 1.50, 2020-10-10]}", "a.yaml")
    value = schema.with_texts(read, SCHEMA)
    assert value["environment"] == {
        "python": "3.10",
        "lock": "08",
        "variables": {"A": "1e3", "B": "true", "C": "0x1F", "D": "no"},
    }
    assert value["entry_points"]["main"] == ["echo", "1.50", "2020-10-10"]


def test_the_reference_page_says_what_the_schema_says() -> None:
    page: str = runpy.run_path(str(REFERENCE / "generate.py"))["page"]()
    assert page == (REFERENCE / "project-spec.md").read_text(encoding="utf-8")
    assert faults(page.partition("```yaml\n")[2].partition("```")[0]) == []


def test_a_last_line_break_is_not_overlooked_by_a_pattern() -> None:
    assert faults(HEAD.replace("name: p", 'name: "p\\n"') + "entry_points: {main: ls}") != []


@pytest.mark.parametrize(
    ("seeding", "told"),
    [
        ("[python, numpy, torch]", None),
        ("[]", None),
        ("[pandas]", "what can be seeded is python, numpy and torch"),
        ("[numpy, numpy]", ""),
        ("numpy", ""),
        ("null", ""),
    ],
)
def test_what_is_seeded_is_a_list_of_what_can_be(seeding: str, told: str | None) -> None:
    for text in (
        f"{HEAD}seeding: {seeding}\nentry_points: {{main: ls}}",
        f"{HEAD}entry_points: {{main: {{command: ls, seeding: {seeding}}}}}",
    ):
        found = faults(text)
        assert bool(found) == (told is not None)
        assert all(told in message for message in found if told)
