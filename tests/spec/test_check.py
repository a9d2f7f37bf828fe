"""What is found wrong with a specification, and where."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projrun.core.errors import SpecError
from projrun.spec.check import check, examine
from tests.spec.specs import BIKES, HEAD, entry, with_files, write

PROBLEMS_OF_PARAMETERS = [
    ("depth: {type: int, defualt: 3}", "7:26 'defualt' is not a key of a parameter | did you mean 'default'?"),
    ("depth: {default: 3}", "7:7 a parameter needs 'type'"),
    ("depth: itn", "7:14 'itn' is not a type | did you mean 'int'?; a text that is meant as the default"),
    ("depth: {type: integer}", "7:21 'integer' is not a type | did you mean 'int'?"),
    ("depth:", "7:7 text, a number, true or false, a list or a mapping is wanted here, found nothing (null)"),
    ("depth: ~", "7:14 text, a number, true or false, a list or a mapping is wanted here, found nothing (null)"),
    ("depth: []", "7:14 an empty list does not say what its items are"),
    ("depth: [1, a]", "7:14 the items are of the types int and str"),
    ("depth: [[1]]", "7:15 a list in short holds text, numbers, true or false"),
    ("2d: int", "7:7 '2d': a name is a letter or _ followed by letters, digits, _ or -"),
    ("seed: 3", "7:7 {seed} is filled by projrun, so no parameter can have this name | choose another name"),
    ("d: {type: int, minLength: 1}", "7:22 'minLength': this key does not go with a number"),
    ("d: {type: str, minimum: 1}", "7:22 'minimum': this key does not go with text"),
    ("d: {type: int, flag: --d}", "7:22 'flag': this key does not go with a number"),
    ("d: {type: str, items: int}", "7:22 'items': this key does not go with text"),
    ("d: {type: list, items: list}", "7:30 'list' is not a type of items"),
    ("d: {type: list, minimum: 1}", "7:23 'minimum': this key does not go with a list of text"),
    ("d: {type: list, items: int, pattern: a}", "7:35 'pattern': this key does not go with a list of numbers"),
    ("d: {type: bool, choices: [true]}", "7:23 'choices': this key does not go with bool"),
    ("d: {type: str, choices: [a], enum: [a]}", "7:36 'enum': 'enum' and 'choices' are two words for one thing"),
    ("d: {type: str, choices: []}", "7:31 this list must not be empty"),
    ("d: {type: int, choices: [1, a]}", "7:35 'a' is not an int"),
    ("d: {type: bool, flag: d}", "7:29 a flag is a word that begins with - or --, found 'd'"),
    ("d: {type: int, multipleOf: 0}", "7:34 0 is not above 0"),
    ("d: {type: int, minimum: .inf}", "7:31 minimum is not a finite number"),
    ("d: {type: str, minLength: -1}", "7:33 -1 is below 0"),
    ("d: {type: int, minimum: 5, maximum: 3}", "7:31 minimum 5 is above maximum 3"),
    ("d: {type: bool, flag: \"-\\0\"}", "7:29 a flag is a word that begins with - or --"),
    ("d: {type: str, pattern: '('}", "7:31 '(' is not a regular expression"),
    ("d: {type: str, default: ~}", "7:31 nothing (null) is not a value of type str | leave it out to make"),
    ("d: {type: int, default: 1.5}", "7:31 '1.5' is not an int"),
    ("d: {type: int, default: 0, minimum: 1}", "7:31 '0' must be at least 1"),
    ("d: {type: str, default: x, choices: [gini, entropy]}", "7:31 'x' must be one of: gini, entropy"),
    ("d: {type: list, items: int, default: [1, x]}", "7:44 item 2: 'x' is not an int"),
    ("d: {type: path, default: ../x}", "7:32 '../x' is not a path inside the project: it leads above the project"),
    ("d: {type: path, default: 'data:x'}", "7:32 'x' is not declared under 'data'"),
    ("d: {type: list, items: path, default: [a, /b]}", "7:45 '/b' is not a path inside the project"),
]  # fmt: skip

PROBLEMS_OF_ENVIRONMENTS = [
    ("environments: {a: {system: true}}\nenvironment: {system: true}\n", "4:1 'environment': it does not go with"),
    ("environments: {}\n", "3:15 this must not be empty"),
    ("environments: {2a: {system: true}}\n", "3:16 '2a': a name is a letter or _ followed by"),
    (
        "environments: {a: {sytem: true}}\n",
        "3:20 'sytem' is not a key of the environment | did you mean 'system'?",
    ),
    ("environments: {a: {python: 3.11, lock: no.lock}}\n", "3:40 there is no file 'no.lock'"),
    ("environments: {a: {python: 3.11, lock: ../l}}\n", "3:40 '../l' is not a path inside the project"),
    (
        "environments: {a: {system: true, inherit: [A], secrets: [A]}}\n",
        "3:58 A is under 'inherit' too: it can have one value only",
    ),
    ("environments: {a: {system: true}, b: {system: true}}\n", "5:3 it runs in none of the environments"),
    (
        "environments: {default: {system: true}, gpu: {system: true}}\n",
        "6:37 'gup' is not declared under 'environments' | did you mean 'gpu'?",
    ),
    ("", "1:1 the specification needs 'environment'"),
]

PROBLEMS_OF_COMMANDS = [
    ("python {dpeth}", "8:14 {dpeth} is no parameter: did you mean 'depth'?"),
    ("python", "7:7 the command never uses 'depth': the parameter never reaches the program"),
    ("python 'x {depth}", "8:14 the ' is not closed"),
    ("python --x={params}", "8:14 {params} must stand alone in its word"),
    ("[]", "8:14 this list must not be empty"),
    ("{a: b}", "8:14 text or a list is wanted here, found a mapping"),
]

PROBLEMS_ELSEWHERE = [

    ("[]", "1:1 a mapping is wanted here, found a list"),
    (HEAD, "1:1 the specification needs 'entry_points'"),
    (HEAD + "entry_points: {}", "4:15 this must not be empty"),
    (HEAD + "entry_points: {a b: ls}", "4:16 'a b': a name is a letter or _"),
    (
        HEAD.replace("true", "true, variables: {PYTHONNOUSERSITE: ''}") + "entry_points: {main: ls}",
        "3:41 'PYTHONNOUSERSITE': projrun sets it in every run, which never sees the packages in a user's home",
    ),
    (HEAD + "entry_points: {main: true}", "4:22 text, a list or a mapping is wanted here, found true | put it"),
    (
        HEAD + "entry_points: {main: {command: ls, shell: yes}}",
        "4:43 'shell' is true, false or format, found 'yes'",
    ),
    (HEAD + "entry_points: {main: 5}", "4:22 text, a list or a mapping is wanted here, found 5"),
    (HEAD + "entry_points: {main: {comand: ls}}", "4:23 'comand' is not a key of an entry point | did you"),
    (HEAD + "entry_points:\n  main:\n    help: x", "5:3 an entry point needs 'command'"),
    (HEAD + "entrypoints: {main: ls}", "4:1 'entrypoints' is not a key of the specification"),
    (HEAD.replace("1", "2") + "entry_points: {main: ls}", "1:10 the version of the format must be 1, found 2"),
    (HEAD + "data: {a: {path: x, sha256: 12}}\nentry_points: {main: ls}", "4:29 a SHA-256 has 64"),
    (HEAD + "data: {a: {sha256: 12}}\nentry_points: {main: ls}", "4:8 a data entry needs 'path'"),
    (HEAD + "data: {a: /x}\nentry_points: {main: ls}", "4:11 '/x' is not a path inside"),
    (entry(rest="    timeout: 1x"), "7:14 a timeout is a number of seconds above 0"),
    (entry(rest="    timeout: 0"), "7:14 a timeout is a number of seconds above 0"),
    (entry(rest="    timeout: 0m"), "7:14 a timeout is a number of seconds above 0"),
    (entry(rest="    timeout: .nan"), "7:14 a timeout is a number of seconds above 0"),
    (entry(rest="    outputs: [a, ./a]"), "7:18 './a' is in the list twice"),
    (entry(rest="    outputs: ."), "7:14 '.' is the project itself"),
    (entry(rest="    outputs: [a/../../b]"), "7:15 'a/../../b' is not a path inside the project"),
    (entry(rest="    inputs: [data:x]"), "7:14 'x' is not declared under 'data'"),
    (entry(command="[ls, {}]"), "6:19 text is wanted here"),
    (entry(command="[ls]", rest="    shell: true"), "6:14 with 'shell: true' the command is one text"),
    (HEAD.replace("system: true", 'system: true, variables: {A: "\\0"}') + "entry_points: {main: ls}",
     "3:44 a variable cannot hold a NUL character"),
    (HEAD.replace("system: true", "system: true, variables: {A: 1}, inherit: [A]") + "entry_points: {main: ls}",
     "3:58 A is under 'variables' too"),
]  # fmt: skip


def found(root: Path, text: str) -> list[str]:
    """The problems as ``line:column message | hint``."""
    told = []
    for problem in check(write(root, text)).problems:
        assert problem.file == str(root / "ProjectSpec.yaml")
        hint = f" | {problem.hint}" if problem.hint else ""
        told.append(f"{problem.line}:{problem.column} {problem.message}{hint}")
    return told


@pytest.mark.parametrize(("parameter", "told"), PROBLEMS_OF_PARAMETERS)
def test_a_wrong_parameter_is_told_with_its_place(tmp_path: Path, parameter: str, told: str) -> None:
    (problem,) = found(tmp_path, entry(parameter))
    assert problem.startswith(told)


@pytest.mark.parametrize(("command", "told"), PROBLEMS_OF_COMMANDS)
def test_a_wrong_command_is_told_with_its_place(tmp_path: Path, command: str, told: str) -> None:
    problems = found(tmp_path, entry("depth: 3", command))
    assert any(problem.startswith(told) for problem in problems), problems


@pytest.mark.parametrize(("text", "told"), PROBLEMS_ELSEWHERE)
def test_what_else_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    problems = found(tmp_path, text)
    assert any(problem.startswith(told) for problem in problems), problems


@pytest.mark.parametrize(("environments", "told"), PROBLEMS_OF_ENVIRONMENTS)
def test_wrong_environments_are_told_with_their_place(tmp_path: Path, environments: str, told: str) -> None:
    entry_points = "entry_points:\n  main: ls\n  other: {command: ls, environment: gup}\n"
    problems = found(tmp_path, f"version: 1\nname: p\n{environments}{entry_points}")
    assert any(problem.startswith(told) for problem in problems), problems


def test_an_environment_that_is_wrong_is_not_unknown_to_an_entry_point(tmp_path: Path) -> None:
    text = "version: 1\nname: p\nenvironments: {gpu: 3}\nentry_points: {main: {command: ls, environment: gpu}}\n"
    assert found(tmp_path, text) == ["3:21 a mapping is wanted here, found 3"]


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    assert found(tmp_path, "# nothing\n") == ["1:1 a mapping is wanted here, found nothing (null)"]


def test_every_problem_is_told_at_once_and_in_order(tmp_path: Path) -> None:
    text = HEAD.replace("name: p", "nmae: p") + (
        "name: twice\nname: p\n"
        "entry_points:\n"
        "  train:\n"
        "    parameters: {depth: {type: int, minimun: 1}, rate: {type: float, default: x}}\n"
        "    command: python {depth} {rate} {other}\n"
        "    output: a\n"
    )
    problems = found(tmp_path, text)
    assert [problem.partition(" ")[0] for problem in problems] == ["2:1", "5:1", "8:37", "8:79", "9:14", "10:5"]


def test_a_parameter_that_is_wrong_is_not_unknown_to_the_command(tmp_path: Path) -> None:
    assert len(found(tmp_path, entry("depth: {type: int, defualt: 3}", "python {depth}"))) == 1
    assert len(found(tmp_path, entry("depth: {type: int, default: x}", "python {depth}"))) == 1


def test_data_that_is_wrong_is_not_unknown_to_a_parameter(tmp_path: Path) -> None:
    text = entry("d: {type: path, default: 'data:a'}") + "data: {a: {path: x, sha: 1}}\n"
    assert [problem.partition(" |")[0] for problem in found(with_files(tmp_path, "x"), text)] == [
        "9:21 'sha' is not a key of a data entry"
    ]


@pytest.mark.parametrize("command", ["{params}", "{params_file}"])
def test_a_placeholder_for_all_uses_every_parameter(tmp_path: Path, command: str) -> None:
    assert found(tmp_path, entry("a: 1\nb: 2", f"python {command}")) == []


@pytest.mark.parametrize(
    ("keys", "right"),
    [
        ("requirements: requirements.in, extras: [plot]", False),
        ("lock: requirements.lock, groups: []", False),
        ("requirements: sub/pyproject.toml, extras: [plot], groups: [test]", True),
        ("lock: pylock.gpu.toml, extras: []", True),
        ("lock: pylock.gpu.toml, extras: [-]", False),
    ],
)
def test_extras_and_groups_go_with_what_has_them(tmp_path: Path, keys: str, right: bool) -> None:
    files = ("requirements.in", "requirements.lock", "sub/pyproject.toml", "pylock.gpu.toml")
    text = HEAD.replace("{system: true}", f"{{python: 3.11, {keys}}}") + "entry_points: {main: ls}\n"
    assert (found(with_files(tmp_path, *files), text) == []) is right


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert found(tmp_path, BIKES) == [
        "5:9 there is no file 'requirements.lock' | projrun lock",
        "6:17 there is no file 'requirements.in'",
        "11:18 there is no 'data/hourly_counts.csv', and no entry point has it as an output",
    ]
    with_files(tmp_path, "requirements.lock", "requirements.in", "data/hourly_counts.csv")
    assert found(tmp_path, BIKES) == []


def test_a_missing_file_is_told_with_the_one_that_is_nearly_called_so(tmp_path: Path) -> None:
    with_files(tmp_path, "requirments.lock", "requirements.inn", "data/hourly_count.csv")
    lock, *others = (problem.partition(" | ")[2] for problem in found(tmp_path, BIKES))
    assert lock == "did you mean 'requirments.lock'? else: projrun lock"
    assert others == ["did you mean 'requirements.inn'?", "did you mean 'data/hourly_count.csv'?"]
    (tmp_path / "requirments.lock").unlink()
    (tmp_path / "requirements.lock").mkdir()
    assert "did you mean" not in found(tmp_path, BIKES)[0]


def test_a_file_whose_name_cannot_be_is_missing(tmp_path: Path) -> None:
    text = HEAD.replace("{system: true}", f"{{python: 3.11, lock: {'x' * 300}}}") + "entry_points: {main: ls}\n"
    (problem,) = found(tmp_path, text)
    assert problem.startswith("3:35 there is no file 'xxx")


def test_an_input_that_is_the_name_of_data_is_told_how_to_say_so(tmp_path: Path) -> None:
    text = entry(rest="    inputs: a\n") + "data: {a: x}\n"
    assert found(with_files(tmp_path, "x"), text) == [
        "7:13 there is no 'a', and no entry point has it as an output | did you mean 'data:a'?"
    ]


def test_what_another_entry_point_writes_is_not_missing(tmp_path: Path) -> None:
    text = (
        HEAD
        + "data: {a: ./made/a.csv, b: made}\nentry_points:\n  make: {command: make, outputs: made}\n  use: ls\n"
    )
    assert found(tmp_path, text) == []


def test_a_link_that_leads_out_is_told(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, HEAD + "data: {a: link/x}\nentry_points: {main: ls}\n")
    (project / "link").symlink_to(tmp_path)
    (problem,) = check(project).problems
    assert (problem.line, problem.column) == (4, 11)
    assert problem.message.endswith("a symbolic link leads out of the project")


def test_writing_a_pinned_input_is_told(tmp_path: Path) -> None:
    text = entry("a: {type: path, default: 'data:a'}", rest="    outputs: [x]\n")
    text += f"data: {{a: {{path: ./x, sha256: {'0' * 64}}}}}\n"
    (problem,) = found(with_files(tmp_path, "x"), text)
    assert problem.startswith("9:15 'x' is an input with a pinned hash too")


def test_a_project_without_a_specification_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no ProjectSpec\.yaml"):
        check(tmp_path)


def test_a_file_that_is_not_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "ProjectSpec.yaml").write_bytes(b"name: \xff")
    (problem,) = check(tmp_path).problems
    assert (problem.line, problem.column) == (1, 7)


def test_the_file_is_named_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", "[]")
    monkeypatch.chdir(tmp_path)
    assert [problem.place for problem in check(tmp_path / "a").problems] == ["a/ProjectSpec.yaml:1:1"]


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for step, below in steps for place in places(below, (*path, step)))]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("a{}'/.-=:0 \n\0", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "path", "type", "-"]), inner)
    ),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_stands_anywhere_is_a_problem_or_fine_and_never_a_crash(
    tmp_path: Path, data: st.DataObject
) -> None:
    spec = copy.deepcopy(yaml.safe_load(BIKES))
    path = data.draw(st.sampled_from(places(spec)[1:]))
    around = spec
    for step in path[:-1]:
        around = around[step]
    around[path[-1]] = data.draw(ANYTHING)
    examined = examine(json.dumps(spec), tmp_path)
    assert all(problem.line >= 1 and problem.message for problem in examined.problems)
