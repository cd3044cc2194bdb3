"""What an upstream says in words alone: that the relay's account has no money, is closed, or may not use the
model here.

Many vendors have no code for these and answer 400 or 403 like a fault of the request. A sentence counts only
where the message begins with it: what follows may quote the request, and a client must not be able to take a
channel out by what it writes. The sentences are the vendors' own, in lower case, with one blank between
words.
"""

import re
from typing import Any

import msgspec

from switchgear.wire.faults.codes import FaultKind

_decode_any = msgspec.json.Decoder().decode
_WORDS_CHARS_MAX = 512
_WRAPPERS_MAX = 4

_ACCOUNT = (
    r"(?:your|the|this) (?:[a-z_-]{1,20} ){0,3}(?:account|organization|team|project|workspace|subscription)"
)
_WHO = r".{0,80}?"
"""The name or number of an account, behind words that no client can write."""
_CLOSED = r"(?:suspended|disabled|deactivated|banned|blocked|restricted|frozen|locked|terminated|closed)"
_KEY = (
    r"(?:(?:your|the|this|provided) )?"
    r"(?:api[ -]?key|credential|(?:access|oauth|auth|api|authorization) token)"
)
_TO_ME = r"(?:you|your (?:account|organization|project|team|plan|subscription|api key))"

_FUNDS = (
    r"your credit balance is too low",  # Anthropic
    r"you have reached your specified (?:workspace )?api usage limits",  # Anthropic
    r"third-party apps now draw from your extra usage",  # Anthropic
    r"billing hard limit has been reached",  # OpenAI
    r"your account is not active, please check your billing",  # OpenAI
    r"insufficient (?:account )?(?:balance|credits?|funds|quota|user quota)",  # DeepSeek, MiniMax, OpenRouter
    r"(?:sorry, )?your account balance is (?:insufficient|not enough|too low|negative)",  # SiliconFlow
    r"(?:your )?(?:account|user|current) balance (?:is )?(?:insufficient|not enough|exhausted)",
    r"(?:credit|spend(?:ing)?|usage|monthly) (?:limit|cap) (?:exceeded|reached|has been reached)",  # Together
    r"key limit exceeded",  # OpenRouter
    r"your (?:newly created )?team .{0,80}?(?:doesn't have any credits|has either used all available)",  # xAI
    r"your (?:prepa(?:id|yment) )?credits (?:are|have been) (?:depleted|exhausted|used up)",  # Google
    r"your project has exceeded its (?:monthly )?spend",  # Google
    r"this api method requires billing to be enabled",  # Google
    r"account [^ ]{1,80} is suspended, possibly due to reaching",  # Fireworks
    rf"{_ACCOUNT} {_WHO}(?:is suspended|is not active) ?(?:due to|,? ?please|, current state)",  # Moonshot
    rf"{_ACCOUNT} {_WHO}(?:has insufficient|has no (?:credits?|balance|funds)|is (?:overdue|in arrears))",
    rf"{_ACCOUNT} {_WHO}has (?:reached|exceeded) (?:the|its) (?:set |monthly )*(?:inference|spend|usage)",
    r"access denied, please make sure your account is in good standing",  # DashScope
    r"the (?:prepaid|postpaid) bill is overdue",  # DashScope
    r"(?:free allocated quota exceeded|free quota (?:has been )?exhausted)",  # DashScope
    r"commodity has not purchased",  # DashScope
    r"the request failed because your account has an overdue balance",  # Ark
    r"inactive subscription or usage limit reached",  # Mistral
    r"you have (?:run out of|no|used all (?:of )?your) (?:credits?|balance|tokens left)",
    r"you(?:'ve| have) (?:exceeded|reached) your (?:monthly|spending|credit|included) ",
    r"payment required",
    r"(?:the )?token quota (?:is|has been) (?:exhausted|used up)",
    r"pre-?consum\w+ .{0,20}quota",
    r"(?:用户|令牌|帐户|账户|账号|您的账户|您的账号|当前账户|该令牌)?(?:剩余)?(?:额度|余额|配额)(?:不足|已用尽|已耗尽)",
    r"预扣费额度失败|该令牌额度已用尽|(?:您的)?(?:账户|账号|帐户)(?:已)?欠费|账户余额不足|您的账户余额不足|余额不足",
    r"insufficient resource package|resource package (?:is )?exhausted",  # Tencent
    r"资源包(?:已)?(?:用尽|耗尽|不足)",
)
_FUNDS_UNLESS_LIMITED = (r"you exceeded your current quota",)
"""OpenAI says so of money, Google of a rate."""
_AUTH = (
    rf"{_KEY} (?:has |is |was )?(?:been )?(?:expired|invalid|not valid|not found|revoked|deleted|{_CLOSED})",
    rf"{_KEY} (?:has been |was )?reported as leaked",  # Google
    r"(?:the |your )?token (?:has |is )?expired",
    r"(?:incorrect|invalid|expired|wrong) (?:api[ -]?key|x-api-key|access token|bearer token|api token)",
    r"invalid (?:authentication|credentials?)\b",  # Moonshot
    r"(?:authentication|authorization|login) fail(?:s|ed|ure)?\b",  # DeepSeek, MiniMax
    r"this credential is only authorized for use with",  # Anthropic
    r"organization has been restricted",  # Groq
    rf"{_ACCOUNT} {_WHO}(?:is|has been|was) (?:temporarily |permanently )?{_CLOSED}",
    rf"(?:account|organization|project|permission denied: consumer|consumer) {_WHO}(?:is|has been) {_CLOSED}",
    r"(?:your |this |the )?user (?:[^ ]{1,60} )?(?:is|has been) (?:banned|suspended|deactivated)",
    r"the openai account associated with this api key has been deactivated",
    r"your project has been denied access",  # Google
    r"[a-z ]{1,40}api has not been used in project [^ ]{1,80} before or it is disabled",  # Google
    r"the security token included in the request is (?:invalid|expired)",  # AWS
    r"(?:your )?account is not authorized to invoke this api operation",  # AWS
    r"access denied due to (?:invalid subscription key|virtual network)",  # Azure
    r"you have insufficient permissions for this operation",  # OpenAI
    r"无效的令牌|该?令牌(?:已过期|状态不可用|已禁用|无效)|用户(?:已)?被(?:封禁|禁用)",
    r"账[号户](?:已)?被(?:封禁|禁用|冻结|锁定)|身份验证失败|鉴权失败|认证失败|api key ?(?:已过期|无效|错误)",
)
_NOT_HERE = (
    r"user location is not supported",  # Google
    r"(?:your )?country, region, or territory (?:is )?not supported",  # OpenAI
    r"(?:country|region|location|territory) (?:is )?not (?:supported|allowed|available)",
    r"access to .{1,60}? is not allowed from unsupported countries",  # Bedrock
    r"(?:this|the requested) (?:service|model|api) is not available in your (?:country|region|location)",
    r"this model is not available in your region",
    r"not available in your (?:country|region)",
    r"request not allowed$",  # Anthropic, of a place that it does not serve
)
_NO_MODEL = (
    r"the free (?:tier|quota|allocated quota) of the model has been exhausted",  # DashScope
    r"models/[^ ]{1,120} is not found for api version",  # Google
    r"model: [a-z0-9._@:/-]{1,120}$",  # Anthropic
    r"your organization must be verified to (?:use|stream|generate)",  # OpenAI
    r"project [^ ]{1,80} does not have access to model",  # OpenAI
    rf"{_TO_ME} (?:do(?:es)? not|don't|doesn't) have (?:permission to |any )?access (?:to |this )",
    r"(?:the|your|this) (?:current )?(?:subscription|plan|coding plan|package) .{0,40}?"
    r"(?:does not|doesn't) (?:yet )?(?:include|support|have access)",
    r"your account does not have a valid [a-z ]{0,20}subscription",  # Ark
    r"model (?:access denied|use case details have not been submitted)",  # DashScope, Bedrock
    r"invocation of model id .{1,120}? with on-demand throughput isn.t supported",  # Bedrock
    r"this model version has reached the end of its life",  # Bedrock
    r"access to this model is (?:denied|restricted)",
    r"the model [^ ]{1,120} (?:requires terms acceptance|has been (?:decommissioned|retired))",  # Groq
    r"(?:the )?model [^ ]{1,120} (?:does not exist|(?:is |was )?not found|not exist)",
    r"(?:no such|unknown|invalid) model\b",
    r"model does not exist|model disabled|model not (?:exist|found|supported)",  # SiliconFlow, Cloudflare
    r"unable to access (?:non-serverless )?model",  # Together
    r"the .{1,60}? operation does not work with the specified model",  # Azure
    r"(?:paid )?models? (?:is|are) only (?:available )?for verified users",  # SiliconFlow
    r"当前分组.{0,80}(?:无可用渠道|不支持)|模型不存在|无权访问(?:该)?模型|没有(?:该)?模型(?:的)?(?:权限|访问权限)",
)
_CONTENT = (
    r"content violates usage guidelines",  # xAI, with 403
    r"output blocked by content filtering policy",  # Anthropic
    r".{1,80}? requires moderation on .{1,60}? your input was flagged",  # OpenRouter, with 403
)


def _any_of(sentences: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{sentence})" for sentence in sentences))


_FUNDS_SAID = _any_of(_FUNDS)
_QUOTA_SAID = _any_of(_FUNDS_UNLESS_LIMITED)
_AUTH_SAID = _any_of(_AUTH)
_MODEL_SAID = _any_of(_NOT_HERE + _NO_MODEL)
_CONTENT_SAID = _any_of(_CONTENT)
_UNAFFORDABLE_SAID = re.compile(r"this request requires more credits, or fewer max_tokens")
"""OpenRouter's, of a request that is dearer than what is left."""
_WRAPPER = re.compile(r"(?:[a-z0-9_.]{0,60}(?:error|exception)|error code: \d{3}|upstream) {0,2}[:-] {0,2}")
_BLANKS = re.compile(r"\s+")


def kind_of_sentence(kind: FaultKind, message: str) -> FaultKind:
    """The kind that an error's message names, where it says more than its codes and status did (``kind``)."""
    said = plain_words(message)
    if not said or kind in ("content", "loop"):
        return kind
    if _CONTENT_SAID.match(said):
        return "content"
    if _FUNDS_SAID.match(said) or (kind != "limited" and _QUOTA_SAID.match(said)):
        return "funds"
    if kind in ("funds", "limited"):
        return kind
    if _AUTH_SAID.match(said):
        return "auth"
    return "model" if _MODEL_SAID.match(said) else kind


def is_unaffordable(message: str) -> bool:
    """Whether the account has money, but too little for what this request may cost."""
    return _UNAFFORDABLE_SAID.match(plain_words(message)) is not None


def plain_words(message: str) -> str:
    """The start of a message in lower case, without what relays and SDKs write around it: a class of error,
    the whole error as JSON."""
    said = message
    for _ in range(_WRAPPERS_MAX):
        said = said.lstrip()
        if said.startswith("{"):
            said = _inner_message(said)
        elif (wrapper := _WRAPPER.match(said[:_WORDS_CHARS_MAX].lower())) is not None:
            said = said[wrapper.end() :]
        else:
            break
    return _BLANKS.sub(" ", said[:_WORDS_CHARS_MAX]).strip().lower()


def _inner_message(text: str) -> str:
    try:
        found: Any = _decode_any(text)
    except (ValueError, RecursionError):
        return text.lstrip("{")
    inner = found.get("error", found) if isinstance(found, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else ""
