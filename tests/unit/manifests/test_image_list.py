"""images/images.yaml says all that a build reads; the images run as nobody in particular, under an init or as one."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.unit.manifests.rendering import REPOSITORY, Manifest

from icefield_cluster import jars

LIST: list[Manifest] = yaml.safe_load((REPOSITORY / "images" / "images.yaml").read_text())["images"]
IMAGES = [pytest.param(image, id=image["name"]) for image in LIST]
UNDER_AN_INIT = {"operator", "apiserver", "runtime", "postgres", "catalog", "warehouse"}
SANDBOXES = {"polars", "polars-cloud"}
OUR_PROGRAMS = {"operator", "apiserver", "warehouse"} | SANDBOXES


def _instructions(image: Manifest) -> list[tuple[str, str]]:
    text = (REPOSITORY / "images" / image["name"] / "Dockerfile").read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def _copied(image: Manifest) -> set[str]:
    copies = (rest for word, rest in _instructions(image) if word in {"COPY", "ADD"} and "--from=" not in rest)
    return {re.sub(r"--\S+ ", "", rest).split()[0] for rest in copies}


def test_every_dockerfile_is_listed() -> None:
    assert {image["name"] for image in LIST} == {path.parent.name for path in REPOSITORY.glob("images/*/Dockerfile")}


@pytest.mark.parametrize("image", IMAGES)
def test_what_a_build_copies_is_an_input_and_the_other_way_round(image: Manifest) -> None:
    inputs = {glob.removesuffix("/**") for glob in image.get("inputs", [])}
    programs = {f"bin/{program}" for program in image.get("programs", [])}
    made = {"base.tar"} if "debian" in image else set()
    if "jars" in image:
        made |= {"jars", "classes"} if jars.source_files(image["jars"]) else {"jars"}
    assert _copied(image) == inputs | programs | made
    assert all(Path(REPOSITORY, path).exists() for path in inputs)


@pytest.mark.parametrize("image", IMAGES)
def test_only_images_with_a_base_take_the_argument(image: Manifest) -> None:
    assert (("ARG", "BASE") in _instructions(image)) == image.get("base", False)


@pytest.mark.parametrize("image", [image for image in IMAGES if image.id != "base"])
def test_the_last_user_is_a_number(image: Manifest) -> None:
    assert [rest for word, rest in _instructions(image) if word == "USER"] == ["65532:65532"]


@pytest.mark.parametrize("image", [image for image in IMAGES if image.id in UNDER_AN_INIT | SANDBOXES])
def test_the_user_has_a_name(image: Manifest) -> None:
    """Where it has none, getpass.getuser() raises, and with it whatever asks who is running it."""
    assert any("icefield:x:65532:65532:" in rest and "/etc/passwd" in rest for _, rest in _instructions(image))


@pytest.mark.parametrize("image", [image for image in IMAGES if image.id in UNDER_AN_INIT])
def test_programs_of_ours_run_under_tini(image: Manifest) -> None:
    (entrypoint,) = (json.loads(rest) for word, rest in _instructions(image) if word == "ENTRYPOINT")
    assert entrypoint[0] == "/usr/bin/tini"


@pytest.mark.parametrize("image", [image for image in IMAGES if image.id in SANDBOXES])
def test_a_sandbox_is_pid_1_itself(image: Manifest) -> None:
    """A signal of what it runs cannot end PID 1, and PID 1 can end all that runs."""
    assert ("ENTRYPOINT", '["python", "-m", "icefield_engines.polars"]') in _instructions(image)
    assert not any("tini" in rest for _, rest in _instructions(image))


@pytest.mark.parametrize("image", [image for image in IMAGES if image.id in OUR_PROGRAMS])
def test_programs_of_ours_compile_nothing_when_they_start(image: Manifest) -> None:
    words = [word for word, _ in _instructions(image)]
    compiled = [number for number, (_, rest) in enumerate(_instructions(image)) if "-m compileall" in rest]
    assert compiled[-1] > max(number for number, word in enumerate(words) if word == "COPY")
    assert words.index("USER") > compiled[-1]
    assert not any("--no-compile" in rest for _, rest in _instructions(image))


@pytest.mark.parametrize("image", [image for image in IMAGES if image.id in OUR_PROGRAMS])
def test_a_change_of_code_rebuilds_only_what_copies_it(image: Manifest) -> None:
    instructions = _instructions(image)
    first = next(number for number, (word, rest) in enumerate(instructions) if word == "COPY" and "icefield_" in rest)
    copies = [rest for word, rest in instructions[first:] if word == "COPY"]
    assert all("icefield_" in rest for rest in copies)
    others = [entry for entry in instructions[first + len(copies) :] if entry[0] not in {"USER", "ENTRYPOINT", "CMD"}]
    assert others == [("RUN", "python -m compileall -q .")]


@pytest.mark.parametrize("name", ["operator", "apiserver", "runtime", "warehouse", "polars", "polars-cloud"])
def test_every_dependency_is_locked_by_hash(name: str) -> None:
    lock = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    blocks = [block for block in re.split(r"\n(?=[a-z])", lock) if "==" in block]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_client_of_polars_cloud_gets_the_polars_that_it_wants() -> None:
    pinned = dict(
        re.findall(r"^([a-z][\w-]*)==(\S+)", (REPOSITORY / "requirements" / "polars-cloud.txt").read_text(), re.M)
    )
    assert (pinned["polars-cloud"], pinned["polars"], pinned["polars-runtime-64"]) == ("0.12.0", "2.0.0", "2.0.0")


def test_both_sandboxes_have_the_same_but_for_polars() -> None:
    """They run one program."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = set(project["optional-dependencies"]["polars"])
    cloud = set((REPOSITORY / "requirements" / "polars-cloud.in").read_text().splitlines())
    assert {pin.split("==")[0] for pin in extra - cloud} == {"polars"}


@pytest.mark.parametrize("name", ["catalog", "warehouse"])
def test_every_jar_is_locked_by_hash(name: str) -> None:
    locked = jars.locked_jars(name)
    assert locked
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in locked)
    wanted = set(re.findall(r"<artifactId>([\w.-]+)</artifactId>", jars.POMS[name].read_text())) - {name}
    assert wanted <= {jar.coordinates.split(":")[1] for jar in locked}
