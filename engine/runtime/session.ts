/**
 * One client session: who it is, when it was last active, and what it remembers of its commands.
 *
 * Its neighbours and its place are bookkeeping of the table (sessions.ts) and of an image that runs
 * (session-image.ts), and no part of what is replicated.
 */

import { SessionWindow } from './session-window.js';

export class Session {
  readonly id: number;
  readonly ttlMs: number;
  readonly window = new SessionWindow();
  /** The log's time of its last entry. */
  activeMs: number;
  /** Its place in the image that runs; -1: it has none. */
  place = -1;
  /** Its neighbours in the order of activity. */
  older: Session | null = null;
  newer: Session | null = null;

  constructor(id: number, ttlMs: number, activeMs: number) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.activeMs = activeMs;
  }
}
