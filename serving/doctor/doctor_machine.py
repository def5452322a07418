"""What the doctor looks at on the machine: software, port, disk, memory, threads, clock, zones."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from configs.errors import ServiceError
from configs.schema import Config
from configs.section import Text
from configs.version import VERSION
from serving.doctor.doctor import Check, Finding, fail, ok, warn
from serving.endpoint.serve import listen

GIB = 2**30
SPARE_BYTES = 5 * GIB
NEEDED_BYTES = GIB // 2
CLOCK_SECONDS = 2.0
SHOWN = 3


def software(config: Config) -> Iterator[Finding]:
    """Look whether what is installed is what Echelon declares, and what it was tested with."""
    wrong = [told for line in _declared() if (told := _unmet(Requirement(line)))]
    if wrong:
        yield fail(
            f"{len(wrong)}个软件包不符合要求：{_some(wrong)}",
            f"{len(wrong)} packages are not what is required: {_some(wrong)}",
            Text(zh="重新安装：pip install --upgrade echelon", en="Install again: pip install ."),
        )
        return
    pins = _beside_the_code("constraints.txt")
    other = _unlike(pins) if pins.is_file() else []
    here = f"Echelon {VERSION}, Python {platform.python_version()}"
    if other:
        yield warn(
            f"{len(other)}个软件包与 constraints.txt 中测试过的版本不同：{_some(other)}",
            f"{len(other)} packages differ from those tested in constraints.txt: {_some(other)}",
            Text(
                zh="以 --constraint constraints.txt 安装，或自行运行测试",
                en="Install with --constraint constraints.txt, or run the tests on these",
            ),
        )
    else:
        yield ok(f"{here}，依赖齐全", f"{here}, all that it needs")


def _declared() -> list[str]:
    """Return what Echelon needs, as it is installed or, as in a Bento, as its project says."""
    try:
        return requires("echelon") or []
    except PackageNotFoundError:
        project = tomllib.loads(_beside_the_code("pyproject.toml").read_text(encoding="utf-8"))
        return list(project["project"]["dependencies"])


def _beside_the_code(name: str) -> Path:
    return Path(str(resources.files("configs"))).parent / name


def _unmet(requirement: Requirement) -> str | None:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} {found}, not {requirement.specifier}"


def _unlike(pins: Path) -> list[str]:
    needed = {canonicalize_name(Requirement(line).name) for line in _declared()}
    pairs = [line.split("==") for line in pins.read_text(encoding="utf-8").split()]
    return [
        f"{name} {found} ({pinned})"
        for name, pinned in pairs
        if canonicalize_name(name) in needed and (found := _installed(name)) not in (None, pinned)
    ]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _some(told: list[str]) -> str:
    return ", ".join(told[:SHOWN]) + (" …" if len(told) > SHOWN else "")


def port(config: Config) -> Iterator[Finding]:
    """Look whether the endpoint's port is free, or an endpoint answers there already."""
    host, number = config.serving.host, config.serving.port
    if _is_echelon(host, number):
        yield ok(
            f"{host}:{number} 上已有一个服务在应答",
            f"an endpoint answers on {host}:{number} already",
        )
        return
    try:
        listen(host, number).close()
    except ServiceError as error:
        mend = Text(
            zh="停止占用者，或设置 serving.port", en="Stop what listens there, or set serving.port"
        )
        yield fail(f"{host}:{number} 不可用：{error}", f"{error}", mend)
    else:
        yield ok(f"{host}:{number} 空闲", f"{host}:{number} is free")


def _is_echelon(host: str, number: int) -> bool:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(host, number, timeout=2)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
    except (OSError, HTTPException):
        return False
    else:
        return answer.getheader("x-request-id") is not None
    finally:
        connection.close()


def disk(config: Config) -> Iterator[Finding]:
    """Look whether the next publication has room."""
    root = _existing(config.stores.root)
    free = shutil.disk_usage(root).free
    told = f"{free / GIB:,.1f} GiB"
    mend = Text(
        zh="释放空间，或把 stores.root 放到更大的磁盘",
        en="Free some, or set stores.root to a larger disk",
    )
    if free < NEEDED_BYTES:
        yield fail(f"{root} 仅剩 {told}", f"{root} has {told} left", mend)
    elif free < SPARE_BYTES:
        yield warn(f"{root} 仅剩 {told}", f"{root} has {told} left", mend)
    else:
        yield ok(f"{root} 有 {told} 可用", f"{root} has {told} free")


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return next(one for one in (folder, *folder.parents) if one.exists())


def memory(config: Config) -> Iterator[Finding]:
    """Look whether the engine may use more memory than there is."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    limit = config.engine.memory_limit_gib
    told = f"{limit:g} / {there:.1f} GiB"
    if limit > there / 2:
        yield warn(
            f"engine.memory_limit_gib 超过内存的一半（{told}）",
            f"engine.memory_limit_gib is more than half of the memory ({told})",
            Text(zh="调低 engine.memory_limit_gib", en="Lower engine.memory_limit_gib"),
        )
    else:
        yield ok(f"引擎可用 {told}", f"the engine may use {told}")


def threads(config: Config) -> Iterator[Finding]:
    """Look whether more threads are asked for than there are processors."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    asked = {
        "engine.threads": config.engine.threads,
        "training.threads": config.training.threads,
    }
    more = [f"{name}={count}" for name, count in asked.items() if count > (there or 1)]
    if more:
        yield warn(
            f"{'、'.join(more)}，但只有{there}个处理器",
            f"{', '.join(more)}, but there are {there} processors",
            Text(zh="调低到处理器数", en="Lower them to the number of processors"),
        )
    else:
        yield ok(f"{there}个处理器", f"{there} processors")


def clock(config: Config) -> Iterator[Finding]:
    """Look whether the clock agrees with that of the disk, which may be another machine's."""
    with tempfile.NamedTemporaryFile(dir=_writable(config.stores.root)) as file:
        off = os.fstat(file.fileno()).st_mtime - time.time()
    if abs(off) > CLOCK_SECONDS:
        yield warn(
            f"时钟与磁盘相差{off:+.0f}秒",
            f"the clock and the disk's are {off:+.0f} s apart",
            Text(zh="在两台机器上启用 NTP", en="Have NTP set the clocks of both machines"),
        )
    else:
        yield ok("时钟与磁盘一致", "the clock agrees with the disk's")


def _writable(folder: Path) -> Path:
    folder = _existing(folder)
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def zones(config: Config) -> Iterator[Finding]:
    """Look whether the company's time zone is known; the configuration has proved it once."""
    ZoneInfo(config.timezone)
    yield ok(
        f"时区 {config.timezone}，tzdata {version('tzdata')}",
        f"time zone {config.timezone}, tzdata {version('tzdata')}",
    )


def fonts(config: Config) -> Iterator[Finding]:
    """Look whether pictures of training can show Chinese."""
    from training.plots import chinese_font

    font = chinese_font()
    if font is None:
        yield warn(
            "没有中文字体，训练图片将用英文",
            "no font has Chinese characters: pictures of training are in English",
            Text(zh="安装 fonts-noto-cjk", en="Install fonts-noto-cjk"),
        )
    else:
        yield ok(f"中文字体 {font}", f"Chinese characters by {font}")


MACHINE: tuple[tuple[Text, Check], ...] = (
    (Text(zh="软件", en="software"), software),
    (Text(zh="端口", en="port"), port),
    (Text(zh="磁盘", en="disk"), disk),
    (Text(zh="内存", en="memory"), memory),
    (Text(zh="线程", en="threads"), threads),
    (Text(zh="时钟", en="clock"), clock),
    (Text(zh="时区", en="time zone"), zones),
    (Text(zh="字体", en="fonts"), fonts),
)
