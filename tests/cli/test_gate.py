"""`aisle gate`: what may take the place of the bundle in production, and what stops."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from aisle.bundle.manifest import SEALS, About, parse_manifest, write_manifest
from aisle.bundle.signature import make_key
from aisle.cli.main import aisle
from aisle.errors import AisleError
from aisle.evaluate.evaluation import Evaluation
from aisle.evaluate.results import save_evaluation
from aisle.registry.registry import Registry
from tests.registry.bundles import make_bundle


def measured(*values: float, cases: str = "the same") -> Evaluation:
    """An evaluation of as many shoppers as values of NDCG@10 are given."""
    value_C = np.array(values)
    return Evaluation(
        protocol={"ranking": "full", "cases_sha256": cases},
        user=np.arange(len(value_C), dtype=np.int32),
        metrics={"NDCG@10": value_C},
        means={"NDCG@10": float(value_C.mean())},
        intervals={"NDCG@10": (0.0, 1.0)},
        aggregates={},
        counts={"cases": len(value_C), "users": len(value_C), "targets": len(value_C)},
        slices=(),
        settings={"k": [10], "resamples": 1000, "seed": 0, "confidence": 0.95},
    )


def run_folder(folder: Path, evaluation: Evaluation) -> str:
    save_evaluation(evaluation, folder / "test")
    return str(folder)


def promote(tmp_path: Path, evaluation: Evaluation | None) -> str:
    """Put a bundle with these test results into production and return the registry."""
    bundle = tmp_path / "bundle"
    make_bundle(bundle)
    if evaluation is not None:
        manifest = parse_manifest((bundle / "manifest.json").read_bytes(), bundle)
        save_evaluation(evaluation, bundle / "test")
        for name in SEALS:
            (bundle / name).unlink(missing_ok=True)
        write_manifest(bundle, About(**{name: getattr(manifest, name) for name in About.model_fields}))
    registry = Registry(str(tmp_path / "registry"))
    registry.promote(registry.publish(bundle).id)
    return registry.url


def gate(*arguments: str) -> Result:
    return CliRunner().invoke(aisle, ["gate", *arguments], catch_exceptions=False)


def test_a_better_run_passes_and_a_worse_one_stops_with_12(tmp_path: Path) -> None:
    registry = promote(tmp_path, measured(0.2, 0.4, 0.6, 0.8))  # mean 0.5
    better = run_folder(tmp_path / "better", measured(0.3, 0.4, 0.6, 0.8))  # mean 0.525
    worse = run_folder(tmp_path / "worse", measured(0.1, 0.4, 0.6, 0.8))  # mean 0.475
    passed, stopped = gate(better, "--against", registry), gate(worse, "--against", registry)
    assert (passed.exit_code, stopped.exit_code) == (0, 12)
    assert passed.stdout.startswith(f"passed: NDCG@10 of {better} is 0.5250")
    assert "+0.0250" in passed.stdout
    assert stopped.stdout == ""
    assert stopped.stderr.startswith("stopped: NDCG@10")
    assert "-0.0250" in stopped.stderr


def test_the_same_model_again_stops_and_a_margin_lets_it_pass(tmp_path: Path) -> None:
    registry = promote(tmp_path, measured(0.2, 0.4, 0.6, 0.8))
    same = run_folder(tmp_path / "same", measured(0.2, 0.4, 0.6, 0.8))
    assert gate(same, "--against", registry).exit_code == 12
    assert gate(same, "--against", registry, "--margin", "0").exit_code == 12
    assert gate(same, "--against", registry, "--margin", "0.001").exit_code == 0


def test_json_says_all_of_it_also_where_it_stops(tmp_path: Path) -> None:
    registry = promote(tmp_path, measured(0.5, 0.5))
    worse = run_folder(tmp_path / "worse", measured(0.4, 0.5))
    result = gate(worse, "--against", registry, "--json")
    about = json.loads(result.stdout)
    assert result.exit_code == 12
    assert (about["passed"], about["cases"], about["channel"]) == (False, 2, "production")
    assert about["bundle"] == Registry(registry).current()
    assert about["difference"]["difference"] == pytest.approx(-0.05)


def test_the_first_run_passes_and_says_why(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", measured(0.1))
    result = gate(run, "--against", str(tmp_path / "registry"))
    assert result.exit_code == 0
    assert "serves nothing yet" in result.stdout
    about = json.loads(gate(run, "--against", str(tmp_path / "registry"), "--json").stdout)
    assert (about["passed"], about["bundle"]) == (True, None)


def test_each_channel_is_asked_for_itself(tmp_path: Path) -> None:
    registry = promote(tmp_path, measured(0.5, 0.5))
    worse = run_folder(tmp_path / "worse", measured(0.4, 0.5))
    assert gate(worse, "--against", registry, "--channel", "trial").exit_code == 0


@pytest.mark.parametrize("served", [None, dataclasses.replace(measured(0.5), protocol={"cases_sha256": "others"})])
def test_other_questions_are_refused_by_name(tmp_path: Path, served: Evaluation | None) -> None:
    registry = promote(tmp_path, served)
    run = run_folder(tmp_path / "run", measured(0.5))
    with pytest.raises(AisleError, match=r"different questions \((cases_sha256|the bundle carries no test)") as caught:
        gate(run, "--against", registry)
    assert caught.value.code == "E047"
    assert "--allow-new-data" in caught.value.hint


def test_the_bundle_is_kept_where_a_cache_is_named(tmp_path: Path) -> None:
    registry = promote(tmp_path, measured(0.5))
    gate(run_folder(tmp_path / "run", measured(0.6)), "--against", registry, "--cache", str(tmp_path / "cache"))
    assert (tmp_path / "cache" / str(Registry(registry).current()) / "manifest.json").is_file()


def test_a_bundle_that_is_not_signed_by_the_key_is_not_judged_against_also_where_its_copy_is_there(tmp_path: Path) -> None:
    registry = promote(tmp_path, measured(0.5))
    arguments = (run_folder(tmp_path / "run", measured(0.6)), "--against", registry, "--cache", str(tmp_path / "cache"))
    assert gate(*arguments).exit_code == 0
    for key, env in ((("--public-key", str(make_key(tmp_path / "key"))), {}), ((), {"AISLE_PUBLIC_KEY": f"{tmp_path}/key.pub"})):
        with pytest.raises(AisleError) as caught:
            CliRunner().invoke(aisle, ["gate", *arguments, *key], catch_exceptions=False, env=env)
        assert caught.value.code == "E010"
