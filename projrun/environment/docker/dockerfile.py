"""What a Dockerfile is made from: the images that it names, as far as a target needs them.

The format is that of https://docs.docker.com/reference/dockerfile/ .
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence

from projrun.core.errors import EnvironmentFailure
from projrun.core.nearest import nearest
from projrun.core.values import Struct, field
from projrun.environment.docker import arguments
from projrun.environment.docker.expansion import Fault, expand, words
from projrun.environment.docker.instructions import Instruction, Text, read

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_REFERENCE = re.compile(r"[A-Za-z0-9][\w.:/@+-]*", re.ASCII)
NOTHING = "scratch"  # the name of the image that has nothing in it


class Named(Struct, frozen=True):
    """An image that a line of a Dockerfile names. ``written`` is all around it, with ``{}`` in its place.

    ``platform`` is the one that the line asks for.
    """

    reference: str
    line: int
    written: str
    platform: str | None = None


class Build(Struct, frozen=True):
    """What is built of a Dockerfile: the stage ``target`` (None: the last) for ``platform`` on ``host``.

    Both are such as ``linux/amd64``. ``frontend``: the image that a ``# syntax=`` line names reads it.
    """

    target: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    host: str = ""
    frontend: bool = True


class _Stage(Struct):
    name: str
    line: int
    base: Named | int | None
    copied: list[tuple[str, int, str]] = field(default_factory=list)  # reference, line, written


def parse(text: str, name: str, build: Build) -> tuple[Named, ...]:
    """The images that a Dockerfile names, stage by stage. Raises EnvironmentFailure with ``name`` and line."""
    try:
        whole = read(text)
        stages = _stages(whole, build)
        for fault in arguments.unused(whole, build.arguments, name):
            raise fault
        images = _needed_images(stages, build, name)
        if build.frontend and whole.syntax:
            reference, line = whole.syntax
            images.insert(0, Named(_reference(reference, line), line, "# syntax={}"))
    except Fault as fault:
        raise EnvironmentFailure(
            f"{name}:{fault.line}: {fault.what}" if fault.line else f"{name}: {fault.what}",
            why=fault.why,
            hint=fault.hint or f"mend {name}",
        ) from None
    return tuple(images)


def faults(text: str, name: str, build: Build) -> Iterator[Fault]:
    """All that is wrong with a Dockerfile and what it is given; of what cannot be read, the first line alone."""
    try:
        whole = read(text)
        stages = _stages(whole, build)
        yield from arguments.unused(whole, build.arguments, name)
        _needed_images(stages, build, name)
    except Fault as fault:
        yield fault


def _needed_images(stages: Sequence[_Stage], build: Build, file: str) -> list[Named]:
    needed = _needed(stages, _target(stages, build.target, file))
    return [named for index in sorted(needed) for named in _images(stages, index)]


def _stages(whole: Text, build: Build) -> list[_Stage]:
    known = _platform_arguments(build)
    stages: list[_Stage] = []
    for instruction in whole.instructions:
        if instruction.keyword == "FROM":
            stages.append(_stage(instruction, stages, known, whole.escape))
        elif instruction.keyword == "ARG":
            if not stages:
                known.update(_declared(instruction, known, build.arguments, whole.escape))
        elif not stages:
            raise Fault(
                instruction.line, f"{instruction.keyword} comes before FROM", "Only ARG may.", "begin with FROM"
            )
        else:
            stages[-1].copied += _copied(instruction, whole.escape)
    if not stages:
        raise Fault(0, "there is no FROM in it", "An image is made from another, or from scratch.")
    return stages


def _platform_arguments(build: Build) -> dict[str, str | None]:
    """The arguments that tell for what, and on what, it is built."""
    found: dict[str, str | None] = {}
    for side, platform in (("TARGET", build.platform), ("BUILD", build.host)):
        system, machine, variant = [*platform.split("/"), "", ""][:3]
        found |= {f"{side}PLATFORM": platform, f"{side}OS": system, f"{side}ARCH": machine}
        found[f"{side}VARIANT"] = variant
    return found


def _declared(
    instruction: Instruction, known: Mapping[str, str | None], given: Mapping[str, str], escape: str
) -> dict[str, str | None]:
    """What the ARG says, or the build does; None when neither does."""
    found: dict[str, str | None] = {}
    for word in words(instruction.text, escape):
        name, equals, default = word.partition("=")
        if name in given:
            found[name] = given[name]
        elif equals:
            found[name] = expand(default, {**known, **found}, escape, instruction.line)
        else:
            found[name] = known.get(name)
    return found


def _stage(
    instruction: Instruction, before: Sequence[_Stage], known: Mapping[str, str | None], escape: str
) -> _Stage:
    flags, rest = _flags(instruction)
    platform = _platform(flags, known, escape, instruction.line)
    parts = rest.split()
    if len(parts) not in (1, 3) or (len(parts) == 3 and parts[1].lower() != "as"):
        raise Fault(instruction.line, f"FROM {rest}".rstrip() + " is not understood", "", "FROM IMAGE [AS NAME]")
    name = parts[2].lower() if len(parts) == 3 else ""
    if name and not _NAME.fullmatch(name):
        raise Fault(instruction.line, f"{parts[2]!r} is no name of a stage", "", "letters, digits, - _ and .")
    reference = expand(parts[0], known, escape, instruction.line)
    if not reference:
        why = f"{parts[0]} comes to nothing."
        raise Fault(
            instruction.line, "FROM names no image", why, "give the ARG a default, or environment.docker.args"
        )
    for index in range(len(before) - 1, -1, -1):
        if before[index].name and before[index].name == reference.lower():
            return _Stage(name, instruction.line, index)
    if reference == NOTHING:
        return _Stage(name, instruction.line, None)
    asked = f"--platform={platform} " if platform else ""
    written = f"FROM {asked}{{}}" + (f" AS {parts[2]}" if name else "")
    return _Stage(
        name, instruction.line, Named(_reference(reference, instruction.line), instruction.line, written, platform)
    )


def _platform(
    flags: Mapping[str, str | None], known: Mapping[str, str | None], escape: str, line: int
) -> str | None:
    odd = next((name for name in flags if name != "platform"), None)
    if odd is not None:
        raise Fault(line, f"FROM knows no --{odd}", "", "FROM --platform=linux/amd64 IMAGE is the only flag")
    return expand(flags.get("platform") or "", known, escape, line) or None


def _copied(instruction: Instruction, escape: str) -> Iterator[tuple[str, int, str]]:
    """What the instruction takes from an image or stage: how it is called, the line, and how it is written."""
    if instruction.keyword == "ONBUILD":
        keyword, _, text = instruction.text.partition(" ")
        yield from _copied(Instruction(keyword.upper(), text.strip(), instruction.line), escape)
    elif instruction.keyword in ("COPY", "ADD"):
        flags, _ = _flags(instruction)
        if source := flags.get("from"):
            yield source, instruction.line, f"{instruction.keyword} --from={{}}"
    elif instruction.keyword == "RUN":
        for value in _mounts(instruction):
            if source := value.get("from"):
                yield source, instruction.line, "RUN --mount=...,from={}"


def _mounts(instruction: Instruction) -> Iterator[Mapping[str, str]]:
    rest, found = instruction.text, []
    while rest.startswith("--"):
        word, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        found.append(word)
    for word in found:
        name, _, value = word.removeprefix("--").partition("=")
        if name == "mount":
            try:
                fields = next(csv.reader([value], strict=True), [])
            except csv.Error as error:
                raise Fault(instruction.line, f"{word} is not understood", f"{error}.") from error
            yield {key.lower(): held for key, _, held in (one.strip().partition("=") for one in fields)}


def _flags(instruction: Instruction) -> tuple[Mapping[str, str | None], str]:
    """The flags in front, and what comes after them."""
    found: dict[str, str | None] = {}
    rest = instruction.text
    while rest.startswith("--"):
        parts = rest.split(None, 1)
        name, equals, value = parts[0].removeprefix("--").partition("=")
        found[name] = value.strip("\"'") if equals else None
        rest = parts[1] if len(parts) > 1 else ""
        if not name:  # a lone -- ends them
            break
    return found, rest


def _target(stages: Sequence[_Stage], target: str | None, file: str) -> int:
    if target is None:
        return len(stages) - 1
    index = _index_of(stages, target)
    if index is None:
        names = [stage.name for stage in stages if stage.name]
        close = nearest(target.lower(), names)
        told = f"{file} has the stages {', '.join(names)}." if names else f"No stage of {file} has a name."
        hint = f"environment.docker.target: {close or (names[0] if names else 0)}"
        raise Fault(0, f"there is no stage {target!r} in it", told, hint)
    return index


def _index_of(stages: Sequence[_Stage], word: str) -> int | None:
    """The stage of this name, the last of several, or of this number."""
    named = [index for index, stage in enumerate(stages) if stage.name and stage.name == word.lower()]
    if named:
        return named[-1]
    return int(word) if word.isascii() and word.isdigit() and len(word) < 9 and int(word) < len(stages) else None


def _needed(stages: Sequence[_Stage], target: int) -> set[int]:
    """The stages that the target is made from, itself among them."""
    needed: set[int] = set()
    waiting = [target]
    while waiting:
        index = waiting.pop()
        if index in needed:
            continue
        needed.add(index)
        stage = stages[index]
        if isinstance(stage.base, int):
            waiting.append(stage.base)
        waiting += [
            found for word, line, _ in stage.copied if (found := _source(stages, index, word, line)) is not None
        ]
    return needed


def _source(stages: Sequence[_Stage], own: int, word: str, line: int) -> int | None:
    """The stage that something is taken from, None when it is an image."""
    if "$" in word:
        hint = "FROM IMAGE AS NAME with the variable there, and --from=NAME here"
        raise Fault(line, f"--from={word}: no variable can stand there", "Builders do not fill it in.", hint)
    index = _index_of(stages, word)
    if index == own:
        raise Fault(line, f"--from={word} is the stage itself", "", "name a stage before it, or an image")
    if index is None and word.isascii() and word.isdigit():
        raise Fault(line, f"there is no stage {word}", f"The stages are 0 to {len(stages) - 1}.")
    return index


def _images(stages: Sequence[_Stage], index: int) -> Iterator[Named]:
    stage = stages[index]
    if isinstance(stage.base, Named):
        yield stage.base
    for word, line, written in stage.copied:
        if _source(stages, index, word, line) is None and word != NOTHING:
            yield Named(_reference(word, line), line, written)


def _reference(text: str, line: int) -> str:
    if not _REFERENCE.fullmatch(text) or len(text) > 1000:
        raise Fault(line, f"{text!r} is no name of an image", "", "NAME, NAME:TAG or NAME@sha256:DIGEST")
    return text
