"""A text as words; with the standard library alone."""

from __future__ import annotations

import re

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # written without spaces: each is a word here
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+")


def words_of(text: str) -> list[str]:
    """Cut a text into lower-case words.

    Example:
        >>> words_of("Nail-Lacquer, 15 ml 口红")
        ['nail', 'lacquer', '15', 'ml', '口', '红']
    """
    return _WORD.findall(text.lower())
