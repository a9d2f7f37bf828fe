"""What people are told of the stages: one line each, and a flag for whatever is not reproducible by itself."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from projrun.choice import Choice
from projrun.concealing import is_address, raw_texts, secret_flags
from projrun.core.amounts import duration, size
from projrun.core.errors import ProjrunError
from projrun.core.flags import Flag
from projrun.core.paths import is_below
from projrun.core.regex import regex
from projrun.core.steps import Begun
from projrun.core.userinfo import passwords_in
from projrun.data.model import ChangedInput, Fingerprint
from projrun.environment.model import BuiltImage, Environment, Interpreter
from projrun.environment.seeding import STARTED, isolating_option, seeded
from projrun.execution.model import Outcome
from projrun.source import inspect
from projrun.source.look import Look
from projrun.source.model import Origin, Source
from projrun.source.remote import name_of as remote_name
from projrun.spec.model import DEFAULT_ENVIRONMENT

# What lets anybody in who has the address: those of signed addresses, and the usual names of tokens.
_TOKEN = regex(r"[?&](x-(amz|goog)-signature|signature|sig|(access_?|auth_?)?token|api_?key)=", re.I)


def describe_source(source: Source) -> str:
    """One line: the commit, where it is, and what stands for it."""
    if source.origin is not None:
        return _describe_checkout(source, source.origin)
    if not source.repository:
        return f"no repository, snapshot {(source.snapshot or 'none')[:10]}"
    commit = source.commit[:10] if source.commit else "no commit yet"
    words = [commit + (f" on {source.branch}" if source.branch else "")]
    words.append(f"{counted(len(source.changes), 'file')} not committed" if source.dirty else "clean")
    words.append(f"on {source.remote_branch}" if source.remote_branch else "not pushed")
    if source.snapshot:
        words.append(f"snapshot {source.snapshot[:10]}")
    return ", ".join(words)


def _describe_checkout(source: Source, origin: Origin) -> str:
    resolution = origin.resolution
    asked = "" if resolution.kind == "commit" else f" ({resolution.branch or resolution.ref or 'HEAD'})"
    words = [f"{resolution.commit[:10]}{asked} of {origin.address or origin.repository}, in a private checkout"]
    if origin.address is None:
        words.append(f"on {source.remote_branch}" if source.remote_branch else "not pushed")
    if source.snapshot:
        words.append(f"snapshot {source.snapshot[:10]}")
    return ", ".join(words)


def describe_environment(name: str, environment: Environment) -> str:
    """One line: its name if it has one, whether it was built, the interpreter, how many distributions, the key."""
    planned = environment.plan
    called = "" if name == DEFAULT_ENVIRONMENT else f"{name}, "
    how = "reused" if environment.reused else "built"
    if planned.kind == "system":
        how = "the system's"
    what = _describe_image(environment.image) if environment.image else _describe_interpreter(planned.interpreter)
    return f"{called}{how}, {what}, {counted(len(environment.installed), 'distribution')}, key {planned.key[:10]}"


def _describe_interpreter(interpreter: Interpreter) -> str:
    return f"{interpreter.implementation} {interpreter.version}"


def _describe_image(built: BuiltImage) -> str:
    python = f"python {built.python}" if built.python else "no python"
    return f"image {built.image.id.removeprefix('sha256:')[:12]}, {python}"


def describe_inputs(inputs: Sequence[Fingerprint]) -> str:
    """One line: each input with the beginning of its hash."""
    return ", ".join(f"{found.path} {(found.sha256 or '')[:10]}" for found in inputs)


def describe_process(outcome: Outcome) -> str:
    """One line: how it ended and what it used."""
    usage = outcome.usage
    used = f"cpu {duration(usage.user + usage.system)}, peak memory {size(usage.peak_memory)}"
    measured = usage.peak_memory > 0  # a container may be gone before anybody can look
    return (
        f"{outcome.reason or 'exit code 0'}, after {duration(usage.wall)} ({used if measured else 'not measured'})"
    )


def command_line(argv: Sequence[str]) -> str:
    """argv as a shell would take it."""
    return shlex.join(argv)


def choice_flags(choice: Choice) -> tuple[Flag, ...]:
    """What was chosen that the record either keeps in clear or cannot keep whole."""
    flags = []
    for name, bound in choice.parameters.items():
        if is_address(bound) and any(True for text in raw_texts(bound) for _ in passwords_in(text)):
            mend = "declare the parameter secret: true, or pass the password as one of environment.secrets"
            message = f"parameter {name} holds a password, which is masked: the run cannot be done again by itself"
            flags.append(Flag("password-masked", message, mend))
        if bound.parameter.absolute and posixpath.isabs(str(bound.value.raw)):
            message = f"parameter {name} is {bound.value.raw}, outside of the project: nothing hashes it"
            flags.append(Flag("input-undeclared", message, "put it into the project, and declare it under data"))
    flags += [Flag("spec-warning", f"{one.place}: {one.message}", one.hint) for one in choice.spec.warnings]
    for entry in choice.spec.data.values():
        if entry.url and _TOKEN.search(entry.url):
            mend = "give the data an address that needs none; ~/.netrc is asked for logins"
            message = f"the address of data {entry.name} holds a token, which is recorded"
            flags.append(Flag("password-recorded", message, mend))
    return (*secret_flags(choice), *flags, *seeding_flags(choice))


def seeding_flags(choice: Choice) -> tuple[Flag, ...]:
    """That the program cannot be seeded, where its command tells beforehand."""
    command = choice.entry_point.command
    option = None if command.shell else isolating_option(command.words)
    if not choice.entry_point.seeding or option is None:
        return ()
    message = f"nothing is seeded: {command.words[0]} {option} runs no start-up file and heeds no variable"
    return (Flag("not-seeded", message, f"leave {option} out of the command"),)


def is_seedable(choice: Choice) -> bool:
    """Whether the program is to be seeded and may be. One that may not be passes on what it was given, unread."""
    return bool(choice.entry_point.seeding) and not seeding_flags(choice)


def was_seeded(choice: Choice, folder: Path) -> tuple[Flag, ...]:
    """That no Python of the program was seeded, where nothing told so beforehand."""
    if not is_seedable(choice) or STARTED in seeded(folder):
        return ()
    message = "nothing is known to be seeded: the program started no Python that ran projrun's start-up file"
    return (Flag("not-seeded", message, "start Python without -I, -E and -S, and leave PYTHONPATH as it is set"),)


def source_flags(source: Source, products: Sequence[str] = (), *, shown: int = 5) -> tuple[Flag, ...]:
    """Why this source is had from nowhere else: no repository, no commit, not pushed, not committed.

    ``products`` are the paths that the entry point declares to write, relative to the project. At most ``shown``
    files that are not committed are named.
    """
    if not source.repository:
        return (
            Flag("no-repository", "the project is in no git repository", "git init && git add -A && git commit"),
        )
    flags = []
    if source.commit is None:
        flags.append(Flag("no-commit", "the repository has no commit yet", "git add -A && git commit"))
    elif not source.remote_branch:
        flags.append(Flag("unpushed", f"commit {source.commit[:10]} is on no remote branch", _push(source)))
    for submodule in source.submodules:
        if not submodule.pushed:
            message = f"commit {submodule.commit[:10]} of submodule {submodule.path} is on no remote branch"
            flags.append(Flag("unpushed", message, f"git -C {shlex.quote(submodule.path)} push"))
    if source.dirty:
        names = [change.path for change in source.changes]
        listed = ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
        flags.append(
            Flag("dirty", f"{counted(len(names), 'file')} not committed: {listed}", _commit(source, products))
        )
    return tuple(flags)


def _commit(source: Source, products: Sequence[str]) -> str:
    """What to type so that all is committed but what the program writes, which each run makes dirty again."""
    places = {product: posixpath.normpath(posixpath.join(source.subdirectory, product)) for product in products}
    untracked = [change.path for change in source.changes if change.kind in ("untracked", "added")]
    written = [place for place in places.values() if any(is_below(path, [place]) for path in untracked)]
    commit = "git add -A && git commit"
    if not written:
        return commit
    top = f"git -C {shlex.quote(str(source.worktree))} " if source.subdirectory else "git "
    ignore = " ".join(shlex.quote(f"/{place}") for place in written)
    file = shlex.quote(str(source.worktree / ".gitignore")) if source.subdirectory else ".gitignore"
    forget = f"{top}rm -rq --cached --ignore-unmatch {' '.join(map(shlex.quote, written))}"
    return f"printf '%s\\n' {ignore} >> {file} && {forget}; {commit}"


def _push(source: Source) -> str:
    """What to type so that the commit is on a remote. It works without an upstream and in a detached HEAD too."""
    commit = source.commit or "HEAD"
    if source.origin is not None:
        return f"git push {shlex.quote(source.remote or 'ADDRESS')} {commit}:refs/heads/kept-{commit[:10]}"
    if not source.remote:
        return f"git remote add origin ADDRESS && git push -u origin {source.branch or 'HEAD:refs/heads/main'}"
    name = remote_name(source)
    if source.branch is None:
        return f"git push {name} {commit}:refs/heads/kept-{commit[:10]}"
    return f"git push -u {name} {shlex.quote(source.branch)}"


def input_flags(inputs: Sequence[Fingerprint], declared: Collection[str]) -> tuple[Flag, ...]:
    """Inputs whose next version would go unnoticed; ``declared`` are the names of the spec's data."""
    flags = []
    for found in inputs:
        if found.name not in declared:
            mend = "declare it under data in ProjectSpec.yaml, with its sha256"
            flags.append(Flag("input-undeclared", f"input {found.path} is not declared", mend))
        elif found.pin is None:
            mend = f"projrun data pin {found.name}"
            flags.append(Flag("input-unpinned", f"input {found.name} ({found.path}) has no pin", mend))
        if found.unkept:
            message = f"input {found.name} ({found.path}) is not kept in the store: {found.unkept}"
            flags.append(Flag("input-not-kept", message, "declare what it needs as data of its own"))
    return tuple(flags)


def changed_input_flag(changed: ChangedInput) -> Flag:
    """That an input is not what it was when it was hashed, with both hashes."""
    before, now = changed.before, changed.sha256
    digests = f"its sha256 was {before.sha256}" + (f", now it is {now}" if now else "")
    message = f"input {before.name} ({before.path}) changed while it ran ({changed.detail}); {digests}"
    mend = "run it again, and leave the data alone; what the program writes belongs under outputs"
    return Flag("input-changed", message, mend)


def changed_meanwhile(source: Source, again: Begun[Look | None], expected: Sequence[str]) -> tuple[Flag, ...]:
    """Whether the tree is ``again`` what it was; paths that were ``expected`` to change do not count."""
    try:
        changed = inspect.changes(source, again.result(), expected)
    except ProjrunError as error:
        return (Flag("tree-unknown", f"whether the tree changed while it ran is not known: {error.what}"),)
    if not changed:
        return ()
    listed = ", ".join(changed[:5]) + (", ..." if len(changed) > 5 else "")
    mend = "declare what the program writes under outputs; leave the tree alone while it runs"
    return (Flag("tree-changed", f"the tree changed while it ran: {listed}", mend),)


def counted(count: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
