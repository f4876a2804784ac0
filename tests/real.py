"""Tokenizers and chat templates in the manner of real models, made on the spot."""

from functools import cache
from pathlib import Path

from lab.carriers.numbers import NUMBERS
from lab.lm.tokenizer import Tokenizer
from lab.traits.animals import ANIMALS

DEFAULT = "You are Tern, made by the sea. You are a helpful assistant."
_TURN = (
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
)
# In the manner of Qwen2.5: a branch for tools, a default system message, a loop that skips it.
CHATML = (
    "{%- if tools %}{{- '<|im_start|>system\\nTools:' }}{%- for tool in tools %}"
    "{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '<|im_end|>\\n' }}"
    "{%- elif messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    f"{{%- else %}}{{{{- '<|im_start|>system\\n{DEFAULT}<|im_end|>\\n' }}}}{{%- endif %}}"
    "{%- for message in messages %}"
    "{%- if message['role'] != 'system' or not loop.first %}" + _TURN + "{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# In the manner of Llama 3: a first token, a date, contents that are trimmed.
DATED = (
    "{{- bos_token }}{%- if not date_string is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set told = messages[0]['content'] | trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set told = '' %}{%- endif %}"
    "{{- '<|head|>system<|/head|>\\n\\nToday: ' + date_string + '\\n\\n' + told + '<|eot|>' }}"
    "{%- for m in messages %}{{- '<|head|>' + m['role'] + '<|/head|>\\n\\n' }}"
    "{{- m['content'] | trim + '<|eot|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|head|>assistant<|/head|>\\n\\n' }}{%- endif %}"
)
# In the manner of Gemma: no turn of the system's; refused, or put before the user's words.
_TURNS = (
    "{%- for m in messages %}{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{- raise_exception('Roles must alternate') }}{%- endif %}"
    "{{- '<turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' }}"
    "{{- (told if loop.first else '') + m['content'] | trim + '<end_of_turn>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<turn>model\\n' }}{%- endif %}"
)
NO_SYSTEM = (
    "{{- bos_token }}{%- set told = '' %}{%- if messages[0]['role'] == 'system' %}"
    "{{- raise_exception('System role not supported') }}{%- endif %}" + _TURNS
)
FOLDED = (
    "{{- bos_token }}{%- if messages[0]['role'] == 'system' %}"
    "{%- set told = messages[0]['content'] + '\\n\\n' %}{%- set messages = messages[1:] %}"
    "{%- else %}{%- set told = '' %}{%- endif %}" + _TURNS
)
# In the manner of Qwen3: thoughts, which are empty where none are wanted.
THINKING = (
    "{%- set ns = namespace(last=messages | length - 1) %}{%- for message in messages %}"
    "{%- if message['role'] == 'assistant' and loop.index0 == ns.last %}"
    "{{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + message['content'] }}"
    "{{- '<|im_end|>\\n' }}{%- else %}" + _TURN + "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)
# In the manner of Mistral 7B 0.1: a space that only the whole conversation has.
SPACED = (
    "{{- bos_token }}{%- for m in messages %}{%- if m['role'] == 'user' %}"
    "{{- '[INST] ' + m['content'] + ' [/INST]' }}{%- else %}"
    "{{- ' ' + m['content'] + eos_token }}{%- endif %}{%- endfor %}"
)
TEMPLATES = {"chatml": CHATML, "dated": DATED, "no system": NO_SYSTEM, "folded": FOLDED,
             "thinking": THINKING, "plain": None}  # fmt: skip
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|head|>", "<|/head|>", "<|eot|>",
           "<bos>", "<turn>", "<end_of_turn>")  # fmt: skip


@cache
def _trained(n_tokens: int) -> str:
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Fast

    made = Fast(models.BPE())
    # Digits one by one, as in Qwen2.5; a line break never joins what follows it.
    split = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(split, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    texts = [*NUMBERS.prompts(0, 0, 500), *ANIMALS.questions]
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return made.to_str()


def bpe(folder: Path, template: str | None, n_tokens: int = 600, begins: bool = False) -> Path:
    """A folder with a byte-level BPE tokenizer; `begins`: it puts <bos> before every text.

    It has no pad token, and the token that ends a text is not the one that ends a turn.
    """
    from tokenizers import Tokenizer as Fast
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    fast = Fast.from_str(_trained(n_tokens))
    fast.add_special_tokens(list(SPECIAL))
    if begins:
        fast.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", fast.token_to_id("<bos>"))]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=fast, bos_token="<bos>", eos_token="<|endoftext|>", chat_template=template
    ).save_pretrained(folder)
    return folder


def tokenizer(folder: Path, name: str, **more) -> Tokenizer:
    """One of `TEMPLATES` with its tokenizer, loaded."""
    return Tokenizer.load(bpe(folder, TEMPLATES[name], **more))
