/**
 * The reply to SNAPSHOT: the seed's three fields, one a line, or why there is no snapshot. Text
 * only; the same at the client port and at the terminal.
 */

import type { ReplyWriter } from '../../codec/resp/reply.js';
import type { SnapshotTaken } from '../../engine/snapshot-calls.js';

export function writeSnapshot(reply: ReplyWriter, { fileBytes, index, term }: SnapshotTaken): void {
  reply.bulkText(`size:${fileBytes}\nlast_index:${index}\nlast_term:${term}`);
}

export function snapshotRefusal(reply: ReplyWriter, cause: unknown): void {
  reply.error(`ERR snapshot: ${cause instanceof Error ? cause.message : String(cause)}`);
}
