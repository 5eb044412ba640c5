// Tells in its notes what it finds of the machine, and ends itself where the text says so.

import * as environment from "wasi:cli/environment@0.2.0";
import * as exit from "wasi:cli/exit@0.2.0";
import * as stdin from "wasi:cli/stdin@0.2.0";
import * as stdout from "wasi:cli/stdout@0.2.0";
import * as monotonic from "wasi:clocks/monotonic-clock@0.2.0";
import * as wall from "wasi:clocks/wall-clock@0.2.0";
import * as preopens from "wasi:filesystem/preopens@0.2.0";
import * as random from "wasi:random/random@0.2.0";
import * as sockets from "wasi:sockets/tcp-create-socket@0.2.0";

// An hour, in nanoseconds.
const HOUR = 3_600_000_000_000;

const found = {
  environment: () => environment.getEnvironment(),
  arguments: () => environment.getArguments(),
  folder: () => environment.initialCwd() ?? null,
  folders: () => preopens.getDirectories(),
  input: () => stdin.getStdin().blockingRead(16),
  socket: () => sockets.createTcpSocket("ipv4"),
  clock: (now) => wall.now().seconds * 1_000 + wall.now().nanoseconds / 1e6 - now,
  date: (now) => Date.now() - now,
  waited: () => {
    const before = monotonic.now();
    monotonic.subscribeDuration(HOUR).block();
    return Math.round((monotonic.now() - before) / 1e9);
  },
  random: () => random.getRandomU64(),
};

function tried(call, now) {
  try {
    return JSON.stringify(call(now));
  } catch (error) {
    return `refused: ${JSON.stringify(error.payload ?? error)}`;
  }
}

export const guest = {
  describe() {
    return { name: "wasi", version: "0.1.0", summary: "Looks for the machine", settingsSchema: "", buckets: [] };
  },

  configure() {},

  check(message, facts, context) {
    const line = `asked about ${message.text}\n`;
    stdout.getStdout().blockingWriteAndFlush(Uint8Array.from(line, (character) => character.charCodeAt(0)));
    if (message.text === "exit") {
      exit.exit({ tag: "ok" });
    }
    const told = Object.entries(found).map(([key, call]) => ({ key, value: tried(call, context.nowMs), shown: false }));
    return { verdict: { tag: "accept" }, notes: told };
  },
};
