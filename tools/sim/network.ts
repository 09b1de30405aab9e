/**
 * A simulated network: byte frames between numbered nodes over one connection per pair, as in
 * production, where one TCP connection per pair delivers in order or breaks. A pair has one while
 * one side dials the other and is let in: see io/net/peer-links.ts.
 *
 * Beyond that it deliberately loses, duplicates and reorders whole frames, because Raft must bear
 * it. It must never look into a frame, share bytes with the sender, or deliver inside `send`.
 */

import type { Prng } from '../../engine/raft/prng.js';
import { assert } from '../../engine/raft/types.js';
import type { Scheduler } from './scheduler.js';

/** What a node hears. A restarted node attaches a new port: the old one hears nothing more. */
export interface NetworkPort {
  /** The connection to `peer` is up: the place of the handshake. */
  connected(peer: number): void;
  frame(peer: number, bytes: Uint8Array): void;
  /** The connection to `peer` broke: frames in flight on it, both ways, are gone. */
  reset(peer: number): void;
  /** Whether it dials this peer and lets it in; left out: everybody. See `followMembers`. */
  links?(peer: number): boolean;
  /** It waits to be added: whoever dials it is let in. */
  readonly isWaiting?: boolean;
}

/** Faults of one direction of a link, each drawn per frame. */
export interface Conditions {
  readonly loss: number;
  readonly duplication: number;
  /** Probability that a frame leaves the order and lingers up to `lingerUs`. */
  readonly reordering: number;
  readonly lingerUs: number;
  /** Up to this much is added to the latency; order is kept. */
  readonly delayUs: number;
}

export const CALM: Conditions = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  lingerUs: 20_000,
  delayUs: 0,
};

/**
 * Nine frames of ten take up to `typicalUs`, most others ten times that, one in 200 up to `maxUs`.
 */
export interface Latency {
  readonly minUs: number;
  readonly typicalUs: number;
  readonly maxUs: number;
}

export interface NetworkOptions {
  readonly latency: Latency;
  /** A broken connection is dialled again after a time in this range. */
  readonly dialUsMin: number;
  readonly dialUsMax: number;
  /** How long a node that is no peer any more keeps its connection. */
  readonly lingerUs: number;
  /** Bytes in flight per direction above which `send` refuses, like a full socket. */
  readonly inFlightBytesMax: number;
}

export const NETWORK_DEFAULTS: NetworkOptions = {
  latency: { minUs: 50, typicalUs: 500, maxUs: 20_000 },
  dialUsMin: 1_000,
  dialUsMax: 20_000,
  lingerUs: 300_000,
  inFlightBytesMax: 8 << 20,
};

export interface NetworkCounts {
  sent: number;
  delivered: number;
  /** Drawn losses. */
  lost: number;
  duplicated: number;
  /** Frames that did arrive after a frame sent later. */
  reordered: number;
  delayed: number;
  /** Swallowed by a partition. */
  blocked: number;
  /** In flight when their connection broke. */
  dropped: number;
  /** Refused because the direction was full or there was no connection. */
  refused: number;
  partitions: number;
  oneWays: number;
  heals: number;
  cuts: number;
  flaps: number;
}

/** One direction of a link. */
interface Lane {
  readonly from: number;
  readonly to: number;
  conditions: Conditions;
  blocked: boolean;
  lastArrivalUs: number;
  sentFrames: number;
  newestDelivered: number;
  inFlightBytes: number;
}

/** The connection of an unordered pair; `epoch` grows when it breaks. */
interface Link {
  readonly low: number;
  readonly high: number;
  epoch: number;
  isUp: boolean;
  isDialling: boolean;
}

interface Frame {
  readonly lane: Lane;
  readonly link: Link;
  readonly epoch: number;
  readonly number: number;
  readonly bytes: Uint8Array;
}

export class SimNetwork {
  readonly counts: NetworkCounts = {
    sent: 0,
    delivered: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    delayed: 0,
    blocked: 0,
    dropped: 0,
    refused: 0,
    partitions: 0,
    oneWays: 0,
    heals: 0,
    cuts: 0,
    flaps: 0,
  };
  readonly #scheduler: Scheduler;
  readonly #prng: Prng;
  readonly #options: NetworkOptions;
  readonly #ports = new Map<number, NetworkPort>();
  readonly #lanes = new Map<string, Lane>();
  readonly #links = new Map<string, Link>();
  #conditions = CALM;

  constructor(scheduler: Scheduler, prng: Prng, options: Partial<NetworkOptions> = {}) {
    this.#scheduler = scheduler;
    this.#prng = prng;
    this.#options = { ...NETWORK_DEFAULTS, ...options };
    assert(this.#options.dialUsMin >= 1, 'a connection is told broken before it is made again');
  }

  /** The node starts listening and dials everyone who listens. */
  attach(node: number, port: NetworkPort): void {
    assert(!this.#ports.has(node), 'a node attaches once per life');
    const peers = [...this.#ports.keys()];
    this.#ports.set(node, port);
    for (const peer of peers) this.#dial(this.#link(node, peer));
  }

  /** The node is gone; its peers see their connections break. */
  detach(node: number): void {
    if (!this.#ports.delete(node)) return;
    for (const peer of this.#ports.keys()) {
      const link = this.#link(node, peer);
      if (!link.isUp) continue;
      this.#break(link);
      this.#tellReset(peer, node);
    }
  }

  isUp(a: number, b: number): boolean {
    return this.#link(a, b).isUp;
  }

  /** Whom this node links to has changed: connections are made, and ended after a while. */
  followMembers(node: number): void {
    for (const peer of this.#ports.keys()) {
      if (peer === node) continue;
      const link = this.#link(node, peer);
      if (!link.isUp) this.#dial(link);
      else if (!this.#isKept(link)) {
        const { epoch } = link;
        this.#scheduler.after(this.#options.lingerUs, () => this.#letGo(link, epoch));
      }
    }
  }

  #letGo(link: Link, epoch: number): void {
    if (!link.isUp || link.epoch !== epoch || this.#isKept(link)) return;
    this.#break(link);
    this.#tellReset(link.low, link.high);
    this.#tellReset(link.high, link.low);
    this.#dial(link);
  }

  #wants(node: number, peer: number): boolean {
    return this.#ports.get(node)?.links?.(peer) ?? true;
  }

  #letsIn(node: number, peer: number): boolean {
    return this.#wants(node, peer) || this.#ports.get(node)?.isWaiting === true;
  }

  #isKept({ low, high }: Link): boolean {
    return this.#letsIn(low, high) && this.#letsIn(high, low);
  }

  #isDialled({ low, high }: Link): boolean {
    return this.#wants(low, high) || this.#wants(high, low);
  }

  /** Copies `bytes` and sends them; false when there is no connection or its buffer is full. */
  send(from: number, to: number, bytes: Uint8Array): boolean {
    const link = this.#link(from, to);
    const lane = this.#lane(from, to);
    const isFull = lane.inFlightBytes + bytes.length > this.#options.inFlightBytesMax;
    if (!link.isUp || isFull) {
      this.counts.refused += 1;
      return false;
    }
    this.counts.sent += 1;
    const number = lane.sentFrames;
    lane.sentFrames += 1;
    if (lane.blocked) {
      this.counts.blocked += 1;
      return true;
    }
    if (this.#prng.chance(lane.conditions.loss)) {
      this.counts.lost += 1;
      return true;
    }
    this.#launch(lane, link, number, bytes);
    if (this.#prng.chance(lane.conditions.duplication)) {
      this.counts.duplicated += 1;
      this.#launch(lane, link, number, bytes);
    }
    return true;
  }

  /**
   * Changes some conditions of the given directions; without `pairs`, of all, present and future.
   */
  setConditions(
    change: Partial<Conditions>,
    pairs?: readonly (readonly [from: number, to: number])[],
  ): void {
    if (pairs === undefined) {
      this.#conditions = { ...this.#conditions, ...change };
      for (const lane of this.#lanes.values()) {
        lane.conditions = { ...lane.conditions, ...change };
      }
      return;
    }
    for (const [from, to] of pairs) {
      const lane = this.#lane(from, to);
      lane.conditions = { ...lane.conditions, ...change };
    }
  }

  /** Nothing passes between the two sides. Connections stay up and swallow what is sent. */
  partition(left: readonly number[], right: readonly number[]): void {
    this.counts.partitions += 1;
    this.#block(left, right);
    this.#block(right, left);
  }

  /** Nothing passes from `from` to `to`; the way back is open. */
  oneWay(from: readonly number[], to: readonly number[]): void {
    this.counts.oneWays += 1;
    this.#block(from, to);
  }

  /** Ends every partition. */
  heal(): void {
    this.counts.heals += 1;
    for (const lane of this.#lanes.values()) lane.blocked = false;
  }

  /**
   * Resets the connection of a pair: frames in flight are gone, both ends are told, it is
   * redialled.
   */
  cut(a: number, b: number): void {
    const link = this.#link(a, b);
    if (!link.isUp) return;
    this.counts.cuts += 1;
    this.#break(link);
    this.#tellReset(link.low, link.high);
    this.#tellReset(link.high, link.low);
    this.#dial(link);
  }

  /** Cuts the connection of a pair `times` times, once per period. */
  flap(a: number, b: number, times: number, periodUs: number): void {
    this.counts.flaps += 1;
    for (let round = 0; round < times; round += 1) {
      this.#scheduler.after(round * periodUs, () => this.cut(a, b));
    }
  }

  #block(from: readonly number[], to: readonly number[]): void {
    for (const sender of from) {
      for (const receiver of to) {
        if (sender !== receiver) this.#lane(sender, receiver).blocked = true;
      }
    }
  }

  #launch(lane: Lane, link: Link, number: number, bytes: Uint8Array): void {
    const { conditions } = lane;
    let arrivalUs = this.#scheduler.nowUs + this.#latencyUs();
    if (conditions.delayUs > 0) {
      this.counts.delayed += 1;
      arrivalUs += this.#prng.between(0, conditions.delayUs);
    }
    if (this.#prng.chance(conditions.reordering)) {
      arrivalUs += this.#prng.between(0, conditions.lingerUs);
    } else {
      arrivalUs = Math.max(arrivalUs, lane.lastArrivalUs);
      lane.lastArrivalUs = arrivalUs;
    }
    const frame = { lane, link, epoch: link.epoch, number, bytes: new Uint8Array(bytes) };
    lane.inFlightBytes += bytes.length;
    this.#scheduler.at(arrivalUs, () => this.#arrive(frame));
  }

  #arrive({ lane, link, epoch, number, bytes }: Frame): void {
    lane.inFlightBytes -= bytes.length;
    assert(lane.inFlightBytes >= 0, 'a frame arrives once');
    if (epoch !== link.epoch) {
      this.counts.dropped += 1;
    } else if (lane.blocked) {
      this.counts.blocked += 1;
    } else {
      if (number < lane.newestDelivered) this.counts.reordered += 1;
      lane.newestDelivered = Math.max(lane.newestDelivered, number);
      this.counts.delivered += 1;
      const port = this.#ports.get(lane.to);
      assert(port !== undefined, 'a connection that is up has a node at each end');
      port.frame(lane.from, bytes);
    }
  }

  #dial(link: Link): void {
    if (link.isUp || link.isDialling) return;
    link.isDialling = true;
    const { dialUsMin, dialUsMax } = this.#options;
    this.#scheduler.after(this.#prng.between(dialUsMin, dialUsMax), () => this.#answer(link));
  }

  #answer(link: Link): void {
    link.isDialling = false;
    const { low, high } = link;
    const lowPort = this.#ports.get(low);
    const highPort = this.#ports.get(high);
    if (lowPort === undefined || highPort === undefined) return;
    if (!this.#isDialled(link) || !this.#isKept(link)) return;
    // A connection needs both ways: it is not made through a partition, even a one-way one.
    if (this.#lane(low, high).blocked || this.#lane(high, low).blocked) {
      this.#dial(link);
      return;
    }
    link.isUp = true;
    lowPort.connected(high);
    // The first port may have broken the connection, or ended its node, on hearing of it.
    if (link.isUp) highPort.connected(low);
  }

  #break(link: Link): void {
    link.epoch += 1;
    link.isUp = false;
    for (const lane of [this.#lane(link.low, link.high), this.#lane(link.high, link.low)]) {
      lane.lastArrivalUs = 0;
    }
  }

  /** Dialling takes time, so a node hears of the break before it hears of the next connection. */
  #tellReset(node: number, peer: number): void {
    const port = this.#ports.get(node);
    this.#scheduler.after(0, () => {
      if (port !== undefined && this.#ports.get(node) === port) port.reset(peer);
    });
  }

  #latencyUs(): number {
    const { minUs, typicalUs, maxUs } = this.#options.latency;
    const draw = this.#prng.below(200);
    if (draw < 180) return this.#prng.between(minUs, typicalUs);
    if (draw < 199) return this.#prng.between(typicalUs, Math.min(10 * typicalUs, maxUs));
    return this.#prng.between(typicalUs, maxUs);
  }

  #lane(from: number, to: number): Lane {
    assert(from !== to, 'a node does not send to itself');
    const name = `${from}>${to}`;
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = {
        from,
        to,
        conditions: this.#conditions,
        blocked: false,
        lastArrivalUs: 0,
        sentFrames: 0,
        newestDelivered: -1,
        inFlightBytes: 0,
      };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  #link(a: number, b: number): Link {
    const low = Math.min(a, b);
    const high = Math.max(a, b);
    const name = `${low}-${high}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { low, high, epoch: 0, isUp: false, isDialling: false };
      this.#links.set(name, link);
    }
    return link;
  }
}
