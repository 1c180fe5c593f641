# Puna in a container: docker compose up (compose.yaml), or docker build -t puna .
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE THIRD_PARTY.md ./
COPY src src
RUN python -m venv /opt/puna && /opt/puna/bin/pip install --no-cache-dir .

FROM python:3.12-slim
COPY --from=build /opt/puna /opt/puna
# The models and what Puna keeps beside them outlive the container in one volume, readable by this user alone.
RUN useradd --create-home --uid 1000 puna \
    && mkdir -p /models /home/puna/.puna && chown puna:puna /models /home/puna/.puna
ENV PATH=/opt/puna/bin:$PATH \
    OLLAMA_HOST=0.0.0.0:11434 \
    OLLAMA_MODELS=/models
USER 1000
VOLUME ["/models", "/home/puna/.puna"]
EXPOSE 11434
# With the credentials of the server, which an unadorned request would not have.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["puna", "ps"]
# The server answers SIGTERM itself: it ends its runners, and what they have read is kept.
ENTRYPOINT ["puna"]
CMD ["serve"]
