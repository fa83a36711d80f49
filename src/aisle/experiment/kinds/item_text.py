"""The text of the catalogue as vectors that a model can read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.reader import Dataset
from aisle.features.text import text_vectors


def item_texts(dataset: Dataset) -> list[str]:
    """Return all text columns of each item, such as title and description, as one text: V of them, "" without any."""
    columns = [dataset.item_feature(name).texts for name, kind in dataset.manifest.item_features.items() if kind == "text"]
    texts = [column for column in columns if column is not None]
    return [" ".join(column[item] for column in texts) for item in range(dataset.n_items)]


def item_words(dataset: Dataset) -> list[str]:
    """Return the text columns of each item and the names of its categories as words: V texts.

    A category becomes one word, such as "brand7", so that it never meets a word of a title.
    """
    texts = item_texts(dataset)
    for column, (name, kind) in enumerate(sorted(dataset.manifest.item_features.items())):
        if kind not in ("category", "categories"):
            continue
        feature = dataset.item_feature(name)
        assert feature.values is not None
        offsets = np.arange(dataset.n_items + 1) if feature.offsets is None else feature.offsets
        for item in range(dataset.n_items):
            codes = feature.values[offsets[item] : offsets[item + 1]].tolist()
            texts[item] += "".join(f" c{column}v{code}" for code in codes if code >= 0)
    return texts


def item_content_vectors(dataset: Dataset, width: int) -> NDArray[np.float32]:
    """Return what the catalogue says about each item in words and categories as a vector: (V, width)."""
    return text_vectors(item_words(dataset), width)


def item_text_vectors(dataset: Dataset, width: int) -> NDArray[np.float32]:
    """Return the text of each item as a vector, see `features.text`: (V, width), (V, 0) in a catalogue without texts."""
    if "text" not in dataset.manifest.item_features.values():
        return np.zeros((dataset.n_items, 0), np.float32)
    return text_vectors(item_texts(dataset), width)
