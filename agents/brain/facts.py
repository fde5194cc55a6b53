"""Knowledge from the system prompt: its statements, looked up by meaning."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.brain.identity import TOLD, is_order
from agents.brain.text import as_sentence, content_words, plain
from agents.speech.sentences import split_sentences

Embed = Callable[[Sequence[str]], Awaitable[NDArray[np.float32]]]

# Minimum cosine similarity of an answer; shared words raise the score.
THRESHOLD = 0.33
SHARED_WORDS_WEIGHT = 0.25
# An adjacent statement that matches nearly as well belongs to the answer ("On Saturdays …").
COMPANION = 0.8

DIRECTIVE = re.compile(
    r"^(?:please )?(?:always|never|be|do not|don't|keep|speak|answer|respond|reply|use|only (?:answer|speak|use"
    r"|talk)|ask|greet|help"
    r"|act|make sure|remember|offer|say|tell|avoid|confirm|collect|transfer|end|hang|note|take|try|introduce|thank"
    r"|stay|limit|follow"
    r"|your (?:job|task|role|goal|name|purpose)|you (?:are|must|should|will|help|have to|work|speak|answer|do"
    r"|can only|may|always|never|work)"
    r"|when(?:ever)? (?:the|a|they|asked|you|someone)|if (?:the|a|they|asked|you|someone|anyone|there))\b",
    re.IGNORECASE,
)
# A question may share no word with its answer, but its wording shows what kind of fact it asks for.
CUES = (
    (
        re.compile(r"\bwhere (?:are|is) (?:you|the|your)\b|\baddress\b|\blocat|\bget to you\b|\bfind you\b"),
        re.compile(
            r"\b(?:street|road|avenue|lane|square|plaza|boulevard|drive|located|address|corner|opposite|next to)\b"
        ),
    ),
    (
        re.compile(r"\b(?:opening|business|office) hours\b|\bwhen (?:are|do) you (?:open|close)\b|\bhow late\b"),
        re.compile(r"\bopen\b|\bclosed?\b|\bhours\b|\b\d+ ?[ap]m\b"),
    ),
    (
        re.compile(r"\bprices?\b|\bcosts?\b|\bhow much\b|\bcharge\b|\bfees?\b|\bexpensive\b"),
        re.compile(r"[$€£]|\b(?:dollars?|cents?|euros?|pounds?|prices?|costs?|fees?|free)\b"),
    ),
    (
        re.compile(r"\b(?:phone|telephone) number\b|\be ?mail\b|\bcontact\b|\breach you\b"),
        re.compile(r"\d{3}[\d -]{3,}|@|\b(?:phone|telephone|e ?mail)\b"),
    ),
)
CUE_BONUS = 0.2
ASKED_ABOUT = re.compile(
    r"^(?:if|when)(?: \w+){0,3}? asks?(?:ed)? (?:about|for|if|whether)? ?(?P<topic>.+?),? (?:then )?"
    r"(?:say|tell them|answer|reply|tell the caller|explain)(?: that)?:? (?P<answer>.+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """`spoken` is the sentence to say, `meaning` the text it is found by (with its heading or topic)."""

    spoken: str
    meaning: str


def facts_of(prompt: str) -> list[Fact]:
    """The statements of a prompt, without rules of behavior except "if asked about X, say Y"."""
    facts: list[Fact] = []
    heading = ""
    for line in prompt.splitlines():
        text = re.sub(r"^\s*(?:[-*•#>]+|\d+[.)])\s*", "", line).strip().strip("*")
        if not text:
            heading = ""
        elif re.fullmatch(r"[^.!?]{2,60}:", text) or line.lstrip().startswith("#"):
            heading = text.rstrip(":")
        else:
            facts.extend(fact for sentence in split_sentences(text) if (fact := _fact(sentence, heading)))
    return facts


def _fact(sentence: str, heading: str) -> Fact | None:
    if match := ASKED_ABOUT.match(sentence):
        answer = match["answer"].strip("\"'“” ")
        return Fact(as_sentence(answer), f"{match['topic']}. {answer}")
    if DIRECTIVE.match(sentence) or sentence.endswith("?"):
        return None
    if not content_words(sentence):
        return None
    return Fact(as_sentence(_as_spoken(sentence)), f"{heading}: {sentence}" if heading else sentence)


def _told(sentence: str) -> str:
    """The part meant for the caller; any other sentence unchanged."""
    match = TOLD.match(sentence)
    return match[1] if match and not is_order(match[1]) else sentence


def _as_spoken(sentence: str) -> str:
    """A statement about the caller, rephrased to address the caller."""
    for pattern, replacement in _ADDRESSED:
        sentence = pattern.sub(replacement, sentence)
    return sentence


_ADDRESSED = (
    (re.compile(r"\b(?:the |this )(?:caller|customer)'s\b", re.IGNORECASE), "your"),
    (re.compile(r"\b(?:the |this )caller has\b", re.IGNORECASE), "you have"),
    (re.compile(r"\b(?:the |this )caller is\b", re.IGNORECASE), "you are"),
    (re.compile(r"\b(?:the |this |a )?callers?\b", re.IGNORECASE), "you"),
)


def _is_cued(question: str, meaning: str) -> bool:
    return any(asks.search(question) and answers.search(meaning) for asks, answers in CUES)


class Knowledge:
    """Facts with their embeddings, extended by what the developer adds during the call."""

    def __init__(self, prompt: str, embed: Embed) -> None:
        self._embed = embed
        self.facts = facts_of(prompt)

    def add(self, message: str) -> None:
        """Add the statements of a developer's note as facts, without rules of behavior."""
        clauses = [clause for sentence in split_sentences(message) for clause in re.split(r";\s+", sentence)]
        self.facts += [fact for clause in clauses if (fact := _fact(_told(clause), ""))]

    async def prepare(self) -> None:
        """Embed all facts now, so that the first question does not wait for it."""
        await self._embed([fact.meaning for fact in self.facts])

    async def look_up(self, question: str) -> tuple[str, float]:
        """The answer to a question and how well it fits (about 0 to 1); "" below the threshold."""
        if not self.facts:
            return "", 0.0
        vectors = await self._embed([question, *(fact.meaning for fact in self.facts)])
        said, asked = plain(question), content_words(question)
        shared = np.array([len(asked & content_words(f.meaning)) / max(1, len(asked)) for f in self.facts])
        cued = np.array([_is_cued(said, plain(fact.meaning)) for fact in self.facts])
        scores = vectors[1:] @ vectors[0] + SHARED_WORDS_WEIGHT * shared + CUE_BONUS * cued
        best = int(scores.argmax())
        fit = float(scores[best])
        if fit < THRESHOLD:
            return "", fit
        nearby = range(max(0, best - 1), min(len(self.facts), best + 2))
        chosen = [i for i in nearby if i == best or scores[i] >= max(COMPANION * fit, THRESHOLD)]
        return " ".join(self.facts[index].spoken for index in chosen), fit
