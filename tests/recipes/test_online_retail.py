from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.recipes.conftest import SECOND_US, Prepare, rows

pytest.importorskip("fastexcel")
xlsxwriter = pytest.importorskip("xlsxwriter")

HEADER = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
MORNING, NOON = datetime(2011, 1, 3, 8, 26), datetime(2011, 1, 3, 12, 0, 30)
LINES = [
    (540001, "85123A", "PAPER LANTERN", 6, MORNING, 2.55, 17850, "United Kingdom"),
    (540001, 71053, "TIN CANDLE", 2, MORNING, 3.39, 17850, "United Kingdom"),
    (540001, 71053, "TIN CANDLE", 2, MORNING, 3.39, 17850, "United Kingdom"),
    (540002, "85123A", "PAPER LANTERN", 1, NOON, 2.55, 12346, "Norway"),
    (540003, "22423", "CAKE STAND", 1, NOON, 12.75, None, "France"),
    ("C540004", "85123A", "PAPER LANTERN", -6, NOON, 2.55, 17850, "United Kingdom"),
    (540005, "22423", "CAKE STAND", -3, NOON, 12.75, 12346, "Norway"),
    (540006, "22423", "CAKE STAND", 1, NOON, 0.0, 12346, "Norway"),
    (540007, "22423", "CAKE STAND", 1, NOON, -1.5, 12346, "Norway"),
]
FILTERS = {"no customer": 1, "cancelled invoice": 1, "return": 1, "price not above zero": 2}


def write_xlsx(path: Path) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet, day = book.add_worksheet("Online Retail"), book.add_format({"num_format": "dd/mm/yy hh:mm"})
        for column, name in enumerate(HEADER):
            sheet.write(0, column, name)
        for row, line in enumerate(LINES, 1):
            for column, value in enumerate(line):
                if isinstance(value, datetime):
                    sheet.write_datetime(row, column, value, day)
                elif value is not None:
                    sheet.write(row, column, value)
    return path


def write_parquet(path: Path) -> Path:
    columns = list(zip(*LINES, strict=True))
    text = {"InvoiceNo": [str(value) for value in columns[0]], "StockCode": [str(value) for value in columns[1]]}
    pl.DataFrame({**dict(zip(HEADER, columns, strict=True)), **text}, strict=False).write_parquet(path)
    return path


@pytest.mark.parametrize("write", [write_xlsx, write_parquet])
def test_the_literatures_cleaning_leaves_paid_lines_of_known_customers(write: object, tmp_path: Path, prepared: Prepare) -> None:
    assert callable(write)
    log = write(tmp_path / ("Online Retail.xlsx" if write is write_xlsx else "online_retail.parquet"))
    dataset = prepared("online-retail", log)
    morning, noon = (int(time.replace(tzinfo=UTC).timestamp()) * SECOND_US for time in (MORNING, NOON))
    assert rows(dataset) == [
        (12346, "85123A", "purchase", noon),
        (17850, "71053", "purchase", morning),
        (17850, "71053", "purchase", morning),
        (17850, "85123A", "purchase", morning),
    ]
    assert dataset.manifest.filters == FILTERS
    # 9 lines: 4 kept, 5 filtered.
    assert (dataset.manifest.rows.read, dataset.manifest.rows.kept, dataset.manifest.rows.rejected) == (9, 4, 0)
    np.testing.assert_allclose(dataset.array("events.price"), [2.55, 3.39, 3.39, 2.55])
    assert dataset.array("events.quantity").tolist() == [1, 2, 2, 6]
    # An invoice is a session: one each.
    assert dataset.array("events.session_id").tolist() == [0, 0, 0, 0]
