# An instance of Ringback: docs/deploy.md. Nothing secret belongs into a build: keys and passwords come as variables at the start.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app

# What the program needs when it runs.
FROM base AS packages
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

# dist/, as the package ships it.
FROM base AS build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json tsconfig.browser.json ./
COPY scripts/build.mjs scripts/build-ui.mjs scripts/lock.mjs ./scripts/
COPY ui ./ui
COPY src ./src
RUN node scripts/build.mjs

FROM base AS server
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
# The only folder that may be written to, and with PostgreSQL not even that. The user `node` is in the base image.
RUN install -d -o 1000 -g 1000 -m 0700 /var/lib/ringback
WORKDIR /var/lib/ringback
VOLUME /var/lib/ringback
USER 1000:1000
# With PostgreSQL instances pass requests on to each other at the second port. It is not exposed: whoever publishes all exposed
# ports would publish it.
ENV NODE_ENV=production RINGBACK_HOST=0.0.0.0 RINGBACK_PORT=8080 RINGBACK_PEER_PORT=8081
EXPOSE 8080
STOPSIGNAL SIGTERM
# Alive, not ready: an instance whose database is away has its pages to keep and is not to be replaced. That it is ready the
# balancer asks. It listens when the store is open and migrated.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 CMD ["node", "-e", "const end = (code) => process.exit(code); require('node:http').get({ host: '127.0.0.1', port: process.env.RINGBACK_PORT, path: '/health/live', timeout: 2000 }, ({ statusCode }) => end(statusCode === 200 ? 0 : 1)).on('error', () => end(1)).on('timeout', () => end(1))"]
# Node itself gets the signals. The flags are those of scripts/server-flags.mjs for two processors, which is what one instance
# can use: more instances help, larger ones hardly.
ENTRYPOINT ["node", "--max-semi-space-size=8", "--heap-growing-percent=40", "--v8-pool-size=1", "/app/dist/cli/main.js"]
CMD ["serve"]
