from pathlib import Path

from tests.recipes.conftest import Prepare, rows

CONTEXT = ["city", "country", "daytime", "homework", "isweekend", "weather", "weekday"]


def test_the_encoded_lines_are_cut_at_both_separators(tmp_path: Path, prepared: Prepare) -> None:
    log, test = tmp_path / "train.csv", tmp_path / "test.csv"
    log.write_text(
        "187-958-967-972-973-977-993-1071,72-4083\n5-957-970-971-975-980-1023-1129,49-4082\n187-958-967-972-973-977-993-1071,8-4082\n"
    )
    test.write_text("5-959-965-971-973-977-1003-1065,72-4083\n5-959-965-971-973-977-1003-1065,8-4082\n")
    dataset = prepared("frappe", log, test=test)
    assert [row[:3] for row in rows(dataset)] == [(5, 49, "click"), (187, 72, "click"), (187, 8, "click")]
    assert sorted(dataset.manifest.event_columns) == CONTEXT
    first = {name: dataset.event_column(name).value(0) for name in CONTEXT}
    assert first == {
        "daytime": "957", "weekday": "970", "isweekend": "971", "homework": "975",
        "weather": "980", "country": "1023", "city": "1129",
    }  # fmt: skip
    # What an app costs would tell something about the answer, so it is no context.
    assert "cost" in dataset.manifest.unused_columns
    # A user is asked in several contexts: each line is a case of its own.
    assert dataset.users.decode(dataset.array("test.user")) == [5, 5]
    assert sorted(dataset.items.decode(dataset.array("test.item"))) == [8, 72]
    asked_in = dataset.event_column("city").vocabulary
    assert asked_in is not None
    assert asked_in.decode(dataset.array("test.context.city")) == ["1065", "1065"]


def test_the_published_table_has_words_for_its_context(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "frappe.csv"
    log.write_text(
        "user\titem\tcnt\tdaytime\tweekday\tisweekend\thomework\tcost\tweather\tcountry\tcity\n"
        "0\t0\t1\tmorning\tsunday\tweekend\tunknown\tfree\tsunny\tUnited States\t0\n"
        "1\t0\t7\tevening\tmonday\tworkday\thome\tpaid\tunknown\tSpain\t385\n"
    )
    dataset = prepared("frappe-original", log)
    assert [row[:3] for row in rows(dataset)] == [(0, 0, "click"), (1, 0, "click")]
    assert dataset.array("events.weight").tolist() == [1, 7]
    assert dataset.event_column("country").value(0) == "United States"
    assert sorted(name for name in dataset.manifest.event_columns if name != "weight") == CONTEXT
