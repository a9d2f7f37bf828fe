"""How an error looks: three lines for people, the same as data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from projrun.cli.render import print_document, printable
from projrun.cli.terminal import echo, styled
from projrun.core.errors import Problem, ProjrunError, SpecError, StrictRefusal
from projrun.core.flags import Flag
from projrun.core.values import as_dict


def fail(error: ProjrunError, *, as_json: bool) -> int:
    """Prints an error, with ``as_json`` as a document on standard output too, and gives its exit code."""
    with contextlib.suppress(OSError, ProjrunError):  # there may be nobody left to tell
        if as_json:
            print_document({"error": error_document(error)})
    with contextlib.suppress(OSError):
        for line in error_lines(error):
            echo(line, err=True)
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
    if isinstance(error, StrictRefusal):
        document["reasons"] = [as_dict(reason) for reason in error.reasons]
    return document


def problem_documents(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as data."""
    return [as_dict(problem) for problem in problems]


def mend(flag: Flag) -> str:
    """What mends it, in brackets; empty when nothing is known to."""
    return f" ({flag.mend})" if flag.mend else ""


def problem_line(problem: Problem) -> str:
    """``file:line:column: what is wrong (what would be right)``."""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{styled(printable(problem.place), bold=True)}: {printable(problem.message + hint)}"


def error_lines(error: ProjrunError) -> list[str]:
    """One line what, one line why, one line what to type next; a spec's problems one by one."""
    lines = [styled("error: ", fg="red", bold=True) + printable(error.what)]
    if isinstance(error, SpecError):
        lines += [f"  {problem_line(problem)}" for problem in error.problems]
    if isinstance(error, StrictRefusal):
        lines += [f"  {printable(reason.message + mend(reason))}" for reason in error.reasons]
    lines += [f"  {printable(line)}" for line in error.why.splitlines()]
    if error.hint:
        lines.append(styled("  try: ", fg="cyan") + printable(error.hint))
    if error.run:
        lines.append(f"  recorded as run {error.run}; its log: projrun logs {error.run}")
    return lines
