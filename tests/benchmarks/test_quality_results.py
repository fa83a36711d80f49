"""The committed results: of today's recipes, and the pages say what the JSON says."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.dataset.split import split
from aisle.evaluate.protocol import describe
from benchmarks.quality.prepared import prepared
from benchmarks.quality.published import PUBLISHED
from benchmarks.quality.question import Question
from benchmarks.quality.results import FOLDER, load_results, results_file, stale_differences, stale_rows
from benchmarks.quality.rows import QUESTIONS
from benchmarks.quality.runs import recipe_of, ships
from benchmarks.quality.table import PAGE, dataset_page, results_page

HINT = "measure again with `python -m benchmarks.quality.run DATASET --rows NAME --again`, or take the recipe's change back"
questions = pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))


@questions
def test_no_committed_result_is_of_another_recipe_than_the_one_that_ships(question: Question) -> None:
    results = load_results(question)
    assert stale_rows(question, results) == [], HINT
    assert stale_differences(results) == [], HINT


@questions
def test_the_page_of_a_dataset_says_what_its_results_say(question: Question) -> None:
    if results_file(question).exists():
        assert results_file(question).with_suffix(".md").read_text() == dataset_page(question, load_results(question))


def test_the_results_page_says_what_all_results_say() -> None:
    assert PAGE.read_text() == results_page(), "run `python -m benchmarks.quality.table`"


def test_no_result_is_of_a_dataset_that_nobody_declares() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} <= set(QUESTIONS)
    assert set(PUBLISHED) <= set(QUESTIONS)


@questions
def test_rows_pairs_and_bars_name_each_other_rightly(question: Question) -> None:
    keys = [row.key for row in question.rows]
    assert len(set(keys)) == len(keys)
    for pair in question.pairs:
        assert {pair.a, pair.b} <= set(keys)
        assert pair.a != pair.b
    for bar in question.bars:
        named = {*bar.rows, *bar.ahead_of}
        assert named <= set(keys) or bar.gpu
        assert {*bar.least, *bar.goal} <= set(question.metrics)
        if bar.level_with:
            assert bar.level_with[0] in question.metrics
            assert bar.level_with[1] in keys
        for other in bar.ahead_of:
            assert {(other, key) for key in bar.rows} <= {(pair.a, pair.b) for pair in question.pairs}


@questions
def test_the_recipe_of_every_row_can_be_read_with_its_overrides(question: Question) -> None:
    for row in question.rows:
        if ships(row):
            assert recipe_of(question, row, question.over[0])


@pytest.mark.slow
@pytest.mark.public_data
@questions
def test_all_rows_of_a_dataset_are_asked_the_same_questions(question: Question, public_data: Path, tmp_path: Path) -> None:
    dataset = prepared(question, public_data, tmp_path)
    asked = {}
    for row in question.rows:
        if ships(row):
            recipe = recipe_of(question, row, question.over[0])
            asked[row.key] = describe(split(dataset, recipe.split).test, recipe.evaluate, dataset.n_items)
    different = {key: protocol for key, protocol in asked.items() if protocol != next(iter(asked.values()))}
    assert different == {}
