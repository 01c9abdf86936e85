"""The answers of the service, asked of its application in this process."""

from __future__ import annotations

import asyncio
import io
import json
import re
import struct
import sys
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import Run, assert_nothing_done, call, objects
from PIL import Image

pytest.importorskip("uvicorn", reason="the service needs the extra web")

import segno
from service import SEVEN, Reply, Service, form, png, wait_until
from strokes import picture_of, write

from ovr_digits.cli.serve import _qr_lines
from ovr_digits.core.occlusion import ink_contributions
from ovr_digits.web import server
from ovr_digits.web.addresses import urls_elsewhere
from ovr_digits.web.examples import portrait
from ovr_digits.web.http import limits
from ovr_digits.web.http.connection import Connections
from ovr_digits.web.http.guard import Guard
from ovr_digits.web.http.hosts import is_loopback, is_same_origin, served_hosts

pytestmark = pytest.mark.xdist_group("service")

SERVED_HEADERS = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "cross-origin-opener-policy",
    "permissions-policy",
    "cache-control",
}


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["predict", "read"])
def test_answers_are_those_of_the_command_line(
    service: Service, run: Run, tiny_models: Path, command: str
) -> None:
    (expected,) = objects(run(command, "-", "--models", tiny_models, "--json", stdin=SEVEN))
    raw = service.post(f"/api/{command}", SEVEN)
    assert raw.status == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.json == expected
    assert service.post(f"/api/{command}", SEVEN, **{"Content-Type": "image/x"}).json == raw.json
    body, kind = form(("image", "seven.png", SEVEN))
    in_form = service.post(f"/api/{command}", body, **{"Content-Type": kind})
    assert in_form.json == {**expected, "path": "seven.png"}
    body, kind = form(("note", None, b"x"), ("image", "seven.png", SEVEN), ("more", None, b""))
    assert service.post(f"/api/{command}", body, **{"Content-Type": kind}).json == in_form.json


def test_options_are_those_of_the_command_line(
    service: Service, run: Run, tiny_models: Path
) -> None:
    options = ["-", "--invert", "yes", "--threshold", "0.9", "--models", tiny_models, "--json"]
    for command in ("predict", "read"):
        answer = service.post(f"/api/{command}?invert=yes&threshold=0.9", SEVEN).json
        assert [answer] == objects(run(command, *options, stdin=SEVEN))
        assert answer != service.post(f"/api/{command}", SEVEN).json


def test_more_is_told_where_it_is_asked_for(service: Service) -> None:
    plain = service.post("/api/predict", SEVEN).json
    assert not {"n_digits", "box", "image", "contributions"} & plain.keys()
    answer = service.post("/api/predict?form=true&contributions=true", SEVEN).json
    assert answer.items() >= plain.items()
    assert answer["n_digits"] == 1
    x, y, width, height = answer["box"]
    assert 65 < x < 85
    assert 45 < y < 65
    assert 120 < width < 150
    assert 170 < height < 200
    image, shares = np.array(answer["image"]), np.array(answer["contributions"])
    assert image.shape == shares.shape == (28, 28)
    assert 200 < image.max() <= 255
    assert (image[0] == 0).all()
    assert shares.any()
    assert not shares[image == 0].any()


def test_what_spoke_for_another_digit_is_told_as_well(service: Service, tiny_models: Path) -> None:
    from ovr_digits import load_models

    asked = "/api/predict?form=true&contributions=true&about="
    own, other = (service.post(f"{asked}{digit}", SEVEN).json for digit in (7, 2))
    assert own == service.post(asked.removesuffix("&about="), SEVEN).json
    image = np.array(other["image"], np.uint8)
    expected = ink_contributions(load_models(tiny_models), image, 2)
    np.testing.assert_allclose(other["contributions"], expected, atol=1e-4)
    assert other["contributions"] != own["contributions"]


def test_what_a_detector_looks_for_is_told(service: Service, tiny_models: Path) -> None:
    from ovr_digits import load_models

    told = service.ask("GET", "/api/detectors/4").json
    assert told["digit"] == 4
    expected = portrait(load_models(tiny_models), 4)
    np.testing.assert_allclose(told["effects"], expected, atol=1e-3)
    assert service.ask("GET", "/api/detectors/4").json == told
    assert service.ask("GET", "/api/detectors/10").error.startswith("digit: ")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_address_and_qr_code_are_of_the_name_that_the_page_is_known_by(
    service: Service, scheme: str
) -> None:
    path = f"/api/address?scheme={scheme}"
    assert service.ask("GET", path).json == {"url": None, "qr": None}  # this machine alone
    with service.another(allowed=("digits.example",)) as known:
        told = known.over_http("GET", path, headers={"Host": "digits.example:81"}).json
    assert told["url"] == f"{scheme}://digits.example:81/"
    drawn = segno.make_qr(told["url"], error="l").matrix_iter(border=4)
    assert told["qr"] == ["".join(map(str, row)) for row in drawn]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *((name, True) for name in ("localhost", "LOCALHOST.:80", "127.0.0.1:8000", "[::1]:80")),
        *((name, False) for name in ("10.0.0.7:8000", "[fd00::1]", "digits.example", "localhosts")),
    ],
)
def test_names_that_lead_every_machine_to_itself(name: str, found: bool) -> None:
    assert is_loopback(name) is found


def test_a_blank_picture_has_an_empty_form(service: Service) -> None:
    answer = service.post("/api/predict?form=true&contributions=true", png()).json
    assert answer["box"] == [0, 0, 0, 0]
    assert not np.any(answer["image"])
    assert not np.any(answer["contributions"])


def test_a_file_name_is_told_and_does_nothing_else(service: Service) -> None:
    name = "a\\r\\n\x1b[31m<b>'é"
    body, kind = form(("image", name, SEVEN))
    reply = service.post("/api/predict", body, **{"Content-Type": kind})
    assert reply.json["path"] == name
    assert not any("31m" in value for value in reply.headers.values())
    assert not any("31m" in line for line in service.log)


def test_what_the_service_is(service: Service, tiny_models: Path) -> None:
    from ovr_digits import __version__, load_models

    assert service.ask("GET", "/healthz").json == {"status": "ok"}
    assert service.ask("GET", "/api/service").json == {
        "version": __version__,
        "keeps": True,
        "max_bytes": 10_000_000,
        "max_pixels": 25_000_000,
        "max_seconds": 10,
    }
    models = load_models(tiny_models)
    about = {**models.provenance, "version": __version__, "digest": models.digest}
    assert service.ask("GET", "/api/models").json == json.loads(json.dumps(about))


def test_the_page_and_its_files_are_there(service: Service) -> None:
    assert b"<html" in service.ask("GET", "/").content
    assert service.ask("GET", "/static/docs.js").headers["content-type"].startswith("text/javascr")


def test_the_description_needs_nothing_from_elsewhere(service: Service) -> None:
    page = service.ask("GET", "/docs").content.decode()
    assert "<style" not in page
    assert "style=" not in page
    assert "<script>" not in page
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    files = [link for link in links if not link.startswith("data:")]
    assert len(files) == 3
    for link in files:
        assert link.startswith("/")
        assert service.ask("GET", link).status == 200
    paths = service.ask("GET", "/openapi.json").json["paths"]
    assert set(paths) == {
        *("/api/predict", "/api/read", "/api/page", "/api/keep", "/api/models"),
        *("/api/service", "/healthz", "/api/detectors/{digit}", "/api/address"),
    }


def test_signs_are_read_with_the_digits(service: Service) -> None:
    strokes = [[(215.0, 190.0), (237.0, 80.0)], [(455.0, 190.0), (477.0, 80.0)]]
    for digit, x in [(3, 60), (2, 150), (3, 300), (2, 390), (2, 540), (3, 630)]:
        strokes += write(digit, x, 130, 80)
    answer = service.post("/api/read", picture_of(strokes, 700, 260, 8)).json
    assert answer["text"] == "32/32/23"
    assert [sign["sign"] for sign in answer["signs"]] == ["/", "/"]
    assert [field["text"] for field in answer["fields"]] == ["32/32/23"]


def test_what_is_known_of_a_number_chooses_its_reading(service: Service) -> None:
    picture = picture_of(write(3, 60, 130, 80) + write(2, 360, 130, 80), 500, 260, 8)
    assert service.post("/api/read", picture).json["text"] == "3 2"
    assert service.post("/api/read?length=2", picture).json["text"] == "32"
    answer = service.post("/api/read?pattern=dd/dd&lines=2", picture).json
    assert (answer["verdict"], answer["missing_lines"]) == ("none", 1)
    for known in ("pattern=x", "length=0", "length=2-", "lines=0"):
        refused = service.post(f"/api/read?{known}", picture)
        assert refused.status == 422
        assert "\n" not in refused.json["error"]


# --- refusals --------------------------------------------------------------------------------


def refused_forms() -> list[tuple[str, tuple[bytes, str], str]]:
    picture = ("image", "a.png", SEVEN)
    return [
        ("two files", form(picture, picture), "one file"),
        ("no file", form(("image", None, SEVEN)), "one file"),
        ("nothing", (b"--b0undary--\r\n", "multipart/form-data; boundary=b0undary"), "one file"),
        ("no boundary", (form(picture)[0], "multipart/form-data"), "boundary"),
        ("damaged", (b"rubbish", "multipart/form-data; boundary=b0undary"), "damaged"),
        ("cut off", (form(picture)[0][:-40], form(picture)[1]), "one file"),
        ("long name", form(("image", "n" * 256, SEVEN)), "file name"),
    ]


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [pytest.param(*body, text, id=name) for name, body, text in refused_forms()],
)
def test_forms_that_are_not_as_agreed(service: Service, body: bytes, kind: str, text: str) -> None:
    reply = service.post("/api/predict", body, **{"Content-Type": kind})
    assert reply.status == 422
    assert text in reply.error


@pytest.mark.parametrize("field", ["image", "file", "any name"])
def test_the_one_file_of_a_form_is_taken_whatever_its_field_is_called(
    service: Service, field: str
) -> None:
    body, kind = form(("note", None, b"a seven"), (field, "a.png", SEVEN))
    reply = service.post("/api/predict", body, **{"Content-Type": kind})
    assert (reply.status, reply.json["digit"]) == (200, 7)


def huge_png() -> bytes:
    content = io.BytesIO()
    Image.new("1", (6000, 5000)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        (b"", "empty"),
        (b"no picture", "not a picture"),
        (SEVEN[:300], "damaged"),
        (png(side=3), "too small"),
        (huge_png(), "30 megapixels, at most 25"),
    ],
    ids=["empty", "text", "cut off", "tiny", "huge"],
)
@pytest.mark.parametrize("path", ["/api/predict", "/api/read", "/api/page", "/api/keep?label=1"])
def test_pictures_that_cannot_be_read(
    service: Service, path: str, picture: bytes, text: str
) -> None:
    reply = service.post(path, picture)
    assert reply.status == 422
    assert text in reply.error


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/predict?threshold=0.96", "threshold"),
        ("/api/predict?threshold=nan", "threshold"),
        ("/api/read?threshold=", "threshold"),
        ("/api/page?page=0", "page"),
        ("/api/page?page=1001", "page"),
        ("/api/predict?invert=perhaps", "invert"),
        ("/api/predict?form=perhaps", "form"),
        ("/api/predict?contributions=2", "contributions"),
        ("/api/predict?about=10", "about"),
        ("/api/keep", "label"),
        ("/api/keep?label=10", "label"),
        ("/api/keep?label=seven", "label"),
    ],
)
def test_wrong_parameters_are_named(service: Service, path: str, name: str) -> None:
    reply = service.post(path, SEVEN)
    assert reply.status == 422
    assert reply.error.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/api/predict/", "/static/", "/static/nothing", "/docs/assets/"),
        *("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"),
        *("/static//etc/passwd", "/static/%00", "/docs/assets/../__init__.py", "/static/%ff"),
        "/static/" + 300 * "a",
    ],
)
def test_what_is_not_there_is_not_found(service: Service, path: str) -> None:
    reply = service.ask("GET", path)
    assert reply.status == 404
    assert "/docs" in reply.error


def test_other_methods_are_refused_with_those_that_are_taken(service: Service) -> None:
    reply = service.ask("DELETE", "/api/predict")
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"
    assert "POST" in reply.error
    for path in ("/healthz", "/", "/static/docs.js"):
        reply = service.ask("PUT", path, b"x")
        assert reply.status == 405
        assert "GET" in reply.error


@pytest.mark.parametrize("wanted", ["bytes=x", "bytes=99999999-", "bytes=0-1,5-6", "lines=0-1"])
@pytest.mark.parametrize("path", ["/", "/static/docs.js", "/docs/assets/swagger-ui.css"])
def test_files_are_sent_whole(service: Service, path: str, wanted: str) -> None:
    reply = service.ask("GET", path, headers={"Range": wanted})
    assert reply.status == 200
    assert reply.content == service.ask("GET", path).content


def in_chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]


@pytest.mark.parametrize("path", ["/api/predict", "/api/read", "/api/page", "/api/keep?label=1"])
def test_bodies_that_are_too_large(
    service: Service, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES", 200_000)
    large = bytes(200_001)
    body, kind = form(("image", "a.png", large))
    replies = [
        service.post(path, large),
        service.ask("POST", path, in_chunks(large)),
        service.post(path, body, **{"Content-Type": kind}),
        service.ask("POST", path, in_chunks(body), {"Content-Type": kind}),
    ]
    for reply in replies:
        assert reply.status == 413
        assert "0.2 MB" in reply.error


def test_a_body_of_the_largest_size_is_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES", 200_000)
    assert service.post("/api/predict", SEVEN + bytes(200_000 - len(SEVEN))).status == 200


def test_compressed_bodies_are_refused(service: Service) -> None:
    reply = service.post("/api/predict", SEVEN, **{"Content-Encoding": "gzip"})
    assert reply.status == 415
    assert "compressed" in reply.error


# --- who may ask -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("localhost", True),
        ("LOCALHOST:1234", True),
        ("localhost.", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("[::1]:8000", True),
        ("digits.example.org", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.1.1", False),
        ("[fe80::1]", False),
        ("", False),
        ("localhost/", False),
        ("a@localhost", False),
        ("localhost:port", False),
    ],
)
def test_hosts_of_a_service_for_this_machine(host: str, served: bool) -> None:
    assert served_hosts("127.0.0.1", ["Digits.example.org"]).serve(host) is served


def test_a_service_on_all_addresses_answers_to_all_of_them_but_not_to_names() -> None:
    for wildcard in ("0.0.0.0", "::"):
        hosts = served_hosts(wildcard, [])
        assert hosts.serve("192.168.1.1:8000")
        assert hosts.serve("[2001:db8::1]:8000")
        assert hosts.serve("localhost:8000")
        assert not hosts.serve("evil.example:8000")
    assert served_hosts("192.168.1.1", []).serve("192.168.1.1:8000")


def test_origins() -> None:
    assert is_same_origin("http://localhost:8000", "localhost:8000")
    assert is_same_origin("https://Digits.example.org", "digits.example.org")
    for origin in ("null", "http://localhost:3000", "http://evil.example", "ftp://localhost:8000"):
        assert not is_same_origin(origin, "localhost:8000")
    assert not is_same_origin("http://[", "localhost")


def test_requests_under_other_names_are_refused(service: Service) -> None:
    with service.another(allowed=("Digits.example.org",)) as other:
        for host, status in (("digits.example.org", 200), ("evil.example", 421)):
            for path in ("/", "/healthz", "/static/docs.js", "/docs"):
                reply = other.ask("GET", path, headers={"Host": host})
                assert reply.status == status
                assert reply.headers.keys() >= SERVED_HEADERS
    assert "--allow-host" in reply.error


def test_requests_from_other_sites_are_refused(service: Service) -> None:
    own = f"http://{service.host}:{service.port}"
    assert service.post("/api/predict", SEVEN, Origin=own).status == 200
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        reply = service.post("/api/predict", SEVEN, Origin=origin)
        assert reply.status == 403
        assert "other sites" in reply.error


def test_every_answer_has_the_headers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_BYTES", 200_000)
    replies = [
        service.ask("GET", "/"),
        service.ask("GET", "/static/docs.js"),
        service.ask("GET", "/docs"),
        service.ask("GET", "/docs/assets/swagger-ui.css"),
        service.ask("GET", "/openapi.json"),
        service.ask("GET", "/nothing"),
        service.ask("PUT", "/healthz"),
        service.post("/api/predict", SEVEN),
        service.post("/api/predict", b""),
        service.post("/api/predict", bytes(200_001)),
        service.ask("GET", "/", headers={"Host": "evil.example"}),
        service.post("/api/predict", SEVEN, Origin="null"),
        service.over_http("GET", "/"),
    ]
    for reply in replies:
        assert reply.headers.keys() >= SERVED_HEADERS
        assert not {"server", "date", "access-control-allow-origin"} & reply.headers.keys()
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
    assert replies[7].headers["cache-control"] == "no-store"
    answer = service.send(b"\x16\x03\x01 no HTTP\r\n\r\n").lower()
    assert answer.startswith(b"http/1.1 400 ")
    assert all(name.encode() + b": " in answer for name in SERVED_HEADERS)
    assert b'{"error": ' in answer


def test_a_failure_of_the_program_is_told_on_both_sides() -> None:
    """There is no known way to one from outside: an application of its own has it."""
    told: list[str] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: object, receive: object, send: object) -> None:
        raise ValueError("out of order")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "client": None}
    scope |= {"query_string": b"", "headers": [(b"host", b"localhost")]}
    hosts = served_hosts("127.0.0.1", [])
    guard = Guard(app, hosts, Connections(told.append), told.append)
    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 500
    assert list(json.loads(sent[1]["body"])) == ["error"]
    assert told[0] == "/x: ValueError: out of order"
    assert " 500 " in told[1]


# --- the log and the command line ------------------------------------------------------------


def test_the_log_has_a_line_for_each_request(service: Service) -> None:
    with service.another() as other:
        other.ask("GET", "/healthz?token=secret")
        other.ask("GET", "/%1b%5b31m%0a")
        other.post("/api/predict", SEVEN, Host="evil.example")
        other.ask("GET", "/" + 1000 * "a")
        other.send(b"\x1b[31m rubbish\r\n\r\n")
    pattern = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1 (.*) (\d{3}) (\d+) ms (\d+) B"
    requests = [re.fullmatch(pattern, line) for line in other.log]
    assert [request and request[1] for request in requests[:3]] == [
        "GET /healthz",
        "GET /%1b%5b31m%0a",
        "POST /api/predict",
    ]
    assert [request and request[2] for request in requests] == ["200", "404", "421", "404", "400"]
    assert max(map(len, other.log)) < 300
    assert not any("secret" in line for line in other.log)
    assert all(map(str.isprintable, other.log))


def test_options_of_serve_reach_the_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(settings: Any, ready: Any, failed: Any, log: Callable[[str], None]) -> None:
        ready("http://[::1]:81/", [])
        log("a line\x1b")
        assert settings == server.Settings(
            "::1", 81, 3, tmp_path / "m", tmp_path / "k", ("a.example", "b.example")
        )

    monkeypatch.setattr(server, "run", run)
    arguments = [*("serve", "--host", "::1", "--port", "81", "--workers", "3")]
    arguments += ["--models", tmp_path / "m", "--keep", tmp_path / "k"]
    arguments += ["--allow-host", "a.example", "--allow-host", "b.example"]
    for quiet, logged in (([], "a line?\n"), (["--quiet"], "")):
        done = call(*arguments, *quiet, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, logged)
        assert done.stdout == "ovr-digits: http://[::1]:81/ (Ctrl-C stops it)\n"


def test_draw_opens_the_page_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []

    def run(settings: Any, ready: Any, failed: Any) -> None:
        assert settings.host == "127.0.0.1"
        ready("http://127.0.0.1:81/", [])
        wait_until(lambda: opened)

    monkeypatch.setattr(server, "run", run)
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    done = call("draw", folder=tmp_path, BROWSER="a browser")
    assert (done.returncode, done.stderr) == (0, "")
    assert opened == ["http://127.0.0.1:81/"]


@pytest.mark.parametrize("url", ["http://10.0.0.7:8000/", "http://[fd00::1234]:65535/"])
def test_the_qr_code_on_a_terminal_is_that_of_the_address(url: str) -> None:
    cell = re.compile(r"\x1b\[38;5;(\d+);48;5;(\d+)m▀")
    halves = [cell.findall(line) for line in _qr_lines(url)]
    rows = [[int(two[half] == "16") for two in line] for line in halves for half in (0, 1)]
    drawn = segno.make_qr(url, error="l").matrix_iter(border=4)
    assert [bytes(row) for row in rows[:-1]] == [bytes(row) for row in drawn]
    assert not any(rows[-1])


def test_this_machine_alone_and_one_address_are_told_as_they_are() -> None:
    assert urls_elsewhere("127.0.0.1", 80) == urls_elsewhere("::1", 80) == []
    assert urls_elsewhere("fe80::1%lo", 80) == []
    assert urls_elsewhere("192.0.2.7", 80) == ["http://192.0.2.7:80/"]
    assert urls_elsewhere("2001:db8::7", 80) == ["http://[2001:db8::7]:80/"]


def test_a_port_in_use_is_named(service: Service, run: Run) -> None:
    for command in ("serve", "draw"):
        assert_nothing_done(run(command, "--port", service.port), f"port {service.port}", "--port")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.1", "a" * 300, "", "..", "é"])
def test_hosts_that_cannot_be_listened_on(run: Run, host: str) -> None:
    assert_nothing_done(run("serve", "--port", 0, "--host", host), "--host")


def test_models_that_are_not_there(run: Run) -> None:
    for command in ("serve", "draw"):
        assert_nothing_done(run(command, "--port", 0, "--models", "missing.pkl"), "missing.pkl")


def test_a_folder_that_cannot_be_made(run: Run) -> None:
    assert_nothing_done(run("draw", "--port", 0, "--keep", "missing/kept"), "missing/kept")


@pytest.mark.parametrize("name", ["fastapi", "uvicorn", "pebble", "python_multipart", "segno"])
def test_without_the_extra_it_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    for command in ("serve", "draw"):
        words = f'{command} needs the extra web: pip install "ovr-digits[web]"'
        assert_nothing_done(run(command), words)


# --- corrections -----------------------------------------------------------------------------


def test_corrections_are_kept_until_the_folder_is_full(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "KEPT", 2)
    with service.another(keep=tmp_path) as other:
        replies = [other.post(f"/api/keep?label={label}", SEVEN) for label in (7, 1, 3)]
    assert [reply.status for reply in replies] == [201, 201, 422]
    names = [reply.json["file"] for reply in replies[:2]]
    text = (tmp_path / "corrections.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["file"], line["label"]) for line in lines] == [(names[0], 7), (names[1], 1)]
    answer = service.post("/api/predict", SEVEN).json
    del answer["path"]
    assert lines[0]["answer"] == answer
    with Image.open(tmp_path / names[0]) as picture:
        assert picture.size == (280, 280)
    assert "full" in replies[2].error
    assert str(tmp_path) not in replies[2].error


def test_what_is_no_digit_is_kept_as_such(service: Service, tmp_path: Path) -> None:
    with service.another(keep=tmp_path) as other:
        assert other.post("/api/keep?label=none", SEVEN).status == 201
    (line,) = (tmp_path / "corrections.jsonl").read_text().splitlines()
    assert json.loads(line)["label"] is None


def test_the_forms_of_a_number_are_told_where_they_are_asked_for(service: Service) -> None:
    plain, told = (service.post(f"/api/read{ask}", SEVEN).json for ask in ("", "?form=true"))
    (digit,) = told["digits"]
    alone = service.post("/api/predict?form=true", SEVEN).json
    assert (digit["scores"], digit["image"]) == (alone["scores"], alone["image"])
    assert plain["digits"] == [{k: v for k, v in digit.items() if k not in ("scores", "image")}]


def test_without_a_folder_nothing_is_kept(service: Service) -> None:
    with service.another() as other:
        assert other.ask("GET", "/api/service").json["keeps"] is False
        reply = other.post("/api/keep?label=7", SEVEN)
    assert reply.status == 403
    assert "--keep" in reply.error


# --- pages -----------------------------------------------------------------------------------


def of_pages(kind: str, first: Image.Image, *others: Image.Image) -> bytes:
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others)
    return file.getvalue()


def shown(reply: Reply) -> Image.Image:
    """The picture that came back."""
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    picture = Image.open(io.BytesIO(reply.content))
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    return picture


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP", "PDF"])
def test_a_page_is_shown_as_a_picture(service: Service, kind: str) -> None:
    if kind == "PDF":
        pytest.importorskip("pypdfium2", reason="PDF needs the extra pdf")
    levels = (250, 140, 30)
    file = of_pages(kind, *[Image.new("RGB", (90, 60), (level, level, 0)) for level in levels])
    body, form_kind = form(("image", "scan", file))
    for page, level in enumerate(levels, start=1):
        path = f"/api/page?page={page}"
        reply = service.post(path, file)
        assert reply.headers["page-count"] == "3"
        picture = shown(reply)
        assert picture.width * 60 == picture.height * 90
        np.testing.assert_allclose(picture.getpixel((40, 30)), (level, level, 0), atol=6)
        assert service.post(path, body, **{"Content-Type": form_kind}).content == reply.content
    assert service.post("/api/page", file).content == service.post("/api/page?page=1", file).content
    absent = service.post("/api/page?page=4", file)
    assert (absent.status, absent.error) == (404, "the file has no page 4; pages count from 1")


def test_a_picture_is_shown_as_it_is_looked_at(service: Service) -> None:
    """Upright, on paper, its levels in their range, and no larger than that."""
    seven = Image.open(io.BytesIO(SEVEN))
    lying = io.BytesIO()
    orientation = Image.Exif()
    orientation[274] = 8
    seven.rotate(-90, expand=True).resize((3600, 1800)).save(lying, "JPEG", exif=orientation)
    reply = service.post("/api/page", lying.getvalue())
    assert reply.headers["page-count"] == "1"
    picture = shown(reply).convert("L")
    assert picture.size == (800, 1600)
    apart = np.asarray(picture.resize(seven.size), float) - np.asarray(seven)
    assert np.abs(apart).mean() < 1
    see_through = Image.merge("LA", (Image.new("L", seven.size), seven.point(lambda x: 255 - x)))
    deep = Image.fromarray(np.asarray(seven, np.uint16) * 257)
    for same in (see_through, deep):
        content = io.BytesIO()
        same.save(content, "PNG")
        found = shown(service.post("/api/page", content.getvalue()))
        np.testing.assert_array_equal(found, seven.convert("RGB"))


def test_a_page_is_shown_where_the_others_cannot_be_counted(service: Service) -> None:
    sheet = Image.new("L", (90, 60), 140)
    file = bytearray(of_pages("TIFF", sheet, sheet))
    (start,) = struct.unpack_from("<I", file, 4)
    (n_tags,) = struct.unpack_from("<H", file, start)
    struct.pack_into("<I", file, start + 2 + 12 * n_tags, len(file) - 1)  # where the next begins
    reply = service.post("/api/page", bytes(file))
    assert shown(reply).getpixel((40, 30)) == (140, 140, 140)
    assert "page-count" not in reply.headers


@pytest.mark.parametrize("command", ["predict", "read"])
def test_a_page_of_a_file_is_answered(service: Service, command: str) -> None:
    seven = Image.open(io.BytesIO(SEVEN)).convert("L")
    turned = seven.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = of_pages("TIFF", seven, turned, seven)
    first, second, third = (
        service.post(f"/api/{command}?page={page}", file).json for page in (1, 2, 3)
    )
    assert [(a["page"], a["pages"]) for a in (first, second, third)] == [(1, 3), (2, 3), (3, 3)]
    assert service.post(f"/api/{command}", file).json == first
    assert third == first | {"page": 3}
    assert second != first | {"page": 2}
    absent = service.post(f"/api/{command}?page=4", file)
    assert absent.status == 404
    assert absent.json == {"error": "the file has no page 4; pages count from 1"}
