"""From the record of a run to all that it takes to do it again: code, choice, inputs, in a private checkout."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from projrun.again import again_of, lock_of
from projrun.checkouts import checked_out_again
from projrun.choice import Choice, choose_again
from projrun.core.errors import SourceError, SpecError, UsageError, system_reason
from projrun.core.hashing import sha256_bytes
from projrun.core.report import Reporter
from projrun.core.values import replace
from projrun.finding import Found
from projrun.options import Options
from projrun.placing import Place
from projrun.providing import provide
from projrun.recipe.redaction import MASK
from projrun.records import Record
from projrun.restoring import find_commit
from projrun.settling import Settled
from projrun.source import address as addresses
from projrun.source import snapshot
from projrun.source.model import Change, Origin, Resolution, Source, Submodule
from projrun.spec import parameters, secret_values
from projrun.spec.model import MLPROJECT_NAME, SPEC_NAME, BoundParameter, EnvironmentSpec, is_specification
from projrun.store.store import Store

# What the caller's language and time zone are recorded by.
_MASKED = re.compile(r"://[^/\s]*:\*\*\*@")
_LOCALE = re.compile(r"LANG|LANGUAGE|LC_[A-Z_]+|TZ")


def options_of(record: Record, given: Options) -> Options:
    """What was recorded as if it were asked for; store, cache and network are as ``given``.

    Every file of the environment is looked at, as in a run for the record.
    """
    recipe = record.recipe
    environment = recipe["environment"]
    container = environment.get("container")
    # In a container a run for the record has no network, which may not have been so.
    strict = container is None or container["configuration"]["network"] == "none"
    return replace(
        given,
        source=recipe["spec"]["root"],
        entry_point=recipe["entry_point"]["name"],
        environment=environment["name"],
        builder=environment["builder"],
        seed=recipe["seed"],
        strict=strict,
    )


@contextlib.contextmanager
def reconstructed(record: Record, options: Options, report: Reporter, *, keep: bool = True) -> Iterator[Settled]:
    """The run of a record, ready to be done again. Its private checkout lasts as long as the block.

    ``options`` are those of :func:`options_of`. With ``keep`` a snapshot of another store is taken into this one.
    Raises SourceError, SpecError, UsageError, DataError, EnvironmentFailure.
    """
    recipe = record.recipe
    with checked_out(record, options, report) as place:
        assert place.source is not None
        source = _kept(place.source, options) if keep else place.source
        choice = chosen(recipe, options, place)
        carried = provide(record, choice.spec.root, options)
        told = (f"reproduce: run {record.link.run}", *place.told)
        again = again_of(recipe, record.link)
        yield Settled(choice, replace(place, source=source, told=told), carried, again=again)


@contextlib.contextmanager
def checked_out(record: Record, options: Options, report: Reporter) -> Iterator[Place]:
    """A private checkout of what the run's code was: its snapshot, or its commit. Raises SourceError."""
    source, spec = record.recipe["source"], record.recipe["spec"]
    found = _found(record, options, report)
    with checked_out_again(found, options, report, lambda project: _write_spec(project, spec)) as place:
        assert place.source is not None
        yield replace(place, source=_as_recorded(source, place.source, options))


def _found(record: Record, options: Options, report: Reporter) -> Found:
    """Where the commit is: in a store when it is a snapshot, else in a mirror, a repository, or at its remote."""
    source = record.recipe["source"]
    taken, address = source["snapshot"], source.get("address")
    commit = str(taken or source["commit"])
    if taken:
        objects, mirror = _snapshot_store(record, taken, options), None
        base = addresses.recorded(str(objects))
    else:
        objects, base, mirror = find_commit(source, options.cache, report, offline=options.offline)
    return Found(
        objects=objects,
        base=base,
        origin=Origin(
            Resolution(commit, "commit", commit, None), address, source["worktree"], record.recipe["spec"]["root"]
        ),
        subdirectory=source["subdirectory"],
        local=None,
        remote=source["remote"],
        remote_branch=source["remote_branch"],
        modules=None if mirror or taken else objects,
        mirror=mirror,
    )


def _snapshot_store(record: Record, taken: str, options: Options) -> Path:
    """The store's repository that has a snapshot: that of the run, or the one to record in."""
    stores = dict.fromkeys(one.sources for one in (record.store, Store(options.store)) if one)
    for sources in stores:
        if snapshot.holds(sources, taken):
            return sources
    raise SourceError(
        f"snapshot {taken} is gone",
        why=f"run {record.link.run} was of files that no remote has; looked in "
        + (", ".join(map(str, stores)) or "no store"),
        hint="give the recipe.json that lies in the store of the run: STORE/runs/RUN/recipe.json",
    )


def _write_spec(project: Path, recorded: Mapping[str, Any]) -> None:
    """Puts the recorded specification where the commit has none: it was ignored, or outside of what git sees."""
    name = str(recorded["file"])
    if not is_specification(name):
        raise SpecError(
            f"{name!r} is no name of a specification",
            why=f"it is {SPEC_NAME} or {MLPROJECT_NAME}",
            hint="the recipe was changed after the run: look who gave it to you",
        )
    place = project / name
    if os.path.lexists(place):
        return
    data = str(recorded["text"]).encode(errors="surrogateescape")
    if sha256_bytes(data) != recorded["sha256"]:
        raise SpecError(
            f"the commit has no {name}, and the recorded one is not whole",
            why="a secret was masked in it",
            hint=f"commit {name}, and run again",
        )
    try:
        project.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    except OSError as error:
        raise SourceError(
            f"{name} cannot be written to the private checkout",
            why=system_reason(error, place),
            hint="choose another folder: PROJRUN_CACHE=DIR",
        ) from error


def _as_recorded(recorded: Mapping[str, Any], found: Source, options: Options) -> Source:
    """What was checked out, described as it was when it was recorded."""
    taken = recorded["snapshot"]
    return replace(
        found,
        repository=recorded["repository"],
        commit=recorded["commit"],
        branch=recorded["branch"],
        changes=tuple(_change(change) for change in recorded["changes"]),
        submodules=tuple(_submodule(submodule) for submodule in recorded["submodules"]),
        snapshot=taken if taken and snapshot.hold(Store(options.store).sources, taken) else None,
        head=taken,
    )


def _change(recorded: Mapping[str, Any]) -> Change:
    return Change(recorded["path"], recorded["kind"], recorded["staged"], recorded["old_path"])


def _submodule(recorded: Mapping[str, Any]) -> Submodule:
    return Submodule(recorded["path"], recorded["commit"], recorded["dirty"], recorded["pushed"])


def _kept(source: Source, options: Options) -> Source:
    """The source with its snapshot in the store to record in, before anything else comes to the checkout."""
    if source.head is None or source.snapshot is not None:
        return source
    Store(options.store).prepare()
    return snapshot.snapshot(source, Store(options.store).sources, limit=1 << 62, passing=True)


def chosen(recipe: Mapping[str, Any], options: Options, place: Place, *, values: bool = True) -> Choice:
    """The entry point with the recorded parameters, its environment with the recorded lock and variables.

    Without ``values`` secret parameters stay masked: nothing is to be run.
    """
    names = [*recipe["variables"]["secrets"], *secret_parameters(recipe)]
    bound = {entry["name"]: _bound(entry, names, values=values) for entry in recipe["parameters"]}
    choice = choose_again(options, place.start, bound)
    _check_parameters(choice)
    lock = lock_of(recipe["environment"])
    environment = lock.applied(choice.environment) if lock else choice.environment
    return replace(choice, environment=with_variables(environment, recipe["variables"]))


def _check_parameters(choice: Choice) -> None:
    """Raises UsageError for parameters that are not those of the entry point in the code that was recorded."""
    appended = {name for name, one in choice.parameters.items() if one.parameter.appended}
    recorded, declared = set(choice.parameters), set(choice.entry_point.parameters)
    if choice.entry_point.appends:
        recorded -= appended
    if recorded != declared:
        raise UsageError(
            f"the recorded parameters are not those of entry point {choice.entry_point.name!r}",
            why=f"of one and not the other: {', '.join(sorted(recorded ^ declared))}",
            hint="the recipe was changed after the run: look who gave it to you",
        )


def secret_parameters(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """The variables that have the values of a run's secret parameters when it is done again."""
    secret = [entry for entry in recipe["parameters"] if entry.get("secret")]
    return tuple(secret_values.variable_again(entry["name"], entry["origin"]) for entry in secret)


def _bound(entry: Mapping[str, Any], secrets: list[str], *, values: bool) -> BoundParameter:
    if entry.get("secret"):
        recorded = parameters.from_document(entry)
        return secret_values.again(recorded) if values else recorded
    raw, value = entry["raw"], entry["value"]
    texts = raw if isinstance(raw, list) else [raw]
    if "uri" in (entry["type"], entry.get("items")) and any(_MASKED.search(text) for text in texts):
        raise UsageError(
            f"parameter {entry['name']} held a password, which is recorded nowhere",
            why=f"it was recorded as {', '.join(texts)}",
            hint=f"run it yourself, with {entry['name']}: {{type: uri, secret: true}} in ProjectSpec.yaml",
        )
    if secrets and any(MASK in text for text in texts):
        whole = [unmasked(text, secrets, f"parameter {entry['name']}") for text in texts]
        raw = whole if isinstance(raw, list) else whole[0]
        value = raw if isinstance(value, (str, list)) else value
    return parameters.from_document({**entry, "raw": raw, "value": value})


def unmasked(text: str, secrets: list[str], what: str) -> str:
    """A recorded text with the caller's secret in place of the mask, when it can only be that one.

    Raises UsageError when the run had several.
    """
    if MASK not in text or not secrets:
        return text
    if len(secrets) > 1:
        raise UsageError(
            f"{what} held a secret, and which one is not recorded",
            why=f"it was recorded as {text}; the run had the secrets {', '.join(secrets)}",
            hint="run it yourself, and pass secrets as variables: environment.secrets",
        )
    return text.replace(MASK, os.environ.get(secrets[0], MASK))


def with_variables(environment: EnvironmentSpec, recorded: Mapping[str, Any]) -> EnvironmentSpec:
    """The environment with the variables that the run had, from wherever it had them.

    What it inherited is set now, and so are language and time zone, which every run takes from its caller.
    """
    secrets = recorded["secrets"]
    locale = {name: value for name, value in recorded["base"].items() if _LOCALE.fullmatch(name)}
    taken = {
        name: unmasked(value, secrets, f"variable {name}")
        for name, value in {**locale, **recorded["inherited"], **recorded["set"]}.items()
    }
    return replace(environment, variables={**taken, **environment.variables}, inherit=())
