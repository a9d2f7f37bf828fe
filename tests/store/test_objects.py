from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from projrun.core.errors import StoreError
from projrun.store.objects import Objects

CHECKOUT = Path(__file__).parent.parent.parent


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


def test_content_is_kept_once_under_its_digest(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    sha256 = objects.put_bytes(b"content")
    assert sha256 == hashlib.sha256(b"content").hexdigest()
    inode = objects.path(sha256).stat().st_ino
    assert objects.put_file(tmp_path / "file") == sha256
    assert objects.put_bytes(b"content") == sha256
    assert objects.path(sha256).stat().st_ino == inode
    assert objects.path(sha256).read_bytes() == b"content"
    assert objects.path(sha256).parent.name == sha256[:2]
    assert [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()] == [sha256[2:]]


def test_a_file_is_copied_not_linked(objects: Objects, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (3 << 20))
    sha256 = objects.put_file(path)
    path.write_bytes(b"changed")
    assert objects.path(sha256).stat().st_size == 3 << 20
    assert objects.path(sha256).stat().st_mode & 0o777 == 0o400


def test_an_object_that_a_crash_cut_short_is_written_again(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    place = objects.path(objects.put_bytes(b"content"))
    place.chmod(0o600)
    place.write_bytes(b"con")
    objects.put_bytes(b"content")
    assert place.read_bytes() == b"content"
    place.chmod(0o600)
    place.write_bytes(b"con")
    objects.put_file(tmp_path / "file")
    assert place.read_bytes() == b"content"


def test_a_file_that_changes_meanwhile_is_not_kept(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr("projrun.store.objects.sha256_file", lambda _: "0" * 64)
    with pytest.raises(StoreError, match="changed while"):
        objects.put_file(path)
    assert not [found for found in (tmp_path / "objects").rglob("*") if found.is_file()]


def test_processes_that_keep_the_same_content_at_once_all_succeed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from projrun.store.objects import Objects; sys.stdin.read();\n"
        "for number in range(20): Objects(Path(sys.argv[1])).put_bytes(str(number).encode() * 1000)"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "objects")]
    processes = [subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert len([path for path in (tmp_path / "objects").rglob("*") if path.is_file()]) == 20


def test_a_place_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file")
    with pytest.raises(StoreError) as caught:
        Objects(tmp_path / "objects").put_bytes(b"x")
    assert "--store DIR" in caught.value.hint
