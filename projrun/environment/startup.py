"""What the Python of a seeded run executes first, as its ``sitecustomize`` (docs.python.org/3/library/site.html).

This file is copied, with one more line that calls :func:`begin`, into a folder that PYTHONPATH names first. So it
is no part of projrun when it runs, and takes nothing but what every Python since 3.7 has loaded by then: a program
that imports none of the libraries waits for none of them.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # without typing, which takes longer to import than all of this to run
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# Which module holds the state, and what seeds it. torch's own function seeds its devices too.
_SEEDED = {"python": ("random", "seed"), "numpy": ("numpy.random", "seed"), "torch": ("torch", "manual_seed")}
_OURS = "sitecustomize"


def begin(seed: int, libraries: Sequence[str]) -> None:
    """Takes the folder out of sight, has each library seeded when it is imported, runs the real sitecustomize."""
    folder = os.path.dirname(os.path.abspath(__file__))
    _hide(folder)
    _note(folder, "started")
    waiting = {_SEEDED[name][0]: (name, _SEEDED[name][1]) for name in libraries}
    finder = _Finder(folder, seed, waiting)
    for module in list(waiting):
        if module in sys.modules:  # a .pth file imported it
            finder.seed(sys.modules[module])
    if finder.waiting:
        sys.meta_path.insert(0, finder)
    _run_real()


def _hide(folder: str) -> None:
    """Neither this program nor one that it starts finds the folder."""
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != folder]
    sys.path_importer_cache.pop(folder, None)
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    left = [place for place in places if place and os.path.abspath(place) != folder]
    if left:
        os.environ["PYTHONPATH"] = os.pathsep.join(left)
    else:
        os.environ.pop("PYTHONPATH", None)


def _note(folder: str, what: str) -> None:
    """Leaves a mark for projrun, which tells when no Python was seeded."""
    try:
        os.close(os.open(os.path.join(folder, what), os.O_WRONLY | os.O_CREAT, 0o644))
    except OSError:
        pass


def _run_real() -> None:
    """The sitecustomize that is there without us. What it raises is for Python to tell, as ever."""
    for finder in sys.meta_path:
        spec = finder.find_spec(_OURS, None) if hasattr(finder, "find_spec") else None
        if spec is not None and spec.loader is not None:
            module = type(sys)(_OURS)
            module.__spec__, module.__loader__ = spec, spec.loader
            if spec.origin is not None:
                module.__file__ = spec.origin
            sys.modules[_OURS] = module
            spec.loader.exec_module(module)
            return


class _Finder:
    """Stands before the other finders until every library that is waited for is seeded."""

    def __init__(self, folder: str, seed: int, waiting: dict[str, tuple[str, str]]) -> None:
        self.waiting = waiting
        self._folder = folder
        self._seed = seed

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the others find; of a module that is waited for, with a loader that seeds it."""
        if name not in self.waiting:
            return None
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._wrap(spec)
                return spec
        return None

    def seed(self, module: ModuleType) -> None:
        """Seeds a module that is loaded, once."""
        found = self.waiting.pop(module.__name__, None)
        if not self.waiting and self in sys.meta_path:
            sys.meta_path.remove(self)
        if found is not None:
            library, function = found
            getattr(module, function)(self._seed)
            _note(self._folder, library)

    def _wrap(self, spec: ModuleSpec) -> None:
        """The loader stays the one it is, but for the one call that executes the module."""
        loader = spec.loader
        execute: Callable[[ModuleType], None] | None = getattr(loader, "exec_module", None)
        if loader is None or execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            execute(module)
            self.seed(module)

        try:
            vars(loader)["exec_module"] = exec_module
        except TypeError:  # a loader without attributes of its own: it is told that the library was not seeded
            pass
