/**
 * Interactive commands at the terminal of a server: reads lines, prints answers, keeps log lines
 * from running into what is being typed.
 *
 * Lines are carried out one after the other, in order. QUIT, Ctrl-C and the end of input ask the
 * server to end; this file must never end it itself.
 */

import { createInterface, type Interface } from 'node:readline';
import type { Answer, LocalDialect } from './local-dialect.js';

const PROMPT = '> ';
/** Lines pasted at once wait here; more are refused rather than kept. */
const LINES_MAX = 10_000;

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** False for tests: no line editing. */
  readonly edits: boolean;
}

export class Repl {
  readonly #dialect: LocalDialect;
  readonly #output: NodeJS.WritableStream;
  readonly #lines: Interface;
  readonly #onQuit: () => void;
  readonly #queue: string[] = [];
  #running = false;
  #inputEnded = false;
  #closed = false;

  constructor(dialect: LocalDialect, terminal: Terminal, onQuit: () => void) {
    this.#dialect = dialect;
    this.#output = terminal.output;
    this.#onQuit = onQuit;
    this.#lines = createInterface({
      input: terminal.input,
      output: terminal.output,
      terminal: terminal.edits,
      prompt: PROMPT,
      historySize: 1000,
    });
    this.#lines.on('line', (line) => this.#onLine(line));
    this.#lines.on('SIGINT', () => this.#quit());
    this.#lines.on('close', () => this.#onEnd());
    this.#lines.prompt();
  }

  /** A line of the log, printed above the prompt. */
  log(line: string): void {
    if (this.#closed) {
      this.#output.write(`${line}\n`);
      return;
    }
    this.#output.write(this.#lines.terminal ? `\r\u001b[K${line}\n` : `${line}\n`);
    if (!this.#running && !this.#inputEnded) this.#lines.prompt(true);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lines.close();
  }

  #onLine(line: string): void {
    if (this.#queue.length >= LINES_MAX) {
      this.#output.write('(error) too many lines are waiting\n');
      return;
    }
    this.#queue.push(line);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let line = this.#queue.shift(); line !== undefined; line = this.#queue.shift()) {
      const { text, quits } = await this.#execute(line);
      if (this.#closed) return;
      if (text !== '') this.#output.write(`${text}\n`);
      if (quits) {
        this.#quit();
        return;
      }
    }
    this.#running = false;
    if (this.#inputEnded) this.#quit();
    else this.#lines.prompt();
  }

  async #execute(line: string): Promise<Answer> {
    try {
      return await this.#dialect.execute(line);
    } catch (error) {
      return { text: `(error) ${String(error)}`, quits: false };
    }
  }

  /** The end of input: what was typed before it is still carried out. */
  #onEnd(): void {
    this.#inputEnded = true;
    if (!this.#running) this.#quit();
  }

  #quit(): void {
    if (this.#closed) return;
    this.close();
    this.#onQuit();
  }
}
