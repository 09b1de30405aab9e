/**
 * How the write-ahead log refuses. Each class has a stable code, and each message names the file,
 * the place, the numbers on both sides and what to do. "No space" is here only for a log that is
 * being opened: for one that is open it is a value (`busy`).
 */

import type { DiskError } from '../disk/disk.js';

export type WalErrorCode =
  | 'walDamage'
  | 'walMissing'
  | 'walUnreadable'
  | 'walVersion'
  | 'walForeign'
  | 'walNoSpace'
  | 'walFailed'
  | 'walTooLarge';

export class WalError extends Error {
  readonly code: WalErrorCode;

  constructor(code: WalErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * Something that was (or may have been) acknowledged is unreadable. Nothing was changed on disk.
 */
export class WalDamage extends WalError {
  readonly path: string;
  readonly offset: number;
  readonly what: string;

  constructor(path: string, offset: number, what: string) {
    super(
      'walDamage',
      `the log is damaged: ${path} at byte ${offset}: ${what}. Nothing was changed. ` +
        'Restore this file from a copy, or run "ringraft repair" on the data directory: it sets ' +
        'the damaged log aside and the node rejoins as a new replica, as this one may have ' +
        'forgotten what it acknowledged',
    );
    this.path = path;
    this.offset = offset;
    this.what = what;
  }
}

/** The disk fails to read a part of the log: nobody can tell what stands there. */
export class WalUnreadable extends WalError {
  readonly path: string;
  /** Where the sector begins. */
  readonly offset: number;
  readonly what: string;

  constructor(path: string, offset: number, cause: DiskError) {
    const part = offset === 0 ? 'the segment header' : 'a sector of its blocks';
    const what = `the disk cannot read ${part} (${cause.code})`;
    super(
      'walUnreadable',
      `the log cannot be read: ${path} at byte ${offset}: ${what}. Nothing that it acknowledged ` +
        'was removed. Start again once the disk can read it, restore this file from a copy, or ' +
        'run "ringraft repair" on the data directory: it sets the log aside and the node rejoins ' +
        'as a new replica, as this one may have forgotten what it acknowledged',
      cause,
    );
    this.path = path;
    this.offset = offset;
    this.what = what;
  }
}

/** Whole segments are absent. */
export class WalMissing extends WalError {
  readonly path: string;

  constructor(path: string, what: string) {
    super(
      'walMissing',
      `a part of the log is missing: ${path}: ${what}. Put the file back, or run "ringraft ` +
        'repair" on the data directory: the node rejoins as a new replica',
    );
    this.path = path;
  }
}

/** Written by another version, or with a feature that this one must understand and does not. */
export class WalVersionError extends WalError {
  readonly path: string;

  constructor(path: string, what: string) {
    super('walVersion', `${path}: ${what}. Nothing was changed. Start the version that wrote it`);
    this.path = path;
  }
}

/** The log of another cluster, another node or another life of this node. */
export class WalForeign extends WalError {
  readonly path: string;

  constructor(path: string, field: string, found: number, expected: number) {
    super(
      'walForeign',
      `${path} belongs to ${field} ${found}, this node has ${field} ${expected}. ` +
        'Nothing was changed. Point the node at its own data directory',
    );
    this.path = path;
  }
}

/** A log that is being opened needs a segment, and its disk is full. */
export class WalNoSpace extends WalError {
  readonly path: string;

  constructor(directory: string, segmentBytes: number, cause: DiskError) {
    super(
      'walNoSpace',
      `no space for a segment of the log, which takes ${segmentBytes} bytes (${cause.message}). ` +
        `Nothing of the log was changed. Free that much on the disk of ${directory} and start ` +
        'again. A node that has never run may be given another data directory (and walDir)',
      cause,
    );
    this.path = directory;
  }
}

/** A write or sync of the live segment failed: the log accepts nothing more, the node must stop. */
export class WalFailed extends WalError {
  constructor(what: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      'walFailed',
      `the log cannot go on: ${what}: ${reason}. What was acknowledged is safe; stop the node, ` +
        'check the disk and start it again',
      cause,
    );
  }
}
