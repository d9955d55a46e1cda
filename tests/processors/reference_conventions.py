"""The other conventions of IFD as their descriptions say, one sample at a time and with nothing clever."""

from typing import Any

import torch

ALPACA = {
    True: (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
    ),
    False: (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{instruction}\n\n### Response:"
    ),
}


def cherry(model: Any, tokenizer: Any, row: dict[str, str]) -> tuple[float, float, float]:
    """Cherry_LLM: the token losses of the answer after Alpaca's prompt, by those after ``### Response:``."""
    prompt = ALPACA[bool(row["input"])].format_map(row)
    means = []
    for before in (prompt, "### Response:"):
        ids = tokenizer.encode(before + row["output"])
        losses = _token_losses(model, ids)
        means.append(losses[len(tokenizer.encode(before)) - 1 :].mean())
    cond, uncond = (float(mean) for mean in means)
    return cond, uncond, cond / uncond


def aligned(model: Any, tokenizer: Any, row: dict[str, str]) -> tuple[float, float, float]:
    """BOS on both sides, the same answer tokens on both."""
    question = f"{row['instruction']}\n{row['input']}\n" if row["input"] else f"{row['instruction']}\n"
    answer = tokenizer.encode(row["output"], add_special_tokens=False)
    bos = [tokenizer.bos_token_id]
    prefix = bos + tokenizer.encode(question, add_special_tokens=False)
    cond = float(_token_losses(model, prefix + answer)[-len(answer) :].mean())
    uncond = float(_token_losses(model, bos + answer).mean())
    return cond, uncond, float(torch.tensor(cond - uncond).double().exp())


def chat_template(model: Any, tokenizer: Any, row: dict[str, str]) -> tuple[float, float, float]:
    """Use the model's own template with the assistant's turn begun; BOS before the answer alone."""
    content = f"{row['instruction']}\n{row['input']}" if row["input"] else row["instruction"]
    turns = [{"role": "user", "content": content}]
    prefix = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    answer = tokenizer.encode(row["output"], add_special_tokens=False)
    cond = float(_token_losses(model, [*prefix, *answer])[-len(answer) :].mean())
    uncond = float(_token_losses(model, [tokenizer.bos_token_id, *answer]).mean())
    return cond, uncond, cond / uncond


def _token_losses(model: Any, ids: list[int]) -> torch.Tensor:
    """NLL of every token but the first."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")
