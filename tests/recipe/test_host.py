from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from projrun.core.values import replace
from projrun.recipe.host import boot_id, host
from tests.recipe import parts
from tests.schemas import problems

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's files")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine_is_told() -> None:
    found = host()
    assert found["hostname"] == os.uname().nodename
    assert found["machine"] == os.uname().machine
    assert found["cores"] == os.cpu_count()
    assert found["memory"] > 1 << 20


@linux
def test_the_files_of_a_machine_with_gpus_are_read(tmp_path: Path) -> None:
    write(tmp_path / "etc/os-release", 'PRETTY_NAME="X"\nNAME="Some Linux"\nVERSION_ID="12"\n')
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast CPU @ 3.00GHz\n")
    write(tmp_path / "proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n")
    write(
        tmp_path / "proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 2023\nGCC version: 12\n",
    )
    write(tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t Big GPU\nIRQ:   1\n")
    write(tmp_path / "sys/module/amdgpu/version", "6.3.6\n")
    write(tmp_path / "sys/class/drm/card0/device/vendor", "0x1002\n")
    write(tmp_path / "sys/class/drm/card0/device/device", "0x73bf\n")
    write(tmp_path / "sys/class/drm/card1/device/vendor", "0x8086\n")
    write(tmp_path / "sys/class/drm/card0-DP-1/device/vendor", "0x1002\n")
    found = host(tmp_path)
    assert found["os"] == {"name": "Some Linux", "version": "12"}
    assert found["cpu"] == "Fast CPU @ 3.00GHz"
    assert found["memory"] == 16384 * 1024
    assert found["gpus"] == [
        {"vendor": "NVIDIA", "model": "Big GPU", "driver": "535.129.03"},
        {"vendor": "AMD", "model": "0x73bf", "driver": "6.3.6"},
    ]


@linux
def test_a_machine_that_tells_nothing_is_valid_too(tmp_path: Path) -> None:

    from projrun.recipe.document import recipe_document

    found = host(tmp_path)
    assert (found["cpu"], found["memory"], found["gpus"]) == (None, None, [])
    assert problems(recipe_document(replace(parts.recipe_parts(), host=found))) == []


@linux
def test_the_boot_is_told() -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@linux
def test_looking_at_the_machine_imports_nothing_slow_and_starts_nothing() -> None:
    program = (
        "import sys; import projrun.recipe.host as h; h.host();"
        "print(sorted(set(sys.modules) & {'subprocess', 'platform', 'sqlite3', 'asyncio', 'ctypes'}))"
    )
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
