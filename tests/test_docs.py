"""The pages say what the program does: verbs, options, exit codes, commands to type, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from projrun.cli.verbs import VERBS, cli
from projrun.core.errors import ProjrunError
from projrun.spec.load import load

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "examples")
    for path in folder.glob("*.md" if folder == ROOT else "**/*.md")
)


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, with its words."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(verbs(cli))


def sections(page: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented() -> dict[str, str]:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    return {title.removeprefix("projrun "): text for title, text in sections(page).items()}


def test_every_verb_has_its_section_and_every_section_its_verb() -> None:
    assert list(documented()) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented_and_no_other(name: str) -> None:
    options = [option for option in COMMANDS[name].params if isinstance(option, click.Option)]
    exist = {text for option in options for text in (*option.opts, *option.secondary_opts)}
    rows = re.findall(r"^\| (`-.*?) \|", documented()[name], flags=re.MULTILINE)
    told = {word for row in rows for word in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", row)}
    assert told == exist


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_verbs_tells_what_the_verb_tells(name: str) -> None:
    verb = name.split(maxsplit=1)[0]
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == VERBS[verb]


def kinds(error: type[ProjrunError] = ProjrunError) -> Iterator[type[ProjrunError]]:
    yield error
    for below in error.__subclasses__():
        yield from kinds(below)


def test_every_kind_of_error_is_in_the_table_of_exit_codes() -> None:
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", page, flags=re.MULTILINE)
    table = {int(code): set(filter(None, words.split(", "))) for code, words in rows}
    for error in kinds():
        if error.__module__ == ProjrunError.__module__:
            assert error.kind in table[error.exit_code]
    assert {int(code) for code in re.findall(r"\d+", (COMMANDS["run"].help or "").split("\b")[0])} <= set(table)


def typed() -> Iterator[tuple[Path, str]]:
    """Every indented line of a page that is a command to type, and every command in a sentence."""
    for page in PAGES:
        for command in re.findall(r"`(projrun(?: [^`\n]+)?)`", page.read_text()):
            yield page, command
        for line in page.read_text().splitlines():
            if match := re.match(r"(?: {4}|\t)(?:\$ )?((?:projrun|make|python3 dev\.py|\.ci/run)(?: .*)?)$", line):
                yield page, match[1].split("  ")[0]


TYPED = sorted({command for _, command in typed()})


@pytest.mark.parametrize("command", TYPED)
def test_a_command_of_a_page_can_be_typed(command: str) -> None:
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        assert re.search(rf"^[a-z ]*\b{words[0]}\b[a-z ]*:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "python3":
        assert f"python3 dev.py {words[1]}" in (ROOT / "dev.py").read_text()
    elif program == "projrun" and words and words[0] != "VERB":
        name = next((name for name in COMMANDS if f"{' '.join(words)} ".startswith(f"{name} ")), None)
        assert name is not None or words[0].startswith("-") or words in ([verb] for verb in VERBS)
        exist = (
            {text for option in COMMANDS[name].params for text in option.opts} if name else {"--help", "--version"}
        )
        given = {word.split("=")[0] for word in words if re.match(r"--[a-z]|-[a-zA-Z]$", word)}
        assert given <= exist | {"--help"}
    else:
        assert (ROOT / program).exists() or program == "projrun"


def test_the_readme_names_every_verb() -> None:
    told = sections((ROOT / "README.md").read_text())["The verbs"]
    rows = re.findall(r"^\| `projrun ([a-z-]+)", told, flags=re.MULTILINE)
    assert rows == list(VERBS)
    env = next(line for line in told.splitlines() if line.startswith("| `projrun env`"))
    known = {name.removeprefix("env ") for name in COMMANDS if name.startswith("env ")}
    assert set(re.findall(r"`([a-z]+)`", env.partition("|")[2].partition("|")[2])) == known


def test_the_readme_shows_the_first_minute_and_ci_runs_its_tests() -> None:
    readme = {command for page, command in typed() if page == ROOT / "README.md"}
    assert {"python3 dev.py demo", "python3 dev.py test", "projrun runs --all", "projrun show last"} <= readme
    assert "step python3 dev.py test\n" in (ROOT / ".ci" / "run").read_text()


def specs() -> Iterator[tuple[str, str]]:
    """Every whole spec that a page shows."""
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            if block.startswith("version:"):
                yield str(page.relative_to(ROOT)), block


@pytest.mark.parametrize(("page", "text"), list(specs()))
def test_a_spec_of_a_page_loads(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "ProjectSpec.yaml").write_text(text)
    assert load(tmp_path, tmp_path / "cache").entry_points, page


def test_the_readme_and_the_tutorial_show_a_spec() -> None:
    assert {page for page, _ in specs()} >= {"README.md", "docs/tutorial.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_page_that_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    inside = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:", link) and not link.startswith("#")]
    assert [link for link in inside if not (page.parent / link).exists()] == []
