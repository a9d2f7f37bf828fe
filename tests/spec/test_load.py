"""From a directory to a specification."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projrun.core.errors import SpecError
from projrun.core.paths import cache_directory
from projrun.spec.model import DockerMount, DockerSpec, Parameter, Value
from projrun.spec.place import find_project, projects_below
from tests.spec.specs import BIKES, HEAD, entry, load, write


def parameter(root: Path, declaration: str) -> Parameter:
    return load(write(root, entry(f"x: {declaration}"))).entry_points["main"].parameters["x"]


def test_the_design_s_example_loads(tmp_path: Path) -> None:
    spec = load(write(tmp_path, BIKES))
    assert (spec.root, spec.text, spec.name) == (tmp_path, BIKES, "bikes")
    environment = spec.environments["default"]
    assert (environment.python, environment.lock, environment.requirements, environment.builder) == (
        "3.11",
        "requirements.lock",
        "requirements.in",
        "uv",
    )
    assert environment.variables == {"OMP_NUM_THREADS": "1"}
    assert (environment.inherit, environment.secrets) == (("CUDA_VISIBLE_DEVICES",), ("AWS_SECRET_ACCESS_KEY",))
    assert (spec.data["counts"].path, (spec.data["counts"].sha256 or "")[:6]) == (
        "data/hourly_counts.csv",
        "9f86d0",
    )
    train = spec.entry_points["train"]
    assert train.command.words[:3] == ("python", "-m", "hyper.train")
    assert (train.outputs, train.metrics, train.timeout) == (
        ("results/model.pkl",),
        ("results/metrics.json",),
        7200,
    )
    assert list(train.parameters) == ["depth", "criterion", "features", "log_target", "counts"]
    assert train.parameters["depth"] == Parameter(
        "depth", "int", Value("3", 3), help="Maximum tree depth.", constraints={"minimum": 1, "maximum": 30}
    )
    assert train.parameters["criterion"].constraints == {"enum": ["gini", "entropy"]}
    assert train.parameters["features"].default == Value(("hour", "lag_week"), ["hour", "lag_week"])
    assert train.parameters["log_target"].flag == "--log-target"
    assert train.parameters["counts"].default == Value("data:counts", "data:counts")


@pytest.mark.parametrize("text", [BIKES, entry("x: .inf\ny: {type: json, default: {a: [1e400, ~]}}\nz: [1, 2.5]")])
def test_the_second_load_gives_the_same(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    assert load(tmp_path) == load(tmp_path)


@pytest.mark.parametrize(
    ("declaration", "kind", "items", "default"),
    [
        ("int", "int", "str", None),
        ("list", "list", "str", None),
        ("3", "int", "str", Value("3", 3)),
        ("08", "int", "str", Value("08", 8)),
        ("1e3", "float", "str", Value("1e3", 1000.0)),
        ("1e400", "float", "str", Value("1e400", "1e400")),
        ("true", "bool", "str", Value("true", True)),
        ("[a, no]", "list", "str", Value(("a", "no"), ["a", "no"])),
        ("[1, 2]", "list", "int", Value(("1", "2"), [1, 2])),
        ("[1, 2.50]", "list", "float", Value(("1", "2.50"), [1.0, 2.5])),
        ("[true]", "list", "bool", Value(("true",), [True])),
    ],
)
def test_short_forms_of_a_parameter(
    tmp_path: Path, declaration: str, kind: str, items: str, default: Value | None
) -> None:
    assert parameter(tmp_path, declaration) == Parameter("x", kind, default, items)


@pytest.mark.parametrize("text", ["08", "no", "1e3", "2020-10-10", "0x1F", "12:30", "1e400", "3.10", "true"])
def test_a_default_of_type_str_is_its_source_text(tmp_path: Path, text: str) -> None:
    assert parameter(tmp_path, f"{{type: str, default: {text}}}").default == Value(text, text)


def test_choices_are_read_by_the_declared_type(tmp_path: Path) -> None:
    assert parameter(tmp_path, "{type: str, choices: [08, no, 1e3]}").constraints == {"enum": ["08", "no", "1e3"]}
    assert parameter(tmp_path, "{type: int, enum: [08, 1]}").constraints == {"enum": [8, 1]}
    assert parameter(tmp_path, "{type: list, items: float, choices: [1]}").constraints == {"enum": [1.0]}


def test_null_is_a_default_of_json_alone(tmp_path: Path) -> None:
    assert parameter(tmp_path, "{type: json, default: ~}").default == Value("null", None)
    with pytest.raises(SpecError):
        parameter(tmp_path, "{type: list, default: ~}")


def test_short_forms_of_the_rest(tmp_path: Path) -> None:
    text = HEAD + (
        "data: {a: x/y}\nentry_points:\n  one: run it\n  two: [run, 'it all', 08]\n"
        "  three: {command: run, outputs: a, metrics: b, inputs: data:a, timeout: 90}\n"
    )
    spec = load(write(tmp_path, text))
    assert spec.environments["default"].system
    assert (spec.data["a"].path, spec.data["a"].sha256) == ("x/y", None)
    assert spec.entry_points["one"].command.words == ("run", "it")
    assert spec.entry_points["two"].command.words == ("run", "it all", "08")
    three = spec.entry_points["three"]
    assert (three.outputs, three.metrics, three.inputs, three.timeout) == (("a",), ("b",), ("data:a",), 90)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("0.5", 0.5), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400)],
)
def test_timeouts_are_in_seconds(tmp_path: Path, written: str, seconds: float) -> None:
    spec = load(write(tmp_path, entry(rest=f"    timeout: {written}")))
    assert spec.entry_points["main"].timeout == seconds


def test_a_variable_keeps_its_last_line_break(tmp_path: Path) -> None:
    text = HEAD.replace("{system: true}", '{system: true, variables: {A: "x\\n"}}') + "entry_points: {main: ls}"
    assert load(write(tmp_path, text)).environments["default"].variables == {"A": "x\n"}


def test_python_3_10_is_not_3_1(tmp_path: Path) -> None:
    text = HEAD.replace("{system: true}", "{python: 3.10, lock: a}") + "entry_points: {main: ls}"
    assert load(write(tmp_path, text)).environments["default"].python == "3.10"


def test_a_docker_environment_loads(tmp_path: Path) -> None:
    text = (
        HEAD.replace("{system: true}", "{docker: {file: Dockerfile, args: {V: 1.50}}}")
        + "entry_points: {main: ls}"
    )
    docker = load(write(tmp_path, text)).environments["default"].docker
    assert docker == DockerSpec(file="Dockerfile", args={"V": "1.50"})


def test_how_a_container_is_run_is_read_as_the_engine_has_it(tmp_path: Path) -> None:
    text = """{docker: {image: demo:1, memory: 512m, shm_size: 2GiB, cpus: 1.5, gpus: ["0"], network: none,
      mounts: [{source: /data, target: /d}]}}"""
    spec = HEAD.replace("{system: true}", text) + "entry_points: {main: ls}"
    assert load(write(tmp_path, spec)).environments["default"].docker == DockerSpec(
        image="demo:1",
        memory=512 * 1024**2,
        shm_size=2 * 1024**3,
        cpus=1.5,
        gpus=("0",),
        network="none",
        mounts=(DockerMount("/data", "/d"),),
    )


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("cpus: .inf", "'cpus' is a number of processors, found inf"),
        ("cpus: .nan", "'cpus' is a number of processors, found nan"),
        ("cpus: 1e30", "'cpus' is a number of processors, found 1e+30"),
        ("memory: 9223372036854775808", "memory is more than an engine can be told"),
        ("shm_size: 99999999t", "shm_size is more than an engine can be told"),
        (r'mounts: [{source: "a\0b", target: /a}]', "no path has a null character in it"),
        ("mounts: [{source: a, target: /a}, {source: b, target: //a/}]", "another mount is to be seen at"),
    ],
)
def test_what_no_engine_can_be_told_is_refused(tmp_path: Path, option: str, told: str) -> None:
    spec = HEAD.replace("{system: true}", f"{{docker: {{file: a, {option}}}}}") + "entry_points: {main: ls}"
    with pytest.raises(SpecError) as raised:
        load(write(tmp_path, spec))
    assert [told in problem.message for problem in raised.value.problems] == [True]


def test_load_refuses_with_every_problem_but_missing_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        BIKES.replace("type: int, default: 3", "type: int, default: x").replace("timeout: 2h", "timeout: 2y"),
    )
    for _ in range(2):
        with pytest.raises(SpecError, match="has 2 problems") as caught:
            load(tmp_path)
        assert [problem.line for problem in caught.value.problems] == [16, 24]


def test_a_file_with_a_wrong_text_is_never_remembered_as_right(tmp_path: Path) -> None:
    load(write(tmp_path, BIKES))
    with pytest.raises(SpecError):
        load(write(tmp_path, BIKES.replace("type: int", "type: itn")))
    assert load(write(tmp_path, BIKES)).name == "bikes"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b'{"value": {}, "texts": []}', b'{"value": 1, "texts": 2}']
)
def test_a_damaged_cache_is_not_believed(tmp_path: Path, damage: bytes) -> None:
    expected = load(write(tmp_path, BIKES))
    (kept,) = (cache_directory() / "specs").iterdir()
    kept.write_bytes(damage)
    assert load(tmp_path) == expected


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    cache_directory().parent.mkdir(parents=True, exist_ok=True)
    cache_directory().write_text("a file, not a directory")
    assert load(write(tmp_path, BIKES)).name == "bikes"


def test_a_link_that_leads_out_later_is_found_though_the_text_is_known(tmp_path: Path) -> None:
    project = write(tmp_path / "project", HEAD + "data: {a: link/x}\nentry_points: {main: ls}\n")
    load(project)
    (project / "link").symlink_to(tmp_path)
    with pytest.raises(SpecError) as caught:
        load(project)
    assert [problem.line for problem in caught.value.problems] == [4]


def test_a_known_text_is_loaded_without_yaml_and_jsonschema(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from projrun.spec.load import load;"
        "load(Path(sys.argv[1]), Path(sys.argv[2]));"
        "print(sorted({'yaml', 'jsonschema', 'difflib', 'packaging'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", program, str(write(tmp_path, BIKES)), str(cache_directory())]
    seen = [
        subprocess.run(words, cwd=root, env=dict(os.environ), capture_output=True, check=True, text=True).stdout
        for _ in range(2)
    ]
    assert "'jsonschema', 'yaml'" in seen[0]
    assert seen[1] == "[]\n"


def test_a_project_is_found_upwards(tmp_path: Path) -> None:
    write(tmp_path / "a", BIKES)
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    assert find_project(below) == tmp_path / "a"
    assert find_project(tmp_path / "a") == tmp_path / "a"
    assert find_project(tmp_path / "a" / "ProjectSpec.yaml") == tmp_path / "a"
    (tmp_path / "elsewhere.yaml").write_text(BIKES)
    (tmp_path / "ProjectSpec.yaml").symlink_to("elsewhere.yaml")
    assert find_project(tmp_path / "ProjectSpec.yaml") == tmp_path


@pytest.mark.parametrize("name", ["projectspec.yml", "ProjectSpec.yml", "project-spec.yaml"])
def test_a_name_that_comes_near_is_pointed_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    with pytest.raises(SpecError) as caught:
        find_project(tmp_path / "below")
    assert caught.value.hint == f"{tmp_path / name} is there: the file must be called ProjectSpec.yaml"


def test_projects_below_are_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("model", "a/deep/one", ".hidden", "node_modules/x", "venv/src", "1/2/3/4/5"):
        write(tmp_path / place, BIKES)
    (tmp_path / "venv/pyvenv.cfg").touch()
    (tmp_path / "model/inner/ProjectSpec.yaml").mkdir(parents=True)  # no file
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        find_project(Path())
    assert caught.value.why == "there is one in model, a/deep/one"
    assert caught.value.hint == "cd model, or name it: projrun run model"
    with pytest.raises(SpecError) as caught:
        find_project(Path("a"))
    assert caught.value.hint == "cd a/deep/one, or name it: projrun run a/deep/one"


def test_a_project_is_not_looked_for_below_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        write(tmp_path / f"p{number:02}", BIKES)
    assert projects_below(tmp_path) == ("p00", "p01", "p02", "p03", "p04")
    monkeypatch.setattr("projrun.spec.place._DIRECTORIES", 3)
    assert projects_below(tmp_path) == ("p00", "p01")


def test_what_is_no_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    write(tmp_path, BIKES)
    (tmp_path / "below").mkdir()
    for name, told in (
        ("file", "is not a directory"),
        ("nothing", "does not exist"),
        ("below/ProjectSpec.yaml", "does not exist"),
    ):
        with pytest.raises(SpecError, match=told):
            find_project(tmp_path / name)


@pytest.mark.parametrize("kind", ["a directory", "a pipe", "a link that leads nowhere", "a device"])
def test_what_only_has_the_name_of_a_specification_ends_the_search(tmp_path: Path, kind: str) -> None:
    write(tmp_path, BIKES)
    nearer = tmp_path / "nearer"
    (nearer / "below").mkdir(parents=True)
    spec = nearer / "ProjectSpec.yaml"
    make: dict[str, Callable[[], None]] = {
        "a directory": spec.mkdir,
        "a pipe": lambda: os.mkfifo(spec),
        "a link that leads nowhere": lambda: spec.symlink_to(spec.name),
        "a device": lambda: spec.symlink_to("/dev/zero"),
    }
    make[kind]()
    for start in (nearer / "below", nearer, spec):
        with pytest.raises(SpecError) as caught:
            find_project(start)
        assert caught.value.what == f"{spec} is {kind} and not a file"
        assert caught.value.hint


def test_a_current_directory_that_was_removed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SpecError, match="does not exist") as caught:
        find_project(Path())
    assert caught.value.why == "The current directory was removed."


def test_infinity_survives_the_cache(tmp_path: Path) -> None:
    write(tmp_path, entry("x: -.inf"))
    for _ in range(2):
        default = load(tmp_path).entry_points["main"].parameters["x"].default
        assert default is not None
        assert float(default.value) == -math.inf
