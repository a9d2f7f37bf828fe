"""The documents of a run as JSON values. Their format is schemas/recipe.v1.json.

``start.json`` is written when a run begins, ``recipe.json`` before its process starts, ``outcome.json`` when
it is over. The functions are pure but for ``start_document``, which tells about this process.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from projrun import __version__
from projrun.core.flags import Flag
from projrun.core.hashing import sha256_bytes
from projrun.core.labels import Labels
from projrun.core.userinfo import without_userinfo
from projrun.core.values import as_dict
from projrun.data.model import ChangedInput, Fingerprint
from projrun.environment.model import PROJECT, Environment, EnvironmentPlan, Interpreter
from projrun.execution.model import Outcome, Request
from projrun.recipe.container import container
from projrun.recipe.host import boot_id
from projrun.recipe.model import OutcomeParts, RecipeParts, StartParts
from projrun.source.model import Source
from projrun.spec.model import EntryPoint, EnvironmentSpec, ProjectSpec

VERSION = 1


def timestamp(seconds: float) -> str:
    """A time in seconds since the epoch as ISO 8601 in UTC with microseconds: sorts as text."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{micro:06d}Z"


def start_document(parts: StartParts) -> dict[str, Any]:
    """That a run begins, and which process is responsible for it."""
    return {
        **head("start", parts.run, parts.created),
        **_labels(parts.labels),
        "project": {"name": parts.project, "root": str(parts.root)},
        "entry_point": parts.entry_point,
        "secrets": list(parts.secrets),
        "process": {"pid": os.getpid(), "hostname": os.uname().nodename, "boot_id": boot_id()},
    }


def recipe_document(parts: RecipeParts) -> dict[str, Any]:
    """Everything that it takes to do the run again. Holds no value of a secret and no userinfo of an address."""
    return {
        **head("recipe", parts.run, parts.created),
        **_labels(parts.labels),
        "reproduces": as_dict(parts.reproduces) if parts.reproduces else None,
        "spec": _spec(parts.spec, parts.source),
        "entry_point": _entry_point(parts.entry_point),
        "parameters": [dict(parameter) for parameter in parts.parameters],
        "seed": parts.seed,
        "seeding": list(parts.entry_point.seeding),
        "argv": list(parts.request.argv),
        "cwd": os.path.relpath(parts.request.cwd, PROJECT if parts.request.container else parts.spec.root),
        "variables": _variables(parts.declared, parts.request),
        "timeout": parts.request.timeout,
        "terminals": list(parts.request.terminals),
        "source": _source(parts.source),
        "environment": _environment(parts),
        "inputs": [_input(found) for found in parts.inputs],
        "outputs": list(parts.entry_point.outputs),
        "metrics": list(parts.entry_point.metrics),
        "host": dict(parts.host),
        "flags": _flags(parts.flags),
    }


def outcome_document(parts: OutcomeParts) -> dict[str, Any]:
    """What happened, with the fingerprints of the outputs."""
    error = parts.error
    return {
        "document": "outcome",
        "version": VERSION,
        "run": parts.run,
        "status": parts.status,
        "exit_code": parts.exit_code,
        "reason": (parts.process.reason if parts.process else "") or (error.what if error else ""),
        "phase": parts.phase,
        "started": timestamp(parts.started),
        "ended": timestamp(parts.ended),
        "duration": round(max(0.0, parts.ended - parts.started), 6),
        "process": _process(parts.process) if parts.process else None,
        "phases": [
            {"name": phase.name, "started": timestamp(phase.started), "seconds": round(phase.seconds, 6)}
            for phase in parts.phases
        ],
        "inputs": [_changed_input(changed) for changed in parts.inputs],
        "outputs": [_output(found) for found in parts.outputs],
        "metrics": [{"name": metric.name, "value": metric.value, "file": metric.file} for metric in parts.metrics],
        "flags": _flags(parts.flags),
        "error": {"kind": error.kind, "what": error.what, "why": error.why, "hint": error.hint} if error else None,
    }


def head(kind: str, run: str, created: float) -> dict[str, Any]:
    """What every document of a run begins with."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {
        "document": kind,
        "version": VERSION,
        "run": run,
        "created": timestamp(created),
        "projrun": {"version": __version__, "python": python},
    }


def _labels(labels: Labels) -> dict[str, Any]:
    return {"name": labels.name, "tags": dict(labels.tags), "note": labels.note}


def _spec(spec: ProjectSpec, source: Source) -> dict[str, Any]:
    return {
        "project": spec.name,
        "root": source.origin.project if source.origin else str(spec.root),
        "file": spec.file,
        "sha256": sha256_bytes(spec.text.encode(errors="surrogateescape")),
        "text": spec.text,
    }


def _entry_point(entry_point: EntryPoint) -> dict[str, Any]:
    command = entry_point.command
    return {
        "name": entry_point.name,
        "command": {
            "words": list(command.words),
            "text": command.text,
            "shell": command.shell,
            **({"format": True} if command.format else {}),
        },
    }


def _variables(declared: EnvironmentSpec, request: Request) -> dict[str, Any]:
    """The child's variables by who wanted them; secrets by name alone."""
    groups: dict[str, dict[str, str]] = {"set": {}, "inherited": {}, "base": {}}
    for name, value in sorted(request.variables.items()):
        if name in request.secrets:
            continue
        if name in declared.variables:
            groups["set"][name] = value
        else:
            groups["inherited" if name in declared.inherit else "base"][name] = without_userinfo(value)
    return {**groups, "secrets": sorted(request.secrets)}


def _source(source: Source) -> dict[str, Any]:
    origin = source.origin
    return {
        "directory": origin.project if origin else str(source.directory),
        "worktree": origin.repository if origin else str(source.worktree),
        "checkout": origin is not None,
        "address": origin.address if origin else None,
        "ref": origin.resolution.ref if origin else None,
        "resolved_as": origin.resolution.kind if origin else None,
        "subdirectory": source.subdirectory,
        "repository": source.repository,
        "commit": source.commit,
        "branch": source.branch,
        "remote": without_userinfo(source.remote) if source.remote else None,
        "remote_branch": source.remote_branch,
        "snapshot": source.snapshot,
        "dirty": source.dirty,
        "pushed": source.pushed,
        "changes": [
            {"path": change.path, "kind": change.kind, "staged": change.staged, "old_path": change.old_path}
            for change in source.changes
        ],
        "submodules": [
            {
                "path": submodule.path,
                "commit": submodule.commit,
                "dirty": submodule.dirty,
                "pushed": submodule.pushed,
            }
            for submodule in source.submodules
        ],
    }


def _environment(parts: RecipeParts) -> dict[str, Any]:
    environment = parts.environment
    plan = environment.plan
    return {
        "name": parts.declared.name,
        "kind": plan.kind,
        "key": plan.key,
        "inputs": dict(plan.inputs),
        "builder": plan.builder,
        "reused": environment.reused,
        "lock": _lock(plan),
        "requirements": None if plan.requirements_text is None else without_userinfo(plan.requirements_text),
        "source_distributions": list(plan.source_distributions),
        "interpreter": _interpreter(environment, plan.python) if plan.python else None,
        "installed": [
            {"name": found.name, "version": found.version, "sha256": found.sha256, "archive": found.archive}
            for found in environment.installed
        ],
        "settings": dict(environment.settings),
        "container": container(parts),
    }


def _interpreter(environment: Environment, interpreter: Interpreter) -> dict[str, Any]:
    return {
        "path": str(interpreter.path),
        "declared": environment.plan.declared,
        "version": interpreter.version,
        "in_process": environment.in_process,
        "implementation": interpreter.implementation,
        "platform": interpreter.platform,
        "soabi": interpreter.soabi,
        "markers": dict(interpreter.markers),
    }


def _lock(plan: EnvironmentPlan) -> dict[str, Any] | None:
    if plan.lock_text is None:
        return None
    return {
        "text": plan.lock_text,
        "sha256": sha256_bytes(plan.lock_text.encode(errors="surrogateescape")),
        "path": plan.lock_path,
        "origin": plan.lock_origin,
    }


def _process(outcome: Outcome) -> dict[str, Any]:
    usage = outcome.usage
    return {
        "started": timestamp(outcome.started),
        "ended": timestamp(outcome.ended),
        "signal": outcome.signal,
        "received": outcome.received,
        "stragglers": outcome.stragglers,
        "usage": {
            "wall": usage.wall,
            "user": usage.user,
            "system": usage.system,
            "peak_memory": usage.peak_memory,
        },
    }


def _input(found: Fingerprint) -> dict[str, Any]:
    schema = found.schema and {"path": found.schema.path, "sha256": found.schema.sha256}
    told = {"pin": found.pin, "copied": found.copied, "object": found.kept, "schema": schema, "url": found.url}
    return {**_fingerprint(found), **told}


def _changed_input(changed: ChangedInput) -> dict[str, Any]:
    return {
        "name": changed.before.name,
        "path": changed.before.path,
        "kind": changed.kind,
        "size": changed.size,
        "before": changed.before.sha256,
        "sha256": changed.sha256,
        "detail": changed.detail,
    }


def _output(found: Fingerprint) -> dict[str, Any]:
    return {**_fingerprint(found), "stale": found.stale, "object": found.kept}


def _fingerprint(found: Fingerprint) -> dict[str, Any]:
    return {
        "name": found.name,
        "path": found.path,
        "kind": found.kind,
        "size": found.size,
        "files": found.files,
        "sha256": found.sha256,
    }


def _flags(flags: Sequence[Flag]) -> list[dict[str, str]]:
    return [{"code": flag.code, "message": flag.message, "mend": flag.mend} for flag in flags]
