/**
 * WITNESS: what is asked of the group, what a witness is labelled with, and what it refuses.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { ErrorNumber, RingraftError } from '../../engine/errors.js';
import { witnessFields } from '../../tools/server/commands/witness-commands.js';
import { readRefusal, writeRefusal } from '../../tools/server/refusals.js';
import { Connection, newMachine, serverView } from './commands-harness.js';

const client = new Connection();

test('WITNESS on and off ask the group, and say OK once it is so', async () => {
  const asked: string[] = [];
  const group = {
    enterWitnessMode: async () => void asked.push('enter'),
    leaveWitnessMode: async () => void asked.push('leave'),
  };
  for (const line of ['WITNESS on', 'witness OFF']) {
    assert.equal(await client.asked(line, group), '+OK');
  }
  assert.deepEqual(asked, ['enter', 'leave']);
});

test('what stands against it is replied with its reason', async () => {
  const refuse = (number: ErrorNumber, detail: string) => ({
    enterWitnessMode: () => Promise.reject(new RingraftError(number, { detail })),
  });
  const alone = await client.asked('WITNESS on', refuse(ErrorNumber.transfer, 'nobody else'));
  assert.match(alone, /^-ERR witness: leadership was not handed over: nobody else/);
});

test('a witness refuses writes, reads that need a leader and changes by one first word', async () => {
  assert.match(writeRefusal(ErrorNumber.witness, 0, true), /^ERR witness mode: /);
  assert.match(readRefusal(ErrorNumber.witness), /^ERR witness mode: /);
  const changeMembers = () => Promise.reject(new RingraftError(ErrorNumber.witness));
  assert.match(await client.asked('REMOVE 2', { changeMembers }), /^-ERR witness mode: /);
});

test('STATUS shows a witness and how long no leader was heard; others show neither', () => {
  const status = serverView([], newMachine()).status();
  assert.deepEqual(witnessFields(status), []);
  const rows = (leaderSilenceMs: number) =>
    witnessFields({ ...status, witness: true, leaderSilenceMs });
  assert.deepEqual(rows(12.6), [
    ['witness', 1],
    ['witness_age_ms', 13],
  ]);
  assert.deepEqual(rows(Number.POSITIVE_INFINITY)[1], ['witness_age_ms', -1]);
});

test('WITNESS alone answers the label, and another word is refused with it', () => {
  assert.match(client.inline('WITNESS'), /witness:0\nindex:42\nage_ms:0$/);
  assert.match(
    client.inline('WITNESS maybe'),
    /^-ERR WITNESS takes on, off or nothing, not "maybe"/,
  );
});
