"""Notes about a call that a model receives in addition to its prompt and `agents.cues`, and the only sentence that callers hear from us."""

from collections.abc import Iterable, Sequence

STAY_MEANWHILE = "A person is being called and will hear what this is about first. Tell the caller so, and stay with them until then."
APOLOGY = "I am sorry, something is wrong on our side."


def not_handed_over(reason: str) -> str:
    """`reason` is a hangup cause."""
    return f"The call could not be transferred ({reason.replace('_', ' ')}). The caller is with you again."


def no_such_tool(names: Iterable[str]) -> str:
    """The model called a tool that it does not have."""
    return f"This tool does not exist. Your tools: {', '.join(names)}."


def keys_pressed(keys: str) -> str:
    return f"The caller pressed these keys on the phone: {keys}"


TAKEN_OVER = "A person has taken over this call. No tools run until the call is returned to you."
# Characters of the conversation that the model learns when it gets the call back; the latest part.
MOST_GIVEN_BACK = 6000


def given_back(said: Sequence[str]) -> str:
    """A person had taken over the call; `said` is what was recognized meanwhile, one line per sentence."""
    text = "\n".join(said)[-MOST_GIVEN_BACK:]
    meanwhile = f"This was said meanwhile:\n{text}" if text else "What was said meanwhile is not known."
    return f"A colleague had taken over this call, and the caller is with you again. {meanwhile}"
