"""Why a row is refused, in words: every reason has a code, and says how to mend it."""

from __future__ import annotations

from configs.section import Language, Text

COLUMNS = ("source", "line", "column", "reason", "message", "raw", "fingerprint")
"""Columns of ``quarantine/<table>.csv``."""

REASONS: dict[str, Text] = {
    "bad_encoding": Text(
        zh="含有无法按文件编码解读的字节；请另存为 UTF-8，或在配置中设置 encoding",
        en="has bytes that the file's encoding does not know; save it as UTF-8 or set encoding",
    ),
    "nul_byte": Text(
        zh="含有 NUL 字节；请从源系统重新导出", en="holds a NUL byte; export it again"
    ),
    "wrong_column_count": Text(
        zh="列数与表头不符；请检查多余或缺少的分隔符",
        en="has more or fewer columns than the header; look for a stray or missing delimiter",
    ),
    "unterminated_quote": Text(
        zh="引号没有闭合；请补上或删除引号",
        en="opens a quote that never closes; close or remove it",
    ),
    "stray_quote": Text(
        zh="引号字段中有未转义的引号；请写成两个引号",
        en="has a quote inside a quoted field; write it twice",
    ),
    "missing_customer_id": Text(zh="缺少客户编号", en="has no customer id"),
    "missing_value": Text(zh="缺少必填值", en="lacks a value that is required"),
    "mangled_id": Text(
        zh="编号被电子表格改成了科学计数法，数字已丢失；请将该列设为文本后重新导出",
        en="is an id that a spreadsheet cut to scientific notation; export the column as text",
    ),
    "bad_number": Text(
        zh="不是数字；若小数点写作逗号，请设置 decimal: ','",
        en="is not a number; where a comma marks decimals, set decimal: ','",
    ),
    "number_out_of_range": Text(zh="数值超出 ±10 亿", en="is beyond ±1,000,000,000"),
    "bad_date": Text(
        zh="不是有效日期；若为特殊写法，请设置 format（例如 '%d/%m/%Y'）",
        en="is no date; for a special notation set format (such as '%d/%m/%Y')",
    ),
    "ambiguous_date": Text(
        zh="无法区分日和月；请设置 format（例如 '%d/%m/%Y'）",
        en="does not tell day from month; set format (such as '%d/%m/%Y')",
    ),
    "date_out_of_range": Text(
        zh="早于可能的日期范围", en="is a date before anything can have happened"
    ),
    "future_date": Text(zh="晚于计分日或今天", en="is later than the as-of day or today"),
    "negative_quantity": Text(
        zh="购买数量为负；若为退货，请映射 kind",
        en="is a negative quantity in a purchase; map kind",
    ),
    "negative_amount": Text(
        zh="购买金额为负；若为退款，请映射 kind", en="is a negative amount in a purchase; map kind"
    ),
    "negative_duration": Text(zh="时长为负", en="is a negative duration"),
    "unknown_kind": Text(
        zh="是未知的类型；请在配置的 values 中翻译",
        en="is a kind not known; translate it in values",
    ),
    "score_outside_scale": Text(
        zh="评分超出量表；请设置 scale_min 和 scale_max",
        en="is a score outside its scale; map scale_min and scale_max",
    ),
    "ends_before_start": Text(zh="早于发生时间", en="is earlier than occurred_at"),
    "duplicate_row": Text(
        zh="与前面的一行完全相同；若确为两笔，请设置 duplicates: keep",
        en="repeats an earlier row; where both are meant, set duplicates: keep",
    ),
    "duplicate_customer": Text(
        zh="该客户已在前面出现", en="is about a customer that an earlier row describes"
    ),
}


def message(reason: str, column: str, value: str, language: Language) -> str:
    """Return what is wrong with a row, in one sentence.

    >>> message("bad_number", "amount", "12,5O", "en")
    "amount '12,5O' is not a number; where a comma marks decimals, set decimal: ','"
    """
    subject = " ".join(part for part in (column, repr(value) if value else "") if part)
    start = subject or {"zh": "该行", "en": "the row"}[language]
    space = " " if language == "en" or subject else ""
    return f"{start}{space}{REASONS[reason][language]}"
