# qdebug for a team or a class: a user without rights, a root that nobody writes to, results in /data.
#
#   docker build --tag qdebug .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#              --volume qdebug:/data --publish 127.0.0.1:8501:8501 qdebug
#
# What stands behind `qdebug` there are arguments of `qdebug app` (docs/server.md). What is installed stands in
# requirements.lock with the hash of each file; torch is the build for CPUs.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv ca-certificates
WORKDIR /src
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY requirements.lock .
RUN python3 -m venv /opt/qdebug && \
    /opt/qdebug/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.lock
COPY . .
RUN /opt/qdebug/bin/pip install --no-cache-dir --no-deps --no-build-isolation . && \
    /opt/qdebug/bin/pip uninstall --yes hatchling

FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends python3 ca-certificates && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --create-home --home-dir /data qdebug && chmod 700 /data
COPY --from=build /opt/qdebug /opt/qdebug
ENV PATH=/opt/qdebug/bin:$PATH \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/data/kernels \
    QDEBUG_WORKSPACE=/data/workspace \
    QDEBUG_UPLOADS=/data/uploads \
    QDEBUG_RUNTIME=/tmp/qdebug
WORKDIR /data
USER 10001
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["qdebug", "app", "--host", "0.0.0.0"]
