"""Where the value of a secret parameter comes from, so that it need not be typed into a command line.

``-P NAME=@env:VARIABLE`` takes it from a variable of the caller's; without any ``-P`` it is the variable that
:func:`variable_of` names.
"""

from __future__ import annotations

import os

from projrun.core.errors import EnvironmentFailure
from projrun.spec.model import BoundParameter, Parameter, Value

MASK = "***"

_FROM_VARIABLE = "@env:"
_ORIGIN = "variable: "


def variable_of(name: str) -> str:
    """The variable that a secret parameter is taken from when nothing is given: ``PROJRUN_SECRET_API_KEY``."""
    return f"PROJRUN_SECRET_{name.upper().replace('-', '_')}"


def named_in(text: str) -> str | None:
    """The variable that the text after ``-P NAME=`` refers to; None for one that is the value itself."""
    return text.removeprefix(_FROM_VARIABLE) if text.startswith(_FROM_VARIABLE) else None


def origin_of(variable: str) -> str:
    """The origin of a parameter that a variable gave."""
    return f"{_ORIGIN}{variable}"


def value_of(variable: str) -> str:
    """The value of the variable. Raises ValueError when it is not set."""
    if variable not in os.environ:
        raise ValueError(f"the variable {variable!r} is not set")
    return os.environ[variable]


def how_to_give(parameter: Parameter) -> str:
    """What to type to give a secret parameter."""
    return f"export {variable_of(parameter.name)}=..., or -P {parameter.name}=@env:VARIABLE"


def variable_again(name: str, origin: str) -> str:
    """The variable that has the value when the run is done again: the one it was taken from, or its usual one."""
    return origin.removeprefix(_ORIGIN) if origin.startswith(_ORIGIN) else variable_of(name)


def again(recorded: BoundParameter) -> BoundParameter:
    """A recorded secret parameter with its value, which the caller has to have. Raises EnvironmentFailure."""
    name = recorded.parameter.name
    variable = variable_again(name, recorded.origin)
    if variable not in os.environ:
        raise EnvironmentFailure(
            f"parameter {name} is a secret, and {variable} is not set",
            why="The run needs the value, which was recorded nowhere.",
            hint=f"export {variable}=...",
        )
    text = os.environ[variable]
    return BoundParameter(recorded.parameter, Value(text, text), origin_of(variable))
