"""Checkouts for tests: of repositories on this machine, with their submodules."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from projrun.core.report import Silent
from projrun.source.checkout import checkout
from projrun.source.model import Address, Submodule
from tests.repositories import Repository

HAS_LFS = subprocess.run(["git", "lfs", "version"], capture_output=True, check=False).returncode == 0
REQUIRED = "lfs" in os.environ.get("PROJRUN_TEST_REQUIRE", "").split(",")
needs_lfs = pytest.mark.skipif(not HAS_LFS and not REQUIRED, reason="git-lfs is not installed")


def at(path: Path) -> Address:
    return Address("path", str(path), str(path))


def git_directory(address: Address, commit: str) -> Path:
    """Finds a submodule where it is: the tests' repositories are all on this machine."""
    path = Path(address.url.removeprefix("file://"))
    held = path / ".git" if (path / ".git").exists() else path
    subprocess.run(["git", f"--git-dir={held}", "cat-file", "-e", commit], check=True)
    return held


def check_out(repository: Repository, commit: str, destination: Path) -> tuple[Submodule, ...]:
    return checkout(
        repository.path / ".git",
        commit,
        destination,
        fetch_submodule=git_directory,
        base=at(repository.path),
        report=Silent(),
    )


def git(directory: Path, *words: str) -> str:
    return Repository(directory).git(*words)


def with_submodule(tmp_path: Path, url: str = "../inner") -> tuple[Repository, str]:
    """``outer`` with ``inner`` at ``libs/inner``, which has ``innermost`` at ``deep``."""
    innermost = Repository.create(tmp_path / "innermost")
    innermost.write("bottom.txt", "bottom")
    innermost.commit()
    inner = Repository.create(tmp_path / "inner")
    inner.write("inner.txt", "inner")
    inner.git("submodule", "add", "-q", str(innermost.path), "deep")
    inner.git("config", "-f", ".gitmodules", "submodule.deep.url", "../innermost")
    inner.commit()
    outer = Repository.create(tmp_path / "outer")
    outer.git("submodule", "add", "-q", "--name", "a.b c", str(inner.path), "libs/inner")
    outer.git("config", "-f", ".gitmodules", "submodule.a.b c.url", url)
    return outer, outer.commit()


def pointer_to(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
