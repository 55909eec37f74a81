# Stand-ins for the images of Redis, PostgreSQL and Prometheus where no registry can be reached: Debian's packages behind
# the same commands, users and paths. Only tests use them (compose.override.yml).
ARG BASE=colorlane-base:bookworm

FROM ${BASE} AS redis
RUN apt-get update && apt-get install --yes --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=999 --group=1000 /data
VOLUME /data
WORKDIR /data

FROM ${BASE} AS postgres
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=postgres --group=postgres --mode=0700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
COPY postgres-entrypoint /usr/local/bin/
USER postgres
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["/usr/local/bin/postgres-entrypoint"]

FROM ${BASE} AS prometheus
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus wget && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=nobody --group=nogroup /prometheus
USER nobody
VOLUME /prometheus
ENTRYPOINT ["prometheus"]
