"""``python -m projrun`` and the ``projrun`` command."""

from projrun.cli.main import main

if __name__ == "__main__":
    main()
