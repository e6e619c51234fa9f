"""A full-text index over a folder of texts, in memory, with SQLite's FTS5."""

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from agents.engines.sentences import stop_words

SUFFIXES = {".txt", ".md"}
MAX_FILE_CHARACTERS = 1_000_000
MAX_QUERY_WORDS = 40
SNIPPET_WORDS = 48
RELEVANT_SHARE = 0.3
"""Hits that score below this share of the best one are left out: they are paid by the piece."""

_SELECT = """
    SELECT title, snippet(texts, 1, '', '', '…', ?), source, -bm25(texts, 4.0, 1.0), rowid
    FROM texts WHERE texts MATCH ? ORDER BY bm25(texts, 4.0, 1.0), source LIMIT ?
"""
# Words that say little about the subject of a query.
_VAGUE = frozenset(
    {
        *(
            "important",
            "information",
            "facts",
            "sources",
            "explain",
            "explained",
            "history",
            "work",
        ),
        *(
            "works",
            "made",
            "make",
            "latest",
            "news",
            "tell",
            "know",
            "describe",
            "articles",
            "used",
        ),
    }
)
_HOLDS = "SELECT 1 FROM texts WHERE rowid = ? AND texts MATCH ?"


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        title: what it is called.
        snippet: the telling part of it.
        source: where it is from.
        fits: whether it holds what was asked for; else it may be about something else.
    """

    title: str
    snippet: str
    source: str
    fits: bool = True


class TextIndex:
    """The .txt and .md files under a folder. The first line of a file is its title."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(
            "CREATE VIRTUAL TABLE texts USING fts5"
            "(title, body, source UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        self._database.executemany(
            "INSERT INTO texts VALUES (?, ?, ?)",
            ((*_read(path), path.relative_to(folder).as_posix()) for path in paths),
        )
        self.size = len(paths)

    def search(self, query: str, limit: int) -> list[Hit]:
        """The texts that fit `query` best, at most `limit`; any text is a safe query."""
        match = _match_expression(query)
        rows = (
            self._database.execute(_SELECT, (SNIPPET_WORDS, match, limit)).fetchall()
            if match
            else []
        )
        return [
            Hit(title, " ".join(snippet.split()), source, self._fits(query, row))
            for title, snippet, source, score, row in rows
            if score >= rows[0][3] * RELEVANT_SHARE
        ]

    def _fits(self, query: str, row: int) -> bool:
        """Whether a text holds nearly all of the words of a query that name its subject."""
        words = dict.fromkeys(_telling(query))
        words = {word: None for word in words if len(word) > 1 and word not in _VAGUE} or words
        held = sum(
            self._database.execute(_HOLDS, (row, f'"{word}"')).fetchone() is not None
            for word in words
        )
        return 3 * held > 2 * len(words)


def _read(path: Path) -> tuple[str, str]:
    """Title and body of one file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(MAX_FILE_CHARACTERS).strip()
    title, _, body = text.partition("\n")
    return title.lstrip("# ").strip(), body.strip() or title


def _match_expression(query: str) -> str:
    """The query in FTS5's language, each word quoted, so that none of them is syntax.

    Any of its telling words is enough; a query of nothing but common words needs them all.
    """
    telling = _telling(query)
    words = telling or _words(query)
    return (" OR " if telling else " AND ").join(f'"{word}"' for word in words)


def _words(query: str) -> list[str]:
    return re.findall(r"\w+", query.casefold())[:MAX_QUERY_WORDS]


def _telling(query: str) -> list[str]:
    """The words of a query that are not common ones."""
    common = stop_words(("en",))
    # Plurals too, for the index takes "news" for "new".
    return [word for word in _words(query) if not {word, word.removesuffix("s")} & common]
