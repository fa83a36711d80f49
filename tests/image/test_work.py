"""The first day, inside: the notebook, the doctor, a training run, a bundle, and the service that answers from it."""

from __future__ import annotations

import json
import re

import pytest

from tests import first_day
from tests.image.engine import Compose, address, docker, http, inspected, logs

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def bundle(team: Compose) -> str:
    """A bundle on the volume of checkpoints, made in the containers: trained by the job, exported in the lab."""
    shop = "--users 400 --items 120 --events 9000 --seed 5 --out data/shop"
    team.do(
        "lab",
        "bash",
        "-c",
        f"aisle simulate {shop} && aisle prepare data/shop/events.parquet --items data/shop/items.parquet --out data/dataset",
    )
    train = ("aisle", "train", "data/dataset", "--recipe", "ncf", "--out", "runs/ncf", "--quiet")
    team("run", "--rm", "--no-TTY", "train", *train)
    team.do("lab", "aisle", "export", "runs/ncf", "--out", "runs/bundle", "--data-note", "simulated")
    assert "ok" in team.do("lab", "aisle", "verify", "runs/bundle").lower()
    return "runs/bundle"


@pytest.fixture(scope="module")
def service(team: Compose, bundle: str) -> tuple[str, str]:
    """Address and key of the serve container, whose first start made and printed the key."""
    assert bundle
    team("--profile", "serve", "up", "--detach", "--wait", "serve")
    container = team.container("serve")
    key = re.search(r"an API key, shown this once .*: (\S+)", logs(container))
    assert key is not None, logs(container)
    host, port = address(container, 8000)
    return f"http://{host}:{port}", key[1]


def test_the_baseline_notebook_runs_from_its_first_cell_to_its_last_and_then_again(team: Compose) -> None:
    team.do("lab", "bash", "-c", "cd notebooks && jupyter-execute baseline.ipynb --output /workspace/logs/done.ipynb")
    done = json.loads(team.do("lab", "cat", "/workspace/logs/done.ipynb"))
    cells = [cell for cell in done["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    (reproduce,) = [words for words in first_day.of_aisle() if words[0] == "reproduce"]
    assert "identical: " in team.do("lab", "aisle", *reproduce)
    team.do("lab", "rm", "-rf", "/workspace/runs/notebook")


def test_the_doctor_finds_nothing_wrong_in_the_lab(team: Compose) -> None:
    found = json.loads(team.do("lab", "aisle", "doctor", "--json"))
    assert [row for row in found["findings"] if row["severity"] == "error"] == []


def test_the_service_answers_who_has_the_key_and_nobody_else(service: tuple[str, str]) -> None:
    url, key = service
    question = {"user_id": "u0000017", "k": 5}
    assert http(f"{url}/v1/recommend", question)[0] == 401
    assert http(f"{url}/v1/recommend", question, Authorization="Bearer wrong")[0] == 401
    status, text = http(f"{url}/v1/recommend", question, Authorization=f"Bearer {key}")
    assert status == 200
    assert len(json.loads(text)["items"]) == 5


def test_the_service_is_not_root_cannot_write_its_root_and_has_no_torch(team: Compose, service: tuple[str, str]) -> None:
    container = team.container("serve")
    assert service
    assert {row.split()[0] for row in docker("top", container, "-eo", "uid,pid,comm").splitlines()[1:]} == {"1000"}
    assert inspected(container)["HostConfig"]["ReadonlyRootfs"]
    assert re.search(r"^CapBnd:\s+0+$", team.do("serve", "cat", "/proc/1/status"), re.MULTILINE)
    assert team("exec", "--no-TTY", "serve", "sh", "-c", "touch /opt/aisle/x /bundle/x || echo no", check=False) == "no"
    assert team("exec", "--no-TTY", "serve", "python", "-c", "import torch", check=False) == ""


def test_the_key_is_kept_as_a_hash_and_still_opens_after_a_restart(team: Compose, service: tuple[str, str]) -> None:
    key = service[1]
    assert key not in team.do("serve", "cat", "/state/keys.json")
    assert team.do("serve", "stat", "-c", "%a", "/state/keys.json") == "600"
    team("restart", "serve")
    team("--profile", "serve", "up", "--detach", "--wait", "serve")
    host, port = address(team.container("serve"), 8000)
    assert http(f"http://{host}:{port}/v1/recommend", {"user_id": "u0000017"}, Authorization=f"Bearer {key}")[0] == 200
    assert logs(team.container("serve")).count(key) == 1


def test_the_service_runs_in_the_lab_too(team: Compose, bundle: str) -> None:
    script = (
        f"aisle serve {bundle} --port 8001 > /tmp/serve.log 2>&1 & pid=$!; "
        "for _ in $(seq 300); do curl=$(python -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8001/health/ready\").status)'"
        " 2>/dev/null) && break; sleep 0.2; done; kill $pid; wait $pid; echo $curl"
    )
    assert team.do("lab", "bash", "-c", script).splitlines()[-1] == "200"


def test_the_cap_of_gpu_memory_reaches_the_process_and_nonsense_ends_it(team: Compose, bundle: str) -> None:
    assert bundle
    words = ("aisle", "train", "data/dataset", "--recipe", "ncf", "--out", "runs/capped", "--quiet")
    said = team(
        "run", "--rm", "--no-TTY", "-e", "AISLE_GPU_MEMORY=much", "train", "bash", "-c", " ".join(words) + " 2>&1 || true"
    )
    assert "E511" in said
