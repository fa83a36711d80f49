"""A bundle that is whole is opened; what only a trusted signature makes safe is opened after that signature only."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.bundle.check import check_bundle, open_extra
from aisle.bundle.signature import make_key
from aisle.errors import AisleError
from tests.bundle.sealed import seal


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key")


def test_a_whole_bundle_is_accepted_signed_or_not(tmp_path: Path, key: Path) -> None:
    written = seal(tmp_path / "plain")
    assert check_bundle(tmp_path / "plain") == written
    seal(tmp_path / "signed", tmp_path / "key")
    assert check_bundle(tmp_path / "signed", key) == written
    assert check_bundle(tmp_path / "signed") == written


def test_no_bundle_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(AisleError, match="there is no such folder") as caught:
            check_bundle(place)
        assert caught.value.code == "E001"


def test_an_extra_is_opened_by_the_signers_key_only(tmp_path: Path, key: Path) -> None:
    seal(tmp_path / "signed", tmp_path / "key")
    assert open_extra(tmp_path / "signed", "model.pt2", key).startswith(b"a torch.export program")
    other = make_key(tmp_path / "other")
    with pytest.raises(AisleError) as caught:
        open_extra(tmp_path / "signed", "model.pt2", other)
    assert caught.value.code == "E011"
    seal(tmp_path / "plain")
    with pytest.raises(AisleError, match=r"has no manifest\.sig") as caught:
        open_extra(tmp_path / "plain", "model.pt2", key)
    assert caught.value.code == "E010"


def test_an_altered_or_missing_extra_is_refused_by_name(tmp_path: Path, key: Path) -> None:
    seal(tmp_path / "signed", tmp_path / "key")
    with pytest.raises(AisleError, match=r"no extras/other\.pt2 in this bundle; its extras: extras/model\.pt2") as caught:
        open_extra(tmp_path / "signed", "other.pt2", key)
    assert caught.value.code == "E005"
    file = tmp_path / "signed" / "extras" / "model.pt2"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(AisleError, match=r"extras/model\.pt2 in the bundle was altered") as caught:
        open_extra(tmp_path / "signed", "model.pt2", key)
    assert caught.value.code == "E006"
    file.unlink()
    with pytest.raises(AisleError, match=r"extras/model\.pt2 is missing") as caught:
        open_extra(tmp_path / "signed", "model.pt2", key)
    assert caught.value.code == "E005"
