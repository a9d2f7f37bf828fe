"""``python -m projrun`` and the ``projrun`` command."""

import gc
import os


def main() -> None:
    """The ``projrun`` command."""
    # Nearly all that a short run makes is modules, which live to its end: to look for garbage among them every
    # few hundred objects, and in all of them at the end, took a tenth of its time.
    gc.set_threshold(50_000)
    from projrun.cli.main import main as command

    try:
        command()
    except SystemExit as end:
        gc.freeze()
        if isinstance(end.code, int) and _nothing_waits():
            os._exit(end.code)  # Python would take every module apart
        raise


def _nothing_waits() -> bool:
    """Whether nobody asked to be called at the end of the process, or goes on until then."""
    import atexit
    import threading

    asked = getattr(atexit, "_ncallbacks", None)  # CPython's own
    return asked is not None and asked() == 0 and threading.active_count() == 1


if __name__ == "__main__":
    main()
