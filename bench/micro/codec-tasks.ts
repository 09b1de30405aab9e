/**
 * Bytes: checksums, the walk over entries that come from a peer or a disk, and client requests.
 */

import { crc32c } from '../../codec/checksum.js';
import { countEntries } from '../../codec/entry.js';
import { Parsed, RequestParser } from '../../codec/resp/request-parser.js';
import { slabOfSets } from './entries.js';
import type { MicroTask } from './task.js';

const PAYLOAD_MAX = 1024 * 1024;
const SLAB_ENTRIES = 1000;
/** As many as a socket delivers at once: about 64 KiB of small commands. */
const PIPELINED = 1000;

function checksumTask(kib: number): MicroTask {
  return {
    name: `CRC-32C of ${kib} KiB`,
    unit: 'checksum',
    perCall: 1,
    start: () => {
      const bytes = Buffer.alloc(kib * 1024, 'x');
      return { call: () => void crc32c(bytes) };
    },
  };
}

function walkTask(valueBytes: number): MicroTask {
  return {
    name: `entry walk, ${valueBytes} B values`,
    unit: 'entry',
    perCall: SLAB_ENTRIES,
    start: () => {
      const { buffer, view } = slabOfSets(SLAB_ENTRIES, valueBytes, SLAB_ENTRIES);
      return {
        call: () => {
          const count = countEntries(view, 0, buffer.length, PAYLOAD_MAX);
          if (count !== SLAB_ENTRIES) throw new Error('the walk ends at the last entry');
        },
      };
    },
  };
}

function parseTask(valueBytes: number): MicroTask {
  return {
    name: `RESP parse, pipelined SET of ${valueBytes} B`,
    unit: 'command',
    perCall: PIPELINED,
    start: () => {
      const value = 'v'.repeat(valueBytes);
      const one = `*3\r\n$3\r\nSET\r\n$12\r\nkey:00001234\r\n$${valueBytes}\r\n${value}\r\n`;
      const chunk = Buffer.from(one.repeat(PIPELINED));
      const parser = new RequestParser();
      return {
        call: () => {
          parser.push(chunk);
          let count = 0;
          while (parser.next() === Parsed.request) count += 1;
          if (count !== PIPELINED) throw new Error('every command is found');
        },
      };
    },
  };
}

export const CODEC_TASKS: readonly MicroTask[] = [
  checksumTask(4),
  checksumTask(64),
  walkTask(16),
  parseTask(16),
  parseTask(256),
];
