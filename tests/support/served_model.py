"""A generative folder behind a server, as vLLM serves one: by transformers alone, without code of this project on the way."""

import threading
from pathlib import Path

import torch
import transformers as hf

from tests.support.endpoint import Asked, Stub

LLAVA_CHAT = (
    "{% for m in messages %}{{ m['role'].upper() + ': ' }}{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE\n{% endif %}"
    "{% endfor %}{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""The form of LLaVA 1.5: an answer stands behind a blank, which its own message brings, and the call for an answer does not."""
QWEN_CHAT = (
    "{% for m in messages %}{{ '<user>' if m['role'] == 'user' else '<assistant>' }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>\n{% endif %}"
)
"""The form of Qwen: an answer stands on a line of its own, and a mark ends it."""


def served(folder: Path) -> Stub:
    """Return a server of a folder, which gives log-probabilities of what is sent to it (``prompt_logprobs``)."""
    model = ServedModel(folder)
    return Stub(model.written, frozenset({"likelihood"}), likelihood=model.likelihoods)


class ServedModel:
    """Reads requests by the folder's own chat template and processor, and answers by plain forward passes."""

    def __init__(self, folder: Path):
        self._model = hf.AutoModelForImageTextToText.from_pretrained(folder).eval()
        self._processor = hf.AutoProcessor.from_pretrained(folder)
        self._lock = threading.Lock()

    def written(self, asked: Asked) -> str:
        """Return what is written after a request, greedily."""
        inputs = self._inputs(asked)
        with self._lock, torch.inference_mode():
            ids = self._model.generate(**inputs, do_sample=False, max_new_tokens=asked.body["max_tokens"])
        return self._processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def likelihoods(self, asked: Asked) -> list[tuple[str, float]]:
        """Return each token that was sent, but the first, with its log-probability."""
        inputs = self._inputs(asked)
        with self._lock, torch.inference_mode():
            chances = self._model(**inputs).logits[0].log_softmax(-1)
        ids = inputs["input_ids"][0].tolist()
        decode = self._processor.tokenizer.decode
        return [(decode([token]), float(chances[place, token])) for place, token in enumerate(ids[1:])]

    def _inputs(self, asked: Asked):
        text = self._processor.apply_chat_template(
            list(map(_message, asked.body["messages"])),
            add_generation_prompt=asked.body.get("add_generation_prompt", True),
            continue_final_message=asked.body.get("continue_final_message", False),
        )
        return self._processor(images=[asked.image], text=[text], return_tensors="pt")


def _message(sent: dict) -> dict:
    """Return a message as chat templates take it: images as marks, a plain text as one part."""
    parts = [{"type": "text", "text": sent["content"]}] if isinstance(sent["content"], str) else sent["content"]
    return {**sent, "content": [{"type": "image"} if part["type"] == "image_url" else part for part in parts]}
