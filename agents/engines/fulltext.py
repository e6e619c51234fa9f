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
    SELECT title, snippet(texts, 1, '', '', '…', ?), source, -bm25(texts, 4.0, 1.0)
    FROM texts WHERE texts MATCH ? ORDER BY bm25(texts, 4.0, 1.0), source LIMIT ?
"""


@dataclass(frozen=True)
class Hit:
    """One result: what it is called, the telling part of it, and where it is from."""

    title: str
    snippet: str
    source: str


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
            Hit(title, " ".join(snippet.split()), source)
            for title, snippet, source, score in rows
            if score >= rows[0][3] * RELEVANT_SHARE
        ]


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
    words = re.findall(r"\w+", query.casefold())[:MAX_QUERY_WORDS]
    common = stop_words(("en",))
    # Plurals too, for the index takes "news" for "new".
    telling = [word for word in words if not {word, word.removesuffix("s")} & common]
    return (" OR " if telling else " AND ").join(f'"{word}"' for word in telling or words)
