"""What a ref means: its grammar, and the refs of a repository as git ls-remote lists them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from projrun.core.errors import SourceError
from projrun.core.values import Struct
from projrun.source.remote import without_credentials

_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{4,63}")
_TOO_SHORT = re.compile(r"[0-9a-f]{1,3}")
_SHOWN = 8
# git-check-ref-format(1); what gitrevisions(7) adds is allowed only where it leads to an older commit.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/$|\.$|\.lock$|/\.")
_SUFFIX = re.compile(r"(?:~\d{0,6}|\^\d{0,2}|\^\{(?:commit)?\})+$")
# The order in which git looks a name up.
_PLACES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
_KINDS = {"refs/tags/": "tag", "refs/heads/": "branch", "refs/remotes/": "branch"}


class Wanted(Struct, frozen=True):
    """A ref as it was asked for: a ``base`` (a name, a hash or HEAD) and a ``suffix`` such as ``~2``."""

    ref: str | None
    base: str
    suffix: str

    @property
    def full_hash(self) -> bool:
        return bool(_FULL.fullmatch(self.base))

    @property
    def short_hash(self) -> bool:
        return bool(_SHORT.fullmatch(self.base.lower())) and not self.full_hash


class Found(Struct, frozen=True):
    """A ref of the repository: its full ``name``, its ``commit`` (tags peeled), ``kind`` and ``branch``."""

    name: str
    commit: str
    kind: str
    branch: str | None


class Listing(Struct, frozen=True):
    """Every ref by its full name, with its commit, and the branch that HEAD stands for (None: detached)."""

    refs: Mapping[str, str]
    head: str | None

    def find(self, base: str) -> Found | None:
        """The ref that a name means. Raises SourceError when it means several with different commits."""
        if base in ("HEAD", "@"):
            return self._head()
        names = [name for place in _PLACES if (name := place + base) in self.refs and name.startswith("refs/")]
        if len({self.refs[name] for name in names}) > 1:
            forms = [f"{name} ({self.refs[name][:12]})" for name in names]
            raise SourceError(
                f"{base} is ambiguous", why=f"it is {' and '.join(forms)}", hint=f"say which: -v {names[0]}"
            )
        return self._found(names[0]) if names else None

    def missing(self, wanted: Wanted, shown: str) -> SourceError:
        """The error for a ref that is not there, with the nearest ones that are."""
        if not self.refs:
            return SourceError(
                f"{shown} has no commits", why="the repository is empty", hint="push a branch to it"
            )
        names = list(dict.fromkeys(short_name(name) for name in self.refs if name.startswith(tuple(_KINDS))))
        if wanted.base in ("HEAD", "@"):
            why = f"its HEAD stands for {_printable(_branch(self.head) or 'a branch')}, which is not there"
            near = ["main"] if "main" in names else names[:1]
        elif wanted.full_hash or wanted.short_hash:
            why = "the repository does not have, or does not give out, such a commit"
            near = [] if wanted.full_hash else _near(wanted.base, names)
        elif _TOO_SHORT.fullmatch(wanted.base):
            why = "no branch or tag is called so, and of a hash at least 4 digits are needed"
            near = _near(wanted.base, names)
        else:
            why = "the repository has no branch or tag of that name"
            near = _near(wanted.base, names)
        return SourceError(
            f"{shown} has no {_printable(wanted.ref or 'HEAD')}",
            why=why + _listed(names),
            hint=" or ".join(f"-v {shlex.quote(name)}" for name in near) or "name another version: -v REF",
        )

    def _head(self) -> Found | None:
        commit = self.refs.get("HEAD")
        return Found("HEAD", commit, "default", _branch(self.head)) if commit else None

    def _found(self, name: str) -> Found:
        kind = next((kind for place, kind in _KINDS.items() if name.startswith(place)), "expression")
        return Found(name, self.refs[name], kind, short_name(name) if kind == "branch" else None)


def parse_ref(ref: str | None) -> Wanted:
    """Reads a ref. Raises SourceError when it is none, or could be taken for anything else."""
    text = "HEAD" if ref is None else ref
    suffix = found.group() if (found := _SUFFIX.search(text)) else ""
    base = text[: len(text) - len(suffix)]
    if not base or _FORBIDDEN.search(base):
        raise SourceError(
            f"{_printable(without_credentials(text))!r} is no ref",
            why="it is neither a branch, a tag, a hash, nor one of these with ~N or ^N",
            hint="for example: -v main, -v v1.2, -v 4f0c2a9, -v HEAD~2",
        )
    folded = base.lower()
    return Wanted(ref, folded if _FULL.fullmatch(folded) else base, suffix)


def parse_listing(output: str) -> Listing:
    """Reads the output of ``git ls-remote --symref``."""
    refs: dict[str, str] = {}
    head = None
    for line in output.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            head = value.removeprefix("ref: ") if name == "HEAD" else head
        elif name:
            # The commit of an annotated tag follows the tag itself.
            refs[name.removesuffix("^{}")] = value
    return Listing(refs, head)


def _near(base: str, names: Sequence[str]) -> list[str]:
    """The names that are most like ``base``."""
    import difflib  # only ever needed for an error

    tail = base.rpartition("/")[2]  # origin/main, of one who thinks of a clone
    same = [name for name in names if name == tail or name.endswith(f"/{base}")]
    return same or difflib.get_close_matches(base, names, n=3, cutoff=0.5)


def _listed(names: Sequence[str]) -> str:
    """The first few of all names, as the end of a sentence."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; it has {_printable(', '.join(names[:_SHOWN]))}{more}" if names else ""


def _branch(head: str | None) -> str | None:
    return head.removeprefix("refs/heads/") if head else None


def short_name(name: str) -> str:
    """``refs/heads/main`` as people write it."""
    return re.sub(r"^refs/(?:heads|tags|remotes)/", "", name)


def ambiguous_hash(base: str, commits: Iterable[str]) -> SourceError:
    found = sorted(commits)
    return SourceError(
        f"{base} is ambiguous",
        why=f"these commits begin with it: {', '.join(commit[:16] for commit in found[:5])}",
        hint=f"say which: -v {found[0]}",
    )


def lead_to_it(count: str) -> str:
    """Says how long a history is."""
    return "one commit is all of its history" if count == "1" else f"{count} commits are all of its history"


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
