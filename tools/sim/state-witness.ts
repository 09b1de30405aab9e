/**
 * What the machines of one group have applied, over all lives of all replicas: the same commands in
 * the same order, once, and images that hold just what they say.
 *
 * It only looks; what is wrong is said as text, null when nothing is. Entries without a command are
 * not seen here, so of an image it is known which commands it may hold, not which entry it ends at.
 */

import { crc32c } from '../../codec/checksum.js';

/** An image that says it covers more than the last command known to be in it. */
interface OpenImage {
  readonly node: number;
  readonly holds: number;
  readonly says: number;
}

export class StateWitness {
  /** By index: the checksum over every command up to there. */
  readonly #chain: number[] = [];
  /** By index: the digest of the state that an image was taken of. */
  readonly #images = new Map<number, string>();
  readonly #appliedUpTo = new Map<number, { index: number; chain: number }>();
  /** Images that a command still to come could prove wrong. */
  #open: OpenImage[] = [];

  /** A replica begins a life with an empty machine. */
  begins(node: number): void {
    this.#appliedUpTo.set(node, { index: 0, chain: 0 });
  }

  /** A replica is about to apply this command. */
  applies(node: number, index: number, timeMs: number, command: Buffer): string | null {
    const before = this.#appliedUpTo.get(node)!;
    if (index <= before.index) return `node ${node} applies ${index} after ${before.index}`;
    const seed = (before.chain + index * 31 + timeMs) >>> 0;
    const chain = crc32c(command, seed);
    const known = this.#chain[index];
    if (known !== undefined && known !== chain) {
      return `node ${node} applies another command, or after others, at ${index}`;
    }
    this.#chain[index] = chain;
    before.index = index;
    before.chain = chain;
    return known === undefined ? this.#checkOpen(index) : null;
  }

  /** A command that nobody had applied before. */
  #checkOpen(index: number): string | null {
    const wrong = this.#open.find(({ holds, says }) => holds < index && index <= says);
    this.#open = this.#open.filter(({ says }) => says > index);
    return wrong === undefined ? null : lacks(wrong, index);
  }

  /** All images of an index are of one state, which holds every command up to it and no other. */
  takes(node: number, index: number, digest: string): string | null {
    const holds = this.#appliedUpTo.get(node)!.index;
    if (holds > index) return `node ${node} calls an image ${index} that holds ${holds}`;
    const image = { node, holds, says: index };
    for (let at = holds + 1; at <= index; at += 1) {
      if (this.#chain[at] !== undefined) return lacks(image, at);
    }
    if (holds < index && index >= this.#chain.length) this.#open.push(image);
    const known = this.#images.get(index) ?? digest;
    this.#images.set(index, known);
    if (known === digest) return null;
    return `node ${node} has another state at ${index} than another had`;
  }

  /** A replica's machine was given an image: it is the state that was taken. */
  restored(node: number, index: number, digest: string): string | null {
    if (this.#images.get(index) !== digest) {
      return `node ${node} restored another state at ${index} than taken`;
    }
    let at = index;
    while (at > 0 && this.#chain[at] === undefined) at -= 1;
    this.#appliedUpTo.set(node, { index, chain: this.#chain[at] ?? 0 });
    return null;
  }
}

function lacks({ node, says }: OpenImage, index: number): string {
  return `node ${node} calls an image ${says} that lacks command ${index}`;
}
