/**
 * A leader of a later version, played over a real socket, sends a configuration that this build
 * cannot read: the group says so by an event, once, and counts every try.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32c } from '../../codec/checksum.js';
import { encodeConfiguration } from '../../codec/configuration.js';
import { EntryKind } from '../../codec/entry.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { incarnation, logIndex, nodeId, term } from '../../engine/raft/types.js';
import { PeerLinks } from '../../io/net/peer-links.js';
import { TcpAdapter } from '../../io/net/tcp-adapter.js';
import { Recorder } from '../io/net-harness.js';
import { entryOf } from '../regressions/runtime-follower.js';
import { eventually, TestCluster } from './cluster.js';

const hashOf = (text: string): number => crc32c(Buffer.from(text));

/** Links of node 2, which dial node 1 of this cluster. */
function leaderOf(cluster: TestCluster): PeerLinks {
  return new PeerLinks(
    {
      adapter: new TcpAdapter(),
      identity: {
        clusterId: 1,
        nodeId: nodeId(2),
        incarnation: incarnation(22),
        bootId: 222,
        required: 0,
        optional: 0,
      },
      listenAddress: cluster.members[2] as string,
      peers: [{ id: nodeId(1), address: cluster.members[1] as string }],
      groups: [
        {
          group: 0,
          nameHash: hashOf('ledger'),
          entryBytesMax: 1024 * 1024,
          configurationHash: hashOf('1,2'),
        },
      ],
      random: new Prng(2),
    },
    new Recorder(2),
  );
}

test('a configuration of a later version is told once by an event and counted each time', async () => {
  await using cluster = await TestCluster.plan({ nodes: 2 });
  await cluster.open(1);
  const told: { index: number; from: number; text: string }[] = [];
  cluster.group(1).on('unreadable', (event) => told.push(event));
  const links = leaderOf(cluster);
  try {
    links.start();
    await eventually('the link', () => links.isUp(nodeId(1)) || null);
    const payload = encodeConfiguration(
      bootstrapConfiguration([{ id: nodeId(1), address: 'x:1' }]),
    );
    payload.writeUInt16LE(4, 0);
    const slab = entryOf(EntryKind.configuration, payload);
    const message = {
      kind: MessageKind.append,
      from: nodeId(2),
      to: nodeId(1),
      term: term(50),
      prevIndex: logIndex(0),
      prevTerm: term(0),
      lastIndex: logIndex(1),
      entriesTerm: term(50),
      commit: logIndex(0),
      round: 0,
      bytes: slab.length,
      configurations: [],
    };
    for (let tries = 1; tries <= 3; tries += 1) {
      links.sendMessage(message, 0, slab);
      links.flush();
      const { unreadableAppends } = cluster.group(1).status();
      assert.ok(unreadableAppends <= tries);
      await eventually('the try to be counted', () =>
        cluster.group(1).status().unreadableAppends === tries ? true : null,
      );
    }
    await eventually('the event', () => (told.length > 0 ? true : null));
    assert.equal(told.length, 1);
    assert.deepEqual([told[0]?.index, told[0]?.from], [1, 2]);
    assert.match(
      told[0]?.text ?? '',
      /^entry 1 from node 2 is not taken: .* version 4, this build/,
    );
    assert.equal(cluster.group(1).status().lastIndex, 0);
  } finally {
    links.close();
  }
});
