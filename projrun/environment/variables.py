"""The variables a run sees: an allow-list of the caller's, and what the spec adds."""

from __future__ import annotations

import os
from collections.abc import Mapping

from projrun.core.errors import EnvironmentFailure
from projrun.core.values import Struct, replace
from projrun.environment.model import HOME, BuiltImage, Environment
from projrun.spec.model import EnvironmentSpec

# Who and where the user is, and how to talk to them. Nothing that changes what a program computes, but for
# the language and the time zone, which are recorded with the rest.
_ALLOWED = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ"),
        *("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TMPDIR", "TMP", "TEMP"),
        "__CF_USER_TEXT_ENCODING",  # macOS: without it every program asks the directory service
    }
)
_ALLOWED_PREFIX = "LC_"
# What is true of the caller in a container too: language, time zone and folders are the image's.
_ALLOWED_IN_CONTAINER = frozenset({"USER", "LOGNAME", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR"})


class ChildVariables(Struct, frozen=True):
    """``set`` are all variables but the ``secrets``, of which only the names are here."""

    set: Mapping[str, str]
    secrets: tuple[str, ...]


def child_variables(environment: Environment, spec: EnvironmentSpec, extra: Mapping[str, str]) -> ChildVariables:
    """The variables of a run in ``environment``; ``extra`` are projrun's own and come last.

    PATH finds the environment's programs first, whatever the spec sets it to; in a container it is the image's
    unless the spec sets it. Raises EnvironmentFailure for a secret that is not there, and for inheriting what
    describes another Python.
    """
    caller = os.environ
    inherited = {name: caller[name] for name in spec.inherit if name in caller}
    for name in spec.inherit:
        if name.startswith("PYTHON"):
            raise EnvironmentFailure(
                f"environment.inherit: {name} cannot be inherited",
                why="It would let the caller's Python steer the project's.",
                hint=f"set it: environment: {{variables: {{{name}: ...}}}}",
            )
    values = {
        **_callers(environment, caller),
        "PYTHONUNBUFFERED": "1",  # what the program prints is seen, and kept, when it prints it
        **environment.settings,
        **inherited,
        **spec.variables,
        "PYTHONNOUSERSITE": "1",  # what lies in the user's home is in no lock
        **extra,
    }
    if environment.image is None:
        values["PATH"] = _path(environment, values["PATH"])
    secrets = tuple(dict.fromkeys(spec.secrets))
    require_secrets(spec)
    return ChildVariables({name: value for name, value in values.items() if name not in secrets}, secrets)


def looked_into_first(child: ChildVariables, folder: str, image: BuiltImage | None) -> ChildVariables:
    """The variables with a folder that goes before all that Python would find otherwise."""
    known = child.set.get("PYTHONPATH") or (image.image.variables.get("PYTHONPATH") if image else None)
    places = os.pathsep.join((folder, known)) if known else folder
    return replace(child, set={**child.set, "PYTHONPATH": places})


def _callers(environment: Environment, caller: Mapping[str, str]) -> dict[str, str]:
    """What passes from the caller to every program."""
    if environment.image is not None:
        passed = {name: value for name, value in caller.items() if name in _ALLOWED_IN_CONTAINER}
        return {**passed, "HOME": HOME}
    allowed = {
        name: value for name, value in caller.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIX)
    }
    return {**allowed, "PATH": caller.get("PATH", os.defpath)}


def _path(environment: Environment, path: str) -> str:
    """The system's interpreter is found where it is; its folder must not come before the caller's others."""
    if environment.plan.kind == "system" and str(environment.bin) in path.split(os.pathsep):
        return path
    return os.pathsep.join((str(environment.bin), path))


def require_secrets(spec: EnvironmentSpec) -> None:
    """Raises EnvironmentFailure when a declared secret is not among the caller's variables."""
    missing = [name for name in spec.secrets if name not in os.environ]
    if missing:
        raise EnvironmentFailure(
            f"environment.secrets: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            why="The run needs the value, which projrun takes from your own variables and keeps nowhere.",
            hint=f"export {missing[0]}=...",
        )
