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
