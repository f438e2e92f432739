# SPDX-License-Identifier: MIT
"""Malformed and odd HTTP requests, byte by byte: each has the one status that is right for it, and costs the server nothing.

After each the server lives and is healthy, and neither a descriptor nor a byte of its budget is lost. What a strict proxy in
front would read differently (RFC 9112) is refused with 400: that is where smuggling begins."""
import json
import os
import socket
import time

import pytest
from conftest import encode, picture

JPEG = encode(picture(1, 64, 64))
CLOSED = None  # no answer: the client left in the middle, or what came was no request yet
LINE = b"POST /embed HTTP/1.1"
GET = b"GET /healthz HTTP/1.1"


def request(line=LINE, *fields, body=b"", host=b"Host: t"):
    """A request with exactly these lines; the body as it is, its length as the fields say."""
    lines = [line, *([host] if host is not None else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def sized(body, *fields, line=LINE):
    return request(line, b"Content-Length: %d" % len(body), *fields, body=body)


def chunked(body, *fields, line=LINE, coding=b"chunked"):
    return request(line, b"Transfer-Encoding: " + coding, *fields, body=body)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def as_json(text, line=LINE):
    body = text if isinstance(text, bytes) else text.encode()
    return sized(body, b"Content-Type: application/json", line=line)


def parts(body, content_type=b"multipart/form-data; boundary=B", line=LINE):
    return sized(body, b"Content-Type: " + content_type, line=line)


def part(data=JPEG, head=b'Content-Disposition: form-data; name="image"; filename="a.jpg"', boundary=b"B"):
    return b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


JSON = b"Content-Type: application/json"
TEXT = b'Content-Disposition: form-data; name="text"'
OPENAI = b"POST /v1/embeddings HTTP/1.1"
SCORE = b"POST /score HTTP/1.1"
ONE = b'{"images":["0.jpg"]}'

REQUEST_LINES = [
    ("no version", b"GET /healthz\r\n\r\n", 400),
    ("HTTP/0.9", b"GET /healthz HTTP/0.9\r\n\r\n", 400),
    ("HTTP/1.2", b"GET /healthz HTTP/1.2\r\nHost: t\r\n\r\n", 400),
    ("HTTP/2.0", b"GET /healthz HTTP/2.0\r\nHost: t\r\n\r\n", 400),
    ("HTTP/9.9", b"GET /healthz HTTP/9.9\r\nHost: t\r\n\r\n", 400),
    ("HTTP/1", b"GET /healthz HTTP/1\r\nHost: t\r\n\r\n", 400),
    ("HTTP/1.", b"GET /healthz HTTP/1.\r\nHost: t\r\n\r\n", 400),
    ("HTTP/11.1", b"GET /healthz HTTP/11.1\r\nHost: t\r\n\r\n", 400),
    ("http/1.1 in small letters", b"GET /healthz http/1.1\r\nHost: t\r\n\r\n", 400),
    ("HTTPS/1.1", b"GET /healthz HTTPS/1.1\r\nHost: t\r\n\r\n", 400),
    ("words behind the version", b"GET /healthz HTTP/1.1 and more\r\nHost: t\r\n\r\n", 400),
    ("a blank behind the version", b"GET /healthz HTTP/1.1 \r\nHost: t\r\n\r\n", 400),
    ("two blanks before the target", b"GET  /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("two blanks before the version", b"GET /healthz  HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("a tab before the target", b"GET\t/healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("a tab in the target", b"GET /health\tz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("a blank first", b" GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("no target", b"GET HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("a method alone", b"GET\r\n\r\n", 400),
    ("an empty line first", b"\r\n" + request(GET), 200),
    ("garbage first", b"\x00\r\n" + request(GET), 400),
    ("LF alone", b"GET /healthz HTTP/1.1\nHost: t\n\n", 400),
    ("CR alone", b"GET /healthz HTTP/1.1\rHost: t\r\r", 400),
    ("CR CR LF", b"GET /healthz HTTP/1.1\r\r\nHost: t\r\n\r\n", 400),
    ("NUL in the target", b"GET /health\0z HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("NUL in the method", b"GE\0T /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("a method with a colon", b"GET: /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("a method in brackets", b"[GET] /healthz HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("binary", bytes(range(128, 256)) + b"\r\n\r\n", 400),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("an answer instead of a question", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    ("a target of 9 KiB", request(b"GET /" + b"a" * 9_000 + b" HTTP/1.1"), 404),
    ("a target of 20 KiB", request(b"GET /" + b"a" * 20_000 + b" HTTP/1.1"), 431),
    ("a query of 9 KiB", request(b"GET /healthz?" + b"a" * 9_000 + b" HTTP/1.1"), 200),
    ("HTTP/1.0", request(b"GET /healthz HTTP/1.0", host=None), 200),
]

METHODS = [
    *((f"{method} /embed", request(method.encode() + b" /embed HTTP/1.1"), 405)
      for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "BREW")),
    *((f"{method} /healthz", request(method.encode() + b" /healthz HTTP/1.1", b"Content-Length: 0"), 405)
      for method in ("POST", "PUT", "DELETE", "TRACE", "OPTIONS")),
    ("HEAD /healthz", request(b"HEAD /healthz HTTP/1.1"), 200),
    ("HEAD /metrics", request(b"HEAD /metrics HTTP/1.1"), 200),
    ("HEAD /nowhere", request(b"HEAD /nowhere HTTP/1.1"), 404),
    ("get in small letters", request(b"get /healthz HTTP/1.1"), 405),
    ("a method of 300 letters", request(b"A" * 300 + b" /healthz HTTP/1.1"), 405),
    ("CONNECT host:port", request(b"CONNECT t:80 HTTP/1.1"), 400),
    ("CONNECT /", request(b"CONNECT / HTTP/1.1"), 405),
]

TARGETS = [
    ("*", request(b"OPTIONS * HTTP/1.1"), 404),
    ("GET *", request(b"GET * HTTP/1.1"), 404),
    ("no slash", request(b"GET healthz HTTP/1.1"), 400),
    ("absolute", request(b"GET http://t/healthz HTTP/1.1"), 200),
    ("absolute without a path", request(b"GET http://t HTTP/1.1"), 200),
    ("absolute of another scheme", request(b"GET ftp://t/healthz HTTP/1.1"), 400),
    ("two slashes", request(b"GET //healthz HTTP/1.1"), 404),
    ("dots", request(b"GET /x/../healthz HTTP/1.1"), 404),
    ("many dots", request(b"GET /../../../../etc/passwd HTTP/1.1"), 404),
    ("percent dots", request(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), 404),
    ("a percent-encoded letter", request(b"GET /%68ealthz HTTP/1.1"), 404),
    ("half a percent", request(b"GET /healthz% HTTP/1.1"), 404),
    ("percent NUL", request(b"GET /healthz%00 HTTP/1.1"), 404),
    ("a slash behind", request(b"GET /healthz/ HTTP/1.1"), 404),
    ("capital letters", request(b"GET /HEALTHZ HTTP/1.1"), 404),
    ("a fragment", request(b"GET /healthz#top HTTP/1.1"), 200),
    ("a backslash", request(b"GET \\healthz HTTP/1.1"), 400),
    ("an empty query", request(b"GET /healthz? HTTP/1.1"), 200),
    ("a semicolon", request(b"GET /healthz;a=b HTTP/1.1"), 404),
    ("a model that is not there", request(b"GET /v1/models/nope HTTP/1.1"), 404),
    ("an unknown query of /embed", sized(JPEG, line=b"POST /embed?model=nope HTTP/1.1"), 404),
    ("normalize that is no truth", sized(JPEG, line=b"POST /embed?normalize=maybe HTTP/1.1"), 400),
]

HEADERS = [
    ("no Host", request(GET, host=None), 400),
    ("two Hosts", request(GET, b"Host: u"), 400),
    ("an empty Host", request(GET, host=b"Host:"), 400),
    ("a Host with blanks", request(GET, host=b"Host: a b"), 400),
    ("a Host with a path", request(GET, host=b"Host: a/b"), 400),
    ("a Host with a user", request(GET, host=b"Host: me@t"), 400),
    ("a Host of all that is forbidden", request(GET, host=b"Host: a b/../@x"), 400),
    ("a Host with a port that is none", request(GET, host=b"Host: t:port"), 400),
    ("a Host with a question mark", request(GET, host=b"Host: t?x"), 400),
    ("a Host with a fragment", request(GET, host=b"Host: t#x"), 400),
    ("a Host with a backslash", request(GET, host=b"Host: t\\x"), 400),
    ("a Host and its port", request(GET, host=b"Host: t:8080"), 200),
    ("an IPv6 Host", request(GET, host=b"Host: [::1]:8080"), 200),
    ("no colon", request(GET, b"Accept"), 400),
    ("no name", request(GET, b": x"), 400),
    ("a blank before the colon", request(GET, b"Accept : x"), 400),
    ("a blank in the name", request(GET, b"Acc ept: x"), 400),
    ("a blank before the name", request(GET, b" Accept: x"), 400),
    ("a tab before the colon", request(GET, b"Accept\t: x"), 400),
    ("brackets in the name", request(GET, b"Acc(ept): x"), 400),
    ("NUL in the name", request(GET, b"Acc\0ept: x"), 400),
    ("NUL in a value", request(GET, b"Accept: a\0b"), 400),
    ("CR in a value", request(GET, b"Accept: a\rb"), 400),
    ("LF in a value", request(GET, b"Accept: a\nX: b"), 400),
    ("DEL in a value", request(GET, b"Accept: a\x7fb"), 400),
    ("a bell in a value", request(GET, b"Accept: a\x07b"), 400),
    ("bytes over 127 in a value", request(GET, b"X-Name: M\xc3\xbcller"), 200),
    ("bytes over 127 in a name", request(GET, b"M\xc3\xbcller: x"), 400),
    ("obs-fold", request(GET, b"Accept: a\r\n b"), 400),
    ("obs-fold with a tab", request(GET, b"X-Long: a\r\n\tb"), 400),
    ("100 fields", request(GET, *(b"X-%d: y" % i for i in range(99))), 200),
    ("101 fields", request(GET, *(b"X-%d: y" % i for i in range(100))), 431),
    ("a value of 15 KiB", request(GET, b"X: " + b"a" * 15_000), 200),
    ("a value of 17 KiB", request(GET, b"X: " + b"a" * 17_000), 431),
    ("a name of 17 KiB", request(GET, b"a" * 17_000 + b": x"), 431),
    ("2,000 short fields", request(GET, *(b"a: b" for _ in range(2_000))), 431),
    ("an Accept of everything", request(GET, b"Accept: " + b"a/b;q=0.1, " * 900 + b"*/*"), 200),
    ("an Upgrade", request(GET, b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQ"), 200),
    ("a WebSocket", request(GET, b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: x"), 200),
    ("a Range", request(GET, b"Range: bytes=0-0"), 200),
]

LENGTHS = [
    ("none at all", request(LINE), 415),
    ("0", sized(b""), 415),
    ("negative", request(LINE, b"Content-Length: -1"), 400),
    ("with a plus", request(LINE, b"Content-Length: +3", body=b"abc"), 400),
    ("hexadecimal", request(LINE, b"Content-Length: 0x3", body=b"abc"), 400),
    ("a float", request(LINE, b"Content-Length: 3.0", body=b"abc"), 400),
    ("a word", request(LINE, b"Content-Length: three", body=b"abc"), 400),
    ("empty", request(LINE, b"Content-Length:"), 400),
    ("a blank within", request(LINE, b"Content-Length: 1 2", body=b"a" * 12), 400),
    ("a list of equals", request(LINE, b"Content-Length: 3, 3", body=b"abc"), 400),
    ("a list", request(LINE, b"Content-Length: 3, 4", body=b"abcd"), 400),
    ("twice, equal", request(LINE, b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), 400),
    ("twice, different", request(LINE, b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"), 400),
    ("over --max-body", request(LINE, b"Content-Length: 134217729"), 413),
    ("2^63", request(LINE, b"Content-Length: 9223372036854775808"), 413),
    ("2^64 - 1", request(LINE, b"Content-Length: 18446744073709551615"), 413),
    ("2^64", request(LINE, b"Content-Length: 18446744073709551616"), 400),
    ("of 200 digits", request(LINE, b"Content-Length: " + b"9" * 200), 400),
    ("with a line feed", request(LINE, b"Content-Length: 3\n", body=b"abc"), 400),
    ("in the past", request(LINE, b"Content-Length : 3", body=b"abc"), 400),
    ("of a GET", request(GET, b"Content-Length: 3", body=b"abc"), 200),
    ("of a GET, over the limit", request(GET, b"Content-Length: 134217729"), 200),
    ("more than comes", request(LINE, b"Content-Length: 1000", body=b"abc"), CLOSED),
    ("leading zeros", request(LINE, b"Content-Length: 000003", body=b"abc"), 415),
]

SMUGGLING = [
    ("length and chunked", request(LINE, b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    ("chunked and length", request(LINE, b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"), 400),
    ("gzip", chunked(b"0\r\n\r\n", coding=b"gzip"), 501),
    ("gzip, chunked", chunked(b"0\r\n\r\n", coding=b"gzip, chunked"), 501),
    ("chunked, chunked", chunked(b"0\r\n\r\n", coding=b"chunked, chunked"), 501),
    ("identity", chunked(b"", coding=b"identity"), 501),
    ("xchunked", chunked(b"0\r\n\r\n", coding=b"xchunked"), 501),
    ("chunked with a parameter", chunked(b"0\r\n\r\n", coding=b"chunked;q=1"), 501),
    ("chunked in quotes", chunked(b"0\r\n\r\n", coding=b'"chunked"'), 501),
    ("chunked with a vertical tab", chunked(b"0\r\n\r\n", coding=b"\x0bchunked"), 400),
    ("chunked behind a comma", chunked(b"0\r\n\r\n", coding=b", chunked"), 501),
    ("twice", request(LINE, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    ("twice, one of them identity", request(LINE, b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked",
                                            body=b"0\r\n\r\n"), 501),
    ("a blank before the colon", request(LINE, b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    ("obs-fold", request(LINE, b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), 400),
    ("obs-fold behind a value", request(LINE, b"X: y\r\n Transfer-Encoding: chunked", b"Content-Length: 0"), 400),
    ("HTTP/1.0", request(b"POST /embed HTTP/1.0", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    ("empty", request(LINE, b"Transfer-Encoding:", body=b"0\r\n\r\n"), 501),
    ("of a GET", request(GET, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 200),
]

CHUNKS = [
    ("good", chunked(chunk(JPEG) + b"0\r\n\r\n", b"Content-Type: image/jpeg"), 200),
    ("CHUNKED", chunked(chunk(JPEG) + b"0\r\n\r\n", coding=b"CHUNKED"), 200),
    ("an extension", chunked(b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(JPEG), JPEG)), 200),
    ("a trailer", chunked(chunk(JPEG) + b"0\r\nX-Sum: 1\r\n\r\n"), 200),
    ("no data", chunked(b"0\r\n\r\n"), 415),
    ("of size 2^63", chunked(b"8000000000000000\r\nabc\r\n"), 400),
    ("of size 2^64 - 1", chunked(b"FFFFFFFFFFFFFFFF\r\nabc\r\n"), 400),
    ("of size 2^64", chunked(b"10000000000000000\r\nabc\r\n"), 400),
    ("of 40 digits", chunked(b"F" * 40 + b"\r\nabc\r\n"), 400),
    ("negative", chunked(b"-1\r\nabc\r\n"), 400),
    ("with a plus", chunked(b"+3\r\nabc\r\n0\r\n\r\n"), 400),
    ("0x3", chunked(b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    ("no digit", chunked(b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    ("an empty size", chunked(b"\r\nabc\r\n0\r\n\r\n"), 400),
    ("a blank before the size", chunked(b" 3\r\nabc\r\n0\r\n\r\n"), 400),
    ("size lines ended by LF", chunked(b"3\nabc\n0\n\n"), 400),
    ("data ended by LF", chunked(b"3\r\nabc\n0\r\n\r\n"), 400),
    ("data without an end", chunked(b"3\r\nabc0\r\n\r\n"), 400),
    ("more data than said", chunked(b"3\r\nabcdef\r\n0\r\n\r\n"), 400),
    ("a bare CR behind the size", chunked(b"3\rabc\r\n0\r\n\r\n"), 400),
    ("an extension of 200 KiB", chunked(b"3;" + b"x" * 200_000 + b"\r\nabc\r\n0\r\n\r\n"), 400),
    ("a trailer of 200 KiB", chunked(chunk(JPEG) + b"0\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"), 400),
    ("no last chunk", chunked(chunk(JPEG)), CLOSED),
]

EXPECT = [
    ("100-continue with a body", sized(JPEG, b"Expect: 100-continue"), 200),
    ("100-Continue", sized(JPEG, b"Expect: 100-Continue"), 200),
    ("100-continue over the limit", request(LINE, b"Expect: 100-continue", b"Content-Length: 99999999999"), 413),
    ("100-continue of a GET", request(GET, b"Expect: 100-continue"), 200),
    ("something else", sized(JPEG, b"Expect: tea"), 200),
    ("100-continue of HTTP/1.0", sized(JPEG, b"Expect: 100-continue", line=b"POST /embed HTTP/1.0"), 200),
]

ENCODINGS = [
    *((coding, sized(JPEG, b"Content-Encoding: " + coding.encode()), 415)
      for coding in ("gzip", "br", "deflate", "zstd", "gzip, gzip", "chunked")),
    ("identity", sized(JPEG, b"Content-Encoding: identity"), 200),
    ("an empty one", sized(JPEG, b"Content-Encoding:"), 200),
    ("gzip of a GET", request(GET, b"Content-Encoding: gzip"), 200),
]

MULTIPART = [
    ("good", parts(part() + b"--B--\r\n"), 200),
    ("a preamble and an epilogue", parts(b"hello\r\n" + part() + b"--B--\r\nbye"), 200),
    ("no boundary", parts(part() + b"--B--\r\n", b"multipart/form-data"), 400),
    ("an empty boundary", parts(part() + b"--B--\r\n", b"multipart/form-data; boundary="), 400),
    ("a boundary of 71", parts(part() + b"--B--\r\n", b"multipart/form-data; boundary=" + b"b" * 71), 400),
    ("another boundary", parts(part() + b"--B--\r\n", b"multipart/form-data; boundary=C"), 400),
    ("a quoted boundary", parts(part() + b"--B--\r\n", b'multipart/form-data; boundary="B"'), 200),
    ("half a quote", parts(part() + b"--B--\r\n", b'multipart/form-data; boundary="B'), 400),
    ("multipart/mixed", parts(part() + b"--B--\r\n", b"multipart/mixed; boundary=B"), 415),
    ("no end", parts(part()), 400),
    ("no part", parts(b"--B--\r\n"), 400),
    ("nothing", parts(b""), 400),
    ("no image", parts(part(b"true", b'Content-Disposition: form-data; name="normalize"') + b"--B--\r\n"), 400),
    ("no disposition", parts(part(head=b"Content-Type: image/jpeg") + b"--B--\r\n"), 400),
    ("no empty line in a part", parts(b"--B\r\nContent-Disposition: form-data\r\n--B--\r\n"), 400),
    ("a part's header of 20 KiB", parts(part(head=b"X: " + b"a" * 20_000) + b"--B--\r\n"), 400),
    ("LF instead of CR LF", parts(part().replace(b"\r\n", b"\n", 3) + b"--B--\n"), 400),
    ("text behind the boundary", parts(b"--Bxyz\r\n\r\nabc\r\n--B--\r\n"), 400),
    ("a field of 2 KiB", parts(part(b"a" * 2_000, b'Content-Disposition: form-data; name="model"') + part() + b"--B--\r\n"), 400),
    ("an unknown field", parts(part(b"x", b'Content-Disposition: form-data; name="colour"') + part() + b"--B--\r\n"), 400),
    ("a field behind the image", parts(part() + part(b"true", b'Content-Disposition: form-data; name="normalize"') +
                                       b"--B--\r\n"), 400),
    ("an empty image", parts(part(b"") + b"--B--\r\n"), 415),
    ("a name with a path", parts(part(head=b'Content-Disposition: form-data; name="image"; filename="../../x"') +
                                 b"--B--\r\n"), 200),
    ("1,001 parts", parts(part(b"x") * 1_001 + b"--B--\r\n"), 400),
    ("a text", parts(part(b"a cat", TEXT) + b"--B--\r\n"), 200),
    ("a text and an image", parts(part(b"a cat", TEXT) + part() + b"--B--\r\n"), 200),
    ("an empty text", parts(part(b"", TEXT) + b"--B--\r\n"), 400),
    ("a text of 70 KiB", parts(part(b"x" * 70_000, TEXT) + b"--B--\r\n"), 400),
    ("a text that is not UTF-8", parts(part(b"caf\xe9", TEXT) + b"--B--\r\n"), 400),
    ("a field behind a text", parts(part(b"a cat", TEXT) + part(b"clip", b'Content-Disposition: form-data; name="model"') +
                                    b"--B--\r\n"), 400),
    ("1,001 texts", parts(part(b"x", TEXT) * 1_001 + b"--B--\r\n"), 400),
    ("scores", parts(part(b"a cat", TEXT) + part() + b"--B--\r\n", line=SCORE), 200),
    ("scores without a text", parts(part() + b"--B--\r\n", line=SCORE), 400),
    ("scores without an image", parts(part(b"a cat", TEXT) + b"--B--\r\n", line=SCORE), 400),
    ("scores with normalize", parts(part(b"true", b'Content-Disposition: form-data; name="normalize"') + part() +
                                    b"--B--\r\n", line=SCORE), 400),
]

IMAGES = json.dumps(["0.jpg"] * 1001)
JSONS = [
    ("good", as_json(ONE), 200),
    ("with a charset", sized(ONE, b"Content-Type: application/json; charset=utf-8"), 200),
    ("empty", as_json(b""), 400),
    ("blanks", as_json(b" \r\n\t "), 400),
    ("a byte order mark", as_json(b"\xef\xbb\xbf" + ONE), 400),
    ("UTF-16", as_json(ONE.decode().encode("utf-16")), 400),
    ("not UTF-8", as_json(b'{"images":["\xff\xfe"]}'), 400),
    ("a lone surrogate", as_json(b'{"images":["\\ud800"]}'), 400),
    ("a NUL", as_json(b'{"images":["a\\u0000b"]}'), 400),
    ("a raw NUL", as_json(b'{"images":["a\0b"]}'), 400),
    ("a control character", as_json(b'{"images":["a\nb"]}'), 400),
    ("a comment", as_json(b'{"images":["0.jpg"]/* x */}'), 400),
    ("a comma too many", as_json(b'{"images":["0.jpg",]}'), 400),
    ("single quotes", as_json(b"{'images':['0.jpg']}"), 400),
    ("NaN", as_json(b'{"images":[NaN]}'), 400),
    ("half", as_json(ONE[:10]), 400),
    ("two of them", as_json(ONE + ONE), 400),
    ("a key twice", as_json(b'{"images":["0.jpg"],"images":["1.jpg"]}'), 400),
    ("deep", as_json("[" * 100_000), 400),
    ("a number", as_json(b"7"), 400),
    ("null", as_json(b"null"), 400),
    ("a list", as_json(b"[]"), 400),
    ("images that are none", as_json(b'{"images":"0.jpg"}'), 400),
    ("a number of 1,000 digits", as_json(b'{"images":[' + b"1" * 1_000 + b"]}"), 400),
    ("1e999", as_json(b'{"images":[1e999]}'), 400),
    ("1,001 images", as_json('{"images":' + IMAGES + "}"), 400),
    ("an unknown key", as_json(b'{"images":["0.jpg"],"x":1}'), 400),
    ("an unknown model", as_json(b'{"model":"nope","images":["0.jpg"]}'), 404),
    ("a data URL that is none", as_json(b'{"images":["data:image/jpeg;base64,!!!!"]}'), 400),
    ("an empty data URL", as_json(b'{"images":["data:,"]}'), 415),
    ("OpenAI without input", as_json(b'{"model":"clip"}', b"POST /v1/embeddings HTTP/1.1"), 400),
    ("OpenAI with tokens", as_json(b'{"model":"clip","input":[1,2,3]}', b"POST /v1/embeddings HTTP/1.1"), 400),
    ("OpenAI in hexadecimal", as_json(b'{"model":"clip","input":"0.jpg","encoding_format":"hex"}',
                                      b"POST /v1/embeddings HTTP/1.1"), 400),
    ("OpenAI with dimensions", as_json(b'{"model":"clip","input":"0.jpg","dimensions":3}',
                                       b"POST /v1/embeddings HTTP/1.1"), 400),
    ("texts", as_json(b'{"texts":["a cat","a\\u0000b"]}'), 200),
    ("texts that are none", as_json(b'{"texts":"a cat"}'), 400),
    ("a text that is none", as_json(b'{"texts":["a cat",7]}'), 400),
    ("neither images nor texts", as_json(b'{"images":[],"texts":[]}'), 400),
    ("an empty text", as_json(b'{"texts":[""]}'), 400),
    ("a text of white space", as_json(b'{"texts":[" \\t\\n"]}'), 400),
    ("a text of 1 MB", as_json(b'{"texts":["' + b"x" * 1_000_000 + b'"]}'), 400),
    ("a text that is not UTF-8", as_json(b'{"texts":["caf\xe9"]}'), 400),
    ("a text with a lone surrogate", as_json(b'{"texts":["\\udc00"]}'), 400),
    ("1,001 texts", as_json('{"texts":' + IMAGES + "}"), 400),
    ("1,000 texts and an image", as_json(b'{"images":["0.jpg"],"texts":' + json.dumps(["x"] * 1000).encode() + b"}"), 400),
    ("OpenAI with a text", as_json(b'{"input":"a cat"}', OPENAI), 200),
    ("OpenAI with a list of tokens", as_json(b'{"input":[[320,2368]]}', OPENAI), 400),
    ("OpenAI with a text that is none", as_json(b'{"input":[{"text":["a cat"]}]}', OPENAI), 400),
    ("OpenAI with both in one", as_json(b'{"input":[{"text":"a cat","image":"0.jpg"}]}', OPENAI), 400),
    ("OpenAI with an empty text", as_json(b'{"input":""}', OPENAI), 400),
    ("OpenAI with another modality", as_json(b'{"input":"a cat","modality":"audio"}', OPENAI), 400),
    ("OpenAI with a text where images are", as_json(b'{"input":"a cat","modality":"image"}', OPENAI), 400),
    ("scores", as_json(b'{"images":["0.jpg"],"texts":["a cat"]}', SCORE), 200),
    ("scores without images", as_json(b'{"texts":["a cat"]}', SCORE), 400),
    ("scores without texts", as_json(b'{"images":["0.jpg"],"texts":[]}', SCORE), 400),
    ("scores of nothing", as_json(b"{}", SCORE), 400),
    ("scores with an unknown key", as_json(b'{"images":["0.jpg"],"texts":["a cat"],"normalize":true}', SCORE), 400),
    ("scores with an image that is not there", as_json(b'{"images":["no.jpg"],"texts":["a cat"]}', SCORE), 404),
    ("scores with an unknown model", as_json(b'{"images":["0.jpg"],"texts":["a cat"],"model":"nope"}', SCORE), 404),
    ("scores of 1,001", as_json(b'{"images":["0.jpg"],"texts":' + json.dumps(["x"] * 1000).encode() + b"}", SCORE), 400),
    ("scores of a picture's bytes", sized(JPEG, line=SCORE), 400),
    ("the original API with a list", as_json(b"[1]", b"POST /clip/embedding HTTP/1.1"), 400),
]

LEAVING = [
    ("after a byte", b"G", CLOSED),
    ("in the request line", b"GET /heal", CLOSED),
    ("in a header", b"GET /healthz HTTP/1.1\r\nHos", CLOSED),
    ("before the empty line", b"GET /healthz HTTP/1.1\r\nHost: t\r\n", CLOSED),
    ("without a byte", b"", CLOSED),
    ("after an empty line", b"\r\n\r\n", CLOSED),
    ("in a chunk of 2 GiB", chunked(b"7fffffff\r\nabc"), CLOSED),
    ("in a chunk size", chunked(b"1"), CLOSED),
    ("in a chunk", chunked(b"ff\r\nabc"), CLOSED),
    ("in a part", request(LINE, b"Content-Type: multipart/form-data; boundary=B", b"Content-Length: 999", body=b"--B\r\nX"), CLOSED),
    ("in a JSON body", request(LINE, JSON, b"Content-Length: 999", body=b'{"images"'), CLOSED),
]

GROUPS = {"request line": REQUEST_LINES, "method": METHODS, "target": TARGETS, "header": HEADERS, "length": LENGTHS,
          "smuggling": SMUGGLING, "chunk": CHUNKS, "expect": EXPECT, "encoding": ENCODINGS, "multipart": MULTIPART,
          "JSON": JSONS, "leaving": LEAVING}
CASES = [(f"{group}: {name}", data, status) for group, cases in GROUPS.items() for name, data, status in cases]


def open_fds(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def statuses_of(reply):
    """Of all the answers on a connection, 100 Continue left out."""
    found = []
    while reply.startswith(b"HTTP/1."):
        head, _, rest = reply.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status != 100:
            found.append(status)
        length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        reply = rest[length[0] if length else 0:]
    return found


def ask(server, data, status):
    """Sends it. \\return the answer's status; None when the server closes without one."""
    with server.connect() as connection:
        connection.settimeout(10)
        try:
            connection.sendall(data)
            if status is CLOSED:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused in the middle: the answer is here or on its way
        reply = b""
        try:
            while not statuses_of(reply):
                piece = connection.recv(65536)
                if not piece:
                    break
                reply += piece
        except ConnectionResetError:
            pass
        found = statuses_of(reply)
        return found[0] if found else CLOSED


@pytest.fixture(scope="module")
def quiet(server):
    """The server, and how many descriptors it has when nobody asks for anything."""
    assert server.get("/healthz").status_code == 200
    return server, open_fds(server)


def test_there_are_as_many_cases_as_an_attacker_tried():
    assert len(CASES) >= 174
    assert len({name for name, _, _ in CASES}) == len(CASES)


@pytest.mark.parametrize("name, data, status", CASES, ids=[name for name, _, _ in CASES])
def test_a_malformed_request(quiet, name, data, status):
    server, fds = quiet
    assert ask(server, data, status) == status
    assert server.process.poll() is None, "the server ended"
    assert server.get("/healthz").status_code == 200
    deadline = time.monotonic() + 10
    while open_fds(server) > fds or server.metric("photovec_memory_budget_used_bytes") != 0:
        assert time.monotonic() < deadline, "a connection or its memory is still held"
        time.sleep(0.01)
