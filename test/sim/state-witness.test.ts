/**
 * What the witness of machines and images must see: an image that is not of the entry that it
 * names, whether what proves it comes before or after, and a machine that was given another one.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { StateWitness } from '../../tools/sim/state-witness.js';

const COMMAND = Buffer.from('set x');

/** Replicas 1 and 2 have begun, and applied these commands. */
function applied(...byNode: readonly (readonly number[])[]): StateWitness {
  const witness = new StateWitness();
  byNode.forEach((indexes, at) => {
    witness.begins(at + 1);
    for (const index of indexes) assert.equal(witness.applies(at + 1, index, 9, COMMAND), null);
  });
  return witness;
}

test('an image may be named after an entry without a command', () => {
  const witness = applied([2, 3]);
  assert.equal(witness.takes(1, 3, 'a'), null);
  assert.equal(witness.takes(1, 5, 'a'), null);
  assert.equal(witness.applies(1, 6, 9, COMMAND), null);
});

test('an image that is named after an entry before its last command is reported', () => {
  const witness = applied([2, 3]);
  assert.equal(witness.takes(1, 2, 'a'), 'node 1 calls an image 2 that holds 3');
});

test('an image that lacks a command of another replica is reported at once', () => {
  const witness = applied([2, 3, 4], [2, 3]);
  assert.equal(witness.takes(2, 4, 'a'), 'node 2 calls an image 4 that lacks command 4');
});

test('an image that lacks a command nobody has applied yet is reported with that command', () => {
  const witness = applied([2, 3], [2, 3]);
  assert.equal(witness.takes(2, 4, 'a'), null);
  const broken = witness.applies(1, 4, 9, COMMAND);
  assert.equal(broken, 'node 2 calls an image 4 that lacks command 4');
});

test('images of one index are of one state', () => {
  const witness = applied([2], [2]);
  assert.equal(witness.takes(1, 2, 'a'), null);
  assert.equal(witness.takes(2, 2, 'b'), 'node 2 has another state at 2 than another had');
});

test('a machine goes on after the image that it was given, which is one that was taken', () => {
  const witness = applied([2, 3, 4], []);
  assert.equal(witness.takes(1, 4, 'a'), null);
  assert.equal(witness.restored(2, 4, 'b'), 'node 2 restored another state at 4 than taken');
  assert.equal(witness.restored(2, 4, 'a'), null);
  assert.equal(witness.applies(2, 4, 9, COMMAND), 'node 2 applies 4 after 4');
  assert.equal(witness.applies(2, 5, 9, COMMAND), null);
  assert.equal(witness.applies(1, 5, 9, COMMAND), null);
});
