"""What a request of the Gemini dialect names of the upstream's account."""

from switchgear.wire.call import Call
from switchgear.wire.neutral.account_ids import AccountId, IdKeys, id_of, ids_in

_FREE = (
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "parameters_json_schema",
    "responseJsonSchema",
    "response_json_schema",
)
_FILES = IdKeys(("fileUri", "file_uri"), _FREE)
_STORES = IdKeys(
    (
        "fileSearchStoreNames",
        "file_search_store_names",
        "datastore",
        "engine",
        "ragCorpus",
        "rag_corpus",
        "ragFileIds",
        "rag_file_ids",
    ),
    _FREE,
)
_OF_ACCOUNT = ("gs://", "files/", "https://generativelanguage.googleapis.com/")
"""Beginnings of URIs that are read with the account's own rights; others are the public's."""


def account_ids(call: Call) -> tuple[AccountId, ...]:
    fields = call.fields
    found = [*id_of(fields, "cachedContent"), *id_of(fields, "cached_content")]
    for param in ("contents", "systemInstruction", "system_instruction"):
        files = ids_in(fields, param, _FILES)
        found += [file for file in files if file.id.lower().startswith(_OF_ACCOUNT)]
    found += ids_in(fields, "tools", _STORES)
    return tuple(found)
