// The first message to a handset says who writes and how to end it.

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import * as state from "sendgate:policy/state@0.1.0";

const DAY_MS = 86_400_000;

// What an operator may write, with the defaults. The host checks settings against it before `configure`.
const schema = {
  type: "object",
  properties: {
    brand: { type: "string", minLength: 1, description: "The name that the first message must hold" },
    stop: { type: "string", minLength: 1, default: "STOP", description: "The word that it must hold too" },
    days: { type: "integer", minimum: 1, maximum: 31, default: 30, description: "How long it counts" },
    intents: { type: "array", items: { type: "string" }, default: ["marketing"], description: "What needs it" },
  },
  required: ["brand"],
  additionalProperties: false,
};

let settings;

// A key of `state` in which no number can be read.
function mark(number) {
  const bytes = Uint8Array.from(number, (character) => character.charCodeAt(0));
  return bytesToHex(sha256(bytes)).slice(0, 32);
}

// The host takes the reservation back where nothing is sent, so only a message that went out is a first one.
function isFirst(number) {
  try {
    return state.reserve(mark(number), settings.days * DAY_MS) == null;
  } catch ({ payload }) {
    throw { kind: `state-${payload.tag}`, detail: payload.val ?? "the policy's state has no room left" };
  }
}

export const guest = {
  describe() {
    return {
      name: "introduction",
      version: "0.1.0",
      summary: "The first message to a handset says who writes and how to end it",
      settingsSchema: JSON.stringify(schema),
      buckets: ["handsets that were introduced to the brand"],
    };
  },

  configure(json) {
    const defaults = Object.entries(schema.properties).map(([key, { default: value }]) => [key, value]);
    settings = { ...Object.fromEntries(defaults), ...JSON.parse(json) };
    if (settings.stop.toLowerCase() === settings.brand.toLowerCase()) {
      throw [{ pointer: "/stop", detail: "is the brand itself; name the word that ends the messages" }];
    }
  },

  check(message) {
    if (!settings.intents.includes(message.intent) || !isFirst(message.to)) {
      return { verdict: { tag: "accept" }, notes: [] };
    }
    const text = message.text.toLowerCase();
    const missing = [settings.brand, settings.stop].filter((word) => !text.includes(word.toLowerCase()));
    const notes = [{ key: "introduction.first", value: "true", shown: false }];
    if (missing.length === 0) {
      return { verdict: { tag: "accept" }, notes };
    }
    const code = "introduction.missing";
    const detail = `the first message to a handset must hold ${missing.map((word) => `"${word}"`).join(" and ")}`;
    const faults = [{ pointer: "/text", code, detail }];
    return { verdict: { tag: "reject", val: { code, detail, faults, retryAfterMs: null, earlier: null } }, notes };
  },
};
