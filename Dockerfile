# One image for the control planes, the services of the demo and the command line (`portolan`), and one with
# Envoy beside it for gateway instances (`gateway`). Builds with BuildKit and without.

# ---- manifests: what the dependencies depend on, and nothing else ----
FROM rust:1.95-bookworm AS manifests
WORKDIR /src
COPY . .
RUN docker/stubs /manifests

# ---- build: the layer of dependencies stays until a manifest or Cargo.lock changes ----
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY --from=manifests /manifests .
# The stubs are forgotten, whatever the times of the sources say; the dependencies stay.
RUN cargo build --locked --release --bin portolan \
 && rm -rf target/release/.fingerprint/portolan*
COPY . .
RUN cargo build --locked --release --bin portolan

# ---- portolan ----
FROM debian:bookworm-slim AS portolan
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# New volumes take their owner from the folders that they are mounted on.
RUN groupadd --gid 65532 portolan \
 && useradd --uid 65532 --gid portolan --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin portolan \
 && install -d -o portolan -g portolan -m 0700 /var/lib/portolan /var/lib/portolan/ca /run/portolan /run/portolan/postgres /run/portolan/secrets /run/portolan/trust \
    /run/portolan/zone /run/portolan/zone-1 /run/portolan/zone-2 /run/portolan/ingress-1 /run/portolan/ingress-2
COPY --from=build /src/target/release/portolan /usr/local/bin/portolan
USER 65532:65532
ENTRYPOINT ["portolan"]
CMD ["--help"]

# ---- gateway: portolan starts, watches and drains this Envoy ----
FROM envoyproxy/envoy:v1.40.0 AS envoy
FROM portolan AS gateway
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
