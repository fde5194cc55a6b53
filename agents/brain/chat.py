"""A chat endpoint as the brain: any server that speaks OpenAI's chat completions (Ollama, vLLM, llama.cpp …).

The answer is spoken sentence by sentence while it is generated; closing the turn closes the stream.
"""

import asyncio
import itertools
import json
import logging
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI, OpenAIError
from openai.types.chat import ChatCompletionChunk

from agents.brain.base import Brain, Call, Say, Steps, ToolResult
from agents.brain.identity import identity_of, literal_speech
from agents.cues import CUES, whispered
from agents.providers.base import SessionConfig, late_result
from agents.speech.sentences import take_sentence
from bubblyphone.core.json.documents import InvalidJSON, parse_foreign_json

logger = logging.getLogger(__name__)

TIMEOUT = httpx2.Timeout(30.0, connect=3.0)
# After this much silence the caller hears that the answer is coming. Including end-of-turn detection and speech synthesis, this stays
# within three seconds.
FILLER_SECONDS = 2.0
FILLER = "One moment, please."
APOLOGY = "I am sorry, I have trouble thinking right now. Could you say that again?"
NOTHING_SAID = "Sorry, could you say that again?"
TOOL_ROUNDS = 3  # how often a model may repeat a tool call with invalid arguments
END_CALL = "end_call"
STYLE = (
    "You are on the telephone; your words are read aloud. Answer in one to three short spoken sentences, in English."
    " No lists, no markdown, no emojis, no stage directions."
)
THOUGHTS = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)
MARKUP = re.compile(r"[*_`#]+|\[([^\]]*)\]\([^)]*\)")


@dataclass(slots=True)
class _ToolUse:
    """A tool call of the model; `result` is JSON, empty while pending."""

    call_id: str
    name: str
    arguments: str
    result: str = ""


@dataclass(slots=True)
class _Entry:
    """One message of the conversation; the model's may have calls with their results."""

    role: str
    text: str
    uses: list[_ToolUse] = field(default_factory=list)


class ChatEndpoint:
    """An OpenAI-compatible server and one of its models. Its connections are shared by the calls of the process."""

    def __init__(self, base_url: str, model: str, api_key: str) -> None:
        self.model = model
        self._client = AsyncOpenAI(base_url=base_url, api_key=api_key or "none", timeout=TIMEOUT, max_retries=1)

    def new_brain(self, config: SessionConfig) -> "ChatBrain":
        """A brain for one conversation."""
        return ChatBrain(self, config)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]
    ) -> AsyncGenerator[ChatCompletionChunk, None]:
        """The chunks of one completion. Raises OpenAIError; closing the generator ends the request."""
        options: dict[str, Any] = {"tools": tools} if tools else {}
        stream = await self._client.chat.completions.create(
            model=self.model, messages=cast(Any, messages), stream=True, **options
        )
        async with stream:
            async for chunk in stream:
                yield chunk


class ChatBrain(Brain):
    """One conversation with a chat endpoint."""

    def __init__(self, endpoint: ChatEndpoint, config: SessionConfig) -> None:
        self._endpoint = endpoint
        self._prompt = config.instructions
        self._notes: list[str] = []
        self._tools = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
            }
            for t in config.tools
        ]
        roles = {"user": "user", "model": "assistant"}
        self._entries = [_Entry(roles[turn.role], turn.text) for turn in config.history]
        self._call_ids = (f"local_{number}" for number in itertools.count(1))

    def note(self, message: str) -> None:
        self._notes.append(message)

    def notice(self, message: str) -> None:
        self._notes.append(message)

    def follow(self, instruction: str) -> None:
        self._notes.append(whispered(instruction))

    def said(self, text: str) -> None:
        last = self._entries[-1] if self._entries else None
        if last is not None and last.uses and not last.text:
            last.text = text
        else:
            self._entries.append(_Entry("assistant", text))

    def heard(self, said: str, heard: str) -> None:
        for entry in reversed(self._entries):
            if entry.role == "assistant" and entry.text == said:
                entry.text = f"{heard} …(interrupted)" if heard else "(interrupted)"
                return

    async def reply(self, instructions: str) -> Steps:
        if instructions not in CUES and (literal := literal_speech(instructions)):
            yield Say(literal)
            return
        order = {"role": "user", "content": f"(Not from the caller. Do this now, aloud: {instructions or 'Greet.'})"}
        async with aclosing(self._think(order, on_failure=identity_of(self._prompt).greeting)) as steps:
            async for step in steps:
                yield step

    async def answer(self, text: str) -> Steps:
        self._entries.append(_Entry("user", text))
        async with aclosing(self._think()) as steps:
            async for step in steps:
                yield step

    async def ask_again(self) -> Steps:
        yield Say(NOTHING_SAID)

    async def go_on(self, results: Sequence[ToolResult]) -> Steps:
        for answer in results:
            uses = [use for entry in self._entries for use in entry.uses if use.call_id == answer.call_id]
            for use in uses:
                use.result = json.dumps(dict(answer.result), default=str)
            if not uses:
                self.note(late_result(answer.name, answer.result))
        if all(answer.name == END_CALL for answer in results):
            return
        async with aclosing(self._think()) as steps:
            async for step in steps:
                yield step

    async def _think(self, order: dict[str, Any] | None = None, on_failure: str = APOLOGY) -> Steps:
        """Ask the model and pass on its words and tool calls; apologize if it is unavailable."""
        for _ in range(TOOL_ROUNDS):
            uses: list[_ToolUse] = []
            has_spoken = False
            try:
                async with aclosing(self._sentences(order, uses)) as sentences:
                    async for sentence in sentences:
                        has_spoken = has_spoken or sentence != FILLER
                        yield Say(sentence)
            except (OpenAIError, httpx2.HTTPError, ValueError, RecursionError) as exc:  # the last: deep JSON
                logger.warning("The chat endpoint failed", extra={"error": type(exc).__name__})
                yield Say(on_failure)
                return
            if not uses:
                if not has_spoken:
                    yield Say(NOTHING_SAID)
                return
            calls = [call for use in uses if (call := _readable(use))]
            self._entries.append(_Entry("assistant", "", uses))
            for call in calls:
                yield call
            if calls:
                return
        yield Say(on_failure)

    async def _sentences(self, order: dict[str, Any] | None, uses: list[_ToolUse]) -> AsyncGenerator[str, None]:
        """The sentences of a completion as they are completed; its tool calls are collected in `uses`."""
        buffer, spoken = "", ""
        by_index: dict[int, _ToolUse] = {}
        messages = self._messages() + ([order] if order else [])
        async with aclosing(_with_filler(self._endpoint.stream(messages, self._tools))) as chunks:
            async for chunk in chunks:
                if chunk is None:
                    yield FILLER
                    continue
                if not chunk.choices:
                    continue
                delta = chunk.choices[0].delta
                buffer += (delta and delta.content) or ""
                for piece in (delta and delta.tool_calls) or ():
                    self._collect(by_index, piece)
                while True:
                    sentence, rest = take_sentence(_clean(buffer)[len(spoken) :], final=False)
                    if not sentence:
                        break
                    spoken = _clean(buffer)[: len(_clean(buffer)) - len(rest)]
                    yield sentence
        if rest := _clean(buffer)[len(spoken) :].strip():
            yield rest
        uses.extend(use for _, use in sorted(by_index.items()))

    def _collect(self, by_index: dict[int, _ToolUse], piece: Any) -> None:
        """Add a fragment of a tool call. Servers without indices send each call whole."""
        index = piece.index if piece.index is not None else len(by_index)
        if index not in by_index:
            by_index[index] = _ToolUse(next(self._call_ids), "", "")
        use = by_index[index]
        if piece.function is not None:
            use.name += piece.function.name or ""
            use.arguments += piece.function.arguments or ""

    def _messages(self) -> list[dict[str, Any]]:
        """The conversation in the endpoint's format. Notes go first, because some chat templates reject later system messages."""
        notes = [f"Note for you: {note}" for note in self._notes]
        messages: list[dict[str, Any]] = [{"role": "system", "content": "\n\n".join([self._prompt, STYLE, *notes])}]
        for entry in self._entries:
            message: dict[str, Any] = {"role": entry.role, "content": entry.text}
            if entry.uses:
                message["tool_calls"] = [
                    {"id": u.call_id, "type": "function", "function": {"name": u.name, "arguments": u.arguments}}
                    for u in entry.uses
                ]
            messages.append(message)
            messages += [
                {"role": "tool", "tool_call_id": u.call_id, "content": u.result or '{"status": "still running"}'}
                for u in entry.uses
            ]
        return messages


def _readable(use: _ToolUse) -> Call | None:
    """The call, if its arguments are a JSON object; otherwise an error for the model."""
    try:
        arguments = parse_foreign_json(use.arguments or "{}")
    except InvalidJSON:
        arguments = None
    if isinstance(arguments, dict):
        return Call(use.call_id, use.name, arguments)
    use.arguments, use.result = "{}", '{"error": "The arguments must be a JSON object. Call the tool again."}'
    return None


def _clean(text: str) -> str:
    """Without a reasoning model's thoughts and without characters that a voice would spell out."""
    return MARKUP.sub(r"\1", THOUGHTS.sub("", text))


async def _with_filler(
    chunks: AsyncGenerator[ChatCompletionChunk, None],
) -> AsyncGenerator[ChatCompletionChunk | None, None]:
    """The chunks, preceded by None if the first one keeps the caller waiting."""
    first = asyncio.ensure_future(anext(chunks, None))
    try:
        done, _ = await asyncio.wait({first}, timeout=FILLER_SECONDS)
        if not done:
            yield None
        if chunk := await first:
            yield chunk
            async for chunk in chunks:
                yield chunk
    finally:
        if not first.done():
            first.cancel()
            await asyncio.wait({first})
        await chunks.aclose()
