"""JupyterHub before the labs, started for real against an OpenID Connect provider: who comes in, and who does not."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.image.browser import Person
from tests.image.conftest import ROOT
from tests.image.engine import Compose, docker, inspected, logs, remove_containers

pytestmark = pytest.mark.image
SECRET = "a-client-secret-of-the-tests"  # noqa: S105
ADA, BOB = "ada@shop.example", "bob@shop.example"
REFUSED = (401, 403, 404)


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def home(name: str) -> str:
    """Where a person's server is."""
    return f"/user/{name}"


@pytest.fixture(scope="module")
def hub(hub_image: str, lab_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The hub of image/compose.hub.yaml beside a provider that signs in whoever types a name; the list names Ada and Bob."""
    secret = tmp_path_factory.mktemp("hub") / "secret"
    secret.write_text(SECRET + "\n")
    socket_path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    port, provider_port, name = free_port(), free_port(), f"aisle-hub-test-{os.getpid()}"
    settings = {
        "HUB_IMAGE": hub_image,
        "LAB_IMAGE": lab_image,
        "LAB_MEMORY": "2gb",
        "HUB_PORT": port,
        "HUB_NETWORK": name,
        "HUB_PREFIX": name,
        "HUB_PLAIN_HTTP": "yes",
        "HUB_ALLOWED_USERS": f"{ADA}, {BOB}",
        "DOCKER_SOCKET": socket_path,
        "DOCKER_GROUP": str(Path(socket_path).stat().st_gid),
        "OAUTH_CLIENT_ID": "the-hub",
        "OAUTH_CLIENT_SECRET_FILE": str(secret),
        "OAUTH_CALLBACK_URL": f"http://127.0.0.1:{port}/hub/oauth_callback",
        "OAUTH2_AUTHORIZE_URL": f"http://127.0.0.1:{provider_port}/auth",
        "OAUTH2_TOKEN_URL": "http://provider:9000/token",
        "OAUTH2_USERDATA_URL": "http://provider:9000/me",
        "OAUTH2_USERNAME_KEY": "email",
        "PROVIDER_PORT": provider_port,
        "PROVIDER_SECRET": SECRET,
        "PROVIDER_FOLDER": os.environ["TEST_PROVIDER"],
    }
    files = (ROOT / "image" / "compose.hub.yaml", ROOT / "ci" / "image" / "provider" / "compose.yaml")
    compose = Compose(name, files, settings)
    try:
        compose("up", "--detach", "--wait")
        yield compose
    finally:
        remove_containers(docker("ps", "--all", "--quiet", "--filter", f"name={name}-").splitlines())
        compose("down", "--volumes", "--timeout", "10")
        for volume in docker("volume", "ls", "--quiet", "--filter", f"name={name}-").splitlines():
            docker("volume", "rm", volume)


@pytest.fixture(scope="module")
def stranger(hub: Compose) -> Iterator[Callable[[], Person]]:
    """Makes people who are signed in nowhere."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(Person(f"http://127.0.0.1:{hub.settings['HUB_PORT']}")))


@pytest.fixture(scope="module")
def ada(stranger: Callable[[], Person]) -> Person:
    """Signed in, with her server running."""
    person = stranger()
    assert person.sign_in("ada").status_code == 200
    assert person.start_server(ADA).status_code == 200
    return person


@pytest.fixture(scope="module")
def bob(stranger: Callable[[], Person]) -> Person:
    person = stranger()
    assert person.sign_in("bob").status_code == 200
    assert person.start_server(BOB).status_code == 200
    return person


def lab_of(hub: Compose, name: str) -> str:
    """The id of a person's container; empty without one."""
    return docker("ps", "--quiet", "--filter", f"name={hub.name}-{name.partition('@')[0]}")


def stop_server(person: Person, name: str) -> None:
    """Stop it, and return when the hub has seen that it is gone."""
    deadline = time.monotonic() + 120
    answer = person.client.delete(f"/hub/api/users/{name}/server", headers=person.token("/hub/"))
    assert answer.status_code in (202, 204), answer.text
    while person.get(f"/hub/api/users/{name}", **person.token("/hub/")).json()["servers"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)  # the hub has no way to wait for the end of a server but to ask again


def test_a_listed_person_who_signs_in_gets_the_lab(ada: Person) -> None:
    page = ada.get(f"{home(ADA)}/lab")
    assert page.status_code == 200
    assert page.url.path == f"/user/{ADA}/lab"
    assert "jupyter-config-data" in page.text
    specs = ada.get(f"{home(ADA)}/api/kernelspecs").json()
    assert "python3" in specs["kernelspecs"]
    names = {entry["name"] for entry in ada.get(f"{home(ADA)}/api/contents").json()["content"]}
    assert {"notebooks", "checkpoints", "logs", "data"} <= names
    assert ada.get(f"{home(ADA)}/api/contents/notebooks/baseline.ipynb").status_code == 200


def test_a_kernel_starts_and_is_listed(ada: Person) -> None:
    made = ada.client.post(f"{home(ADA)}/api/kernels", json={"name": "python3"}, headers=ada.token(f"{home(ADA)}/"))
    assert made.status_code == 201
    assert [one["id"] for one in ada.get(f"{home(ADA)}/api/kernels").json()] == [made.json()["id"]]


@pytest.mark.parametrize("name", ["eve", "unverified-ada"])
def test_who_is_not_listed_is_refused_and_gets_nothing(hub: Compose, stranger: Callable[[], Person], name: str) -> None:
    """Eve has an account at the provider; the other has one in which Ada's address is written, and not verified."""
    person = stranger()
    assert person.sign_in(name).status_code == 403
    assert "jupyterhub-hub-login" not in {cookie.name for cookie in person.client.cookies.jar}
    assert person.get(f"/hub/spawn/{name}@shop.example").url.path == "/hub/login"
    assert person.get("/hub/api/user").status_code == 403
    assert lab_of(hub, name) == ""


@pytest.mark.parametrize(
    "path", ["/lab", "/tree", "/files/notebooks/baseline.ipynb", "/api/contents", "/api/kernels", "/api/terminals"]
)
def test_without_a_login_a_running_server_tells_nothing(ada: Person, stranger: Callable[[], Person], path: str) -> None:
    assert ada.get(f"{home(ADA)}/api/status").status_code == 200
    answer = stranger().get(home(ADA) + path)
    assert answer.status_code in REFUSED or answer.url.path == "/hub/login"
    assert "From a log to a first comparison" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/hub/home",
        f"/hub/spawn/{ADA}",
        "/hub/admin",
        "/hub/token",
        "/hub/user-redirect/lab",
        "/hub/api/users",
        "/hub/api/user",
        f"/hub/api/users/{ADA}",
        "/hub/api/proxy",
        "/hub/api/info",
        "/hub/metrics",
        "/api/routes",
        "/services/",
    ],
)
def test_without_a_login_the_hub_tells_nothing(hub: Compose, stranger: Callable[[], Person], path: str) -> None:
    answer = stranger().get(path)
    assert answer.status_code in REFUSED or answer.url.path == "/hub/login"
    assert ADA not in answer.text


def test_without_a_login_nothing_is_started_or_stopped(ada: Person, hub: Compose, stranger: Callable[[], Person]) -> None:
    before = lab_of(hub, ADA)
    client = stranger().client
    assert client.post(f"/hub/api/users/{BOB}/server").status_code == 403
    assert client.delete(f"/hub/api/users/{ADA}/server").status_code == 403
    assert client.post(f"{home(ADA)}/api/kernels", json={}).status_code == 403
    assert ada.get(f"{home(ADA)}/api/status").status_code == 200
    assert lab_of(hub, ADA) == before != ""


@pytest.mark.parametrize("forgery", ["state", "no state", "code", "another's code", "another's browser", "a second time"])
def test_a_forged_answer_of_the_provider_is_refused(stranger: Callable[[], Person], forgery: str) -> None:
    person = stranger()
    answer = person.ask_provider("ada")
    if forgery == "state":
        answer = re.sub("state=[^&]*", "state=forged", answer)
    elif forgery == "no state":
        answer = re.sub("&state=[^&]*", "", answer)
    elif forgery == "code":
        answer = re.sub("code=[^&]*", "code=forged", answer)
    elif forgery == "another's code":
        code = re.search("code=[^&]*", stranger().ask_provider("bob"))
        assert code is not None
        answer = re.sub("code=[^&]*", code[0], answer)
    elif forgery == "another's browser":
        person = stranger()
    else:
        assert person.get(answer).status_code == 200
        person.client.cookies.delete("jupyterhub-hub-login", path="/hub/")
    assert person.get(answer).status_code in (400, 403)
    assert person.get("/hub/api/user").status_code == 403


def test_a_made_up_cookie_or_token_opens_nothing(ada: Person, stranger: Callable[[], Person]) -> None:
    for header in ("token " + "0" * 32, "Bearer " + "0" * 32, "Basic YWRhOmFkYQ=="):
        assert stranger().get("/hub/api/user", Authorization=header).status_code == 403
        assert stranger().get(f"{home(ADA)}/api/contents", Authorization=header).status_code == 403
    assert stranger().get(f"{home(ADA)}/api/contents?token={'0' * 32}").status_code == 403
    changed = stranger()
    for cookie in ada.client.cookies.jar:
        assert cookie.value is not None
        if cookie.name.startswith("jupyterhub-"):
            changed.client.cookies.set(cookie.name, cookie.value[:-3] + "000", domain=cookie.domain, path=cookie.path)
    assert changed.get("/hub/api/user").status_code == 403
    assert changed.get(f"{home(ADA)}/api/contents").status_code == 403


def test_one_person_is_not_let_into_the_server_of_another(bob: Person, ada: Person, hub: Compose) -> None:
    assert ada.get(f"{home(ADA)}/api/contents").status_code == 200
    for path in ("/lab", "/api/contents", "/files/notebooks/baseline.ipynb"):
        assert bob.get(home(ADA) + path).status_code == 403
    assert bob.client.delete(f"/hub/api/users/{ADA}/server", headers=bob.token("/hub/")).status_code in REFUSED
    # Nor from inside: Bob's notebook asks Ada's container, the hub and its proxy over the network that they share.
    there = inspected(lab_of(hub, ADA))["NetworkSettings"]["Networks"][hub.name]["IPAddress"]
    ask = (
        "import sys, urllib.request, urllib.error\n"
        "for url in sys.argv[1:]:\n"
        "    try: print(urllib.request.urlopen(url, timeout=20).status)\n"
        "    except urllib.error.HTTPError as error: print(error.code)\n"
        "    except OSError as error: print('no')\n"
    )
    asked = (f"http://{there}:8888{home(ADA)}/api/contents", "http://hub:8081/hub/api/users", "http://hub:8001/api/routes")
    assert docker("exec", lab_of(hub, BOB), "python", "-c", ask, *asked).split() == ["403", "403", "no"]


def test_a_lab_is_as_closed_as_without_a_hub(ada: Person, hub: Compose) -> None:
    assert ada.get(f"{home(ADA)}/api/status").status_code == 200
    lab = lab_of(hub, ADA)
    about = inspected(lab)
    assert about["HostConfig"]["ReadonlyRootfs"]
    assert about["HostConfig"]["Memory"] == 2 * 2**30
    assert about["HostConfig"]["PortBindings"] in (None, {})
    assert not any(mount["Destination"].endswith("docker.sock") for mount in about["Mounts"])
    assert {row.split()[0] for row in docker("top", lab, "-eo", "uid,pid,comm").splitlines()[1:]} == {"1000"}
    status = docker("exec", lab, "cat", "/proc/1/status")
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert docker("exec", lab, "python", "/usr/local/bin/lab-health") == ""


def test_the_client_secret_is_told_to_nobody(ada: Person, hub: Compose) -> None:
    assert ada.get(f"{home(ADA)}/api/status").status_code == 200
    container = hub.container("hub")
    told = [json.dumps(inspected(one)) for one in (container, lab_of(hub, ADA))] + [logs(container)]
    told.append(
        docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    )
    assert [text for text in told if SECRET in text] == []


def test_the_hub_is_not_root_and_cannot_write_its_root(hub: Compose) -> None:
    container = hub.container("hub")
    assert {row.split()[0] for row in docker("top", container, "-eo", "uid,pid,comm").splitlines()[1:]} == {"1000"}
    assert inspected(container)["HostConfig"]["ReadonlyRootfs"]
    assert re.search(r"^CapBnd:\s+0+$", hub.do("hub", "cat", "/proc/1/status"), re.MULTILINE)
    assert hub.do("hub", "stat", "-c", "%a", "/state/cookie_secret") == "600"


OPEN_DOOR = """
from jupyterhub.singleuser import extension
async def anybody(self, handler):
    return extension.JupyterHubUser({"name": "anybody"})
extension.JupyterHubIdentityProvider.get_user = anybody
extension.JupyterHubAuthorizer.is_authorized = lambda *_: True
"""


def test_files_stay_and_settings_of_one_s_own_open_no_door(ada: Person, hub: Compose, stranger: Callable[[], Person]) -> None:
    """A file on the volume survives the container; a configuration there that lets everybody in is not read."""
    script = 'mkdir -p ~/.jupyter; printf %s "$1" > ~/.jupyter/jupyter_server_config.py; echo kept > /workspace/logs/mark.txt'
    before = lab_of(hub, ADA)
    docker("exec", before, "bash", "-c", script, "-", OPEN_DOOR)
    stop_server(ada, ADA)
    assert ada.start_server(ADA).status_code == 200
    assert lab_of(hub, ADA) not in ("", before)
    assert docker("exec", lab_of(hub, ADA), "cat", "/workspace/logs/mark.txt") == "kept"
    assert stranger().get(f"{home(ADA)}/api/contents").status_code == 403
    assert ada.get(f"{home(ADA)}/api/contents").status_code == 200


def test_a_restart_of_the_hub_leaves_servers_and_logins_alone(ada: Person, hub: Compose) -> None:
    before = lab_of(hub, ADA)
    hub("restart", "hub")
    hub("up", "--detach", "--wait")
    assert lab_of(hub, ADA) == before != ""
    assert ada.get("/hub/home").url.path == "/hub/home"
    assert ada.get(f"{home(ADA)}/api/contents").status_code == 200


def test_who_is_taken_off_the_list_loses_server_login_and_tokens(
    ada: Person, bob: Person, hub: Compose, stranger: Callable[[], Person]
) -> None:
    """The hub is started again with a list without Bob."""
    made = bob.client.post(f"/hub/api/users/{BOB}/tokens", json={}, headers=bob.token("/hub/"))
    token = f"token {made.json()['token']}"
    assert stranger().get("/hub/api/user", Authorization=token).status_code == 200
    shorter = Compose(hub.name, hub.files, {**hub.settings, "HUB_ALLOWED_USERS": ADA})
    lab = lab_of(hub, BOB)
    assert lab != ""
    shorter("up", "--detach", "--wait")
    docker("wait", lab, check=False)
    assert lab_of(hub, BOB) == ""
    assert bob.get(f"{home(BOB)}/api/contents").status_code != 200
    assert bob.client.post(f"/hub/api/users/{BOB}/server", headers=bob.token("/hub/")).status_code in REFUSED
    assert stranger().get(f"/hub/api/users/{BOB}", Authorization=token).status_code in REFUSED
    assert stranger().sign_in("bob").status_code == 403
    assert ada.get(f"{home(ADA)}/api/contents").status_code == 200
