/**
 * Which groups of this node are in witness mode, kept with the data: a restart finds them so.
 *
 * What is recorded is durable on return, and so before any group's thread is told. In memory mode
 * nothing is written, and the end of the process forgets it. This file must never decide whether a
 * group may enter or leave.
 */

import { type DataDirectory, recordWitness } from '../io/data-directory.js';
import { DataDirectoryError } from '../io/data-directory-error.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { ErrorNumber, RingraftError } from './errors.js';

export class WitnessRecord {
  #directory: DataDirectory | null;

  constructor(directory: DataDirectory | null) {
    this.#directory = directory;
  }

  has(group: number): boolean {
    return this.#directory?.meta.witnesses?.includes(group) ?? false;
  }

  /** Throws `ERR_DATA_DIRECTORY` when it cannot be made durable: then it is as it was. */
  set(group: number, isWitness: boolean): void {
    if (this.#directory === null || this.has(group) === isWitness) return;
    try {
      this.#directory = recordWitness(new NodeDisk(), this.#directory, group, isWitness);
    } catch (cause) {
      if (!(cause instanceof DataDirectoryError)) throw cause;
      throw new RingraftError(ErrorNumber.dataDirectory, { detail: cause.message, cause });
    }
  }
}
