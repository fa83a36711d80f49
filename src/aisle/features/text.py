"""Titles and descriptions as numbers: TF-IDF turned into short dense vectors, or hashed words as codes of a field."""

# N texts   W words and pairs of words that are kept   K width of a vector   C cells of the sparse table that are not 0

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from aisle.errors import AisleError
from aisle.features.fields import Field, category_lists
from aisle.features.words import words_of

_DENSE_CELLS = 250_000  # below this an exact dense decomposition takes milliseconds


def text_vectors(
    texts: Iterable[str], width: int, *, pairs: bool = True, min_texts: int = 2, max_words: int = 50_000
) -> NDArray[np.float32]:
    """Turn texts into vectors whose dot product says how alike they are (latent semantic analysis).

    TF-IDF of words, of which the `width` strongest directions are kept. The same texts give the same vectors: the solver
    starts from a fixed vector, and the entry of each direction that is largest in size is positive.

    Args:
        texts: N of them, such as title and description of every item of the catalogue.
        width: K; where the texts have fewer directions the rest is zeros.
        pairs: count two words that stand beside each other as a word too.
        min_texts: words in fewer texts are left out: they make no two texts alike.
        max_words: the words in the most texts are kept when there are more.

    Returns:
        (N, K) float32, each row of length 1; zeros for a text without any kept word.

    Raises:
        AisleError: E330 for a width below 1.

    Source: Deerwester et al. (1990), Indexing by Latent Semantic Analysis; weights as in Manning et al. (2008), 6.4: 1 + log
    of the count, times 1 + log((1 + N) / (1 + texts with the word)), rows of length 1.

    Example:
        >>> vectors = text_vectors(["red nail polish", "blue nail polish", "beard oil", "beard balm oil", ""], 2)
        >>> (vectors @ vectors.T).round(1)[[0, 2, 4]].tolist()
        [[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    if width < 1:
        raise AisleError(f"texts cannot become vectors of width {width}", hint="set a width such as 64", code="E330")
    weight_NW = _tf_idf(_count(texts, pairs=pairs), min_texts, max_words)
    strongest_NK = _strongest(weight_NW, width)
    length_N1 = np.linalg.norm(strongest_NK, axis=1, keepdims=True)
    # A text that lies outside the kept directions would be noise blown up to length 1.
    return np.where(length_N1 > 1e-6, strongest_NK / np.maximum(length_N1, 1e-6), 0).astype(np.float32)


def hashed_words(name: str, texts: Iterable[str], buckets: int, *, max_words: int = 16) -> Field:
    """Turn texts into a field of codes: the distinct words of each, hashed, so that no vocabulary has to be kept.

    Args:
        name: the field's name.
        texts: N of them.
        buckets: how many codes there are; two words may share one.
        max_words: only so many distinct words from the start of a text count.
    """
    rows = [list(dict.fromkeys(zlib.crc32(word.encode()) % buckets for word in words_of(text))) for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    codes = np.array([code for row in rows for code in row], np.int32)
    field = category_lists(name, offsets, codes, max_values=max_words)
    return Field(name, buckets, field.code)


def _count(texts: Iterable[str], *, pairs: bool) -> sparse.csr_array:
    """Count the words of each text: (N, words), words numbered by first appearance."""
    code_of: dict[str, int] = {}
    codes, offsets = [], [0]
    for text in texts:
        codes += [code_of.setdefault(word, len(code_of)) for word in _terms(text, pairs=pairs)]
        offsets.append(len(codes))
    counts = sparse.csr_array((np.ones(len(codes)), codes, offsets), shape=(len(offsets) - 1, max(len(code_of), 1)))
    counts.sum_duplicates()
    return counts


def _terms(text: str, *, pairs: bool) -> Iterator[str]:
    words = words_of(text)
    yield from words
    if pairs:
        yield from (f"{first} {second}" for first, second in itertools.pairwise(words))


def _tf_idf(count_NW: sparse.csr_array, min_texts: int, max_words: int) -> sparse.csr_array:
    """Weigh counts and leave out words: (N, words) -> (N, W), rows of length 1."""
    texts_W = np.bincount(count_NW.indices, minlength=count_NW.shape[1])
    kept_W = np.flatnonzero(texts_W >= min_texts)
    kept_W = np.sort(kept_W[np.argsort(-texts_W[kept_W], kind="stable")[:max_words]])
    weight_NW = sparse.csr_array(count_NW[:, kept_W])
    rarity_W = 1 + np.log((1 + count_NW.shape[0]) / (1 + texts_W[kept_W]))
    weight_NW.data = (1 + np.log(weight_NW.data)) * rarity_W[weight_NW.indices]
    row_C = np.repeat(np.arange(weight_NW.shape[0]), np.diff(weight_NW.indptr))
    length_N = np.sqrt(np.bincount(row_C, weight_NW.data**2, minlength=weight_NW.shape[0]))
    weight_NW.data /= length_N[row_C]
    return weight_NW


def _strongest(weight_NW: sparse.csr_array, width: int) -> NDArray[np.float64]:
    """Return each row in the `width` directions of the largest singular values, strongest first: (N, K)."""
    n_texts, n_words = weight_NW.shape
    most = min(n_texts, n_words)
    if not most:
        return np.zeros((n_texts, width))
    if width >= most - 1 or n_texts * n_words <= _DENSE_CELLS:
        _, _, direction_KW = np.linalg.svd(weight_NW.toarray(), full_matrices=False)
    else:
        start = np.random.default_rng(0).standard_normal(most)
        _, singular_K, direction_KW = svds(weight_NW, k=width, v0=start)
        direction_KW = direction_KW[np.argsort(-singular_K)]
    direction_KW = direction_KW[:width]
    place_K = np.abs(direction_KW).argmax(axis=1)
    sign_K = np.sign(direction_KW[np.arange(len(direction_KW)), place_K])
    strongest_NK = np.asarray(weight_NW @ (direction_KW * sign_K[:, None]).T)
    return np.pad(strongest_NK, ((0, 0), (0, width - strongest_NK.shape[1])))
