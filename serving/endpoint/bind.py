"""Where the endpoint may listen: this machine alone, unless it is safe to let others in."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence

from configs.errors import ServiceError
from configs.service import Serving


def check_bind(serving: Serving, host: str, roles: Sequence[str]) -> None:
    """Check that ``host`` may be listened on.

    Args:
        serving: the settings.
        host: an address or a name of this machine.
        roles: of the keys that hold now, and of the people who sign in by a password.

    Raises:
        ServiceError: others than this machine could come in, and TLS, a host name of theirs or an
            administrator is missing; or the certificate cannot be used.
    """
    if serving.tls_certificate is not None:
        _check_certificate(serving)
    if is_loopback(host):
        return
    missing = []
    if serving.tls_certificate is None:
        missing.append("TLS (set serving.tls_certificate and serving.tls_key)")
    if all(is_loopback(name) for name in serving.allowed_hosts):
        missing.append("a host name that others ask by (add it to serving.allowed_hosts)")
    if "admin" not in roles:
        missing.append(
            "an administrator (echelon users add NAME --role admin, or echelon keys create NAME "
            "--role admin)"
        )
    if missing:
        raise ServiceError(
            f"serving.host is {host}, where others than this machine come in. Missing for that: "
            f"{'; '.join(missing)}. Or set serving.host to 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine as seen by itself.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "echelon.lan")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_certificate(serving: Serving) -> None:
    assert serving.tls_certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(serving.tls_certificate, serving.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise ServiceError(
            f"the certificate {serving.tls_certificate} with the key {serving.tls_key} cannot be "
            f"used ({error.strerror or error}). Give PEM files of one pair, without a "
            "pass phrase and readable by this user"
        ) from error
