# The service alone:  docker build -t ovr-digits . && docker run --rm -p 127.0.0.1:8000:8000 ovr-digits
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml hatch_build.py README.md LICENSE models.pkl ./
COPY ovr_digits ovr_digits
RUN python -m venv /app && /app/bin/pip install --no-cache-dir ".[web,pdf]"

FROM python:3.13-slim
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 digits
USER digits
WORKDIR /home/digits
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["ovr-digits", "serve", "--host", "0.0.0.0", "--port", "8000"]
