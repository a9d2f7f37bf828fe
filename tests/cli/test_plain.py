"""Plain words of a run mean the same whether click reads them or not, and click reads all that are not plain."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.cli import plain as reader
from projrun.cli.plain import plain
from projrun.cli.run import run
from projrun.cli.running import Wish

TABLES = (reader._TEXTS, reader._PATHS, reader._LISTS, reader._SWITCHES)
OPTIONS = sorted({name for option in run.params for name in option.opts if name.startswith("-")})
WORDS = st.one_of(
    st.sampled_from([*OPTIONS, "--seed", "-h", "--help", "--", "-", "-eq", "--name=x", "-Px=1", "--ver"]),
    st.sampled_from(["train", "x=1", "7", "4294967296", "0x1", "", ".", "refuse", "uv", "10MB"]),
    st.text(max_size=5),
)


def clicked(words: list[str]) -> Wish:
    """What click makes of the words. Raises what it raises of a mistake."""
    with run.make_context("run", list(words)) as context:
        return Wish(**context.params)


@given(st.lists(WORDS, max_size=6))
def test_what_is_plain_means_what_click_makes_of_it(words: list[str]) -> None:
    wish = plain(["run", *words])
    if wish is not None:
        assert wish == clicked(words)


@pytest.mark.parametrize("option", [option for option in run.params if isinstance(option, click.Option)], ids=str)
def test_every_option_of_the_table_is_plain(option: click.Option) -> None:
    named = {name: target for table in TABLES for name, target in table.items()}
    values = {"seed": "7", "params_file": "p.yaml"}
    for name in option.opts:
        if name in named or name == "--seed":
            words = [name] if option.is_flag else [name, values.get(str(option.name), "text")]
            found = plain(["run", *words])
            assert found == clicked(words) != Wish()
        else:
            assert option.name in ("snapshot_limit", "keep_outputs", "dirty", "refused", "builder")
            assert plain(["run", name, "refuse"]) is None


def test_nothing_typed_is_what_the_options_have() -> None:
    assert plain(["run"]) == clicked([]) == Wish()


@pytest.mark.parametrize(
    "words",
    [
        ["runs"],
        [],
        ["run", "-h"],
        ["run", "-e"],
        ["run", "-e", "-q"],
        ["run", "-e", "a", "-e", "b"],
        ["run", "a", "b"],
        ["run", "--", "a"],
        ["run", "--seed", "x"],
        ["run", "--entry", "a"],
        ["run", "-qe", "a"],
        ["run", "--name=a"],
    ],
)
def test_what_is_not_plain_is_left_to_click(words: list[str]) -> None:
    assert plain(words) is None


@pytest.mark.parametrize("name", ["PROJRUN_SNAPSHOT_LIMIT", "PROJRUN_KEEP_OUTPUTS"])
def test_options_that_variables_set_are_left_to_click(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1MB")
    assert plain(["run"]) is None


def test_every_variable_of_an_option_is_known() -> None:
    read: list[Any] = [option.envvar for option in run.params if option.envvar]
    assert sorted(read) == sorted(reader._OF_VARIABLES)
