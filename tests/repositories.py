"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from projrun.core.values import Struct

CONFIG = """\
[user]
\tname = Tester
\temail = tester@example.invalid
[protocol "file"]
\tallow = always
"""


class Repository(Struct, frozen=True):
    """A work tree with git's own commands a call away."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Repository:
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path)
        repository.git("init", "-q", "-b", "main")
        with (path / ".git" / "config").open("a") as config:  # as three calls of git config would, in no time
            config.write(CONFIG)
        return repository

    def git(self, *words: str, stdin: bytes = b"") -> str:
        """Runs git here and returns what it printed, without the last newline."""
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=self.path,
            input=stdin,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"git {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return os.fsdecode(done.stdout).removesuffix("\n")

    def write(self, name: str, content: str | bytes) -> Path:
        """Writes a file of the work tree, parents too."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def commit(self, message: str = "a commit") -> str:
        """Commits everything and returns the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push_to(self, bare: Path) -> None:
        """Makes a bare repository the remote ``origin`` and pushes the current branch there."""
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True, capture_output=True)
        self.git("remote", "add", "origin", f"file://{bare}")
        self.git("push", "-q", "-u", "origin", "HEAD")
