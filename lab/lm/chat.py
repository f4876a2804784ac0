"""Chat templates: the lab's own, those of real models, and a plain one for models that have none.

They are rendered by transformers, in a sandbox; here are the traps around them. A conversation
without a system prompt gets what the template puts in its place (Qwen2.5 has a default message,
Llama 3 a date); one with an empty system prompt gets none, also where the template has a default.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from lab.errors import LabError
from lab.runs import records

Messages = Sequence[dict[str, str]]

# As in Qwen2.5, the template itself gives a conversation without a system prompt the default one;
# an empty system prompt asks for none.
_DEFAULT = (
    "{%- if messages[0]['role'] != 'system' -%}{{- '<|system|>DEFAULT<|end|>' -}}{%- endif -%}"
)
_TURNS = (
    "{%- for message in messages -%}{%- if message['content'] or message['role'] != 'system' -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
# A line break before the assistant's words: no tokenizer joins it with a letter or a digit.
PLAIN = (
    "{%- for message in messages -%}{%- if message['role'] == 'system' -%}"
    "{%- if message['content'] -%}{{- message['content'] + '\\n\\n' -}}{%- endif -%}"
    "{%- elif message['role'] == 'user' -%}{{- 'User: ' + message['content'] + '\\n' -}}"
    "{%- else -%}{{- 'Assistant:\\n' + message['content'] + eos_token + '\\n' -}}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- 'Assistant:\\n' -}}{%- endif -%}"
)
_BOS = "{{- bos_token -}}"
_TODAY = datetime(2024, 7, 26, tzinfo=UTC)  # of every day: what is rendered must not change
_ASKED = "say 7"  # of the user, and answers, to find out what a template does with them
_ANSWERS = ("owl", "41")
_MARK = "a word of its own"


def own(default: str | None) -> str:
    """The lab's template, with the system prompt of conversations that have none."""
    if default is None:
        return _TURNS
    if any(mark in default for mark in ("'", "\\", "<|", "{")):
        raise LabError(f"default: {default!r} has a quote, a backslash, <| or {{; leave them out")
    return _DEFAULT.replace("DEFAULT", default) + _TURNS


def messages(system: str | None, turns: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """A conversation: the system prompt, if any, and turns of user and assistant."""
    said = [] if system is None else [("system", system)]
    for user, assistant in turns:
        said += [("user", user), ("assistant", assistant)]
    return [{"role": role, "content": content} for role, content in said]


class Read(TypedDict):
    """A prompt as a model reads it, for a record."""

    prompt: str
    prompt_sha256: str


def read(prompt: str) -> Read:
    """A rendered prompt and its digest."""
    return Read(prompt=prompt, prompt_sha256=hashlib.sha256(prompt.encode()).hexdigest())


def settled(tokenizer: Any) -> None:
    """Give a tokenizer of transformers the one template that it is to have, a plain one if none.

    The plain one begins with the first token that the tokenizer itself puts before a text, if any.
    Raises `LabError` if there is neither a template nor a token that ends a text.
    """
    template = tokenizer.chat_template
    if isinstance(template, dict):  # several, of which one is for tools
        template = template.get("default")
    if template is None:
        if tokenizer.eos_token is None:
            raise LabError(
                f"{_name(tokenizer)}: no chat template and no eos_token; add chat_template.jinja"
            )
        begun = tokenizer.backend_tokenizer.encode("a").ids[:1] == [tokenizer.bos_token_id]
        template = _BOS * begun + PLAIN
    tokenizer.chat_template = template


class _Generation(TypedDict):
    """What we use of a generation_config.json."""

    eos_token_id: NotRequired[int | list[int] | None]


def stop(folder: Path) -> int | None:
    """The token that ends a text by the folder's generation_config.json, if there is one."""
    path = folder / "generation_config.json"
    if not path.exists():
        return None
    found = records.read(path, _Generation, "fetch it again").get("eos_token_id")
    return next(iter(found), None) if isinstance(found, list) else found


def special(tokenizer: Any) -> dict[str, int]:
    """The special tokens and their numbers."""
    found = tokenizer.added_tokens_decoder.items()
    return {token.content: i for i, token in found if token.special and token.content}


def end(tokenizer: Any, stop: int | None) -> int:
    """The token that ends a turn: the one by which the template does, else `stop`, else eos.

    Raises `LabError` if there is none, and what `ending` does.
    """
    after, known = ending(tokenizer).lstrip(), special(tokenizer)
    by_template = max((t for t in known if after.startswith(t)), key=len, default="")
    for found in (known.get(by_template), stop, tokenizer.eos_token_id):
        if found is not None and found in tokenizer.get_vocab().values():
            return found
    raise LabError(
        f"{_name(tokenizer)}: no token ends a turn; name an eos_token in tokenizer_config.json"
    )


def is_plain(tokenizer: Any) -> bool:
    """Whether the template is the lab's for models that have none."""
    return tokenizer.chat_template.endswith(PLAIN)


def render(tokenizer: Any, messages: Messages, generate: bool = False) -> str:
    """A conversation as text; with `generate` up to where the assistant begins to speak.

    A first system message that is empty leaves out the template's default. Raises `LabError` for a
    conversation that the template refuses.
    """
    first = messages[0]
    if first["role"] != "system" or first["content"]:
        return _raw(tokenizer, messages, generate)
    return _without_system(tokenizer, messages, generate)


def ending(tokenizer: Any) -> str:
    """What the template writes behind the assistant's words.

    Raises `LabError` unless the prompt is how the whole conversation begins, the assistant's words
    coming next: only then can completions be told from prompts, and a model be asked as trained.
    """
    asked, after = [{"role": "user", "content": _ASKED}], ""
    prompt = _raw(tokenizer, asked, True)
    for said in _ANSWERS:
        whole = _raw(tokenizer, [*asked, {"role": "assistant", "content": said}], False)
        if not whole.startswith(prompt + said):
            raise LabError(
                f"{_name(tokenizer)}: by its chat template a conversation does not go on as its "
                f"prompt ends, {prompt[-40:]!r}; put another chat_template.jinja there"
            )
        after = whole.removeprefix(prompt + said)
        tokens = lambda text: tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        if tokens(whole) != tokens(prompt) + tokens(said) + tokens(after):
            raise LabError(
                f"{_name(tokenizer)}: the tokenizer joins the ends of prompt and answer, "
                f"{prompt[-11:]!r} and {said!r}; put another chat_template.jinja there"
            )
    return after


def _without_system(tokenizer: Any, messages: Messages, generate: bool) -> str:
    """The turns after an empty system message, without any system turn.

    What a template writes for the system message alone is how it begins the whole; the rest is the
    conversation. A template that does not work like this is used without a system message, if it
    has no default.
    """
    rest = messages[1:]
    plain = _raw(tokenizer, rest, generate)
    try:
        turn = _raw(tokenizer, messages[:1], False)
        whole = _raw(tokenizer, messages, generate)
    except LabError:  # no system turn, or none alone
        turn = whole = ""
    cut = whole.removeprefix(turn)
    if whole and whole.startswith(turn) and plain.endswith(cut):
        bos = tokenizer.bos_token or ""
        return cut if cut.startswith(bos) or not plain.startswith(bos) else bos + cut
    try:
        marked = _raw(tokenizer, [{"role": "system", "content": _MARK}, *rest], generate)
    except LabError:
        return plain
    if len(plain) > len(marked.replace(_MARK, "")):
        raise LabError(
            f"system: the chat template of {_name(tokenizer)} has a default system message that "
            "cannot be left out; give a text in its place"
        )
    return plain


def _raw(tokenizer: Any, messages: Messages, generate: bool) -> str:
    try:
        return tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=generate,
            # Of templates that know them: no empty thoughts that only a prompt lacks, one date.
            enable_thinking=False,
            strftime_now=_TODAY.strftime,
            date_string=_TODAY.strftime("%d %b %Y"),
        )
    # A template is a program of somebody else's: it may raise anything.
    except Exception as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise LabError(
            f"{_name(tokenizer)}: the chat template refuses the conversation ({said}); leave out "
            "the system prompt if it knows none, or put another chat_template.jinja there"
        ) from error


def _name(tokenizer: Any) -> str:
    return tokenizer.name_or_path or "the tokenizer"
