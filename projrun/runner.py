"""The flow of a run, written once: settle, capture, check, prepare, write down, execute, close."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from projrun.choice import Choice, Options, builtins, declared_inputs, declared_secrets
from projrun.core.errors import ProjrunError, StoreError
from projrun.core.flags import Flag
from projrun.core.report import Reporter
from projrun.data import fingerprint
from projrun.data.metrics import read_metrics
from projrun.data.model import Fingerprint, Metric
from projrun.environment import build, plan, uses, variables
from projrun.environment.model import Environment
from projrun.execution import local
from projrun.execution.model import Outcome, Request
from projrun.recipe import document
from projrun.recipe.host import host
from projrun.recipe.model import Labels, OutcomeParts, RecipeParts, StartParts
from projrun.recording import Recording
from projrun.settling import Settled, settled
from projrun.source import inspect, snapshot
from projrun.source.model import Source
from projrun.spec import command, parameters
from projrun.stopping import Interrupted, Stopped, ended_by_signals
from projrun.store.run import RunDirectory
from projrun.store.store import Store
from projrun.telling import (
    changed_meanwhile,
    choice_flags,
    command_line,
    describe_environment,
    describe_inputs,
    describe_process,
    describe_source,
    input_flags,
    source_flags,
)


@dataclass(frozen=True)
class Result:
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


@dataclass(frozen=True)
class _Live:
    """A run under way: what was asked, what that came to, and where it is recorded."""

    options: Options
    settled: Settled
    store: Store
    directory: RunDirectory
    recording: Recording
    created: float

    @property
    def choice(self) -> Choice:
        return self.settled.choice

    @property
    def project(self) -> str:
        """What the project is known by: its directory, or the address it came from."""
        source = self.settled.place.source
        return source.origin.project if source and source.origin else str(self.choice.spec.root)


@dataclass(frozen=True)
class _Found:
    """What a run left behind."""

    outputs: tuple[Fingerprint, ...] = ()
    metrics: tuple[Metric, ...] = ()
    flags: tuple[Flag, ...] = ()


def run(options: Options, screen: Reporter) -> Result:
    """Runs an entry point and records it. What the user got wrong is found before anything is written.

    Raises ProjrunError, and Interrupted when it is told to stop while no program runs; their ``run`` tells
    where it was recorded.
    """
    with ended_by_signals(), settled(options, screen) as ready:
        variables.require_secrets(ready.choice.spec.environment)
        return _recorded(options, ready, screen)


def _recorded(options: Options, ready: Settled, screen: Reporter) -> Result:
    secrets = declared_secrets(ready.choice.spec.environment)
    store = Store(options.store)
    directory = store.begin()
    try:
        with Recording(directory.path, screen, secrets=secrets, terminals=options.terminals) as recording:
            live = _Live(options, ready, store, directory, recording, time.time())
            try:
                return _carry_out(live)
            except BaseException as error:
                told = _told(error)
                told.run = directory.id
                with contextlib.suppress(StoreError):  # then the first error is the one to tell
                    recording.note(f"error: {told.what}: {told.why}")
                with contextlib.suppress(StoreError):
                    _write_outcome(live, _gave_up(live, told))
                if isinstance(told, Stopped):
                    raise Interrupted(told.exit_code - 128, directory.id) from error
                raise
    finally:
        store.index.record(directory.path)
        directory.close()


def _carry_out(live: _Live) -> Result:
    """The stages in their order. Each takes frozen values and gives one."""
    _write_start(live)
    source = _capture(live)
    inputs = _check_inputs(live)
    environment = _prepare(live)
    with uses.in_use(environment):
        request = _request(live, environment)
        recipe = _write_recipe(live, source, inputs, environment, request)
        before = fingerprint.look(live.choice.entry_point.products, live.choice.spec.root)
        process = _execute(live, request)
    outcome = _write_outcome(live, _closed(live, source, process, before))
    return Result(live.directory.id, live.directory.path, process.exit_code, recipe, outcome)


def _write_start(live: _Live) -> None:
    choice = live.choice
    parts = StartParts(
        run=live.directory.id,
        created=live.created,
        project=choice.spec.name,
        root=live.project,
        entry_point=choice.entry_point.name,
        labels=_labels(live),
    )
    live.directory.write_start(document.redacted(document.start_document(parts), live.recording.text))
    live.recording.phase("begin", f"{choice.spec.name} {choice.entry_point.name}, run {live.directory.id}")


def _capture(live: _Live) -> Source:
    place = live.settled.place
    live.recording.begin("source")
    for line in place.told:
        live.recording.note(line)
    source = place.source or inspect.inspect(live.choice.spec.root)
    if place.mirrored:
        from projrun.checkouts import keep_commits

        keep_commits(place, live.directory.id)
    if source.needs_snapshot:
        limit, passing = live.options.snapshot_limit, place.checkout is not None
        source = snapshot.snapshot(source, live.store.sources, limit=limit, passing=passing)
    live.recording.phase("source", describe_source(source))
    return source


def _check_inputs(live: _Live) -> tuple[Fingerprint, ...]:
    live.recording.begin("data")
    inputs = fingerprint.inputs(declared_inputs(live.choice), live.choice.spec.root)
    found = tuple(replace(one, copied=one.path in live.settled.carried) for one in inputs)
    if found:
        live.recording.phase("data", describe_inputs(found))
    return found


def _prepare(live: _Live) -> Environment:
    live.recording.begin("environment")
    spec, means = live.choice.spec, live.options.means
    planned = plan.plan(spec.environment, spec.root, means, live.recording)
    environment = build.ensure(planned, means, live.recording)
    live.recording.phase("environment", describe_environment(environment))
    return environment


def _request(live: _Live, environment: Environment) -> Request:
    """The process as plain data, and the parameters as a file for it to read."""
    choice, directory = live.choice, live.directory
    given = builtins(choice, directory.path)
    directory.write_parameters(parameters.file_text(choice.parameters))
    offered = {
        "PROJRUN_RUN_ID": directory.id,
        "PROJRUN_RUN_DIR": str(directory.path),
        "PROJRUN_SEED": str(choice.seed),
        "PROJRUN_PARAMS_FILE": given.params_file,
    }
    child = variables.child_variables(environment, choice.spec.environment, offered)
    return Request(
        argv=command.render(choice.entry_point.command, choice.parameters, given),
        cwd=str(choice.spec.root),
        variables=child.set,
        secrets=child.secrets,
        timeout=choice.entry_point.timeout,
        terminals=live.options.terminals,
    )


def _write_recipe(
    live: _Live,
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
        parameters=tuple(parameters.to_document(bound) for bound in choice.parameters.values()),
        seed=choice.seed,
        request=request,
        source=source,
        environment=environment,
        inputs=inputs,
        host=host(),
        flags=(
            *choice_flags(choice),
            *source_flags(source),
            *input_flags(inputs),
            *environment.plan.flags,
            *environment.flags,
        ),
        labels=_labels(live),
    )
    recipe: dict[str, Any] = document.redacted(document.recipe_document(parts), live.recording.text)
    live.directory.write_recipe(recipe)
    return recipe


def _execute(live: _Live, request: Request) -> Outcome:
    live.recording.phase("run", command_line(request.argv))
    try:
        return local.execute(
            request, live.recording.write, started=lambda: live.store.index.record(live.directory.path)
        )
    finally:
        live.directory.drop_parameters()  # the recipe has them, without secrets


def _closed(live: _Live, source: Source, process: Outcome, before: Mapping[str, str | None]) -> OutcomeParts:
    """What came of it. The program has run: whatever goes wrong from here on is told beside that."""
    found = _Found()
    try:
        live.recording.flush()
        live.recording.phase("finish", describe_process(process))
        found = _look_back(live, source, process, before)
    except (ProjrunError, OSError, KeyboardInterrupt, Interrupted) as error:
        message = f"what the program wrote is not known: {_told(error).what}"
        found = _Found(flags=(Flag("outputs-unknown", message, "run it again"),))
    return OutcomeParts(
        run=live.directory.id,
        status=process.status,
        exit_code=process.exit_code,
        started=live.created,
        ended=time.time(),
        process=process,
        phase=None if process.status == "finished" else "run",
        phases=live.recording.phases(),
        outputs=found.outputs,
        metrics=found.metrics,
        flags=found.flags,
    )


def _look_back(live: _Live, source: Source, process: Outcome, before: Mapping[str, str | None]) -> _Found:
    """Outputs and metrics, and whether the tree is still the one that was captured."""
    entry_point, root, place = live.choice.entry_point, live.choice.spec.root, live.settled.place
    outputs, output_flags = fingerprint.outputs(entry_point.products, root, before)
    metrics, metric_flags = read_metrics(entry_point.metrics, root, before)
    # That a program which failed did not write everything is no news, and would hide what is.
    flags = (*output_flags, *metric_flags) if process.status == "finished" else ()
    flags = (*flags, *changed_meanwhile(source, (*entry_point.products, *live.settled.carried)))
    if place.checkout is None:
        return _Found(outputs, metrics, flags)
    from projrun.carrying import bring, keep

    kept, keep_flags = keep(outputs, root, live.store.objects)
    brought: list[Flag] = []
    if live.options.bring_outputs and place.local is not None and process.status == "finished":
        brought = bring(kept, root, place.local)
    return _Found(tuple(kept), metrics, (*flags, *keep_flags, *brought))


def _told(error: BaseException) -> ProjrunError:
    """What made projrun give up, as it is recorded."""
    if isinstance(error, ProjrunError):
        return error
    if isinstance(error, Interrupted):
        return error.told()
    if isinstance(error, KeyboardInterrupt):
        return Stopped(signal.SIGINT)
    return ProjrunError(
        f"{type(error).__name__}: {error}", why="this is a defect of projrun", hint="report it with the log"
    )


def _gave_up(live: _Live, error: ProjrunError) -> OutcomeParts:
    """The outcome of a run that projrun could not bring to an end."""
    phase = live.recording.current
    began = phase in ("run", "finish")
    status = "interrupted" if isinstance(error, Stopped) else "failed" if began else "not-started"
    return OutcomeParts(
        run=live.directory.id,
        status=status,
        exit_code=error.exit_code,
        started=live.created,
        ended=time.time(),
        phase=phase,
        phases=live.recording.phases(),
        error=error,
    )


def _write_outcome(live: _Live, parts: OutcomeParts) -> dict[str, Any]:
    outcome: dict[str, Any] = document.redacted(document.outcome_document(parts), live.recording.text)
    live.directory.write_outcome(outcome)
    return outcome


def _labels(live: _Live) -> Labels:
    return Labels(live.options.name, live.options.tags, live.options.note)
