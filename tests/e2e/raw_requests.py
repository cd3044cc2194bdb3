"""Requests that parsers disagree about. Each may hide a second one that carries no credential."""

import msgspec

CALL = b'{"model":"gpt-5.2","messages":[{"role":"user","content":"hello"}],"max_tokens":2}'
HIDDEN = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 45\r\n\r\n" + (
    b'{"model":"gpt-5.2","messages":["smuggled"],"a' + b'":1}'
)
SMUGGLED = b"smuggled"


class Odd(msgspec.Struct, frozen=True):
    """One raw request. ``must_refuse``: no reading of it is right, so nothing of it may reach an upstream."""

    name: str
    data: bytes
    must_refuse: bool = True


def request(
    *headers: bytes,
    body: bytes = CALL,
    line: bytes = b"POST /v1/chat/completions HTTP/1.1",
    key: bytes = b"",
    host: bytes = b"host: relay\r\n",
) -> bytes:
    """A request with exactly these headers besides host, key and type, each without its line end."""
    fixed = host + b"authorization: Bearer " + key + b"\r\ncontent-type: application/json\r\n"
    return line + b"\r\n" + fixed + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def chunked(body: bytes, size_line: bytes | None = None, end: bytes = b"0\r\n\r\n") -> bytes:
    return (size_line if size_line is not None else b"%x" % len(body)) + b"\r\n" + body + b"\r\n" + end


def odd_requests(key: bytes) -> list[Odd]:
    """Every case for one API key."""
    return [*_lengths(key), *_encodings(key), *_chunks(key), *_lines(key), *_targets(key)]


def _lengths(key: bytes) -> list[Odd]:
    size = b"%d" % len(CALL)

    def sized(name: str, *values: bytes, must_refuse: bool = True, body: bytes = CALL + HIDDEN) -> Odd:
        headers = [b"content-length: " + value for value in values]
        return Odd(name, request(*headers, body=body, key=key), must_refuse)

    return [
        sized("two lengths that differ", size, b"0"),
        sized("two lengths that differ, shorter first", b"0", size),
        sized("two equal lengths", size, size, must_refuse=False),
        sized("a list of equal lengths", size + b", " + size, must_refuse=False),
        sized("a list of lengths that differ", size + b", 0"),
        sized("a signed length", b"+" + size),
        sized("a negative length", b"-1"),
        sized("a hexadecimal length", b"0x51"),
        sized("a length with a blank inside", b"8 1"),
        sized("a length with an underscore", b"8_1"),
        sized("a length with a fraction", size + b".0"),
        sized("a length beyond 64 bits", b"18446744073709551697"),
        sized("an empty length", b""),
        sized("a length that is a word", b"many"),
        sized("no length at all", must_refuse=False),
        sized("a length shorter than the body", b"%d" % (len(CALL) - 10)),
    ]


def _encodings(key: bytes) -> list[Odd]:
    def encoded(name: str, *headers: bytes, must_refuse: bool = True) -> Odd:
        return Odd(name, request(*headers, body=chunked(CALL) + HIDDEN, key=key), must_refuse)

    length = b"content-length: 5"
    return [
        encoded("both framings", b"transfer-encoding: chunked", length, must_refuse=False),
        encoded("both framings, length first", length, b"transfer-encoding: chunked", must_refuse=False),
        encoded("an unknown encoding", b"transfer-encoding: xchunked"),
        encoded("chunked and then something", b"transfer-encoding: chunked, identity"),
        encoded("chunked twice", *[b"transfer-encoding: chunked"] * 2, must_refuse=False),
        encoded("identity and a length", b"transfer-encoding: identity", length),
        encoded("a quoted encoding", b'transfer-encoding: "chunked"'),
        encoded("a vertical tab in the encoding", b"transfer-encoding: \x0bchunked"),
        encoded("a blank before the colon", b"transfer-encoding : chunked"),
        encoded("a header name with a tab", b"transfer-encoding\t: chunked"),
        encoded("a folded header", b"transfer-encoding:\r\n chunked"),
        encoded("an upper-case encoding", b"Transfer-Encoding: CHUNKED", must_refuse=False),
    ]


def _chunks(key: bytes) -> list[Odd]:
    def sent(name: str, body: bytes, must_refuse: bool = True) -> Odd:
        return Odd(name, request(b"transfer-encoding: chunked", body=body, key=key), must_refuse)

    size = b"%x" % len(CALL)
    return [
        sent("a chunk extension", chunked(CALL, size + b";name=value"), must_refuse=False),
        sent("a chunk size with a sign", chunked(CALL, b"+" + size)),
        sent("a chunk size with 0x", chunked(CALL, b"0x" + size)),
        sent("a chunk size beyond 64 bits", chunked(CALL, b"1" + b"0" * 16 + size)),
        sent("an empty chunk size", chunked(CALL, b"")),
        sent("a chunk size that is a word", chunked(CALL, b"zz")),
        sent("a chunk longer than its size", chunked(CALL, b"10")),
        sent("a trailer like framing", chunked(CALL, end=b"0\r\ncontent-length: 5\r\n\r\n"), False),
    ]


def _lines(key: bytes) -> list[Odd]:
    size = b"content-length: %d" % len(CALL)
    plain = request(size, key=key)
    return [
        Odd("a header without a colon", request(b"nonsense", size, key=key)),
        Odd("an empty header name", request(b": value", size, key=key)),
        Odd("a zero byte in a value", request(b"x-odd: a\0b", size, key=key)),
        Odd("a bare carriage return in a value", request(b"x-odd: a\rb", size, key=key)),
        Odd("a header line that starts with a blank", request(b" x-odd: a", size, key=key)),
        Odd("line feeds only", plain.replace(b"\r\n", b"\n"), must_refuse=False),
        Odd("a blank line before the request", b"\r\n" + plain, must_refuse=False),
        Odd("a header of a megabyte", request(b"x-odd: " + b"a" * (1 << 20), size, key=key)),
        Odd("ten thousand headers", request(*[b"x-odd: a"] * 10_000, size, key=key)),
    ]


def _targets(key: bytes) -> list[Odd]:
    size = b"content-length: %d" % len(CALL)

    def aimed(name: str, line: bytes, must_refuse: bool = True, host: bytes = b"host: relay\r\n") -> Odd:
        return Odd(name, request(size, key=key, line=line, host=host), must_refuse)

    path = b"/v1/chat/completions"
    return [
        aimed("an absolute target", b"POST http://elsewhere.example" + path + b" HTTP/1.1", False),
        aimed("two blanks in the request line", b"POST  " + path + b" HTTP/1.1"),
        aimed("an unknown version", b"POST " + path + b" HTTP/3.7"),
        aimed("no version", b"POST " + path),
        aimed("a control character in the target", b"POST " + path + b"\x01 HTTP/1.1"),
        aimed("a tunnel", b"CONNECT elsewhere.example:443 HTTP/1.1"),
        aimed("no host", b"POST " + path + b" HTTP/1.1", must_refuse=False, host=b""),
        aimed("two hosts", b"POST " + path + b" HTTP/1.1", must_refuse=False, host=b"host: a\r\nhost: b\r\n"),
    ]
