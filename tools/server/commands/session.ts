/**
 * What the server remembers about one client connection beyond its socket: the protocol it asked
 * for and what it said about itself. Commands change it; nothing here does input or output.
 */

export interface Session {
  readonly id: number;
  /** The peer, `host:port`. */
  readonly address: string;
  /** Milliseconds since the Unix epoch. */
  readonly openedAtMs: number;
  /** What HELLO asked for. Inline commands are answered in RESP2 whatever this says. */
  protocol: 2 | 3;
  name: string;
  libraryName: string;
  libraryVersion: string;
  /** The last command's name, for CLIENT LIST. */
  lastCommand: string;
}

export function openSession(id: number, address: string, openedAtMs: number): Session {
  return {
    id,
    address,
    openedAtMs,
    protocol: 2,
    name: '',
    libraryName: '',
    libraryVersion: '',
    lastCommand: '',
  };
}
