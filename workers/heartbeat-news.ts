/**
 * Tells heartbeats of one group, and answers to them, that say what the last one to that peer said
 * from those that say something new.
 *
 * A repeated one only means "still here", so it may wait a moment for those of other groups; a new
 * one (a read round, a commit index, progress) may not. Bodies are compared, never read.
 */

import { isHeartbeatKind } from '../codec/frames/message-codec.js';

export class HeartbeatNews {
  /** The last body by peer and kind: two for each peer. */
  readonly #last = new Map<string, Buffer>();

  /** Whether a frame of this kind and body must leave at once; remembers what it says. */
  isNews(to: number, kind: number, body: Uint8Array): boolean {
    if (!isHeartbeatKind(kind)) return true;
    const name = `${to} ${kind}`;
    const last = this.#last.get(name);
    if (last === undefined || last.length !== body.length) {
      this.#last.set(name, Buffer.from(body));
      return true;
    }
    if (last.equals(body)) return false;
    last.set(body);
    return true;
  }

  /** It is no peer any more. */
  forget(peer: number): void {
    for (const name of [...this.#last.keys()]) {
      if (name.startsWith(`${peer} `)) this.#last.delete(name);
    }
  }
}
