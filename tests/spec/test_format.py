"""Commands that are format strings, values that are passed on unchecked, and those that nobody declared."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from projrun.core.errors import UsageError
from projrun.spec import command, parameters
from projrun.spec.argument import unfit
from projrun.spec.model import BoundParameter, Parameter, ProjectSpec, Value
from tests.spec.children import HOSTILE, TELLER, TEXT, told
from tests.spec.specs import HEAD, load, write

BUILTINS = command.Builtins("1", "/run/parameters.json", "/run", "/home/p")


def spec(tmp_path: Path, entry_point: str) -> ProjectSpec:
    return load(write(tmp_path / "p", f"{HEAD}entry_points:\n  main: {entry_point}\n"))


def argv(project: ProjectSpec, *given: str) -> tuple[str, ...]:
    """The argv of the entry point main."""
    main = project.entry_points["main"]
    bound = parameters.bind(main, given, None, project.data, project.root)
    return command.render(main.command, bound, BUILTINS)


@pytest.mark.parametrize(
    ("command", "rendered"),
    [
        ('"run {a} --{b}"', "run 1 --'x y'"),
        ("'run \"{b}\" {{c}} ${{HOME}}'", "run \"'x y'\" {c} ${HOME}"),
        ('"run {seed} {params}"', "run 7 p"),
    ],
)
def test_a_format_is_filled_in_for_bash(tmp_path: Path, command: str, rendered: str) -> None:
    declared = "{a: 1, b: {type: str, default: x y}, seed: 7, params: {type: str, default: p}}"
    project = spec(tmp_path, f"{{parameters: {declared}, command: {command}, shell: format}}")
    assert argv(project) == ("bash", "-c", rendered)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_pass_bash_exactly(text: str) -> None:
    template = command.parse_format(f"{shlex.join(TELLER)} {{a}} {{b-c}}")
    bound = {name: BoundParameter(Parameter(name, "str"), Value(text, text), "default") for name in ("a", "b-c")}
    assert told(command.render(template, bound, BUILTINS)) == (text, text)


@given(TEXT)
def test_nothing_that_is_put_in_is_read_again(text: str) -> None:
    assume(not unfit(text))
    template = command.parse_format("{a}")
    bound = {"a": BoundParameter(Parameter("a", "str"), Value(text, text), "default")}
    again = BoundParameter(Parameter("a", "str", appended=True), Value(text, text), "default")
    [_, _, one] = command.render(template, bound, BUILTINS)
    [_, _, two] = command.render(command.parse_format("x"), {"a": again}, BUILTINS)
    assert two == f"x --a {one}"


@pytest.mark.parametrize("text", ["", "{", "}", "{}", "{0}", "{a:{b:{c}}}", "a\0b", ["a"]])
def test_what_is_no_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        command.parse_format(text)


@given(st.text(alphabet="ab{}:!.[]0", max_size=12))
def test_no_format_breaks_the_reader_or_a_run(text: str) -> None:
    try:
        template = command.parse_format(text)
    except ValueError:
        return
    names = command.placeholders(template)
    bound = {name: BoundParameter(Parameter(name, "str"), Value("v", "v"), "default") for name in names}
    try:
        assert command.render(template, bound, BUILTINS)[2] == text.format(**dict.fromkeys(names, "v"))
    except UsageError as error:
        assert error.hint


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        ("false", ("run", "1", "--x.y", "a b", "--n", "2")),
        ("true", ("/bin/sh", "-c", "run '1' '--x.y' 'a b' '--n' '2'")),
        ("format", ("bash", "-c", "run 1 --x.y 'a b' --n 2")),
    ],
)
def test_values_that_nobody_declared_are_appended(tmp_path: Path, shell: str, expected: tuple[str, ...]) -> None:
    text = f'{{parameters: {{a: 1}}, command: "run {{a}}", shell: {shell}, undeclared: append}}'
    project = spec(tmp_path, text)
    assert argv(project, "x.y=a b", "n=2") == expected
    bound = parameters.bind(project.entry_points["main"], ["x.y=a b"], None, {}, project.root)
    again = {name: parameters.from_document(parameters.to_document(one)) for name, one in bound.items()}
    template = project.entry_points["main"].command
    assert command.render(template, again, BUILTINS) == command.render(template, bound, BUILTINS)
    with pytest.raises(UsageError):
        argv(project, "a b=1")
    with pytest.raises(UsageError):
        argv(project, "x;y=1")


def test_an_unchecked_value_is_what_it_is(tmp_path: Path) -> None:
    text = "{parameters: {a: {type: float, check: false, default: .5}, b: {type: bool, check: false, default: x}},"
    project = spec(tmp_path, f"{text} command: [run, '{{a}}', '{{b}}']}}")
    bound = parameters.bind(project.entry_points["main"], ["a=0,5"], None, {}, project.root)
    assert [one.value for one in bound.values()] == [Value("0,5", "0,5"), Value("x", "x")]
    bound = parameters.bind(project.entry_points["main"], ["b=true"], None, {}, project.root)
    assert [one.value for one in bound.values()] == [Value(".5", 0.5), Value("true", True)]


def test_an_absolute_path_is_looked_for_in_the_project_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = spec(tmp_path, "{parameters: {a: {type: path, absolute: true}}, command: 'run {a}'}")
    here = tmp_path / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "x").touch()
    assert argv(project, "a=x") == ("run", str(here / "x"))
    (project.root / "x").touch()
    for text in ("x", "./x", str(project.root / "x"), f"file://{project.root}/x"):
        assert argv(project, f"a={text}") == ("run", "/home/p/x")
    for text in ("", "y", "s3://b/k", "file://host/x"):
        with pytest.raises(UsageError):
            argv(project, f"a={text}")
