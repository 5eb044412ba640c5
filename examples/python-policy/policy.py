"""The first message to a handset says who writes and how to end it."""

import json
from dataclasses import dataclass, field
from hashlib import sha256

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import state
from wit_world.imports.types import (
    Context,
    Decision,
    Facts,
    Fault,
    Manifest,
    Message,
    Note,
    PolicyError,
    Problem,
    Rejection,
    Verdict_Accept,
    Verdict_Reject,
)

DAY_MS = 86_400_000

# What an operator may write. The host checks settings against it before `configure`.
SCHEMA = {
    "type": "object",
    "properties": {
        "brand": {"type": "string", "minLength": 1, "description": "The name that the first message must hold"},
        "stop": {"type": "string", "minLength": 1, "default": "STOP", "description": "The word that it must hold too"},
        "days": {"type": "integer", "minimum": 1, "maximum": 31, "default": 30, "description": "How long it counts"},
        "intents": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["marketing"],
            "description": "What needs it",
        },
    },
    "required": ["brand"],
    "additionalProperties": False,
}


@dataclass
class Settings:
    brand: str
    stop: str = "STOP"
    days: int = 30
    intents: list[str] = field(default_factory=lambda: ["marketing"])


# Every call is on a new `Guest`, so what lasts is here.
settings: Settings


def mark(number: str) -> str:
    """A key of `state` in which no number can be read."""
    return sha256(number.encode()).hexdigest()[:32]


def is_first(number: str) -> bool:
    """The host takes the reservation back where nothing is sent, so only a message that went out is a first one."""
    try:
        return state.reserve(mark(number), settings.days * DAY_MS) is None
    except Err as err:
        kind = type(err.value).__name__.removeprefix("StateError_").lower()
        raise Err(PolicyError(f"state-{kind}", getattr(err.value, "value", "the policy's state has no room left")))


class Guest(exports.Guest):
    def describe(self) -> Manifest:
        return Manifest(
            name="introduction",
            version="0.1.0",
            summary="The first message to a handset says who writes and how to end it",
            settings_schema=json.dumps(SCHEMA),
            buckets=["handsets that were introduced to the brand"],
        )

    def configure(self, text: str) -> None:
        global settings
        settings = Settings(**json.loads(text))
        if settings.stop.lower() == settings.brand.lower():
            raise Err([Problem("/stop", "is the brand itself; name the word that ends the messages")])

    def check(self, message: Message, facts: Facts, context: Context) -> Decision:
        if message.intent not in settings.intents or not is_first(message.to):
            return Decision(Verdict_Accept(), [])
        text = message.text.lower()
        missing = [word for word in (settings.brand, settings.stop) if word.lower() not in text]
        notes = [Note("introduction.first", "true", shown=False)]
        if not missing:
            return Decision(Verdict_Accept(), notes)
        code = "introduction.missing"
        words = " and ".join(f'"{word}"' for word in missing)
        detail = f"the first message to a handset must hold {words}"
        faults = [Fault("/text", code, detail)]
        return Decision(Verdict_Reject(Rejection(code, detail, faults, None, None)), notes)
