"""Runs of a project whose data are one large file and very many small ones, end to end, as real as they get.

    python -m tests.benchmarks.large_data [GIGABYTES [FILES]]          (5 and 200000)

Needs that much room and some minutes. Prints for each command how long it took, the processor time of all of its
processes, the peak memory of the runner, and how many bytes this asked the system for, which for unchanged data is
what Python takes to start, and the digests that are remembered. Ends with 1 when a command does not end well.

With two busy cores and a slow disk, where times say little and the other numbers do (2026-11-28):

    run                          12.8 s of processors   123 MB   5051 MB read
    run, again                    3.6 s                 115 MB     55 MB
    data status                   3.1 s                 121 MB     53 MB
    reproduce last --check        2.6 s                 123 MB     56 MB
    reproduce last               68.0 s                 145 MB  10192 MB   once to copy it, once to hash the copy
    the same --check, one file changed: exit code 114, 4.9 s of processors
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.repositories import Repository

_BLOCK = 64 << 20
_PER_FOLDER = 500
_SPEC = """\
version: 1
name: large
environment: {{python: "{python}", lock: requirements.lock}}
data:
  file: {{path: data/large.bin}}
  files: {{path: data/many}}
entry_points:
  main:
    command: [python, -c, "import pathlib; pathlib.Path('out.txt').write_text('done')"]
    outputs: [out.txt]
"""
# projrun in this process, and what the process read and took.
_COMMAND = """
import sys
from pathlib import Path
from projrun.__main__ import main
try:
    main()
finally:
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    Path(sys.argv[0]).write_text(io["rchar"] + " " + status["VmHWM"].split()[0])
"""


def make(root: Path, gigabytes: float, files: int) -> None:
    """A project in a repository of its own, with data that git does not have."""
    repository = Repository.create(root)
    version = ".".join(map(str, sys.version_info[:3]))
    repository.write("ProjectSpec.yaml", _SPEC.format(python=version))
    repository.write("requirements.lock", "")
    repository.write(".gitignore", "/data\n/out.txt\n")
    repository.commit()
    (root / "data").mkdir()
    with (root / "data/large.bin").open("wb") as file:
        left = int(gigabytes * 1e9)
        while left:
            left -= file.write(os.urandom(min(left, _BLOCK)))
    for number in range(files):
        folder, name = divmod(number, _PER_FOLDER)
        place = root / "data/many" / f"{folder:04}"
        if not name:
            place.mkdir(parents=True)
        (place / f"{name:03}.txt").write_bytes(b"%d\n" % number)


def measure(home: Path, root: Path, *words: str, code: int = 0) -> bool:
    """Types a command and prints what it took; whether it ended with the code that it should."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROJRUN_", "GIT_"))}
    own = {name: str(home / name) for name in ("HOME", "PROJRUN_STORE", "PROJRUN_CACHE", "UV_CACHE_DIR")}
    told = home / "told"
    script = _COMMAND.replace("sys.argv[0]", repr(str(told)))
    before, begin = os.times(), time.perf_counter()
    argv = [sys.executable, "-c", script, *words]
    done = subprocess.run(argv, cwd=root, env={**kept, **own}, capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - begin, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])
    read, memory = map(int, told.read_text().split())
    print(
        f"{'projrun ' + ' '.join(words):<34}{took:8.1f} s {processor:8.1f} s of processors"
        f" {memory / 1e3:6.0f} MB {read / 1e6:10.0f} MB read",
        flush=True,
    )
    if done.returncode != code:
        print(f"ended with {done.returncode}:\n{done.stderr}", flush=True)
    return done.returncode == code


def main(gigabytes: float, files: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home, root = Path(folder) / "home", Path(folder) / "project"
        home.mkdir()
        begin = time.perf_counter()
        make(root, gigabytes, files)
        print(f"{gigabytes:g} GB in a file and {files} files written in {time.perf_counter() - begin:.1f} s")
        time.sleep(3)  # what was written within the last tick of a clock is read again, and should be
        good = [
            measure(home, root, "run"),
            measure(home, root, "run"),
            measure(home, root, "data", "status"),
            measure(home, root, "reproduce", "last", "--check"),
            measure(home, root, "reproduce", "last"),
        ]
        (root / "data/many/0000/000.txt").write_text("another")
        good.append(measure(home, root, "reproduce", "last", "--check", code=114))
        return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 5, int(sys.argv[2]) if sys.argv[2:] else 200_000))
