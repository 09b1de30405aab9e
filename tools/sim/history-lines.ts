/**
 * Histories as JSON lines, one event each: written by the simulator and the crash tests, read back
 * by the checker. A line that is not an event is refused with its number.
 */

import { assert } from '../../engine/raft/types.js';
import { History, type HistoryEvent } from './history.js';
import type { Operation, Result } from './operation.js';

export function historyToLines(history: History): string {
  return history.events.map((event) => `${JSON.stringify(event)}\n`).join('');
}

/** Reads what `historyToLines` wrote; throws with the line number at the first bad line. */
export function historyFromLines(text: string): History {
  const history = new History();
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    try {
      history.add(parseEvent(line));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`history line ${index + 1}: ${reason}`);
    }
  });
  return history;
}

const FIELDS: Readonly<Record<Operation['op'], Readonly<Record<string, 'string' | 'number'>>>> = {
  set: { key: 'string', value: 'string' },
  setnx: { key: 'string', value: 'string' },
  append: { key: 'string', value: 'string' },
  get: { key: 'string' },
  del: { key: 'string' },
  incr: { key: 'string', by: 'number' },
  cas: { key: 'string', expected: 'string', value: 'string' },
};

function parseEvent(line: string): HistoryEvent {
  const raw: unknown = JSON.parse(line);
  assert(typeof raw === 'object' && raw !== null, 'an event is a JSON object');
  const fields = raw as Readonly<Record<string, unknown>>;
  const need = (wanted: Readonly<Record<string, string>>) => {
    for (const [name, type] of Object.entries(wanted)) {
      if (typeof fields[name] !== type) throw new Error(`field ${name} must be a ${type}`);
    }
  };
  need({ event: 'string', timeUs: 'number', id: 'number' });
  if (fields.event === 'invoke') {
    need({ client: 'number', node: 'number', op: 'string' });
    const wanted = Object.hasOwn(FIELDS, String(fields.op)) ? FIELDS[fields.op as 'get'] : null;
    if (wanted === null) throw new Error(`unknown operation ${String(fields.op)}`);
    need(wanted);
  } else if (fields.event === 'ok') {
    if (!isResult(fields.result)) throw new Error('field result must be a result');
  } else {
    const isKnown = fields.event === 'fail' || fields.event === 'unknown';
    if (!isKnown) throw new Error(`unknown event ${String(fields.event)}`);
    need({ why: 'string' });
  }
  return raw as HistoryEvent;
}

function isResult(value: unknown): value is Result {
  if (value === null || typeof value === 'string' || typeof value === 'number') return true;
  if (typeof value !== 'object') return false;
  const { error } = value as { error?: unknown };
  return error === 'notInteger' || error === 'overflow';
}
