# The proxy as a container: docker build -t pgha-proxy:local .
#
# Needs nothing but the base image and npm's registry, and works with the classic builder as with BuildKit, with Podman
# and with old engines: no syntax line, no heredocs, no mounts.

# What the program needs at run time, as the lock file says. No package that it needs has an install script.
FROM node:24-bookworm-slim AS production
WORKDIR /opt/pgha-proxy
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The compiler, at the version of the lock file; with it come the tools of the tests, which stay in this stage. Their
# install scripts, which would fetch a PostgreSQL and one more Node, are left out.
FROM node:24-bookworm-slim AS build
WORKDIR /opt/pgha-proxy
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && chmod a+x dist/cli/bin.js

FROM node:24-bookworm-slim
# The state directory belongs to the image's user, and so does a volume that is first mounted there. The volume is
# declared so that the memory of the last accepted primary outlives a container that is replaced by `docker compose up`,
# and so that a read-only root file system needs no further option.
RUN install -d -o 1000 -g 1000 -m 750 /var/lib/pgha-proxy \
  && install -d /etc/pgha-proxy \
  && ln -s /opt/pgha-proxy/dist/cli/bin.js /usr/local/bin/pgha-proxy
WORKDIR /opt/pgha-proxy
COPY --from=production /opt/pgha-proxy/node_modules ./node_modules
COPY package.json LICENSE ./
COPY config/ha.example.yaml ./config/
COPY --from=build /opt/pgha-proxy/dist ./dist

# PGHA_ADMIN_URL: where the health check asks; the admin address of the configuration, as seen from inside.
# RES_OPTIONS: a name server that says nothing is given up after 2 s instead of 10. The proxy does not wait for it
# that long, but Node cannot exit while its resolver does, and `docker stop` kills after 10 s.
# NODE_OPTIONS: room for new objects, MiB. V8's own choice follows the machine, up to 128 MiB that sessions do not need.
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-semi-space-size=16 \
    PGHA_ADMIN_URL=http://127.0.0.1:8432 \
    RES_OPTIONS="timeout:1 attempts:2"
# By number: Kubernetes' runAsNonRoot does not believe names.
USER 1000:1000
VOLUME /var/lib/pgha-proxy
EXPOSE 5432 5433 8432
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "require('node:http').get(new URL('/livez', process.env.PGHA_ADMIN_URL), { timeout: 2500 }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('timeout', () => process.exit(1))"]
ENTRYPOINT ["pgha-proxy"]
CMD ["--config", "/etc/pgha-proxy/ha.yaml"]

# Last: a new version alone makes no layer anew.
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="pgha-proxy" \
      org.opencontainers.image.description="Failover proxy for PostgreSQL clusters run with repmgr" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
