"""A command is split before any value is put in, and the program is given each value exactly."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from projrun.core.errors import UsageError
from projrun.spec import command, posix_shell
from projrun.spec.model import BoundParameter, Parameter, Value
from tests.spec.children import HOSTILE, LONG_JSON, TELLER, TEXT, told, written

BUILTINS = command.Builtins(seed="7", params_file="/runs/1/params.json", run_dir="/runs/1")
QUOTED_TELLER = written(shlex.join(TELLER))

by_children = settings(deadline=None, max_examples=40)


def texts(**values: str | Sequence[str]) -> dict[str, BoundParameter]:
    """Parameters of type str, and lists, with these values."""
    bound = {}
    for name, value in values.items():
        kind = "str" if isinstance(value, str) else "list"
        raw = value if isinstance(value, str) else tuple(value)
        bound[name] = BoundParameter(Parameter(name, kind), Value(raw, value), "command line")
    return bound


def switch(name: str, on: bool, flag: str | None = None) -> dict[str, BoundParameter]:
    value = Value("true" if on else "false", on)
    return {name: BoundParameter(Parameter(name, "bool", flag=flag), value, "default")}


def argv(
    template: str | Sequence[str], bound: Mapping[str, BoundParameter] | None = None, *, shell: bool = False
) -> tuple[str, ...]:
    parsed = command.parse(template, shell=shell)
    bound = bound or {}
    used = {name: one.parameter for name, one in bound.items()}
    assert not command.problems(parsed, used)
    return command.render(parsed, bound, BUILTINS)


# Words.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("python -m train  --depth 3", ["python", "-m", "train", "--depth", "3"]),
        ("a 'b c'\"d e\"f g", ["a", "b cd ef", "g"]),
        ("a '' \"\"", ["a", "", ""]),
        ("a \\\n  --b \\\n\t--c\n", ["a", "--b", "--c"]),
        ("a b\\\nc", ["a", "bc"]),
        ("a b\\ c \\\\ \\'", ["a", "b c", "\\", "'"]),
        ('a "\\$x \\"y\\" \\z \\\\ \\`"', ["a", '$x "y" \\z \\ `']),
        ('a "b\\\nc"', ["a", "bc"]),
        ("a '\\'", ["a", "\\"]),
        ("a #b c#d", ["a", "#b", "c#d"]),
        ("a $HOME *.csv ~", ["a", "$HOME", "*.csv", "~"]),
        ("a '|' \\> \"&&\" 'f(x); g'", ["a", "|", ">", "&&", "f(x); g"]),
        ("\n a b\n\n", ["a", "b"]),
        ("a 'b\nc' A=b", ["a", "b\nc", "A=b"]),
        ("'A=b' c", ["A=b", "c"]),
        ("a\u00a0b c\rd", ["a\u00a0b", "c\rd"]),
    ],
)
def test_a_text_is_split_as_a_shell_splits_it(text: str, words: list[str]) -> None:
    assert command.parse(text, shell=False).words == tuple(words)


@given(st.lists(TEXT, min_size=1).filter(lambda words: words[0] != ""))
def test_any_words_that_were_quoted_for_a_shell_come_back(words: list[str]) -> None:
    assert posix_shell.split(f"prog {shlex.join(words)}") == ("prog", *words)


@by_children
@given(st.text(st.sampled_from("ab'\"\\ \t$"), max_size=25).filter(lambda text: not text.endswith("\\")))
@example('"a\\\\\\"b"\\\\\\"')
@example('a \\\n b\\\nc "d\\\ne" \'f\\\ng\' "h\ni"')
def test_quotes_and_backslashes_mean_what_they_mean_to_a_real_shell(text: str) -> None:
    assume("$'" not in text and "$$" not in text and "$a" not in text and "$b" not in text and '$"' not in text)
    try:
        words = posix_shell.split(text)
    except ValueError:
        assert subprocess.run(["/bin/sh", "-nc", f": {text}"], capture_output=True, check=False).returncode
    else:
        assert told(["/bin/sh", "-c", f"{shlex.join(TELLER)} {text}"]) == words


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ([], "empty"),
        (["", " "], "empty"),
        (["", "x"], "first word is empty"),
        ("'' x", "first word is empty"),
        ("a 'b", "' is not closed"),
        ('a "b', '" is not closed'),
        ("a b\\", "backslash at the end"),
        ("a {", "'{' is no placeholder"),
        ("a }", "'}' is no placeholder"),
        ("a '{a b}'", "'{a b}' is no placeholder"),
        ("a {a b}", "'{a' is no placeholder"),
        ("a {}", "'{}' is no placeholder"),
        ("a {2}", "'{2}' is no placeholder"),
        ("a {x.y}", "is no placeholder"),
        (["a", "{x"], "'{x' is no placeholder"),
        ("a | b", "| is for a shell: put it in quotes if a word has it, or write `shell: true`"),
        ("a x>y", "> is for a shell"),
        ("a b; c", "; is for a shell"),
        ("a b&", "& is for a shell"),
        ("a b|c", "| is for a shell"),
        ("a <b", "< is for a shell"),
        ("a $(b)", "( is for a shell"),
        ("a\nb", "another line: fold the lines with >-, or use `shell: true`"),
        ("a \\\n b\n c", "another line"),
        ("A_1=b c", "A_1= in front of a command is for a shell: write `environment: {variables: {A_1: ...}}`"),
        (" \\\nA={x} c", "A= in front of a command is for a shell"),
        ("a > b", "> is for a shell"),
        ("a && b", "&& is for a shell"),
        ("a 2>&1", ">& is for a shell"),
        ("a\0", "NUL"),
        ("a \ud800", "UTF-8"),
    ],
)
def test_a_command_that_cannot_be_read_is_refused(template: str | list[str], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        command.parse(template, shell=False)


def test_a_list_is_words_as_they_are() -> None:
    parsed = command.parse(["prog", "a b", "'c'", "|", "", "{x}"], shell=False)
    assert parsed.words == ("prog", "a b", "'c'", "|", "", "{x}")
    assert shlex.split(parsed.text) == list(parsed.words)


def test_doubled_braces_are_braces() -> None:
    assert argv("p {{ }} {{x}} {{{x}}} a{{b}}", texts(x="v")) == ("p", "{", "}", "{x}", "{v}", "a{b}")


def test_placeholders_are_named_once_in_order() -> None:
    parsed = command.parse("{b} --x={a} {b} {{c}} {seed}", shell=False)
    assert command.placeholders(parsed) == ("b", "a", "seed")
    assert command.placeholders(command.parse("{b} > {a}", shell=True)) == ("b", "a")


# Values.


@pytest.mark.parametrize("text", [*HOSTILE, LONG_JSON])
def test_hostile_values_reach_a_real_program_exactly(text: str) -> None:
    bound = texts(v=text, items=[text, "", text])
    expected = (text, f"--v={text}", text, "", text, f"{text}{text}")
    assert told(argv(f"{QUOTED_TELLER} {{v}} --v={{v}} {{items}} '{{v}}'\"{{v}}\"", bound)) == expected
    assert told(argv([*map(written, TELLER), "{v}", "--v={v}", "{items}", "{v}{v}"], bound)) == expected


@by_children
@given(TEXT, st.lists(TEXT, max_size=4))
def test_any_value_reaches_a_real_program_exactly(text: str, items: list[str]) -> None:
    found = told(argv(f"{QUOTED_TELLER} {{v}} x{{v}}y {{items}} {{params}}", texts(v=text, items=items)))
    assert found == (text, f"x{text}y", *items, "--v", text, "--items", *items)


def test_a_value_is_not_split_or_read_again() -> None:
    assert argv("p {a} {b}", texts(a="{b} {seed}", b="x  y")) == ("p", "{b} {seed}", "x  y")


def test_a_list_is_one_word_for_each_item_and_none_when_empty() -> None:
    assert argv("p {x} end", texts(x=["a b", ""])) == ("p", "a b", "", "end")
    assert argv("p {x} end", texts(x=[])) == ("p", "end")
    assert argv("{x}", texts(x=["p", "q"])) == ("p", "q")


def test_a_bool_is_its_flag_or_nothing_and_a_word_without_a_flag() -> None:
    assert argv("p {quiet} end", switch("quiet", True, "--quiet")) == ("p", "--quiet", "end")
    assert argv("p {quiet} end", switch("quiet", False, "--quiet")) == ("p", "end")
    assert argv("p {quiet} --q={quiet}", switch("quiet", False)) == ("p", "false", "--q=false")


def test_params_is_every_parameter_in_declared_order() -> None:
    bound = {
        **texts(name="--x", ids=["1", "2"], none=[]),
        **switch("log-target", True, "-l"),
        **switch("off", False, "--off"),
        **switch("plain", True),
    }
    told_by_name = "--name --x --ids 1 2 --none -l --plain true"
    assert " ".join(argv("p {params} end", bound)) == f"p {told_by_name} end"


def test_builtins_are_filled_in() -> None:
    assert argv("p {seed} {params_file} {run_dir}/x") == ("p", "7", "/runs/1/params.json", "/runs/1/x")


def test_a_command_that_is_left_without_a_program_is_refused() -> None:
    for bound in (texts(x=[]), texts(x="")):
        with pytest.raises(UsageError, match="names no program"):
            argv("{x}", bound)


# Shells.


@pytest.mark.parametrize("text", [*HOSTILE, LONG_JSON])
def test_hostile_values_pass_a_real_shell_exactly(text: str) -> None:
    template = f'x={{v}}; true && {QUOTED_TELLER} {{v}} --v={{v}} "$x" {{items}} $({QUOTED_TELLER} {{none}}) | cat'
    found = told(argv(template, texts(v=text, items=[text, ""], none=[]), shell=True))
    assert found == (text, f"--v={text}", text, text, "")


@by_children
@given(TEXT, st.lists(TEXT, max_size=4))
def test_any_value_passes_a_real_shell_exactly(text: str, items: list[str]) -> None:
    template = f"{QUOTED_TELLER} {{v}} x{{v}}'y' {{items}} {{params}} # the end"
    found = told(argv(template, texts(v=text, items=items), shell=True))
    assert found == (text, f"x{text}y", *items, "--v", text, "--items", *items)


def test_a_value_is_no_redirection_assignment_or_word_of_the_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    template = f"{QUOTED_TELLER} {{n}}>{{out}}; cat {{out}}"
    assert told(argv(template, texts(n="2", out=str(out)), shell=True)) == ("2",)
    assert told(argv("{cmd} {x}", texts(cmd="printf", x="if\\0"), shell=True)) == ("if",)


def test_a_shell_is_given_the_text_as_it_is() -> None:
    found = argv("for i in 1 2; do echo ${{i}} $HOME; done; echo {n}", texts(n="3"), shell=True)
    assert found == ("/bin/sh", "-c", "for i in 1 2; do echo ${i} $HOME; done; echo '3'")


@pytest.mark.parametrize(
    "template",
    [
        "echo '{v}'",
        'echo "{v}"',
        'echo "a $x {v}"',
        "echo \\{v}",
        "echo ${v}",
        "echo $\\\n{v}",
        "echo `echo {v}`",
        'echo "$(echo "{v}")"',
        "cat <<E\n{v}\nE",
        "cat <<'E'\n{v}\nE",
        "cat \\\n<\\\n<E\n{v}\nE",
        "echo # {v}",
        "# don't\necho '{v}'",
        "echo \\# '\n{v}'",
        "echo a\\ #'\n{v}'",
        "echo \\\n# don't\necho '{v}'",
        "echo x#'{v}'",
        "echo $(({v}))",
        "echo $'it\\'s {v}'",
        "echo $'a\\'' {v}'",
        'echo "${x:-"{v}"}"',
        "echo ${{x:-{v}}}",
        'echo ${{x:-"{v}"}}',
        'echo "$\\\n(echo "{v}")"',
        "echo ';#' '{v}'",
        "echo 'unclosed {v}",
    ],
)
def test_a_placeholder_that_no_quoting_would_protect_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"a placeholder stands|is no placeholder"):
        command.parse(template, shell=True)


def test_no_value_runs_as_code_where_a_placeholder_is_accepted(tmp_path: Path) -> None:
    parts = ["'", '"', "\\", "#", " ", "\n", "`", "$(", ")", "<<E", "$'", "((", "{v}"]
    values = ["$(touch hit)", "'; touch hit; '", "`touch hit`", "\ntouch hit\n", '"; touch hit; "']
    accepted = 0
    for combination in itertools.product(parts, repeat=3):
        template = f"echo {''.join(combination)} {{v}}"
        try:
            parsed = command.parse(template, shell=True)
        except ValueError:
            continue
        accepted += 1
        for value in values:
            rendered = command.render(parsed, texts(v=value), BUILTINS)
            subprocess.run(rendered, cwd=tmp_path, capture_output=True, check=False)
            assert not (tmp_path / "hit").exists(), (template, value)
    assert accepted > 100


@pytest.mark.parametrize(
    "template",
    [
        'cd "$HOME" && echo {v}',
        'cd "$(pwd)" && echo {v}',
        'cd "${{HOME}}/x" && echo {v}',
        "echo ${{x:-y}} {v}",
        "echo it\\'s {v}",
        "echo 'it'\"'\"'s' {v}",
        "echo a#b {v}",
        "echo $# {v}",
        "(echo {v})",
        "echo $(echo {v})",
        "echo {v} # it's",
        "# a comment\necho {v}",
        "echo {v} <<E\nit's\nE",
        'echo {v} "$(date "+%Y")"',
    ],
)
def test_a_placeholder_in_the_open_is_accepted(template: str) -> None:
    assert command.placeholders(command.parse(template, shell=True)) == ("v",)


def test_a_shell_takes_one_text() -> None:
    with pytest.raises(ValueError, match="one text, not as a list"):
        command.parse(["echo", "x"], shell=True)


# Problems.


@pytest.mark.parametrize(
    ("template", "shell", "found"),
    [
        ("p {depth} {ids} {quiet} {params}", False, []),
        ("p {params}", False, []),
        ("p {params_file}", False, []),
        ("p {run_dir}", False, []),
        ("p {detph} {params}", False, ["{detph} is no parameter: did you mean 'depth'?"]),
        ("p --ids={ids} {params}", False, ["{ids} must stand alone in its word: a list"]),
        ("p x{params}", False, ["{params} must stand alone in its word: it becomes many words"]),
        ("p a{quiet} {params}", False, ["{quiet} must stand alone in its word: it becomes -q or nothing"]),
        ("p --depth={depth} {params}", False, []),
        ("(p {ids}); p {quiet}|p {params}", True, []),
        ("p x{ids} {params}", True, ["{ids} must stand alone"]),
        ("p {ids}{quiet} {params}", True, ["{ids} must stand alone", "{quiet} must stand alone"]),
    ],
)
def test_problems_between_command_and_parameters_are_found(template: str, shell: bool, found: list[str]) -> None:
    declared = {
        "depth": Parameter("depth", "int"),
        "ids": Parameter("ids", "list", items="int"),
        "quiet": Parameter("quiet", "bool", flag="-q"),
    }
    problems = command.problems(command.parse(template, shell=shell), declared)
    assert len(problems) == len(found)
    for problem, part in zip(problems, found, strict=True):
        assert part in problem


@pytest.mark.parametrize(
    ("template", "unused"),
    [
        ("p {depth}", ("ids", "quiet")),
        ("p {run_dir}", ("depth", "ids", "quiet")),
        ("p {params}", ()),
        ("p {params_file}", ()),
    ],
)
def test_parameters_that_reach_no_program_are_found(template: str, unused: tuple[str, ...]) -> None:
    for shell in (False, True):
        assert command.unused(command.parse(template, shell=shell), ("depth", "ids", "quiet")) == unused
