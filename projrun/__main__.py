"""``python -m projrun`` and the ``projrun`` command."""

import gc


def main() -> None:
    """The ``projrun`` command."""
    # Nearly all that a short run makes is modules, which live to its end: to look for garbage among them every
    # few hundred objects, and in all of them at the end, took a tenth of its time.
    gc.set_threshold(50_000)
    from projrun.cli.main import main as command

    try:
        command()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
