"""The configuration of Sentence Transformers is read as that library reads it."""

from pathlib import Path
from typing import Any

import pytest

from processors.embedding.folder_config import LONGEST, folder_config
from processors.models.files import ModelMissing
from tests.processors.embedding.tiny_models import configure

MODULES = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
PROMPTS = {"query": "query: ", "passage": "passage: ", "clustering": "cluster: "}


def test_without_a_configuration_it_is_the_mean_of_256_tokens(tmp_path: Path) -> None:
    found = folder_config(tmp_path)
    assert (found.pooling, found.prefix, found.longest, found.transformer) == ("mean", "", LONGEST, tmp_path)


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "lasttoken"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean"),
        ({"pooling_mode": "cls", "embedding_dimension": 384}, "cls"),
        ({"word_embedding_dimension": 384}, "mean"),
    ],
)
def test_the_pooling_is_the_one_that_is_true(config: dict[str, Any], pooling: str, tmp_path: Path) -> None:
    configure(tmp_path, {"1_Pooling/config.json": config})
    assert folder_config(tmp_path).pooling == pooling


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"pooling_mode_weightedmean_tokens": True}, "pooling_mode_weightedmean_tokens; one of mean, cls"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, "pooling cls, max; one of"),
        ({"pooling_mode": "sum"}, "pooling sum; one of"),
    ],
)
def test_another_pooling_is_told(config: dict[str, Any], told: str, tmp_path: Path) -> None:
    configure(tmp_path, {"1_Pooling/config.json": config})
    with pytest.raises(ModelMissing, match=told):
        folder_config(tmp_path)


@pytest.mark.parametrize(
    ("config", "prefix"),
    [
        ({"prompts": PROMPTS, "default_prompt_name": "clustering"}, "cluster: "),
        ({"prompts": PROMPTS, "default_prompt_name": None}, "query: "),
        ({"prompts": {"passage": "passage: "}}, ""),
        ({"prompts": {}, "default_prompt_name": None}, ""),
        ({"__version__": {"sentence_transformers": "2.0.0"}}, ""),
    ],
)
def test_the_prefix_is_the_default_prompt_or_that_of_a_query(
    config: dict[str, Any], prefix: str, tmp_path: Path
) -> None:
    configure(tmp_path, {"config_sentence_transformers.json": config})
    assert folder_config(tmp_path).prefix == prefix


def test_a_pooling_that_leaves_the_prefix_out_is_told(tmp_path: Path) -> None:
    configure(
        tmp_path,
        {
            "1_Pooling/config.json": {"pooling_mode_mean_tokens": True, "include_prompt": False},
            "config_sentence_transformers.json": {"prompts": PROMPTS},
        },
    )
    with pytest.raises(ModelMissing, match="include_prompt"):
        folder_config(tmp_path)


def test_modules_say_where_things_are(tmp_path: Path) -> None:
    modules = [{**MODULES[0], "path": "0_Transformer"}, {**MODULES[1], "path": "9_Pooling"}]
    configure(
        tmp_path,
        {
            "modules.json": modules,
            "0_Transformer/sentence_bert_config.json": {"max_seq_length": 128},
            "9_Pooling/config.json": {"pooling_mode_cls_token": True},
        },
    )
    found = folder_config(tmp_path)
    assert (found.pooling, found.longest, found.transformer) == ("cls", 128, tmp_path / "0_Transformer")


@pytest.mark.parametrize("modules", [[*MODULES, {"path": "3_Dense", "type": "x.models.Dense"}], MODULES[:1]])
def test_other_modules_are_told(modules: list[dict[str, str]], tmp_path: Path) -> None:
    configure(tmp_path, {"modules.json": modules})
    with pytest.raises(ModelMissing, match=r"modules .*; only Transformer, Pooling, Normalize are known"):
        folder_config(tmp_path)
