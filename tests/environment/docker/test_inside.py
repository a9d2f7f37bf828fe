"""What the package managers of an image tell is read, also of those that no image here has."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from projrun.environment.docker.inside import _contents
from projrun.environment.model import Package

DPKG = "ii \tlibc6\t2.36-9\tamd64\nrc \tgone\t1\tall\nii \ta\t1:2\tall\n"
RPM = "ii\tbash\t1:5.1-2\tx86_64\nii\tgpg-pubkey\t1-2\t(none)\n"
APK = "P:musl\nV:1.2-r0\nA:x86_64\n\nP:busybox\nV:1.36-r1\nA:x86_64\n\n"


def test_the_packages_of_every_manager_are_read() -> None:
    found = _contents(f"<dpkg>\n{DPKG}<rpm>\n{RPM}<apk>\n{APK}").packages
    assert set(found) == {
        Package("a", "1:2", "all", "dpkg"),
        Package("libc6", "2.36-9", "amd64", "dpkg"),
        Package("bash", "1:5.1-2", "x86_64", "rpm"),
        Package("busybox", "1.36-r1", "x86_64", "apk"),
        Package("musl", "1.2-r0", "x86_64", "apk"),
    }
    assert list(found) == sorted(found, key=lambda one: one.name)


def test_the_distributions_of_a_python_are_read_with_the_first_of_each_name() -> None:
    told = {
        "version": "3.9.1",
        "found": [
            [
                "Metadata-Version: 2.1\nName: Some.Thing\nVersion: 1.0",
                "a.py,sha256=x,1\nsome-1.dist-info/RECORD,,\n",
            ],
            ["Name: some-thing\nVersion: 2.0", ""],
            ["Name: nameless", ""],
        ],
    }
    found = _contents(f"<python>\n{json.dumps(told)}\n\n<dpkg>\n")
    assert found.python == "3.9.1"
    assert [(one.name, one.version, len(one.sha256)) for one in found.distributions] == [("some-thing", "1.0", 64)]


@given(st.text(max_size=40) | st.sampled_from([DPKG, RPM, APK]).flatmap(lambda text: st.text().map(text.__add__)))
def test_whatever_an_image_answers_is_no_error(text: str) -> None:
    for name in ("python", "dpkg", "rpm", "apk"):
        assert _contents(f"<{name}>\n{text}").python is None
