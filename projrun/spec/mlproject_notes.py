"""What is found on the way through an MLproject file and those that it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from projrun.core.errors import Problem
from projrun.core.files import read_regular
from projrun.core.hashing import sha256_bytes
from projrun.core.nearest import did_you_mean
from projrun.core.yaml_events import Node, NotYaml, nodes
from projrun.spec.fault import Mark
from projrun.spec.text import LARGEST

_SIXTEEN = (b"\xff\xfe", b"\xfe\xff")


class Unreadable(Exception):
    """A file that says nothing that can be used. It was told why."""


class Notes:
    """Collects what is wrong, what is odd, and the digests of the files that were read (None: not there).

    ``refusing`` are problems that make every run meaningless; ``broken`` those of a part that others can do
    without. ``file`` is how problems name the file that they are in.
    """

    def __init__(self, root: Path, file: str) -> None:
        self.root = root
        self.file = file
        self.refusing: list[Problem] = []
        self.broken: list[Problem] = []
        self.warnings: list[Problem] = []
        self.files: dict[str, str | None] = {}

    def inside(self, file: str) -> Notes:
        """The same notes, taken in another file. ``file`` is its path from the project."""
        other = Notes(self.root, str(Path(self.file).parent / file))
        other.refusing, other.broken, other.warnings = self.refusing, self.broken, self.warnings
        other.files = self.files
        return other

    def refuse(self, node: Node | Mark, message: str, hint: str = "") -> None:
        self.refusing.append(Problem(self.file, *_mark(node), message, hint))

    def warn(self, node: Node | Mark, message: str, hint: str = "") -> None:
        self.warnings.append(Problem(self.file, *_mark(node), message, hint))

    def breaks(self, node: Node | Mark, message: str, hint: str = "") -> str:
        """Notes that a part cannot be used, and says so in one line with the place."""
        problem = Problem(self.file, *_mark(node), message, hint)
        self.broken.append(problem)
        return f"{problem.place}: {message}"

    def entries(self, node: Node, known: Collection[str], what: str) -> Mapping[str, tuple[Node, Node]]:
        """The keys and values of a mapping by the text of the key, the last one of each.

        Tells of keys that are there twice; ``known`` are those of ``what``, none of them: any key will do.
        """
        found: dict[str, tuple[Node, Node]] = {}
        seen: set[object] = set()
        for key in node.written:
            if key.value in seen:
                self.warn(key, f"{key.value!r} is there twice: the last one counts")
            seen.add(key.value)
        for key, below in node.value:
            found[str(key.value)] = key, below
        for text, (key, _) in found.items():
            if known and text not in known:
                hint = did_you_mean(text, known)
                self.warn(key, f"{text!r} is not a key of {what}: nothing reads it", hint)
        return found

    def read(self, relative: str) -> bytes | None:
        """The bytes of a file by its path from the project; None when there is none."""
        try:
            data = read_regular(self.root / relative, LARGEST)
        except OSError:
            self.files[relative] = None
            return None
        self.files[relative] = sha256_bytes(data)
        return data

    def document(self, relative: str, data: bytes) -> Node:
        """What a YAML file says, in UTF-8 or 16, at least a mapping. Raises Unreadable, once it was told why."""
        notes = self.inside(relative)
        try:
            root = nodes(decoded(data))
        except UnicodeDecodeError as error:
            notes.refuse(
                (data[: error.start].count(b"\n") + 1, 1), "it is neither UTF-8 nor UTF-16", "save it as UTF-8"
            )
            raise Unreadable from None
        except NotYaml as error:
            notes.refuse((error.line, error.column), f"this is not YAML: {error}", "mend that line")
            raise Unreadable from None
        if root is None or root.kind != "mapping":
            notes.refuse((1, 1), "it does not map names to values", "write each as `name: value`")
            raise Unreadable
        return root


def decoded(data: bytes) -> str:
    """The text of a file in UTF-8 or, as its first bytes tell, in UTF-16. Raises UnicodeDecodeError."""
    return data.decode("utf-16" if data.startswith(_SIXTEEN) else "utf-8-sig")


def texts(node: Node) -> Iterator[tuple[Node, str]]:
    """The items of a list with their texts."""
    yield from ((item, str(item.plain())) for item in node.value)


def _mark(node: Node | Mark) -> Mark:
    return (node.line, node.column) if isinstance(node, Node) else node
