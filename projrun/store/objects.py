"""Kept content (locks, outputs, inputs) by its SHA-256, each once: ``objects/ab/cdef...``."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from projrun.core.copying import shares_blocks
from projrun.core.errors import StoreError
from projrun.core.files import make_private, open_plain, read_plain, shared_mode, write_atomic, written_aside
from projrun.core.hashing import new_sha256, sha256_bytes, sha256_file
from projrun.core.regex import regex
from projrun.store.failures import writing

_BLOCK = 1 << 20
_LARGEST = 1 << 30  # bytes of what is read as a whole: locks, lists of directories
_DIGEST = regex("[0-9a-f]{64}")


class Objects:
    """The objects of a store. Nothing is ever changed or written twice.

    What is put and there already is touched: to a collector of what no record names, it is as new as a record
    that is yet to be written (see collecting).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def root(self) -> Path:
        """The directory of all of them."""
        return self._path

    def path(self, sha256: str) -> Path:
        """Where the content of that digest is, or would be. Raises StoreError for a text that is no digest."""
        if not _DIGEST.fullmatch(sha256):
            raise damaged(f"{sha256!r} is no object", "an object's name is the SHA-256 of its content")
        return self._path / sha256[:2] / sha256[2:]

    def put_bytes(self, data: bytes) -> str:
        """Keeps ``data`` and returns its digest. Raises StoreError."""
        sha256 = sha256_bytes(data)
        place = self.path(sha256)
        with writing(self._path):
            if not self._has(place, len(data)):
                make_private(place.parent, parents=True)
                write_atomic(place, data, mode=0o400)
        return sha256

    def put_file(self, path: Path, sha256: str | None = None) -> str:
        """Keeps a copy of a file and returns its digest; what is known to be here by its digest is not read.

        Raises OSError when the file cannot be read and StoreError when the copy cannot be written, or when the
        file changes meanwhile.
        """
        sha256 = sha256 or sha256_file(path)
        place = self.path(sha256)
        if self._has(place, path.stat().st_size):
            return sha256
        with path.open("rb", buffering=0) as source, writing(self._path):
            make_private(place.parent, parents=True)
            with written_aside(place) as aside:
                if _copied(source, aside) != sha256:
                    raise StoreError(
                        f"{path} changed while it was being kept",
                        why="it is being written by somebody",
                        hint="wait until it is complete, then try again",
                    )
                aside.chmod(shared_mode(place.parent, 0o400))
        return sha256

    def touch(self, sha256: str) -> bool:
        """Has an object count as put just now; False when it is not there, or is another user's and has to be."""
        return _touched(self.path(sha256))

    def read(self, sha256: str) -> bytes:
        """The content of that digest. Raises StoreError when it is not there or not whole."""
        try:
            data = read_plain(self.path(sha256), _LARGEST)
        except OSError as error:
            raise damaged(f"object {sha256} cannot be read", error.strerror or str(error)) from error
        if sha256_bytes(data) != sha256:
            raise damaged(f"object {sha256} is damaged", "its content has another digest")
        return data

    def open(self, sha256: str) -> BinaryIO:
        """The content, open for reading, once all of it is known to be whole. Raises StoreError."""
        try:
            file = self.path(sha256).open("rb")
        except OSError as error:
            raise damaged(f"object {sha256} cannot be read", error.strerror or str(error)) from error
        digest = new_sha256()
        try:
            while block := file.read(_BLOCK):
                digest.update(block)
            if digest.hexdigest() != sha256:
                raise damaged(f"object {sha256} is damaged", "its content has another digest")
            file.seek(0)
        except BaseException as error:
            file.close()
            if isinstance(error, OSError):
                raise damaged(f"object {sha256} cannot be read", error.strerror or str(error)) from error
            raise
        return file

    def copy_to(self, sha256: str, place: Path, *, executable: bool = False) -> None:
        """Writes the content to ``place``, where nothing is. Raises OSError and StoreError."""
        digest = new_sha256()
        try:
            source = FileIO(open_plain(self.path(sha256)))
        except OSError as error:
            raise damaged(f"object {sha256} cannot be read", error.strerror or str(error)) from error
        with source, place.open("xb") as copy:
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
        if digest.hexdigest() != sha256:
            place.unlink()
            raise damaged(f"object {sha256} is damaged", "its content has another digest")
        if executable:
            mode = place.stat().st_mode
            place.chmod(mode | (mode & 0o444) >> 2)  # whoever may read it

    @staticmethod
    def _has(place: Path, size: int) -> bool:
        """Whether it is there and whole, and counts as put; one that a crash cut short is written again."""
        try:
            return place.stat().st_size == size and _touched(place)
        except FileNotFoundError:
            return False


def _touched(place: Path) -> bool:
    try:
        os.utime(place)
    except OSError:
        return False
    return True


def _copied(source: FileIO, place: Path) -> str:
    """Copies a file, by sharing its blocks where the file system can, and returns the digest of the copy."""
    digest = new_sha256()
    with place.open("x+b") as copy:
        shared = shares_blocks(source.fileno(), copy.fileno())
        while block := (copy if shared else source).read(_BLOCK):
            digest.update(block)
            if not shared:
                copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def damaged(what: str, why: str) -> StoreError:
    """What is kept is not as it was kept."""
    return StoreError(what, why=why, hint="look for a copy of the store; projrun cannot make it again")
