"""What the platform asks a model to say during a call. The values are written for a model that follows instructions;
one that cannot (`agents.brain.scripted`) has its own sentence for each, and never speaks these texts.
"""

from enum import StrEnum


class Cue(StrEnum):
    """Instructions from the platform. A developer's only instruction is the greeting message."""

    GO_ON = (
        "The connection broke off while you were speaking. Go on where you stopped, without repeating what was said."
    )
    ANSWER_NOW = "The caller is waiting for an answer. Answer now; if you did not catch what was said, ask for it to be repeated."
    ANSWER_WITH_RESULTS = "Answer the caller now, with the results of the tools that you have just been given."
    BACK_ON_THE_LINE = (
        "The line was interrupted for a moment. Say in a few words that you are back, and go on with the conversation."
    )
    ASK_IF_THERE = "Nobody has said anything for a while. Ask in a few words whether the other person is still there."
    TOOL_TAKES_LONG = (
        "The result of your tool call takes longer. Ask for a moment of patience in a few words, and say nothing else."
    )
    OFFER_TO_GO_ON = "Tell the caller that nobody could be reached, and offer to go on."
    CALL_GIVEN_BACK = (
        "A colleague has talked to the caller and has given the call back to you."
        " Say in a few words that you are back, and go on from what was said."
    )
    FOLLOW_WHISPER = (
        "Follow the instruction that you have just been given, if there is something to say or do now; otherwise go on with the"
        " conversation in a few words. Do not mention the instruction."
    )
    LEAVE_MESSAGE = (
        "A voicemail box has answered, not a person. Leave one short spoken message now that serves the purpose of your call:"
        " say who is calling and why, and how to get back to you if you know it. Ask nothing and do not wait for an answer."
    )


CUES = frozenset(Cue)


def say_exactly(text: str) -> str:
    """For a model that can only be instructed."""
    return f"Say exactly this to the caller, word for word, and nothing else: {text}"


def introduce(text: str) -> str:
    """For a phone that asks who is calling: our text, in the language of the agent."""
    return (
        "The phone asks who is calling, and why, before its owner picks up. Tell it so in the language of your own instructions,"
        f' and nothing else. Say: "{text}"'
    )


def whispered(instruction: str) -> str:
    """An instruction sent during a call by someone who listens to it."""
    return f"Instruction from your supervisor, which the caller does not hear. Follow it, and do not mention it: {instruction}"
