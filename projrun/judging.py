"""What a run that was done again came to, beside the run that it was done after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from projrun.environment import comparison, verification
from projrun.matching import Side, match
from projrun.records import Record, what_was_not_read
from projrun.spec.model import Tolerance
from projrun.store.store import Store
from projrun.verdict import layers, metrics
from projrun.verdict.deciding import decide, metrics_layer, outputs_layer
from projrun.verdict.model import (
    DIFFERS,
    UNCHECKED,
    VERIFIED,
    Finding,
    Layer,
    MetricFinding,
    OutputFinding,
    Verdict,
)

_Document = Mapping[str, Any]


def judged_again(
    record: Record, recipe: _Document, outcome: _Document, store: Store, tolerances: Mapping[str, Tolerance]
) -> Verdict:
    """The verdict on a new run (``recipe``, ``outcome``, in ``store``), done after that of ``record``."""
    old, before = record.recipe, record.outcome
    outcomes = (before, outcome)
    outputs: tuple[OutputFinding, ...] = ()
    measured: tuple[MetricFinding, ...] = ()
    unread = what_was_not_read(before) or what_was_not_read(outcome)
    if before is not None and not unread:
        objects = record.store.objects if record.store else None
        outputs = match(
            Side(before["outputs"], objects, old["source"]),
            Side(outcome["outputs"], store.objects, recipe["source"]),
            _measured(old, before) & _measured(recipe, outcome),
        )
        measured = metrics.compare(before["metrics"], outcome["metrics"], tolerances)
    why = _unknown(record)
    nothing = unread or why
    found = (
        layers.code(old, recipe, outcomes),
        environment_layer(old["environment"], recipe["environment"]),
        layers.data(old, recipe, outcomes),
        layers.parameters(old, recipe),
        layers.host(old, recipe),
        layers.exit_code(before, outcome, why),
        outputs_layer(outputs, nothing if old["outputs"] or old["metrics"] else ""),
        metrics_layer(
            measured, nothing if old["metrics"] or outcome["metrics"] else "", declared=bool(old["metrics"])
        ),
    )
    return decide(found, outputs, measured)


def _unknown(record: Record) -> str:
    """Why nothing is known of what the run wrote; empty when it is."""
    if record.outcome is None or record.outcome["process"] is not None:
        return record.unended
    return f"the run ended before its program did: {record.outcome['reason']}"


def _measured(recipe: _Document, outcome: _Document) -> frozenset[str]:
    """The files that metrics were read from and that are no outputs besides."""
    return frozenset(str(one["file"]) for one in outcome["metrics"]) - frozenset(recipe["outputs"])


def environment_layer(before: _Document, after: _Document) -> Layer:
    """The key with all that went into it, what is installed, and the image of a container."""
    findings = list(_key(before, after))
    findings += _container(before.get("container"), after.get("container"))
    findings += _installed(before, after)
    python = after["interpreter"]
    words = [f"key {before['key'][:12]}"]
    words += [f"{python['implementation']} {python['version']} {python['platform']}"] if python else []
    words.append(f"{len(before['installed'])} distributions")
    return Layer("environment", tuple(findings), ", ".join(words))


def _key(before: _Document, after: _Document) -> Iterator[Finding]:
    if before["key"] == after["key"]:
        yield Finding("key", VERIFIED, before["key"], before["key"], after["key"])
        return
    sides = (
        comparison.Side(one["key"], one["inputs"], (one["lock"] or {}).get("text")) for one in (before, after)
    )
    changes = comparison.changes(*sides)
    for change in changes:
        message = f"{change.before or 'nothing'} became {change.after or 'nothing'}"
        yield Finding(change.what, DIFFERS, message, change.before, change.after)
    if not changes:
        yield Finding("key", DIFFERS, f"{before['key']} became {after['key']}", before["key"], after["key"])


def _installed(before: _Document, after: _Document) -> Iterator[Finding]:
    """Of what has no RECORD only name and version are known."""
    then, now = (verification.of_recipe(one) for one in (before, after))
    differing = tuple(verification.distribution_findings(then, now, "in the run"))
    yield from (Finding("installed", DIFFERS, one.message) for one in differing)
    unknown = [one.name for one in then if not one.sha256]
    if unknown:
        yield Finding("installed", UNCHECKED, f"no RECORD tells the files of {', '.join(unknown)}")
    if not differing and not unknown:
        yield Finding("installed", VERIFIED, f"{len(then)} distributions with the same RECORD")


def _container(before: _Document | None, after: _Document | None) -> Iterator[Finding]:
    if before is None or after is None:
        if before is not after:
            yield Finding("container", DIFFERS, "one of the two runs was in a container, and the other was not")
        return
    old, new = before["image"], after["image"]
    shared = sorted(set(old["digests"]) & set(new["digests"]))
    if old["id"] == new["id"]:
        yield Finding("image", VERIFIED, old["id"], old["id"], new["id"])
    elif shared:
        yield Finding("image", VERIFIED, shared[0], old["id"], new["id"])
    else:
        yield Finding("image", DIFFERS, f"another digest: {old['id']} became {new['id']}", old["id"], new["id"])
    yield layers.finding("image's python", before["python"], after["python"])
    yield from _packages(before, after)
    for name in before["configuration"].keys() | after["configuration"].keys():
        values = (one["configuration"].get(name) for one in (before, after))
        yield layers.finding(f"container's {name}", *values)


def _packages(before: _Document, after: _Document) -> Iterator[Finding]:
    """The packages of the image's operating system."""
    old, new = (
        {(one["name"], one["architecture"]): one["version"] for one in each["packages"]}
        for each in (before, after)
    )
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    for name in changed:
        yield layers.finding(f"package {name[0]}", old.get(name), new.get(name))
    if not changed:
        yield Finding("packages", VERIFIED, f"{len(old)} of the operating system")
