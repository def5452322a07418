"""A configuration without its passwords, fit to be kept with a model and shown to others."""

from __future__ import annotations

import re
from typing import Any

from configs.schema import Config

HIDDEN = "***"
_IN_URL = re.compile(r"(?<=://)([^/?#@\s]*):([^/?#\s]*)@")
_AS_OPTION = re.compile(r"(?i)\b(password|passwd|pwd|token|secret)(\s*=\s*)('[^']*'|[^\s&;,']+)")


def redacted(config: Config) -> dict[str, Any]:
    """Return ``config`` as JSON values with the password of every database and store hidden."""
    hidden: dict[str, Any] = redacted_values(config.model_dump(mode="json"))
    return hidden


def redacted_text(text: str) -> str:
    """Return ``text`` with passwords in URLs and connection strings hidden.

    >>> redacted_text("postgresql://ada:s3cret@db.example.com/shop")
    'postgresql://ada:***@db.example.com/shop'
    >>> redacted_text("host=db user=ada password=s3cret dbname=shop")
    'host=db user=ada password=*** dbname=shop'
    """
    return _AS_OPTION.sub(rf"\1\2{HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", text))


def redacted_values(value: Any) -> Any:
    """Return ``value``, whatever it holds, with the passwords in its texts hidden.

    >>> redacted_values([{"database": "postgresql://ada:s3cret@host/shop", "port": 5432}])
    [{'database': 'postgresql://ada:***@host/shop', 'port': 5432}]
    """
    if isinstance(value, dict):
        return {key: redacted_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted_values(item) for item in value]
    return redacted_text(value) if isinstance(value, str) else value
