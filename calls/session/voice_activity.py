"""Detects when the caller spoke, from the audio itself: models report it late, each in its own way, and a model that hangs not at all."""

import time
from collections.abc import Callable
from zlib import adler32

from bubblyphone.core.audio import AudioFormat, alaw_to_pcm16, decode_payload, mulaw_to_pcm16, payload_ms
from calls.session.audio_counts import AUDIO

# Minimum mean amplitude (of 32,768) of a voice, and how far it must exceed the line's noise.
QUIETEST_VOICE = 250.0
ABOVE_NOISE = 3.0
LOWEST_FLOOR = QUIETEST_VOICE / ABOVE_NOISE
# How fast the noise floor rises during louder sound; it falls immediately.
FLOOR_RISE_PER_SECOND = 1.3
# Sound that is later than this is not late: the sender had paused.
LONGEST_LAG_SECONDS = 1.0
MOST_NOISE = 1500.0
# Sound that stays this late for this long is not delayed: some of it was lost.
LATE_SECONDS = 0.1
LATE_FOR_SECONDS = 0.5


# From this level on it is a consonant like the last one of "six": too soft to start a word, but not to end it.
QUIETEST_CONSONANT = 40.0
QUIETEST_NOISE = 4.0
# The mouth may be closed for this long before such a consonant.
LONGEST_CLOSURE_MS = 140.0
# A soft sound longer than this is noise, such as breath.
LONGEST_CONSONANT_MS = 300.0
# The step of the tables with the loudness of G.711 codes.
LEVEL_STEP = 64


def _amplitudes(decode: Callable[[bytes], bytes]) -> list[int]:
    """The amplitude of each G.711 code."""
    return [abs(sample) for sample in memoryview(decode(bytes(range(256)))).cast("h")]


_G711 = {"pcmu": _amplitudes(mulaw_to_pcm16), "pcma": _amplitudes(alaw_to_pcm16)}
# For each byte 0 if it is inaudible: for G.711 the code, for PCM16 the high byte, without the sign.
_AUDIBLE = {name: bytes(min(255, each >> 8) for each in amplitudes) for name, amplitudes in _G711.items()}
_AUDIBLE["pcm16"] = bytes(value if value < 128 else 255 - value for value in range(256))
# For each code the amplitude in steps, to the nearest one.
_LEVELS = {
    name: bytes(min(255, (each + LEVEL_STEP // 2) // LEVEL_STEP) for each in amplitudes)
    for name, amplitudes in _G711.items()
}


class WordEnding:
    """Finds soft consonants after a voice. They count once they have ended, because noise continues."""

    def __init__(self) -> None:
        self.is_possible = False
        self._closed_ms = self._soft_ms = 0.0

    def voice(self) -> None:
        """A voice was heard: the following sounds may end its word."""
        self.is_possible, self._closed_ms, self._soft_ms = True, 0.0, 0.0

    def take(self, length_ms: float, *, is_soft: bool) -> float:
        """Process a piece without voice. Returns how many ms of a consonant ended before it, usually 0."""
        if is_soft:
            self._soft_ms += length_ms
            self.is_possible = self._soft_ms <= LONGEST_CONSONANT_MS
            return 0.0
        consonant_ms, self._soft_ms = self._soft_ms, 0.0
        self._closed_ms = length_ms if consonant_ms else self._closed_ms + length_ms
        self.is_possible = self._closed_ms <= LONGEST_CLOSURE_MS
        return consonant_ms


class VoiceActivityDetector:
    """Follows one caller's audio, piece by piece as it arrives. A few microseconds per piece; times are those of `now`."""

    def __init__(
        self,
        audio_format: AudioFormat,
        now: Callable[[], float] = time.monotonic,
        spoke: Callable[[float, float], None] = lambda begin, end: None,
    ) -> None:
        """`spoke` is called with the time of each piece that contains a voice."""
        self._spoke = spoke
        self._format = audio_format
        self._levels = _LEVELS.get(audio_format.encoding)
        self._now = now
        self._bytes_per_ms = audio_format.bytes_per_ms
        self._silent_payload, self._silent_ms = "", 0.0
        self._usual_ms, self._rise = 0.0, 1.0  # length of the last piece, and how much the noise floor rises in it
        self._floor = LOWEST_FLOOR
        self._noise = QUIETEST_NOISE
        self._ending = WordEnding()
        self._ending_counts = False
        self._clock = 0.0  # when the next piece would arrive if none were ever late
        self._late_since: float | None = None
        self._least_lag = 0.0  # since then
        self.heard_at = 0.0  # when a voice was last heard, whether it counted or not
        self.voiced_ms = 0.0  # ms of voice heard since `forget`
        self.sound_at = 0.0  # when the line was last loud, from a voice or something steadier, such as a tone
        self.voice_at = 0.0  # when its last piece arrived
        self.voice_lag_ms = 0.0  # how late that was, compared to the fastest piece so far

    def hear(self, payload: str, *, counts: bool = True) -> None:
        """Process the next piece. `counts=False`: it is not the caller's turn, for example because the agent speaks."""
        now = self._now()
        if payload == self._silent_payload:
            length_ms = self._silent_ms
            self._late(now, length_ms)
            if self._ending.is_possible:
                self._track_ending(now, length_ms, is_soft=False)
            return
        level, length_ms = self._measure(payload)
        lag = self._late(now, length_ms)
        is_voice = self._is_voice(level, length_ms)
        ending = self._ending
        if is_voice:
            ending.voice()
            self._ending_counts = counts
            self.heard_at = now
            self._spoke(now - length_ms / 1000, now)
        elif ending.is_possible:
            is_soft = level >= max(QUIETEST_CONSONANT, self._noise * ABOVE_NOISE)
            self._track_ending(now, length_ms, is_soft=is_soft)
        if not counts:
            return
        if is_voice:
            self.sound_at = self.voice_at = now
            self.voiced_ms += length_ms
            self.voice_lag_ms = lag * 1000
        elif level >= MOST_NOISE:
            self.sound_at = now

    def _track_ending(self, now: float, length_ms: float, *, is_soft: bool) -> None:
        """A piece without voice soon after one with voice."""
        if consonant_ms := self._ending.take(length_ms, is_soft=is_soft):
            end = now - length_ms / 1000
            self.heard_at = end
            self._spoke(end - consonant_ms / 1000, end)
            if self._ending_counts:
                self.voice_at = end

    def line_broke(self) -> None:
        """Pieces on the new connection define a new baseline for delay."""
        self._clock, self._late_since = 0.0, None

    def _late(self, now: float, length_ms: float) -> float:
        """How many seconds the current piece is late. The next one is due when it ends."""
        AUDIO.heard += 1
        clock = self._clock
        lag = now - clock
        if not 0 <= lag <= LONGEST_LAG_SECONDS:
            lag, clock = 0.0, now
        self._clock = clock + length_ms / 1000
        if lag >= LATE_SECONDS:
            return self._mind_lateness(now, lag, length_ms)
        self._late_since = None
        return lag

    def _mind_lateness(self, now: float, lag: float, length_ms: float) -> float:
        AUDIO.late += 1
        if self._late_since is None:
            self._late_since, self._least_lag = now, lag
        self._least_lag = min(self._least_lag, lag)
        if now - self._late_since >= LATE_FOR_SECONDS:
            lag -= self._least_lag
            AUDIO.lost_on_line += round(self._least_lag * 1000 / length_ms) if length_ms else 0
            self._clock += self._least_lag
            self._late_since = None
        return lag

    def forget(self) -> None:
        """The speech so far was answered, or was not for us."""
        self.voiced_ms = 0.0

    def note_voice(self, length_ms: float) -> None:
        """Another detector just heard this much voice, which did not count here."""
        self.voiced_ms, self.voice_at, self.voice_lag_ms = max(self.voiced_ms, length_ms), self._now(), 0.0

    def _measure(self, payload: str) -> tuple[float, float]:
        """The mean amplitude of a piece, and its length in milliseconds."""
        try:
            data = decode_payload(payload)
        except ValueError:
            return 0.0, payload_ms(payload, self._format)
        size = len(data)
        if self._levels is None:
            samples = memoryview(data[: size // 2 * 2]).cast("h")
            total, count = sum(map(abs, samples)), len(samples)
        else:
            levels = data.translate(self._levels)
            # The sum of the bytes: the low half of an Adler-32 is that plus one, as long as it stays below 65,521 (RFC 1950 §8.2).
            total, count = ((adler32(levels) & 0xFFFF) - 1 if size <= 256 else sum(levels)) * LEVEL_STEP, size
        length_ms = size / self._bytes_per_ms
        if not total:  # mostly it is the same one that follows
            self._silent_payload, self._silent_ms = payload, length_ms
            return 0.0, length_ms
        return total / count, length_ms

    def _is_voice(self, level: float, length_ms: float) -> bool:
        if length_ms != self._usual_ms:  # mostly the next piece is as long
            self._usual_ms, self._rise = length_ms, FLOOR_RISE_PER_SECOND ** (length_ms / 1000)
        # For each piece, and so without `min` and `max`, which take longer than the rest.
        floor, noise = self._floor * self._rise, self._noise * self._rise
        if level < floor:
            floor = level
        if floor < LOWEST_FLOOR:
            floor = LOWEST_FLOOR
        elif floor > MOST_NOISE:
            floor = MOST_NOISE
        if level < noise:
            noise = level
        self._floor, self._noise = floor, noise if noise > QUIETEST_NOISE else QUIETEST_NOISE
        return level >= floor * ABOVE_NOISE


def is_silent(payload: str, audio_format: AudioFormat) -> bool:
    """Whether a piece of audio contains nothing audible."""
    return sound_begins_ms(payload, audio_format) is None


def sound_begins_ms(payload: str, audio_format: AudioFormat) -> float | None:
    """Position of the first audible sound in a piece; None if there is none."""
    step = 2 if audio_format.encoding == "pcm16" else 1
    try:
        data = decode_payload(payload)[step - 1 :: step]
    except ValueError:
        return None
    heard = data.translate(_AUDIBLE[audio_format.encoding]).lstrip(b"\0")
    return (len(data) - len(heard)) / audio_format.sample_rate * 1000 if heard else None


def length_and_sounds(payload: str, audio_format: AudioFormat) -> tuple[float, list[tuple[float, float]]]:
    """The length of a piece in milliseconds, and the audible parts, separated by pauses of 0.1 s: begin and end in seconds."""
    try:
        data = decode_payload(payload)
    except ValueError:
        return payload_ms(payload, audio_format), []
    length_ms = len(data) / audio_format.bytes_per_ms
    audible, rate = _AUDIBLE[audio_format.encoding], audio_format.sample_rate
    if audio_format.encoding == "pcm16":
        data = data[1::2]
    # Mostly a piece sounds from end to end, and is too short for a pause.
    if 0 < len(data) <= rate // 10 and audible[data[0]] and audible[data[-1]]:
        return length_ms, [(0.0, len(data) / rate)]
    return length_ms, _sounds(data.translate(audible), rate)


def _sounds(data: bytes, rate: int) -> list[tuple[float, float]]:
    """The same of samples that are 0 where there is nothing to hear."""
    if len(data) <= rate // 10:  # as carriers and most models send it: there is no room for such a pause
        behind = data.lstrip(b"\0")
        return [((len(data) - len(behind)) / rate, len(data.rstrip(b"\0")) / rate)] if behind else []
    sounds = []
    begin = 0
    while begin < len(data):
        end = data.find(bytes(rate // 10), begin)
        end = len(data) if end < 0 else end
        sound = data[begin:end]
        if heard := sound.strip(b"\0"):
            first = begin + len(sound) - len(sound.lstrip(b"\0"))
            sounds.append((first / rate, (first + len(heard)) / rate))
        begin = end + (len(data[end:]) - len(data[end:].lstrip(b"\0")))
    return sounds
