"""The lab under attack: JupyterLab without its token, sshd without a key, root anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import first_day
from tests.image.engine import Compose, address, docker, http, inspected, logs, run, ssh, wait_healthy

pytestmark = pytest.mark.image
TOKEN_FILE = "/home/aisle/.aisle/jupyter_token"  # noqa: S105 - where, not what


@pytest.fixture(scope="module")
def jupyter(team: Compose) -> str:
    host, port = address(team.container("lab"), 8888)
    return f"http://{host}:{port}"


@pytest.fixture(scope="module")
def sshd(team: Compose) -> tuple[str, int]:
    return address(team.container("lab"), 22)


@pytest.mark.parametrize("path", ["/api/contents", "/api/kernels", "/api/terminals", "/lab/api/settings"])
def test_without_the_token_nothing_is_told_and_with_it_everything(team: Compose, jupyter: str, path: str) -> None:
    token = team.do("lab", "cat", TOKEN_FILE)
    told = {header: http(jupyter + path, Authorization=f"token {header}")[0] for header in ("", "0" * 48, token[:-1], token)}
    assert http(jupyter + path)[0] == 403
    assert list(told.values()) == [403, 403, 403, 200]
    assert http(f"{jupyter}{path}?token={'0' * 48}")[0] == 403


def test_a_notebook_is_not_shown_to_whoever_guesses_its_address(team: Compose, jupyter: str) -> None:
    """A page for people answers with the form that asks for the token."""
    place, token = f"{jupyter}/files/notebooks/baseline.ipynb", team.do("lab", "cat", TOKEN_FILE)
    assert "From a log to a first comparison" not in http(place)[1]
    assert "From a log to a first comparison" in http(place, Authorization=f"token {token}")[1]


def test_a_token_cannot_start_a_kernel_by_being_wrong(jupyter: str) -> None:
    assert http(f"{jupyter}/api/kernels", {"name": "python3"}, Authorization="token wrong")[0] == 403
    assert http(f"{jupyter}/api/terminals", {}, Authorization="token wrong")[0] == 403


def test_the_token_is_strong_kept_for_its_owner_alone_and_printed_once(team: Compose) -> None:
    token = team.do("lab", "cat", TOKEN_FILE)
    assert re.fullmatch("[0-9a-f]{48}", token)
    assert team.do("lab", "stat", "-c", "%a %U", TOKEN_FILE) == "600 aisle"
    assert logs(team.container("lab")).count(token) == 1
    team("restart", "lab")
    wait_healthy(team.container("lab"))
    assert team.do("lab", "cat", TOKEN_FILE) == token
    assert logs(team.container("lab")).count(token) == 1


def test_no_token_stands_on_a_command_line_or_in_the_environment_of_a_session(team: Compose, keys: Path) -> None:
    token = team.do("lab", "cat", TOKEN_FILE)
    seen = team.do("lab", "bash", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert token not in seen
    assert token not in ssh(address(team.container("lab"), 22), "env", key=keys / "ours").stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("-e", "JUPYTER_TOKEN="), "the token has 0 characters"),
        (("-e", "JUPYTER_TOKEN=short"), "the token has 5 characters"),
        (("-e", "JUPYTER_TOKEN_FILE=/nowhere"), "cannot be read"),
        (("-e", "JUPYTER_PASSWORD_HASH="), "no hash of a password"),
        (("-e", "SSH_PUBLIC_KEY=-----BEGIN OPENSSH PRIVATE KEY-----"), "a private key was given"),
        (("-e", "SSH_PUBLIC_KEY=ssh-ed25519 nonsense"), "no public key that ssh-keygen can read"),
        (("--read-only",), "cannot be written"),
    ],
)
def test_what_would_leave_it_open_or_lame_is_refused_at_the_start(lab_image: str, given: tuple[str, ...], said: str) -> None:
    ended = run("docker", "run", "--rm", *given, lab_image, check=False)
    assert ended.returncode == 1
    assert said in ended.stderr


@pytest.mark.parametrize("how", ["--IdentityProvider.token=", "--ServerApp.token=", "--PasswordIdentityProvider.token="])
def test_whoever_empties_the_token_on_the_command_line_gets_no_server(lab_image: str, how: str) -> None:
    words = ("run", "--rm", lab_image, "timeout", "60", "jupyter", "lab", "--config=/etc/jupyter/jupyter_server_config.py", how)
    ended = run("docker", *words, check=False)
    assert ended.returncode not in (0, 124)
    assert "refused to start JupyterLab without a token" in ended.stderr


def test_a_given_token_is_the_one_and_a_given_password_takes_its_place(lab_image: str, containers: list[str]) -> None:
    token = "a-token-of-our-own-choice"  # noqa: S105
    hashed = docker(
        "run", "--rm", lab_image, "python", "-c", "from jupyter_server.auth import passwd; print(passwd('open sesame'))"
    )
    for variable in (f"JUPYTER_TOKEN={token}", f"JUPYTER_PASSWORD_HASH={hashed}"):
        containers.append(docker("run", "--detach", "--publish", "127.0.0.1::8888", "-e", variable, lab_image))
        wait_healthy(containers[-1])
    told = []
    for container in containers:
        host, port = address(container, 8888)
        told.append(http(f"http://{host}:{port}/api/contents", Authorization=f"token {token}")[0])
        assert http(f"http://{host}:{port}/api/contents")[0] == 403
        assert token not in logs(container)
    assert told == [200, 403]


def test_ssh_lets_the_right_key_in_and_nobody_else(sshd: tuple[str, int], keys: Path) -> None:
    right = ssh(sshd, "id", "-un", key=keys / "ours")
    assert (right.returncode, right.stdout.strip()) == (0, "aisle")
    attacks = {
        "unknown key": ssh(sshd, "id", key=keys / "strange"),
        "root with the right key": ssh(sshd, "id", user="root", key=keys / "ours"),
        "no key": ssh(sshd, "id"),
        "another user": ssh(sshd, "id", user="daemon", key=keys / "ours"),
    }
    for attack, ended in attacks.items():
        assert ended.returncode == 255, attack
        # The only way that the server offers: no password, no prompt.
        assert "Permission denied (publickey)" in ended.stderr, (attack, ended.stderr)


def test_ssh_passes_on_no_port_of_other_machines_and_no_agent(team: Compose) -> None:
    said = team.do("lab", "/usr/sbin/sshd", "-T")
    assert "permitopen localhost:* 127.0.0.1:*" in said
    wanted = ("passwordauthentication no", "permitrootlogin no", "kbdinteractiveauthentication no", "x11forwarding no")
    assert [
        line for line in (*wanted, "allowagentforwarding no", "gatewayports no", "usepam no") if line not in said.splitlines()
    ] == []


def test_an_ssh_session_finds_what_a_notebook_finds(sshd: tuple[str, int], keys: Path) -> None:
    for words in (("aisle", "--version"), ("bash", "-lc", "'aisle --version'")):
        assert ssh(sshd, *words, key=keys / "ours").stdout.startswith("aisle, version")


def test_a_key_gets_in_by_a_mounted_file_and_by_the_terminal(lab_image: str, keys: Path, containers: list[str]) -> None:
    mounted = f"{keys / 'ours.pub'}:/etc/aisle/authorized_keys:ro"
    containers.append(docker("run", "--detach", "--publish", "127.0.0.1::22", "--volume", mounted, lab_image))
    wait_healthy(containers[0])
    where = address(containers[0], 22)
    assert ssh(where, "true", key=keys / "ours").returncode == 0
    assert ssh(where, "true", key=keys / "strange").returncode == 255
    typed = f"echo '{(keys / 'strange.pub').read_text().strip()}' >> ~/.ssh/authorized_keys"
    docker("exec", containers[0], "bash", "-c", typed)
    assert ssh(where, "true", key=keys / "strange").returncode == 0
    docker("restart", containers[0])
    wait_healthy(containers[0])
    assert ssh(address(containers[0], 22), "true", key=keys / "strange").returncode == 0


def test_ssh_audit_finds_no_failure(sshd: tuple[str, int]) -> None:
    found = run("ssh-audit", "--json", "--port", str(sshd[1]), sshd[0], check=False)
    report = json.loads(found.stdout)
    algorithms = [row for kind in ("kex", "key", "enc", "mac") for row in report[kind]]
    assert len(algorithms) >= 6
    assert [row for row in algorithms if row["notes"].get("fail")] == []
    assert report["cves"] == []


def test_no_process_is_root_and_none_can_become_it(team: Compose) -> None:
    container = team.container("lab")
    who = {row.split()[0] for row in docker("top", container, "-eo", "uid,pid,comm").splitlines()[1:]}
    assert who == {"1000"}
    status = team.do("lab", "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert inspected(container)["HostConfig"]["ReadonlyRootfs"]
    assert team("exec", "--no-TTY", "lab", "bash", "-c", "touch /opt/aisle/x || touch /etc/x || echo no", check=False) == "no"


def test_the_memory_limit_holds(team: Compose) -> None:
    assert inspected(team.container("lab"))["HostConfig"]["Memory"] == 3 * 2**30


def test_teams_start_it_exactly_so(lab_image: str, containers: list[str], keys: Path) -> None:
    """As the README says, without --gpus all: there is none here."""
    start, ask_for_the_token = (line for line in first_day.commands() if line.startswith(("docker run ", "docker logs ")))
    docker("tag", lab_image, "pytorch-cuda:v2.7")
    containers.append(run(*start.replace(" --gpus all ", " ").split()).stdout.strip())
    wait_healthy("rec-env")
    assert http("http://127.0.0.1:8888/api/contents")[0] == 403
    token = docker("exec", "rec-env", "cat", TOKEN_FILE)
    assert f": {token}\n" in run("bash", "-c", ask_for_the_token).stdout
    assert http("http://127.0.0.1:8888/api/contents", Authorization=f"token {token}")[0] == 200
    assert "no public key yet" in logs("rec-env")
    assert ssh(("127.0.0.1", 2222), "true", key=keys / "ours").returncode == 255
    mounts = {mount["Destination"] for mount in inspected("rec-env")["Mounts"]}
    assert {
        "/home/aisle",
        "/workspace",
        *(f"/workspace/{name}" for name in ("notebooks", "checkpoints", "logs", "data")),
    } == mounts
