/**
 * `ringraft server`: one node of a key-value cluster in this process, with an optional port for
 * clients and commands at the terminal. Ends by a signal, by QUIT, or when the node cannot go on.
 *
 * This file joins the parts and says how things went; it must never look at a command or a socket.
 */

import { Engine } from '../../engine/engine.js';
import { RingraftError } from '../../engine/errors.js';
import type { Group } from '../../engine/group.js';
import { monotonicMs } from '../../io/clock.js';
import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { printAddress } from '../cli/value-rules.js';
import { version } from '../cli/version.js';
import { ClientPort } from './client-port.js';
import { compileEarly } from './compile-early.js';
import { engineOptions, GROUP_NAME, settings } from './engine-settings.js';
import { serverLimits } from './limit-settings.js';
import { LocalDialect } from './local-dialect.js';
import { logEvents } from './node-events.js';
import { NodeLog } from './node-log.js';
import { NodeView } from './node-view.js';
import { Repl, type Terminal } from './repl.js';
import type { serverOptions } from './server-options.js';
import { COMMANDS_LINE, memoryWarning, startScreen } from './start-screen.js';

type ServerInvocation = Invocation<typeof serverOptions>;

/** Replies that are owed have this long to be sent when the node closes. */
const ANSWER_MS = 1000;

export async function run(invocation: ServerInvocation): Promise<ExitCode> {
  compileEarly();
  const server = await Server.start(invocation);
  try {
    await server.ended();
  } finally {
    await server.stop();
  }
  return server.failure === null ? ExitCode.ok : ExitCode.failed;
}

class Server {
  failure: RingraftError | null = null;
  readonly #invocation: ServerInvocation;
  readonly #engine: Engine;
  readonly #group: Group;
  readonly #log: NodeLog;
  readonly #stopLogging: () => void;
  #port: ClientPort | null = null;
  #repl: Repl | null = null;
  #quit: () => void = () => undefined;
  readonly #quitted: Promise<void>;

  static async start(invocation: ServerInvocation): Promise<Server> {
    const options = engineOptions(invocation.options);
    const engine = await openEngine(options);
    const server = new Server(invocation, engine);
    try {
      await server.#serve();
    } catch (error) {
      server.#stopLogging();
      await engine.close();
      throw error;
    }
    return server;
  }

  private constructor(invocation: ServerInvocation, engine: Engine) {
    this.#invocation = invocation;
    this.#engine = engine;
    this.#group = engine.group(GROUP_NAME);
    this.#log = new NodeLog((line) => this.#writeLine(line), monotonicMs);
    this.#stopLogging = logEvents(engine, this.#group, this.#log);
    this.#quitted = new Promise((resolve) => {
      this.#quit = resolve;
    });
    engine.on('error', (error) => {
      this.failure = error;
      this.#log.always(`[NODE] ERROR: the node cannot go on: ${error.message}`);
      this.#quit();
    });
  }

  #writeLine(line: string): void {
    if (this.#repl === null) this.#invocation.stderr.write(`${line}\n`);
    else this.#repl.log(line);
  }

  async #serve(): Promise<void> {
    const { options, stdout, stderr } = this.#invocation;
    const { clusterId } = this.#engine.options;
    const shown = settings(options, clusterId);
    const view = new NodeView(this.#engine, this.#group, version(), shown);
    const { client } = options;
    if (client !== undefined) {
      this.#port = await ClientPort.open(this.#engine, this.#group, view, {
        address: client,
        limits: serverLimits(options).client,
        onFollower: options['on-follower'],
        reads: options.reads,
      }).catch((error: unknown) => {
        throw cannotListen(printAddress(client), error);
      });
    }
    const clientAddress = this.#port?.address ?? null;
    stdout.write(`${startScreen({ engine: this.#engine, clientAddress })}\n${COMMANDS_LINE}\n\n`);
    const warning = memoryWarning(this.#engine);
    if (warning !== null) stderr.write(`${warning}\n`);
    this.#openTerminal(view);
  }

  /** Commands are read from a terminal only: a service's standard input is nobody. */
  #openTerminal(view: NodeView): void {
    const { options, stdin, stdout } = this.#invocation;
    if (stdin.isTTY !== true || options['no-repl']) return;
    const terminal: Terminal = {
      input: stdin,
      output: stdout as unknown as NodeJS.WritableStream,
      edits: stdout.isTTY === true,
    };
    const dialect = new LocalDialect(this.#group, view, {
      forward: options['on-follower'] !== 'redirect',
      reads: options.reads,
      timeoutMs: options.timeout,
      entryBytesMax: options['max-entry'],
      answerBytesMax: serverLimits(options).client.answerBytesMax,
    });
    this.#repl = new Repl(dialect, terminal, () => this.#quit());
  }

  /** Resolves when the node is to be stopped, or cannot go on. */
  ended(): Promise<void> {
    const { signal, stdout } = this.#invocation;
    const onSignal = (): void => {
      stdout.write(`\nReceived ${String(signal.reason)}\n`);
      this.#quit();
    };
    if (signal.aborted) onSignal();
    else signal.addEventListener('abort', onSignal, { once: true });
    return this.#quitted;
  }

  async stop(): Promise<void> {
    const { stdout } = this.#invocation;
    this.#repl?.close();
    stdout.write('Shutting down...\n');
    await this.#port?.stopAdmitting(ANSWER_MS);
    this.#stopLogging();
    await this.#engine.close();
    await this.#port?.close();
    stdout.write('[NODE] Node stopped\n');
  }
}

async function openEngine(options: Parameters<typeof Engine.open>[0]): Promise<Engine> {
  try {
    return await Engine.open(options);
  } catch (error) {
    if (!(error instanceof RingraftError)) throw error;
    throw new CommandError(ExitCode.failed, `the node cannot start: ${error.message}`, error);
  }
}

function cannotListen(address: string, error: unknown): CommandError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const remedies: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there: stop it, or choose another port',
    EADDRNOTAVAIL: 'this machine has no such address',
    EACCES: 'this user may not listen there: choose a port from 1024 on',
  };
  const remedy = remedies[code] ?? 'check the address';
  const text = `cannot listen for clients on ${address} (${code}): ${remedy}`;
  return new CommandError(ExitCode.failed, text, error);
}
