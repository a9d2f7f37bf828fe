"""What git tells of two commits, wherever they lie, and of files."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projrun.core.errors import SourceError
from projrun.source.difference import FileChange, Held, are_alike, is_plain, of_commits, of_files
from tests.repositories import Repository

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=12).filter(
    lambda name: (
        name not in (".", "..") and len(name.encode()) < 200 and not name.casefold().startswith((".git", "git~"))
    )
)
FILES = st.dictionaries(NAMES, st.binary(max_size=40), max_size=6)


def held(repository: Repository) -> Held:
    return Held(repository.path / ".git", repository.git("rev-parse", "HEAD"))


def files(before: Held, after: Held) -> dict[str, FileChange]:
    with of_commits(before, after) as pair:
        return {file.path: file for file in pair.files()}


@pytest.mark.parametrize("name", ["plain", "with blank", '"quoted', "#hash", "back\\slash", "colon:é", "-dash"])
def test_commits_of_two_repositories_are_compared_wherever_these_lie(tmp_path: Path, name: str) -> None:
    first, second = Repository.create(tmp_path / name), Repository.create(tmp_path / f"{name}2")
    first.write("a.txt", "one\ntwo\n")
    second.write("a.txt", "one\nthree\n")
    second.write("new\n\x1b.bin", b"\0\1")
    first.commit()
    second.commit()
    assert files(held(first), held(second)) == {
        "a.txt": FileChange("a.txt", "modified", 1, 1),
        "new\n\x1b.bin": FileChange("new\n\x1b.bin", "added", None, None),
    }


def test_a_directory_that_no_list_of_lenders_can_name_is_refused(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "line\nbreak")
    repository.commit()
    with pytest.raises(SourceError, match="cannot lend"):
        files(held(repository), held(repository))


def test_renames_and_kinds_are_told(repository: Repository) -> None:
    repository.write("old.txt", "".join(f"line {number}\n" for number in range(20)))
    repository.write("link", "x")
    repository.write("gone.txt", "gone\n")
    repository.commit()
    before = held(repository)
    repository.git("mv", "old.txt", "new.txt")
    (repository.path / "link").unlink()
    (repository.path / "link").symlink_to("new.txt")
    (repository.path / "gone.txt").unlink()
    repository.commit()
    found = files(before, held(repository))
    assert found["new.txt"] == FileChange("new.txt", "renamed", 0, 0, "old.txt")
    assert (found["gone.txt"].status, found["link"].status) == ("deleted", "type-changed")
    with of_commits(before, held(repository)) as pair:
        assert b"old.txt => new.txt" in pair.stat(80)
        assert b"gone.txt (gone)" in pair.stat(80)
        assert b"rename from old.txt" in pair.patch()
        assert pair.stat(80, files=1).splitlines()[1:] == [
            b" ...",
            b" 3 files changed, 1 insertion(+), 2 deletions(-)",
        ]
        assert all(len(line) <= 40 for line in pair.stat(40).decode().splitlines()[:3])


def test_nobody_s_settings_attributes_and_programs_take_part(
    repository: Repository, hostile_environment: Path
) -> None:
    marker = repository.path / "ran"
    repository.write(".gitattributes", "*.txt diff=evil -diff\n* filter=evil\n")
    repository.write("a.txt", "one\n")
    repository.commit()
    before = held(repository)
    repository.write("a.txt", "two\n")
    repository.commit()
    for scope in ("--local", "--global"):
        for setting in (
            "diff.evil.textconv",
            "diff.evil.command",
            "diff.external",
            "filter.evil.smudge",
            "pager.diff",
        ):
            repository.git("config", scope, setting, f"touch {marker} #")
        repository.git("config", scope, "diff.noprefix", "true")
        repository.git("config", scope, "color.ui", "always")
    with of_commits(before, held(repository)) as pair:
        assert b"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n" in pair.patch()
    assert not marker.exists()


def test_repositories_that_name_objects_by_sha256_are_compared(tmp_path: Path) -> None:
    place = tmp_path / "by256"
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(place)], check=True)
    repository = Repository.create(place)
    repository.write("a", "1\n")
    repository.commit()
    before = held(repository)
    repository.write("a", "2\n")
    repository.commit()
    assert files(before, held(repository))["a"].status == "modified"
    other = Repository.create(tmp_path / "by1")
    other.commit()
    assert not are_alike(before, held(other))


def test_a_linked_work_tree_lends_what_all_of_them_have(repository: Repository, tmp_path: Path) -> None:
    repository.write("a", "1\n")
    repository.commit()
    before = held(repository)
    repository.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    linked = Repository(tmp_path / "linked")
    linked.write("a", "2\n")
    linked.commit()
    there = Held(repository.path / ".git" / "worktrees" / "linked", linked.git("rev-parse", "HEAD"))
    assert list(files(before, there)) == ["a"]


def test_a_commit_that_is_not_there_is_told(repository: Repository) -> None:
    repository.commit()
    with pytest.raises(SourceError, match="git cannot compare") as raised:
        files(held(repository), Held(repository.path / ".git", "1" * 40))
    assert "1111111111" in raised.value.what and "bad object" in raised.value.why


def test_files_are_on_disk_as_in_the_repository_unless_something_says_otherwise(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("a/b.txt", "x")
    repository.commit()
    assert is_plain(held(repository))
    repository.write("a/.gitattributes", "* text\n")
    repository.commit()
    assert not is_plain(held(repository))
    inner = Repository.create(tmp_path / "inner")
    inner.commit()
    outer = Repository.create(tmp_path / "outer")
    outer.git("submodule", "add", "-q", str(inner.path), "inner")
    outer.commit()
    assert not is_plain(held(outer))


def write(root: Path, contents: dict[str, bytes]) -> Path:
    root.mkdir()
    for name, data in contents.items():
        (root / name).write_bytes(data)
    return root


@given(FILES, FILES)
@settings(max_examples=25)
def test_files_differ_exactly_where_their_bytes_do(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as made:
        places = write(Path(made, "before"), before), write(Path(made, "after"), after)
        with of_files(*places) as pair:
            found = pair.files()
    touched = {name for file in found for name in (file.path, file.old_path) if name}
    assert touched == {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
