from pathlib import Path

from tests.recipes.conftest import SECOND_US, Prepare, rows

FIRST_S, LAST_S = 1_511_539_200, 1_512_316_799  # 2017-11-25 00:00:00 and 2017-12-03 23:59:59 in Beijing


def test_a_log_without_header_keeps_its_first_row_and_loses_other_days(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "UserBehavior.csv"
    lines = [
        f"1,2268318,2520377,pv,{FIRST_S}",
        f"1,2333346,2520771,buy,{LAST_S}",
        f"100,2576651,149192,fav,{FIRST_S + 1}",
        f"100,2576651,149192,cart,{FIRST_S + 1}",
        f"100,2576651,149192,pv,{FIRST_S - 1}",
        f"100,2576651,149192,pv,{LAST_S + 1}",
        "100,2576651,149192,pv,-100",
        f"100,2576651,149192,hover,{FIRST_S}",
        f"100,2576651,{FIRST_S}",
    ]
    log.write_bytes("".join(line + "\r\n" for line in lines).encode())
    dataset = prepared("taobao", log)
    assert rows(dataset) == [
        (1, 2268318, "view", FIRST_S * SECOND_US),
        (1, 2333346, "purchase", LAST_S * SECOND_US),
        (100, 2576651, "favourite", (FIRST_S + 1) * SECOND_US),
        (100, 2576651, "cart", (FIRST_S + 1) * SECOND_US),
    ]
    assert dataset.manifest.filters == {"before 2017-11-25": 2, "after 2017-12-03": 1}
    # The unknown behaviour and the short line. 9 lines = 4 kept + 3 filtered + 2 rejected.
    assert (dataset.manifest.rows.read, dataset.manifest.rows.kept, dataset.manifest.rows.rejected) == (9, 4, 2)
