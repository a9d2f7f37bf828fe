"""Environment files of conda, and MLflow's python_env.yaml, as packages of the Python index.

What conda writes: https://docs.conda.io/projects/conda/en/latest/user-guide/concepts/pkg-specs.html
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from projrun.core.regex import regex
from projrun.core.yaml_events import Node
from projrun.spec.conda_names import in_index
from projrun.spec.mlproject_notes import Notes, decoded, texts

_SPEC = regex(
    r"(?:[^\s:]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?:\[(?P<bracket>[^\]]*)\])?\s*(?P<version>[=<>!~\d*][^\[]*)?"
)
_BRACKET = regex(r"version\s*=\s*['\"]?([^'\",\]]+)")
_EXACT = regex(r"\d+\.\d+\.\d+")
_SERIES = regex(r"\d+\.\d+")
_BUILD_TOOLS = ("pip",)
_FLAGS = regex(r"\s--?[A-Za-z]")
_DEEPEST = 10

# What is asked for where a file asks for nothing: an environment of its own has this at least.
_NOTHING = ["pip"]
_ANY_PYTHON = ">=3.8"


class Conversion:
    """Reads one file, whose path from the project is ``relative``; ``notes`` are of that file."""

    def __init__(self, relative: str, notes: Notes) -> None:
        self._folder = posixpath.dirname(relative)
        self._notes = notes
        self._packages: list[str] = []
        self._variables: dict[str, str] = {}
        self._python = ""

    def read(self, root: Node, *, conda: bool) -> dict[str, Any]:
        """The environment as a specification has it."""
        if conda:
            self._conda(root)
        else:
            self._python_env(root)
        if not self._python:
            message = "no version of Python is asked for, and any that is here is taken"
            self._notes.warn(root, message, "python=3.11" if conda else 'python: "3.11"')
        environment: dict[str, Any] = {"python": self._python or _ANY_PYTHON}
        environment["packages"] = list(dict.fromkeys(self._packages)) or _NOTHING
        if self._variables:
            environment["variables"] = self._variables
        return environment

    def _python_env(self, root: Node) -> None:
        known = ("python", "build_dependencies", "dependencies")
        keys = self._notes.entries(root, (), "")
        for name, (key, _) in keys.items():
            if name not in known:
                self._notes.refuse(key, f"{name!r} is not a key of python_env", f"it is one of {', '.join(known)}")
        if "python" in keys and (node := keys["python"][1]).value is not None:
            if isinstance(node.value, str):
                self._python = self._version_of(node, node.value)
            else:
                self._notes.refuse(node, "the version of Python is a text", 'in quotes: python: "3.11"')
        for name in known[1:]:
            if name in keys and keys[name][1].value:
                self._lines(keys[name][1])

    def _conda(self, root: Node) -> None:
        known = ("name", "channels", "dependencies", "prefix", "variables", "platforms", "category")
        keys = self._notes.entries(root, known, "an environment of conda")
        if "variables" in keys and keys["variables"][1].kind == "mapping":
            self._variables |= {str(name): str(one) for name, one in keys["variables"][1].plain().items()}
        if "dependencies" not in keys or not keys["dependencies"][1].value:
            return
        node = keys["dependencies"][1]
        if node.kind != "sequence":
            self._notes.refuse(node, "'dependencies' is a list", "- python=3.11")
            return
        for item in node.value:
            if item.kind == "scalar" and isinstance(item.value, str):
                self._dependency(item, item.value.partition("#")[0].strip())
            elif item.kind == "mapping" and set(item.plain()) == {"pip"}:
                self._lines(item.value[-1][1])
            else:
                self._notes.refuse(item, "a dependency is a package, or `pip:` with a list", "- numpy=1.26")

    def _dependency(self, node: Node, text: str) -> None:
        found = _SPEC.fullmatch(text)
        if found is None:
            self._notes.refuse(node, f"{text!r} is no package of conda", "write NAME=VERSION")
            return
        name, version = found["name"].lower(), (found["version"] or "").strip()
        if found["bracket"] and (told := _BRACKET.search(found["bracket"])):
            version = told[1]
        if name == "python":
            self._python = self._version_of(node, version) if version else ""
            return
        called = in_index(name)
        if called is None:
            hint = "take it out if nothing needs it; else describe an image: docker_env, or ProjectSpec.yaml"
            self._notes.refuse(node, f"{name} is a package of conda, and not of the Python index", hint)
        elif not called:
            self._notes.warn(node, f"{name} is left out: packages of the Python index bring along what they need")
        elif called not in _BUILD_TOOLS:
            self._packages.append(called + self._pin(node, version))

    def _pin(self, node: Node, written: str) -> str:
        """What conda's words for a version are in those of PEP 440."""
        version = "".join(written.split())
        if not version or version in ("*", "=*", "=="):
            return ""
        parts = version.strip("=").split("=") if version.startswith("=") or version[0].isdigit() else []
        if len(parts) == 2:
            self._notes.warn(node, f"the build {parts[1]} is left out: the Python index has none")
        if "|" in version or len(parts) > 2:
            self._notes.refuse(
                node, f"{written!r} cannot be said of a package of the Python index", "write one version"
            )
            return ""
        if not parts:
            return version
        number = parts[0]
        if number.endswith("*"):
            return f"=={number.rstrip('*').rstrip('.')}.*"
        exact = version.startswith("==") or number.count(".") >= 2 or not re.fullmatch(r"[\d.]+", number)
        return f"=={number}" if exact or len(parts) == 2 else f"=={number}.*"

    def _version_of(self, node: Node, written: str) -> str:
        """Which Python will do; that of a full number, or where it is missing the nearest of its series."""
        version = "".join(written.split())
        number = version.lstrip("=").split("=")[0].rstrip("*").rstrip(".")
        if version[:1] not in "<>!~":
            if _EXACT.fullmatch(number):
                return f"{number} or nearest"
            if _SERIES.fullmatch(number):
                return number
            if number.isdigit():
                return f">={number},<{int(number) + 1}"
        elif re.fullmatch(r"<=\d+\.\d+(\.\d+)?", version):  # which MLflow takes for that very version
            return self._version_of(node, version[2:])
        elif re.fullmatch(r"((~=|[<>]=?|!=)\d+(\.\d+)*(\.\*)?)(,(~=|[<>]=?|[!=]=)\d+(\.\d+)*(\.\*)?)*", version):
            return version
        self._notes.refuse(node, f"{written!r} is no version of Python", "python=3.11")
        return ""

    def _lines(self, node: Node) -> None:
        if node.value is None:
            return
        if node.kind != "sequence":
            self._notes.refuse(node, "what pip installs is a list", "- numpy==1.26.4")
            return
        for item, text in texts(node):
            if item.kind != "scalar" or not isinstance(item.value, str):
                self._notes.refuse(item, "what pip installs is a text", "put it in quotes")
            else:
                self._packages += self._requirements(item, text, self._folder, 0)

    def _requirements(self, node: Node, text: str, folder: str, depth: int) -> Iterator[str]:
        """The requirements that a line for pip comes to; ``folder`` is where files that it names are."""
        line = re.sub(r"(^|\s)#.*", "", text).strip()
        option, _, value = (
            line.replace("=", " ", 1).partition(" ") if line.startswith("--") else line.partition(" ")
        )
        value = value.strip()
        if line.startswith("-") and option[:2] in ("-r", "-e", "-c") and not value:
            option, value = line[:2], line[2:].strip()
        if not line:
            return
        if option in ("-r", "--requirement"):
            yield from self._file(node, value, folder, depth)
        elif option in ("-e", "--editable") or line.startswith((".", "git+", "hg+")):
            yield from self._project(node, value if line.startswith("-") else line)
        elif line == "--pre":
            yield line
        elif line.startswith("-"):
            what = "limits nothing" if option in ("-c", "--constraint") else "is left out"
            self._notes.warn(
                node, f"{option} {what}: a project names no index, no folder and no other file of limits"
            )
        else:
            yield _FLAGS.split(line, maxsplit=1)[0].strip()

    def _file(self, node: Node, path: str, folder: str, depth: int) -> Iterator[str]:
        if depth > _DEEPEST:
            self._notes.refuse(node, "files of requirements include each other", "write them into one file")
            return
        for place in dict.fromkeys((posixpath.normpath(posixpath.join(folder, path)), posixpath.normpath(path))):
            data = self._notes.read(place)
            if data is not None:
                break
        else:
            self._notes.refuse(node, f"there is no file {path!r}", "write it, or take the line out")
            return
        try:
            rows = decoded(data).replace("\\\n", " ").splitlines()
        except UnicodeDecodeError:
            self._notes.refuse(node, f"{path!r} is neither UTF-8 nor UTF-16", "save it as UTF-8")
            return
        for row in rows:
            yield from self._requirements(node, row, posixpath.dirname(place), depth + 1)

    def _project(self, node: Node, target: str) -> Iterator[str]:
        """What is to be installed is the project itself, or lies in a repository."""
        address, _, fragment = target.partition("#")
        if "+" in address.partition(":")[0]:
            name = dict(part.partition("=")[::2] for part in fragment.split("&")).get("egg", "")
            yield f"{name.partition('[')[0]} @ {address}" if name else target
            return
        place = posixpath.normpath(posixpath.join(self._folder, target.partition("[")[0]))
        source = posixpath.join(place, "src") if (self._notes.root / place / "src").is_dir() else place
        self._variables["PYTHONPATH"] = source
        message = f"{target} is not installed: its modules are found in {source}, and what it needs itself is not"
        self._notes.warn(node, message, "name what it needs in the list too")
