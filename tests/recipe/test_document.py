from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.files import encode_json
from projrun.core.hashing import sha256_bytes
from projrun.core.userinfo import without_userinfo
from projrun.core.values import replace
from projrun.environment.model import ImagePlan
from projrun.recipe.document import (
    outcome_document,
    recipe_document,
    start_document,
    timestamp,
)
from projrun.recipe.redaction import redacted
from projrun.spec.model import Command, EntryPoint
from tests.recipe import parts
from tests.schemas import problems, recipe_schema


def written(document: dict[str, Any]) -> Any:
    """A document as it comes back from its file."""
    return json.loads(encode_json(document))


def test_every_document_is_valid() -> None:
    for document in (
        start_document(parts.start_parts()),
        start_document(replace(parts.start_parts(), entry_point=None)),
        recipe_document(parts.recipe_parts()),
        recipe_document(parts.container_parts()),
        outcome_document(parts.outcome_parts()),
        outcome_document(parts.refusal_parts()),
    ):
        assert problems(written(document)) == []


def test_a_run_without_git_lock_or_timeout_is_valid() -> None:
    whole = parts.recipe_parts()
    plan = replace(whole.environment.plan, kind="system", builder=None, lock_text=None, lock_path=None)
    bare = replace(
        whole,
        source=replace(whole.source, commit=None, branch=None, remote=None, repository=False, snapshot="d" * 40),
        environment=replace(whole.environment, plan=replace(plan, lock_origin=None, requirements_text=None)),
        request=replace(whole.request, timeout=None, terminals=()),
    )
    document = written(recipe_document(bare))
    assert problems(document) == []
    assert document["environment"]["lock"] is None


def test_a_run_in_a_container_tells_its_image_and_how_it_was_run() -> None:
    document = written(recipe_document(parts.container_parts()))
    environment = document["environment"]
    assert (document["cwd"], environment["interpreter"]) == (".", None)
    container = environment["container"]
    assert container["image"]["id"] == f"sha256:{parts.SHA}"
    assert container["build"]["secrets"] == ["TOKEN"]
    assert container["build"]["log"] == {"sha256": parts.SHA, "size": 12}
    assert container["configuration"]["mounts"] == [{"source": "/data", "target": "/d", "writable": False}]
    there = replace(parts.container_parts().environment.plan, image=ImagePlan("debian:12", ()))
    whole = parts.container_parts()
    assert (
        problems(written(recipe_document(replace(whole, environment=replace(whole.environment, plan=there)))))
        == []
    )


_LATER = {
    "recipe": {"reproduces", "seeding"},
    "outcome": {"inputs"},
}  # what the first documents of version 1 do not have


@pytest.mark.parametrize("kind", ["start", "recipe", "outcome"])
def test_the_schema_is_strict(kind: str) -> None:
    document = {
        "start": lambda: start_document(parts.start_parts()),
        "recipe": lambda: recipe_document(parts.recipe_parts()),
        "outcome": lambda: outcome_document(parts.outcome_parts()),
    }[kind]()
    for key in document.keys() - _LATER.get(kind, set()):
        assert problems({name: value for name, value in document.items() if name != key}), f"{key} may be left out"
    assert problems({**document, "surprise": 1})
    assert problems({**document, "document": "other"})


def test_every_key_of_the_schema_is_described() -> None:
    def undescribed(schema: Any, path: str) -> list[str]:
        if not isinstance(schema, dict):
            return []
        found = []
        for key, below in schema.get("properties", {}).items():
            if "$ref" not in below and not below.get("description"):
                found.append(f"{path}.{key}")
            found += undescribed(below, f"{path}.{key}") + undescribed(below.get("items"), f"{path}.{key}[]")
        return found

    for name, definition in recipe_schema()["$defs"].items():
        assert undescribed(definition, name) == []


def test_the_recipe_holds_no_secret_and_no_userinfo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "tops3cret")
    whole = parts.recipe_parts()
    careless = replace(
        whole,
        request=replace(whole.request, variables={**whole.request.variables, "API_TOKEN": "tops3cret"}),
        source=replace(whole.source, remote="https://me:tops3cret@host.example/x.git"),
    )
    document = recipe_document(careless)
    text = encode_json(document).decode()
    assert "tops3cret" not in text
    assert "me:pw" not in text
    assert document["variables"] == {
        "set": {"OMP_NUM_THREADS": "1"},
        "inherited": {"CUDA_VISIBLE_DEVICES": "0", "HTTPS_PROXY": "http://proxy:3128"},
        "base": {"PATH": "/env/bin:/usr/bin"},
        "secrets": ["API_TOKEN"],
    }
    assert document["source"]["remote"] == "https://host.example/x.git"


@pytest.mark.parametrize(
    ("address", "clean"),
    [
        ("https://user:pw@host.example/x@y", "https://host.example/x@y"),
        ("git+https://user:pw@localhost:8080/x@y", "git+https://localhost:8080/x@y"),
        ("https://user:p/w@host/x", "https://host/x"),
        ("https://user:p@s/w@host/x", "https://host/x"),
        ("https://user:p/@w@[::1]:80/x", "https://[::1]:80/x"),
        ("https://user:pw@host/x@y", "https://y"),  # it could be the password: nothing tells
        ("https://host:8080/x@y", "https://host:8080/x@y"),
        ("--https://user:pw@host/x", "--https://host/x"),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("ssh://git:pw@host/x", "ssh://host/x"),
        ("git@host:x", "git@host:x"),
        ("a=https://u:p@h b=https://u:p@i", "a=https://h b=https://i"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_userinfo_is_taken_out_of_addresses(address: str, clean: str) -> None:
    assert without_userinfo(address) == clean


def test_requirements_are_kept_without_the_userinfo_of_an_index() -> None:
    whole = parts.recipe_parts()
    text = "--index-url https://me:s3cret@host.example/simple\ndemo\n"
    plan = replace(whole.environment.plan, requirements_text=text)
    document = written(recipe_document(replace(whole, environment=replace(whole.environment, plan=plan))))
    assert document["environment"]["requirements"] == "--index-url https://host.example/simple\ndemo\n"


def test_an_error_after_the_process_ended_keeps_what_the_process_did() -> None:
    late = replace(parts.outcome_parts(), error=parts.refusal_parts().error, phase="finish", status="failed")
    document = written(outcome_document(late))
    assert problems(document) == []
    assert document["process"]["usage"]["wall"] == 1.0
    assert document["reason"] == "input 'counts' is missing"


def test_the_digest_of_the_spec_is_that_of_its_text() -> None:
    spec = recipe_document(parts.recipe_parts())["spec"]
    assert spec["sha256"] == sha256_bytes(spec["text"].encode())


def test_cwd_is_relative_to_the_project() -> None:
    whole = parts.recipe_parts()
    assert recipe_document(whole)["cwd"] == "."
    below = replace(whole, request=replace(whole.request, cwd=str(parts.ROOT / "sub")))
    assert recipe_document(below)["cwd"] == "sub"


def test_start_names_the_process_that_is_responsible() -> None:
    process = start_document(parts.start_parts())["process"]
    assert process["pid"] == os.getpid()
    assert process["hostname"] == os.uname().nodename


def test_redaction_leaves_a_document_readable_whatever_the_secret() -> None:
    document = redacted(outcome_document(parts.outcome_parts()), lambda text: text.replace("e", "*"))
    assert (document["document"], document["run"], document["status"]) == ("outcome", parts.RUN, "finished")
    assert document["metrics"][0]["name"] == "t*st.rms*"


def test_redaction_reaches_every_text_and_nothing_else() -> None:
    document = {"a": ["x", {"b": "xx"}], "x": 1, "c": (None, True, 1.5, "y")}
    assert redacted(document, lambda text: text.replace("x", "*")) == {
        "a": ["*", {"b": "**"}],
        "x": 1,
        "c": [None, True, 1.5, "y"],
    }


TEXTS = st.one_of(st.text(), st.binary().map(os.fsdecode))


@given(st.lists(TEXTS), TEXTS)
def test_any_text_comes_back_from_the_recipe(argv: list[str], path: str) -> None:
    whole = parts.recipe_parts()
    odd = replace(
        whole,
        request=replace(whole.request, argv=("python", *argv)),
        source=replace(whole.source, changes=(replace(whole.source.changes[0], path=path),)),
        entry_point=EntryPoint("e", Command(tuple(argv), path)),
    )
    document = written(recipe_document(odd))
    assert document["argv"] == ["python", *argv]
    assert document["source"]["changes"][0]["path"] == path
    assert document["entry_point"]["command"]["words"] == argv


def test_names_of_raw_bytes_come_back_as_the_same_bytes() -> None:
    document = written(recipe_document(parts.recipe_parts()))
    assert os.fsencode(document["source"]["changes"][0]["path"]) == b"odd\xff\nname"


@given(st.integers(0, 4_000_000_000_000_000), st.integers(0, 4_000_000_000_000_000))
def test_times_sort_as_text(one: int, other: int) -> None:
    first, second = timestamp(one / 1e6), timestamp(other / 1e6)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first)
    if abs(one - other) > 1:
        assert (first < second) == (one < other)


def test_a_time_is_utc_with_microseconds() -> None:
    assert timestamp(0.9999996) == "1970-01-01T00:00:01.000000Z"
    assert timestamp(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
