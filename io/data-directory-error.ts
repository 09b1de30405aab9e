/**
 * Why a data directory is refused: always the path, what was found, and what the operator can do.
 *
 * Nothing here decides; data-directory.ts and data-lock.ts throw it. A refusal must never have
 * changed the directory.
 */

import type { DiskError } from './disk/disk.js';

export type DataDirectoryReason =
  | 'otherIdentity'
  | 'otherWalDir'
  | 'otherGroups'
  | 'missingMeta'
  | 'missingLog'
  | 'damagedMeta'
  | 'unknownVersion'
  | 'unknownFeatures'
  | 'unusable';

export class DataDirectoryError extends Error {
  readonly code = 'ERR_DATA_DIRECTORY';
  readonly reason: DataDirectoryReason;
  readonly path: string;

  /** `finding` and `remedy` are sentences without their full stop. */
  constructor(
    reason: DataDirectoryReason,
    path: string,
    finding: string,
    remedy: string,
    cause?: unknown,
  ) {
    const options = cause === undefined ? undefined : { cause };
    super(`data directory ${path}: ${finding}. ${remedy}.`, options);
    this.name = 'DataDirectoryError';
    this.reason = reason;
    this.path = path;
  }
}

const PERMISSION = 'Give this user read, write and search permission on it, or choose another';
const IN_THE_WAY = 'Something else stands where a directory is needed: move it, or choose another';
const NO_SPACE = 'Free some space there, or choose another';
const OTHERWISE = 'Check the path and the disk, or choose another';

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: PERMISSION,
  EPERM: PERMISSION,
  EROFS: 'Its file system is read-only: mount it for writing, or choose another',
  ENOTDIR: IN_THE_WAY,
  EEXIST: IN_THE_WAY,
  EISDIR: 'A directory stands where a file is needed: move it, or choose another',
  ENOSPC: NO_SPACE,
  EDQUOT: NO_SPACE,
  ENAMETOOLONG: 'The path is too long: choose another',
};

/** What an operator can do about what the disk said, as a sentence without its full stop. */
export function remedyFor(error: DiskError): string {
  return `${REMEDIES[error.code] ?? OTHERWISE} data directory`;
}

/** The refusal for a directory that the disk itself does not let us use. */
export function unusableDirectory(path: string, error: DiskError): DataDirectoryError {
  const remedy = remedyFor(error);
  const finding = `cannot be used (${error.operation} ${error.path} failed: ${error.code})`;
  return new DataDirectoryError('unusable', path, finding, remedy, error);
}
