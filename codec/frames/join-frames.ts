/**
 * ASK and TOLD: a node that joins asks, on the port for peers, which cluster lives there. It needs
 * the cluster's id before it can make its data directory, and knows an address and nothing else.
 *
 *   ASK, byte 0      4         6                   8
 *         ┌──────────┬─────────┬───────────────────┐
 *         │ magic    │ version │ oldest version    │     version of these two frames
 *         │ RGRJ u32 │ u16     │ understood u16    │
 *         └──────────┴─────────┴───────────────────┘
 *   TOLD: the same 8 bytes, then  node id u32 │ reserved u32 = 0 │ cluster id u64
 *
 * The first 8 bytes mean the same in every version; longer bodies are legal. They prove nothing and
 * open nothing: the handshake comes later, on another connection. Reading never throws.
 */

import { readU64, writeU64 } from '../u64.js';
import { FrameKind, makeFrame } from './frame-format.js';

export const JOIN_VERSION = 1;

/** What the asked node says of itself. */
export interface ToldCluster {
  readonly nodeId: number;
  readonly clusterId: number;
}

/** "RGRJ" read as a little-endian word. */
const MAGIC = 0x4a52_4752;
const OFFSET_MAGIC = 0;
const OFFSET_VERSION = OFFSET_MAGIC + 4;
const OFFSET_VERSION_MIN = OFFSET_VERSION + 2;
const ASK_BYTES = OFFSET_VERSION_MIN + 2;
const OFFSET_NODE = ASK_BYTES;
const OFFSET_RESERVED = OFFSET_NODE + 4;
const OFFSET_CLUSTER = OFFSET_RESERVED + 4;
const TOLD_BYTES = OFFSET_CLUSTER + 8;

function writeHead(view: DataView): void {
  view.setUint32(OFFSET_MAGIC, MAGIC, true);
  view.setUint16(OFFSET_VERSION, JOIN_VERSION, true);
  view.setUint16(OFFSET_VERSION_MIN, JOIN_VERSION, true);
}

/** What keeps this body from being read here; null when nothing does. */
function headProblem(view: DataView, offset: number, length: number): string | null {
  if (length < ASK_BYTES || view.getUint32(offset + OFFSET_MAGIC, true) !== MAGIC) {
    return 'it is not a question which cluster this is, nor its answer';
  }
  const version = view.getUint16(offset + OFFSET_VERSION, true);
  const versionMin = view.getUint16(offset + OFFSET_VERSION_MIN, true);
  if (version >= JOIN_VERSION && versionMin <= JOIN_VERSION) return null;
  return `joining in version ${versionMin} to ${version} there, ${JOIN_VERSION} here: upgrade one`;
}

/** A whole ASK frame. */
export function encodeAsk(): Uint8Array {
  const body = new Uint8Array(ASK_BYTES);
  writeHead(new DataView(body.buffer));
  return makeFrame(FrameKind.ask, body);
}

/** Why an ASK body cannot be answered; null when it can. */
export function askProblem(view: DataView, offset: number, length: number): string | null {
  return headProblem(view, offset, length);
}

/** A whole TOLD frame. */
export function encodeTold({ nodeId, clusterId }: ToldCluster): Uint8Array {
  const body = new Uint8Array(TOLD_BYTES);
  const view = new DataView(body.buffer);
  writeHead(view);
  view.setUint32(OFFSET_NODE, nodeId, true);
  writeU64(view, OFFSET_CLUSTER, clusterId);
  return makeFrame(FrameKind.told, body);
}

/** The answer in a TOLD body, or why it is none. */
export function decodeTold(view: DataView, offset: number, length: number): ToldCluster | string {
  const problem = headProblem(view, offset, length);
  if (problem !== null) return problem;
  if (length < TOLD_BYTES) return `the answer has ${length} bytes, not ${TOLD_BYTES}`;
  const nodeId = view.getUint32(offset + OFFSET_NODE, true);
  try {
    const clusterId = readU64(view, offset + OFFSET_CLUSTER);
    if (nodeId > 0 && clusterId > 0) return { nodeId, clusterId };
  } catch {
    // An id beyond what numbers hold is one that no cluster has.
  }
  return 'the answer names no cluster that there can be';
}
