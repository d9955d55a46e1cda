"""The embedding model of the settings, as the diversity stage needs it: its identity, and itself only if it must."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import schemas
from processors.embedding.embedders import embedder_identity, load_embedder
from processors.embedding.embedding import Embedder
from processors.embedding.vectors import to_message
from processors.models.files import ModelMissing
from schemas import Sample
from streams.errors import StreamsError


class Embedding:
    """Makes every sample carry a vector of one embedding model, whichever model embedded it before.

    Usually it has nothing to do, and never loads the model: the scoring stage has embedded the sample. But workers with
    other settings, and records that waited while the settings changed, must not become dead letters.
    """

    def __init__(self, name: str, cache: Path) -> None:
        """`name` is the setting ``scoring.embedder``. Raises StreamsError if the model's files are missing."""
        self.name = name
        try:
            self.model_hash = embedder_identity(name, cache)
        except ModelMissing as error:
            raise StreamsError(f"scoring.embedder: {error}") from None
        self._cache = cache

    def made(self, model: str) -> bool:
        """Return whether `model`, a hash or the name in a record of an earlier version, is this model."""
        return model in (self.model_hash, self.name)

    def fitting(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return the samples with vectors of this model; a sample without any vector as it is."""
        found = list(samples)
        other = [i for i, each in enumerate(found) if each.embedding is not None and not self._fits(each.embedding)]
        if other:
            read = self._model.read([found[i].prompt for i in other])
            for i, vector, unknown in zip(other, read.vectors, read.unknown.tolist(), strict=True):
                message = to_message(vector, self.name, self.model_hash, unknown)
                found[i] = replace(found[i], embedding=message)
        return found

    def _fits(self, embedding: schemas.Embedding) -> bool:
        return self.made(embedding.model_hash or embedding.model)

    @cached_property
    def _model(self) -> Embedder:
        return load_embedder(self.name, self._cache, threads=1)
