# The production image. It contains only the locked packages and the wheel, without build tools. It runs as an unprivileged
# user, and works on a read-only file system.
FROM python:3.13-slim-trixie AS build
WORKDIR /source
RUN python -m venv /opt/stagely-rpc
COPY requirements.lock ./
RUN /opt/stagely-rpc/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gen gen
COPY migrations migrations
COPY stagely_rpc stagely_rpc
RUN /opt/stagely-rpc/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="stagely-rpc" \
      org.opencontainers.image.description="The control-plane store of Stagely: one gRPC service over PostgreSQL" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin stagely
COPY --from=build /opt/stagely-rpc /opt/stagely-rpc
ENV PATH=/opt/stagely-rpc/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["stagely-rpc", "probe"]
ENTRYPOINT ["stagely-rpc"]
CMD ["serve"]
