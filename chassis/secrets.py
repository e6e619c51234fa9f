"""Secrets from files: where a variable X is read, X_FILE may name a file that holds its value.

Orchestrators hand secrets over as files: a value in the environment is seen by whoever may look
at the process or its container.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

SUFFIX = "_FILE"


class BadSecret(ValueError):
    """A secret's file cannot be read, or the secret is given twice."""


def secret(name: str, environ: Mapping[str, str | None] = os.environ) -> str | None:
    """The value of variable `name`, or of the file that `<name>_FILE` names; None without either.

    An empty variable counts as not set. The line's end after the secret does not belong to it.

    Raises:
        BadSecret: both are set, or the file cannot be read.
    """
    value, path = environ.get(name), environ.get(f"{name}{SUFFIX}")
    if not path:
        return value or None
    if value:
        raise BadSecret(f"{name} and {name}{SUFFIX} are both set; set one")
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n") or None
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadSecret(f"{name}{SUFFIX}: {path} cannot be read: {why}") from None


class FileSource(EnvSettingsSource):
    """The settings whose variable with `_FILE` behind it names a file."""

    def __init__(self, settings_cls: type[BaseSettings], *places: object) -> None:
        """Look for such variables in `places`, of which the first that has one counts."""
        self._places = [place for place in places if isinstance(place, EnvSettingsSource)]
        super().__init__(settings_cls)

    def _load_env_vars(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name in self.settings_cls.model_fields:
            for place in self._places:
                if f"{name}{SUFFIX.lower()}" in place.env_vars:
                    found[name] = self._read(name, place.env_vars)
                    break
        return found

    def _read(self, name: str, variables: Mapping[str, str | None]) -> str | None:
        upper = {known.upper(): value for known, value in variables.items()}
        try:
            return secret(name.upper(), upper)
        except BadSecret as error:
            why = PydanticCustomError("secret_file", "{why}", {"why": str(error)})
            raise ValidationError.from_exception_data(
                self.settings_cls.__name__,
                [InitErrorDetails(type=why, loc=(name,), input=None)],
                hide_input=True,
            ) from None


class FileSettings(BaseSettings):
    """Settings of which each may come from a file: the environment, then files, then `.env`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the files named by variables between the environment and `.env`."""
        del file_secret_settings  # a folder of secrets; we have names of files
        files = FileSource(settings_cls, env_settings, dotenv_settings)
        return init_settings, env_settings, files, dotenv_settings
