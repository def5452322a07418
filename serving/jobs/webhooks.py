"""Signed messages to an application's address, by the Standard Webhooks specification.

Reference: standardwebhooks.com, specification 1.0: headers ``webhook-id``, ``webhook-timestamp``
and ``webhook-signature``, the last ``v1,`` and the base64 of HMAC-SHA256 over
``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import random
from collections.abc import Sequence
from dataclasses import dataclass

from configs.errors import ConfigError

SECRET_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
SENDING_SECONDS = 10.0

FIRST_WAIT = dt.timedelta(seconds=5)
LONGEST_WAIT = dt.timedelta(hours=6)
ATTEMPTS_AT_MOST = 12
"""After the first, waits of 5 s, 20 s, … 6 h: a receiver may be away for a day."""


@dataclass(frozen=True)
class Message:
    """One message of the outbox.

    Attributes:
        id: the same at every attempt, so that a receiver can drop what it has already.
        body: JSON text; what is signed is these bytes.
    """

    id: str
    body: str


def secrets_in(text: str) -> tuple[bytes, ...]:
    """Return the keys of a secret's text: one a line, the newest first while it is changed.

    Raises:
        ConfigError: there is none, or one is not ``whsec_`` and the base64 of 24 to 64 bytes; it
            is not repeated.

    >>> secrets_in("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")[0].hex()[:8]
    '31f290f6'
    """
    found = tuple(_secret(line) for line in text.split())
    if not found:
        raise ConfigError("the secret of a webhook is empty; make one as docs/api.md shows")
    return found


def _secret(line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not line.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise ConfigError(
            f"the secret of a webhook is not '{SECRET_PREFIX}' and the base64 of 24 to 64 bytes; "
            "make one as docs/api.md shows"
        )
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one entry of ``webhook-signature``.

    >>> signature(secrets_in("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")[0],
    ...     "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers_of(message: Message, keys: Sequence[bytes], now: dt.datetime) -> dict[str, str]:
    """Return the headers of one attempt at ``message``, signed with each of ``keys``."""
    timestamp = int(now.timestamp())
    body = message.body.encode()
    signed = (signature(key, message.id, timestamp, body) for key in keys)
    return {
        "content-type": "application/json",
        "user-agent": "echelon-webhooks",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signed),
    }


def wait_after(attempts: int, chance: random.Random, asked: float | None = None) -> dt.timedelta:
    """Return how long to wait after that many failed attempts.

    It grows fourfold each time up to six hours, give or take a quarter, so that many messages do
    not come back at one moment; never less than the receiver ``asked`` for, within six hours.

    >>> half = random.Random(0)
    >>> [round(wait_after(n, half).total_seconds(), -1) for n in (1, 3, 12)]
    [10.0, 90.0, 20740.0]
    """
    grown = min(FIRST_WAIT * 4 ** min(attempts - 1, 10), LONGEST_WAIT)
    wait = grown * chance.uniform(0.75, 1.25)
    least = dt.timedelta(seconds=min(asked or 0.0, LONGEST_WAIT.total_seconds()))
    return max(wait, least)
