from pathlib import Path

import polars as pl

from tests.recipes.conftest import SECOND_US, Prepare, rows, test_cases


def test_the_publishers_dat_files_are_read_with_their_separator_and_encoding(tmp_path: Path, prepared: Prepare) -> None:
    ratings, movies, users = (tmp_path / f"{name}.dat" for name in ("ratings", "movies", "users"))
    ratings.write_text("1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n")
    titles = [
        "661::Un été à Paris (1996)::Animation|Children's|Musical",
        "1193::A: B:C (1975)::Drama",
        "7::Never rated (1990)::War",
    ]
    movies.write_bytes("".join(title + "\n" for title in titles).encode("latin-1"))
    users.write_text("1::F::1::10::48067\n2::M::56::16::02139\n")
    dataset = prepared("ml-1m-original", ratings, items=movies, users=users)
    assert rows(dataset) == [
        (1, 1193, "rating", 978_300_760 * SECOND_US),
        (1, 661, "rating", 978_302_109 * SECOND_US),
        (2, 1193, "rating", 978_298_413 * SECOND_US),
    ]
    assert dataset.array("events.weight").tolist() == [5, 3, 4]
    assert [dataset.items[code] for code in range(dataset.n_items)] == [7, 661, 1193]
    title, category = dataset.item_feature("title"), dataset.item_feature("category")
    assert [title.value(code) for code in range(3)] == ["Never rated (1990)", "Un été à Paris (1996)", "A: B:C (1975)"]
    assert [category.value(code) for code in range(3)] == ["War", "Animation, Children's, Musical", "Drama"]
    assert dataset.manifest.user_features == {"gender": "category", "age": "category", "occupation": "category"}
    assert [dataset.user_feature(name).value(1) for name in ("gender", "age", "occupation")] == ["M", "56", "16"]


def test_the_parquet_form_has_the_same_features_and_an_order(tmp_path: Path, prepared: Prepare) -> None:
    ratings, movies, users = (tmp_path / f"{name}.parquet" for name in ("ratings", "movies", "users"))
    pl.DataFrame(
        {"user_id": [1, 1], "movie_id": [9, 8], "rating": [5, 3], "chrono_rank": [1, 0], "file_row": [0, 1], "siren_fold": [2, 3]}
    ).write_parquet(ratings)
    pl.DataFrame({"movie_id": [9, 8], "title": ["Nine", "Eight"], "genres": [["War", "Drama"], []]}).write_parquet(movies)
    pl.DataFrame({"user_id": [1], "gender": ["F"], "age": [25], "occupation": [3], "zip": ["48067"]}).write_parquet(users)
    dataset = prepared("ml-1m", ratings, items=movies, users=users)
    assert rows(dataset) == [(1, 8, "rating", 0), (1, 9, "rating", 1)]
    assert [dataset.item_feature("category").value(code) for code in (0, 1)] == [None, "War, Drama"]
    assert dataset.user_feature("age").value(0) == "25"


def test_sasrecs_lines_keep_their_order(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "my_ml-1m.txt"
    log.write_text("1 30\n1 20\n2 20\n2 30\n")
    dataset = prepared("sasrec-ml-1m-original", log)
    assert [row[:2] for row in rows(dataset)] == [(1, 30), (1, 20), (2, 20), (2, 30)]


def test_sasrecs_parquet_is_ordered_by_its_position(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "sequences.parquet"
    pl.DataFrame({"user": [1, 1, 2], "item": [20, 30, 5], "pos": [1, 0, 0]}).write_parquet(log)
    assert rows(prepared("sasrec-ml-1m", log)) == [(1, 30, "rating", 0), (1, 20, "rating", 1), (2, 5, "rating", 0)]


def ncf_test_files(folder: Path) -> dict[str, Path]:
    answers, negatives = folder / "my.test.rating", folder / "my.test.negative"
    answers.write_text("0\t25\t5\t978824351\n1\t31\t3\t978300174\n")
    # As in the original, a user's own test item may be among the negatives, and an item may occur nowhere else.
    negatives.write_text("(0,25)\t27\t99\n(1,31)\t25\t31\n")
    return {"test": answers, "negatives": negatives}


def test_ncfs_files_bring_answers_and_negatives(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "train.parquet"
    pl.DataFrame({"u": [0, 0, 1], "i": [31, 27, 27], "rating": [4, 5, 3], "chrono_rank": [1, 0, 0]}).write_parquet(log)
    dataset = prepared("ncf-ml-1m", log, **ncf_test_files(tmp_path))
    assert rows(dataset) == [(0, 27, "rating", 0), (0, 31, "rating", 1), (1, 27, "rating", 0)]
    assert test_cases(dataset) == {0: [25], 1: [31]}
    # The user's own answer is no wrong answer: its place stays empty.
    assert [[dataset.items[code] if code >= 0 else None for code in row] for row in dataset.array("test.negatives")] == [
        [27, 99],
        [25, None],
    ]


def test_ncfs_files_are_read_as_published(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "my.train.rating"
    log.write_text("0\t31\t4\t978824330\n0\t27\t5\t978824291\n1\t27\t3\t978302174\n")
    dataset = prepared("ncf-ml-1m-original", log, **ncf_test_files(tmp_path))
    assert rows(dataset) == [
        (0, 27, "rating", 978_824_291 * SECOND_US),
        (0, 31, "rating", 978_824_330 * SECOND_US),
        (1, 27, "rating", 978_302_174 * SECOND_US),
    ]
    assert test_cases(dataset) == {0: [25], 1: [31]}
