# The workers' image: the same environment as `make install`, with the scoring model prepared.
FROM python:3.11-slim

RUN apt-get update && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 sift
USER sift
WORKDIR /home/sift/siftstream

# Where torch without CUDA is to come from, if anywhere else than from pip's own index: it saves gigabytes.
ARG PIP_EXTRA_INDEX_URL

COPY --chown=sift . .
RUN make install && mkdir .siftstream

ENV PATH="/home/sift/siftstream/.venv/bin:$PATH"
ENTRYPOINT ["siftstream"]
CMD ["--help"]
