"""A Dockerfile of ``projrun export-lock`` builds with real builders, and the image has what the lock names."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from projrun.core.engine.client import connect
from projrun.core.engine.model import ImageRequest
from projrun.core.values import replace
from projrun.environment.model import Means
from projrun.exporting import ExportOptions, export_lock
from tests import images
from tests.cli.conftest import THIS_PYTHON, Workspace, built_before, published, workspace
from tests.engine import Engine as Running
from tests.wheels import lock_of, make_wheel

pytestmark = pytest.mark.slow

__all__ = ["built_before", "published", "workspace"]

LIST = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"


class Quiet:
    """A reporter that nobody hears."""

    def phase(self, name: str, text: str) -> None:
        pass

    def write(self, stream: str, data: bytes) -> None:
        pass


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_a_dockerfile_builds_and_has_what_the_lock_names(
    builder: str, docker_engine: Running, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = workspace.index.folder
    wheels = make_wheel(archives, "alpha", requires=["beta; python_version > '3'"]), make_wheel(archives, "beta")
    elsewhere = lock_of(make_wheel(archives, "elsewhere")).replace(" \\", " ; sys_platform == 'win32' \\")
    workspace.repository.write("requirements.lock", lock_of(*wheels) + elsewhere)
    workspace.entry_point("python -c pass")
    options = ExportOptions(workspace.root, workspace.store, Means(workspace.home / "cache"), None, "dockerfile")
    text = export_lock(options, Quiet())
    base = f"FROM python:{THIS_PYTHON}-slim\n"
    assert base in text
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    monkeypatch.setenv("DOCKER_BUILDKIT", str(int(builder == "buildkit")))
    images.python(docker_engine)
    # The one thing of this machine: its index, which the build reaches by the machine's own network.
    text = text.replace(base, f"{base}ENV PIP_INDEX_URL={workspace.index.url}\n")
    context = tmp_path / "context.tar"
    with tarfile.open(context, "w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    engine = connect()
    request = ImageRequest(context, "Dockerfile", "projrun-test/exported:1", network="host", fresh=True)
    image = engine.build(request, lambda line: None).id
    listed = engine.run_once(image, ["python", "-I", "-c", LIST], user="0", timeout=60)
    assert [name for name in listed.stdout.decode().split() if not name.startswith("pip==")] == [
        "alpha==1.0",
        "beta==1.0",
    ]
    kept = engine.run_once(image, ["cat", "/opt/projrun/requirements.lock"], user="0", timeout=60).stdout.decode()
    assert kept == export_lock(replace(options, format="requirements"), Quiet()).split("\n", 2)[2]
