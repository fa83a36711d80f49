"""What survives: a restart of a container, and its replacement by another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.image.engine import Compose

pytestmark = pytest.mark.image
PLACES = ("/home/aisle", "/workspace", "/workspace/notebooks", "/workspace/checkpoints", "/workspace/logs", "/workspace/data")
NOT_KEPT = "/run/aisle"
KEPT = ("/home/aisle/.aisle/jupyter_token", "/home/aisle/.aisle/ssh_host_ed25519_key.pub")


@pytest.fixture
def marked(team: Compose) -> Iterator[str]:
    """The container before; a file of ours lies on each volume, and one where nothing is kept."""
    for place in (*PLACES, NOT_KEPT):
        team.do("lab", "bash", "-c", f"echo kept > {place}/mark.txt")
    yield team.container("lab")
    team.do("lab", "bash", "-c", " ".join(["rm", "-f", *(f"{place}/mark.txt" for place in PLACES)]))


def told(team: Compose) -> list[str]:
    return [team.do("lab", "cat", f"{place}/mark.txt") for place in PLACES]


def test_every_volume_survives_a_restart(team: Compose, marked: str) -> None:
    team("restart", "lab")
    team("up", "--detach", "--wait", "lab")
    assert team.container("lab") == marked
    assert told(team) == ["kept"] * len(PLACES)


def test_every_volume_survives_replacement_and_so_do_token_and_host_key(team: Compose, marked: str) -> None:
    before = [team.do("lab", "cat", file) for file in KEPT]
    team("up", "--detach", "--wait", "--force-recreate", "lab")
    assert team.container("lab") != marked
    assert told(team) == ["kept"] * len(PLACES)
    assert [team.do("lab", "cat", file) for file in KEPT] == before
    assert team.do("lab", "bash", "-c", f"ls {NOT_KEPT}/mark.txt 2>/dev/null || echo gone") == "gone"


def test_a_run_of_the_train_job_is_seen_in_the_lab_and_by_the_service(team: Compose) -> None:
    team("run", "--rm", "--no-TTY", "train", "bash", "-c", "echo weights > runs/mark.txt")
    assert team.do("lab", "cat", "/workspace/runs/mark.txt") == "weights"
    assert team("run", "--rm", "--no-TTY", "serve", "bash", "-c", "cat /checkpoints/mark.txt") == "weights"
    assert team("run", "--rm", "--no-TTY", "serve", "bash", "-c", "touch /checkpoints/x || echo no", check=False).endswith("no")
    team.do("lab", "rm", "/workspace/runs/mark.txt")
