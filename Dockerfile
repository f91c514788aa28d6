# An image that runs one job: docker build -t promptlathe . && docker run --rm --init \
#   -v "$PWD:/work" -e OPENAI_API_KEY promptlathe run runs/support_triage.yaml --quiet
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.11-slim
COPY --from=wheel /wheel /wheel
COPY constraints.txt /wheel/
RUN pip install --no-cache-dir -c /wheel/constraints.txt /wheel/*.whl && rm -r /wheel
# The state folder is written into the mounted workspace: let the user be its owner (docker run --user).
RUN useradd --uid 1000 promptlathe
USER promptlathe
WORKDIR /work
ENTRYPOINT ["promptlathe"]
CMD ["--help"]
