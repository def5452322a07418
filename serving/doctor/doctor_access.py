"""What the doctor looks at of who may come in: the state database, keys, the certificate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509

from configs.schema import Config
from configs.section import Text
from serving.access.key_office import roles as roles_of
from serving.access.keys import FIRST_KEY_FILE, listed
from serving.console.visitors.people import listed as listed_people
from serving.doctor.doctor import Check, Finding, fail, ok, warn
from serving.endpoint.bind import check_bind
from serving.endpoint.state import State, open_state, versions

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
    with _opened(config) as state:
        held = [] if state is None else [key for key in listed(state) if key.holds_at(_now())]
        roles = [] if state is None else roles_of(state)
    check_bind(config.serving, config.serving.host, roles)
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


@contextmanager
def _opened(config: Config) -> Iterator[State | None]:
    """Yield the state database; ``None`` for one that a start would first bring up to date."""
    found, newest = versions(config.stores)
    if found != newest:
        yield None
        return
    opened = open_state(config.stores)
    try:
        yield opened
    finally:
        opened.close()


def people(config: Config) -> Iterator[Finding]:
    """Count who may sign in to the console; without anybody, the link of the start is left."""
    with _opened(config) as state:
        known = [] if state is None else listed_people(state)
    held = [one for one in known if one.has_password and one.disabled_at is None]
    admins = sum(one.person.role == "admin" for one in held)
    if held and not admins:
        mend = Text(
            zh="用 `echelon users add NAME --role admin` 添加管理员",
            en="Add one: `echelon users add NAME --role admin`",
        )
        yield warn(
            f"{len(held)}人可登录，其中没有管理员", f"{len(held)} people, no administrator", mend
        )
    elif held:
        yield ok(
            f"{len(held)}人可登录，其中管理员{admins}人",
            f"{len(held)} people may sign in, {admins} of them administrators",
        )
    else:
        yield ok(
            "尚未添加用户；本机可用启动时的链接进入",
            "nobody was added; this machine comes in by the link of the start",
        )


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
    (Text(zh="控制台用户", en="people of the console"), people),
    (Text(zh="证书", en="certificate"), certificate),
)
