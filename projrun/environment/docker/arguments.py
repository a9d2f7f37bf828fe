"""The arguments that a build is given, and those that its Dockerfile takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from projrun.core.nearest import nearest
from projrun.environment.docker.expansion import Fault, words
from projrun.environment.docker.instructions import Instruction, Text

# Arguments that no ARG need declare: those of the proxies, and what BuildKit takes itself.
_PREDEFINED = re.compile(
    r"(?i:(https?|ftp|no|all)_proxy)|BUILDKIT_\w+|SOURCE_DATE_EPOCH|(TARGET|BUILD)(PLATFORM|OS|ARCH|VARIANT)"
)


def unused(whole: Text, given: Mapping[str, str], file: str) -> Iterator[Fault]:
    """A fault for each argument that reaches nothing."""
    declared = [name for one in whole.instructions for name in _names(one, whole.escape)]
    for name in given:
        if name not in declared and not _PREDEFINED.fullmatch(name):
            close = nearest(name, declared)
            hint = f"environment.docker.args: {{{close}: ...}}" if close else f"ARG {name} in {file}"
            yield Fault(0, f"no ARG in it takes the argument {name}", "Its value would reach nothing.", hint)


def _names(instruction: Instruction, escape: str) -> Iterable[str]:
    keyword, text = instruction.keyword, instruction.text
    if keyword == "ONBUILD":
        keyword, _, text = text.partition(" ")
    if keyword.upper() != "ARG":
        return ()
    return [word.partition("=")[0] for word in words(text, escape)]
