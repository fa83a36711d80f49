"""Making a service: which models, and no bundle answers that does not answer as it did at export."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.bundle.manifest import About, parse_manifest, write_manifest
from aisle.errors import AisleError
from aisle.schema.events import Event
from aisle.serve.opening import events_config, make_service, open_tried
from aisle.serve.settings import Settings
from tests.serve.fakes import running


def test_the_bundle_answers_first_and_the_others_by_name(bundle_of: Callable[[str], Path]) -> None:
    service = make_service(Settings(watch_s=0), str(bundle_of("popularity")), [f"knn={bundle_of('item-knn')}"])
    assert [slot.name for slot in service.slots] == ["main", "knn"]
    with running(service) as client:
        told = [client.recommend(user_id="u0000017", **body).json() for body in ({}, {"model": "knn"})]
    assert [one["model"] for one in told] == ["popularity", "item-knn"]
    assert [slot.name for slot in make_service(Settings(), None, ["knn=somewhere"]).slots] == ["knn"]


@pytest.mark.parametrize("models", [[], ["knn"], ["=x"], ["knn="], ["a=x", "a=y"], ["main=x"]])
def test_a_model_needs_a_name_of_its_own_and_a_bundle(models: list[str]) -> None:
    with pytest.raises(AisleError) as error:
        make_service(Settings(), None if models != ["main=x"] else "bundle", models)
    assert error.value.code == "E082"


def test_a_bundle_that_answers_otherwise_than_at_export_is_refused(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_of("item-knn"), folder)
    golden = json.loads((folder / "golden.json").read_text())
    golden[0]["answer"]["items"].reverse()
    (folder / "golden.json").write_text(json.dumps(golden))
    manifest = parse_manifest((folder / "manifest.json").read_bytes(), folder)
    write_manifest(folder, About(**{name: getattr(manifest, name) for name in About.model_fields}))
    with pytest.raises(AisleError, match="1 of 16 golden requests") as error:
        open_tried(folder)
    assert error.value.code == "E017"


def test_a_lifetime_given_holds_for_every_kind_of_event() -> None:
    config = events_config(Settings(events_days=2, max_impressions=7))
    assert {config.lifetime_us(event) for event in Event} == {2 * 86_400_000_000}
    assert (config.served_days, config.queue_served) == (2, 7)
    assert events_config(Settings()).lifetime_days[Event.impression] == 90


def test_events_days_is_the_life_of_sessions_too() -> None:
    assert events_config(Settings(events_days=7)).session_days == 7
