"""How the environments that are kept look: for people, and as data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.render import label, print_document, printable
from projrun.cli.terminal import styled
from projrun.core.amounts import size
from projrun.core.values import as_dict

if TYPE_CHECKING:
    from projrun.core.errors import EnvironmentFailure
    from projrun.environment.docker.marker import Marked
    from projrun.environment.model import Distribution, Package
    from projrun.environments import Listed, Verified
    from projrun.removing import Pruned

_INSTALLED_SHOWN = 40
_FINDINGS_SHOWN = 20


def document(one: Listed) -> dict[str, Any]:
    """One of them as data."""
    kept, told, image = one.kept, one.kept.told, one.kept.image
    return {
        "key": kept.key,
        "directory": str(kept.directory),
        "state": _state(one),
        "reason": kept.reason,
        "in_use": kept.in_use,
        "size": kept.size,
        "last_used": _iso(kept.last_used),
        "runs": one.runs,
        "interpreter": told and {"path": str(told.interpreter), "version": told.in_process},
        "builder": told and {"name": told.builder, "version": told.builder_version},
        "image": image and _image_document(image),
        "inputs": _either(told and told.inputs, image and image.inputs),
        "installed": _either(
            told and [as_dict(found) for found in told.installed],
            image and [as_dict(found) for found in image.distributions],
        ),
        "flags": told and [as_dict(flag) for flag in told.flags],
    }


def _image_document(image: Marked) -> dict[str, Any]:
    return {
        "id": image.image.id,
        "platform": image.image.platform,
        "engine": image.engine,
        "python": image.python,
        "packages": [as_dict(package) for package in image.packages],
    }


def _either(first: Any, second: Any) -> Any:
    return second if first is None else first


def _state(one: Listed) -> str:
    if one.kept.reason is not None:
        return "unusable"
    return "in use" if one.kept.in_use else "ready"


def cells(one: Listed) -> list[str]:
    """One of them as a row of the table."""
    kept, told, image = one.kept, one.kept.told, one.kept.image
    of_image = [image.python or "", "docker", str(len(image.distributions) + len(image.packages))] if image else []
    return [
        kept.key[:12],
        *([told.in_process, told.builder, str(len(told.installed))] if told else of_image or ["", "", ""]),
        size(kept.size),
        when(kept.last_used),
        str(one.runs),
        printable(kept.reason or _state(one)),
    ]


def lines(one: Listed) -> Iterable[tuple[str, str]]:
    """One of them for people: (label, text) line by line."""
    kept, told = one.kept, one.kept.told
    yield "key", kept.key
    yield "state", kept.reason or _state(one)
    if told:
        yield "python", f"{told.in_process}, {told.interpreter}"
        yield "builder", f"{told.builder} {told.builder_version}"
        yield "installed", _listed(told.installed)
        yield from (("flagged", flag.message) for flag in told.flags)
    if kept.image:
        yield from _image_lines(kept.image)
    yield "size", size(kept.size)
    yield "last used", f"{when(kept.last_used)}, by {one.runs} run{'s' * (one.runs != 1)} of the store"
    yield "files", str(kept.directory)


def _image_lines(image: Marked) -> Iterable[tuple[str, str]]:
    yield "image", f"{image.image.id}, {image.image.platform}"
    yield "engine", image.engine
    yield "python", image.python or "none that can be asked"
    if image.distributions:
        yield "installed", _listed(image.distributions)
    if image.packages:
        yield "packages", _listed(image.packages)


def _listed(found: Sequence[Distribution] | Sequence[Package]) -> str:
    names = [f"{one.name} {one.version}" for one in found]
    more = f", and {len(names) - _INSTALLED_SHOWN} more (--json lists them)"
    return ", ".join(names[:_INSTALLED_SHOWN]) + more * (len(names) > _INSTALLED_SHOWN)


def print_findings(found: Verified, *, as_json: bool) -> None:
    """What came of verifying one: for people the first differences, as data all of them."""
    findings = found.findings
    if as_json:
        told = [as_dict(finding) for finding in findings]
        print_document(
            {
                "key": found.key,
                "run": found.run,
                "ok": not told,
                "files": found.files,
                "findings": told,
                "packages": found.packages,
            }
        )
        return
    for finding in findings[:_FINDINGS_SHOWN]:
        click.echo(f"{label(finding.kind)} {printable(finding.message)}")
    if len(findings) > _FINDINGS_SHOWN:
        click.echo(f"and {len(findings) - _FINDINGS_SHOWN} more (--json lists them)")
    short = found.key[:12]
    if findings:
        count = f"{len(findings)} difference{'s' * (len(findings) != 1)}"
        then = "; the next run builds it again" if found.unusable else ""
        click.echo(f"{short}: {count}{then}", err=True)
    else:
        looked = f"{found.files} files" if found.packages is None else f"{found.packages} packages"
        click.echo(f"{short}: {styled('as it was installed', fg='green')}, {looked}")


def pruned_document(found: Pruned) -> dict[str, Any]:
    """What was pruned as data."""
    return {
        "removed": [{"key": one.kept.key, "size": one.kept.size} for one in found.removed],
        "leftovers": [{"path": str(path), "size": count} for path, count in found.leftovers],
        "strays": [as_dict(stray) for stray in found.strays],
        "in_use": list(found.held),
        "failed": [failed_document(key, failure) for key, failure in found.failed],
    }


def failed_document(key: str, failure: EnvironmentFailure) -> dict[str, Any]:
    """Why one could not be removed, as data."""
    return {"key": key, "what": failure.what, "why": failure.why, "hint": failure.hint}


def when(seconds: float | None) -> str:
    """A time in seconds since the epoch in the local zone, to the minute."""
    return "never" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
