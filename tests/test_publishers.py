"""Public data sets: downloaded from a local stand-in for the publisher, checked, turned around."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.errors import RecordsError
from features.raw.publishers import DATA_SETS, DataSet, fetch
from features.raw.workbook import sheets_of


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the address under which it is served."""
    folder = tmp_path / "publisher"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def served(publisher: tuple[Path, str], name: str, content: bytes, sha256: str | None) -> dict:
    folder, address = publisher
    (folder / "file.zip").write_bytes(content)
    data_set = replace(DATA_SETS[name], url=f"{address}/file.zip", sha256=sha256)
    return {name: data_set}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def workbook(sheets: dict[str, list[str]]) -> bytes:
    """Return a workbook whose rows are given as the XML of their cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    related = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    listed = "".join(
        f'<sheet name="{name}" r:id="rId{n}"/>' for n, name in enumerate(sheets, start=1)
    )
    relations = "".join(
        f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    files = {
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{related}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships>{relations}</Relationships>",
        "xl/sharedStrings.xml": f'<sst xmlns="{main}"><si><t>Invoice</t></si>'
        "<si><r><t>Stock</t></r><r><t>Code</t></r></si></sst>",
    }
    for n, rows in enumerate(sheets.values(), start=1):
        body = "".join(f"<row>{row}</row>" for row in rows)
        files[f"xl/worksheets/sheet{n}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
        )
    return zipped({name: content.encode() for name, content in files.items()})


def text(reference: str, value: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'


HEADER = '<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c>' + "".join(
    text(f"{letter}1", name)
    for letter, name in zip(
        "CDEFGH",
        ("Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"),
        strict=True,
    )
)


def test_sheets_are_read_with_shared_texts_gaps_and_numbers():
    content = workbook({"one": [HEADER, '<c r="B2"><v>2.5</v></c>'], "two": [text("A1", "x")]})
    sheets = {name: list(rows) for name, rows in sheets_of(io.BytesIO(content))}
    assert sheets["one"][0][:3] == ["Invoice", "StockCode", "Description"]
    assert sheets["one"][1] == [None, 2.5, None, None, None, None, None, None]
    assert sheets["two"] == [["x"]]


def test_the_workbook_of_two_sheets_becomes_one_table_that_names_them(publisher, tmp_path):
    row = (
        '<c r="A2"><v>489434</v></c>' + text("B2", "79323P") + text("C2", "LIGHTS")
        + '<c r="D2"><v>12</v></c><c r="E2"><v>40148.322916666664</v></c>'
        + '<c r="F2"><v>6.75</v></c><c r="G2"><v>13085</v></c>' + text("H2", "United Kingdom")
    )  # fmt: skip
    unknown = text("A2", "C536379") + '<c r="D2"><v>-1</v></c><c r="E2"><v>40513</v></c>'
    sheets = {"Year 2009-2010": [HEADER, row], "Year 2010-2011": [HEADER, unknown]}
    content = zipped({"online_retail_II.xlsx": workbook(sheets)})
    digest = hashlib.sha256(content).hexdigest()
    registry = served(publisher, "online-retail-ii", content, digest)
    out = fetch("online-retail-ii", tmp_path / "data", registry)
    first, second = pq.read_table(out / "online_retail_II.parquet").to_pylist()
    assert first == {
        **{"InvoiceNo": "489434", "StockCode": "79323P", "Description": "LIGHTS", "Quantity": 12},
        **{"InvoiceDate": dt.datetime(2009, 12, 1, 7, 45), "UnitPrice": 6.75},
        **{"CustomerID": 13085, "Country": "United Kingdom", "sheet": "Year 2009-2010"},
    }
    assert (second["InvoiceNo"], second["CustomerID"], second["sheet"]) == (
        *("C536379", None, "Year 2010-2011"),
    )


@pytest.mark.data
def test_the_made_file_has_the_columns_of_the_one_that_tests_use(publisher, tmp_path, echelon_data):
    content = zipped({"online_retail_II.xlsx": workbook({"Year 2009-2010": [HEADER]})})
    out = fetch("online-retail-ii", tmp_path, served(publisher, "online-retail-ii", content, None))
    made = pq.read_schema(out / "online_retail_II.parquet")
    assert made.names == pq.read_schema(echelon_data / "online_retail_II.parquet").names


def test_cdnow_and_telco_become_the_files_their_configurations_read(publisher, tmp_path):
    lines = b" 00004 00001 19970101  2   29.33\r\n 00004 00001 19970118  2   29.73\r\n"
    content = zipped({"CDNOW_sample.txt": lines})
    fetch("cdnow", tmp_path, served(publisher, "cdnow", content, None))
    assert pq.read_table(tmp_path / "cdnow_sample.parquet").to_pylist()[0] == {
        **{"master_id": 4, "sample_id": 1, "date": dt.datetime(1997, 1, 1)},
        **{"n_cds": 2, "amount": 29.33},
    }
    content = b"customerID,TotalCharges,Churn\n7590-VHVEG, ,No\n"
    fetch("telco", tmp_path, served(publisher, "telco", content, None))
    assert pq.read_table(tmp_path / "telco.parquet").to_pylist() == [
        {"customerID": "7590-VHVEG", "TotalCharges": " ", "Churn": "No"}
    ]


def test_complete_journey_is_taken_out_of_its_package(publisher, tmp_path):
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({"household_id": ["1"]}), buffer)
    made = DATA_SETS["complete-journey"].makes
    content = zipped({f"pack/data/{Path(n).name}": buffer.getvalue().to_pybytes() for n in made})
    fetch("complete-journey", tmp_path, served(publisher, "complete-journey", content, None))
    assert all(pq.read_table(tmp_path / name).num_rows == 1 for name in made)


def test_a_file_that_is_not_the_known_one_is_refused(publisher, tmp_path):
    content = zipped({"CDNOW_sample.txt": b" 1 1 19970101 2 29.33\n"})
    registry = served(publisher, "cdnow", content, "0" * 64)
    with pytest.raises(RecordsError, match="is not the file that is known"):
        fetch("cdnow", tmp_path, registry)
    assert not (tmp_path / "cdnow_sample.parquet").exists()


def test_an_unknown_checksum_is_recorded_once_and_held_against_later_downloads(
    publisher, tmp_path, caplog
):
    content = zipped({"CDNOW_sample.txt": b" 1 1 19970101 2 29.33\n"})
    registry = served(publisher, "cdnow", content, None)
    fetch("cdnow", tmp_path, registry)
    assert "No checksum of cdnow is known beforehand" in caplog.text
    (note,) = (tmp_path / "downloads").glob("*.sha256")
    assert note.read_text().strip() == hashlib.sha256(content).hexdigest()
    (tmp_path / "downloads" / note.stem).unlink()
    changed = served(publisher, "cdnow", content + b"more", None)
    with pytest.raises(RecordsError, match="is not the file that is known"):
        fetch("cdnow", tmp_path, changed)


def test_a_wrong_name_and_an_unreachable_publisher_are_said(publisher, tmp_path):
    with pytest.raises(RecordsError, match="did you mean 'cdnow'"):
        fetch("cdnw", tmp_path)
    registry: dict[str, DataSet] = served(publisher, "cdnow", b"", None)
    gone = replace(registry["cdnow"], url=registry["cdnow"].url + ".gone")
    with pytest.raises(RecordsError, match="cannot be downloaded"):
        fetch("cdnow", tmp_path, {"cdnow": gone})


def test_every_shipped_mapping_of_a_public_data_set_can_be_fetched():
    folder = Path(__file__).parent.parent / "configs" / "datasets"
    names = {path.stem.replace("_", "-") for path in folder.glob("*.yaml")}
    assert names == set(DATA_SETS)
