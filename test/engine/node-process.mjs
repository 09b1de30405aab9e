/**
 * One node in a process of its own, for tests that block, limit or kill it. Commands arrive over
 * the channel to the parent and are answered in the order in which they finish.
 *
 * JavaScript on the compiled engine, so that it starts fast and without a loader.
 */

import { execFileSync } from 'node:child_process';

const { Engine } = await import(new URL('../../dist/engine/index.js', import.meta.url).href);

let engine;
const events = [];

const outcomeOf = (promise) =>
  promise.then(
    (value) => ({ value: String(value) }),
    ({ code, message }) => ({ code, message }),
  );

function proposeAll(group, command, count) {
  const calls = Array.from({ length: count }, () => group.propose(Buffer.from(command)));
  return Promise.all(calls.map(outcomeOf));
}

const operations = {
  async open({ options }) {
    engine = await Engine.open(options);
    engine.on('error', ({ code, message }) => events.push({ kind: 'error', code, message }));
    for (const group of engine.groups) {
      group.on('leader', (event) => events.push({ kind: 'leader', group: group.name, ...event }));
    }
  },
  status: () => engine.status(),
  events: () => events.splice(0),
  propose: ({ group, command }) => outcomeOf(engine.group(group).propose(Buffer.from(command))),
  read: ({ group, query }) => outcomeOf(engine.group(group).read(Buffer.from(query))),
  /** Proposes, gives the proposals time to leave, then holds the event loop for `ms`. */
  async proposeAndBlock({ group, command, count, ms }) {
    const answers = proposeAll(engine.group(group), command, count);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const end = performance.now() + ms;
    while (performance.now() < end);
    return answers;
  },
  proposeAll: ({ group, command, count }) => proposeAll(engine.group(group), command, count),
  /**
   * From now on no file of this process may grow past `bytes`: the next append to the log fails.
   */
  limitFiles({ bytes }) {
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}`]);
  },
  close: () => engine.close(),
};

process.on('message', async ({ id, operation, ...parameters }) => {
  try {
    process.send({ id, value: await operations[operation](parameters) });
  } catch ({ code, message }) {
    process.send({ id, error: { code, message } });
  }
});
process.on('disconnect', () => process.exit(1));
process.send({ id: 0 });
