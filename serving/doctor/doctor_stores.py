"""What the doctor looks at in the stores: folders, keys, publication, models, records."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from configs.errors import ModelError, PublicationError
from configs.files import live_generation
from configs.schema import Config
from configs.section import Text
from serving.doctor.doctor import Check, Finding, fail, ok, warn

OLD_HOURS = 36
RUN = Text(zh="运行 `echelon run`", en="Run `echelon run`")


def folders(config: Config) -> Iterator[Finding]:
    """Look whether the stores can be read and written, and whether killed writers left drafts."""
    stores = config.stores
    known = (stores.root, stores.records, stores.publications, stores.bundles, stores.keys)
    shut = [one for one in known if one.exists() and not os.access(one, os.R_OK | os.X_OK)]
    fixed = [one for one in known if one.exists() and not os.access(one, os.W_OK)]
    drafts = [one for store in known if os.access(store, os.R_OK) for one in store.glob(".*.draft")]
    if not stores.root.exists():
        yield fail(f"{stores.root} 不存在", f"{stores.root} does not exist", RUN)
    elif shut:
        mend = Text(zh=f"chown 或 chmod {shut[0]}", en=f"chown or chmod {shut[0]}")
        yield fail(f"{shut[0]} 不可读", f"{shut[0]} cannot be read", mend)
    elif fixed:
        mend = Text(
            zh="只提供服务的机器可以如此，但批量任务与密钥需要可写的状态库",
            en="A machine that only serves may have it so; jobs and keys need a state database",
        )
        yield warn(f"{fixed[0]} 不可写", f"{fixed[0]} cannot be written", mend)
    elif drafts:
        mend = Text(
            zh="下一次写入会接着做完或清理",
            en="The next writer goes on from them or sweeps them away",
        )
        yield warn(f"{len(drafts)}个未完成的草稿", f"{len(drafts)} drafts, unfinished", mend)
    else:
        yield ok(f"{stores.root} 可读写", f"{stores.root} can be read and written")


def keys(config: Config) -> Iterator[Finding]:
    """Look whether the keys that models are signed and checked with are there, and private."""
    from training.signing import PRIVATE_FILE, key_id, pem_of, public_key, signing_key

    folder = config.stores.keys
    name = key_id(public_key(folder))
    private = folder / PRIVATE_FILE
    if not private.exists():
        yield ok(
            f"公钥 {name}；没有私钥，此机器只能提供服务",
            f"public key {name}; no private key: this machine only serves",
        )
        return
    if stat.S_IMODE(private.stat().st_mode) & 0o077:
        mend = Text(zh=f"chmod 600 {private}", en=f"chmod 600 {private}")
        yield fail(f"{private} 可被他人读取", f"{private} may be read by others", mend)
    elif pem_of(signing_key(folder).public_key()) != pem_of(public_key(folder)):
        raise ModelError(f"{private} and the public key beside it are not of one pair")
    else:
        yield ok(f"密钥对 {name}，仅所有者可读", f"key pair {name}, private to its owner")


def publication(config: Config) -> Iterator[Finding]:
    """Look whether the live publication is whole, and how old it is."""
    from serving.scores.publication import open_publication

    folder = live_generation(config.stores.publications)
    if folder is None:
        yield fail("尚未发布", "nothing is published", RUN)
        return
    if not folder.is_dir():
        mend = Text(
            zh="从备份恢复，或运行 `echelon score`", en="Restore it, or run `echelon score`"
        )
        yield fail(f"{folder.name} 缺失", f"{folder.name} is live and missing", mend)
        return
    opened = open_publication(folder)
    opened.check()
    made = opened.manifest.created_at
    hours = (dt.datetime.now(dt.UTC) - made).total_seconds() / 3600
    if hours < 0:
        mend = Text(zh="校准时钟", en="Set the clock right")
        yield warn(f"{folder.name} 来自未来", f"{folder.name} was made in the future", mend)
    elif hours > OLD_HOURS:
        mend = Text(zh="检查 `echelon run` 的定时任务", en="Look at the schedule of `echelon run`")
        yield warn(
            f"{folder.name} 完好，发布于{hours / 24:.1f}天前",
            f"{folder.name} is whole, and {hours / 24:.1f} days old",
            mend,
        )
    else:
        yield ok(
            f"{folder.name} 完好，{opened.manifest.counts['customers']:,}位客户",
            f"{folder.name} is whole, {opened.manifest.counts['customers']:,} customers",
        )


def models(config: Config) -> Iterator[Finding]:
    """Look whether the models that made the publication are signed and give its scores again."""
    from serving.endpoint.served import bundle_of
    from serving.scores.publication import open_publication

    folder = _live(config.stores.publications)
    if folder is None:
        return
    opened = open_publication(folder)
    try:
        opened.check()
    except PublicationError:
        yield fail(
            "发布已损坏，无法核对其模型",
            "the publication is damaged: models cannot be held against it",
            Text(zh="先修复发布", en="Mend the publication first"),
        )
        return
    when = bundle_of(opened, config).manifest.created_at.date()
    yield ok(
        f"训练于{when}，签名、摘要与评分均一致",
        f"trained {when}; signature, digests and scores agree",
    )


def records(config: Config) -> Iterator[Finding]:
    """Look whether the records that the publication was made from are still there."""
    from serving.scores.publication import open_publication

    folder = _live(config.stores.publications)
    if folder is None:
        return
    made_from = config.stores.records / open_publication(folder).manifest.records
    newest = _live(config.stores.records)
    if config.sources.snapshot is None and not made_from.is_dir():
        mend = Text(
            zh="恢复备份，或运行 `echelon run`；在此之前按编号的假设问题无法回答",
            en="Restore it, or run `echelon run`; until then what-if by id cannot be answered",
        )
        yield fail(f"{made_from.name} 缺失", f"{made_from.name} is missing", mend)
    elif newest is not None and newest.name != made_from.name:
        yield warn(
            f"发布所依据的 {made_from.name} 之后已有 {newest.name}",
            f"the publication is of {made_from.name}; {newest.name} came since",
            Text(zh="运行 `echelon score`", en="Run `echelon score`"),
        )
    else:
        yield ok(f"{made_from.name} 即发布所依据者", f"{made_from.name} made the publication")


def _live(store: Path) -> Path | None:
    folder = live_generation(store)
    return folder if folder is None or folder.is_dir() else None


STORES: tuple[tuple[Text, Check], ...] = (
    (Text(zh="存储", en="stores"), folders),
    (Text(zh="签名密钥", en="signing keys"), keys),
    (Text(zh="发布", en="publication"), publication),
    (Text(zh="模型", en="models"), models),
    (Text(zh="记录", en="records"), records),
)
