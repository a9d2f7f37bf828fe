"""What of a requirements file reaches a tool: requirements of releases, in files of ours, and no word more."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import EnvironmentFailure
from projrun.environment import lock, requirements
from projrun.environment.asked import Asked
from projrun.environment.requirements import RequirementLine, RequirementsFile
from projrun.spec.model import EnvironmentSpec
from tests.environment.conftest import Project

WORDS = [
    *(
        "alpha",
        "beta>=1",
        "gamma[x]",
        "; os_name == '",
        "'",
        '"',
        "-r",
        "--req",
        "-c",
        "--pre",
        "--pr",
        "--no-bin",
    ),
    *(
        "--no-binary",
        "-i",
        "--index-url=http://host.invalid",
        "-e",
        ".",
        "=",
        "\\\n",
        "\n",
        " ",
        "\t",
        "#",
        "\u00a0",
    ),
    *("--hash=sha256:00", "${SECRET}", "${", "@ file:///etc/hostname", "\x0b", "\x0c", "\u2028", "\r", "==="),
]


def lines_of(files: Sequence[RequirementsFile]) -> tuple[RequirementLine, ...]:
    return requirements.lines_of(files, EnvironmentSpec())


def refused(text: str) -> list[str]:
    files = (RequirementsFile("a.in", text),)
    return [f"{one.place} {one.message}" for one in requirements.unlockable(files, lines_of(files))]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "--no-binary zevil",
            "--no-bin zevil",
            "--pre --no-binary zevil",
            "--pre --index-url http://host.invalid",
        ),
        *(
            "--pre --extra-index-url http://host.invalid/${MY_SECRET}/",
            "--pre --find-links wheels",
            "--pre -fwheels",
        ),
        *("--pre -r ../../etc/hostname", "--pre alpha", "--pre=1", "--pr", "--req more.in", "--constr more.in"),
        *("-r more.in -r other.in", "-r more.in --no-binary :all:", "-c 'more.in", "-r", "--requirement="),
        *(
            "alpha --no-binary alpha",
            "alpha --hash=sha256:00",
            "alpha -C a=b",
            "alpha --config-setting a=b",
            "-ialpha",
        ),
        *("alpha==${VERSION}", "alpha ; os_name == '${NAME}'", "-r ${NAME}.in", "-e .", "--ed .", "- alpha", "-"),
        *("alpha ; os_name == ' --no-binary zevil'", "--use-feature x", "--require-hashes", "-"),
    ],
)
def test_a_line_of_anything_but_one_requirement_or_one_inclusion_is_refused_whole(line: str) -> None:
    (problem,) = refused(f"alpha\n{line}\n")
    assert problem.startswith("a.in:2:1 ")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--pre alpha", "--pre: a line is one requirement, -r FILE, -c FILE or --pre, and nothing more"),
        ("--pre --no-bin alpha", "--no-bin: wheels or source distributions are chosen in ProjectSpec.yaml"),
        ("-r a.in --extra https://me:s3cret@host.invalid", "--extra: requirements name no package index"),
        ("alpha --hash=sha256:00", "--hash: hashes belong into the lock"),
        ("alpha --https://me:s3cret@host.invalid", "--https://host.invalid: a line is one requirement"),
        ("-- alpha", "--: a line is one requirement"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_without_its_secrets(line: str, message: str) -> None:
    (problem,) = refused(f"{line}\n")
    assert problem.startswith(f"a.in:1:1 {message}")
    assert "s3cret" not in problem


def test_a_lock_is_compared_with_a_requirement_that_has_options_too() -> None:
    files = (RequirementsFile("a.in", "alpha>2 --hash=sha256:00\n"),)
    pins = lock.parse(f"alpha==1 --hash=sha256:{'0' * 64}\n", "a.lock")
    (problem,) = requirements.out_of_step(pins, "a.lock", lines_of(files), {}, "projrun lock")
    assert problem.message == "alpha>2 is asked for, but a.lock:1 pins 1"


@pytest.mark.parametrize("line", ["-r more.in", "-rmore.in", "--requirement=more.in", "--requirement 'more.in'"])
def test_a_file_is_included_however_it_is_spelt(project: Project, line: str) -> None:
    project.write("more.in", "beta ; os_name == '-'\n")
    project.write("main.in", f"{line}  # for all\n--pre\nalpha\n")
    files = requirements.collect(project.root, EnvironmentSpec(requirements="main.in"))
    assert [one.text for one in lines_of(files)] == [
        "alpha",
        "beta ; os_name == '-'",
    ]
    assert requirements.unlockable(files, lines_of(files)) == ()


@pytest.mark.parametrize("line", ["-r ../outside.in", "-r /etc/hostname", "-c ../../etc/hostname"])
def test_no_file_outside_the_project_is_read(project: Project, line: str) -> None:
    (project.root.parent / "outside.in").write_text("alpha\n")
    project.write("main.in", f"{line}\n")
    with pytest.raises(EnvironmentFailure, match="is not inside the project"):
        requirements.collect(project.root, EnvironmentSpec(requirements="main.in"))


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=8).map("".join))
def test_no_arrangement_of_words_gets_an_option_to_a_tool(text: str) -> None:
    files = (RequirementsFile("a.in", text),)
    lines = lines_of(files)
    if requirements.unlockable(files, lines):
        return
    with tempfile.TemporaryDirectory() as name:
        Asked("a.in", lines).write(Path(name))
        written = {path.name: path.read_text(encoding="utf-8") for path in Path(name).iterdir()}
    whole = written.pop("projrun-asked.in")
    assert whole == "".join(f"-r {name}\n" for name in written)
    for row in filter(None, "".join(written.values()).split("\n")):
        assert lock.as_requirement(row)
        assert row.splitlines() == [row]
        assert not any(word.startswith("-") for word in row.split())
        assert "${" not in row


def test_each_requirement_is_in_the_line_in_which_the_user_has_it(tmp_path: Path) -> None:
    text = "# first\n\nalpha \\\n  >=1\n--pre\nbeta\n"
    files = (RequirementsFile("a.in", text),)
    Asked("a.in", lines_of(files)).write(tmp_path)
    assert (tmp_path / "projrun-asked-0.in").read_text() == "\n\nalpha>=1\n\n\nbeta\n"


def test_a_line_that_was_not_judged_reaches_no_tool(tmp_path: Path) -> None:
    for text in (
        "--no-binary alpha",
        "alpha --no-binary alpha",
        "alpha @ http://host.invalid/alpha.whl",
        "./here",
    ):
        with pytest.raises(ValueError, match="names no release"):
            Asked("a.in", (RequirementLine("a.in", 1, text, constraint=False),)).write(tmp_path)
