/**
 * What a thread of the disk says before it is ready and cannot go on: code and text of the failure,
 * and for a failure of the disk itself, which knows only file and code, what to do about it.
 *
 * Nobody else says why a node does not start, so this must never lose the path or the remedy.
 */

import { remedyFor } from '../io/data-directory-error.js';
import { DiskError } from '../io/disk/disk.js';
import type { ThreadReady } from './thread-data.js';

export function refusalFor(cause: unknown): ThreadReady {
  const { code = 'ERR_STORAGE' } = cause as { code?: string };
  const text = cause instanceof Error ? cause.message : String(cause);
  const remedy = cause instanceof DiskError ? `. ${remedyFor(cause)}` : '';
  return { kind: 'refused', code, text: `${text}${remedy}` };
}
