"""The platforms a lock can be for, by name, and what PEP 508 markers say of each."""

from __future__ import annotations

from collections.abc import Mapping

from projrun.core.errors import UsageError
from projrun.core.nearest import did_you_mean

# sys_platform and platform_machine, as an interpreter of that platform tells them.
PLATFORMS: Mapping[str, tuple[str, str]] = {
    "linux-x86_64": ("linux", "x86_64"),
    "linux-aarch64": ("linux", "aarch64"),
    "macos-arm64": ("darwin", "arm64"),
    "macos-x86_64": ("darwin", "x86_64"),
    "windows-x86_64": ("win32", "AMD64"),
    "windows-arm64": ("win32", "ARM64"),
}
_OS_NAMES = {"win32": "nt"}
_SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}


def known(name: str) -> str:
    """``name`` when it is that of a platform. Raises UsageError with the nearest one, and all of them."""
    if name not in PLATFORMS:
        raise UsageError(
            f"there is no platform {name!r}",
            why=f"They are {', '.join(PLATFORMS)}.",
            hint=did_you_mean(name, PLATFORMS) or f"--platform {next(iter(PLATFORMS))}",
        )
    return name


def marker(name: str) -> str:
    """The PEP 508 marker that is true on that platform alone."""
    system, machine = PLATFORMS[name]
    return f"sys_platform == '{system}' and platform_machine == '{machine}'"


def markers(name: str, own: Mapping[str, str]) -> Mapping[str, str]:
    """The PEP 508 environment of an interpreter like the one of ``own``, on that platform."""
    system, machine = PLATFORMS[name]
    return {
        **own,
        "sys_platform": system,
        "platform_machine": machine,
        "os_name": _OS_NAMES.get(system, "posix"),
        "platform_system": _SYSTEMS[system],
    }


def name_of(own: Mapping[str, str]) -> str:
    """What the platform of an interpreter is called; of one without a name, what its markers say."""
    place = (own["sys_platform"], own["platform_machine"])
    return next((name for name, known in PLATFORMS.items() if known == place), "-".join(place))
