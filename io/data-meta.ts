/**
 * The layout of `DATA/meta`: who this data belongs to. Text, so that an operator can read it.
 *
 *   ringraft-meta 1 features=0 crc32c=5d3c1a90      magic, format version, required features, check
 *   {"clusterId":1,"nodeId":2,…}                    one line of JSON
 *
 * The check covers version, features and the JSON. A version or a feature that this build does not
 * know is refused by name, never guessed at; a file that fails the check is never repaired here.
 */

import { crc32c } from '../codec/checksum.js';

const MAGIC = 'ringraft-meta';
export const META_VERSION = 1;
/**
 * Bits that a reader must know to read the directory. `witnesses`: some groups are in witness mode,
 * which a build that does not know it would not keep to.
 */
const FEATURE_WITNESSES = 1;
const KNOWN_FEATURES = FEATURE_WITNESSES;
/**
 * What is read and what is written. 1024 group names of 255 bytes, each escaped to six times that,
 * take 1.5 MiB; the rest is for the first members, one row for each distinct list of them.
 */
export const META_BYTES_MAX = 4 * 1024 * 1024;

export interface MemberAddress {
  readonly id: number;
  readonly address: string;
}

/** The members that some groups, by their numbers, began with: the record at index 0 of each. */
export interface FirstMembers {
  readonly groups: readonly number[];
  readonly members: readonly MemberAddress[];
}

export interface DataMeta {
  readonly clusterId: number;
  readonly nodeId: number;
  /** Random identity of this life of the data: 48 bits, never 0. */
  readonly incarnation: number;
  /** Random identity of the log, part of the checksum seed of its segments: 48 bits, never 0. */
  readonly logId: number;
  /** Milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
  /** Absolute path of a separate WAL directory; null for `wal` inside the data directory. */
  readonly walDir: string | null;
  /** Names of the groups whose entries the log holds, by their number in it. */
  readonly groups: readonly string[];
  /** False until the first segment is durable: then a directory without segments has lost them. */
  readonly complete: boolean;
  /** Absent until a start has recorded it, as in every directory of the first builds. */
  readonly firstMembers?: readonly FirstMembers[];
  /** Numbers of the groups in witness mode; absent while there is none. */
  readonly witnesses?: readonly number[];
}

export type DecodedMeta =
  | { readonly kind: 'meta'; readonly meta: DataMeta }
  | { readonly kind: 'damaged'; readonly detail: string }
  | { readonly kind: 'unknownVersion'; readonly version: number }
  | { readonly kind: 'unknownFeatures'; readonly features: number };

export function encodeMeta(meta: DataMeta): Uint8Array {
  const json = JSON.stringify(meta);
  const features = meta.witnesses === undefined ? 0 : FEATURE_WITNESSES;
  const check = checkOf(META_VERSION, features, json);
  const head = `${MAGIC} ${META_VERSION} features=${features.toString(16)} crc32c=${check}`;
  return new TextEncoder().encode(`${head}\n${json}\n`);
}

const HEAD = new RegExp(`^${MAGIC} (\\d{1,9}) features=([0-9a-f]{1,8}) crc32c=([0-9a-f]{8})$`);

export function decodeMeta(bytes: Uint8Array): DecodedMeta {
  const [head = '', json = '', rest] = new TextDecoder().decode(bytes).split('\n');
  const version = Number(/^ringraft-meta (\d{1,9}) /.exec(head)?.[1] ?? META_VERSION);
  if (version !== META_VERSION) return { kind: 'unknownVersion', version };
  const match = HEAD.exec(head);
  if (match === null) return damaged('the first line is not that of a ringraft meta file');
  if (rest !== '') return damaged('it does not end after the second line');
  const features = Number.parseInt(match[2] ?? '', 16);
  const check = checkOf(version, features, json);
  if (check !== match[3]) return damaged(`its checksum is ${match[3]}, its content has ${check}`);
  if ((features & ~KNOWN_FEATURES) !== 0) return { kind: 'unknownFeatures', features };
  return parseFields(json);
}

function parseFields(json: string): DecodedMeta {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return damaged('its second line is not JSON');
  }
  if (!isMeta(value)) return damaged('a field is missing or out of range');
  return { kind: 'meta', meta: value };
}

function isMeta(value: unknown): value is DataMeta {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Partial<Record<keyof DataMeta, unknown>>;
  return (
    isWhole(fields.clusterId, 0) &&
    isWhole(fields.nodeId, 1) &&
    isWhole(fields.incarnation, 1) &&
    isWhole(fields.logId, 1) &&
    isWhole(fields.createdAtMs, 0) &&
    (fields.walDir === null || typeof fields.walDir === 'string') &&
    Array.isArray(fields.groups) &&
    fields.groups.every((name) => typeof name === 'string') &&
    typeof fields.complete === 'boolean' &&
    (fields.firstMembers === undefined || isListOf(fields.firstMembers, isFirstMembers)) &&
    (fields.witnesses === undefined || isGroupList(fields.witnesses))
  );
}

function isListOf(value: unknown, isOne: (each: object) => boolean): boolean {
  if (!Array.isArray(value)) return false;
  return value.every((each) => typeof each === 'object' && each !== null && isOne(each));
}

function isFirstMembers(value: object): boolean {
  const { groups, members } = value as Partial<Record<keyof FirstMembers, unknown>>;
  const isMember = (each: object): boolean => {
    const { id, address } = each as Partial<Record<keyof MemberAddress, unknown>>;
    return isWhole(id, 1) && typeof address === 'string';
  };
  return isGroupList(groups) && isListOf(members, isMember);
}

function isGroupList(value: unknown): boolean {
  return Array.isArray(value) && value.every((group) => isWhole(group, 0));
}

function isWhole(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function checkOf(version: number, features: number, json: string): string {
  const checked = new TextEncoder().encode(`${version} ${features} ${json}`);
  return crc32c(checked).toString(16).padStart(8, '0');
}

function damaged(detail: string): DecodedMeta {
  return { kind: 'damaged', detail };
}
