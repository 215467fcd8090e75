FROM python:3.11-slim AS packages
RUN python -m venv /venv
COPY requirements.txt constraints.txt ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home app \
    && install -d -o app /srv/var /srv/static
COPY --from=packages /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/srv/var STATIC_ROOT=/srv/static
WORKDIR /app
COPY . .
USER app
# Collecting wants production settings; these secrets are used here and nowhere else.
RUN env $(python deploy/production_environment.py localhost) \
    python manage.py collectstatic --no-input --verbosity 0
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["gunicorn", "--config", "deploy/gunicorn.conf.py", "loyalty_site.wsgi"]
