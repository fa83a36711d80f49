"""What is in the images, and what must not be."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from aisle import __version__
from aisle.cli.image_sbom import packages, sbom
from tests.image.conftest import named
from tests.image.engine import docker, inspected, run

pytestmark = pytest.mark.image
TARGETS = ("train", "lab", "serve")
SECRET = re.compile(
    rb"-----BEGIN (?:OPENSSH |RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64}"
    rb"|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b|\bhf_[A-Za-z0-9]{34}\b"
)
# An address with a password; programs and manuals show such as examples.
ADDRESS = re.compile(rb"://[^/\s:@]{1,64}:[^/\s:@]{6,64}@[a-z0-9-]+\.[a-z]")
EXAMPLES = (".py", ".js", ".map", ".html", ".md", ".rst", ".h", "METADATA")
SECRET_NAMES = re.compile(
    r"(^|/)(id_(rsa|ed25519|ecdsa)|ssh_host_\w+_key|\.netrc|\.pypirc|\.git-credentials|pip\.conf|jupyter_token|\.env|keys\.json)$"
)
# Places where programs keep keys of their own tests and examples, which are public.
PUBLIC = re.compile(r"/(tests?|testdata|examples?|test_data)/|/usr/share/(doc|perl)|\.pyc$")
MOST_SERVE_BYTES = 700_000_000


@pytest.fixture(scope="module", params=[*TARGETS, "hub"])
def image(request: pytest.FixtureRequest) -> str:
    return named(request.param)


@pytest.fixture(scope="module", params=TARGETS)
def with_aisle(request: pytest.FixtureRequest) -> str:
    """An image that `aisle image build` made; the hub has no aisle in it."""
    return named(request.param)


def test_no_layer_holds_a_secret_not_even_one_that_a_later_layer_removes(image: str, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), image], check=True)
    found: list[str] = []
    with tarfile.open(archive) as saved:
        manifest = json.load(saved.extractfile("manifest.json") or io.BytesIO())
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=saved.extractfile(layer)) as files:
                found += [f"{layer[:24]}: {file.name}" for file in files if _is_secret(files, file)]
        assert SECRET.search((saved.extractfile(manifest[0]["Config"]) or io.BytesIO()).read()) is None
    assert found == []


def _is_secret(files: tarfile.TarFile, file: tarfile.TarInfo) -> bool:
    if PUBLIC.search(f"/{file.name}") or not file.isfile():
        return False
    if SECRET_NAMES.search(f"/{file.name}"):
        return True
    reader = files.extractfile(file) if 0 < file.size < 200_000 else None  # keys are small; libraries are not read
    content = reader.read() if reader else b""
    return bool(SECRET.search(content) or (ADDRESS.search(content) and not file.name.endswith(EXAMPLES)))


def test_the_scan_would_find_a_secret() -> None:
    key = subprocess.run(
        ["bash", "-c", "d=$(mktemp -d); ssh-keygen -q -t ed25519 -N '' -f $d/k; cat $d/k; rm -r $d"],
        capture_output=True,
        check=True,
    )
    assert SECRET.search(key.stdout)
    assert ADDRESS.search(b"index-url = https://shop:passw0rd@pypi.example.com/simple")
    assert SECRET_NAMES.search("/etc/ssh/ssh_host_ed25519_key")


def test_nothing_can_be_written_by_everybody(image: str) -> None:
    """Neither file nor folder, but for those with the sticky bit, such as /tmp."""
    find = "find / -xdev ( -type f -o -type d ) -perm -0002 -not -perm -1000 -not -path /proc/*"
    assert docker("run", "--rm", "--user", "0", "--entrypoint", "find", image, *find.split()[1:]) == ""


def test_what_we_installed_belongs_to_root(image: str) -> None:
    words = ("run", "--rm", "--user", "0", "--entrypoint", "find", image, "/opt/aisle", "/usr/local/bin", "/etc", "-user", "1000")
    assert docker(*words) == ""


def test_the_image_is_not_started_as_root(image: str) -> None:
    assert inspected(image)["Config"]["User"] == "1000"


def test_labels_say_what_is_inside(with_aisle: str) -> None:
    labels = inspected(with_aisle)["Config"]["Labels"]
    environment = json.loads(docker("run", "--rm", "--entrypoint", "aisle", with_aisle, "env", "--json"))
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["aisle.python"] == environment["python"]
    assert labels.get("aisle.torch") == (environment.get("torch_build") or {}).get("version")
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])


def test_every_package_finds_what_it_requires(image: str) -> None:
    """`pip check` from outside, since the service has no pip; the service leaves Polars out on purpose."""
    script = (
        "import importlib.metadata as m, json, packaging.requirements as r\n"
        "def plain(name):\n"
        "    return name.lower().replace('_', '-').replace('.', '-')\n"
        "have = {plain(d.metadata['Name']): d.version for d in reversed(list(m.distributions()))}\n"
        "def short(d):\n"
        "    for one in map(r.Requirement, d.requires or ()):\n"
        "        if one.marker is None or one.marker.evaluate({'extra': ''}):\n"
        "            name = plain(one.name)\n"
        "            if name not in have or not one.specifier.contains(have[name], prereleases=True):\n"
        "                yield f\"{d.metadata['Name']} requires {one}, there is {have.get(name)}\"\n"
        "print(json.dumps([s for d in m.distributions() if '/opt/aisle/' in str(d.locate_file('')) for s in short(d)]))\n"
    )
    short = json.loads(docker("run", "--rm", "--entrypoint", "python", image, "-c", script))
    assert [line for line in short if not (image.endswith("/serve") and line.startswith("aisle requires polars"))] == []


def test_the_service_is_small_and_has_neither_torch_nor_a_compiler(serve_image: str) -> None:
    assert inspected(serve_image)["Size"] < MOST_SERVE_BYTES
    names = {name for name, _ in packages(serve_image)["pypi"]}
    assert names.isdisjoint({"torch", "triton", "polars", "jupyterlab", "onnx"})
    assert run("docker", "run", "--rm", "--entrypoint", "sh", serve_image, "-c", "command -v gcc", check=False).returncode != 0


def test_locked_versions_are_the_installed_ones(image: str) -> None:
    lock = Path(__file__).parents[2] / "image" / "locks" / f"{image.rsplit('/', 1)[1]}.txt"
    wanted = dict(line.split("==") for line in lock.read_text().splitlines() if line and not line.startswith("#"))
    there = dict(packages(image)["pypi"])
    assert {name: there.get(name) for name in wanted} == wanted


def test_the_sbom_is_valid_cyclonedx_and_names_what_is_inside(with_aisle: str) -> None:
    tools = Path(os.environ["TEST_SBOMS"])
    file = tools / f"{with_aisle.rsplit('/', 1)[1]}.cdx.json"
    check = (
        "import sys, cyclonedx.validation.json as j, cyclonedx.schema as s\n"
        "print(j.JsonStrictValidator(s.SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))"
    )
    assert run(str(tools / "tools" / "bin" / "python"), "-c", check, str(file)).stdout.strip() == "None"
    document = json.loads(file.read_text())
    assert document == sbom(with_aisle, packages(with_aisle))
    purls = {part["purl"] for part in document["components"]}
    assert f"pkg:pypi/aisle@{__version__}" in purls
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)


def test_the_same_inputs_give_the_same_files_and_versions(serve_image: str, containers: list[str]) -> None:
    """Built again from nothing: the same paths, kinds and modes. Bytes are not held to it: caches and .pyc files carry times."""
    root = Path(__file__).parents[2]
    again = f"{serve_image}-again"
    words = [word.partition("=")[::2] for word in os.environ["TEST_BUILD_ARGUMENTS"].split()]
    arguments = [part for name, value in words for part in ("--build-arg", f"{name}={value}")]
    secrets = ["--secret", f"id=ca,src={os.environ['TEST_CA']}"] if os.environ.get("TEST_CA") else []
    dockerfile = str(root / "image" / "Dockerfile")
    run("docker", "build", "--no-cache", "-f", dockerfile, "--target", "serve", "-t", again, *arguments, *secrets, str(root))
    find = (
        "/",
        "-xdev",
        "-not",
        "-path",
        "/proc/*",
        "-not",
        "-path",
        "/sys/*",
        "-not",
        "-path",
        "/dev/*",
        "-printf",
        r"%M %p %l\n",
    )
    listed = [
        sorted(docker("run", "--rm", "--user", "0", "--entrypoint", "find", one, *find).splitlines())
        for one in (serve_image, again)
    ]
    assert set(listed[0]) ^ set(listed[1]) == set()
    assert packages(serve_image) == packages(again)
    docker("image", "rm", again)
