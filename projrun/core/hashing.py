"""SHA-256 of texts, files and plain values."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import hashlib

_BLOCK = 1 << 20


def new_sha256(data: bytes = b"") -> hashlib._Hash:
    """A digest to be updated, by the fastest code there is: for content."""
    import hashlib  # brings OpenSSL, which takes longer to load than a short text to digest

    return hashlib.sha256(data)


def sha256_bytes(data: bytes) -> str:
    """Digest of a text, which is short."""
    return str(_small()(data).hexdigest())


@cache
def _small() -> Callable[[bytes], Any]:
    for name in ("_sha2", "_sha256", "hashlib"):  # of 3.12, of those before, and of any other Python
        with contextlib.suppress(ImportError):
            function: Callable[[bytes], Any] = importlib.import_module(name).sha256
            return function
    raise AssertionError("Python has hashlib")


def sha256_value(value: Any) -> str:
    """Digest of a JSON value by its canonical form: sorted keys, no white space, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256_bytes(text.encode())


def sha256_file(path: Path) -> str:
    """Digest of a file's content, read in blocks. Raises OSError."""
    digest = new_sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
