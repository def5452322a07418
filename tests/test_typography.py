"""Chinese sentences carry Chinese punctuation, wherever in the packages they are written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("features", "training", "serving")
HALF_WIDTH = re.compile(r"[,;:!?()]")
AS_TYPED = re.compile(r"[a-z_.]+: \S+|\{[^{}]*\}")  # settings to type, and figures to fill in
HAN = re.compile("[\u4e00-\u9fff]")


def mistaken(chinese: str) -> bool:
    """Return whether a Chinese text has punctuation of Latin width, what is typed apart."""
    return bool(HAN.search(chinese) and HALF_WIDTH.search(AS_TYPED.sub("", chinese)))


def in_code(path: Path) -> Iterator[str]:
    """Yield what ``zh=…`` and ``{"zh": …}`` say; a figure that is filled in reads as 0."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "zh":
            yield written(node.value)
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "zh":
                    yield written(value)


def written(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(written(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return written(node.left) + written(node.right)
    return written(node.body) if isinstance(node, ast.IfExp) else "0"


def in_page(path: Path) -> list[str]:
    """Return the first, Chinese, argument of every ``t("…", "…")`` or ``_("…", "…")``."""
    found = re.findall(r"""\b[t_]\(\s*(?:"([^"]*)"|'([^']*)')""", path.read_text(encoding="utf-8"))
    return ["".join(one) for one in found]


@pytest.mark.parametrize("package", PACKAGES)
def test_chinese_texts_have_full_width_punctuation(package):
    folder = ROOT / package
    found = {path: list(in_code(path)) for path in folder.rglob("*.py")}
    found |= {path: in_page(path) for path in folder.rglob("*.html")}
    assert sum(map(len, found.values())) > 0
    wrong = [f"{path.name}: {text}" for path, texts in found.items() for text in texts]
    assert [line for line in wrong if mistaken(line.partition(": ")[2])] == []


@pytest.mark.parametrize(("chinese", "wrong"), [("需要3个月, 现有2个月", True), ("滞后(天)", True)])
def test_half_width_punctuation_is_seen(chinese, wrong):
    assert mistaken(chinese) is wrong
    assert not mistaken("需要3个月，请设置 decimal: ','")
