"""The builders by name."""

from __future__ import annotations

from projrun.core.errors import EnvironmentFailure
from projrun.core.nearest import did_you_mean
from projrun.environment.builder import Builder
from projrun.environment.pip import Pip
from projrun.environment.uv import Uv

BUILDERS: dict[str, Builder] = {"uv": Uv(), "pip": Pip()}


def builder_named(name: str) -> Builder:
    """The builder that ``environment.builder`` names. Raises EnvironmentFailure when there is none."""
    try:
        return BUILDERS[name]
    except KeyError:
        raise EnvironmentFailure(
            f"environment.builder: there is no builder {name!r}", hint=did_you_mean(name, BUILDERS)
        ) from None
