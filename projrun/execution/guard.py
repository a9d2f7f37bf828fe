"""A small process beside the program that ends its group when the runner goes without doing so: ``kill -9``.

It is a shell: started in less than a millisecond, and there on every POSIX system. It waits for the end of a pipe
whose other end the runner alone holds, so the kernel tells it, whatever ended the runner. A parent-death signal
(``PR_SET_PDEATHSIG`` of prctl(2)) would reach the direct child alone, and is Linux's own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from projrun.core import process
from projrun.core.locks import Held

# The program gets TERM, and KILL 3 s later, as one in a container does.
#
# $1 is what the program has as its output. When the runner goes before it could tell the group, that is how the
# program is found: nobody else has it. "set -- ${stat##*) }" splits a line of proc_pid_stat(5) behind the name,
# which may hold anything: $1 is the state, $3 the group. A zombie that nobody collects does not count as alive.
#
# $2 is a directory to be removed after it, if any; a runner that only leaves the rest to us has more to do there.
_SCRIPT = r"""
scratch=$2
[ -z "$scratch" ] || trap 'rm -rf -- "$scratch"' EXIT
look() {
    read -r stat <"/proc/$1/stat" || return 1
    set -- ${stat##*) }
    state=$1 of=$3
}
find_group() {
    for one in /proc/[0-9]*; do
        if [ "$(readlink "$one/fd/1")" = "$1" ] && look "${one#/proc/}"; then
            group=$of
            return 0
        fi
    done
    return 1
}
lives() {
    [ -r /proc/self/stat ] || { kill -0 "-$group"; return; }
    for one in /proc/[0-9]*; do
        if look "${one#/proc/}" && [ "$of" = "$group" ]; then
            case $state in [ZX]) ;; *) return 0 ;; esac
        fi
    done
    return 1
}
read -r group
if [ -n "$group" ]; then
    read -r end && scratch= && trap - EXIT
else
    [ -n "$1" ] || exit 0
    find_group "$1" || { sleep 0.2; find_group "$1"; } || exit 0
fi
kill -TERM "-$group"
kill -CONT "-$group"
tries=0
while [ "$tries" -lt 30 ] && lives; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -KILL "-$group"
while lives; do
    sleep 0.2
done
"""


class Guard:
    """Watches over one program. ``kept`` are the locks that stay held until the program is gone, if the runner is;
    then the directory ``scratch`` is removed.

    ``output`` is our descriptor of what the program gets as its standard output. Where no process can be started
    there is no guard, and the program is not likely to start either.
    """

    def __init__(self, output: int, kept: Sequence[Held] = (), scratch: str = "") -> None:
        self._process: process.Popen[bytes] | None = None
        reading, self._telling = os.pipe()
        # Its standard error is nobody's: at the end whoever read it is gone.
        try:
            self._process = process.start(
                ["/bin/sh", "-c", _SCRIPT, "projrun-guard", _name(output), scratch],
                cwd="/",
                env={"PATH": os.defpath},
                stdin=reading,
                stdout=process.DEVNULL,
                stderr=process.DEVNULL,
                pass_fds=[number for one in kept for number in one.descriptors],
                start_new_session=True,
            )
        except OSError:
            return
        finally:
            os.close(reading)
        for one in kept:
            one.share(self._process.pid)

    def watch(self, group: int) -> None:
        """The program runs, and leads ``group``."""
        with contextlib.suppress(BrokenPipeError):  # it was killed
            os.write(self._telling, b"%d\n" % group)

    def dismiss(self) -> None:
        """The program has ended, or was never started."""
        if self._process is not None:
            self._process.kill()  # before it sees the end of the pipe
            self._process.wait()
        os.close(self._telling)

    def leave(self) -> None:
        """We give up on what is left of the group; the guard goes on until nothing is."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._telling, b"we live\n")
        os.close(self._telling)
        if self._process is not None:
            self._process.returncode = 0  # it outlives us: Popen need not warn


def _name(output: int) -> str:
    """What the link of a process's descriptor in /proc says of this one; empty where there is none."""
    try:
        return os.readlink(f"/proc/self/fd/{output}")  # noqa: PTH115 - it leads to no file
    except OSError:
        return ""
