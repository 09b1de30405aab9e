/**
 * What client sessions promise, over all lives of all replicas of one group: no command of one is
 * applied at two places of the log, and replicas that have applied the same have the same table.
 *
 * It only looks; what is wrong is said as text, null when nothing is. It knows commands of sessions
 * by their unique values, as session-clients.ts makes them.
 */

import {
  COMMAND_HEADER_BYTES,
  CommandType,
  OFFSET_KEY_LENGTH,
  readU16,
} from '../../engine/machines/kv/commands.js';

/** Lists of clients with sessions begin with this letter. */
const LISTS = 't'.charCodeAt(0);

export class SessionWitness {
  readonly #appliedAt = new Map<string, number>();
  readonly #tables = new Map<number, string>();

  /** A replica is about to give its machine this command. */
  applies(node: number, index: number, command: Buffer): string | null {
    if (command[0] !== CommandType.append || command[COMMAND_HEADER_BYTES] !== LISTS) return null;
    const valueAt = COMMAND_HEADER_BYTES + readU16(command, OFFSET_KEY_LENGTH);
    const value = command.toString('latin1', valueAt);
    const known = this.#appliedAt.get(value) ?? index;
    this.#appliedAt.set(value, known);
    if (known === index) return null;
    return `node ${node} applies ${value} of a session at ${index}, it was applied at ${known}`;
  }

  /** A replica has applied everything up to `index`, and this is its table. */
  table(node: number, index: number, digest: string): string | null {
    const known = this.#tables.get(index) ?? digest;
    this.#tables.set(index, known);
    if (known === digest) return null;
    return `node ${node} has other sessions at ${index} (${digest}) than another had (${known})`;
  }
}
