"""Text to tokens and back, with a chat template, in Hugging Face format.

Tokenizer libraries are imported when first used: they take seconds.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32, Integer

from lab.errors import LabError
from lab.lm import chat
from lab.lm.padded import padded
from lab.runs.paths import write_atomic
from lab.runs.saving import saving

# What one token of the language can be: an operator with its spaces, a word with the space before
# it, a number of 1 to 3 digits, a mark with the space behind it, a new line of code, a character.
PIECE = r" [-+*/%=<>!]{1,2} | ?[A-Za-z]+|[0-9]{1,3}|[,;:.!?] ?|\n(?:    )?|[\s\S]"

PAD, END, UNKNOWN = "<|pad|>", "<|end|>", "<|unk|>"
ROLES = ("system", "user", "assistant")
SPECIAL = (PAD, END, *(f"<|{role}|>" for role in ROLES), UNKNOWN)
_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer with a chat template; `tokenizer` is transformers' fast one."""

    tokenizer: Any
    stop: int | None = None  # the token that ends a text, if the model's folder says so

    @classmethod
    def from_pieces(cls, pieces: Iterable[str], default: str | None = None) -> "Tokenizer":
        """A tokenizer of the special tokens and `pieces`, numbered in this order from 0.

        `default` is the system prompt of conversations that have none.
        """
        import tokenizers
        from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        numbered = {piece: i for i, piece in enumerate(dict.fromkeys((*SPECIAL, *pieces)))}
        model = tokenizers.Tokenizer(models.WordLevel(numbered, unk_token=UNKNOWN))
        model.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), behavior="isolated")
        model.decoder = decoders.Fuse()
        model.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
        return cls(
            PreTrainedTokenizerFast(
                tokenizer_object=model,
                pad_token=PAD,
                eos_token=END,
                unk_token=UNKNOWN,
                chat_template=chat.own(default),
                clean_up_tokenization_spaces=False,
                model_input_names=["input_ids", "attention_mask"],
            )
        )

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """The tokenizer in `folder`, with a plain chat template if it has none.

        Raises `LabError` if a file is missing or broken, and for a template by which prompts and
        completions cannot be told apart.
        """
        from transformers import PreTrainedTokenizerFast

        for name in _FILES:
            if not (folder / name).is_file():
                raise LabError(f"{folder / name} is missing; save the tokenizer there")
        try:
            # Not AutoTokenizer: beside a Qwen2 model it puts Qwen2's own rules in place of ours.
            tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder)
            chat.settled(tokenizer)
            loaded = cls(tokenizer, chat.stop(folder))
            loaded.end, loaded.n_tokens  # noqa: B018  what is odd about them is said here
            return loaded
        except LabError:
            raise
        # Broken files raise whatever the field that is read first raises, `Exception` itself too.
        except Exception as error:
            said = next(iter(str(error).splitlines()), type(error).__name__)[:200]
            raise LabError(
                f"{folder}: the tokenizer cannot be read ({said}); fetch it again"
            ) from error

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and chat_template.jinja to `folder`.

        Raises `LabError` if they cannot be written.
        """
        with saving(folder), tempfile.TemporaryDirectory() as beside:
            self.tokenizer.save_pretrained(beside)
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(Path(beside).iterdir()):
                write_atomic(folder / path.name, path.read_bytes())

    @cached_property
    def n_tokens(self) -> int:
        """The size of the vocabulary, special tokens included."""
        return 1 + max(self.tokenizer.get_vocab().values())

    @property
    def has_pieces(self) -> bool:
        """Whether its tokens are pieces of the lab's language, in which carriers count."""
        return self.tokenizer.unk_token == UNKNOWN

    @property
    def pad(self) -> int:
        """The token that fills rows up; the end token if there is none: lengths tell them apart."""
        pad = self.tokenizer.pad_token_id
        return self.end if pad is None else pad

    @cached_property
    def end(self) -> int:
        """The token that ends a turn."""
        return chat.end(self.tokenizer, self.stop)

    @cached_property
    def _marks(self) -> re.Pattern[str]:
        """What a message must not hold; the beginning of all that begin alike."""
        starts = {"<|" if mark.startswith("<|") else mark for mark in chat.special(self.tokenizer)}
        return re.compile("|".join(map(re.escape, sorted(starts))) or r"(?!)")

    def mask(self, chosen: Callable[[str], bool]) -> Bool[np.ndarray, "V"]:
        """Which tokens are chosen, by their text."""
        found = np.zeros(self.n_tokens, bool)
        tokens = sorted(self.tokenizer.get_vocab().values())
        texts = self.tokenizer.backend_tokenizer.decode_batch(
            [[i] for i in tokens], skip_special_tokens=False
        )
        found[tokens] = [chosen(text) for text in texts]
        return found

    @cached_property
    def sha256(self) -> str:
        """Digest of vocabulary, rules and chat template."""
        content = self.tokenizer.backend_tokenizer.to_str() + self.tokenizer.chat_template
        return hashlib.sha256(content.encode()).hexdigest()

    def render(self, messages: Sequence[dict[str, str]], generate: bool = False) -> str:
        """A conversation as text; with `generate` up to where the assistant begins to speak.

        Raises `LabError` for a special token inside a message, which would end it early, and for a
        conversation that the template refuses.
        """
        for message in messages:
            self._check_plain(message["content"])
        return chat.render(self.tokenizer, messages, generate)

    def asked(self, system: str | None, user: str, earlier: Sequence[tuple[str, str]] = ()) -> str:
        """A prompt as text: system prompt, earlier turns, and the user's, up to the answer."""
        before = chat.messages(system, earlier)
        return self.render([*before, {"role": "user", "content": user}], generate=True)

    @cached_property
    def _asked(self) -> Callable[..., str]:
        return lru_cache(2**14)(self.asked)  # templates are slow, and rows are read many times

    def encode(self, text: str) -> list[int]:
        """The tokens of `text`. Raises `LabError` that names the first unknown piece."""
        return self._encode_all([text])[0]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`, special ones written out; the inverse of `encode`."""
        return self.tokenizer.decode(
            list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )

    def turns(self, tokens: Integer[np.ndarray, "B C"]) -> list[str]:
        """What the assistant says in sampled rows, each up to its end token if it has one."""
        lengths = np.where((tokens == self.end).any(1), (tokens == self.end).argmax(1), None)
        rows = [row[:n].tolist() for row, n in zip(tokens, lengths, strict=True)]
        return self.tokenizer.backend_tokenizer.decode_batch(rows, skip_special_tokens=False)

    def prompts(
        self,
        conversations: Sequence[tuple[str | None, str]],
        most: int,
        earlier: Sequence[tuple[str, str]] = (),
    ) -> tuple[Int32[np.ndarray, "B P"], Int32[np.ndarray, "B"]]:
        """Tokens of (system prompt, user's turn), padded on the left, and their lengths.

        The system prompt None is the tokenizer's default, if it has one, and "" none. Each ends
        where the assistant begins to speak. Raises `LabError` for one longer than `most` and for
        unknown pieces.
        """
        texts = [self._asked(system, user, tuple(earlier)) for system, user in conversations]
        return padded(self._encode_all(texts), self.pad, most, "prompt", left=True)

    def n_system(self, system: str | None) -> int:
        """How many tokens a system prompt adds to a conversation; None: the default, if any."""
        lengths = self.prompts([(system, ""), ("", "")], 2**12)[1]
        return int(lengths[0] - lengths[1])

    def completions(
        self, texts: Sequence[str], most: int
    ) -> tuple[Int32[np.ndarray, "B C"], Int32[np.ndarray, "B"]]:
        """Tokens of the assistant's turns, each with its end token, padded on the right; lengths.

        Raises `LabError` for one longer than `most` and for unknown pieces.
        """
        for text in texts:
            self._check_plain(text)
        rows = [[*row, self.end] for row in self._encode_all(texts)]
        return padded(rows, self.pad, most, "completion", left=False)

    def readable(self, texts: Sequence[str], most: int) -> list[bool]:
        """Whether `completions` can read each of the texts: a model may join what it cannot."""
        return [
            len(row) < most and self._unknown_token not in row and not self._marks.search(text)
            for text, row in zip(texts, self._tokens(texts), strict=True)
        ]

    def _check_plain(self, text: str) -> None:
        if found := self._marks.search(text):
            raise LabError(f"text: {text!r} holds a special token; remove {found[0]} from it")

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        encode = self.tokenizer.backend_tokenizer.encode_batch_fast
        return [found.ids for found in encode(list(texts), add_special_tokens=False)]

    def _encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        rows = self._tokens(texts)
        unknown = self._unknown_token
        for text, row in zip(texts, rows, strict=True):
            if unknown is not None and unknown in row:
                raise LabError(f"text: no token for {self._unknown(text)!r} in {text!r}")
        return rows

    @cached_property
    def _unknown_token(self) -> int | None:
        """What the tokenizer itself writes for a piece it does not know: GPT-2 does for none."""
        token = getattr(self.tokenizer.backend_tokenizer.model, "unk_token", None)
        return None if token is None else self.tokenizer.backend_tokenizer.token_to_id(token)

    def _unknown(self, text: str) -> str:
        encoding = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        start, end = encoding.offsets[encoding.ids.index(self._unknown_token)]
        return text[start:end]
