/**
 * Commands of Redis that are refused by name, each with the reason: better than "unknown command"
 * for somebody who moves an application here.
 */

import { type CommandSpec, NO_KEYS } from './command-spec.js';

const REASONS: Readonly<Record<string, readonly string[]>> = {
  'transactions are not supported; MSET is atomic': [
    'MULTI',
    'EXEC',
    'DISCARD',
    'WATCH',
    'UNWATCH',
  ],
  'scripts are not supported: they would have to be deterministic on every node': [
    'EVAL',
    'EVAL_RO',
    'EVALSHA',
    'EVALSHA_RO',
    'SCRIPT',
    'FCALL',
    'FCALL_RO',
    'FUNCTION',
  ],
  'publish and subscribe is not supported': [
    'SUBSCRIBE',
    'PSUBSCRIBE',
    'SSUBSCRIBE',
    'UNSUBSCRIBE',
    'PUNSUBSCRIBE',
    'SUNSUBSCRIBE',
    'PUBLISH',
    'SPUBLISH',
    'PUBSUB',
    'MONITOR',
  ],
  'keys do not expire here': [
    'EXPIRE',
    'PEXPIRE',
    'EXPIREAT',
    'PEXPIREAT',
    'SETEX',
    'PSETEX',
    'GETEX',
    'TTL',
    'PTTL',
    'PERSIST',
  ],
  'there are no users and no passwords': ['AUTH', 'ACL'],
  'replication and durability are not up to clients here': [
    'REPLICAOF',
    'SLAVEOF',
    'SYNC',
    'PSYNC',
    'WAIT',
    'WAITAOF',
    'SAVE',
    'BGSAVE',
    'BGREWRITEAOF',
    'FAILOVER',
  ],
  'this server has no hash slots': ['CLUSTER', 'READONLY', 'READWRITE', 'ASKING'],
};

export const REFUSED_COMMANDS: readonly CommandSpec[] = Object.entries(REASONS).flatMap(
  ([reason, names]) =>
    names.map(
      (name): CommandSpec => ({
        name,
        arity: -1,
        kind: 'refused',
        group: 'refused',
        summary: `Refused: ${reason}`,
        arguments: [],
        keys: NO_KEYS,
        handler: (plan) => plan.refuse(`ERR ${name} is refused: ${reason}`),
      }),
    ),
);
