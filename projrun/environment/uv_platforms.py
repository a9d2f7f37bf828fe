"""How uv is told which platforms a universal resolution is for.

``environments`` and ``required-environments`` (https://docs.astral.sh/uv/reference/settings/) limit it to them,
and to versions with a wheel for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projrun.core.errors import EnvironmentFailure
from projrun.environment.builder import ResolutionRequest
from projrun.environment.platforms import marker
from projrun.environment.text import parse_toml

_SETTINGS = "UV_CONFIG_FILE"


def restrict(request: ResolutionRequest, variables: Mapping[str, str]) -> dict[str, str]:
    """Says so in the request's folder, where uv must run; gives the variables it needs for that, of ``variables``.

    Only a pyproject.toml can say it, and uv reads none where UV_CONFIG_FILE names its settings: they are put there
    as well. One series of Python is meant, unless ``python`` says where a range begins.
    """
    named = variables.get(_SETTINGS)
    settings = _settings(Path(named)) if named else {}
    series = request.interpreter.version.split(".")[:2]
    until = "" if request.python else f" and python_full_version < '{series[0]}.{int(series[1]) + 1}'"
    where = [marker(name) for name in request.platforms]
    settings |= {"environments": [f"{one}{until}" for one in where], "required-environments": where}
    import tomli_w

    text = tomli_w.dumps({"tool": {"uv": settings}})
    (request.folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return {name: value for name, value in variables.items() if name != _SETTINGS}


def _settings(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(
            f"uv's settings in {path} cannot be read", why=str(error), hint=f"{_SETTINGS} names that file"
        ) from error
