/**
 * `ringraft server` that loses its data whenever it starts: what the crash proof must not let pass.
 * It removes the data directory that it is given and then runs the real command.
 */

import { rmSync } from 'node:fs';

const data = process.argv[process.argv.indexOf('--data') + 1];
rmSync(data, { recursive: true, force: true });
await import('../../dist/tools/ringraft.js');
