"""The verbs, loaded when they are used, and the words that name one."""

from __future__ import annotations

import importlib
import signal
import sys

import click

import projrun
from projrun.core.errors import UsageError
from projrun.stopping import Interrupted

# Written here so that `projrun --help` loads none of them; a test holds these lines to the verbs' own help.
VERBS = {
    "run": "Run an entry point of a project in its own environment and record the recipe.",
    "lock": "Compile the project's requirements into its lock: every line pinned and hashed.",
    "export-lock": "Write a project's lock, or exactly what a run executed in, for other tools.",
    "check": "List every problem of a project's ProjectSpec.yaml.",
    "init": "Write the ProjectSpec.yaml of a project that is declared otherwise.",
    "data": "Pin declared data, and compare it with its pins.",
    "runs": "List runs.",
    "show": "Show everything that is known of one run.",
    "diff": "Show what differs between two runs.",
    "logs": "Print the log of a run.",
    "metrics": "Show the metrics of a run, also while it runs: the last value, the least and the greatest.",
    "tag": "Set and take away tags of runs, at any time; with none, show what they have.",
    "note": "Write the note of runs, at any time; without TEXT, show it.",
    "rename": "Give a run another name, at any time.",
    "rm": "Remove runs: what would go is told first.",
    "gc": "Remove what no run of the store names any more: what would go is told first.",
    "reproduce": "Do a recorded run again, from its record alone, and judge what comes of it.",
    "outputs": "List the outputs of a run, or write those that the store keeps to files again.",
    "restore": "Write the source of a run, as it was, or its outputs into a new directory.",
    "env": "Look after the environments that were built.",
    "store": "Look after the run store.",
}


class Verbs(click.Group):
    """A group whose commands are imported when they are used: start-up stays cheap."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"projrun.cli.{name}"), name)
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
    projrun run -e train -P depth=3   run an entry point of the project around here
    projrun runs                      what has been run
    projrun show last                 everything about the last run
    """


def invoke(arguments: list[str]) -> int:
    """Does what the words say and gives the exit code; what click says of them is an error of ours."""
    try:
        return _invoked(arguments)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        raise _usage(error, arguments) from error
    except click.Abort:
        raise Interrupted(signal.SIGINT) from None


def _invoked(arguments: list[str]) -> int:
    # Not cli.main(), which answers a closed pipe itself, with a code of its own.
    try:
        with cli.make_context("projrun", arguments) as context:
            cli.invoke(context)
            sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    return 0


def _usage(error: click.UsageError, arguments: list[str]) -> UsageError:
    """Click's own complaint as one of ours; it already names the nearest option."""
    # It does not say whose option lacks its value.
    path = error.ctx.command_path if error.ctx else _path(arguments)
    message = error.format_message().rstrip(".")
    why = "a query is one word for the shell: put all of it into single quotes"
    quotes = path == "projrun runs" and message.startswith("Got unexpected extra argument")
    return UsageError(message, why=why if quotes else "", hint=f"{path} --help")


def _path(arguments: list[str]) -> str:
    """The words of the verb that was typed."""
    command: click.Command = cli
    words = ["projrun"]
    for word in arguments:
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        if found is None:
            break
        command = found
        words.append(word)
    return " ".join(words)
