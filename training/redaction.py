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
    hidden: dict[str, Any] = _hide(config.model_dump(mode="json"))
    return hidden


def redacted_text(text: str) -> str:
    """Return ``text`` with passwords in URLs and connection strings hidden.

    >>> redacted_text("postgresql://ada:s3cret@db.example.com/shop")
    'postgresql://ada:***@db.example.com/shop'
    >>> redacted_text("host=db user=ada password=s3cret dbname=shop")
    'host=db user=ada password=*** dbname=shop'
    """
    return _AS_OPTION.sub(rf"\1\2{HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", text))


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item) for item in value]
    return redacted_text(value) if isinstance(value, str) else value
