"""Options and arguments that several verbs share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from projrun.cli.words import refuse_downloads_offline
from projrun.core.errors import UsageError
from projrun.store.failures import check_kept

if TYPE_CHECKING:
    from projrun.environment.model import Means

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?i?)B?", re.IGNORECASE)
_AGE = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LARGEST_SEED = 2**32 - 1
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


def single(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """An option that may be given once; the last one never wins in silence."""
    return click.option(*names, multiple=True, callback=_once, **settings)


def _once(ctx: click.Context, option: click.Parameter, values: tuple[Any, ...]) -> Any:
    if len(values) > 1:
        raise UsageError(f"{option.opts[0]} is given {len(values)} times", hint=f"keep one {option.opts[0]}")
    return values[0] if values else None


class KeptStore(click.ParamType[Path]):
    """A store to read: one that is typed and not there is a mistake, unlike a default that nobody used yet."""

    name = "DIR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        from projrun.core.paths import store_directory

        directory = store_directory(value)
        check_kept(directory)
        return directory


_STORE_HELP = "The run store (default: PROJRUN_STORE, or the user data folder)."
store_option: Callable[[Any], Any] = single("--store", type=KeptStore(), metavar="DIR", help=_STORE_HELP)
new_store_option: Callable[[Any], Any] = single(
    "--store", type=click.Path(path_type=Path), metavar="DIR", help=_STORE_HELP
)
json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="The same as data, on standard output."
)
where_option: Callable[[Any], Any] = single(
    "--where", metavar="QUERY", help="The runs that a query finds, as projrun runs takes it."
)
all_option: Callable[[Any], Any] = click.option(
    "--all",
    "everywhere",
    is_flag=True,
    help="With --where: runs of all projects, not only of the one around here.",
)
environment_option: Callable[[Any], Any] = single(
    "--environment", metavar="NAME", help="Which one, when the project has several."
)
builder_option: Callable[[Any], Any] = single(
    "--builder",
    type=click.Choice(["uv", "pip"]),
    help="What resolves, and builds the environment (default: as the spec says, uv).",
)
offline_option: Callable[[Any], Any] = click.option(
    "--offline", is_flag=True, help="Make no network call; what was downloaded before will do."
)
allow_download_option: Callable[[Any], Any] = click.option(
    "--allow-download", is_flag=True, help="Let uv download the Python that is asked for and not here."
)


def means(*, offline: bool, allow_download: bool = False) -> Means:
    """What these two options let an environment be had with. Raises UsageError when they are at odds."""
    from projrun.core.paths import cache_directory
    from projrun.options import means_with

    refuse_downloads_offline(offline=offline, allow_download=allow_download)
    return means_with(cache_directory(), offline=offline, allow_download=allow_download)


class Age(click.ParamType[float]):
    """A time in seconds, 0 or more: ``30d``, ``12h``, ``2w``."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _AGE.fullmatch(value.strip().lower())
        if not match:
            self.fail(f"{value!r} is not an age: write it as 30d, 12h or 2w", param, ctx)
        return float(int(match[1]) * _SECONDS[match[2]])


class Seed(click.ParamType[int]):
    """A whole number from 0 to 4294967295."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        # What int() reads of "1_0" or of other scripts' digits is nobody's seed.
        if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > _LARGEST_SEED:
            raise UsageError(
                f"--seed {value}: a seed is a whole number from 0 to {_LARGEST_SEED}", hint="--seed 7, for example"
            )
        return int(value)


class Size(click.ParamType[int]):
    """A number of bytes: ``500MB``, ``2GiB``, ``1000000``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value.strip())
        if not match:
            self.fail(f"{value!r} is not a size: write it as 500MB, 2GB or 1GiB", param, ctx)
        return int(float(match[1]) * _UNITS[match[2].lower()])
