"""What builders of other versions, and full disks, say of a build that fails: their words, as they are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from projrun.core.engine.build_failures import Failed, explained
from projrun.core.engine.model import ImageRequest
from projrun.core.errors import EngineFailure

REQUEST = ImageRequest(Path("context.tar"), "Dockerfile", "projrun:x", target="last")


@pytest.mark.parametrize(
    ("message", "step", "what", "of_engine"),
    [
        (
            'failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2',
            "[2/4] RUN make",
            "the image build fails at [2/4] RUN make: exit code 2",
            False,
        ),
        (
            'failed to solve: failed to calculate checksum of ref a::b: "/data.csv": not found',
            "[2/2] COPY --chmod=644 data.csv /",
            "the image build fails at [2/2] COPY --chmod=644 data.csv /: data.csv is not in the build context",
            False,
        ),
        (
            "failed to solve: failed to resolve source metadata for far.example/x:1: not found: manifest unknown",
            "[internal] load metadata for far.example/x:1",
            "the image build fails: pulling far.example/x:1: there is no such image",
            True,
        ),
        (
            "failed to solve: base: no match for platform in manifest: not found",
            "[internal] load metadata for base",
            "the image build fails: pulling base: there is none for that platform",
            True,
        ),
        (
            'failed to solve: target stage "last" could not be found',
            "",
            "Dockerfile has no stage last",
            False,
        ),
        (
            "failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory",
            "",
            "Dockerfile cannot be read",
            False,
        ),
        (
            "failed to solve: failed to copy files: write /data/1: no space left on device",
            "[2/2] COPY big /",
            "the image build fails at [2/2] COPY big /: the container engine has no space left on its disk",
            True,
        ),
        ("no active session for abc: context deadline exceeded", "", "building the image: the registry", True),
        ("something new", "[2/2] RUN make", "the image build fails at [2/2] RUN make", False),
        ("something new", "", "building the image: the container engine could not do it", True),
    ],
)
def test_it_is_told_by_its_words(message: str, step: str, what: str, of_engine: bool) -> None:
    error = explained(Failed(message, step, ("the last line",)), REQUEST)
    assert error.what.startswith(what)
    assert error.hint
    assert isinstance(error, EngineFailure) == of_engine
    assert message.removeprefix("failed to solve: ").rstrip() in error.why


def test_a_disk_that_was_full_for_a_program_is_told() -> None:
    failed = Failed("exit code: 1", "[2/2] RUN make", ("cc: error: No space left on device",))
    assert "no space left" in explained(failed, REQUEST).what


def test_a_step_of_many_lines_is_told_by_its_beginning() -> None:
    error = explained(Failed("exit code: 137", f"[2/2] RUN {'x' * 5000}", ()), REQUEST)
    assert len(error.what) <= 200
    assert error.what.endswith("...: exit code 137")
    assert "memory" in error.hint
