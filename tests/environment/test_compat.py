"""The compatibility data is whole, says where it comes from, and is read as it is meant."""

from __future__ import annotations

import json
import re
from itertools import pairwise

from aisle.environment.compat import COMPAT_FILE, load_compat
from aisle.environment.versions import at_least, line, release

COMPAT = load_compat()
RAW = json.loads(COMPAT_FILE.read_text())


def test_every_row_says_where_it_comes_from_and_how_well_it_is_known() -> None:
    rows = [*RAW["architectures"], *RAW["driver_for_major"], *RAW["driver_of_toolkit"], *RAW["onnxruntime"]]
    rows += [
        *RAW["capabilities"],
        *RAW["cards"],
        *(row for part in ("cudnn_major", "tags", "wrong") for row in RAW["images"][part]),
    ]
    rows += [*RAW["torch"].values(), *(build for torch in RAW["torch"].values() for build in torch["cuda"])]
    assert len(rows) > 80
    for row in rows:
        assert row["evidence"] in {"measured", "documented", "disputed"}, row
        assert row["source"] in RAW["sources"], row
    assert {row["evidence"] for row in rows} == {"measured", "documented", "disputed"}


def test_every_build_of_torch_has_a_driver_and_a_kind_of_support() -> None:
    for name, torch in COMPAT.torch.items():
        for build in torch.cuda:
            assert build.support in {"stable", "experimental", "legacy", "removed"}, (name, build)
            assert line(build.cuda, 1) in COMPAT.driver_for_major
            assert COMPAT.toolkit_driver(build.toolkit), (name, build)
            assert line(build.toolkit) == build.cuda
            # 2.11 for CUDA 12.9 is listed by cog alone, which does not say what it has code for.
            if build.support != "removed" and (name, build.cuda) != ("2.11", "12.9"):
                assert COMPAT.code_for(f"{name}.0", build.cuda, "x86_64"), (name, build)
        assert any(build.support == "stable" for build in torch.cuda)


def test_no_two_rows_say_what_one_wheel_has_code_for() -> None:
    for torch in COMPAT.torch:
        for cuda in ("11.8", "12.1", "12.4", "12.6", "12.8", "12.9", "13.0", "13.2"):
            for machine in ("x86_64", "aarch64"):
                fitting = [
                    row
                    for row in COMPAT.architectures
                    if row.machine == machine
                    and cuda in row.cuda
                    and at_least(torch, row.torch_min)
                    and not (row.torch_below and at_least(torch, row.torch_below))
                ]
                assert len(fitting) <= 1, fitting


def test_a_toolkit_without_a_row_has_the_driver_of_the_latest_before_it() -> None:
    assert COMPAT.toolkit_driver("13.0.2") == "580.95.05"
    assert COMPAT.toolkit_driver("13.0.3") == "580.95.05"
    assert COMPAT.toolkit_driver("12.8") == "570.26"
    assert COMPAT.toolkit_driver("14.0") is None


def test_a_wheel_counts_more_than_the_matrix() -> None:
    build = COMPAT.build("2.11.0+cu130", "13.0")
    assert build is not None
    assert (build.cudnn, build.evidence) == ("9.19.0.56", "disputed")
    assert "9.17.1.4" in build.note


def test_no_row_stands_twice() -> None:
    for rows, key in (
        (RAW["driver_for_major"], "cuda"),
        (RAW["driver_of_toolkit"], "toolkit"),
        (RAW["capabilities"], "capability"),
        (RAW["cards"], "name"),
        (RAW["images"]["tags"], "tag"),
        (RAW["onnxruntime"], "version"),
        *((row["cuda"], "cuda") for row in RAW["torch"].values()),
    ):
        names = [row[key] for row in rows]
        assert len(names) == len(set(names)), key
    assert {*RAW["sources"]} == {row["source"] for row in _rows(RAW)} | {"torch_source"}


def _rows(part: object) -> list[dict[str, str]]:
    """Every object with a source, however deep."""
    inside = [
        row
        for value in (part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())
        for row in _rows(value)
    ]
    return [part, *inside] if isinstance(part, dict) and "source" in part else inside


def test_a_newer_toolkit_asks_for_no_older_driver_and_none_for_one_that_its_major_version_refuses() -> None:
    shipped = sorted(COMPAT.driver_of_toolkit.items(), key=lambda row: release(row[0]))
    assert [release(driver) for _, driver in shipped] == sorted(release(driver) for _, driver in shipped)
    majors = sorted(COMPAT.driver_for_major.items(), key=lambda row: release(row[0]))
    assert [release(driver) for _, driver in majors] == sorted(release(driver) for _, driver in majors)
    for toolkit, driver in shipped:
        # CUDA 11.0 came with an older driver than the one from which its whole major version runs (450.80.02).
        if toolkit != "11.0":
            assert at_least(driver, COMPAT.driver_for_major[line(toolkit, 1)]), (toolkit, driver)


def test_what_a_driver_supports_in_full_is_read_off_its_toolkit() -> None:
    told = {
        driver: COMPAT.cuda_of_driver(driver) for driver in ("515.105.01", "535.183.01", "550.54.14", "580.95.05", "440.33.01")
    }
    assert told == {"515.105.01": "11.7", "535.183.01": "12.2", "550.54.14": "12.4", "580.95.05": "13.0", "440.33.01": None}


def test_no_wheel_has_code_for_a_gpu_that_its_cuda_does_not_know() -> None:
    for row in COMPAT.architectures:
        assert set(row.disputed_sm) <= set(row.sm)
        assert (row.evidence == "disputed") == bool(row.disputed_sm)
        for cuda in row.cuda:
            for name in {*row.sm, *row.ptx}:
                known = COMPAT.capabilities[f"{name[:-1]}.{name[-1]}"]
                assert known.toolkit_min is None or at_least(cuda, known.toolkit_min), (row, name)
                assert known.toolkit_below is None or not at_least(cuda, known.toolkit_below), (row, name)


def test_every_card_has_a_capability_that_is_known_and_a_toolkit_with_a_driver() -> None:
    for card in COMPAT.cards:
        assert card.capability in COMPAT.capabilities, card
    for known in COMPAT.capabilities.values():
        assert known.toolkit_min is None or COMPAT.toolkit_driver(known.toolkit_min), known


def test_one_build_of_each_torch_is_what_pip_installs_and_its_nccl_is_known() -> None:
    for name, torch in COMPAT.torch.items():
        (default,) = [build for build in torch.cuda if build.pypi]
        assert default.nccl, name
        assert default.support != "removed"
        assert line(torch.latest) == name
        assert at_least(torch.python_max, torch.python_min)


def test_images_carry_the_cudnn_of_their_torch_and_builds_that_exist() -> None:
    for tag in COMPAT.images.tags:
        assert tag.cudnn == COMPAT.cudnn_of_images(tag.torch), tag
        build = COMPAT.build(tag.torch, tag.cuda)
        assert build is not None, tag
        assert build.cudnn is None or line(build.cudnn, 1) == tag.cudnn, tag
        assert tag.tag == f"pytorch/pytorch:{tag.torch}-cuda{tag.cuda}-cudnn{tag.cudnn}-{tag.kind}"
    assert [COMPAT.cudnn_of_images(torch) for torch in ("2.3.1", "2.4.0", "2.7.1", "2.13.0")] == ["8", "9", "9", "9"]
    seen = {tag.tag for tag in COMPAT.images.tags}
    for wrong in COMPAT.images.wrong:
        assert wrong.tag not in seen
        assert wrong.instead in seen


def test_newer_runtimes_read_whatever_older_ones_read() -> None:
    rows = COMPAT.onnxruntime
    assert [release(row.version) for row in rows] == sorted(release(row.version) for row in rows)
    for older, newer in pairwise(rows):
        assert newer.opset_max >= older.opset_max
        assert newer.ir_max >= older.ir_max


def test_versions_are_numbers_not_words() -> None:
    assert release("2.13.0a0+cu130") == (2, 13, 0)
    assert release("nightly") == ()
    assert at_least("2.10", "2.9")
    assert at_least("580", "580.0")
    assert not at_least("580", "580.65.06")
    assert line("13.0.2") == "13.0"
    assert re.fullmatch(r"\d{4}-\d{2}", COMPAT.as_of)
