"""The routes of the service: each checks what comes in, and hands the work to other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import fastapi_offline
from fastapi import Depends, FastAPI, Query, Request
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ovr_digits.errors import DigitsError, NoPageError
from ovr_digits.picture.expected import LENGTH, MOST_LENGTH, PATTERN
from ovr_digits.version import __version__
from ovr_digits.web import schemas
from ovr_digits.web import tasks as work
from ovr_digits.web.addresses import qr_code, urls_elsewhere
from ovr_digits.web.http import limits
from ovr_digits.web.http.bodies import Bodies
from ovr_digits.web.http.hosts import is_loopback
from ovr_digits.web.http.problems import FAILED, NOTHING_HERE, problem
from ovr_digits.web.workers import BusyError, Workers

T = TypeVar("T")
Route = Callable[..., Coroutine[Any, Any, Response]]

_STATIC = Path(__file__).with_name("static")
#: How long work goes on for a client that has gone, about as long as a new worker takes to start:
#: what is nearly finished costs less than that.
_LAST_SECONDS = 0.5
#: The files of Swagger UI.
_SWAGGER = Path(fastapi_offline.__file__).with_name("static")

_GROUNDS = {"auto": "auto", "yes": "light ink", "no": "dark ink"}
Invert = Annotated[
    Literal["auto", "yes", "no"],
    Query(description="Light ink on dark ground (yes), dark on light (no), or find out."),
]
Threshold = Annotated[
    float | None,
    Query(ge=0.05, le=0.95, description="Share of the ink's own strength from which it is ink."),
]
Page = Annotated[
    int, Query(ge=1, le=limits.PAGES, description="Which page of the file, where it has several.")
]
Scheme = Annotated[
    Literal["http", "https"], Query(description="By which the page itself was reached.")
]
Label = Annotated[
    Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "none"],
    Query(description="The digit that it really is, or none where it is no digit."),
]
Form = Annotated[bool, Query(description="Tell what the detectors see.")]

_REFUSALS = {
    400: "The request is no valid HTTP.",
    403: "The request comes from another site, or the service keeps no pictures.",
    421: "The service is not known by the name in the Host header.",
    431: "The head of the request is too large.",
    503: "The service is busy, or a worker died; ask again.",
}
_PICTURE_REFUSALS = _REFUSALS | {
    404: "The file has no such page.",
    408: "The picture takes too long to arrive.",
    413: "The picture has too many bytes.",
    415: "The body is compressed.",
    422: "The picture cannot be read, or a parameter is wrong.",
}
_BINARY = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A picture (PNG, JPEG, WebP, TIFF, GIF and others) or PDF, as it is or in a "
        "form.",
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "image/png": {"schema": _BINARY},
            "image/jpeg": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "One file, in a field of any name.",
                    "properties": {"image": _BINARY},
                    "required": ["image"],
                }
            },
        },
    }
}


class _Png(Response):
    media_type = "image/png"


_SHOWN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture as it is looked at: upright, on paper, shrunk if it is large.",
        "content": {_Png.media_type: {"schema": _BINARY}},
        "headers": {
            "Page-Count": {
                "description": "How many pages the file has; absent if they cannot be counted.",
                "schema": {"type": "integer", "minimum": 1},
            }
        },
    }
}
_Known = tuple[str | None, str | None, int | None]


def _known(
    length: Annotated[
        str | None, Query(pattern=LENGTH, description="Digits of each field: 6, or 4-6.")
    ] = None,
    pattern: Annotated[
        str | None,
        Query(pattern=PATTERN, max_length=MOST_LENGTH, description="Of each field: dd/dd/dddd."),
    ] = None,
    lines: Annotated[int | None, Query(ge=1, description="How many there are.")] = None,
) -> _Known:
    """What is known of the numbers beforehand."""
    return length, pattern, lines


_NOTHING_MORE = work.More()


def _more(
    form: Form = False,
    contributions: Annotated[bool, Query(description="Tell what spoke for a digit.")] = False,
    about: Annotated[
        int | None, Query(ge=0, le=9, description="For which; without it, for the answer.")
    ] = None,
) -> work.More:
    """What is told besides the answer."""
    return work.More(form, contributions, about)


def _told(refusals: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": schemas.Problem, "description": text} for status, text in refusals.items()
    }


def create_app(
    workers: Workers, provenance: Mapping[str, Any], keep: Path | None, address: str
) -> FastAPI:
    """The application, see ``server.build_server``; ``keep`` is the folder of corrections."""
    app = FastAPI(
        title="ovr-digits",
        version=__version__,
        description="Reads handwritten digits with ten one-vs-rest classifiers.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _tell_problems(app)
    bodies = Bodies()

    async def result(request: Request, function: Callable[..., T], *arguments: Any) -> T:
        async with bodies.body_of(request) as body:
            kind = request.headers.get("content-type", "")
            return await _while_awaited(request, workers.run(function, kind, body, *arguments))

    async def done(request: Request, function: Any, *arguments: Any, status: int = 200) -> Response:
        content = await result(request, function, *arguments)
        # A page that is left open may meet a service that was started anew with others.
        headers = {"Models-Digest": provenance["digest"]}
        return Response(content, status, headers, media_type="application/json")

    def takes_picture(
        path: str, model: type[BaseModel], status: int = 200
    ) -> Callable[[Route], Route]:
        return app.post(
            path,
            status_code=status,
            response_model=model,
            responses=_told(_PICTURE_REFUSALS),
            openapi_extra=_BODY,
        )

    @takes_picture("/api/predict", schemas.AnswerWithMore)
    async def predict(
        request: Request,
        invert: Invert = "auto",
        threshold: Threshold = None,
        page: Page = 1,
        more: Annotated[work.More, Depends(_more)] = _NOTHING_MORE,
    ) -> Response:
        """Read the digit on a picture."""
        return await done(request, work.predict, _GROUNDS[invert], threshold, page, more)

    @takes_picture("/api/read", schemas.Number)
    async def read(
        request: Request,
        invert: Invert = "auto",
        threshold: Threshold = None,
        page: Page = 1,
        form: Form = False,
        known: Annotated[_Known, Depends(_known)] = (None, None, None),
    ) -> Response:
        """Read the number on a picture."""
        return await done(request, work.read, _GROUNDS[invert], threshold, page, (*known, form))

    @app.post(
        "/api/page",
        response_class=Response,  # its refusals are described as JSON
        responses=_SHOWN | _told(_PICTURE_REFUSALS),
        openapi_extra=_BODY,
    )
    async def show(request: Request, page: Page = 1) -> Response:
        """Show a picture, or a page of a file, as a PNG."""
        content, n_pages = await result(request, work.show, page)
        return _Png(content, headers={"Page-Count": str(n_pages)} if n_pages else None)

    @takes_picture("/api/keep", schemas.Kept, 201)
    async def keep_picture(request: Request, label: Label) -> Response:
        """Keep a picture with its digit, or as no digit, to learn from."""
        if keep is None:
            raise HTTPException(403, "this service keeps no pictures; start it with --keep DIR")
        digit = None if label == "none" else int(label)
        return await done(request, work.keep, digit, keep, limits.KEPT, status=201)

    @app.get("/api/models", response_model=schemas.Models, responses=_told(_REFUSALS))
    async def models() -> dict[str, Any]:
        """Where the models come from."""
        return {**provenance, "version": __version__}

    @app.get("/api/service", responses=_told(_REFUSALS))
    async def service() -> schemas.Service:
        """What the service takes."""
        return schemas.Service(
            version=__version__,
            keeps=keep is not None,
            max_bytes=limits.BODY_BYTES,
            max_pixels=limits.PIXELS,
            max_seconds=limits.SECONDS,
        )

    @app.get(
        "/api/detectors/{digit}",
        response_model=schemas.Portrait,
        responses=_told(_REFUSALS | {422: "There is no such digit."}),
    )
    async def detector(request: Request, digit: Annotated[int, InPath(ge=0, le=9)]) -> Response:
        """Tell what a detector looks for."""
        result = await _while_awaited(request, workers.run(work.portrait, digit))
        return Response(result, media_type="application/json")

    @app.get("/api/address", responses=_told(_REFUSALS | {422: "There is no such scheme."}))
    async def where(request: Request, scheme: Scheme = "http") -> schemas.Address:
        """Tell where other machines find the page."""
        # The name that somebody came by leads here, but for those that lead to this machine alone.
        name = request.headers.get("host", "")
        elsewhere = urls_elsewhere(address, request.scope["server"][1])
        url = next(iter(elsewhere), None) if is_loopback(name) else f"{scheme}://{name}/"
        if url is None:
            return schemas.Address(url=None, qr=None)
        return schemas.Address(url=url, qr=["".join(map(str, row)) for row in qr_code(url)])

    @app.get("/healthz", responses=_told(_REFUSALS))
    async def health() -> schemas.Health:
        """Tell that the service answers."""
        return schemas.Health(status="ok")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(_STATIC / "docs.html")

    app.mount("/docs/assets", StaticFiles(directory=_SWAGGER))
    app.mount("/static", StaticFiles(directory=_STATIC))
    return app


async def _while_awaited(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of work, which ends soon after the client has gone.

    Raises
    ------
    ClientDisconnect
        Where it has gone before there was a result.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=_LAST_SECONDS)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _departure(request: Request) -> None:
    """Wait for the client to go."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _tell_problems(app: FastAPI) -> None:
    """Make every failure an answer of one line."""

    def told(error: type[Exception], status: int, text: Callable[[Any], str] = str) -> None:
        @app.exception_handler(error)
        async def answer(request: Request, error: Exception) -> Response:
            return problem(status, text(error))

    told(DigitsError, 422)
    told(NoPageError, 404)
    told(BusyError, 503)
    told(RequestValidationError, 422, _wrong_parameters)
    told(ClientDisconnect, 499, lambda error: "the client has gone")  # seen in the log alone
    told(Exception, 500, lambda error: FAILED)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        text = error.detail
        if error.status_code == 404:
            text = NOTHING_HERE
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "GET")
            text = f"this address takes {allowed} only; see /docs"
        return problem(error.status_code, text, error.headers)


def _wrong_parameters(error: RequestValidationError) -> str:
    return "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
