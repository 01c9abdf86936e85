"""The service: routes that check what comes in, and hand the work to other processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pebble import ProcessPool

from ovr_digits import __version__
from ovr_digits.errors import DigitsError
from ovr_digits.modelfile import load_models
from ovr_digits.web import work

_STATIC = Path(__file__).parent / "static"


def create_app(models: Path | None, pool: ProcessPool) -> FastAPI:
    """The application, whose picture work is done in ``pool``."""
    app = FastAPI(title="ovr-digits", version=__version__)
    provenance = dict(load_models(models).provenance)
    grounds = {"auto": "auto", "yes": "light ink", "no": "dark ink"}

    @app.exception_handler(DigitsError)
    async def tell(request: Request, error: DigitsError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=422)

    async def picture_of(request: Request) -> tuple[str, bytes]:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            upload: Any = (await request.form())["image"]
            return upload.filename, await upload.read()
        return "-", await request.body()

    @app.post("/api/predict")
    async def predict(
        request: Request,
        invert: Literal["auto", "yes", "no"] = "auto",
        threshold: float | None = Query(None, ge=0.05, le=0.95),
        form: bool = False,
        contributions: bool = False,
    ) -> dict[str, Any]:
        name, data = await picture_of(request)
        arguments = (name, data, grounds[invert], threshold, form, contributions)
        return await asyncio.wrap_future(pool.schedule(work.predict, args=arguments))

    @app.post("/api/read")
    async def read(
        request: Request,
        invert: Literal["auto", "yes", "no"] = "auto",
        threshold: float | None = Query(None, ge=0.05, le=0.95),
    ) -> dict[str, Any]:
        name, data = await picture_of(request)
        arguments = (name, data, grounds[invert], threshold)
        return await asyncio.wrap_future(pool.schedule(work.read, args=arguments))

    @app.get("/api/models")
    async def models_() -> dict[str, Any]:
        return {"version": __version__, **provenance}

    @app.get("/api/service")
    async def service() -> dict[str, Any]:
        return {"version": __version__, "keeps": False}

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app
