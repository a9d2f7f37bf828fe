"""The ``projrun`` command: its verbs, loaded when used, and the one place that prints errors and exits."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import click

import projrun
from projrun.cli.render import printable
from projrun.core.errors import Problem, ProjrunError, SpecError, UsageError
from projrun.stopping import Interrupted

# Written here so that `projrun --help` loads none of them; a test holds these lines to the verbs' own help.
VERBS = {
    "run": "Run an entry point of a project in its own environment and record the recipe.",
    "check": "List every problem of a project's ProjectSpec.yaml.",
    "runs": "List runs.",
    "show": "Show everything that is known of one run.",
    "logs": "Print the log of a run.",
    "restore": "Write the source of a run, as it was, into a new directory.",
    "store": "Look after the run store.",
}


class Verbs(click.Group):
    """A group whose commands are imported when they are used: start-up stays cheap."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"projrun.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from projrun.core.nearest import did_you_mean

            raise UsageError(
                f"there is no verb {args[0]!r}",
                why=did_you_mean(args[0], VERBS),
                hint="projrun --help lists the verbs",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(projrun.__version__, "-V", "--version", message="projrun %(version)s")
def cli() -> None:
    """Runs projects that declare what they need, and keeps the recipe that makes the run happen again.

    \b
    projrun run -e train -P depth=3     run an entry point of the project around this directory
    projrun runs                        what has been run
    projrun show last                   everything about the last run
    """


def main() -> NoReturn:
    """Runs the command line and exits with its code; every error ends here."""
    arguments = sys.argv[1:]
    as_json = "--json" in arguments
    try:
        code = cli.main(args=arguments, prog_name="projrun", standalone_mode=False)
    except ProjrunError as error:
        code = _fail(error, as_json=as_json)
    except click.UsageError as error:
        code = _fail(_usage(error), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        code = _stopped(signal.SIGINT)
    except Interrupted as stop:
        code = _stopped(stop.number)
    except BrokenPipeError:
        # The reader of our output has gone (`projrun runs | head`): that is its right, and no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _fail(_defect(error), as_json=as_json)
    sys.exit(code if isinstance(code, int) else 0)


def _stopped(number: int) -> int:
    click.echo(f"projrun: stopped by {signal.Signals(number).name}", err=True)
    return 128 + number


def _usage(error: click.UsageError) -> UsageError:
    """Click's own complaint as one of ours; it already names the nearest option."""
    verb = error.ctx.command_path if error.ctx else "projrun"
    return UsageError(error.format_message().rstrip("."), hint=f"{verb} --help")


def _defect(error: Exception) -> ProjrunError:
    import traceback

    text = "".join(traceback.format_exception(error))
    return ProjrunError(
        f"projrun failed: {type(error).__name__}: {error}",
        why=f"this is a defect of projrun {projrun.__version__}, not yours\n{text.rstrip()}",
        hint="please report it with the lines above",
    )


def _fail(error: ProjrunError, *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"error": error_document(error)}, indent=2))
    for line in error_lines(error):
        click.echo(line, err=True)
    return error.exit_code


def error_document(error: ProjrunError) -> dict[str, Any]:
    """The same as data: kind, exit code, the three lines, and every problem of a spec with its place."""
    document: dict[str, Any] = {
        "kind": error.kind,
        "exit_code": error.exit_code,
        "what": error.what,
        "why": error.why,
        "hint": error.hint,
        "run": error.run,
    }
    if isinstance(error, SpecError):
        document["problems"] = problem_documents(error.problems)
    return document


def problem_documents(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as data."""
    return [dataclasses.asdict(problem) for problem in problems]


def problem_line(problem: Problem) -> str:
    """``file:line:column: what is wrong (what would be right)``."""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{click.style(printable(problem.place), bold=True)}: {printable(problem.message + hint)}"


def error_lines(error: ProjrunError) -> list[str]:
    """One line what, one line why, one line what to type next; a spec's problems one by one."""
    lines = [click.style("error: ", fg="red", bold=True) + printable(error.what)]
    if isinstance(error, SpecError):
        lines += [f"  {problem_line(problem)}" for problem in error.problems]
    lines += [f"  {printable(line)}" for line in error.why.splitlines()]
    if error.hint:
        lines.append(click.style("  try: ", fg="cyan") + printable(error.hint))
    if error.run:
        lines.append(f"  recorded as run {error.run}; its log: projrun logs {error.run}")
    return lines
