from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projrun.core.errors import DataError
from projrun.data.fingerprint import changed_inputs, fingerprint, inputs, look, outputs
from projrun.spec.model import DataEntry

PIN = "0" * 64


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(root: Path, path: str = "d") -> str | None:
    return fingerprint(path, path, root, None).sha256


def test_a_file_is_its_size_and_sha256(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x,y\n")
    found = fingerprint("a", "a.csv", tmp_path, PIN)
    assert (found.kind, found.size, found.files, found.sha256, found.pin) == ("file", 4, 1, sha(b"x,y\n"), PIN)


def test_the_tree_digest_is_the_one_that_is_documented(tmp_path: Path) -> None:
    (tmp_path / "d/sub/empty").mkdir(parents=True)
    (tmp_path / "d/sub/b").write_bytes(b"bb")
    (tmp_path / "d/run.sh").write_bytes(b"#!")
    (tmp_path / "d/run.sh").chmod(0o755)
    (tmp_path / "d/link").symlink_to("sub/b")
    (tmp_path / "d/sub-c").write_bytes(b"")
    os.mkfifo(tmp_path / "d/pipe")
    (tmp_path / "elsewhere").write_bytes(b"far")
    (tmp_path / "d/out").symlink_to("../elsewhere")
    records = (
        f"l {sha(b'sub/b')} link\0e {sha(b'../elsewhere')}+{sha(b'far')} out\0s - pipe\0x {sha(b'#!')} run.sh\0"
        f"d - sub\0f {sha(b'bb')} sub/b\0d - sub/empty\0f {sha(b'')} sub-c\0"
    )
    found = fingerprint("d", "d", tmp_path, None)
    assert found.sha256 == sha(records.encode())
    assert (found.kind, found.size, found.files) == ("directory", 4, 3)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda d: (d / "a").write_bytes(b"2"),
    "executable": lambda d: (d / "a").chmod(0o744),
    "renamed": lambda d: (d / "a").rename(d / "b"),
    "new empty directory": lambda d: (d / "e").mkdir(),
    "link instead of file": lambda d: relink(d / "a", "sub/x"),
    "link's target": lambda d: relink(d / "l", "sub"),
    "moved down": lambda d: (d / "a").rename(d / "sub/a"),
    "content of a file a link leads to": lambda d: (d.parent / "far").write_bytes(b"changed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_tree_digest_tells_any_change(tmp_path: Path, change: str) -> None:
    directory = tmp_path / "d"
    (directory / "sub").mkdir(parents=True)
    (directory / "a").write_bytes(b"1")
    (directory / "a").chmod(0o644)
    (directory / "sub/x").write_bytes(b"1")
    (directory / "l").symlink_to("a")
    (tmp_path / "far").write_bytes(b"far")
    (directory / "far").symlink_to("../far")
    before = digest(tmp_path)
    CHANGES[change](directory)
    assert digest(tmp_path) != before


def test_times_owner_and_other_mode_bits_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(b"1")
    before = digest(tmp_path)
    os.utime(tmp_path / "d/a", (1, 1))
    (tmp_path / "d/a").chmod(0o600)
    assert digest(tmp_path) == before


PLAIN = st.binary(min_size=1, max_size=20).filter(lambda name: b"/" not in name and b"\0" not in name)
NAMES = PLAIN.filter(lambda name: name not in (b".", b"..", b".git"))


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.binary(max_size=30), max_size=6))
def test_equal_trees_have_equal_digests_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, bytes]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for directory, names in (("one", list(files)), ("two", list(reversed(list(files))))):
        (root / directory).mkdir()
        for name in names:
            (root / directory / os.fsdecode(name)).write_bytes(files[name])
    assert digest(root, "one") == digest(root, "two")
    records = b"".join(f"f {sha(files[name])} ".encode() + name + b"\0" for name in sorted(files))
    assert digest(root, "one") == sha(records)


def test_the_insides_of_a_repository_do_not_count(tmp_path: Path) -> None:
    for place in ("plain", "repository"):
        (tmp_path / place / "below").mkdir(parents=True)
        (tmp_path / place / "below/a").write_text("a")
    (tmp_path / "repository/below/.git").write_text("gitdir: elsewhere")
    (tmp_path / "repository/.git/objects").mkdir(parents=True)
    (tmp_path / "repository/.git/HEAD").write_text("ref: refs/heads/main\n")
    plain, repository = (fingerprint("d", place, tmp_path, None) for place in ("plain", "repository"))
    assert (repository.sha256, repository.size, repository.files) == (plain.sha256, 1, 1)


def test_link_loops_and_dangling_links_in_a_directory_are_links(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "self").symlink_to("self")
    (directory / "up").symlink_to(".")
    (directory / "gone").symlink_to("nowhere")
    assert fingerprint("d", "d", tmp_path, None).files == 0


def test_a_link_is_followed_inside_the_project(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    assert fingerprint("l", "link", tmp_path, None).sha256 == sha(b"1")


@pytest.mark.parametrize("path", ["../outside", "out", "/etc/passwd", "d"])
def test_what_leads_out_of_the_project_is_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "project"
    (root / "d").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"1")
    (root / "out").symlink_to("../outside")
    (root / "d/out").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError) as caught:
        fingerprint("x", path, root, None)
    assert caught.value.hint


def test_a_link_of_a_directory_to_a_directory_beside_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "d/other").symlink_to("../other")
    with pytest.raises(DataError, match="cannot be fingerprinted"):
        fingerprint("d", "d", tmp_path, None)


def test_a_fifo_or_socket_is_refused_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name in ("fifo", "socket"):
            with pytest.raises(DataError) as caught:
                fingerprint(name, name, tmp_path, None)
            assert name in caught.value.why


def test_an_input_that_is_a_link_in_a_circle_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(DataError, match="cannot be read"):
        inputs([DataEntry("a", "a")], tmp_path)


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/secret").write_bytes(b"1")

    def refuse(path: bytes, flags: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)  # root may read everything

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataError) as caught:
        fingerprint("d", "d", tmp_path, None)
    monkeypatch.undo()
    assert f"{tmp_path}/d/secret: Permission denied" in caught.value.why


def test_a_name_that_the_file_system_refuses_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        inputs([DataEntry("long", "x" * 300)], tmp_path)
    assert "x" * 300 in caught.value.what


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "growing"
    victim.write_bytes(b"x" * 10)
    read = os.read

    def write_while_reading(descriptor: int, size: int) -> bytes:
        block = read(descriptor, size)
        if block == b"x" * 10:
            victim.write_bytes(b"longer than before")
        return block

    monkeypatch.setattr(os, "read", write_while_reading)
    with pytest.raises(DataError, match="changed while it was being read"):
        fingerprint("growing", "growing", tmp_path, None)


def test_a_directory_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(b"1")
    read = os.read

    def add_while_reading(descriptor: int, size: int) -> bytes:
        (tmp_path / "d/b").write_bytes(b"2")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", add_while_reading)
    with pytest.raises(DataError, match="changed while it was being read"):
        fingerprint("d", "d", tmp_path, None)


def test_every_missing_input_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/counts.csv").write_bytes(b"")
    entries = [DataEntry("counts", "data/count.csv"), DataEntry("more", "more.csv")]
    with pytest.raises(DataError) as caught:
        inputs(entries, tmp_path)
    assert "data/count.csv" in caught.value.what
    assert "more.csv" in caught.value.what
    assert "data/counts.csv" in caught.value.hint
    assert caught.value.exit_code == 114


def test_a_pin_that_does_not_hold_gives_both_hashes_and_the_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"new")
    os.utime(tmp_path / "a", (1_700_000_000, 1_700_000_000))
    with pytest.raises(DataError) as caught:
        inputs([DataEntry("a", "a", PIN)], tmp_path)
    why = caught.value.why
    assert PIN in why
    assert sha(b"new") in why
    assert "2023-11-14 22:13:20 UTC" in why
    assert "projrun data pin a" in caught.value.hint


def test_pins_that_hold_pass(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "d").mkdir()
    found = inputs([DataEntry("a", "a", sha(b"a")), DataEntry("d", "d", sha(b"")), DataEntry("n", "a")], tmp_path)
    assert [(print_.name, print_.kind, print_.pin) for print_ in found] == [
        ("a", "file", sha(b"a")),
        ("d", "directory", sha(b"")),
        ("n", "file", None),
    ]


def test_outputs_are_written_missing_stale_or_unreadable(tmp_path: Path) -> None:
    for name in ("touched", "stale", "staledir/x", "dir/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"same")
    paths = ["touched", "new", "stale", "staledir", "dir", "gone", "fifo"]
    before = look(paths, tmp_path)
    (tmp_path / "touched").unlink()
    (tmp_path / "touched").write_bytes(b"same")
    (tmp_path / "new").write_bytes(b"1")
    (tmp_path / "dir/y").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    found, flags = outputs(paths, tmp_path, before)
    assert [(print_.path, print_.kind, print_.stale) for print_ in found] == [
        ("touched", "file", False),
        ("new", "file", False),
        ("stale", "file", True),
        ("staledir", "directory", True),
        ("dir", "directory", False),
        ("gone", "missing", False),
        ("fifo", "unreadable", False),
    ]
    assert [flag.code for flag in flags] == ["output-stale", "output-stale", "output-missing", "output-unreadable"]


def test_an_output_that_the_program_turned_into_a_link_out_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    before = look(["out"], root)
    (root / "out").symlink_to("/etc/passwd")
    found, flags = outputs(["out"], root, before)
    assert (found[0].kind, found[0].sha256) == ("unreadable", None)
    assert flags[0].code == "output-unreadable"


def test_an_edit_of_the_same_size_and_time_is_no_stale_output(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"1")
    os.utime(path, ns=(1, 1))
    before = look(["out"], tmp_path)
    path.with_name("aside").write_bytes(b"2")
    os.utime(path.with_name("aside"), ns=(1, 1))
    path.with_name("aside").rename(path)
    assert not outputs(["out"], tmp_path, before)[0][0].stale


def test_the_digest_of_a_pattern_is_the_one_that_is_documented(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, content in (("b.csv", b"b"), ("a.csv", b"a"), ("c.txt", b"c")):
        (tmp_path / "d" / name).write_bytes(content)
    (tmp_path / "d/b.csv").chmod(0o755)
    (tmp_path / "d/link.csv").symlink_to("c.txt")
    (tmp_path / "d/e.csv").mkdir()
    records = f"f {sha(b'a')} d/a.csv\0x {sha(b'b')} d/b.csv\0f {sha(b'c')} d/link.csv\0"
    found = inputs([DataEntry("d", "d/*.csv", sha(records.encode()))], tmp_path)[0]
    assert (found.kind, found.size, found.files) == ("glob", 3, 3)
    assert found.members == ("d/a.csv", "d/b.csv", "d/link.csv")


def test_files_that_come_to_a_pattern_or_go_are_a_change(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_bytes(name.encode())
    found = inputs([DataEntry("d", "*.csv")], tmp_path)
    assert changed_inputs(found, tmp_path) == ()
    (tmp_path / "d.csv").write_bytes(b"d")
    (tmp_path / "a.csv").unlink()
    assert changed_inputs(found, tmp_path)[0].detail == "new: d.csv; gone: a.csv"
    (tmp_path / "d.csv").unlink()
    (tmp_path / "a.csv").write_bytes(b"A")
    changed = changed_inputs(found, tmp_path)[0]
    assert (changed.kind, changed.detail) == ("glob", "the same names")


def test_a_pattern_that_names_nothing_is_missing_and_one_that_leads_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        inputs([DataEntry("d", "*.csv")], tmp_path)
    (tmp_path / "out.csv").symlink_to("/etc/passwd")
    with pytest.raises(DataError) as caught:
        inputs([DataEntry("d", "*.csv")], tmp_path)
    assert "out.csv" in caught.value.why
    (tmp_path / "out.csv").unlink()
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError) as caught:
        inputs([DataEntry("d", "*.csv")], tmp_path)
    assert "FIFO" in caught.value.why
