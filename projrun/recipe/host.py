"""The machine a run happens on. On Linux all of it is read from files; no process is started without need."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path("/")
_TOOL_SECONDS = 5.0
_AMD_VENDOR = "0x1002"


def host(root: Path = _ROOT) -> dict[str, Any]:
    """Operating system, kernel, C library, machine, CPU, memory in bytes, GPUs with their drivers.

    What cannot be found out is None. ``root`` is where Linux's ``/etc``, ``/proc`` and ``/sys`` are.
    """
    uname = os.uname()
    facts = _mac() if sys.platform == "darwin" else _linux(root)
    return {
        "hostname": uname.nodename,
        "kernel": f"{uname.sysname} {uname.release}",
        "machine": uname.machine,
        "cores": os.cpu_count(),
        "available_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        **facts,
    }


@cache
def boot_id() -> str | None:
    """What tells one start of this machine from the next; None where the system does not say (macOS)."""
    return _read(Path("/proc/sys/kernel/random/boot_id")).strip() or None


@cache
def _linux(root: Path) -> Mapping[str, Any]:
    """What stays as it is while a process lives; a driver that is loaded meanwhile is seen by the next."""
    return {
        "os": _os_release(root),
        "libc": _libc(root),
        "cpu": _cpu_model(root),
        "memory": _memory(root),
        "gpus": [*_nvidia(root), *_amd(root)],
    }


@cache
def _mac() -> Mapping[str, Any]:
    names = ("kern.osproductversion", "machdep.cpu.brand_string", "hw.memsize")
    lines = _tool("/usr/sbin/sysctl", "-n", *names).splitlines()
    version, cpu, memory = lines if len(lines) == len(names) else ("", "", "")
    return {
        "os": {"name": "macOS", "version": version or None},
        "libc": None,
        "cpu": cpu or None,
        "memory": int(memory) if memory.isdigit() else None,
        "gpus": [],
    }


def _os_release(root: Path) -> dict[str, str | None]:
    """Name and version from os-release(5)."""
    text = _read(root / "etc/os-release") or _read(root / "usr/lib/os-release")
    values = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        values[key.strip()] = value.strip().strip("\"'")
    return {"name": values.get("NAME") or os.uname().sysname, "version": values.get("VERSION_ID") or None}


def _libc(root: Path) -> str | None:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        version = None
    if version:
        return version
    return "musl" if any((root / "lib").glob("ld-musl-*")) else None


def _cpu_model(root: Path) -> str | None:
    keys = ("model name", "Model", "Hardware", "cpu model", "cpu")
    found: dict[str, str] = {}
    for line in _read(root / "proc/cpuinfo", 4096).splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return next((found[key] for key in keys if found.get(key)), None)


def _memory(root: Path) -> int | None:
    for line in _read(root / "proc/meminfo", 4096).splitlines():
        key, _, value = line.partition(":")
        number = value.split()[0] if value.split() else ""
        if key == "MemTotal" and number.isdigit():
            return int(number) * 1024
    return None


def _nvidia(root: Path) -> Iterator[dict[str, str | None]]:
    """NVIDIA's GPUs from the kernel driver's files, or from nvidia-smi where there are none (WSL)."""
    driver = None
    words = _read(root / "proc/driver/nvidia/version").split()
    if "Module" in words:
        driver = next((word for word in words[words.index("Module") :] if word[:1].isdigit()), None)
    cards = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    for card in cards:
        lines = (line.partition(":") for line in _read(card).splitlines())
        model = next((value.strip() for key, _, value in lines if key.strip() == "Model"), None)
        yield {"vendor": "NVIDIA", "model": model, "driver": driver}
    if not cards and (root / "dev/dxg").exists():
        for line in _tool("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").splitlines():
            name, _, version = line.rpartition(",")
            yield {"vendor": "NVIDIA", "model": name.strip() or None, "driver": version.strip() or None}


def _amd(root: Path) -> Iterator[dict[str, str | None]]:
    """AMD's GPUs that run the amdgpu driver, from sysfs."""
    driver = _read(root / "sys/module/amdgpu/version").strip() or None
    for card in sorted((root / "sys/class/drm").glob("card[0-9]*")):
        if "-" not in card.name and _read(card / "device/vendor").strip() == _AMD_VENDOR:
            model = _read(card / "device/product_name").strip() or _read(card / "device/device").strip() or None
            yield {"vendor": "AMD", "model": model, "driver": driver}


def _read(path: Path, limit: int = 65536) -> str:
    """The beginning of a small file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""


def _tool(*argv: str) -> str:
    """What a system tool prints; empty when it is not there, fails or hangs."""
    from projrun.core import process  # only where no file tells

    try:
        done = process.run(argv, timeout=_TOOL_SECONDS)
    except (OSError, process.TimeoutExpired):
        return ""
    return done.text if done.ok else ""
