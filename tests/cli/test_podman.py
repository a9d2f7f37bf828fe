"""A project on Podman's socket, as a user has it: the same verbs and the same record."""

from __future__ import annotations

import os

import pytest

from tests import images
from tests.cli.conftest import Workspace
from tests.cli.test_docker import container_of, program_output
from tests.core.engine.podman import podman_service

pytestmark = pytest.mark.slow


def test_podman_builds_runs_and_cleans_up(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with podman_service() as podman:
        images.slim(podman)
        monkeypatch.setenv("DOCKER_HOST", podman.host)
        workspace.repository.write("Dockerfile", f"FROM {images.SLIM}\nRUN echo inside > /inside\n")
        workspace.repository.write(".dockerignore", "*\n")
        script = "cat /inside; id -u; touch made $HOME/x; echo no > data/table.csv || echo read-only; exit 3"
        workspace.repository.write("script.sh", f"{script}\n")
        workspace.entry_point("sh script.sh {table}", environment="{docker: {file: Dockerfile, network: none}}")
        text = (workspace.root / "ProjectSpec.yaml").read_text()
        text = text.replace("entry_points:", "data: {table: data/table.csv}\nentry_points:")
        workspace.spec(text + "    parameters: {table: {type: path, default: 'data:table'}}\n")
        run = workspace.run(code=3)
        assert program_output(workspace, run) == ["inside", str(os.getuid()), "read-only"]
        assert container_of(run)["engine"].startswith("Podman")
        assert (workspace.root / "made").stat().st_uid == os.getuid()
        assert podman.containers("projrun.run") == []
        workspace.repository.write("script.sh", "exit 5\n")
        again = workspace.run(code=5)
        assert again["recipe"]["environment"]["reused"] is True
        workspace.entry_point("nowhere", environment="{docker: {file: Dockerfile}}")
        assert workspace.run(code=127)["outcome"]["status"] == "not-started"
        podman.api.close()
