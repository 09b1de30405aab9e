/**
 * How a thread gets what it works with: it is started early, loads its modules meanwhile, and waits
 * here until it is its turn. It must never know what the data is.
 */

import { once } from 'node:events';
import { parentPort } from 'node:worker_threads';

/** Resolves to what the supervisor gave this thread. To be called once. */
export async function receiveData<Data>(): Promise<Data> {
  if (parentPort === null) throw new Error('this module is the entry of a worker thread');
  const [data] = await once(parentPort, 'message');
  return data;
}
