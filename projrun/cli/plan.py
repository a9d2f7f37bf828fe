"""``projrun run --dry-run``: the plan."""

from __future__ import annotations

import sys
from typing import Any

import click

from projrun.cli.render import label, print_document, printable, value_text
from projrun.cli.screen import Screen
from projrun.concealing import secrets_of, values
from projrun.core.values import as_dict
from projrun.options import Options
from projrun.planning import Plan, planned
from projrun.recipe.redaction import Redactor, redacted
from projrun.spec.parameters import to_document
from projrun.stopping import ended_by_signals
from projrun.telling import command_line, describe_inputs, describe_source

_CHANGES_SHOWN = 20


def show_plan(options: Options, *, as_json: bool) -> None:
    """Finds out what a run would do and prints it. Raises what a run would raise before it starts."""
    screen = Screen(quiet=as_json and not sys.stderr.isatty(), data_on_stdout=True)
    with ended_by_signals(), planned(options, screen) as plan:
        redact = Redactor(values(secrets_of(plan.choice, options.source))).text
        if as_json:
            print_document(redacted(plan_document(plan), redact))
        else:
            for name, text in _lines(plan):
                click.echo(f"{label(name)} {printable(redact(text))}")


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as data."""
    choice, source, environment = plan.choice, plan.source, plan.examined.environment
    return {
        "project": choice.spec.name,
        "root": plan.project,
        "entry_point": choice.entry_point.name,
        "parameters": [to_document(bound) for bound in choice.parameters.values()],
        "seed": plan.seed,
        "argv": list(plan.argv),
        "source": {
            "commit": source.commit,
            "checkout": source.origin is not None,
            "branch": source.branch,
            "remote": source.remote,
            "remote_branch": source.remote_branch,
            "dirty": source.dirty,
            "changes": [as_dict(change) for change in source.changes],
            "snapshot_needed": source.needs_snapshot,
        },
        "environment": environment
        and {
            "name": choice.environment.name,
            "kind": environment.kind,
            "key": environment.key,
            "built": environment.reason is None,
            "reason": environment.reason,
            "builder": environment.builder,
            "python": environment.python and environment.python.version,
            "image": environment.image
            and {
                "reference": environment.image.reference,
                "bases": [as_dict(base) for base in environment.image.bases],
            },
            "lock": environment.lock_path,
        },
        "inputs": [as_dict(found) for found in plan.examined.inputs],
        "outputs": list(choice.entry_point.outputs),
        "metrics": list(choice.entry_point.metrics),
        "flags": [as_dict(flag) for flag in plan.flags],
        "refused": [as_dict(reason) for reason in plan.reasons],
    }


def _lines(plan: Plan) -> list[tuple[str, str]]:
    choice, source, environment = plan.choice, plan.source, plan.examined.environment
    lines = [("plan", f"{choice.spec.name} {choice.entry_point.name} in {plan.project}")]
    lines.append(("source", describe_source(source) + (" (a snapshot will be taken)" * source.needs_snapshot)))
    lines += [("", f"  {change.kind:<12} {change.path}") for change in source.changes[:_CHANGES_SHOWN]]
    if len(source.changes) > _CHANGES_SHOWN:
        lines.append(("", f"  and {len(source.changes) - _CHANGES_SHOWN} more"))
    if plan.examined.inputs:
        lines.append(("data", describe_inputs(plan.examined.inputs)))
    if environment is None:
        lines.append(("environment", "cannot be had, see below"))
    else:
        interpreter = environment.python
        what = f"{interpreter.implementation} {interpreter.version}" if interpreter else "a container"
        builder = f" with {environment.builder}" if environment.builder else ""
        ready = f"to be built{builder}: {environment.reason}" if environment.reason else "ready"
        key = f"key {environment.key[:10]}, " if environment.key else ""
        lines.append(("environment", f"{key}{what}, {ready}"))
    for name, bound in choice.parameters.items():
        raw = bound.value.raw
        lines.append(("parameter", f"{name} = {value_text(raw)} ({bound.origin})"))
    lines.append(("seed", "drawn when it runs" if plan.seed is None else str(plan.seed)))
    lines.append(("command", command_line(plan.argv)))
    lines += [("flagged", flag.message + (f" ({flag.mend})" if flag.mend else "")) for flag in plan.flags]
    lines += [
        ("refused", reason.message + (f" ({reason.mend})" if reason.mend else "")) for reason in plan.reasons
    ]
    if not plan.flags:
        lines.append(("flagged", "nothing: this run could be reproduced as it is"))
    return lines
