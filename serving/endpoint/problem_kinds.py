"""The kinds of problems: a code for programs, a status, and words for people in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from configs.section import Text


@dataclass(frozen=True)
class Kind:
    """One kind of problem: a stable code for programs, a status, and texts for people.

    Attributes:
        code: what programs go by; it never changes its meaning.
        status: the HTTP status.
        title: what is wrong, the same for every problem of the kind.
        detail: how to mend it, where nothing more particular is known.
    """

    code: str
    status: int
    title: Text
    detail: Text


def _kind(code: str, status: int, title: tuple[str, str], detail: tuple[str, str]) -> Kind:
    return Kind(code, status, *(Text(zh=zh, en=en) for zh, en in (title, detail)))


KINDS = {
    kind.code: kind
    for kind in (
        _kind(
            "malformed-json",
            400,
            ("请求体不是JSON", "The body is not JSON"),
            ("请以UTF-8发送JSON。", "Send JSON in UTF-8."),
        ),
        _kind(
            "not-finite-number",
            400,
            ("数字不是有限值", "A number is not finite"),
            ("缺失的值请省略，或发送null。", "Leave a missing value out, or send null."),
        ),
        _kind(
            "repeated-key",
            400,
            ("同一对象中有重复的键", "A key stands twice in one object"),
            ("每个键只发送一次。", "Send each key once."),
        ),
        _kind(
            "transfer-coding-not-known",
            400,
            ("不支持该Transfer-Encoding", "The Transfer-Encoding is not known here"),
            (
                "请只用chunked，或发送Content-Length；不要压缩。",
                "Send the body with 'chunked' alone or with a Content-Length, and uncompressed.",
            ),
        ),
        _kind(
            "malformed-request",
            400,
            ("请求格式有误", "The request is malformed"),
            (
                "无法理解该请求；可接受的形式见/docs.json。",
                "The request cannot be understood; see /docs.json for what is accepted.",
            ),
        ),
        _kind(
            "invalid-idempotency-key",
            400,
            ("Idempotency-Key有误", "The Idempotency-Key is malformed"),
            (
                "请发送1到255个可打印的ASCII字符，例如UUID。",
                "Send 1 to 255 printable ASCII characters, such as a UUID.",
            ),
        ),
        _kind(
            "key-missing",
            401,
            ("请求没有密钥", "The request shows no key"),
            (
                "请发送请求头Authorization: Bearer ech_…；密钥由echelon keys create生成。",
                "Send the header 'Authorization: Bearer ech_…'; `echelon keys create` makes a key.",
            ),
        ),
        _kind(
            "key-not-valid",
            401,
            ("密钥无效", "The key is not valid"),
            (
                "密钥不存在、已过期或已撤销；请向运维人员索取新密钥。",
                "It does not exist, has expired or was revoked; have the operator make another.",
            ),
        ),
        _kind(
            "role-not-allowed",
            403,
            ("该密钥的角色无权访问此地址", "The role of the key may not do this"),
            ("请使用角色合适的密钥。", "Use a key of another role."),
        ),
        _kind(
            "unknown-customer",
            404,
            ("发布结果中没有该客户", "The customer is not in the publication"),
            (
                "请核对编号，或在records中发送该客户的记录。",
                "Check the number, or send the customer's records under 'records'.",
            ),
        ),
        _kind(
            "unknown-route",
            404,
            ("该地址没有内容", "There is nothing at this address"),
            ("可用的地址见/docs.json。", "See /docs.json for the addresses that exist."),
        ),
        _kind(
            "unknown-job",
            404,
            ("没有该批量任务", "There is no such batch job"),
            (
                "请核对编号；任务过期30天后不再列出。",
                "Check the id; a job is forgotten 30 days after it expired.",
            ),
        ),
        _kind(
            "method-not-allowed",
            405,
            ("该地址不接受此方法", "The address does not accept this method"),
            ("请使用Allow头列出的方法。", "Use a method of the header Allow."),
        ),
        _kind(
            "not-acceptable",
            406,
            ("没有所要的结果格式", "The results do not come in that form"),
            (
                "请在Accept中要求application/x-ndjson或application/vnd.apache.parquet。",
                "Ask for application/x-ndjson or application/vnd.apache.parquet in Accept.",
            ),
        ),
        _kind(
            "body-too-slow",
            408,
            ("请求体未按时到达", "The body did not arrive in time"),
            ("请在10秒内发送完整请求体。", "Send the whole body within 10 seconds."),
        ),
        _kind(
            "job-without-results",
            409,
            ("该任务没有结果", "The job has no results"),
            (
                "请等到state为succeeded；失败的任务在failure中说明原因。",
                "Wait until its state is succeeded; a failed job says why under failure.",
            ),
        ),
        _kind(
            "request-in-flight",
            409,
            ("同一键的请求正在处理", "A request with this key is being answered"),
            (
                "请稍后以相同的键和请求体重发。",
                "Send it again later, with the same key and body.",
            ),
        ),
        _kind(
            "job-expired",
            410,
            ("该任务已过期", "The job has expired"),
            (
                "结果已删除；请重新提交任务。",
                "Its results are gone; send the job again.",
            ),
        ),
        _kind(
            "body-too-large",
            413,
            ("请求体过大", "The body is too large"),
            ("请拆分请求。", "Split the request."),
        ),
        _kind(
            "too-many-rows",
            413,
            ("请求的行数过多", "The request holds too many rows"),
            ("请拆分请求。", "Split the request."),
        ),
        _kind(
            "address-too-long",
            414,
            ("地址过长", "The address is too long"),
            ("可用的地址见/docs.json。", "See /docs.json for the addresses that exist."),
        ),
        _kind(
            "media-type-not-accepted",
            415,
            ("此处不接受该类型的请求体", "The body is not of a type that is read here"),
            (
                "请发送请求头Content-Type: application/json，且不压缩。",
                "Send the header 'Content-Type: application/json', and the body uncompressed.",
            ),
        ),
        _kind(
            "host-not-allowed",
            421,
            ("此处不提供该主机名", "The host name is not served here"),
            (
                "请用serving.allowed_hosts列出的主机名访问，或请运维人员添加。",
                "Ask by a host name listed in serving.allowed_hosts, or have the operator add "
                "yours.",
            ),
        ),
        _kind(
            "invalid-request",
            422,
            ("请求不符合其模式", "The request does not fit its schema"),
            ("请改正errors所指的字段。", "Mend the fields that errors point at."),
        ),
        _kind(
            "raw-records-not-served",
            422,
            ("该模型不能回答此问题", "This model cannot answer the question"),
            (
                "合同客户没有可供假设的事件记录；请用/v1/predictions或/v1/explanations。",
                "Contract customers have no events to suppose more of; ask /v1/predictions or "
                "/v1/explanations.",
            ),
        ),
        _kind(
            "idempotency-key-reused",
            422,
            ("该键已用于另一请求体", "The key came with another body before"),
            (
                "新的请求请用新的键。",
                "Take a new key for a new request.",
            ),
        ),
        _kind(
            "no-rows",
            422,
            ("请求体没有任何行", "The body holds no row"),
            (
                "每位客户发送一行。",
                "Send a row for each customer.",
            ),
        ),
        _kind(
            "not-parquet",
            422,
            ("请求体不是Parquet文件", "The body is no Parquet file"),
            (
                "请发送完整的Parquet文件，或改用NDJSON。",
                "Send a whole Parquet file, or NDJSON.",
            ),
        ),
        _kind(
            "overloaded",
            429,
            ("同时请求过多", "Too many requests at once"),
            ("请稍后重发，并减少并发。", "Send the request again later, and fewer at once."),
        ),
        _kind(
            "too-many-jobs",
            429,
            ("等待中的任务过多", "Too many jobs are waiting"),
            (
                "请在有任务完成后重发。",
                "Send it again once a job has finished.",
            ),
        ),
        _kind(
            "too-many-idempotency-keys",
            429,
            ("24小时内使用的键过多", "Too many keys were used in 24 hours"),
            (
                "请稍后重发，或不带键发送。",
                "Send it again later, or without a key.",
            ),
        ),
        _kind(
            "too-many-requests",
            429,
            ("该密钥的请求过于频繁", "The key sends too many requests"),
            ("请按Retry-After头等待后重发。", "Wait as the header Retry-After says."),
        ),
        _kind(
            "headers-too-large",
            431,
            ("请求头过大", "The headers are too large"),
            ("请缩短地址和请求头。", "Shorten the address and the headers."),
        ),
        _kind(
            "internal-error",
            500,
            ("服务出错", "The endpoint failed"),
            (
                "运维人员可凭此trace_id在日志中找到原因。",
                "The operator finds the cause in the log under this trace id.",
            ),
        ),
        _kind(
            "not-ready",
            503,
            ("服务未就绪", "The endpoint is not ready"),
            (
                "尚未载入发布结果；请查看/readyz，稍后重发。",
                "No publication is loaded; see /readyz, and send the request again later.",
            ),
        ),
        _kind(
            "busy",
            503,
            ("服务繁忙", "The endpoint is busy"),
            (
                "请按Retry-After所示等待后重发。",
                "Send the request again after the seconds that Retry-After names.",
            ),
        ),
        _kind(
            "timed-out",
            504,
            ("回答用时过长", "The answer took too long"),
            (
                "请减少行数，或稍后重发。",
                "Send fewer rows, or send the request again later.",
            ),
        ),
        _kind(
            "no-room",
            507,
            ("磁盘空间不足", "The disk is too full"),
            (
                "请删除已完成的任务，或请运维人员腾出空间后重发。",
                "Remove finished jobs, or have the operator free some, and send it again.",
            ),
        ),
    )
}
"""Every kind, by code; ``docs/api.md`` explains each, and a test says so."""

BY_STATUS = {kind.status: kind.code for kind in reversed(KINDS.values())} | {
    400: "malformed-request",
    404: "unknown-route",
}
"""The code that stands for a bare status."""
