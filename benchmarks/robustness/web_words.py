"""Words of which hostile requests are made."""

from __future__ import annotations

import re

#: Stands in much that is sent, and may come back in values of JSON alone.
MARK = "x9qinjected"


def words(text: str) -> list[str]:
    """Those of a text, two spaces or a line apart; with escapes, the mark and empty ones in it."""
    some = re.split(r"  |\n", text.strip("\n"))
    return [
        "" if each == "NOTHING" else each.encode().decode("unicode_escape").replace("MARK", MARK)
        for each in some
    ]


METHODS = words(r"""
GET  HEAD  POST  PUT  DELETE  PATCH  OPTIONS  TRACE  PROPFIND  LOCK  get  G@T
""")
ENDPOINTS = words(r"""
/  /docs  /openapi.json  /healthz  /api/models  /api/service  /static/main.js  /static/
/docs/assets/swagger-ui.css  /nothing  *  /api/predict  /api/read  /api/keep?label=3
""")
#: Of Content-Type.
TYPES = words(r"""
NOTHING  image/png  text/plain  application/json  application/octet-stream  x  ;
multipart/form-data  multipart/form-data; boundary=b0  multipart/mixed; boundary=b
application/x-www-form-urlencoded  text/html; charset=\xff  MARK/MARK
""")
#: Of parameters.
VALUES = words(r"""
auto  yes  NOTHING  0.5  nan  1e999  -1  7  \u0667  %00  %0d%0aX-Injected:1  MARK  true  %ff%fe
<script>  0x7  7.0  [7]  %F0%9F%98%80  ../..
""")
#: In the names of files.
NAMES = words(r"""
..  ../  ..\\  /  C:\\  evil  .png  \x00  \x20  %2e%2e%2f  corrections.jsonl  \xe9  \u202e
\x1b[31m  <script>  '  \\  "  $(touch evil)  `touch evil`  ;  |touch evil  ~  -rf  CON  %s%n
{{7*7}}  file:///etc/passwd  MARK
""")
#: Put into forms and JSON.
TOKENS = words(r"""
base64  quoted-printable  filename*=UTF-8''%00  "  \\  ;  =  \r\n  \n  --b0  --  \xff  \x00
name  filename=  Content-Disposition:  [  Content-Transfer-Encoding: base64\r\n  {  null  1e999
\\u0000  \\ud800
""")
#: Steps up, and what could be taken for one.
DOTS = words(r"""
../  ..%2f  %2e%2e/  %2e%2e%2f  %252e%252e%252f  ..\\  ..%5c  %2e%2e%5c  ..//  ..%c0%af
..%ef%bc%8f  ....//  ..;/  %00../  ..%00/  %c0%ae%c0%ae/  %u002e./
""")
FILES = words(r"""
app.py  server.py  ../models.pkl  etc/passwd  /etc/passwd  canary.txt  %00  proc/self/environ
proc/self/cmdline  keep/corrections.jsonl  C:/boot.ini  __init__.py
""")
PREFIXES = words(r"""
/static/  /docs/assets/  /docs/  /  //  /static//  /api/  file:///static/
""")
#: Hosts that are not served.
FOREIGN = words(r"""
evil.example  evil.example:80  localhost.evil.example  127.0.0.1.evil.example  NOTHING
localhost@evil.example  evil.example#localhost  evil.example/localhost  [::ffff:]
localhost:80:80  localhost:x  169.254.169.254  0x7f.1  2130706433  [::1  0  \u217cocalhost
192.168.0.1  localhost,evil.example  localhost evil.example  127.1  %6cocalhost
""")
ORIGINS = words(r"""
null  http://evil.example  http://localhost.evil.example  file://  http://localhost:1
https://127.0.0.1:1  NOTHING  http://localhost@evil.example  http://[  chrome-extension://a
""")
HEADERS = words(r"""
X-A: b\rX-Injected: MARK  X-A: b\nX-Injected: MARK  X-A: b\r\n X-Injected: MARK
X-A: b\r\n\tX-Injected: MARK  X-Injected: MARK  X-A: \x00  X-A: \x0b  X A: b  X-A : b  : b  X-A
\x01: b  \x20X-A: b  X-A:b  Range: bytes=x  Range: bytes=9-1  Range: bytes=0-0,-1
Range: bytes=-9999999  If-Modified-Since: x  If-Modified-Since: Mon, 99 Foo 99999 99:99:99 GMT
If-Modified-Since: MARK  If-None-Match: "\\"  If-None-Match: *  Connection: Host
Connection: MARK  Keep-Alive: timeout=9999999  Expect: 100-continue  Expect: x  Accept: MARK
Accept-Encoding: gzip  TE: trailers  Max-Forwards: 0  Trailer: Host  X-Forwarded-For: MARK
X-Forwarded-Proto: MARK  X-Original-URL: MARK  X-HTTP-Method-Override: POST  X-Method: POST
MARK: POST
""")
TARGETS = words(r"""
/  /healthz  /static/main.js  /api/models  /%0d%0aX-Injected:%20MARK  /static/%0aX-Injected:MARK
/?a=%0d%0aX-Injected:MARK  /<script>MARK  /\rX-Injected:MARK  /api/predict?invert=%0d%0aMARK
/MARK HTTP/1.1\r\nX-Injected: MARK
""")
#: Of Content-Length.
LENGTHS = words(r"""
-1  +5  0x5  5, 5  5, 6  5 5  \u0665  9999999999999999999  999999999999999999999999999999
NOTHING  1e3  5\r\nContent-Length: 6  5\r\nTransfer-Encoding: chunked  0\r\nContent-Length: 5  4
0  1000
""")
#: Of Transfer-Encoding.
CODINGS = words(r"""
xchunked  chunked, identity  identity  gzip, chunked  \x0bchunked  "chunked"
chunked\r\nTransfer-Encoding: chunked  chunked\r\nContent-Length: 3  CHUNKED  chunked
""")
#: Of a body.
CHUNKS = words(r"""
5\r\nhello\r\n  0\r\n\r\n  -1\r\n  FFFFFFFFFFFFFFFFFFFFF\r\n  zz\r\n  5\nhello\n
5\r\nhelloworld  0\r\nX-Injected: 1\r\n\r\n  \x205\r\nhello\r\n
""")
HEADERS += [f"X-A: {'a' * size}" for size in (8000, 15_900, 17_000, 70_000, 300_000)]
HEADERS += ["\r\n".join("a:" for _ in range(count)) for count in (100, 3000, 60_000)]
HEADERS += [f"Cookie: {'a=b; ' * 2000}"]
CHUNKS += ["5;" + "a" * 20_000, "1\r\nx\r\n" * 9000]
NAMES += ["a" * 100]
VALUES += ["9" * 400]
