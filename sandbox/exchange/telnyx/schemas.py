"""The request bodies of Telnyx's commands: names, enums and limits from its OpenAPI file of 2026-07-16.

Features that this exchange does not have are listed and refused, so that nobody relies on them.
"""

from sandbox.exchange.amd import SCREENING_MODE
from sandbox.exchange.validation import NOT_OFFERED, Field, Schema

_COMMAND: Schema = {"client_state": Field(form="client_state"), "command_id": Field(maximum=255)}

_NAME_VALUE = Field(dict, fields={"name": Field(required=True), "value": Field()})
_CODECS = ("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16")
_UNOFFERED_CODECS = ("G722", "OPUS", "AMR-WB")

_STREAM: Schema = {
    "stream_url": Field(form="ws_url"),
    "stream_track": Field(choices=("inbound_track", "outbound_track", "both_tracks")),
    "stream_codec": Field(choices=(*_CODECS, "default"), unoffered=_UNOFFERED_CODECS),
    "stream_bidirectional_mode": Field(choices=("mp3", "rtp")),
    "stream_bidirectional_codec": Field(choices=_CODECS, unoffered=_UNOFFERED_CODECS),
    "stream_bidirectional_target_legs": Field(choices=("both", "self", "opposite")),
}
# Telnyx's specification does not have these fields in `answer`. To set a token or another rate, start the stream with its
# own command.
_STREAM_EXTRA: Schema = {
    "stream_bidirectional_sampling_rate": Field(
        int, choices=(8000, 16000, 22050, 24000, 48000), unoffered=(22050, 48000)
    ),
    "stream_auth_token": Field(maximum=4000),
}
_RECORD: Schema = {
    "record": Field(choices=("record-from-answer",)),
    "record_channels": Field(choices=("single", "dual")),
    # Telnyx's default is mp3, so a command without a format is refused.
    "record_format": Field(choices=("wav", "mp3"), unoffered=("mp3",)),
    "record_max_length": Field(int, minimum=0, maximum=14400),
    "record_track": Field(choices=("both", "inbound", "outbound"), unoffered=("inbound", "outbound")),
    "record_custom_file_name": NOT_OFFERED,
    "record_timeout_secs": NOT_OFFERED,
    "record_trim": NOT_OFFERED,
}
_ENGINES = (
    "Google",
    "Telnyx",
    "Deepgram",
    "Azure",
    "xAI",
    "AssemblyAI",
    "Speechmatics",
    "Soniox",
    "Parakeet",
    "A",
    "B",
)
# The offline recognizer is used for every engine. Only `interim_results` of the configuration has an effect.
_TRANSCRIPTION: Schema = {
    "transcription_engine": Field(choices=_ENGINES),
    "transcription_engine_config": Field(dict),
    "transcription_tracks": Field(choices=("inbound", "outbound", "both")),
}
_TRANSCRIBE: Schema = {
    "transcription": Field(bool),
    "transcription_config": Field(dict, fields=_COMMAND | _TRANSCRIPTION),
}
_CALL: Schema = {
    "webhook_url": Field(form="url"),
    "webhook_url_method": Field(choices=("POST", "GET"), unoffered=("GET",)),
    "webhook_retries_policies": Field(dict),
    "send_silence_when_idle": Field(bool),
    "custom_headers": Field(list, items=_NAME_VALUE),
    "preferred_codecs": Field(),
}

ANSWER: Schema = (
    _COMMAND | _STREAM | _RECORD | _TRANSCRIBE | _CALL | {"billing_group_id": Field(), "sip_headers": NOT_OFFERED}
)

_AMD_CONFIG: Schema = {
    name: Field(int, minimum=0)
    for name in (
        "after_greeting_silence_millis",
        "between_words_silence_millis",
        "greeting_duration_millis",
        "greeting_silence_duration_millis",
        "greeting_total_analysis_time_millis",
        "initial_silence_millis",
        "maximum_number_of_words",
        "maximum_word_length_millis",
        "silence_threshold",
        "total_analysis_time_millis",
    )
}
AMD_MODES = ("premium", SCREENING_MODE, "detect", "detect_beep", "detect_words", "greeting_end", "disabled")

_PLACE: Schema = {
    "to": Field(required=True, form="e164"),
    "from_display_name": Field(maximum=128),
    "timeout_secs": Field(int, minimum=5, maximum=600),
    "time_limit_secs": Field(int, minimum=30, maximum=14400),
    "answering_machine_detection": Field(choices=AMD_MODES),
    "answering_machine_detection_config": Field(dict, fields=_AMD_CONFIG),
    "audio_url": NOT_OFFERED,
    "media_name": NOT_OFFERED,
}
DIAL: Schema = (
    _COMMAND
    | _STREAM
    | _STREAM_EXTRA
    | _RECORD
    | _TRANSCRIBE
    | _CALL
    | _PLACE
    | {
        "connection_id": Field(required=True),
        "from": Field(required=True, form="e164"),
        "billing_group_id": Field(),
        "retry_on_timeout": Field(bool),
        "stream_establish_before_call_originate": NOT_OFFERED,
        "link_to": NOT_OFFERED,
    }
)
_BRIDGE: Schema = {
    "park_after_unbridge": Field(choices=("self",)),
    "mute_dtmf": Field(choices=("none", "both", "self", "opposite"), unoffered=("self", "opposite")),
}
TRANSFER: Schema = (
    _COMMAND
    | _RECORD
    | _CALL
    | _PLACE
    | _BRIDGE
    | {
        "from": Field(form="e164"),
        "target_leg_client_state": Field(form="client_state"),
        "early_media": Field(bool),
    }
    | dict.fromkeys(
        (
            "media_encryption",
            "privacy",
            "send_digits_on_answer",
            "sip_auth_password",
            "sip_auth_username",
            "sip_headers",
            "sip_region",
            "sip_transport_protocol",
            "sound_modifications",
            "webhook_urls",
            "webhook_urls_method",
        ),
        NOT_OFFERED,
    )
)
BRIDGE: Schema = (
    _COMMAND
    | _BRIDGE
    | {
        "call_control_id": Field(required=True),
        "prevent_double_bridge": Field(bool),
        "play_ringtone": Field(bool, unoffered=(True,)),
        "ringtone": Field(),
    }
    | dict.fromkeys(("hold_after_unbridge", "queue", "video_room_context", "video_room_id", *_RECORD), NOT_OFFERED)
)
_ANNOUNCEMENT: Schema = {
    "loop": Field(object, form="loop"),
    "stop": Field(choices=("current", "all")),
    "target_legs": Field(choices=("self", "opposite", "both")),
}
# A `payload` that is too long has its own error. `voice` and `language` are checked, but there is only one offline voice.
SPEAK: Schema = (
    _COMMAND
    | _ANNOUNCEMENT
    | {
        "payload": Field(required=True),
        "payload_type": Field(choices=("text", "ssml")),
        "voice": Field(required=True),
        "language": Field(),
        "service_level": Field(choices=("basic", "premium")),
        "voice_settings": Field(dict),
    }
)
PLAYBACK_START: Schema = (
    _COMMAND
    | _ANNOUNCEMENT
    | {
        "audio_url": Field(form="url"),
        "playback_content": Field(form="base64"),
        "audio_type": Field(choices=("mp3", "wav")),
        "cache_audio": Field(bool),
        "overlay": Field(bool, unoffered=(True,)),
        "media_name": NOT_OFFERED,
    }
)
PLAYBACK_STOP: Schema = _COMMAND | {
    "stop": Field(choices=("current", "all")),
    "overlay": Field(bool, unoffered=(True,)),
}
TRANSCRIPTION_START: Schema = _COMMAND | _TRANSCRIPTION
TRANSCRIPTION_STOP: Schema = _COMMAND
RECORD_START: Schema = (
    _COMMAND
    | {
        "channels": Field(required=True, choices=("single", "dual")),
        "format": Field(required=True, choices=("wav", "mp3"), unoffered=("mp3",)),
        "max_length": Field(int, minimum=0, maximum=14400),
        "play_beep": Field(bool, unoffered=(True,)),
        "recording_track": Field(choices=("both", "inbound", "outbound"), unoffered=("inbound", "outbound")),
        "transcription": Field(bool, unoffered=(True,)),
    }
    | dict.fromkeys(("custom_file_name", "timeout_secs", "trim"), NOT_OFFERED)
)
RECORD_STOP: Schema = _COMMAND | {"recording_id": Field()}
REJECT: Schema = _COMMAND | {"cause": Field(required=True, choices=("CALL_REJECTED", "USER_BUSY"))}
HANGUP: Schema = _COMMAND | {"custom_headers": Field(list, items=_NAME_VALUE)}
STREAMING_START: Schema = (
    _COMMAND
    | _STREAM
    | _STREAM_EXTRA
    | {"stream_url": Field(required=True, form="ws_url"), "custom_parameters": Field(list, items=_NAME_VALUE)}
)
STREAMING_STOP: Schema = _COMMAND | {"stream_id": Field()}
SEND_DTMF: Schema = _COMMAND | {
    "digits": Field(required=True, form="digits", minimum=1, maximum=100),
    "duration_millis": Field(int, minimum=100, maximum=500),
}
CLIENT_STATE_UPDATE: Schema = {"client_state": Field(required=True, form="client_state")}

# Telnyx's commands that the exchange does not support.
UNOFFERED_COMMANDS = (
    "gather",
    "gather_using_speak",
    "gather_using_audio",
    "gather_stop",
    "refer",
    "enqueue",
    "leave_queue",
)

_PHONE_NUMBER = Field(
    dict,
    fields={
        "phone_number": Field(required=True, form="e164"),
        "requirement_group_id": Field(),
        "bundle_id": Field(),
    },
)
NUMBER_ORDER: Schema = {
    "phone_numbers": Field(list, required=True, items=_PHONE_NUMBER, minimum=1, maximum=50),
    "connection_id": Field(),
    "customer_reference": Field(maximum=255),
    "messaging_profile_id": Field(),
    "billing_group_id": Field(),
}
PHONE_NUMBER_UPDATE: Schema = {
    "connection_id": Field(),
    "customer_reference": Field(maximum=255),
    "tags": Field(list, items=Field()),
    "billing_group_id": Field(),
    "external_pin": Field(),
    "hd_voice_enabled": Field(bool),
    "address_id": Field(),
    "id": Field(),
}
_REGULATORY = Field(
    list, items=Field(dict, fields={"requirement_id": Field(required=True), "field_value": Field(required=True)})
)
REQUIREMENT_GROUP: Schema = {
    "country_code": Field(required=True, minimum=2, maximum=2),
    "phone_number_type": Field(required=True, choices=("local", "toll_free", "mobile", "national", "shared_cost")),
    "action": Field(required=True, choices=("ordering", "porting"), unoffered=("porting",)),
    "customer_reference": Field(maximum=255),
    "regulatory_requirements": _REGULATORY,
}
REQUIREMENT_GROUP_UPDATE: Schema = {"customer_reference": Field(maximum=255), "regulatory_requirements": _REGULATORY}
DOCUMENT: Schema = {
    "file": Field(form="base64"),
    "url": Field(form="url"),
    "filename": Field(maximum=255),
    "customer_reference": Field(maximum=255),
}
