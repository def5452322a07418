"""What the doctor looks at of who may come in: the state database, keys, the certificate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from cryptography import x509

from configs.schema import Config
from configs.section import Text
from serving.access.keys import FIRST_KEY_FILE, Key, listed
from serving.doctor.doctor import Check, Finding, fail, ok, warn
from serving.endpoint.bind import check_bind
from serving.endpoint.state import open_state, versions

SOON = dt.timedelta(days=14)


def state(config: Config) -> Iterator[Finding]:
    """Look whether the state database opens and is of this version."""
    found, newest = versions(config.stores)
    if found is None:
        yield ok("尚无状态库，首次使用时建立", "no state database yet; first use makes it")
    elif found > newest:
        mend = Text(zh="安装写入它的较新版本", en="Install the later Echelon that wrote it")
        yield fail(f"版本 {found}，此处为 {newest}", f"version {found}, here {newest}", mend)
    elif found < newest:
        mend = Text(zh="下次启动时自动升级；请先备份", en="The next start upgrades it; back it up")
        yield warn(f"版本 {found}，此处为 {newest}", f"version {found}, here {newest}", mend)
    else:
        yield ok(f"版本 {found}", f"version {found}")


def keys(config: Config) -> Iterator[Finding]:
    """Look who may come in, by keys that hold now, and whether the bind is safe for that."""
    held = _held(config)
    check_bind(config.serving, config.serving.host, [key.role for key in held])
    ending = [key.id for key in held if key.expires_at and key.expires_at < _now() + SOON]
    first = config.stores.root / FIRST_KEY_FILE
    if ending:
        mend = Text(zh="用 `echelon keys create` 换新", en="Make new ones: `echelon keys create`")
        yield warn(
            f"{len(ending)}个密钥两周内到期：{ending[0]}",
            f"{len(ending)} keys expire within two weeks: {ending[0]}",
            mend,
        )
    elif first.exists() and len(held) > 1:
        mend = Text(zh=f"删除 {first}", en=f"Delete {first}, or revoke that key")
        yield warn("首个密钥的文件仍在", "the file of the first key is still there", mend)
    else:
        yield ok(f"{len(held)}个有效密钥", f"{len(held)} keys hold")


def _held(config: Config) -> list[Key]:
    """Return the keys that hold now, without bringing an older database up to date."""
    found, newest = versions(config.stores)
    if found != newest:
        return []
    opened = open_state(config.stores)
    try:
        return [key for key in listed(opened) if key.holds_at(_now())]
    finally:
        opened.close()


def certificate(config: Config) -> Iterator[Finding]:
    """Look when the certificate of TLS ends, where there is one."""
    path = config.serving.tls_certificate
    if path is None:
        return
    ends = x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    mend = Text(zh="更换证书并重启", en="Renew it and restart")
    told = ends.date().isoformat()
    if ends < _now():
        yield fail(f"证书已于{told}到期", f"the certificate ended on {told}", mend)
    elif ends < _now() + SOON:
        yield warn(f"证书将于{told}到期", f"the certificate ends on {told}", mend)
    else:
        yield ok(f"证书有效至{told}", f"the certificate holds until {told}")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


ACCESS: tuple[tuple[Text, Check], ...] = (
    (Text(zh="状态库", en="state database"), state),
    (Text(zh="API密钥", en="API keys"), keys),
    (Text(zh="证书", en="certificate"), certificate),
)
