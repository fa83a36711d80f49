"""The torch.export program of a bundle: equal to its ONNX graph, listed like every file, opened with the key alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.golden import read_golden, replay
from aisle.bundle.manifest import About, parse_manifest, write_manifest
from aisle.bundle.scorer_encoder import HistoryReader
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.bundle.signature import make_key
from aisle.errors import AisleError
from aisle.experiment.run import Run
from aisle.export.bundle import ExportConfig, export_run
from aisle.export.program import open_program, write_program
from aisle.features.histories import Histories
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.next_item import NextItem
from tests.bundle.conftest import bundle_of, run_of

__all__ = ["bundle_of", "run_of"]


@pytest.fixture(scope="module")
def signed(run_of: Callable[[str], Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A signed bundle of SASRec with its program, and the key."""
    place = tmp_path_factory.mktemp("program")
    key = make_key(place / "key")
    export_run(run_of("sasrec"), place / "bundle", ExportConfig(private_key=place / "key", golden=24, program=True))
    return place / "bundle", key


@pytest.mark.slow
def test_the_program_gives_the_states_and_the_answers_of_the_graph(signed: tuple[Path, Path]) -> None:
    folder, key = signed
    bundle = Bundle.open(folder, public_key=key)
    scorer, program = bundle.scorer, open_program(folder, key)
    assert isinstance(scorer, VectorScorer)
    assert isinstance(scorer.asker, HistoryReader)
    assert program.inputs == scorer.asker.encoder.inputs
    asker = replace(scorer.asker, encoder=program)  # type: ignore[arg-type]
    for shoppers, events in ((1, 1), (1, 20), (40, 7), (33, 20)):
        draw = np.random.default_rng(shoppers)
        size = shoppers * events
        item = draw.integers(len(bundle.items), size=size).astype(np.int32)
        known = Histories(np.arange(shoppers + 1) * events, item, np.ones(size, np.uint8), np.arange(size))
        user = np.full(shoppers, -1)
        np.testing.assert_allclose(asker.ask(user, known)[0], scorer.asker.ask(user, known)[0], atol=1e-5)
    assert bundle.nearest is not None
    own = replace(scorer, asker=asker)
    asked = replace(bundle, scorer=own, nearest=replace(bundle.nearest, scorer=own))
    assert replay(asked, read_golden(folder / "golden.json"), bundle.manifest.tolerance).agrees


@pytest.mark.slow
def test_nothing_but_the_one_function_opens_it_and_that_one_asks_for_the_key(
    signed: tuple[Path, Path], run_of: Callable[[str], Run], tmp_path: Path
) -> None:
    folder, key = signed
    assert "extras/encoder.pt2" in parse_manifest((folder / "manifest.json").read_bytes(), folder).files
    plain = tmp_path / "plain"
    export_run(run_of("sasrec"), plain, ExportConfig(golden=12, program=True))
    (plain / "extras" / "encoder.pt2").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")  # a pickle that would run something
    about = parse_manifest((plain / "manifest.json").read_bytes(), plain)
    write_manifest(plain, About.model_validate(about.model_dump(exclude={"files", "format_version"})))
    assert Bundle.open(plain).items is not None
    for where, trusted, code in ((plain, key, "E010"), (folder, make_key(tmp_path / "stranger"), "E011")):
        with pytest.raises(AisleError) as caught:
            open_program(where, trusted)
        assert caught.value.code == code


@pytest.mark.slow
def test_every_input_that_an_encoder_may_read_is_one_of_the_program_s(tmp_path: Path) -> None:
    config = LiGRConfig(width=16, length=12, event_types=True, time_gaps=True, temperature=0.1)
    write_program(NextItem.untrained(config, np.ones(9, np.bool_), seed=0), tmp_path / "encoder.pt2")
    assert (tmp_path / "encoder.pt2").stat().st_size < 400_000, "without the items"


@pytest.mark.slow
def test_a_model_that_cannot_be_written_so_is_refused_by_name(tmp_path: Path) -> None:
    lstm = NextItem.untrained(LSTMConfig(width=16, length=12), np.ones(9, np.bool_), seed=0)
    for model in (object(), lstm):
        with pytest.raises(AisleError, match="cannot be written") as caught:
            write_program(model, tmp_path / "encoder.pt2")
        assert caught.value.code == "E025"
