/**
 * First module of a worker thread when the project runs from its TypeScript sources (development
 * and tests): teaches this thread to load .ts, then loads the real worker named by the first
 * argument. tsc does not emit it, so it is never published; it must never hold behaviour.
 */

import { register } from 'tsx/esm/api';

register();
const worker = await import(process.argv[2]);
export default worker.default;
