"""Things callers say about the conversation itself: yes, no, pardon, goodbye.

Matched by meaningful words, never by whole texts. All patterns expect a `plain` text. They tolerate how the recognizer hears short words
("buy" for "bye").
"""

import re

YES = re.compile(
    r"^(?:(?:uh|um|oh|and|well) )*(?:yes|yeah|yea|yep|yup|yas|sure|correct|right|exactly|ok|okay|fine|perfect|great"
    r"|absolutely"
    r"|definitely|of course|go ahead|go for it|please do|do it|do that|confirm(?:ed)?|sounds (?:good|great|right)"
    r"|(?:that|it)(?:'s| is)? (?:is )?(?:right|correct|it|fine|perfect|good|great)|all right|alright|you got it)\b"
)
NO = re.compile(
    r"^(?:(?:uh|um|oh|and|well|actually|sorry) )*(?:no|nope|nah|not|wrong|incorrect|don't|negative|(?:that|it)(?:'s"
    r"| is) (?:not|wrong))\b"
    r"|^(?:know|now|knew|noe)$|\b(?:that's|that is|it's) (?:not (?:right|correct)|wrong|incorrect)\b"
)
PARDON = re.compile(
    r"^(?:(?:(?:i'm |i am )?sorry|pardon(?: me)?|excuse me|what|huh|what was that|what did you say|come again"
    r"|once more|again)\s?)+$"
    r"|\b(?:say|repeat) (?:that|it|this)\b|\brepeat (?:please|again)\b|\bcome again\b"
    r"|\b(?:could|can|would) you (?:please )?repeat\b|^(?:please )?repeat\b"
    r"|\b(?:did not|didn't|couldn't|can't) (?:quite )?(?:hear|catch|get|understand) (?:that|you|it|what)\b"
)
NEVER_MIND = re.compile(
    r"\bnever ?mind\b|\bforget (?:it|about it|that|about that)\b|\b(?:cancel|stop|drop|leave) (?:that|this|it)\b"
    r"|\b(?:i've |i have |i )?changed my mind\b|\bdon't bother\b|^(?:cancel|stop|abort)$|\bi don't want (?:that|it"
    r"|to)\b"
)
GOODBYE = re.compile(
    r"\b(?:good ?bye|bye|bye bye|farewell|hang up|see you|talk to you (?:later|soon)|nothing else|i'm done|i am done"
    r"|that(?:'s| is| was| will be|'ll be) (?:all|everything)|have a (?:nice|good|great|lovely) (?:day|one|evening"
    r"|night|weekend))\b"
    r"|^(?:buy|by|bi|good buy|goodbuy)(?: (?:buy|by|bye))?$"
    r"|\b(?:thanks|thank you)(?: very much| so much| a lot)?(?: and)? (?:dubai|debay|to buy)$"
)
THANKS = re.compile(
    r"^(?:(?:ok|okay|great|perfect|alright|all right|oh|no) )*(?:thanks|thank you|many thanks|cheers|i appreciate)\b"
)
HELLO = re.compile(
    r"^(?:(?:hello|hi|hey|hallo|good (?:morning|afternoon|evening)|howdy|is (?:anybody|anyone|someone) there"
    r"|are you (?:still )?there)"
    r"(?: there| everyone| again)?\s?)+(?:(?:this|it) is \w+(?: \w+)?(?: speaking| here)?)?$"
)
HOW_ARE_YOU = re.compile(
    r"\bhow (?:are|have) you (?:doing|been|today)?|^how are you\b|\bhow's it going\b|\bhow do you do\b"
)
WHO_ARE_YOU = re.compile(
    r"\b(?:who|what) (?:exactly )?(?:are you|am i (?:talking|speaking) (?:to|with))\b|\bwho(?:'s| is) (?:this|there"
    r"|speaking|calling)\b"
    r"|\bare you (?:a |an |really )*(?:robot|bot|human|machine|computer|ai|a i|recording|real|person|chat ?bot"
    r"|program|alive)\b"
    r"|\b(?:is this|am i (?:talking|speaking) to) (?:a |an )*(?:robot|bot|machine|computer|ai|recording|real person"
    r"|human|person)\b"
    r"|\bwhat(?:'s| is) your name\b"
)
WHAT_CAN_YOU_DO = re.compile(
    r"\bwhat (?:can|could|do) you (?:do|help|offer me|know)\b|\bhow (?:can|could) you help\b|^(?:i need )?help(?: me)?$"
    r"|\bwhat (?:can|should) i (?:ask|say|do)\b|\bwhat are my options\b"
)
WANTS_HUMAN = re.compile(
    r"\b(?:transfer|connect|forward|redirect) me\b|\bput me (?:through|on)\b(?! (?:the|your|a|any|this|that|some)\b)"
    r"|\b(?:speak|speaking|talk|talking|get|give me|want|need|reach|have|pass)\b.{0,24}\b"
    r"(?:humans?|real person|actual person|live person|a person|someone|somebody|manager|operator|representative"
    r"|agent|supervisor"
    r"|human being|colleague|member of staff|the owner)\b"
    r"|^(?:operator|representative|human|agent|manager|real person)(?: please)?$"
)
# A request never to be called again. "Call me later" and "don't call before nine" do not count.
OPT_OUT = re.compile(
    r"\bnever (?:ever )?(?:call|phone|ring|contact|bother)\b|\b(?:stop|quit|no more) (?:calls|calling|phoning|ringing|contacting)\b"
    r"|\b(?:do not|don't|not to) (?:ever |want (?:\w+ ){0,2}to (?:be )?)?(?:call|phone|ring|contact|bother)(?:ed)?\b"
    r".{0,24}\b(?:again|any ?more|ever)\b"
    r"|\b(?:put|add|place|register|want|get|have)\b.{0,24}\b(?:do not|don't|no) call\b"
    r"|\b(?:take|remove|delete|get|strike|scratch)\b.{0,24}\b(?:off|from|of)\b.{0,16}\b(?:lists?|records|database)\b"
    r"|\bunsubscribe\b|\b(?:lose|forget|delete|erase) my (?:phone )?number\b"
)
QUESTION = re.compile(
    r"^(?:(?:and|so|um|uh|ok|okay|hi|hello|hey|yes|yeah|sorry|excuse me|also|but) )*"
    r"(?:what|what's|when|where|where's|which|who|whose|why|how|is|are|do|does|did|can i|can we|could i|may i|will"
    r"|am|have you|has|any)\b"
    r"|\b(?:tell me|like to know|want to know|wondering|know (?:what|when|where|if|how|whether))\b"
)
# A request for information only.
INFORMATION = re.compile(
    r"\b(?:tell me|(?:like|want|need) to know|wondering|know (?:what|when|where|if|how|whether)|a question"
    r"|ask (?:you )?about)\b"
)
REQUEST = re.compile(
    r"\b(?:i(?:'d| would) (?:like|love)|i (?:want|need|wanna|have) to|i wanna|we(?:'d| would) like|we (?:want|need)"
    r"|can (?:you|i|we)|could (?:you|i|we)"
    r"|would you|please|help me|let's|let me|i'm calling to|i am calling to|i'm looking to|i need|i want)\b"
)


def is_yes(text: str) -> bool:
    """Consent, and no "yes, but"."""
    return bool(YES.search(text)) and not re.search(r"\b(?:not|don't|wrong)\b", text)


def is_no(text: str) -> bool:
    return bool(NO.search(text)) or bool(re.search(r"^(?:yes|ok) but no\b", text))
