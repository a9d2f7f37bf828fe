"""What must not be kept of a run, where it would be kept all the same, and what looks as if it should not be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from projrun.choice import Choice
from projrun.core.errors import system_reason
from projrun.core.flags import Flag
from projrun.core.labels import Labels
from projrun.core.regex import regex
from projrun.core.userinfo import passwords_in
from projrun.core.values import Struct, replace
from projrun.data.model import Fingerprint
from projrun.environment import settings_files
from projrun.execution.model import Request
from projrun.spec import command, secret_values
from projrun.spec.model import COMMAND_LINE, BoundParameter

SHORT = 4  # characters below which a secret is likely to occur in text that is none
# Bytes from which on a file is searched for a secret: shorter ones occur by chance in files.
_SEARCHED = 8
_OF_INDEXES = regex(r"(?:UV|PIP)_\w+|(?:HTTPS?|ALL)_PROXY|(?:https?|all)_proxy")
_OF_INDEX = regex(r"UV_INDEX_\w+_PASSWORD")
_DECLARE = "declare it: environment.secrets for a variable, secret: true for a parameter"


class Secret(Struct, frozen=True):
    """A value that is never kept. ``name`` says whose it is: ``variable TOKEN``, ``parameter token``.

    ``declared``: somebody said that it is one. Of others, such as the password in the address of a database on
    one's own machine, no file is searched: many are words.
    """

    name: str
    value: str
    declared: bool = True


def secrets_of(choice: Choice, source: str = "") -> tuple[Secret, ...]:
    """Everything that a run must not keep, as the caller has it.

    The declared variables, those of the image's build, the secret parameters, and the passwords of addresses in
    ``source``, in parameters of type uri, in variables and files that say where packages come from, and in those
    variables that the program inherits.
    """
    found = list(declared(choice))
    texts = [("the source", source)]
    passed = choice.environment.inherit
    texts += [(name, text) for name, text in os.environ.items() if name in passed or _OF_INDEXES.fullmatch(name)]
    found += (Secret(f"variable {name}", text) for name, text in os.environ.items() if _OF_INDEX.fullmatch(name))
    texts += [(str(file), text) for file, text in settings_files.with_addresses()]
    addresses = [(f"parameter {name}", bound) for name, bound in choice.parameters.items() if is_address(bound)]
    texts += [(place, text) for place, bound in addresses for text in raw_texts(bound)]
    passed = (*passed, *(place for place, _ in addresses))
    for place, text in texts:
        if "://" in text and "@" in text:
            name = f"the password in {place}"
            passwords = (one for one in passwords_in(text) if len(one) >= SHORT or place.startswith("parameter"))
            found += (Secret(name, one, declared=place not in passed) for one in passwords)
    of_hosts = (one for one in settings_files.of_netrc() if len(one) >= SHORT)
    found += (Secret("a password in .netrc", one, declared=False) for one in of_hosts)
    return tuple(found)


def is_address(bound: BoundParameter) -> bool:
    """Whether a parameter is declared to hold addresses."""
    return "uri" in (bound.parameter.type, bound.parameter.items) and not bound.parameter.secret


def raw_texts(bound: BoundParameter) -> tuple[str, ...]:
    """The texts of a parameter, of a list one for each item."""
    return (bound.value.raw,) if isinstance(bound.value.raw, str) else bound.value.raw


def declared(choice: Choice) -> Iterator[Secret]:
    """Those that the specification names."""
    environment = choice.environment
    of_build = environment.docker.secrets if environment.docker else ()
    for name in dict.fromkeys((*environment.secrets, *of_build)):
        yield Secret(f"variable {name}", os.environ.get(name, ""))
    for name, bound in choice.parameters.items():
        if bound.parameter.secret:
            yield Secret(f"parameter {name}", str(bound.value.raw))


def variables_of(choice: Choice) -> Iterator[str]:
    """The caller's variables that are for the program alone."""
    environment = choice.environment
    yield from (*environment.secrets, *(environment.docker.secrets if environment.docker else ()))
    for name, bound in choice.parameters.items():
        if bound.parameter.secret:
            yield secret_values.variable_again(name, bound.origin)


def values(secrets: Iterable[Secret]) -> tuple[str, ...]:
    """What a redactor looks for."""
    return tuple(secret.value for secret in secrets)


def wanted(secrets: Iterable[Secret]) -> dict[bytes, str]:
    """The texts that are looked for in files, with the names of their secrets; short ones are left out."""
    from projrun.core.disguises import forms  # most runs have no secret

    return {
        text: secret.name
        for secret in secrets
        if secret.declared
        for form in forms(secret.value)
        if len(text := form.encode("utf-8", "surrogateescape")) >= _SEARCHED
    }


def held_in(path: Path, sought: Mapping[bytes, str]) -> str | None:
    """The name of a secret that a file, or one in a directory, holds; None when there is none.

    Raises OSError for one that cannot be read.
    """
    from projrun.core.searching import files_below, found_in

    if not sought:
        return None
    texts = tuple(sought)
    for file in files_below(path):
        if not file.is_file():
            continue
        found = found_in(file.resolve(), texts)
        if found is not None:
            return sought[found]
    return None


def without_secrets(
    outputs: Sequence[Fingerprint], root: Path, secrets: Sequence[Secret]
) -> tuple[frozenset[str], tuple[Flag, ...]]:
    """The paths of outputs that the store must not keep, each with a flag."""
    sought = wanted(secrets)
    paths, flags = [], []
    for found in outputs if sought else ():
        if found.kind not in ("file", "directory") or found.stale:
            continue
        try:
            name = held_in(root / found.path, sought)
        except OSError as error:
            name = f"something unknown: {system_reason(error, found.path)}"
        if name is not None:
            paths.append(found.path)
            message = f"output {found.path!r} is not kept in the store: it holds {name}"
            flags.append(Flag("output-not-kept", message, "have the program write no secret into it"))
    return frozenset(paths), tuple(flags)


def unkept(found: Fingerprint, root: Path, secrets: Sequence[Secret]) -> Fingerprint | None:
    """An input that is not to be kept for it holds a secret; None when it may be."""
    sought = wanted(secrets)
    places = found.members or (found.path,)
    name = next((name for path in places if (name := held_in(root / path, sought))), None) if sought else None
    return replace(found, unkept=f"it holds {name}") if name else None


def written_to(directory: Path, ours: frozenset[str], secrets: Sequence[Secret]) -> tuple[Flag, ...]:
    """Flags for files that the program itself wrote to the run's directory and that hold a secret."""
    sought = wanted(secrets)
    flags = []
    for path in sorted(directory.iterdir()) if sought else ():
        if path.name in ours or path.is_symlink():
            continue
        try:
            name = held_in(path, sought)
        except OSError:
            continue
        if name is not None:
            message = f"the program wrote {name} to {path.name} in the run's directory, where it stays"
            flags.append(Flag("secret-written", message, f"rm -r {path}"))
    return tuple(flags)


def secret_flags(choice: Choice) -> tuple[Flag, ...]:
    """What of the secrets others may see, or cannot be masked without harm."""
    flags = []
    for secret in declared(choice):
        if 0 < len(secret.value) < SHORT:
            message = f"{secret.name} is so short a secret that masking it also masks other text of the record"
            flags.append(Flag("secret-short", message, f"use one of {SHORT} characters or more"))
    shown = set(command.placeholders(choice.entry_point.command))
    for name, bound in choice.parameters.items():
        if not bound.parameter.secret:
            continue
        if shown & {name, "params"}:
            message = f"secret parameter {name} is on the program's command line, where other users see it"
            flags.append(Flag("secret-shown", message, "have the program read it from {params_file}"))
        if bound.origin == COMMAND_LINE:
            message = f"secret parameter {name} was typed: the shell's history and the list of processes have it"
            flags.append(Flag("secret-shown", message, f"-P {name}=@env:VARIABLE"))
    return tuple(flags)


def likely_flags(choice: Choice, labels: Labels, request: Request) -> tuple[Flag, ...]:
    """What is recorded in clear and looks like a secret that nobody declared."""
    texts, addresses = _texts_of(labels), set[str]()
    for name, bound in choice.parameters.items():
        if is_address(bound):
            addresses.update(raw_texts(bound))  # they are recorded without their passwords
        elif not bound.parameter.secret:
            texts += [(f"parameter {name}", text) for text in raw_texts(bound)]
    known = {text for _, text in texts} | addresses
    texts += [(f"variable {name}", text) for name, text in choice.environment.variables.items()]
    texts += [(f"variable {name}", request.variables.get(name, "")) for name in choice.environment.inherit]
    secret = {one.value for one in declared(choice)}
    words = [word for word in request.argv if not any(text and text in word for text in known | secret)]
    texts += [("the command", word) for word in words]
    return tuple(_likely(dict.fromkeys((place, text) for place, text in texts if text not in secret)))


def likely_labels(labels: Labels) -> tuple[Flag, ...]:
    """What of name, note and tags looks like a secret."""
    return tuple(_likely(_texts_of(labels)))


def _texts_of(labels: Labels) -> list[tuple[str, str]]:
    texts = [(f"tag {key}", text) for key, text in labels.tags.items()]
    return [*texts, ("the name", labels.name or ""), ("the note", labels.note or "")]


def _likely(texts: Iterable[tuple[str, str]]) -> Iterator[Flag]:
    from projrun.recipe.likeness import likeness

    for place, text in texts:
        if what := likeness(text):
            yield Flag("secret-like", f"{place} holds what looks like {what}, and it is recorded", _DECLARE)


def seen_flags(seen: Iterable[tuple[str, str, int]], run: str) -> tuple[Flag, ...]:
    """What the output of a run holds that looks like a secret."""
    return tuple(
        Flag(
            "secret-like",
            f"line {line} of {stream} looks like {what}, and the log has it",
            f"{_DECLARE}; to look: projrun logs {run} -s {stream} | sed -n {line}p",
        )
        for what, stream, line in seen
    )
