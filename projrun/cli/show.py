"""``projrun show``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.options import json_option, store_option
from projrun.cli.render import label, local_time, number, print_document, printable, status, value_text
from projrun.cli.summary import flag_line
from projrun.cli.verdict import verdict_lines
from projrun.core.amounts import duration, size
from projrun.core.values import asdict
from projrun.spec.model import DEFAULT_ENVIRONMENT
from projrun.store.labels import labels_of
from projrun.store.run import LABELS, VERDICT, read_verdict

if TYPE_CHECKING:
    from projrun.store.run import RunRecord

Line = tuple[str, str]
_CHANGES_SHOWN = 20
_INSTALLED_SHOWN = 40


@click.command()
@click.argument("run", default="last")
@json_option
@store_option
def show(run: str, as_json: bool, store: Path | None) -> None:
    """Show everything that is known of one run.

    RUN is an id, the beginning of one, or last, last~1, ... of the project around here (default: last). With
    --json: its documents, start, recipe, outcome, verdict and labels, in the format of schemas/recipe.v1.json.
    """
    from projrun.api.store import Store
    from projrun.spec.place import project_around

    record = Store(store).run(run, project=project_around(Path())).record
    if as_json:
        print_document(document(record))
        return
    for name, text in lines(record):
        shown = status(text) if name == "status" else printable(text)
        click.echo(f"{label(name)} {shown}" if name or text else "")


def document(record: RunRecord) -> dict[str, Any]:
    """A run as data."""
    return {
        "run": record.id,
        "status": record.status,
        "directory": str(record.path),
        "why_incomplete": record.why_incomplete,
        "start": record.start,
        "recipe": record.recipe,
        "outcome": record.outcome,
        "verdict": read_verdict(record.path),
        "labels": record.labels,
    }


def lines(record: RunRecord) -> Iterator[Line]:
    """A run for people: (label, text) line by line. What cannot be read is told, never raised."""
    head: Mapping[str, Any] = record.start or record.recipe or {}
    labels = labels_of(record)
    yield "run", record.id + (f" · {labels.name}" if labels.name else "")
    yield "status", record.status
    if record.why_incomplete:
        yield "incomplete", record.why_incomplete
    parts = [(_head, head, "start.json"), (_begun, record.start, "start.json")] if head else []
    parts = [*parts[:1], (_labels, asdict(labels), LABELS), *parts[1:]]
    parts += [(_recipe, record.recipe, "recipe.json"), (_outcome, record.outcome, "outcome.json")]
    parts += [(_flags, record.recipe, "recipe.json"), (_flags, record.outcome, "outcome.json")]
    parts += [(_verdict, read_verdict(record.path), VERDICT)]
    if record.recipe:
        parts = [part for part in parts if part[0] is not _begun]
    for tell, found, file in parts:
        if found is None:
            continue
        try:
            yield from tuple((str(name), str(text)) for name, text in tell(found))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            yield "incomplete", f"{file} is damaged ({type(error).__name__}: {error})"
    if record.outcome is None:
        yield from _measured(record)
    yield "files", str(record.path)


def _measured(record: RunRecord) -> Iterator[Line]:
    """What a run without an outcome has told so far."""
    from projrun.store.metrics_living import recent  # most runs that are shown have ended

    yield from (("metric", f"{name} = {number(value)}") for name, value in recent(record.path).items())


def _verdict(verdict: Mapping[str, Any]) -> Iterator[Line]:
    yield "reproduces", f"run {verdict['reproduces']['run']}"
    yield from verdict_lines(verdict)


def _head(head: Mapping[str, Any]) -> Iterator[Line]:
    yield "started", local_time(head["created"])


def _labels(labels: Mapping[str, Any]) -> Iterator[Line]:
    if labels["tags"]:
        yield "tags", ", ".join(f"{key}={value}" if value else key for key, value in labels["tags"].items())
    if labels["note"]:
        yield "note", labels["note"]


def _begun(start: Mapping[str, Any]) -> Iterator[Line]:
    yield "project", f"{start['project']['name']} in {start['project']['root']}"
    yield "entry point", str(start["entry_point"])


def _flags(document: Mapping[str, Any]) -> Iterator[Line]:
    yield from (("flagged", flag_line(flag)) for flag in document["flags"])


def _recipe(recipe: Mapping[str, Any]) -> Iterator[Line]:
    yield "project", f"{recipe['spec']['project']} in {recipe['spec']['root']}"
    yield "entry point", recipe["entry_point"]["name"]
    for parameter in recipe["parameters"]:
        text = value_text(parameter["raw"])
        yield "parameter", f"{parameter['name']} = {text} ({parameter['type']}, {parameter['origin']})"
    seeded = ", ".join(recipe.get("seeding") or ())
    yield "seed", str(recipe["seed"]) + (f" (seeds {seeded})" if seeded else "")
    yield "command", shlex.join(recipe["argv"])
    yield from _variables(recipe["variables"])
    yield from _source(recipe["source"])
    yield from _environment(recipe["environment"])
    for found in recipe["inputs"]:
        pinned = "pinned" if found["pin"] else "not pinned"
        yield (
            "input",
            f"{found['name']}: {found['path']} ({size(found['size'])}, {pinned}) sha256 {found['sha256']}",
        )
    yield from _host(recipe["host"])


def _variables(variables: Mapping[str, Any]) -> Iterator[Line]:
    for group in ("set", "inherited"):
        for name, value in variables[group].items():
            yield "variable", f"{name}={value} ({group})"
    for name in variables["secrets"]:
        yield "variable", f"{name} (secret)"


def _source(source: Mapping[str, Any]) -> Iterator[Line]:
    commit = source["commit"] or "no commit"
    yield "source", commit + (f" on {source['branch']}" if source["branch"] else "")
    if source.get("checkout"):
        asked = f"{source['ref'] or 'HEAD'} ({source['resolved_as']})"
        yield "checkout", f"{asked} of {source['address'] or source['worktree']}"
    if source["remote"]:
        where = f"on {source['remote_branch']}" if source["pushed"] else "not pushed"
        yield "remote", f"{source['remote']} ({where})"
    changes = source["changes"]
    for change in changes[:_CHANGES_SHOWN]:
        moved = f" from {change['old_path']}" if change["old_path"] else ""
        yield "change", f"{change['kind']} {change['path']}{moved}"
    if len(changes) > _CHANGES_SHOWN:
        yield "change", f"and {len(changes) - _CHANGES_SHOWN} more"
    for submodule in source["submodules"]:
        yield "submodule", f"{submodule['path']} at {submodule['commit']}" + " (dirty)" * submodule["dirty"]
    if source["snapshot"]:
        yield "snapshot", f"{source['snapshot']} (projrun restore writes its files)"


def _environment(environment: Mapping[str, Any]) -> Iterator[Line]:
    how = "reused" if environment["reused"] else "built for this run"
    name = environment["name"]
    called = "" if name == DEFAULT_ENVIRONMENT else f"{name}, "
    yield "environment", f"{called}{environment['kind']} {environment['key']} ({how})"
    interpreter = environment["interpreter"]
    if interpreter:
        yield "python", f"{interpreter['implementation']} {interpreter['version']} {interpreter['platform']}"
    if environment.get("container"):
        yield from _container(environment["container"])
    if environment["lock"]:
        lock = environment["lock"]
        yield "lock", f"{lock['path'] or 'resolved'} sha256 {lock['sha256']}"
    installed = environment["installed"]
    if len(installed) > _INSTALLED_SHOWN:
        yield "installed", f"{len(installed)} distributions (--json lists them)"
    elif installed:
        yield "installed", ", ".join(f"{found['name']} {found['version']}" for found in installed)


def _container(container: Mapping[str, Any]) -> Iterator[Line]:
    image, build = container["image"], container["build"]
    yield "image", f"{image['id']} ({image['platform']}, {size(image['size'])}) on {container['engine']}"
    if image["entrypoint"]:
        yield "entrypoint", shlex.join(image["entrypoint"])
    if image["reference"]:
        yield "reference", image["reference"]
    for base in container["bases"] if build else ():
        pinned = "pinned" if base["pinned"] else "not pinned"
        yield "base", f"{base['reference']} was {base['digest']} ({pinned})"
    if build and build["log"]:
        yield "build log", f"object {build['log']['sha256']} ({size(build['log']['size'])})"
    if container["python"]:
        yield "python", f"{container['python']} in the image"
    if container["packages"]:
        count = len(container["packages"])
        managers = sorted({found["manager"] for found in container["packages"]})
        yield "packages", f"{count} of the operating system, by {', '.join(managers)} (--json lists them)"
    told = container["configuration"]
    words = [f"user {told['user']}", f"network {told['network']}"]
    words += [f"{name} {told[name] / (1 << 20):g} MiB" for name in ("memory", "shm_size") if told[name]]
    words += [f"{name} {told[name]}" for name in ("cpus", "gpus") if told[name]]
    yield "container", ", ".join(words)
    for mount in told["mounts"]:
        yield "mount", f"{mount['source']} at {mount['target']}" + (" (writable)" if mount["writable"] else "")


def _host(host: Mapping[str, Any]) -> Iterator[Line]:
    words = [host["os"]["name"], host["os"]["version"], host["kernel"], host["machine"]]
    yield "host", " ".join(str(word) for word in words if word)


def _outcome(outcome: Mapping[str, Any]) -> Iterator[Line]:
    yield "took", duration(outcome["duration"])
    phases = ", ".join(f"{phase['name']} {duration(phase['seconds'])}" for phase in outcome["phases"])
    if phases:
        yield "phases", phases
    process = outcome["process"]
    if process:
        usage = process["usage"]
        times = ", ".join(f"{duration(usage[name])} {name}" for name in ("wall", "user", "system"))
        peak = size(usage["peak_memory"]) if usage["peak_memory"] else "not measured"
        yield "used", f"{times}, peak memory {peak}"
    yield "exit code", str(outcome["exit_code"]) + (f": {outcome['reason']}" if outcome["reason"] else "")
    if outcome["error"]:
        yield from (("why", line) for line in outcome["error"]["why"].splitlines())
    for found in outcome["outputs"]:
        digest = f" sha256 {found['sha256']}" if found["sha256"] else ""
        kind = f"{found['kind']}, not touched by this run" if found["stale"] else found["kind"]
        yield "output", f"{found['path']} ({kind}, {size(found['size'])}){digest}"
    for metric in outcome["metrics"]:
        yield "metric", f"{metric['name']} = {number(metric['value'])}"
