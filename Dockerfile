# The image of the workers: the environment of `make install`, with the models prepared.
FROM python:3.11-slim

RUN apt-get update && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 sift
USER sift
WORKDIR /home/sift/siftstream

# An extra package index, such as one that has torch without CUDA: that saves gigabytes.
ARG PIP_EXTRA_INDEX_URL

COPY --chown=sift . .
RUN make install && mkdir .siftstream

ENV PATH="/home/sift/siftstream/.venv/bin:$PATH"
ENTRYPOINT ["siftstream"]
CMD ["--help"]
