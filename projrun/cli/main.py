"""The ``projrun`` command, and the one place that prints errors and exits."""

from __future__ import annotations

import errno
import signal
import sys
from typing import NoReturn

import projrun
from projrun.cli.render import close_streams, open_streams, output_lost, reader_gone
from projrun.core.errors import ProjrunError
from projrun.stopping import Interrupted


def main() -> NoReturn:
    """Runs the command line and exits with its code; every error ends here."""
    open_streams()
    arguments = sys.argv[1:]
    try:
        code = _done(arguments)
    except ProjrunError as error:
        code = _told(error, arguments)
    except KeyboardInterrupt:
        code = _told(Interrupted(signal.SIGINT).told(), arguments)
    except Interrupted as stop:
        code = _told(stop.told(), arguments)
    except BrokenPipeError:
        reader_gone()
        code = 0
    except OSError as error:
        code = _told(_unwritable(error) or _defect(error), arguments)
    except Exception as error:
        code = _told(_defect(error), arguments)
    close_streams()
    sys.exit(code)


def _done(arguments: list[str]) -> int:
    """Does what the words say and gives the exit code."""
    from projrun.cli.plain import plain

    wish = plain(arguments)
    if wish is None:
        from projrun.cli.verbs import invoke

        return invoke(arguments)
    from projrun.cli.running import start

    code = start(wish)
    sys.stdout.flush()
    return code


def _told(error: ProjrunError, arguments: list[str]) -> int:
    from projrun.cli.failure import fail

    return fail(error, as_json="--json" in arguments)


def _unwritable(error: OSError) -> ProjrunError | None:
    """What an error of our own output means; None for any other, which names a file."""
    if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return None
    reader_gone()
    return output_lost(error)


def _defect(error: Exception) -> ProjrunError:
    import traceback

    text = "".join(traceback.format_exception(error))
    return ProjrunError(
        f"projrun failed: {type(error).__name__}: {error}",
        why=f"this is a defect of projrun {projrun.__version__}, not yours\n{text.rstrip()}",
        hint="please report it with the lines above",
    )
