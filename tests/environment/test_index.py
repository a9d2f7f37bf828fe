"""Where packages come from: one setting reaches both builders, and its password is seen nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from projrun.core.errors import EnvironmentFailure
from projrun.environment import configuration, pip_programs, uv_program
from projrun.environment.build import ensure
from projrun.environment.index import Settings, masked
from projrun.environment.model import Means
from projrun.environment.tool import Tool
from tests.environment.conftest import Project
from tests.index_server import Identity, Index, make_identity, serving
from tests.wheels import make_wheel

pytestmark = pytest.mark.slow

BUILDERS = ("uv", "pip")
LOGIN = "someone:open%3Asesame"
PASSWORDS = ("open%3Asesame", "open:sesame")

both_builders = pytest.mark.parametrize("builder", BUILDERS)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of which no tool has been told where packages come from."""
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    project.lock(make_wheel(project.archives, "alpha"))
    return project


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Index]:
    """An index that asks for a password."""
    make_wheel(tmp_path / "guarded", "alpha", requires=["beta"])
    make_wheel(tmp_path / "guarded", "beta")
    with serving(tmp_path / "guarded", login="someone:open:sesame") as index:
        yield index


def names(project: Project, **spec: object) -> list[str]:
    return [one.name for one in project.having(**spec).ensure().installed]


def contents(folder: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@pytest.mark.parametrize(
    ("variable", "builder"),
    [
        ("UV_DEFAULT_INDEX", "pip"),
        ("UV_INDEX", "pip"),
        ("PIP_EXTRA_INDEX_URL", "pip"),
        ("PIP_INDEX_URL", "uv"),
        ("PIP_EXTRA_INDEX_URL", "uv"),
    ],
)
def test_an_index_told_to_one_tool_is_the_other_ones_too(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, variable: str, builder: str
) -> None:
    if "DEFAULT" not in variable and variable != "PIP_INDEX_URL":
        # Of an index that is one more, the first must be there too.
        first = "UV_DEFAULT_INDEX" if variable.startswith("UV_") else "PIP_INDEX_URL"
        monkeypatch.setenv(first, f"{elsewhere.index.url}nothing-here/")
    monkeypatch.setenv(variable, elsewhere.index.url)
    assert names(elsewhere, builder=builder) == ["alpha"]


@both_builders
def test_all_indexes_of_pip_are_one(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builder: str
) -> None:
    make_wheel(tmp_path / "older", "alpha", "0.9")
    with serving(tmp_path / "older") as older:
        monkeypatch.setenv("PIP_INDEX_URL", elsewhere.index.url)
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", older.url)
        assert names(elsewhere, builder=builder) == ["alpha"]


@pytest.mark.parametrize(("variable", "builder"), [("UV_FIND_LINKS", "pip"), ("PIP_FIND_LINKS", "uv")])
def test_a_folder_of_archives_is_enough_without_a_network(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, variable: str, builder: str
) -> None:
    monkeypatch.chdir(elsewhere.archives.parent)
    folder = "the wheels" if variable == "UV_FIND_LINKS" else "wheels"  # pip splits its list at spaces
    elsewhere.archives.rename(folder)
    monkeypatch.setenv(variable, folder)
    means = Means(elsewhere.cache, offline=True)
    planned = elsewhere.having(builder=builder).plan()
    assert [one.name for one in ensure(planned, means, elsewhere.report).installed] == ["alpha"]
    assert elsewhere.index.requests == []


@both_builders
def test_offline_without_what_it_takes_says_what_to_do(elsewhere: Project, builder: str) -> None:
    with pytest.raises(EnvironmentFailure) as raised:
        ensure(elsewhere.having(builder=builder).plan(), Means(elsewhere.cache, offline=True), elsewhere.report)
    assert ("PIP_FIND_LINKS=" if builder == "pip" else "without --offline") in raised.value.hint
    assert elsewhere.index.requests == []


@pytest.mark.parametrize(
    ("variable", "builder"),
    [("SSL_CERT_FILE", "pip"), ("REQUESTS_CA_BUNDLE", "pip"), ("PIP_CERT", "uv"), ("REQUESTS_CA_BUNDLE", "uv")],
)
def test_a_certificate_told_to_one_tool_is_trusted_by_both(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, identity: Identity, variable: str, builder: str
) -> None:
    trust_nothing(monkeypatch)
    monkeypatch.setenv(variable, str(identity.authority))
    with serving(elsewhere.archives, identity=identity) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        assert names(elsewhere, builder=builder) == ["alpha"]


@pytest.mark.parametrize(
    ("variable", "builder"), [("UV_INSECURE_HOST", "pip"), ("PIP_TRUSTED_HOST", "uv"), ("", "pip"), ("", "uv")]
)
def test_a_host_trusted_by_one_tool_is_trusted_by_both(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, identity: Identity, variable: str, builder: str
) -> None:
    trust_nothing(monkeypatch)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with serving(elsewhere.archives, identity=identity) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        if variable:
            monkeypatch.setenv(variable, "127.0.0.1")
            assert names(elsewhere, builder=builder) == ["alpha"]
            return
        with pytest.raises(EnvironmentFailure) as raised:
            names(elsewhere, builder=builder)
        assert "certificate" in raised.value.why.lower()
        assert "check the network" in raised.value.hint


def trust_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("variable", "builder"), [("UV_DEFAULT_INDEX", "pip"), ("PIP_INDEX_URL", "uv")])
def test_a_password_is_used_and_seen_nowhere(
    elsewhere: Project, guarded: Index, monkeypatch: pytest.MonkeyPatch, variable: str, builder: str
) -> None:
    monkeypatch.setenv(variable, guarded.url.replace("://", f"://{LOGIN}@"))
    elsewhere.write("requirements.in", "alpha\n")
    assert names(elsewhere, builder=builder, lock=None, requirements="requirements.in") == ["alpha", "beta"]
    told = [elsewhere.report.output, *(phase.encode() for phase in elsewhere.report.phases)]
    for text in (*told, *contents(elsewhere.cache)):
        assert not any(password.encode() in text for password in PASSWORDS)
    assert guarded.asked_for_archive.is_set()


@both_builders
def test_a_password_is_in_no_error(
    elsewhere: Project, guarded: Index, monkeypatch: pytest.MonkeyPatch, builder: str
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", guarded.url.replace("://", "://someone:swordfish@"))
    elsewhere.write("requirements.in", "alpha\n")
    for spec in ({}, {"lock": None, "requirements": "requirements.in"}):
        with pytest.raises(EnvironmentFailure) as raised:
            elsewhere.having(builder=builder, **spec).ensure()
        error = raised.value
        assert "401" in error.why
        assert "a user and password that it knows" in error.hint
        assert "swordfish" not in f"{error.what} {error.why} {error.hint} {elsewhere.report.output!r}"
    assert not any(b"swordfish" in text for text in contents(elsewhere.cache))


TOKEN = "tok3n-0123456789"


@both_builders
@pytest.mark.parametrize("userinfo", [f"{TOKEN}:", TOKEN])
def test_a_token_in_place_of_a_user_is_seen_nowhere(
    elsewhere: Project, monkeypatch: pytest.MonkeyPatch, builder: str, userinfo: str
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    login = f"{TOKEN}:" if userinfo.endswith(":") else "another:one"  # it is refused the second time
    with serving(elsewhere.archives, login=login) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("://", f"://{userinfo}@"))
        errors = []
        elsewhere.lock(text=f"missing==1.0 --hash=sha256:{'0' * 64}\n")
        with pytest.raises(EnvironmentFailure) as raised:
            names(elsewhere, builder=builder)
        errors.append(str(vars(raised.value)))
        if login.startswith(TOKEN):
            elsewhere.lock(elsewhere.archives / "alpha-1.0-py3-none-any.whl")
            assert names(elsewhere, builder=builder) == ["alpha"]
        else:
            assert "401" in errors[0]
    told = [elsewhere.report.output, *(text.encode() for text in (*errors, *elsewhere.report.phases))]
    assert not any(b"tok3n" in text for text in (*told, *contents(elsewhere.cache)))


def test_what_is_masked_is_known_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://someone:p%40ss%2Fword@host.invalid/")
    monkeypatch.setenv("PIP_FIND_LINKS", f"https://{TOKEN}+%2B:@host.invalid/ https://{TOKEN[::-1]}@host.invalid/")
    monkeypatch.setenv("PIP_PROXY", "http://me:p@ss:word@proxy.invalid:1")
    known = configuration.secrets()
    assert known >= {"p%40ss%2Fword", "p@ss/word", f"{TOKEN}+%2B", f"{TOKEN}++", f"{TOKEN}%2B%2B", TOKEN[::-1]}
    assert known >= {"p@ss:word", "p%40ss%3Aword"}


@pytest.mark.parametrize("length", [1, 65_530, 65_536, 140_000])
def test_a_secret_is_masked_wherever_it_is_in_the_output(tmp_path: Path, length: int) -> None:
    told: list[bytes] = []
    tool = Tool(tmp_path, {}, frozenset({TOKEN}), told.append)
    (tmp_path / "text").write_text(f"{'x ' * length}{TOKEN} {'y ' * length}http://{TOKEN}:@host\n{TOKEN}")
    ended = tool.call(["/bin/cat", tmp_path / "text"])
    for text in (ended.output, b"".join(told).decode(), tool.log(tmp_path / "text")):
        assert not any(TOKEN[start : start + 8] in text for start in range(8))
        assert text.rstrip().endswith("***")
    assert len(ended.output) <= 65_536


@both_builders
def test_a_password_in_netrc_is_used(
    elsewhere: Project, guarded: Index, monkeypatch: pytest.MonkeyPatch, hostile_environment: Path, builder: str
) -> None:
    netrc = hostile_environment / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password open:sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("UV_DEFAULT_INDEX", guarded.url)
    elsewhere.lock(next(guarded.folder.glob("beta*")))
    assert names(elsewhere, builder=builder) == ["beta"]


def test_a_proxy_told_to_one_tool_is_used_by_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    told = Settings(proxy="http://me:secret@proxy:8080")
    assert uv_program.variables(Settings(), told)["HTTPS_PROXY"] == told.proxy
    assert pip_programs.variables(told, tmp_path)["PIP_PROXY"] == told.proxy
    assert told.secrets == {"secret"}
    monkeypatch.setenv("https_proxy", "http://me:hidden@other:1")
    assert "HTTPS_PROXY" not in uv_program.variables(Settings(), told)  # what the variables say goes first
    assert told.secrets == {"secret", "hidden"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a https://me:pass@host/x b", "a https://***@host/x b"),
        ("a https://me:p@ss@host/x b", "a https://***@host/x b"),
        ("--index-url=http://token@host", "--index-url=http://***@host"),
        ("see https://host/a@b and pass", "see https://host/a@b and ***"),
    ],
)
def test_addresses_are_shown_without_userinfo(text: str, told: str) -> None:
    assert masked(text, ("pass",)) == told


def test_what_is_masked_everywhere_is_long_enough_not_to_occur_by_chance() -> None:
    settings = Settings(index="https://me:abc@host", extra=("https://token@host", f"https://{'t' * 16}@host"))
    assert settings.secrets == {"t" * 16}


def test_pips_files_are_read_as_pip_reads_them(hostile_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(hostile_environment / "xdg"))
    user = hostile_environment / ".config" / "pip" / "pip.conf"
    user.parent.mkdir(parents=True)
    user.write_text(
        "[global]\nindex-url = https://a/simple\nretries = 1\nno-binary = :all:\n"
        "[install]\nindex-url = https://b/simple\nextra_index_url =\n  https://c\n  https://d\n"
        "find-links = ~/wheels\n"
    )
    found = configuration.of_pip()
    assert (found.index, found.extra) == ("https://b/simple", ("https://c", "https://d"))
    assert found.links == ((hostile_environment / "wheels").as_uri(),)
    monkeypatch.delenv("PIP_RETRIES")
    assert configuration.pip_network() == {"PIP_RETRIES": "1"}
    monkeypatch.setenv("PIP_INDEX_URL", "https://e/simple")
    assert configuration.of_pip().index == "https://e/simple"
    user.write_text("no section\n")
    with pytest.raises(EnvironmentFailure, match="is not a configuration that pip can read"):
        configuration.of_pip()


def test_uvs_file_is_read_as_uv_reads_it(
    hostile_environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    file = tmp_path / "uv.toml"
    file.write_text(
        'allow-insecure-host = ["h"]\nfind-links = ["/wheels"]\n'
        '[[index]]\nname = "inner"\nurl = "https://a/simple"\ndefault = true\n'
        '[[index]]\nurl = "https://b"\n[[index]]\nurl = "https://c"\nname = "c"\nexplicit = true\n'
        '[[index]]\nurl = "https://d"\nformat = "flat"\n'
    )
    monkeypatch.setenv("UV_CONFIG_FILE", str(file))
    monkeypatch.setenv("UV_INDEX_INNER_USERNAME", "me")
    monkeypatch.setenv("UV_INDEX_INNER_PASSWORD", "p:w")
    found = configuration.of_uv()
    assert (found.index, found.extra) == ("https://me:p%3Aw@a/simple", ("https://b",))
    assert (found.links, found.trusted) == (("https://d", "file:///wheels"), ("h",))
    assert "p:w" not in masked("p:w p%3Aw", (*found.secrets, "p:w"))
    file.write_text("no = toml = at all")
    with pytest.raises(EnvironmentFailure, match="is not a configuration that uv can read"):
        configuration.of_uv()


def test_the_own_places_of_a_tool_go_before_all_of_the_others() -> None:
    own, other = Settings(index="https://own"), Settings(extra=("https://other",), certificate="/ca", proxy="p")
    both = own.completed_by(other)
    assert (both.index, both.extra, both.certificate, both.proxy) == ("https://own", (), "/ca", "p")
    assert Settings(proxy="mine").completed_by(other).extra == ("https://other",)
