# syntax=docker/dockerfile:1
# The product's image: built in stages, run by nobody in particular, with the binary and certificates and little else.
# Context: the repository's root; .dockerignore lists what of it is seen.

FROM node:22-bookworm-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY web .
# The only thing outside of web/ that it is built from.
COPY src/demo/cities.csv /build/src/demo/cities.csv
RUN npm run build

FROM rust:1.94-bookworm AS build
WORKDIR /build
COPY . .
COPY --from=web /build/web/dist web/dist
# The caches belong to the builder; the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin flash-promos \
    && cp target/release/flash-promos /flash-promos \
    && strip --strip-debug /flash-promos

FROM debian:bookworm-slim
# Certificates: for PostgreSQL, AWS and collectors over TLS. No shell tools: the binary checks its own health.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin flash \
    && install -d -o flash -g flash -m 0750 /data
COPY --from=build /flash-promos /usr/local/bin/flash-promos
# The embedded database lands in /data unless DATABASE_URL names another.
WORKDIR /
VOLUME /data
ENV FLASH_BIND=0.0.0.0:8080 \
    FLASH_LOG_FORMAT=json
USER 10001:10001
EXPOSE 8080
# SIGTERM drains, within 10 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["flash-promos", "health"]
ENTRYPOINT ["flash-promos"]
CMD ["serve"]
