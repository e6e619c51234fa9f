"""What the agents read from their environment, typed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field

DATA = Path(__file__).parent / "data"


class Settings(BaseModel):
    """One field per environment variable, which has the field's name in capitals."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, populate_by_name=True)

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)
    anthropic_api_key: str = Field(default="", repr=False)
    anthropic_model: str = "claude-haiku-5-5"
    busy_rate: float = Field(default=0.6, ge=0, le=1)
    """Share of the calls that mock_busy refuses."""
    search_engine: Literal["auto", "web", "local"] = "auto"
    search_corpus: DirectoryPath = DATA / "corpus"
    """Folder of .txt and .md files that the local index is built from."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an empty variable counts as unset.

        ANTHROPIC_API_KEY_FILE may name a file that holds the key. Raises pydantic.ValidationError
        when a variable has an impossible value, OSError when the file cannot be read.
        """
        given = {name: value for name, value in environ.items() if value}
        if (path := given.get("ANTHROPIC_API_KEY_FILE")) and "ANTHROPIC_API_KEY" not in given:
            given["ANTHROPIC_API_KEY"] = Path(path).read_text("utf-8").strip()
        return cls.model_validate(given)
