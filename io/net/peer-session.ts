/**
 * One connection to a peer as a state machine: connecting → greeting → open → ended.
 *
 * Pure: bytes and the time go in, calls on `PeerSessionOutput` come out, so that the simulator
 * drives it like a socket does. Before the handshake is done nothing but HELLO and REFUSE is read,
 * and no more than `GREETING_BYTES_MAX` is kept; whatever is wrong ends the session, once, with a
 * reason.
 *
 *   who dials   HELLO →            ← HELLO (open)          or ← REFUSE
 *   who accepts      → HELLO? checked, answered: HELLO (open), or REFUSE and the end
 *                    → ASK?   answered: TOLD and the end
 */

import { ChunkDecoder, type ChunkSink } from '../../codec/frames/chunk-decoder.js';
import { FOREIGN_BYTES_SEEN, foreignProtocol } from '../../codec/frames/foreign-bytes.js';
import { isForwardLength } from '../../codec/frames/forward-codec.js';
import { DecodeStatus, FrameDecoder, type OnFrame } from '../../codec/frames/frame-decoder.js';
import { FrameKind, GREETING_BYTES_MAX } from '../../codec/frames/frame-format.js';
import { FrameAssembly } from '../../codec/frames/frame-parts.js';
import {
  decodeGroups,
  decodeHello,
  decodeRefuse,
  encodeGroups,
  encodeHello,
  encodeRefuse,
  GROUPS_FRAME_MAX,
  type GroupDeclaration,
  type Hello,
  helloGroupsMax,
  type Refusal,
  RefuseCode,
} from '../../codec/frames/handshake.js';
import {
  bulkIdentity,
  checkGroups,
  checkHello,
  Feature,
  type GroupTable,
  hasFeature,
  helloTo,
  isBulkHello,
  type LocalIdentity,
} from '../../codec/frames/handshake-check.js';
import { askProblem, encodeTold } from '../../codec/frames/join-frames.js';
import { isMessageKind, messageLengthFits } from '../../codec/frames/message-codec.js';
import {
  BULK_FRAME_BYTES_MAX,
  isSnapshotKind,
  snapshotLengthFits,
} from '../../codec/frames/snapshot-frames.js';
import { assert, NOBODY, type NodeId } from '../../engine/raft/types.js';
import { type CloseReason, reasonOfRefusal } from './close-reason.js';

export interface SessionLimits {
  readonly dialTimeoutMs: number;
  /** From the connection to a valid HELLO; bytes that trickle in do not extend it. */
  readonly handshakeTimeoutMs: number;
  /** An open session that heard nothing for so long ends. */
  readonly idleMs: number;
  /** An open session that sent nothing for so long says that it is alive. */
  readonly pingMs: number;
  /** Of a frame that is received, whole or in parts. */
  readonly frameBytesMax: number;
}

export interface PeerSessionOutput {
  /** Bytes of the session's own: handshake frames, at once. */
  transmit(frame: Uint8Array): void;
  /** Nothing was sent for a while: a PING should leave, unless something is on its way. */
  ping(): void;
  /** A HELLO that is fine in itself; the owner knows members and who is connected. */
  admit(hello: Hello): Refusal | null;
  opened(hello: Hello): void;
  /** A whole frame of a known kind whose length fits it; valid during the call. */
  frame(kind: FrameKind, bytes: Uint8Array, view: DataView, offset: number, length: number): void;
  /** The last call. The connection is to be closed: flushed when `flush`, else aborted. */
  ended(reason: CloseReason, detail: string, flush: boolean): void;
}

type State = 'connecting' | 'greeting' | 'open' | 'ended';

function showBytes(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** Frames that belong to the engine, not to the session, with a length that they can have. */
function isEngineFrame(kind: number, length: number): kind is FrameKind {
  if (isMessageKind(kind)) return messageLengthFits(kind, length);
  return isForwardLength(kind, length);
}

function isEngineKind(kind: number): boolean {
  return isMessageKind(kind) || kind === FrameKind.forward || kind === FrameKind.forwarded;
}

/** Who dials a bulk connection fetches by it, so each side has its kinds. */
function isBulkFrame(kind: number, length: number, isDialler: boolean): kind is FrameKind {
  const own = isDialler ? FrameKind.snapshotRefused : FrameKind.snapshotFetch;
  return kind === own && snapshotLengthFits(kind, length);
}

export class PeerSession {
  readonly #local: LocalIdentity;
  readonly #groups: GroupTable;
  readonly #limits: SessionLimits;
  /** Whom we dialled; nobody when they dialled us. */
  readonly #expected: NodeId;
  readonly #output: PeerSessionOutput;
  readonly #decoder: FrameDecoder | ChunkDecoder;
  readonly #assembly = new FrameAssembly();
  #takesParts = false;
  /** Carries snapshots and nothing else; known from the HELLO of who dials. */
  #isBulk: boolean;
  #state: State;
  /** When the current state before `open` began. */
  #sinceMs: number;
  #heardAtMs = 0;
  #sentAtMs = 0;
  /** Why the other side refused; null when it did not. */
  refusedWith: RefuseCode | null = null;
  /** How the stream began, to name what it is when it is not a peer's. */
  readonly #first: number[] = [];

  /** With `chunks` it is a bulk connection that we dial, and they go there. */
  constructor(
    local: LocalIdentity,
    groups: GroupTable,
    limits: SessionLimits,
    expected: NodeId,
    output: PeerSessionOutput,
    nowMs: number,
    chunks: ChunkSink | null = null,
  ) {
    assert(chunks === null || expected !== NOBODY, 'who fetches a snapshot dials');
    this.#isBulk = chunks !== null;
    this.#local = this.#isBulk ? bulkIdentity(local) : local;
    this.#groups = groups;
    this.#limits = limits;
    this.#expected = expected;
    this.#output = output;
    this.#state = expected === NOBODY ? 'greeting' : 'connecting';
    this.#sinceMs = nowMs;
    const onFrame: OnFrame = (kind, bytes, view, offset, length) =>
      this.#onFrame(kind, bytes, view, offset, length);
    this.#decoder =
      chunks === null
        ? new FrameDecoder(GREETING_BYTES_MAX, onFrame)
        : new ChunkDecoder(GREETING_BYTES_MAX, onFrame, chunks);
  }

  get isBulk(): boolean {
    return this.#isBulk;
  }

  /** There is no place for the next chunk: nothing more should be received until `resume`. */
  get isPaused(): boolean {
    return this.#decoder instanceof ChunkDecoder && this.#decoder.isPaused;
  }

  /** The dialled connection is not there yet. */
  get isConnecting(): boolean {
    return this.#state === 'connecting';
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** Memory held for unfinished frames. */
  get bufferBytes(): number {
    return this.#decoder.bufferBytes + this.#assembly.bufferBytes;
  }

  /** The dialled connection is there: we speak first. */
  connected(nowMs: number): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'greeting';
    this.#sinceMs = nowMs;
    this.#output.transmit(encodeHello(helloTo(this.#expected, this.#local, this.#groups)));
  }

  receive(chunk: Uint8Array, nowMs: number): void {
    if (this.#state === 'ended') return;
    this.#heardAtMs = nowMs;
    const greeting = this.#state === 'greeting';
    if (greeting) this.#first.push(...chunk.subarray(0, FOREIGN_BYTES_SEEN - this.#first.length));
    this.#judge(this.#decoder.push(chunk), greeting);
  }

  /** Asks again for a place of the next chunk. */
  resume(nowMs: number): void {
    if (this.isEnded || !(this.#decoder instanceof ChunkDecoder)) return;
    this.#heardAtMs = nowMs;
    this.#judge(this.#decoder.resume(), false);
  }

  #judge(status: DecodeStatus, greeting: boolean): void {
    if (status !== DecodeStatus.error || this.isEnded) return;
    const { problem } = this.#decoder;
    if (problem === 'chunk') {
      this.end('badMessage', 'a chunk of a snapshot with a malformed head');
      return;
    }
    const detail = greeting ? this.#strange(`${problem}, after `) : `${problem}`;
    this.end(problem === 'length' ? 'oversized' : 'badFrame', detail);
  }

  /** What came instead of a HELLO, with the remedy where it is known; '' when nothing came. */
  #strange(problem: string): string {
    if (this.#first.length === 0) return '';
    const bytes = `${problem}${showBytes(this.#first)}`;
    const protocol = foreignProtocol(Uint8Array.from(this.#first));
    if (protocol === null) return bytes;
    const remedy =
      this.#expected === NOBODY
        ? 'this is the port for peers; clients use --client'
        : `what answers there is no port for peers; check the address of node ${this.#expected}`;
    return `${protocol} bytes: ${remedy} (${bytes})`;
  }

  /** Something was handed to the socket: no PING is due for a while. */
  sent(nowMs: number): void {
    this.#sentAtMs = nowMs;
  }

  /** The stream is over. */
  disconnected(code: string): void {
    const early = this.#state === 'greeting' ? this.#strange('after ') : '';
    const detail = early === '' ? code : `${code}, ${early}`;
    this.end(this.#state === 'connecting' ? 'connectFailed' : 'disconnected', detail);
  }

  /** This process was late by `ms`: the peer must not pay for it. */
  forgive(ms: number, nowMs: number): void {
    this.#heardAtMs = Math.min(nowMs, this.#heardAtMs + ms);
    this.#sinceMs = Math.min(nowMs, this.#sinceMs + ms);
  }

  /** When `tick` has something to do, at the latest. */
  deadlineMs(): number {
    switch (this.#state) {
      case 'connecting':
        return this.#sinceMs + this.#limits.dialTimeoutMs;
      case 'greeting':
        return this.#sinceMs + this.#limits.handshakeTimeoutMs;
      case 'open':
        return Math.min(
          this.#heardAtMs + this.#limits.idleMs,
          this.#sentAtMs + this.#limits.pingMs,
        );
      case 'ended':
        return Number.POSITIVE_INFINITY;
    }
  }

  tick(nowMs: number): void {
    if (nowMs < this.deadlineMs()) return;
    if (this.#state === 'connecting') this.end('dialTimeout', '');
    else if (this.#state === 'greeting') this.end('handshakeTimeout', this.#strange('after '));
    else if (this.#state === 'open') this.#tickOpen(nowMs);
  }

  #tickOpen(nowMs: number): void {
    // While it is we who do not read, nothing can be heard.
    if (this.isPaused) this.#heardAtMs = nowMs;
    const silentMs = nowMs - this.#heardAtMs;
    if (silentMs >= this.#limits.idleMs) {
      this.end('idle', `nothing heard for ${Math.round(silentMs)} ms`);
      return;
    }
    this.#sentAtMs = nowMs;
    this.#output.ping();
  }

  /** Tells the peer of a group made after the handshake. */
  declare(groups: readonly GroupDeclaration[]): void {
    if (!this.isOpen) return;
    for (let at = 0; at < groups.length; at += GROUPS_FRAME_MAX) {
      this.#output.transmit(encodeGroups(groups.slice(at, at + GROUPS_FRAME_MAX)));
    }
  }

  /** Says why, then ends: the peer can log it. */
  refuse(refusal: Refusal): void {
    if (this.isEnded) return;
    this.#output.transmit(encodeRefuse(refusal));
    this.#end(reasonOfRefusal(refusal.code), refusal.text, true);
  }

  end(reason: CloseReason, detail: string): void {
    this.#end(reason, detail, reason === 'shutdown');
  }

  #end(reason: CloseReason, detail: string, flush: boolean): void {
    if (this.isEnded) return;
    this.#state = 'ended';
    this.#decoder.stop();
    this.#assembly.clear();
    this.#output.ended(reason, detail, flush);
  }

  #onFrame(kind: number, bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    if (this.#state === 'open') this.#onOpenFrame(kind, bytes, view, offset, length);
    else if (kind === FrameKind.hello) this.#onHello(view, offset, length);
    else if (kind === FrameKind.refuse && this.#expected !== NOBODY) {
      this.#onRefuse(view, offset, length);
    } else if (kind === FrameKind.ask && this.#expected === NOBODY) {
      this.#onAsk(view, offset, length);
    } else this.end('unexpectedFrame', `kind ${kind} before the handshake`);
  }

  #onAsk(view: DataView, offset: number, length: number): void {
    const problem = askProblem(view, offset, length);
    if (problem !== null) {
      this.refuse({ code: RefuseCode.version, text: problem });
      return;
    }
    this.#output.transmit(encodeTold(this.#local));
    this.#end('asked', '', true);
  }

  #onHello(view: DataView, offset: number, length: number): void {
    const hello = decodeHello(view, offset, length);
    if ('code' in hello) {
      this.refuse(hello);
      return;
    }
    const refusal =
      checkHello(this.#local, this.#groups, hello, this.#expected) ??
      this.#checkPurpose(hello) ??
      this.#output.admit(hello);
    if (refusal !== null) this.refuse(refusal);
    else this.#open(hello);
  }

  /** Who dialled knows what for. */
  #checkPurpose(hello: Hello): Refusal | null {
    const isBulk = isBulkHello(hello);
    if (this.#expected === NOBODY || isBulk === this.#isBulk) return null;
    const [there, here] = isBulk ? ['bulk', 'ordinary'] : ['ordinary', 'bulk'];
    const text = `a connection dialled as ${here} was answered as ${there}`;
    return { code: RefuseCode.feature, text };
  }

  #open(hello: Hello): void {
    this.#isBulk = isBulkHello(hello);
    if (this.#expected === NOBODY) {
      const local = this.#isBulk ? bulkIdentity(this.#local) : this.#local;
      this.#output.transmit(encodeHello(helloTo(hello.from, local, this.#groups)));
    }
    this.#state = 'open';
    this.#sentAtMs = this.#heardAtMs;
    const { frameBytesMax } = this.#limits;
    this.#decoder.frameBytesMax = this.#isBulk ? BULK_FRAME_BYTES_MAX : frameBytesMax;
    if (this.#decoder instanceof ChunkDecoder) this.#decoder.takesChunks = true;
    this.#takesParts = !this.#isBulk && hasFeature(hello, Feature.parts);
    this.declare([...this.#groups.values()].slice(helloGroupsMax(this.#local.address ?? '')));
    this.#output.opened(hello);
  }

  #onRefuse(view: DataView, offset: number, length: number): void {
    const { code, text } = decodeRefuse(view, offset, length);
    this.refusedWith = code;
    this.end('refusedByPeer', `${reasonOfRefusal(code)}: ${text}`);
  }

  #onOpenFrame(
    kind: number,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    if (!this.#assembly.admits(kind)) {
      this.end('badPart', `kind ${kind} between the parts of another frame`);
    } else if (this.#isOutputFrame(kind, length)) {
      this.#output.frame(kind, bytes, view, offset, length);
    } else if (kind === FrameKind.ping) return;
    else if (kind === FrameKind.groups) this.#onGroups(view, offset, length);
    else if (kind === FrameKind.refuse) this.#onRefuse(view, offset, length);
    else if (kind === FrameKind.part && this.#takesParts) {
      this.#onPart(bytes, view, offset, length);
    } else this.#endStrange(kind, length);
  }

  #isOutputFrame(kind: number, length: number): kind is FrameKind {
    if (!this.#isBulk) return isEngineFrame(kind, length);
    return isBulkFrame(kind, length, this.#expected !== NOBODY);
  }

  /** A frame that has no place here, or not with this length. */
  #endStrange(kind: number, length: number): void {
    const isSnapshot = isSnapshotKind(kind);
    if (!isSnapshot && !isEngineKind(kind)) this.end('unexpectedFrame', `kind ${kind}`);
    else if (isSnapshot === this.#isBulk) this.end('badMessage', `kind ${kind} of ${length} bytes`);
    else {
      const connection = this.#isBulk ? 'a bulk connection' : 'an ordinary connection';
      this.end('unexpectedFrame', `kind ${kind} on ${connection}`);
    }
  }

  #onPart(bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    const { frameBytesMax } = this.#limits;
    const found = this.#assembly.add(bytes, view, offset, length, frameBytesMax);
    if (found !== null) {
      this.end(found.problem === 'oversized' ? 'oversized' : 'badPart', found.text);
      return;
    }
    const whole = this.#assembly.take();
    if (whole === null) return;
    this.#onOpenFrame(whole.kind, whole.bytes, whole.view, whole.offset, whole.length);
  }

  #onGroups(view: DataView, offset: number, length: number): void {
    const groups = decodeGroups(view, offset, length);
    const refusal: Refusal | null =
      groups === null
        ? { code: RefuseCode.malformed, text: `GROUPS of ${length} bytes` }
        : checkGroups(this.#groups, groups);
    if (refusal !== null) this.refuse(refusal);
  }
}
