"""The cells of an Excel workbook (.xlsx), sheet by sheet, row by row, without an Excel library.

Values only: text as ``str``, numbers and dates (serial days) as ``float``, empty cells as ``None``.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import IO
from xml.etree import ElementTree

Cell = str | float | None
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_LETTERS = re.compile(r"[A-Z]+")


def sheets_of(workbook: IO[bytes]) -> Iterator[tuple[str, Iterator[list[Cell]]]]:
    """Yield each sheet's name with its rows; read a sheet's rows before asking for the next."""
    with zipfile.ZipFile(workbook) as archive:
        shared = _shared_texts(archive)
        targets = _targets(archive)
        for sheet in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter(f"{_MAIN}sheet"):
            with archive.open(targets[sheet.attrib[_RELATED]]) as content:
                yield sheet.attrib["name"], _rows(content, shared)


def _targets(archive: zipfile.ZipFile) -> dict[str, str]:
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    paths = {relation.attrib["Id"]: relation.attrib["Target"] for relation in relations}
    return {
        key: path.lstrip("/") if path.startswith("/") else f"xl/{path}"
        for key, path in paths.items()
    }


def _shared_texts(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    texts = []
    with archive.open("xl/sharedStrings.xml") as content:
        for _, element in ElementTree.iterparse(content):
            if element.tag == f"{_MAIN}si":
                texts.append(_text(element))
                element.clear()
    return texts


def _rows(content: IO[bytes], shared: list[str]) -> Iterator[list[Cell]]:
    width = 0
    for _, element in ElementTree.iterparse(content):
        if element.tag != f"{_MAIN}row":
            continue
        row: list[Cell] = []
        for cell in element.iter(f"{_MAIN}c"):
            position = _position(cell.attrib.get("r", ""), len(row))
            row += [None] * (position - len(row))
            row.append(_value(cell, shared))
        element.clear()
        width = width or len(row)
        yield row + [None] * (width - len(row))


def _position(reference: str, following: int) -> int:
    """Return the column of a cell reference, counted from 0.

    >>> _position("A1", 0), _position("AB12", 0)
    (0, 27)
    """
    match = _LETTERS.match(reference)
    if match is None:
        return following
    position = 0
    for letter in match[0]:
        position = position * 26 + ord(letter) - ord("A") + 1
    return position - 1


def _value(cell: ElementTree.Element, shared: list[str]) -> Cell:
    kind = cell.attrib.get("t", "n")
    if kind == "inlineStr":
        return _text(cell)
    value = cell.findtext(f"{_MAIN}v")
    if value is None or kind == "e":
        return None
    if kind == "s":
        return shared[int(value)]
    return float(value) if kind in ("n", "b") else value


def _text(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_MAIN}t"))
