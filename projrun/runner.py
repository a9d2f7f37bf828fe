"""The flow of a run, written once: settle, capture, check, prepare, write down, execute, close."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun import concealing
from projrun.choice import builtins, declared_inputs
from projrun.core import process
from projrun.core.errors import StoreError
from projrun.core.locks import Held
from projrun.core.report import Reporter
from projrun.core.values import Struct, replace
from projrun.data import declared, fingerprint
from projrun.data.model import Fingerprint
from projrun.environment import build, launching, plan, seeding, uses, variables
from projrun.environment.model import Environment
from projrun.execution import local
from projrun.execution.model import Outcome, Request
from projrun.live import Live, scratch_for
from projrun.looking import Ahead
from projrun.options import Options
from projrun.recipe import document
from projrun.recipe.host import host
from projrun.recipe.model import KeptFile, RecipeParts, StartParts
from projrun.recording import Recording
from projrun.settling import Settled, settled
from projrun.source.model import Source
from projrun.spec import command, parameters
from projrun.stopping import Interrupted, Stopped, ended_by_signals
from projrun.store.store import Store
from projrun.telling import (
    choice_flags,
    command_line,
    describe_environment,
    describe_inputs,
    describe_source,
    input_flags,
    is_seedable,
    source_flags,
)


class Result(Struct, frozen=True):
    """A run that has ended, with its documents as they were written."""

    id: str
    directory: Path
    exit_code: int
    recipe: dict[str, Any]
    outcome: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """All of it as one JSON value."""
        return {
            "run": self.id,
            "directory": str(self.directory),
            "exit_code": self.exit_code,
            "recipe": self.recipe,
            "outcome": self.outcome,
        }


def run(options: Options, screen: Reporter, ahead: Ahead | None = None) -> Result:
    """Runs an entry point and records it. What the user got wrong is found before anything is written.

    Raises ProjrunError, and Interrupted when it is told to stop while no program runs; their ``run`` tells
    where it was recorded.
    """
    if ahead is not None:
        ahead.look.go_on()
    with ended_by_signals(), settled(options, screen, ahead) as ready:
        return run_settled(options, ready, screen)


def run_settled(options: Options, ready: Settled, screen: Reporter) -> Result:
    """Runs what is settled already. Raises as :func:`run`."""
    variables.require_secrets(ready.choice.environment)
    with process.withholding(concealing.variables_of(ready.choice)):
        return _recorded(options, ready, screen)


def _recorded(options: Options, ready: Settled, screen: Reporter) -> Result:
    secrets = concealing.secrets_of(ready.choice, options.source)
    if ready.place.ahead is not None:
        ready.place.ahead.look.go_on()
    store = Store(options.store)
    directory = store.begin(scratch_for(options, secrets))
    try:
        naming = ready.place.naming
        terminals = options.terminals if ready.choice.environment.has_terminals else ()
        known = concealing.values(secrets)
        with Recording(directory.path, screen, secrets=known, terminals=terminals, naming=naming) as recording:
            live = Live(options, ready, store, directory, recording, time.time(), secrets)
            try:
                return _carry_out(live)
            except BaseException as error:
                from projrun.closing import gave_up, told

                failure = told(error)
                failure.run = directory.id
                recording.conceal(failure)
                with contextlib.suppress(StoreError):  # then the first error is the one to tell
                    recording.note(f"error: {failure.what}: {failure.why}")
                with contextlib.suppress(StoreError):
                    live.write_outcome(gave_up(live, failure))
                if isinstance(failure, Stopped):
                    raise Interrupted(failure.exit_code - 128, directory.id) from error
                raise
    finally:
        directory.drop_start_up()
        store.index.record(directory.path, durable=False)
        directory.close()


def _carry_out(live: Live) -> Result:
    """The stages in their order. Each takes frozen values and gives one."""
    _write_start(live)
    source = _capture(live)
    inputs = _check_inputs(live)
    environment = _prepare(live)
    with uses.in_use(environment) as used:
        request = _request(live, environment, inputs)
        recipe = _write_recipe(live, source, inputs, environment, request)
        before = fingerprint.look(live.choice.entry_point.products, live.choice.spec.root)
        process = _execute(live, request, used)
    from projrun.closing import closed

    outcome = live.write_outcome(closed(live, source, inputs, process, before))
    return Result(live.directory.id, live.directory.path, process.exit_code, recipe, outcome)


def _write_start(live: Live) -> None:
    choice = live.choice
    parts = StartParts(
        run=live.directory.id,
        created=live.created,
        project=choice.spec.name,
        root=live.project,
        entry_point=choice.entry_point.name,
        labels=live.labels,
        secrets=tuple(concealing.variables_of(choice)),
    )
    live.directory.write_start(live.recording.document(document.start_document(parts)))
    live.recording.phase("begin", f"{choice.spec.name} {choice.entry_point.name}, run {live.directory.id}")


def _capture(live: Live) -> Source:
    place = live.settled.place
    live.recording.begin("source")
    for line in place.told:
        live.recording.note(line)
    source = place.look(live.choice.spec.root)
    if place.mirrored:
        from projrun.checkouts import keep_commits

        keep_commits(place, live.directory.id)
    if source.snapshot is not None or source.needs_snapshot:
        source = _kept(live, source)
    live.recording.phase("source", describe_source(source))
    return source


def _kept(live: Live, source: Source) -> Source:
    """The source with a snapshot, if it needs one, that the store has."""
    from projrun.source import disclosure, snapshot  # a clean tree whose commit is somewhere needs none

    held = source.snapshot is not None and snapshot.hold(live.store.sources, source.snapshot)
    if held or not source.needs_snapshot:
        return source
    limit, passing = live.options.snapshot_limit, live.settled.place.checkout is not None
    disclosure.check(source, live.store.sources, concealing.wanted(live.secrets))
    return snapshot.snapshot(source, live.store.sources, limit=limit, passing=passing)


def _check_inputs(live: Live) -> tuple[Fingerprint, ...]:
    live.recording.begin("data")
    entries, root = declared_inputs(live.choice), live.choice.spec.root
    inputs = declared.had(entries, root, live.means.cache, live.recording, offline=live.means.offline)
    if any(entry.keep for entry in entries):
        from projrun.keeping import keep_inputs

        inputs = keep_inputs(entries, inputs, root, live.store.objects, live.means.cache, live.secrets)
    found = tuple(replace(one, copied=one.path in live.settled.carried) for one in inputs)
    if live.settled.again is not None:
        live.settled.again.check_inputs(found)
    if found:
        live.recording.phase("data", describe_inputs(found))
    return found


def _prepare(live: Live) -> Environment:
    live.recording.begin("environment")
    choice, means = live.choice, live.means
    if live.settled.again is not None:
        planned = live.settled.again.planned(choice, means, live.recording)
    else:
        planned = plan.plan(choice.environment, choice.spec.root, means, live.recording)
    environment = build.ensure(planned, means, live.recording)
    live.recording.phase("environment", describe_environment(choice.environment.name, environment))
    return environment


def _request(live: Live, environment: Environment, inputs: tuple[Fingerprint, ...]) -> Request:
    """The process as plain data, and the parameters as a file for it to read."""
    choice, directory = live.choice, live.directory
    places = launching.Places(choice.spec.root, directory.path, directory.private)
    seen = launching.seen(environment, places)
    given = builtins(choice, seen.run, seen.clear, seen.project)
    directory.write_parameters(parameters.file_text(choice.parameters))
    offered = {
        "PROJRUN_RUN_ID": directory.id,
        "PROJRUN_RUN_DIR": str(seen.run),
        "PROJRUN_SEED": str(choice.seed),
        "PROJRUN_PARAMS_FILE": given.params_file,
        "PROJRUN_METRICS": str(seen.clear / directory.reported.name),
        **_seed(live),
    }
    if live.means.thorough:  # Python runs what it kept before without reading the source
        offered["PYTHONPYCACHEPREFIX"] = str(seen.clear / directory.bytecode.name)
    wish = launching.Wish(
        run=directory.id,
        places=places,
        offered=offered,
        inputs=tuple(one.path for one in inputs if one.kind != "glob"),
        products=choice.entry_point.products,
        terminals=live.recording.terminals,
        start_up=str(seen.run / directory.start_up.name) if is_seedable(choice) else "",
        strict=live.means.thorough,
        cache=live.means.cache,
    )
    launch = launching.launch(environment, choice.environment, wish)
    return Request(
        argv=command.render(choice.entry_point.command, choice.parameters, given),
        cwd=launch.cwd,
        variables=launch.variables,
        secrets=launch.secrets,
        timeout=choice.entry_point.timeout,
        terminals=launch.terminals,
        container=launch.container,
        scratch=str(places.scratch or ""),
    )


def _seed(live: Live) -> Mapping[str, str]:
    """Has the program seeded as the spec asks for, and gives variables that do so; the spec's own go before."""
    seed, libraries = live.choice.seed, live.choice.entry_point.seeding
    if not libraries:
        return {}
    live.directory.write_start_up(seeding.FILE, seeding.start_up(seed, libraries))
    own = live.choice.environment.variables
    return {name: value for name, value in seeding.variables(seed, libraries).items() if name not in own}


def _write_recipe(
    live: Live,
    source: Source,
    inputs: tuple[Fingerprint, ...],
    environment: Environment,
    request: Request,
) -> dict[str, Any]:
    """From here on the recipe is complete and stays as it is."""
    choice = live.choice
    parts = RecipeParts(
        run=live.directory.id,
        created=live.created,
        spec=choice.spec,
        entry_point=choice.entry_point,
        declared=choice.environment,
        parameters=tuple(parameters.to_document(bound) for bound in choice.parameters.values()),
        seed=choice.seed,
        request=request,
        source=source,
        environment=environment,
        build_log=_kept_log(live, environment),
        inputs=inputs,
        host=host(),
        flags=(
            *choice_flags(choice),
            *concealing.likely_flags(choice, live.labels, request),
            *live.settled.flags,
            *source_flags(source, choice.entry_point.products),
            *input_flags(inputs, choice.spec.data),
            *environment.plan.flags,
            *environment.flags,
        ),
        labels=live.labels,
        reproduces=live.settled.again.link if live.settled.again else None,
    )
    recipe: dict[str, Any] = live.recording.document(document.recipe_document(parts))
    live.directory.write_recipe(recipe)
    return recipe


def _kept_log(live: Live, environment: Environment) -> KeptFile | None:
    """What the image's builder said, if one was built."""
    if environment.image is None:
        return None
    from projrun.keeping import keep_build_log

    return keep_build_log(environment, live.store.objects)


def _meanwhile(live: Live) -> None:
    """The program runs: what is needed after it is loaded in its time."""
    live.begun()
    import hashlib  # noqa: F401

    from projrun import closing, keeping  # noqa: F401


def _execute(live: Live, request: Request, used: tuple[Held, ...]) -> Outcome:
    live.recording.phase("run", command_line(request.argv))
    try:
        with live.reporting():
            return local.execute(
                request,
                live.recording.write,
                started=lambda: _meanwhile(live),
                lasting=live.index,
                kept=(*used, *live.held),
            )
    finally:
        live.directory.drop_bytecode()
        live.directory.drop_parameters()  # the recipe has them, without secrets
