/**
 * How snapshot files refuse. Each class has a stable code, and each message names the file, the
 * place, what is wrong there and what to do. A disk's own failure (no space, unreadable sectors) is
 * not here: it is thrown as the `DiskError` that it is.
 */

export type SnapshotErrorCode =
  | 'snapshotDamage'
  | 'snapshotVersion'
  | 'snapshotForeign'
  | 'snapshotChunk';

export class SnapshotError extends Error {
  readonly code: SnapshotErrorCode;
  readonly path: string;

  constructor(code: SnapshotErrorCode, path: string, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.path = path;
  }
}

/** A file that is not whole: broken off, cut or changed since it was written. */
export class SnapshotDamage extends SnapshotError {
  /** Byte of the file where it was noticed. */
  readonly offset: number;
  readonly what: string;

  constructor(path: string, offset: number, what: string) {
    super(
      'snapshotDamage',
      path,
      `the snapshot is damaged: ${path} at byte ${offset}: ${what}. Nothing of it was used. ` +
        'Restore the file from a copy or move it away: the node then starts from the snapshot ' +
        'before it, or fetches one from the leader',
    );
    this.offset = offset;
    this.what = what;
  }
}

/** Written by another version, or with a feature that this one must understand and does not. */
export class SnapshotVersionError extends SnapshotError {
  readonly what: string;

  constructor(path: string, what: string) {
    super(
      'snapshotVersion',
      path,
      `${path}: ${what}. Nothing was changed. Start the version that wrote it`,
    );
    this.what = what;
  }
}

/** The snapshot of another cluster. */
export class SnapshotForeign extends SnapshotError {
  constructor(path: string, field: string, found: number, expected: number) {
    super(
      'snapshotForeign',
      path,
      `${path} belongs to ${field} ${found}, this node has ${field} ${expected}. Nothing was ` +
        'changed. Move the file to the data directory that it came from',
    );
  }
}

/** A chunk that was handed to a writer is not the one that comes next; nothing was written. */
export class SnapshotChunkRefused extends SnapshotError {
  constructor(path: string, what: string) {
    super('snapshotChunk', path, `${path} takes no such chunk: ${what}. Hand it over once more`);
  }
}
