# egress-trace as an image; docs/egress-trace.md says how to build and run it.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# Where the program is, below the folder that the image is built from.
ARG BINARY=target/release/netscript
COPY ${BINARY} /usr/local/bin/netscript

# It needs libpcap, which the base may have.
RUN netscript --version || { \
        apt-get update \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libpcap0.8 \
        && rm -rf /var/lib/apt/lists/* \
        && netscript --version; \
    }

# nobody: it needs no privilege.
USER 65534:65534
# Platforms set another one.
ENV PORT=8080
EXPOSE 8080
ENTRYPOINT ["netscript", "run", "egress-trace", "--allow", "serve", "--"]
