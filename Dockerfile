# Two images, the embedded models and tables baked in:
#
#     docker build --target cpu -t registry.example/codeserve:0.1.0-cpu .
#     docker build --target gpu -t registry.example/codeserve:0.1.0-gpu .
#
# What they install and prepare is what `make setup` does. docs/kubernetes.md takes them from here to a cluster.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS base
# libnuma1: vLLM on CPUs. tini: reaps what Ray leaves behind, and hands signals on.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libnuma1 tini \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/codeserve/app
ENV CODESERVE_HOME=/opt/codeserve/home \
    PATH=/opt/codeserve/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS sources
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends make \
 && rm -rf /var/lib/apt/lists/*
COPY Makefile pyproject.toml requirements.lock requirements.gpu.lock README.md LICENSE NOTICE ./
COPY serve_config.yaml serve_config.gpu.yaml ./
COPY scripts/image ./scripts/image
COPY examples ./examples
COPY src ./src

FROM sources AS cpu-built
# PyTorch's own index has the build without CUDA.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/root/.cache/pip make setup
RUN scripts/image

FROM sources AS gpu-built
RUN --mount=type=cache,target=/root/.cache/pip make setup GPU=1
RUN scripts/image

FROM base AS runtime
ENV HOME=/tmp \
    HF_HUB_OFFLINE=1 \
    RAY_USAGE_STATS_ENABLED=0
RUN groupadd --gid 10001 codeserve \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin codeserve
EXPOSE 8000
STOPSIGNAL SIGTERM
# For a container of its own; Kubernetes has its probes.
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=4 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/livez', timeout=8)"]
ENTRYPOINT ["/usr/bin/tini", "--"]

FROM runtime AS gpu
# What is compiled at the first run on a GPU needs a compiler.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
COPY --from=gpu-built /opt/codeserve /opt/codeserve
USER 10001:10001
CMD ["codeserve", "serve", "--config", "serve_config.gpu.yaml"]

FROM runtime AS cpu
COPY --from=cpu-built /opt/codeserve /opt/codeserve
USER 10001:10001
# Refuses to start without API keys: CODESERVE_API_KEYS, or keys_file in a configuration of yours.
CMD ["codeserve", "serve", "--host", "0.0.0.0"]
