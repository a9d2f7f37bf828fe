"""MLproject files and what they name, read without mlflow: conversions, places, and texts that are no project."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from projrun.beginning import of_mlproject
from projrun.beginning import write as begin
from projrun.core.errors import SpecError, UsageError
from projrun.core.values import replace
from projrun.core.yaml_events import NotYaml, nodes
from projrun.spec import document
from projrun.spec.argument import unfit
from projrun.spec.check import check, examine
from projrun.spec.model import EnvironmentSpec, ProjectSpec
from projrun.spec.place import find_project, projects_below
from projrun.spec.writing import as_yaml
from tests.spec.specs import load, write

PLACES = sorted(path for path in (Path(__file__).parent / "mlprojects").iterdir() if path.is_dir())
MAIN = "entry_points: {main: {command: ls}}\n"


def project(root: Path, text: str = MAIN, file: str = "MLproject", **files: str | bytes) -> Path:
    """An MLflow project with more files, whose names are written with - for the dot."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in {file: text, **files}.items():
        data = content if isinstance(content, bytes) else content.encode()
        (root / name.replace("-", ".")).write_bytes(data)
    return root


def environment(root: Path) -> EnvironmentSpec:
    return load(root).environments["default"]


def of_conda(root: Path, *dependencies: str) -> EnvironmentSpec:
    """The environment of a file of conda with these dependencies and a Python."""
    lines = "".join(f"  - {one}\n" for one in ("python=3.11", *dependencies))
    return environment(project(root, **{"conda-yaml": f"dependencies:\n{lines}"}))


@pytest.mark.parametrize(
    ("dependency", "package"),
    [
        ("numpy", "numpy"),
        ("numpy=1.19.2", "numpy==1.19.2"),
        ("numpy=1.19", "numpy==1.19.*"),
        ("numpy==1.19", "numpy==1.19"),
        ("numpy=1.19.*", "numpy==1.19.*"),
        ("numpy=1.19*", "numpy==1.19.*"),
        ("numpy=1.19.2=py38h456fd55_0", "numpy==1.19.2"),
        ("numpy>=1.19,<2", "numpy>=1.19,<2"),
        ("numpy >=1.19, <2", "numpy>=1.19,<2"),
        ("numpy!=1.20", "numpy!=1.20"),
        ("numpy 1.19.2", "numpy==1.19.2"),
        ("conda-forge::numpy=1.19.2", "numpy==1.19.2"),
        ("'numpy[version=\">=1.19\"]'", "numpy>=1.19"),
        ("pytorch=1.7.1", "torch==1.7.1"),
        ("opencv", "opencv-python-headless"),
        ("Scikit-Learn=0.24.0", "scikit-learn==0.24.0"),
        ("tensorflow=2.0.0rc1", "tensorflow==2.0.0rc1"),
        ("setuptools=58", "setuptools==58.*"),
    ],
)
def test_a_package_of_conda_is_one_of_the_index(tmp_path: Path, dependency: str, package: str) -> None:
    assert of_conda(tmp_path, dependency).packages == (package,)


@pytest.mark.parametrize("name", ["r-base", "openjdk=8", "ffmpeg", "conda-forge::gdal", "bioconductor-limma"])
def test_what_only_conda_has_stands_in_the_way(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        of_conda(tmp_path, "numpy", name)
    [problem] = caught.value.problems
    assert (Path(problem.file).name, problem.line, problem.column) == ("conda.yaml", 4, 5)
    assert "is a package of conda" in problem.message


@pytest.mark.parametrize("name", ["cudatoolkit=10.1", "libgcc-ng=9.1", "_libgcc_mutex=0.1=main", "openssl", "mkl"])
def test_what_wheels_bring_along_is_left_out_with_a_word(tmp_path: Path, name: str) -> None:
    assert of_conda(tmp_path, "numpy", name).packages == ("numpy",)
    told = [one for one in load(tmp_path).warnings if "left out" in one.message]
    assert {one.line for one in told} == {4}


@pytest.mark.parametrize(
    ("written", "python"),
    [
        ("python=3.8.13", "3.8.13 or nearest"),
        ("python==3.8.13", "3.8.13 or nearest"),
        ("python=3.8.13=h12debd9_0", "3.8.13 or nearest"),
        ("python=3.8", "3.8"),
        ("python 3.8", "3.8"),
        ("python=3.8.*", "3.8"),
        ("python<=3.8", "3.8"),
        ("python=3", ">=3,<4"),
        ("python>=3.6", ">=3.6"),
        ("python>=3.6,<3.9", ">=3.6,<3.9"),
        ("python~=3.8", "~=3.8"),
        ("python", ">=3.8"),
        ("numpy", ">=3.8"),
    ],
)
def test_the_python_of_a_file_of_conda(tmp_path: Path, written: str, python: str) -> None:
    text = f'dependencies: ["{written}"]\n'
    assert environment(project(tmp_path, **{"conda-yaml": text})).python == python


def test_what_pip_installs_may_be_in_other_files(tmp_path: Path) -> None:
    lines = (
        "-r more/all.txt\n-r more/all.txt\nsix>=1 ; python_version < '4'  # why\n--pre\n-f https://example.org\n"
    )
    (tmp_path / "p" / "more").mkdir(parents=True)
    (tmp_path / "p/more/all.txt").write_text("attrs==23.1 \\\n  --hash=sha256:00\n-r ../../outside.txt\n")
    (tmp_path / "outside.txt").write_text("# nothing\n\nidna\n")
    text = "python: '3.11'\ndependencies:\n  - -r requirements.txt\n"
    root = project(tmp_path / "p", **{"python_env-yaml": text, "requirements-txt": lines})
    found = environment(root)
    assert found.packages == ("attrs==23.1", "idna", "six>=1 ; python_version < '4'", "--pre")
    assert [one.message for one in load(root).warnings] == [
        "-f is left out: a project names no index, no folder and no other file of limits"
    ]


def test_the_project_itself_is_found_by_its_modules(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    found = of_conda(tmp_path, "pip:\n    - -e .[x]\n    - git+https://example.org/a.git#egg=a\n    - ./vendored")
    assert found.variables == {"PYTHONPATH": "vendored"}
    assert found.packages == ("a @ git+https://example.org/a.git",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("conda_env: no.yaml\n", "1:12 there is no file 'no.yaml'"),
        (
            "entry_points:\n  main:\n    parameters:\n    command: x\n",
            "3:16 'parameters' maps names to",
        ),
        ("entry_points:\n  main: python x\n", "2:9 an entry point is a mapping with 'command' and 'parameters'"),
        ("entry_points:\n  main:\n    parameters: {a: }\n", "3:18 the parameter 'a' is a type or a mapping"),
        ("docker_env: {}\nentry_points: []\n", "2:15 'entry_points' maps names to entry points"),
        ("docker_env: {image: }\nconda_env: x\n", "2:1 'docker_env' is there too"),
        ("databricks_spark_job: {}\n", "1:1 a job of Databricks runs nowhere else"),
        ("a: &a [*a]\n", "its aliases multiply"),
        ("", "1:1 it does not map names to values"),
    ],
)
def test_what_mlflow_refuses_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(project(tmp_path, text))
    assert told in "\n".join(f"{one.line}:{one.column} {one.message}" for one in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nmae: x\n" + MAIN, "1:1 'nmae' is not a key of an MLproject file: nothing reads it"),
        ("entry_points: {main: {command: a, comand: b}}\n", "1:35 'comand' is not a key of an entry point"),
        ("entry_points: {main: {command: a, command: b}}\n", "1:35 'command' is there twice: the last one counts"),
        ("entry_points: {main: {command: a, parameters: {p: {type:int}}}}\n", "1:52 'type:int' is one word"),
        (
            "entry_points: {main: {command: a, parameters: {p: {type: uri, default: x}}}}\n",
            "1:72 the default",
        ),
    ],
)
def test_what_cannot_have_been_meant_is_read_with_a_warning(tmp_path: Path, text: str, told: str) -> None:
    spec = load(project(tmp_path, text))
    assert told in "\n".join(f"{one.line}:{one.column} {one.message}" for one in spec.warnings)
    assert load(tmp_path) == spec  # as it was remembered


def test_what_was_read_beside_the_file_is_looked_at_again(tmp_path: Path) -> None:
    root = project(tmp_path / "p")
    assert environment(root).system
    (root / "conda.yaml").write_text("dependencies: [python=3.11, numpy]\n")
    assert environment(root).packages == ("numpy",)
    (root / "conda.yaml").write_text("dependencies: [python=3.11, pandas]\n")
    assert environment(root).packages == ("pandas",)
    (root / "python_env.yaml").write_text('python: "3.12"\ndependencies: [six]\n')
    assert environment(root).packages == ("six",)


def test_projectspec_goes_before_and_the_nearest_directory_wins(tmp_path: Path) -> None:
    root = project(tmp_path / "p", file="mlPROJECT")
    assert find_project(root / "mlPROJECT") == root
    assert projects_below(tmp_path) == ("p",)
    (root / "below").mkdir()
    project(tmp_path, "name: above\n" + MAIN)
    assert find_project(root) == root
    write(root, "version: 1\nname: ours\nenvironment: {system: true}\nentry_points: {main: ls}\n")
    assert load(root).name == "ours"
    (tmp_path / "mlproject").mkdir()  # a package of that name is no file
    assert find_project(tmp_path) == tmp_path


def test_variables_that_a_command_names_are_passed_on(tmp_path: Path) -> None:
    text = 'entry_points: {main: {command: "echo $DATA ${{SIZE:-1}} $API_TOKEN $PATH"}}\n'
    assert environment(project(tmp_path, text)).inherit[-2:] == ("DATA", "SIZE")


def test_an_image_with_volumes_and_variables(tmp_path: Path) -> None:
    text = """docker_env:
  image: registry:5000/a/b:1.2
  volumes: ["/d:/data:ro"]
  environment: [[A, 1], B, DB_PASSWORD]
"""
    found = environment(project(tmp_path, text + MAIN))
    assert found.docker is not None
    assert (found.docker.image, found.docker.mounts[0].target, found.docker.mounts[0].writable) == (
        "registry:5000/a/b:1.2",
        "/data",
        False,
    )
    assert (found.variables, found.inherit[-1], found.secrets) == ({"A": "1"}, "B", ("DB_PASSWORD",))


SCALARS = st.one_of(
    st.text(alphabet="0123456789.-+eE_:xob", max_size=8),
    st.sampled_from(["yes", "no", "on", "y", "n", "true", "~", "null", ".inf", "-.INF", ".nan", "1e3", "1:30"]),
    st.sampled_from(["2020-10-10", "0o7", "=", "<<", "*", "1_0", "0x_1", "1.e+4"]),
    st.text(max_size=6),
)


@given(st.lists(SCALARS, max_size=4), st.booleans())
def test_values_are_those_of_the_safe_loader(scalars: list[str], flow: bool) -> None:
    lines = [f"k{number}: {text}" for number, text in enumerate(scalars)]
    text = "{" + ", ".join(lines) + "}" if flow else "\n".join(lines)
    try:
        theirs, failed = yaml.safe_load(text), False
    except (yaml.YAMLError, ValueError, TypeError):
        failed = True
    try:
        found = nodes(text)
    except NotYaml:
        assert failed, text
        return
    assert not failed, text
    assert str(found.plain() if found else None) == str(theirs)


@given(st.text(alphabet=st.sampled_from("ab:{}[]&*<!-|>'\"\n #,$\t"), max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = examine(f"entry_points:\n  main:\n    {text}", Path(folder), "MLproject")
    assert isinstance(found.refusing, tuple)


def test_every_project_of_the_corpus_is_checked() -> None:
    refused = {place.name for place in PLACES if check(place).refusing}
    assert refused == {place.name for place in PLACES if place.name.startswith("refused-")}
    specs: list[ProjectSpec] = [load(place) for place in PLACES if place.name not in refused]
    assert all(spec.file.lower() == "mlproject" for spec in specs)


# Names that ProjectSpec.yaml does not take, and files without anything to run.
UNSAYABLE = ["names", "no-entry-points"]


@pytest.mark.parametrize(
    "place",
    [place for place in PLACES if not place.name.startswith("refused-") and place.name not in UNSAYABLE],
    ids=lambda place: place.name,
)
def test_the_specification_that_is_written_says_the_same(place: Path, tmp_path: Path) -> None:
    root = tmp_path / "p"
    shutil.copytree(place, root)
    before = load(root)
    begun = of_mlproject(root)
    begin(begun)
    after = load(root)
    assert (after.file, after.text) == ("ProjectSpec.yaml", begun.text)
    same = {"file": before.file, "text": before.text, "warnings": before.warnings, "refused": before.refused}
    assert replace(after, **same) == before
    with pytest.raises(UsageError):
        of_mlproject(root)


def test_comments_are_kept(tmp_path: Path) -> None:
    text = """\
# About all of it.
name: p
entry_points:
  # Fits a model.
  main:
    parameters:
      # How fast.
      rate: {type: float, default: .5}  # of all
    # Run it.
    command: "run {rate} # no comment"
  broken: {command: "{x}"}
"""
    assert (
        of_mlproject(project(tmp_path, text)).text
        == f"""\
# About all of it.

version: 1
name: p
scripts: true
environment:
  system: true
  inherit: [MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, MLFLOW_EXPERIMENT_ID, MLFLOW_RUN_ID]
# broken cannot be run, and is left out: {tmp_path}/MLproject:11:21: {{x}} is no parameter
entry_points:
  # Fits a model.
  main:
    parameters:
      # How fast.
      # of all
      rate: {{type: float, check: false, default: "0.5"}}
    # Run it.
    command: "run {{rate}} # no comment"
    shell: format
    undeclared: append
"""
    )


@pytest.mark.parametrize("name", UNSAYABLE)
def test_names_that_cannot_be_said_are_told(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        of_mlproject(Path(__file__).parent / "mlprojects" / name)
    assert "says what no ProjectSpec.yaml can" in str(caught.value)


@given(st.text(max_size=30))
def test_every_text_is_written_as_it_is(text: str) -> None:
    assume(not unfit(text))
    made = as_yaml({"a": text, "b": [text], "c": {"d": {"e": text}}}, {})
    assert document.read(made, "x").value == {"a": text, "b": [text], "c": {"d": {"e": text}}}
