"""Building an image, or pulling it, and writing down what it is. Its environment's lock is held by the caller."""

from __future__ import annotations

import contextlib
import posixpath
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from projrun.core.engine.model import KEY_LABEL, Image, ImageRequest
from projrun.core.errors import EnvironmentFailure
from projrun.core.report import BUILD
from projrun.environment import built, construction
from projrun.environment.docker import bases, context, inside, marker
from projrun.environment.docker.dockerfile import Named
from projrun.environment.docker.plan import secret_values
from projrun.environment.docker.task import Task
from projrun.environment.turns import aside
from projrun.spec.model import DockerSpec

_ASIDE = ".building-"  # as other builders call it, so that what is left behind is found
_FAILED = ".failed"  # the folder of the logs of builds that failed
_CONTEXT = "context.tar"
_NOT_THERE = re.compile(r"not found|no such file|does not exist", re.I)
_NOT_IN_CONTEXT = re.compile(r": (\S+) is not in the build context$")
_QUOTED = re.compile(r'"([^"\n]+)"|stat (\S+?):')


def construct(task: Task) -> None:
    """Builds or pulls the image, looks inside, and writes it all down. Raises EnvironmentFailure or OSError."""
    environments = task.directory.parent
    construction.remove_leftovers(environments, task.plan.key)
    built.containers_of(task.means.cache).mkdir(
        exist_ok=True
    )  # what a killed build leaves at the engine is looked for
    with aside(environments, _ASIDE, task.plan.key) as folder:
        image = _image(task, folder)
        try:
            look = lambda reference: bases.here(reference, task.engine, None)  # noqa: E731
            bases.check_unmoved(task.image.bases, look)
            task.report.phase("environment", f"looking into {image.id[:19]}")
            found = inside.look(image, task.engine, task.lock)
        except EnvironmentFailure:
            _forget(task)
            raise
        (folder / _CONTEXT).unlink(missing_ok=True)
        about = task.engine.about
        marked = marker.Marked(
            key=task.plan.key,
            inputs=task.plan.inputs,
            image=image,
            engine=f"{about.name} {about.version}",
            rootless=about.rootless,
            built=task.image.reference is None,
            python=found.python,
            distributions=found.distributions,
            packages=found.packages,
        )
        if task.directory.exists():
            construction.move_away(task.directory)
        folder.rename(task.directory)
        marker.write(task.directory, marked)
    construction.remove_leftovers(environments, task.plan.key)
    log_of_failure(task.directory).unlink(missing_ok=True)


def _image(task: Task, folder: Path) -> Image:
    """The image, named so that nobody takes it away: built, or the one that exists already."""
    if task.image.reference is None:
        return _built(task, folder)
    named = Named(task.image.reference, 0, "")
    image = _had(named, task)
    digest = task.image.bases[0].digest
    if not bases.is_pinned(named.reference) and bases.digest_of(named.reference, image) != digest:
        raise EnvironmentFailure(
            f"{named.reference} became another image meanwhile",
            why=f"It was {digest} a moment ago.",
            hint="run again",
        )
    task.engine.tag(image.id, task.tag)
    return image


def _had(named: Named, task: Task) -> Image:
    """The image, pulled unless it is here or nobody may be asked."""
    if task.means.offline and bases.here(named.reference, task.engine, task.spec.platform) is None:
        raise EnvironmentFailure(
            f"{named.reference} is not here",
            why="Nothing may ask the network: --offline.",
            hint=f"run without --offline, or: docker pull {named.reference}",
        )
    return bases.fetched(named, task.engine, task.spec.platform, task.report)


def _built(task: Task, folder: Path) -> Image:
    spec = task.spec
    secrets = secret_values(spec)
    seen = context.look(task.image.root, spec, task.means)
    if (seen.text, seen.sha256) != (task.image.dockerfile, task.image.context):
        raise EnvironmentFailure(
            "the project changed while its image was prepared",
            why="The build context is not what it was when its key was made.",
            hint=f"run again; what is written all the time, a log say, is to be named in {context.IGNORE}",
        )
    for base in task.image.bases:
        if base.pinned:  # of the others the plan knows that they are here
            _had(Named(base.reference, base.line, ""), task)
    context.write(seen, folder / _CONTEXT)
    request = ImageRequest(
        context=folder / _CONTEXT,
        dockerfile=seen.dockerfile,
        tag=task.tag,
        target=spec.target,
        arguments=task.image.arguments,
        secrets=secrets,
        platform=spec.platform,
        network="none" if task.means.offline else spec.build_network,
        labels={KEY_LABEL: task.plan.key},
    )
    with _logged(task, folder) as say, _explained(seen, spec):
        return task.engine.build(request, say)


@contextlib.contextmanager
def _logged(task: Task, folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Gives what takes the builder's output: it goes to the environment's log and to the run's.

    The log of a build that fails is kept, and the error says where.
    """
    place = folder / marker.LOG
    with place.open("wb") as file:

        def say(data: bytes) -> None:
            file.write(data)
            task.report.write(BUILD, data)

        try:
            yield say
        except EnvironmentFailure as failure:
            file.flush()
            kept = log_of_failure(task.directory)
            with contextlib.suppress(OSError):
                kept.parent.mkdir(exist_ok=True)
                shutil.copyfile(place, kept)
                failure.hint = f"{failure.hint}; all that the builder said: {kept}"
            raise


@contextlib.contextmanager
def _explained(seen: context.Context, spec: DockerSpec) -> Iterator[None]:
    """Says of a file that a build misses whether it is there, and what keeps it out of the build context.

    The Dockerfile is called as the caller knows it: in the context it may have another name.
    """
    file = spec.file or "Dockerfile"
    try:
        yield
    except EnvironmentFailure as failure:
        failure.what, failure.why, failure.hint = (
            text.replace(context.BESIDE, file) for text in (failure.what, failure.why, failure.hint)
        )
        copied = _NOT_IN_CONTEXT.search(failure.what)
        told = f"{failure.what}\n{failure.why}"
        names = [first or second for first, second in _QUOTED.findall(told)] if _NOT_THERE.search(told) else []
        names = [*filter(None, (name.strip("/") for name in ([copied[1]] if copied else []) + names))]
        hidden = next(filter(seen.left_out, names), None)
        if hidden is not None:
            _tell_hidden(failure, hidden, seen, spec)
        elif copied:
            failure.why += f"\nThere is no {names[0]} in {_in_project(spec, '')}."
            failure.hint = f"make {_in_project(spec, names[0])}, or mend that in {file}"
        raise


def _tell_hidden(failure: EnvironmentFailure, path: str, seen: context.Context, spec: DockerSpec) -> None:
    reason, place = seen.left_out_by(path), _in_project(spec, path)
    if not reason:
        failure.why += f"\n{path} is there, and git ignores it: what git ignores is in no image."
        failure.hint = f"git check-ignore -v {shlex.quote(place)}    (tells which line of which file does)"
    elif ":" in reason:
        failure.why += f"\n{path} is there, and {reason} ignores it."
        failure.hint = f"mend {reason}: what it ignores is in no image"
    else:
        failure.why += f"\n{path} is there, and is not in the build context: {reason}."
        failure.hint = f"copy something else in {spec.file or 'Dockerfile'}: nothing of {place} gets into an image"


def _in_project(spec: DockerSpec, path: str) -> str:
    """A path in the build context as it is called in the project; of "" the context itself."""
    return posixpath.normpath(posixpath.join(spec.context, path)) if path or spec.context != "." else "the project"


def log_of_failure(directory: Path) -> Path:
    """Where the log of the last build of an environment is kept when that failed."""
    return directory.parent / _FAILED / f"{directory.name}.log"


def _forget(task: Task) -> None:
    """Takes the name from an image that is not to be used; without another name it is gone."""
    with contextlib.suppress(EnvironmentFailure):
        task.engine.remove_image(task.tag)
