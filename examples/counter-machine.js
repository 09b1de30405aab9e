/**
 * A state machine that counts: each command is the name of a counter to raise by one.
 * It runs in its group's own thread and must be deterministic: no clock, no randomness, no I/O.
 * See engine/state-machine.ts for the whole contract.
 */

export default function createCounters() {
  const counts = new Map();
  const countOf = (name) => Buffer.from(String(counts.get(name) ?? 0));
  return {
    apply(batch) {
      while (batch.next()) {
        const name = Buffer.from(batch.data).toString();
        counts.set(name, (counts.get(name) ?? 0) + 1);
        if (batch.wanted) batch.reply(countOf(name));
      }
    },
    query: (name) => countOf(Buffer.from(name).toString()),
    *snapshot() {
      yield Buffer.from(JSON.stringify([...counts]));
    },
    restore() {
      const parts = [];
      return {
        // Bytes are lent for the call only.
        chunk: (bytes) => parts.push(Buffer.from(bytes)),
        finish() {
          counts.clear();
          const stored = JSON.parse(Buffer.concat(parts).toString());
          for (const [name, count] of stored) counts.set(name, count);
        },
      };
    },
  };
}
