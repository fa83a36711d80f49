import numpy as np

from aisle.features.buckets import Buckets

NAN = np.nan


def test_buckets_are_narrow_at_both_ends_and_missing_has_its_own() -> None:
    value = np.concatenate([np.arange(100.0), [NAN]]).astype(np.float32)[:, None]
    code = Buckets.learn(value, 4).code(value)[:, 0]
    # cuts at sin(i * 22.5 degrees)**2 = .146, .5, .854 of 0..99
    assert np.bincount(code).tolist() == [1, 15, 35, 35, 15]
    assert code[-1] == 0
    assert (np.diff(code[:-1]) >= 0).all()


def test_a_feature_with_few_values_gets_a_bucket_for_each() -> None:
    value = np.array([[0], [1], [1], [5]], np.float32)
    assert Buckets.learn(value, 10).code(value)[:, 0].tolist() == [1, 2, 2, 3]


def test_features_share_one_table_without_overlap() -> None:
    value = np.array([[0, 7], [1, NAN], [2, 9]], np.float32)
    buckets = Buckets.learn(value, 10)
    # First: missing 0, then 1, 2, 3. Second: missing 4, then 5, 6.
    assert buckets.code(value).tolist() == [[1, 5], [2, 4], [3, 6]]
    assert buckets.size == 7


def test_values_never_met_fall_into_the_nearest_bucket() -> None:
    buckets = Buckets.learn(np.array([[1], [2], [3]], np.float32), 10)
    assert buckets.code(np.array([[-100], [2.5], [100]], np.float32))[:, 0].tolist() == [1, 2, 3]


def test_a_feature_that_is_always_missing_has_codes_too() -> None:
    value = np.full((2, 1), NAN, np.float32)
    buckets = Buckets.learn(value, 4)
    assert buckets.code(value).tolist() == [[0], [0]]
    assert buckets.code(np.zeros((1, 1), np.float32)).tolist() == [[1]]
    assert buckets.size == 2
